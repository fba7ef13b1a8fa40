#include "engine/schema/table_reader.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "engine/core/digest.h"
#include "engine/schema/catalog.h"
#include "engine/schema/create_table_clauses.h"
#include "engine/schema/naming.h"
#include "engine/schema/sql_lexer.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/sqlite_error_map.h"
#include "engine/sqlite/statement.h"

namespace crossfade::schema {
namespace {

constexpr const char* kReadColumns =
    "SELECT cid, name, type, \"notnull\", dflt_value, pk, hidden"
    " FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
constexpr const char* kReadIndexes =
    "SELECT name, \"unique\", origin, partial FROM pragma_index_list(?1, 'main') ORDER BY seq DESC";
constexpr const char* kReadIndexParts =
    "SELECT cid, \"desc\", coll FROM pragma_index_xinfo(?1, 'main') WHERE key ORDER BY seqno";
constexpr const char* kReadForeignKeys =
    "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete"
    " FROM pragma_foreign_key_list(?1, 'main') ORDER BY id DESC, seq";  // as declared

std::string text_or_empty(const sqlite::Statement& row, int column) {
  return row.storage(column) == StorageClass::kNull ? std::string()
                                                    : std::string(row.bytes(column));
}

class TableReader {
 public:
  TableReader(sqlite::Connection& connection, const TableEntry& entry, const IndexSql& index_sql)
      : connection_(connection), entry_(entry), index_sql_(index_sql) {
    table_.name = entry.name;
    table_.target_name = target_name(Naming::kExact, entry.name);
    table_.without_rowid = entry.without_rowid;
    table_.source_sql = entry.sql;
  }

  Result<Table> run() {
    CROSSFADE_TRY(read_columns());
    read_generated();
    choose_rowid_name();
    CROSSFADE_TRY(read_indexes());
    CROSSFADE_TRY(read_foreign_keys());
    choose_key();
    table_.shape = shape();
    if (table_.key.empty()) add_surrogate(&table_);
    return std::move(table_);
  }

 private:
  Status read_columns() {
    CROSSFADE_TRY(auto row, sqlite::Statement::prepare(connection_, kReadColumns));
    row.bind_text(1, entry_.name);
    while (true) {
      CROSSFADE_TRY(const bool there, row.step());
      if (!there) return ok();
      if (row.integer(6) == 1) continue;  // a virtual table's argument, never a stored value
      Column column;
      column.name = row.bytes(1);
      column.source_sql = sqlite::quote(column.name);
      column.target_name = target_name(Naming::kExact, column.name);
      column.declared_type = text_or_empty(row, 2);
      column.affinity = affinity_of(column.declared_type);
      if (entry_.strict && ascii_upper(column.declared_type) == "ANY") {
        column.affinity = Affinity::kBlob;  // STRICT keeps every class as it comes
      }
      column.not_null = row.integer(3) != 0;
      if (row.storage(4) != StorageClass::kNull) column.default_sql = std::string(row.bytes(4));
      column.generated = row.integer(6) != 0;
      column_of_cid_[row.integer(0)] = table_.columns.size();
      if (row.integer(5) > 0) primary_key_[row.integer(5)] = table_.columns.size();
      CROSSFADE_TRY(read_column_metadata(&column));
      table_.columns.push_back(std::move(column));
    }
  }

  // The collation and AUTOINCREMENT, which no pragma tells.
  Status read_column_metadata(Column* column) {
    const char* collation = nullptr;
    int autoincrement = 0;
    const int rc = sqlite3_table_column_metadata(connection_.handle(), "main", entry_.name.c_str(),
                                                 column->name.c_str(), nullptr, &collation, nullptr,
                                                 nullptr, &autoincrement);
    if (rc != SQLITE_OK) {
      return fail(sqlite::make_error(rc, connection_.handle(), "source.catalog",
                                     entry_.name + "." + column->name));
    }
    if (collation != nullptr) column->collation = ascii_upper(collation);
    if (autoincrement != 0) table_.autoincrement = true;
    return ok();
  }

