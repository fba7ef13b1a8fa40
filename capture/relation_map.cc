#include "capture/relation_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/core/limits.h"
#include "engine/schema/utf8.h"

namespace crossfade::capture {
namespace {

using pgoutput::Field;
using pgoutput::FieldKind;

std::string planned_name(const ColumnType& type) {
  if (type.spelling.empty()) {
    if (type.base == TargetType::kTimestamp) return "timestamp without time zone";
    if (type.base == TargetType::kTimestamptz) return "timestamp with time zone";
  }
  return to_string(type);
}

Error row_error(const Table& table, std::string native, std::string hint) {
  Error error;
  error.remedy = Remedy::kDecide;
  error.code = ErrorCode::kTarget;
  error.op = "target.stream";
  error.object = table.target_name;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

void note_misfit(size_t column, std::string_view field, TargetChange* change) {
  if (change->misfit) return;
  change->misfit =
      TargetMisfit{column, std::string(schema::prefix(field, limits::kMisfitShownBytesMax))};
}

}  // namespace

bool is_planned_type(const ColumnType& planned, std::string_view type) {
  const std::string name = planned_name(planned);
  if (type == name) return true;
  // pgvector's type is in whatever schema the extension was put.
  return planned.base == TargetType::kVector && planned.spelling.empty() &&
         type.ends_with("." + name);
}

RelationMap::RelationMap(std::shared_ptr<const Table> table, const pgoutput::Relation& relation,
                         const std::vector<std::string>& types)
    : table_(std::move(table)), width_(relation.columns.size()) {
  decoders_.reserve(table_->columns.size());
  for (const Column& column : table_->columns) decoders_.emplace_back(column.type);
  find_columns(relation, types);
}

void RelationMap::find_columns(const pgoutput::Relation& relation,
                               const std::vector<std::string>& types) {
  std::vector<bool> known(width_, false);
  for (size_t i = 0; i < table_->columns.size(); ++i) {
    const Column& column = table_->columns[i];
    fields_.emplace_back();
    for (size_t place = 0; place < width_; ++place) {
      if (relation.columns[place].name == column.target_name) fields_.back() = place;
    }
    if (!fields_.back()) {
      // The server does not send what it computes.
      if (!column.target_generated) {
        add({fmt::format("column {} was dropped or renamed", column.target_name)});
      }
      continue;
    }
    const size_t place = *fields_.back();
    known[place] = true;
    if (!is_planned_type(column.type, types[place])) {
      add({fmt::format("column {} is {} now, and was {}", column.target_name, types[place],
                       planned_name(column.type))});
    }
    if (is_key(i) && !relation.columns[place].key) {
      add(
          {fmt::format("updates and deletes do not tell the key column {} any more: the table's "
                       "replica identity or primary key was changed",
                       column.target_name)});
    }
  }
  for (size_t place = 0; place < width_; ++place) {
    if (known[place]) continue;
    add({fmt::format("column {} has no place in the source: its values do not go back",
                     relation.columns[place].name),
         /*fatal=*/false});
  }
}

void RelationMap::add(RelationDifference difference) {
  differences_.push_back(std::move(difference));
}

bool RelationMap::is_key(size_t column) const {
  return std::find(table_->key.begin(), table_->key.end(), column) != table_->key.end();
}

Result<TargetChange> RelationMap::begin(TargetOp op) const {
  const auto fatal = std::find_if(differences_.begin(), differences_.end(),
                                  [](const RelationDifference& each) { return each.fatal; });
  if (fatal != differences_.end()) {
    return fail(row_error(*table_, "its rows cannot go back: " + fatal->what,
                          "give the table the definition that crossfade knows; changes that were "
                          "made meanwhile stay in the slot, and cannot go back with another one"));
  }
  TargetChange change;
  change.table = table_;
  change.op = op;
  return change;
}

Result<const Field*> RelationMap::field(const pgoutput::Tuple& tuple, size_t column) const {
  const auto place = fields_[column];
  if (tuple.size() != width_ || !place || tuple[*place].kind == FieldKind::kBinary) {
    return fail(row_error(*table_,
                          fmt::format("a row has {} fields where {} were announced, or one in "
                                      "binary, which was not asked for",
                                      tuple.size(), width_),
                          "nothing was applied from it. Report it with the server's version"));
  }
  return &tuple[*place];
}

// Nothing: it stands for no value, which is noted. A key's field then stands for itself.
std::optional<Value> RelationMap::value(const Field& field, size_t column,
                                        TargetChange* change) const {
  if (field.kind == FieldKind::kNull) {
    if (is_key(column)) note_misfit(column, "NULL", change);
    return Value();
  }
  if (auto decoded = decoders_[column].decode(field.bytes)) return decoded;
  note_misfit(column, field.bytes, change);
  if (!is_key(column)) return std::nullopt;
  return Value(Text{std::string(field.bytes)});
}

Status RelationMap::read_key(const pgoutput::Tuple& tuple, TargetChange* change) const {
  for (const size_t column : table_->key) {
    CROSSFADE_TRY(const Field* const found, field(tuple, column));
    if (found->kind == FieldKind::kUnchanged) {
      return fail(row_error(
          *table_,
          fmt::format("a change does not tell the key: {} is stored out of line, and was not sent",
                      table_->columns[column].target_name),
          "ALTER TABLE ... REPLICA IDENTITY FULL, and make the way back anew; the server's newer "
          "minor versions do not have this fault"));
    }
    change->key.push_back(*value(*found, column, change));
  }
  return ok();
}

Status RelationMap::read_after(const pgoutput::Tuple& tuple, TargetChange* change) const {
  const bool update = change->op == TargetOp::kUpdate;
  change->after.resize(table_->columns.size());
  for (size_t i = 0; i < table_->columns.size(); ++i) {
    const Column& column = table_->columns[i];
    if (column.generated) continue;
    // What the hash stands for is in the source, and stays there.
    if (update && column.type.form == SourceForm::kMasked && !is_key(i)) continue;
    CROSSFADE_TRY(const Field* const found, field(tuple, i));
    if (found->kind != FieldKind::kUnchanged) {
      change->after[i] = value(*found, i, change);
    } else if (!update) {
      return fail(row_error(*table_, "a new row came without column " + column.target_name,
                            "nothing was applied from it. Report it with the server's version"));
    }
  }
  return ok();
}

Result<TargetChange> RelationMap::read(const pgoutput::Insert& message) const {
  CROSSFADE_TRY(auto change, begin(TargetOp::kInsert));
  CROSSFADE_TRY(read_after(message.after, &change));
  return change;
}

Result<TargetChange> RelationMap::read(const pgoutput::Update& message) const {
  CROSSFADE_TRY(auto change, begin(TargetOp::kUpdate));
  CROSSFADE_TRY(
      read_key(message.old == pgoutput::Old::kNone ? message.after : message.before, &change));
  CROSSFADE_TRY(read_after(message.after, &change));
  return change;
}

Result<TargetChange> RelationMap::read(const pgoutput::Delete& message) const {
  CROSSFADE_TRY(auto change, begin(TargetOp::kDelete));
  CROSSFADE_TRY(read_key(message.before, &change));
  return change;
}

Result<TargetChange> RelationMap::read_truncate() const {
  return begin(TargetOp::kTruncate);
}

}  // namespace crossfade::capture
