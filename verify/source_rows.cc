#include "verify/source_rows.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "engine/core/assert.h"
#include "engine/sqlite/connection.h"
#include "verify/canonical.h"
#include "verify/canonical_form.h"
#include "verify/key_text.h"

namespace crossfade::verify {
namespace {

constexpr size_t kValueBytesShown = 40;  // of a value that cannot be represented

}  // namespace

std::string source_key_column(const Table& table, size_t part) {
  return "t." + table.columns[table.key[part]].source_sql;
}

std::string select_source(const Table& table) {
  std::string sql = "SELECT ";
  for (size_t i = 0; i < table.columns.size(); ++i) {
    sql.append(i == 0 ? "t." : ", t.").append(table.columns[i].source_sql);
  }
  return sql + " FROM main." + sqlite::quote(table.name) + " AS t";
}

Row source_key(const Table& table, const sqlite::Statement& statement) {
  Row key;
  key.reserve(table.key.size());
  for (const size_t column : table.key) key.push_back(statement.value(static_cast<int>(column)));
  return key;
}

bool SourceDigester::is_key(size_t column) const {
  return std::find(table_.key.begin(), table_.key.end(), column) != table_.key.end();
}

RowDigest SourceDigester::digest(const sqlite::Statement& statement) {
  RowDigest row;
  std::optional<size_t> misfit;
  key_representable_ = true;
  form_.begin();
  for (size_t i = 0; i < table_.columns.size(); ++i) {
    const ValueView view = statement.view(static_cast<int>(i));
    // The target's keys have no NULLs, and no range of keys would find one.
    const bool null_key = view.storage == StorageClass::kNull && is_key(i);
    if (null_key || !append_canonical_source(view, table_.columns[i].type, form_.bytes())) {
      if (is_key(i)) key_representable_ = false;
      if (!misfit) misfit = i;
      form_.bytes()->push_back(form::kUnrepresentable);
      append_identity(statement.value(static_cast<int>(i)), form_.bytes());
    }
    form_.end_column();
  }
  form_.assign_key(&row.key);
  row.digest = form_.digest();
  if (hash_) row.sha256 = form_.sha256(&*hash_);
  if (misfit) {
    row.representable = false;
    row.key_literal =
        fmt::format("{} (cannot be represented: {} holds {})",
                    key_text(table_, source_key(table_, statement)), table_.columns[*misfit].name,
                    to_literal(statement.value(static_cast<int>(*misfit)), kValueBytesShown));
  }
  return row;
}

KeyOrderCursor::KeyOrderCursor(sqlite::Connection& source, const Table& table, Row after)
    : source_(source), table_(table), after_(std::move(after)), rung_(after_.size()) {
  CROSSFADE_ASSERT(after_.empty() || after_.size() == table.key.size(),
                   "a bound of {} values for a key of {}", after_.size(), table.key.size());
}

Result<sqlite::Statement> KeyOrderCursor::prepare_rung() const {
  std::string sql = select_source(table_);
  for (size_t i = 0; i < rung_; ++i) {
    sql.append(i == 0 ? " WHERE " : " AND ").append(source_key_column(table_, i));
    sql += i + 1 == rung_ ? " > ?" : " = ?";
  }
  const size_t first = rung_ == 0 ? 0 : rung_ - 1;
  for (size_t i = first; i < table_.key.size(); ++i) {
    sql.append(i == first ? " ORDER BY " : ", ").append(source_key_column(table_, i));
  }
  CROSSFADE_TRY(auto statement, sqlite::Statement::prepare(source_, sql));
  for (size_t i = 0; i < rung_; ++i) statement.bind(static_cast<int>(i + 1), after_[i]);
  return statement;
}

Result<bool> KeyOrderCursor::next() {
  while (!done_) {
    if (statement_.empty()) {
      CROSSFADE_TRY(auto statement, prepare_rung());
      statement_.push_back(std::move(statement));
    }
    CROSSFADE_TRY(const bool row, statement_[0].step());
    if (row) return true;
    statement_.clear();
    if (rung_ <= 1) done_ = true;
    if (!done_) --rung_;
  }
  return false;
}

}  // namespace crossfade::verify