  // Its expression, which no pragma tells.
  void read_generated() {
    for (Clause& clause : parse_clauses(entry_.sql).generated) {
      for (Column& column : table_.columns) {
        if (column.generated && same_name(column.name, clause.column)) {
          column.generated_sql = std::move(clause.text);
        }
      }
    }
  }

  void choose_rowid_name() {
    if (table_.without_rowid) return;
    for (const char* name : {"rowid", "_rowid_", "oid"}) {
      const bool hidden =
          std::any_of(table_.columns.begin(), table_.columns.end(),
                      [name](const Column& column) { return same_name(column.name, name); });
      if (hidden) continue;
      table_.rowid_name = name;
      return;
    }
  }

  Status read_indexes() {
    CROSSFADE_TRY(auto row, sqlite::Statement::prepare(connection_, kReadIndexes));
    CROSSFADE_TRY(auto part, sqlite::Statement::prepare(connection_, kReadIndexParts));
    row.bind_text(1, entry_.name);
    while (true) {
      CROSSFADE_TRY(const bool there, row.step());
      if (!there) return ok();
      Index index;
      index.name = row.bytes(0);
      index.unique = row.integer(1) != 0;
      index.constraint = row.bytes(2) != "c";
      index.primary = row.bytes(2) == "pk";
      index.partial = row.integer(3) != 0;
      const auto sql = index_sql_.find(index.name);
      if (sql != index_sql_.end()) index.source_sql = sql->second;
      part.reset();
      part.bind_text(1, index.name);
      while (true) {
        CROSSFADE_TRY(const bool more, part.step());
        if (!more) break;
        const auto column = column_of_cid_.find(part.integer(0));
        if (column == column_of_cid_.end()) {  // -2: an expression; -1: the rowid
          index.expression = true;
          continue;
        }
        index.parts.push_back(
            Index::Part{column->second, part.integer(1) != 0, ascii_upper(text_or_empty(part, 2))});
      }
      table_.indexes.push_back(std::move(index));
    }
  }

  Status read_foreign_keys() {
    CROSSFADE_TRY(auto row, sqlite::Statement::prepare(connection_, kReadForeignKeys));
    row.bind_text(1, entry_.name);
    while (true) {
      CROSSFADE_TRY(const bool there, row.step());
      if (!there) return ok();
      if (table_.foreign_keys.empty() || table_.foreign_keys.back().id != row.integer(0)) {
        ForeignKey key;
        key.id = row.integer(0);
        key.parent_table = row.bytes(1);
        key.on_update = row.bytes(4);
        key.on_delete = row.bytes(5);
        table_.foreign_keys.push_back(std::move(key));
      }
      ForeignKey& key = table_.foreign_keys.back();
      key.columns.emplace_back(row.bytes(2));
      if (row.storage(3) != StorageClass::kNull) {
        key.parent_columns.emplace_back(row.bytes(3));
      }
    }
  }

  // A key of one INTEGER column is the rowid itself exactly when SQLite made no index for it:
  // INTEGER PRIMARY KEY DESC has one, and is an ordinary column.
  void choose_key() {
    for (const auto& [position, column] : primary_key_) table_.key.push_back(column);
    const bool indexed = std::any_of(table_.indexes.begin(), table_.indexes.end(),
                                     [](const Index& index) { return index.primary; });
    if (table_.key.empty()) {
      table_.identity = Identity::kSurrogate;
    } else if (!table_.without_rowid && !indexed && table_.key.size() == 1) {
      table_.identity = Identity::kRowidAlias;
      table_.unique_keys.push_back(UniqueKey{{{table_.key.front(), "BINARY"}}});
    } else {
      table_.identity = Identity::kPrimaryKey;
    }
    for (const Index& index : table_.indexes) {
      if (!index.unique || index.expression) continue;
      UniqueKey key;
      for (const Index::Part& part : index.parts)
        key.parts.push_back({part.column, part.collation});
      if (index.partial) key.where_sql = predicate_of(index);
      const auto at = index.primary ? table_.unique_keys.begin() : table_.unique_keys.end();
      table_.unique_keys.insert(at, std::move(key));
    }
  }

