#include "apply/source_statements.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

#include "engine/core/limits.h"
#include "engine/sqlite/sqlite_error_map.h"

namespace crossfade::apply {
namespace {

std::string key_collation(const Table& table, size_t column) {
  for (const Index& index : table.indexes) {
    if (!index.primary) continue;
    for (const Index::Part& part : index.parts) {
      if (part.column == column && !part.collation.empty()) return part.collation;
    }
  }
  return table.columns[column].collation;
}

// Parameters `first` and up are the key's values.
std::string where_key(const Table& table, size_t first) {
  std::string out;
  for (size_t i = 0; i < table.key.size(); ++i) {
    const Column& column = table.columns[table.key[i]];
    out += i == 0 ? " WHERE " : " AND ";
    const size_t at = first + i;
    if (is_rowid_key(table, table.key[i])) {
      out += fmt::format("{}=?{}", column.source_sql, at);
      continue;
    }
    const std::string collation = key_collation(table, table.key[i]);
    out += fmt::format("{}=?{} COLLATE {}", column.source_sql, at, sqlite::quote(collation));
    if (collation != "BINARY") {
      out += fmt::format(" AND {}=?{} COLLATE BINARY", column.source_sql, at);
    }
    // Comparing applies the column's affinity: '1' would find 1.
    if (column.affinity != Affinity::kBlob) {
      out += fmt::format(" AND (typeof({})='text')=(typeof(?{})='text')", column.source_sql, at);
    }
  }
  return out;
}

std::string insert_sql(const Table& table) {
  std::string names;
  std::string values;
  size_t at = 0;
  for (const Column& column : table.columns) {
    if (column.generated) continue;
    names += (at == 0 ? "" : ",") + column.source_sql;
    values += fmt::format("{}?{}", at == 0 ? "" : ",", at + 1);
    ++at;
  }
  return fmt::format("INSERT OR ABORT INTO main.{}({}) VALUES({})", sqlite::quote(table.name),
                     names, values);
}

std::string update_sql(const Table& table, const std::vector<bool>& sets) {
  std::string list;
  size_t at = 0;
  for (size_t i = 0; i < sets.size(); ++i) {
    if (!sets[i]) continue;
    list += fmt::format("{}{}=?{}", at == 0 ? "" : ",", table.columns[i].source_sql, at + 1);
    ++at;
  }
  return fmt::format("UPDATE OR ABORT main.{} SET {}{}", sqlite::quote(table.name), list,
                     where_key(table, at + 1));
}

std::string read_sql(const Table& table) {
  std::string list;
  for (const Column& column : table.columns) {
    list += list.empty() ? "" : ",";
    list += column.generated ? "NULL" : column.source_sql;
  }
  return fmt::format("SELECT {} FROM main.{}{}", list, sqlite::quote(table.name),
                     where_key(table, 1));
}

Result<sqlite::Statement> prepare_for(sqlite::Connection& source, const Table& table,
                                      const std::string& sql) {
  auto statement = sqlite::Statement::prepare(source, sql);
  if (statement) return statement;
  Error error = std::move(statement).error();
  if (error.remedy == Remedy::kRetry) return fail(std::move(error));
  error.op = "reverse.prepare";
  error.object = table.name;
  error.remedy = Remedy::kDecide;
  if (error.hint.empty()) {
    error.hint =
        "the table must be as it was at the cutover, and its CHECKs, generated columns and indexes "
        "must use nothing that only the application's SQLite has (functions, collations)";
  }
  return fail(std::move(error));
}

// Nothing: the column is none of the key's.
std::optional<size_t> place_in_key(const Table& table, size_t column) {
  const auto at = std::find(table.key.begin(), table.key.end(), column);
  if (at == table.key.end()) return std::nullopt;
  return static_cast<size_t>(at - table.key.begin());
}

Status bind_key(const Row& key, int first, sqlite::Statement* statement) {
  for (size_t i = 0; i < key.size(); ++i) {
    Status bound = statement->bind_borrowed(first + static_cast<int>(i), key[i]);
    if (bound) continue;
    statement->clear();
    return bound;
  }
  return ok();
}

}  // namespace

Result<SourceStatements> SourceStatements::prepare(sqlite::Connection& source,
                                                   std::shared_ptr<const Table> table) {
  CROSSFADE_TRY(auto insert, prepare_for(source, *table, insert_sql(*table)));
  CROSSFADE_TRY(auto remove,
                prepare_for(source, *table,
                            fmt::format("DELETE FROM main.{}{}", sqlite::quote(table->name),
                                        where_key(*table, 1))));
  CROSSFADE_TRY(auto read, prepare_for(source, *table, read_sql(*table)));
  // What an update of the table needs is missed now, not at the first one.
  std::vector<bool> all;
  for (const Column& column : table->columns) all.push_back(!column.generated);
  SourceStatements out(source, std::move(table), std::move(insert), std::move(remove),
                       std::move(read));
  CROSSFADE_TRY(out.update_statement(all));
  return out;
}

Result<sqlite::Statement*> SourceStatements::update_statement(const std::vector<bool>& sets) {
  const auto known = std::find_if(updates_.begin(), updates_.end(),
                                  [&](const Update& each) { return each.sets == sets; });
  if (known != updates_.end()) {
    updates_.splice(updates_.begin(), updates_, known);
    return &updates_.front().statement;
  }
  CROSSFADE_TRY(auto statement, prepare_for(*source_, *table_, update_sql(*table_, sets)));
  if (updates_.size() == limits::kUpdateStatementsMax) updates_.pop_back();
  updates_.push_front({sets, std::move(statement)});
  return &updates_.front().statement;
}

// A rowid is an INTEGER; comparing with it would make one of a text.
bool SourceStatements::may_be_there(const Row& key) const {
  return table_->identity == Identity::kPrimaryKey ||
         key.front().storage() == StorageClass::kInteger;
}

std::vector<bool> SourceStatements::indexed_columns(const Table& table) {
  std::vector<bool> out(table.columns.size());
  for (const Index& index : table.indexes) {
    for (const Index::Part& part : index.parts) out[part.column] = true;
  }
  for (const size_t column : table.key) out[column] = false;
  return out;
}

Result<std::optional<std::vector<bool>>> SourceStatements::columns_to_set(const Row& key,
                                                                          const Image& after) {
  if (!may_be_there(key)) return std::nullopt;
  std::vector<bool> sets(after.size());
  bool look = false;
  for (size_t i = 0; i < after.size(); ++i) {
    if (!after[i] || table_->columns[i].generated) continue;
    const auto in_key = place_in_key(*table_, i);
    sets[i] = !in_key || !(key[*in_key] == *after[i]);
    look = look || (sets[i] && indexed_[i]);
  }
  if (!look) return sets;
  CROSSFADE_TRY(bind_key(key, 1, &read_));
  auto there = read_.step();
  for (size_t i = 0; there && there.value() && i < sets.size(); ++i) {
    if (sets[i] && indexed_[i]) sets[i] = !(read_.value(static_cast<int>(i)) == *after[i]);
  }
  read_.clear();
  if (!there) return fail(std::move(there).error());
  if (!there.value()) return std::nullopt;
  return sets;
}

Result<Answer> SourceStatements::insert(const Image& row) {
  int at = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    if (table_->columns[i].generated) continue;
    if (!row[i]) {
      Error error;
      error.op = "reverse.insert";
      error.object = table_->name;
      error.native = "a row came without a value for column " + table_->columns[i].name;
      return fail(std::move(error));
    }
    if (Status bound = insert_.bind_borrowed(++at, *row[i]); !bound) {
      auto answer = refused_or_error(std::move(bound).error(), insert_);
      insert_.clear();
      return answer;
    }
  }
  return run(insert_);
}

