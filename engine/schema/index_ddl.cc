#include "engine/schema/index_ddl.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/expression/split.h"
#include "engine/schema/expression_scope.h"
#include "engine/schema/find_column.h"
#include "engine/schema/sql_lexer.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"

namespace crossfade::schema {
namespace {

using expression::CreateIndexParts;
using expression::IndexKeyPart;
using expression::Use;

// Other types' values compare alike under every collation.
bool is_collated(const Table& table, const Index::Part& part) {
  const TargetType base = table.columns[part.column].type.base;
  return part.collation != "BINARY" && (base == TargetType::kText || base == TargetType::kVariant);
}

class IndexWriter {
 public:
  IndexWriter(const Table& table, const TableEvidence& evidence,
              const std::vector<std::string>& kept_back)
      : table_(table),
        evidence_(evidence),
        kept_back_(kept_back),
        scope_(expression_scope(table)) {}

  // The first obstacle; the rest is not looked at any more.
  std::string obstacle;
  std::string keys;
  size_t keys_count = 0;
  size_t bytes = 0;  // of the longest values, together

  void add(const Index::Part& part) {
    const Column& column = table_.columns[part.column];
    if (column.type.base == TargetType::kJson) {
      obstacle = printable(column.name) + " is json, which has neither equality nor order";
    } else if (is_collated(table_, part)) {
      add_translated(sqlite::quote(column.name) + " COLLATE " + sqlite::quote(part.collation),
                     part.descending);
    } else {
      count_bytes(part.column);
      push(postgres::quote(column.target_name), part.descending);
    }
  }

  void add(const IndexKeyPart& key) {
    const std::vector<Token> tokens = tokenize(key.expression);
    const bool name = tokens.size() == 1 &&
                      (tokens[0].kind == TokenKind::kWord || tokens[0].kind == TokenKind::kQuoted);
    if (const auto column =
            name ? find_column(table_, meaning(tokens[0])) : std::optional<size_t>()) {
      const std::string& collation =
          key.collation.empty() ? table_.columns[*column].collation : key.collation;
      add(Index::Part{*column, key.descending, ascii_upper(collation)});
    } else if (key.collation.empty()) {
      add_translated(key.expression, key.descending);
    } else {
      add_translated("(" + key.expression + ") COLLATE " + sqlite::quote(key.collation),
                     key.descending);
    }
  }

  // Empty when it has none.
  std::string predicate(const std::string& sql) {
    if (sql.empty() || is_kept_back(sql)) return {};
    const auto made = translate_expression(sql, scope_, Use::kIndexPredicate);
    if (made) return " WHERE " + made.value().sql;
    obstacle = "of its WHERE: " + describe(made.error(), sql);
    return {};
  }

 private:
  bool is_kept_back(const std::string& sql) {
    const auto named = find_named(sql, kept_back_);
    if (named) obstacle = "a rule keeps back or changes " + printable(*named);
    return named.has_value();
  }

  // A column counts as often as the expression names it.
  void add_translated(const std::string& sql, bool descending) {
    if (is_kept_back(sql)) return;
    const auto made = translate_expression(sql, scope_, Use::kIndexKey);
    if (!made) {
      obstacle = describe(made.error(), sql);
      return;
    }
    for (const Token& token : tokenize(sql)) {
      if (token.kind != TokenKind::kWord && token.kind != TokenKind::kQuoted) continue;
      if (const auto column = find_column(table_, meaning(token))) count_bytes(*column);
    }
    push("(" + made.value().sql + ")", descending);
  }

  void count_bytes(size_t column) {
    const ColumnEvidence& values = evidence_.columns[column];
    bytes += std::max(values.text_bytes_max, values.blob_bytes_max);
  }

  void push(const std::string& sql, bool descending) {
    keys += (keys.empty() ? "" : ", ") + sql + (descending ? " DESC" : "");
    ++keys_count;
  }

  const Table& table_;
  const TableEvidence& evidence_;
  const std::vector<std::string>& kept_back_;
  expression::Scope scope_;
};

// Of declarations alone; empty: none.
std::string declared_obstacle(const Index& index) {
  if (index.expression && index.unique) return "it is unique on an expression";
  if (index.expression && index.source_sql.empty()) return "one of its columns is not carried";
  if (!index.expression && index.parts.empty()) return "it has no columns";
  return {};
}

}  // namespace

IndexDdl make_index_ddl(const Table& table, const Index& index, const TableEvidence& evidence,
                        const std::vector<std::string>& kept_back, const std::string& name,
                        const std::string& target_schema) {
  IndexDdl out;
  out.obstacle = declared_obstacle(index);
  if (!out.obstacle.empty()) return out;
  CreateIndexParts written;
  if (index.expression || index.partial) {
    auto split = expression::split_create_index(index.source_sql);
    if (!split) {
      out.obstacle = describe(split.error(), index.source_sql);
      return out;
    }
    written = std::move(split.value());
  }
  IndexWriter writer(table, evidence, kept_back);
  if (index.expression) {
    for (const IndexKeyPart& key : written.keys) {
      if (writer.obstacle.empty()) writer.add(key);
    }
  } else {
    for (const Index::Part& part : index.parts) {
      if (writer.obstacle.empty()) writer.add(part);
    }
  }
  std::string where;
  if (writer.obstacle.empty()) where = writer.predicate(written.where);
  out.obstacle = writer.obstacle;
  if (out.obstacle.empty() && writer.bytes > kKeyBytesMax) {
    out.obstacle = fmt::format(
        "its columns hold values of up to {} bytes together, and a PostgreSQL btree entry holds {}",
        writer.bytes, kKeyBytesMax);
  }
  if (out.obstacle.empty() && writer.keys_count > kIndexColumnsMax) {
    out.obstacle =
        fmt::format("it has more than the {} columns PostgreSQL allows", kIndexColumnsMax);
  }
  if (!out.obstacle.empty()) return out;
  if (is_constraint_on_target(table, index)) {
    out.sql = fmt::format("ALTER TABLE {} ADD CONSTRAINT {} UNIQUE ({})",
                          postgres::quote(target_schema, table.target_name), postgres::quote(name),
                          writer.keys);
    return out;
  }
  out.sql = fmt::format("CREATE {}INDEX {} ON {} ({}){}", index.unique ? "UNIQUE " : "",
                        postgres::quote(name), postgres::quote(target_schema, table.target_name),
                        writer.keys, where);
  return out;
}

bool is_plain_on_target(const Table& table, const Index& index) {
  return !index.partial && !index.expression &&
         std::none_of(index.parts.begin(), index.parts.end(),
                      [&](const Index::Part& part) { return is_collated(table, part); });
}

bool is_constraint_on_target(const Table& table, const Index& index) {
  if (!index.constraint || !is_plain_on_target(table, index)) return false;
  std::set<size_t> columns;
  return std::all_of(index.parts.begin(), index.parts.end(), [&](const Index::Part& part) {
    return !part.descending && columns.insert(part.column).second;
  });
}

}  // namespace crossfade::schema
