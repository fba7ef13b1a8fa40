#include "capture/undo_table.h"

#include <fmt/format.h>

#include <utility>

#include "capture/log_entries.h"
#include "engine/sqlite/connection.h"

namespace crossfade::capture {
namespace {

bool has_hidden_rowid(const Table& table) {
  return table.identity == Identity::kPrimaryKey && !table.without_rowid &&
         !table.rowid_name.empty();
}

std::string stored_row_sql(const Table& table) {
  std::string columns;
  for (const Column& column : table.columns) {
    columns += (columns.empty() ? "" : ",") + column.source_sql;
  }
  if (has_hidden_rowid(table)) columns += "," + table.rowid_name;
  return fmt::format("SELECT {} FROM main.{} WHERE {}", columns, sqlite::quote(table.name),
                     where_key(table));
}

std::string put_in_sql(const Table& table) {
  std::string columns;
  std::string marks;
  const auto add = [&](const std::string& name) {
    columns += (columns.empty() ? "" : ",") + name;
    marks += marks.empty() ? "?" : ",?";
  };
  for (const Column& column : table.columns) {
    if (!column.generated) add(column.source_sql);
  }
  // NULL stands for the next free one.
  if (has_hidden_rowid(table)) add(table.rowid_name);
  return fmt::format("INSERT OR ABORT INTO main.{}({}) VALUES({})", sqlite::quote(table.name),
                     columns, marks);
}

Status bind_all(const Row& values, sqlite::Statement* statement) {
  for (size_t i = 0; i < values.size(); ++i) {
    CROSSFADE_TRY(statement->bind_borrowed(static_cast<int>(i) + 1, values[i]));
  }
  return ok();
}

Result<sqlite::Statement> prepare_or_refuse(sqlite::Connection& source, const Table& table,
                                            const std::string& sql) {
  auto statement = sqlite::Statement::prepare(source, sql);
  if (statement) return statement;
  return fail(undo_refused(table.name, statement.error().native,
                           "the table's indexes and generated columns must use nothing that only "
                           "the application's SQLite has (functions, collations)"));
}

}  // namespace

Error undo_refused(std::string object, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "undo";
  error.object = std::move(object);
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

std::string row_name(const Table& table, const Row& key) {
  std::string out;
  for (size_t i = 0; i < key.size(); ++i) {
    out += fmt::format("{}{}={}", i == 0 ? " " : ", ", table.columns[table.key[i]].source_sql,
                       to_literal(key[i]));
  }
  return table.name + out;
}

Result<UndoTable> UndoTable::prepare(sqlite::Connection& source,
                                     std::shared_ptr<const Table> table) {
  CROSSFADE_TRY(auto select, prepare_or_refuse(source, *table, stored_row_sql(*table)));
  CROSSFADE_TRY(auto remove,
                prepare_or_refuse(source, *table,
                                  fmt::format("DELETE FROM main.{} WHERE {}",
                                              sqlite::quote(table->name), where_key(*table))));
  CROSSFADE_TRY(auto insert, prepare_or_refuse(source, *table, put_in_sql(*table)));
  return UndoTable(source, std::move(table), std::move(select), std::move(remove),
                   std::move(insert));
}

Result<std::optional<StoredRow>> UndoTable::read(const Row& key) {
  select_.clear();
  CROSSFADE_TRY(bind_all(key, &select_));
  const auto found = select_.step();
  std::optional<StoredRow> out;
  if (found && found.value()) {
    Row row = select_.row();
    const size_t width = table_->columns.size();
    HiddenRowid rowid;
    if (row.size() > width) rowid = row[width].integer();
    row.resize(width);
    if (key_of(*table_, row) == key) out = StoredRow{std::move(row), rowid};
  }
  select_.clear();
  CROSSFADE_TRY(found);
  return out;
}

Status UndoTable::remove(const Row& key) {
  CROSSFADE_TRY(bind_all(key, &remove_));
  const Status done = remove_.run();
  remove_.clear();
  CROSSFADE_TRY(done);
  if (source_->changes() == 1) return ok();
  return fail(undo_refused(row_name(*table_, key),
                           fmt::format("{} rows have this key", source_->changes()),
                           "the file is damaged: run `sqlite3 FILE 'PRAGMA integrity_check'`"));
}

Result<Row> UndoTable::insert(const Row& row, HiddenRowid rowid) {
  int at = 0;
  Status done = ok();
  for (size_t i = 0; i < row.size() && done; ++i) {
    if (!table_->columns[i].generated) done = insert_.bind_borrowed(++at, row[i]);
  }
  if (rowid) insert_.bind(++at, *rowid);
  if (done) done = insert_.run();
  insert_.clear();
  const Row key = key_of(*table_, row);
  if (!done) {
    if (done.error().remedy == Remedy::kRetry) return fail(std::move(done).error());
    return fail(undo_refused(row_name(*table_, key),
                             "the row cannot be put back: " + done.error().native,
                             "nothing was changed; choose a position where a transaction ended"));
  }
  CROSSFADE_TRY(auto now, read(key));
  if (now && same_row(now->row, row)) return std::move(now->row);
  return fail(undo_refused(row_name(*table_, key), "SQLite does not keep the row as it was",
                           "nothing was changed; the table's declaration has another meaning now"));
}

bool UndoTable::same_row(const Row& a, const Row& b) const {
  for (size_t i = 0; i < table_->columns.size(); ++i) {
    if (!table_->columns[i].generated && !(a[i] == b[i])) return false;
  }
  return true;
}

}  // namespace crossfade::capture