Result<Answer> SourceStatements::update(const Row& key, const Image& after) {
  CROSSFADE_TRY(const auto found, columns_to_set(key, after));
  if (!found) return Answer{Answer::Kind::kAbsent};
  const std::vector<bool>& sets = *found;
  if (std::find(sets.begin(), sets.end(), true) == sets.end()) {
    CROSSFADE_TRY(const bool there, contains(key));
    return Answer{there ? Answer::Kind::kDone : Answer::Kind::kAbsent};
  }
  CROSSFADE_TRY(sqlite::Statement* const statement, update_statement(sets));
  int at = 0;
  Status bound = ok();
  for (size_t i = 0; i < after.size() && bound; ++i) {
    if (sets[i]) bound = statement->bind_borrowed(++at, *after[i]);
  }
  if (bound) bound = bind_key(key, at + 1, statement);
  if (!bound) {
    auto answer = refused_or_error(std::move(bound).error(), *statement);
    statement->clear();
    return answer;
  }
  CROSSFADE_TRY(Answer answer, run(*statement));
  if (answer.kind != Answer::Kind::kDone) return answer;
  return changed_one();
}

Result<Answer> SourceStatements::remove(const Row& key) {
  if (!may_be_there(key)) return Answer{Answer::Kind::kAbsent};
  CROSSFADE_TRY(bind_key(key, 1, &remove_));
  const auto done = remove_.run();
  remove_.clear();
  CROSSFADE_TRY(done);
  return changed_one();
}

