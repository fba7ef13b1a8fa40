#include "tests/support/random_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace crossfade::testing {
namespace {

// None begins with a quote or a bracket: SQLite 3.40 writes past its memory when a foreign key's
// action names such a table.
constexpr std::array<const char*, 20> kNames{
    "plain", "sel ect", "order", "it's", "a\"b",   "Mixed", "naïve", "x.y",   "100%", "{}",
    "new",   "old",     "x[y",   "t",    "values", "k0",    "c0",    "a;b--", "lsn",  "\\n"};

// Stands for the table's own name in its extras; no name contains it.
constexpr const char* kSelf = "\x01";

// What can hide the rowid.
constexpr std::array<const char*, 3> kRowidNames{"rowid", "oid", "_rowid_"};

struct Declaration {
  ColumnKind kind;
  const char* type;
};
constexpr std::array<Declaration, 17> kDeclarations{{{ColumnKind::kInteger, "INTEGER"},
                                                     {ColumnKind::kInteger, "INT"},
                                                     {ColumnKind::kInteger, "BIGINT UNSIGNED"},
                                                     {ColumnKind::kReal, "REAL"},
                                                     {ColumnKind::kReal, "DOUBLE PRECISION"},
                                                     {ColumnKind::kText, "TEXT"},
                                                     {ColumnKind::kText, "VARCHAR(5)"},
                                                     {ColumnKind::kText, "TEXT COLLATE NOCASE"},
                                                     {ColumnKind::kText, "TEXT COLLATE RTRIM"},
                                                     {ColumnKind::kUntyped, "DATETIME"},
                                                     {ColumnKind::kBlob, "BLOB"},
                                                     {ColumnKind::kBoolean, "BOOLEAN"},
                                                     {ColumnKind::kDecimal, "DECIMAL(10,2)"},
                                                     {ColumnKind::kDecimal, "NUMERIC"},
                                                     {ColumnKind::kUntyped, ""},
                                                     {ColumnKind::kUntyped, ""},
                                                     {ColumnKind::kUntyped, "COLLATE NOCASE"}}};

std::string new_name(Random& random, RandomSchema* schema) {
  return fmt::format("{}{}", random.pick(kNames), ++schema->made);
}

std::string quoted_list(const RandomTable& table, const std::vector<size_t>& columns) {
  std::string out;
  for (const size_t i : columns) {
    out += (out.empty() ? "" : ", ") + sql_quote(table.columns[i].name);
  }
  return out;
}

RandomColumn random_column(Random& random, RandomSchema* schema) {
  const Declaration& declared = random.pick(kDeclarations);
  return {new_name(random, schema), declared.kind, declared.type, false};
}

// Columns and clauses of the key.
void add_key(Random& random, RandomSchema* schema, RandomTable* table) {
  switch (random.below(9)) {
    case 0:
    case 1:
      table->columns.push_back({"id", ColumnKind::kInteger, "INTEGER PRIMARY KEY", false});
      if (random.one_in(3)) table->columns.back().clauses += " AUTOINCREMENT";
      table->rowid_alias = true;
      break;
    case 2:  // no key at all
      return;
    case 3:
    case 4: {
      RandomColumn column = random_column(random, schema);
      column.clauses += " PRIMARY KEY";
      if (random.one_in(2)) column.clauses += " NOT NULL";
      if (random.one_in(4)) table->options = " WITHOUT ROWID";
      table->columns.push_back(std::move(column));
      break;
    }
    case 5:  // an ordinary column that looks like the rowid
      table->columns.push_back({"ID", ColumnKind::kInteger, "INT PRIMARY KEY", false});
      break;
    default:
      table->columns.push_back(random_column(random, schema));
      table->columns.push_back(random_column(random, schema));
      table->key = {0, 1};
      if (random.one_in(2)) table->options = " WITHOUT ROWID";
      for (RandomColumn& column : table->columns) {
        if (random.one_in(3)) column.clauses += " NOT NULL";
      }
      if (random.one_in(2)) table->key = {1, 0};
      table->constraints.push_back(fmt::format("PRIMARY KEY({})", quoted_list(*table, table->key)));
      return;
  }
  table->key = {0};
}

std::string random_default(Random& random, ColumnKind kind) {
  const std::string value = random_value(random, kind);
  return fmt::format(" DEFAULT {}", value.starts_with('-') ? "(" + value + ")" : value);
}

void add_plain_columns(Random& random, RandomSchema* schema, RandomTable* table) {
  const size_t count = random.one_in(12) ? 40 : 1 + random.below(5);
  for (size_t i = 0; i < count; ++i) {
    RandomColumn column = random_column(random, schema);
    if (random.one_in(40)) column.name = random.pick(kRowidNames);
    const bool taken = std::any_of(table->columns.begin(), table->columns.end(),
                                   [&](const RandomColumn& c) { return c.name == column.name; });
    if (taken) continue;
    if (random.one_in(4)) column.clauses += random_default(random, column.kind);
    if (random.one_in(5)) {
      column.clauses += " NOT NULL";
      if (random.one_in(3)) {
        column.clauses += " ON CONFLICT REPLACE" + random_default(random, column.kind);
      }
    }
    if (column.kind == ColumnKind::kInteger && random.one_in(4)) {
      column.clauses += fmt::format(" CHECK({} < 8)", sql_quote(column.name));
    }
    if (random.one_in(8)) {
      column.clauses += " UNIQUE";
      if (random.one_in(3)) column.clauses += " ON CONFLICT REPLACE";
    }
    table->columns.push_back(std::move(column));
  }
}

struct Computed {
  ColumnKind from;
  ColumnKind kind;
  const char* clauses;
};
// Most have an equal in PostgreSQL; some of those overflow there and not in SQLite.
constexpr std::array<Computed, 18> kComputed{
    {{ColumnKind::kInteger, ColumnKind::kInteger, "INTEGER AS ({} * 3 + 1)"},
     {ColumnKind::kInteger, ColumnKind::kInteger, "INT AS ({0} * {0} * 1000 > 0)"},
     {ColumnKind::kInteger, ColumnKind::kText, "TEXT AS ({} || '!')"},
     {ColumnKind::kInteger, ColumnKind::kBoolean, "BOOLEAN AS ({} > 3)"},
     {ColumnKind::kInteger, ColumnKind::kUntyped, "AS ({})"},
     {ColumnKind::kReal, ColumnKind::kReal, "REAL AS (0.5 - {})"},
     {ColumnKind::kReal, ColumnKind::kReal, "REAL AS (-{})"},
     {ColumnKind::kReal, ColumnKind::kReal, "REAL AS ({} * 1e10)"},
     {ColumnKind::kReal, ColumnKind::kText, "TEXT AS ({} || '')"},
     {ColumnKind::kText, ColumnKind::kText, "TEXT AS (upper({}))"},
     {ColumnKind::kText, ColumnKind::kText, "TEXT COLLATE NOCASE AS (substr({}, 2))"},
     {ColumnKind::kText, ColumnKind::kInteger, "INTEGER AS (length({}))"},
     {ColumnKind::kBlob, ColumnKind::kText, "TEXT AS (hex({}))"},
     {ColumnKind::kBoolean, ColumnKind::kBoolean, "BOOLEAN AS (NOT {})"},
     {ColumnKind::kBoolean, ColumnKind::kInteger, "INTEGER AS ({} + 1)"},
     {ColumnKind::kDecimal, ColumnKind::kReal, "REAL AS ({} * 2)"},
     {ColumnKind::kUntyped, ColumnKind::kText, "TEXT AS (quote({}))"},
     {ColumnKind::kUntyped, ColumnKind::kBoolean, "BOOLEAN AS ({} IS NULL)"}}};

// From any column there is by now, another generated one included.
void add_generated(Random& random, RandomSchema* schema, RandomTable* table) {
  const RandomColumn& base = random.pick(table->columns);
  std::vector<const Computed*> fitting;
  for (const Computed& each : kComputed) {
    if (each.from == base.kind) fitting.push_back(&each);
  }
  const Computed& chosen = *random.pick(fitting);
  RandomColumn column;
  column.name = new_name(random, schema);
  column.kind = chosen.kind;
  column.generated = true;
  column.clauses = fmt::format(fmt::runtime(chosen.clauses), sql_quote(base.name));
  column.clauses += random.one_in(2) ? " STORED" : " VIRTUAL";
  if (random.one_in(3)) column.clauses += " UNIQUE";
  table->columns.push_back(std::move(column));
}

void add_foreign_key(Random& random, const RandomSchema& schema, RandomTable* table) {
  static constexpr std::array<const char*, 4> kActions{"CASCADE", "SET NULL", "NO ACTION",
                                                       "RESTRICT"};
  std::vector<const RandomTable*> parents;
  for (const RandomTable& parent : schema.tables) {
    if (parent.key.size() == 1) parents.push_back(&parent);
  }
  if (parents.empty()) return;
  const RandomTable& parent = *random.pick(parents);
  const RandomColumn& key = parent.columns[parent.key.front()];
  std::vector<size_t> fitting;
  for (size_t i = 0; i < table->columns.size(); ++i) {
    const RandomColumn& column = table->columns[i];
    const bool in_key = std::find(table->key.begin(), table->key.end(), i) != table->key.end();
    if (column.kind == key.kind && !column.generated && !in_key) fitting.push_back(i);
  }
  if (fitting.empty()) return;
  table->constraints.push_back(
      fmt::format("FOREIGN KEY({}) REFERENCES {}({}) ON DELETE {} ON UPDATE {}{}",
                  sql_quote(table->columns[random.pick(fitting)].name), sql_quote(parent.name),
                  sql_quote(key.name), random.pick(kActions), random.pick(kActions),
                  random.one_in(3) ? " DEFERRABLE INITIALLY DEFERRED" : ""));
}

void add_unique(Random& random, RandomSchema* schema, RandomTable* table) {
  std::vector<size_t> columns{random.below(table->columns.size())};
  const size_t second = random.below(table->columns.size());
  if (random.one_in(2) && second != columns.front()) columns.push_back(second);
  if (random.one_in(2)) {
    table->constraints.push_back(fmt::format("UNIQUE({}){}", quoted_list(*table, columns),
                                             random.one_in(4) ? " ON CONFLICT REPLACE" : ""));
    return;
  }
  std::string parts = quoted_list(*table, columns);
  if (random.one_in(3)) parts += " COLLATE NOCASE";
  if (random.one_in(3)) parts += " DESC";
  std::string where;
  if (random.one_in(3)) {
    where = fmt::format(" WHERE {} IS NOT NULL", sql_quote(random.pick(table->columns).name));
  }
  table->extras.push_back(fmt::format("CREATE UNIQUE INDEX \"unique {}\" ON {}({}){}",
                                      ++schema->made, kSelf, parts, where));
}

// An audit trail in another table, or a change to the row just written.
void add_trigger(Random& random, RandomSchema* schema, RandomTable* table) {
  const RandomColumn& column = table->columns.back();
  if (column.generated) return;
  const std::string name = fmt::format("\"trigger {}\"", ++schema->made);
  if (random.one_in(2) && !table->rowid.empty()) {
    table->extras.push_back(fmt::format(
        "CREATE TRIGGER {0} AFTER INSERT ON {4} BEGIN UPDATE {4} SET {1} = {2} WHERE {3} = "
        "NEW.{3}; END",
        name, sql_quote(column.name), random_value(random, column.kind), table->rowid, kSelf));
    return;
  }
  const RandomTable* audit = nullptr;
  for (const RandomTable& other : schema->tables) {
    if (other.key.empty() && !other.columns.front().generated) audit = &other;
  }
  if (audit == nullptr) return;
  static constexpr std::array<const char*, 5> kEvents{
      "AFTER UPDATE", "AFTER DELETE", "BEFORE UPDATE", "BEFORE DELETE", "BEFORE INSERT"};
  table->extras.push_back(fmt::format(
      "CREATE TRIGGER {} {} ON {} BEGIN INSERT OR IGNORE INTO {}({}) VALUES({}); END", name,
      random.pick(kEvents), kSelf, sql_quote(audit->name), sql_quote(audit->columns.front().name),
      random_value(random, audit->columns.front().kind)));
}

void choose_rowid_name(RandomTable* table) {
  if (!table->options.empty()) return;
  for (const char* name : kRowidNames) {
    const bool hidden =
        std::any_of(table->columns.begin(), table->columns.end(),
                    [&](const RandomColumn& column) { return column.name == name; });
    if (!hidden) table->rowid = name;
  }
}

}  // namespace