  // The text after WHERE, if each name in it means the same in any statement on this table: no
  // qualified names, and no double-quoted text that may be a string.
  [[nodiscard]] std::string predicate_of(const Index& index) const {
    const std::vector<Token> tokens = tokenize(index.source_sql);
    size_t at = 0;
    while (at < tokens.size() && !is_symbol(tokens[at], '(')) ++at;
    at = closing(tokens, at) + 1;
    if (at + 1 >= tokens.size() || !is_word(tokens[at], "WHERE")) return "";
    const bool plain = std::all_of(
        tokens.begin() + static_cast<std::ptrdiff_t>(at), tokens.end(), [&](const Token& token) {
          if (is_symbol(token, '.')) return false;
          if (token.kind != TokenKind::kQuoted || !token.text.starts_with('"')) return true;
          return std::any_of(table_.columns.begin(), table_.columns.end(),
                             [&](const Column& c) { return same_name(c.name, meaning(token)); });
        });
    if (!plain) return "";
    const char* const begin = tokens[at + 1].text.data();
    const Token& last = tokens.back();
    return {begin, static_cast<size_t>(last.text.data() + last.text.size() - begin)};
  }

  [[nodiscard]] std::string shape() const {
    std::string text = table_.without_rowid ? "without rowid" : "rowid";
    const auto add = [&text](const std::string& field) {
      text += fmt::format("|{}:{}", field.size(), field);
    };
    for (const Column& column : table_.columns) {
      add(column.name);
      add(column.declared_type);
      add(column.collation);
      add(fmt::format("{}{}", column.not_null ? "not null" : "",
                      column.generated ? " generated" : ""));
      if (column.generated) add(column.generated_sql);
    }
    add(fmt::format("identity {}", static_cast<int>(table_.identity)));
    for (const size_t column : table_.key) add(fmt::format("key {}", column));
    std::vector<std::string> unique;  // sorted: SQLite's order is that of creation
    for (const Index& index : table_.indexes) {
      if (!index.unique) continue;
      std::string entry = index.partial || index.expression ? index.source_sql : "";
      for (const Index::Part& part : index.parts) {
        entry += fmt::format(",{} {}", part.column, part.collation);
      }
      unique.push_back(std::move(entry));
    }
    std::sort(unique.begin(), unique.end());
    for (const std::string& entry : unique) add(entry);
    return to_hex(digest_bytes(text));
  }

  sqlite::Connection& connection_;
  const TableEntry& entry_;
  const IndexSql& index_sql_;
  Table table_;
  std::map<int64_t, size_t> column_of_cid_;
  std::map<int64_t, size_t> primary_key_;  // place in the key -> column
};

}  // namespace

Result<Table> read_table(sqlite::Connection& connection, const TableEntry& entry,
                         const IndexSql& index_sql) {
  return TableReader(connection, entry, index_sql).run();
}

void add_surrogate(Table* table) {
  Column column;
  column.name = kSurrogateColumn;
  column.source_sql = table->rowid_name;
  column.target_name = kSurrogateColumn;
  column.declared_type = "INTEGER";
  column.affinity = Affinity::kInteger;
  column.type = TargetType::kBigint;
  column.not_null = true;
  column.synthetic = true;
  const size_t at = table->columns.size();
  table->columns.push_back(std::move(column));
  // INSERT OR REPLACE INTO t(rowid, ...) replaces by the rowid too.
  table->unique_keys.insert(table->unique_keys.begin(), UniqueKey{{{at, "BINARY"}}});
  table->identity = Identity::kSurrogate;
  table->key = {at};
}

}  // namespace crossfade::schema