Result<Answer> SourceStatements::changed_one() const {
  if (source_->changes() == 1) return Answer{};
  if (source_->changes() == 0) return Answer{Answer::Kind::kAbsent};
  Error error;
  error.code = ErrorCode::kSource;
  error.op = "reverse.write";
  error.object = table_->name;
  error.native = "several rows have one key";
  error.hint = "the file is damaged: run `sqlite3 FILE 'PRAGMA integrity_check'`";
  return fail(std::move(error));
}

Result<bool> SourceStatements::contains(const Row& key) {
  if (!may_be_there(key)) return false;
  CROSSFADE_TRY(bind_key(key, 1, &read_));
  auto there = read_.step();
  read_.clear();
  return there;
}

Result<std::optional<Image>> SourceStatements::read(const Row& key) {
  if (!may_be_there(key)) return std::nullopt;
  CROSSFADE_TRY(bind_key(key, 1, &read_));
  const auto there = read_.step();
  if (!there || !there.value()) {
    read_.clear();
    if (!there) return fail(there.error());
    return std::nullopt;
  }
  Image image(table_->columns.size());
  for (size_t i = 0; i < image.size(); ++i) {
    if (!table_->columns[i].generated) image[i] = read_.value(static_cast<int>(i));
  }
  read_.clear();
  return image;
}

Status SourceStatements::clear() {
  return source_->exec(fmt::format("DELETE FROM main.{}", sqlite::quote(table_->name)));
}

Result<Answer> SourceStatements::run(sqlite::Statement& statement) {
  Status done = statement.run();
  if (done) {
    statement.clear();
    return Answer{};
  }
  auto answer = refused_or_error(std::move(done).error(), statement);
  statement.clear();
  return answer;
}

Result<Answer> SourceStatements::refused_or_error(Error error, const sqlite::Statement& statement) {
  const int code = sqlite3_extended_errcode(source_->handle());
  const int primary = code & 0xff;
  const bool occupied = code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
                        code == SQLITE_CONSTRAINT_ROWID;
  const std::string reason = sqlite3_errmsg(source_->handle());
  bool of_row =
      primary == SQLITE_CONSTRAINT || primary == SQLITE_MISMATCH || primary == SQLITE_TOOBIG;
  if (primary == SQLITE_ERROR) {
    // An expression of the schema failed on this row (json_extract() in an index), or the schema
    // has changed and the statement cannot be had any more.
    of_row = sqlite::Statement::prepare(*source_, std::string(statement.sql())).has_value();
  }
  if (of_row) return Answer{Answer::Kind::kRefused, occupied, reason};
  error.op = "reverse.write";
  error.object = table_->name;
  return fail(std::move(error));
}

}  // namespace crossfade::apply