std::string sql_quote(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

void add_random_table(Random& random, RandomSchema* schema) {
  RandomTable table;
  table.name = new_name(random, schema);
  add_key(random, schema, &table);
  add_plain_columns(random, schema, &table);
  while (random.one_in(3)) add_generated(random, schema, &table);
  choose_rowid_name(&table);
  if (random.one_in(2)) add_unique(random, schema, &table);
  if (random.one_in(3)) add_unique(random, schema, &table);
  if (random.one_in(2)) add_foreign_key(random, *schema, &table);
  if (random.one_in(3)) add_trigger(random, schema, &table);
  if (schema->delete_triggers) {
    table.extras.push_back(
        fmt::format("CREATE TRIGGER \"deleted {}\" AFTER DELETE ON {} BEGIN SELECT 1; END",
                    ++schema->made, kSelf));
  }
  schema->tables.push_back(std::move(table));
}

std::string create_sql(const RandomTable& table, const std::string& name) {
  std::string body;
  for (const RandomColumn& column : table.columns) {
    body += (body.empty() ? "" : ", ") + sql_quote(column.name) + " " + column.clauses;
  }
  for (const std::string& constraint : table.constraints) body += ", " + constraint;
  return fmt::format("CREATE TABLE {}({}){}", sql_quote(name), body, table.options);
}

std::vector<std::string> extras_sql(const RandomTable& table) {
  std::vector<std::string> out;
  const std::string name = sql_quote(table.name);
  for (const std::string& extra : table.extras) {
    std::string sql = extra;
    for (size_t at = sql.find(kSelf); at != std::string::npos; at = sql.find(kSelf, at)) {
      sql.replace(at, 1, name);
      at += name.size();
    }
    out.push_back(std::move(sql));
  }
  return out;
}

RandomColumn random_added_column(Random& random, RandomSchema* schema) {
  RandomColumn column = random_column(random, schema);
  if (random.one_in(2)) {
    // ALTER TABLE takes constants only, and NOT NULL only with one.
    column.clauses += random_default(random, column.kind);
    if (random.one_in(2) && !column.clauses.ends_with("NULL")) column.clauses += " NOT NULL";
  }
  return column;
}

std::string random_value(Random& random, ColumnKind kind) {
  static constexpr std::array<const char*, 14> kIntegers{
      "0", "1", "2", "3", "4", "5", "6", "7", "9", "-1", "'3'", "4.0", "9007199254740993", "NULL"};
  static constexpr std::array<const char*, 11> kReals{"0.0",
                                                      "0.1",
                                                      "0.5",
                                                      "1.5",
                                                      "2",
                                                      "-3.25",
                                                      "1e300",
                                                      "5e-324",
                                                      "'2.5'",
                                                      "-0.0",
                                                      "123456789.123456789"};
  static constexpr std::array<const char*, 14> kTexts{
      "'a'", "'A'", "'b'", "'B'",       "'b '", "'it''s'",     "''",
      "7",   "'é'", "'É'", "'line\n2'", "'\"'", "'{\"a\":1}'", "'a longer text than five'"};
  static constexpr std::array<const char*, 5> kBlobs{"x''", "x'00'", "x'00ff'", "x'61'",
                                                     "x'deadbeef'"};
  static constexpr std::array<const char*, 4> kBooleans{"0", "1", "1", "0"};
  static constexpr std::array<const char*, 8> kDecimals{"0",     "1",    "3.10",   "2.5",
                                                        "-7.25", "1e20", "'4.50'", "12345678.9"};
  if (random.one_in(12)) return "NULL";
  switch (kind) {
    case ColumnKind::kInteger:
      return random.pick(kIntegers);
    case ColumnKind::kReal:
      return random.pick(kReals);
    case ColumnKind::kText:
      return random.pick(kTexts);
    case ColumnKind::kBlob:
      return random.pick(kBlobs);
    case ColumnKind::kBoolean:
      return random.pick(kBooleans);
    case ColumnKind::kDecimal:
      return random.pick(kDecimals);
    case ColumnKind::kUntyped:
      break;
  }
  static constexpr std::array<ColumnKind, 4> kClasses{ColumnKind::kInteger, ColumnKind::kReal,
                                                      ColumnKind::kText, ColumnKind::kBlob};
  return random_value(random, random.pick(kClasses));
}

}  // namespace crossfade::testing
