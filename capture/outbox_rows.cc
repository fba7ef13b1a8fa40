#include "capture/outbox_rows.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace crossfade::capture {
namespace {

using pgoutput::Field;
using pgoutput::FieldKind;

Error not_understood(const std::string& object, std::string native) {
  Error error;
  error.remedy = Remedy::kDecide;
  error.code = ErrorCode::kTarget;
  error.op = "target.outbox";
  error.object = object;
  error.native = std::move(native);
  error.hint = "nothing was applied from it. Report it with the server's version";
  return error;
}

// From the quote on, which is taken off with all up to its end.
bool take_quoted_field(std::string_view* text, Field* field, std::deque<std::string>* kept) {
  text->remove_prefix(1);
  std::string* made = nullptr;
  size_t at = 0;
  size_t from = 0;
  while (at < text->size()) {
    const char c = (*text)[at];
    const bool doubled = at + 1 < text->size() && (*text)[at + 1] == c;
    if (c == '"' && !doubled) break;
    if (c != '"' && c != '\\') {
      ++at;
      continue;
    }
    if (!doubled) return false;  // record_out() doubles both, and nothing else
    if (made == nullptr) made = &kept->emplace_back();
    made->append(*text, from, at + 1 - from);
    at += 2;
    from = at;
  }
  if (at == text->size()) return false;
  field->kind = FieldKind::kText;
  if (made != nullptr) {
    made->append(*text, from, at - from);
    field->bytes = *made;
  } else {
    field->bytes = text->substr(0, at);
  }
  text->remove_prefix(at + 1);
  return true;
}

}  // namespace

bool split_record(std::string_view text, pgoutput::Tuple* fields, std::deque<std::string>* kept) {
  fields->clear();
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') return false;
  text = text.substr(1, text.size() - 2);
  while (true) {
    Field field;
    if (!text.empty() && text.front() == '"') {
      if (!take_quoted_field(&text, &field, kept)) return false;
    } else {
      field.bytes = text.substr(0, text.find(','));
      if (!field.bytes.empty()) field.kind = FieldKind::kText;
      if (field.bytes.find_first_of("\"\\()") != std::string_view::npos) return false;
      text.remove_prefix(field.bytes.size());
    }
    fields->push_back(field);
    if (text.empty()) return true;
    if (text.front() != ',') return false;
    text.remove_prefix(1);
  }
}

Result<OutboxShape> OutboxShape::parse(pgoutput::Oid relation, const std::string& told) {
  OutboxShape out;
  out.id_ = relation;
  const auto json = nlohmann::json::parse(told, nullptr, /*allow_exceptions=*/false);
  try {
    out.schema_ = json.at(0).get<std::string>();
    out.name_ = json.at(1).get<std::string>();
    for (const auto& column : json.at(2)) {
      out.columns_.push_back({column.at(0).get<std::string>(), column.at(1).get<pgoutput::Oid>(),
                              column.at(2).get<int32_t>(), column.at(3).get<bool>()});
    }
  } catch (const nlohmann::json::exception& error) {
    return fail(not_understood("crossfade.outbox_shape", error.what()));
  }
  return out;
}

pgoutput::Relation OutboxShape::relation() const {
  pgoutput::Relation out;
  out.id = id_;
  out.schema = schema_;
  out.name = name_;
  out.replica_identity = 'f';  // an entry has the whole row
  for (const Column& column : columns_) {
    if (!column.computed) out.columns.push_back({true, column.name, column.type, column.typmod});
  }
  return out;
}

Result<pgoutput::Tuple> OutboxShape::read(std::string_view row,
                                          std::deque<std::string>* kept) const {
  pgoutput::Tuple fields;
  if (!split_record(row, &fields, kept) || fields.size() != columns_.size()) {
    return fail(not_understood(
        fmt::format("{}.{}", schema_, name_),
        fmt::format("an entry of the outbox is no row of {} columns", columns_.size())));
  }
  pgoutput::Tuple out;
  out.reserve(fields.size());
  for (size_t i = 0; i < fields.size(); ++i) {
    if (!columns_[i].computed) out.push_back(fields[i]);
  }
  return out;
}

}  // namespace crossfade::capture
