#include "tests/support/random_writes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace crossfade::testing {
namespace {

std::vector<size_t> writable(const RandomTable& table) {
  std::vector<size_t> out;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (!table.columns[i].generated) out.push_back(i);
  }
  return out;
}

std::string list(const RandomTable& table, const std::vector<size_t>& columns) {
  std::string out;
  for (const size_t i : columns) {
    out += (out.empty() ? "" : ", ") + sql_quote(table.columns[i].name);
  }
  return out;
}

void replace_all(std::string* text, const std::string& from, const std::string& to) {
  for (size_t at = text->find(from); at != std::string::npos; at = text->find(from, at)) {
    text->replace(at, from.size(), to);
    at += to.size();
  }
}

// What SQLite does to the whole schema when something is renamed.
void rename_everywhere(RandomSchema* schema, const std::string& from, const std::string& to) {
  for (RandomTable& table : schema->tables) {
    for (RandomColumn& column : table.columns) replace_all(&column.clauses, from, to);
    for (std::string& constraint : table.constraints) replace_all(&constraint, from, to);
    for (std::string& extra : table.extras) replace_all(&extra, from, to);
  }
}

// A value of row `i` of many.
std::string numbered(ColumnKind kind, bool wide) {
  switch (kind) {
    case ColumnKind::kInteger:
      return "-i";
    case ColumnKind::kReal:
      return "i + 0.5";
    case ColumnKind::kText:
      return wide ? "hex(zeroblob(1500)) || i" : "'big' || i";
    case ColumnKind::kBlob:
      return "CAST('big' || i AS BLOB)";
    case ColumnKind::kBoolean:
      return "i % 2";
    case ColumnKind::kDecimal:
      return "i * 0.25";
    case ColumnKind::kUntyped:
      break;
  }
  return "CASE i % 3 WHEN 0 THEN i WHEN 1 THEN i + 0.5 ELSE 'big' || i END";
}

}  // namespace

RandomWrites::Script RandomWrites::initial_rows() {
  Script out;
  for (const RandomTable& table : schema_.tables) {
    if (random_.one_in(6)) continue;
    const std::vector<size_t> columns = writable(table);
    // Untyped columns show early that anything may come.
    for (const ColumnKind kind : {ColumnKind::kText, ColumnKind::kInteger}) {
      std::string values;
      for (const size_t i : columns) {
        const ColumnKind of = table.columns[i].kind;
        values += (values.empty() ? "" : ", ") +
                  random_value(random_, of == ColumnKind::kUntyped ? kind : of);
      }
      out.push_back(fmt::format("INSERT OR IGNORE INTO {}({}) VALUES({})", sql_quote(table.name),
                                list(table, columns), values));
    }
    for (size_t i = random_.below(20); i > 0; --i) {
      out.push_back(fmt::format("INSERT OR IGNORE INTO {}({}) VALUES({})", sql_quote(table.name),
                                list(table, columns), row(table, columns, false)));
    }
    if (random_.one_in(8)) out.push_back(many_rows(table, 3000, random_.one_in(4)));
  }
  return out;
}

RandomWrites::Script RandomWrites::script() {
  switch (random_.below(12)) {
    case 0:
    case 1:
    case 2:
      return transaction();
    case 3: {
      auto out = swap(table());
      if (!out.empty()) return out;
      return {statement()};
    }
    default:
      return {statement()};
  }
}

RandomWrites::Script RandomWrites::transaction() {
  Script out{random_.one_in(2) ? "BEGIN" : "BEGIN IMMEDIATE"};
  // The first write, so that a deferred transaction does not begin by reading.
  out.push_back(insert(table()));
  bool saved = false;
  for (size_t i = 1 + random_.below(8); i > 0; --i) {
    if (random_.one_in(4)) {
      if (!saved) {
        out.emplace_back("SAVEPOINT sp");
      } else {
        out.emplace_back(random_.one_in(2) ? "ROLLBACK TO sp" : "RELEASE sp");
        saved = out.back() != "RELEASE sp";
        continue;
      }
      saved = true;
    }
    out.push_back(statement());
  }
  out.emplace_back(random_.one_in(4) ? "ROLLBACK" : "COMMIT");
  return out;
}

RandomWrites::Script RandomWrites::big_transaction() {
  const RandomTable& chosen = table();
  const std::string name = sql_quote(chosen.name);
  Script out{"BEGIN", many_rows(chosen, 2000, random_.one_in(2))};
  if (random_.one_in(2)) out.push_back(update(chosen));
  if (random_.one_in(2)) out.push_back(insert(chosen));
  if (!chosen.rowid.empty() && !random_.one_in(3)) {
    out.push_back(fmt::format("DELETE FROM {} WHERE {} % 7 <> 0", name, chosen.rowid));
  }
  out.emplace_back(random_.one_in(4) ? "ROLLBACK" : "COMMIT");
  return out;
}

std::string RandomWrites::many_rows(const RandomTable& table, size_t count, bool wide) {
  const std::vector<size_t> columns = writable(table);
  std::string values;
  for (const size_t i : columns) {
    // PostgreSQL's keys are limited in size: wide values are for other columns.
    const bool in_key = std::find(table.key.begin(), table.key.end(), i) != table.key.end();
    values +=
        (values.empty() ? "" : ", ") + numbered(table.columns[i].kind, wide && i < 3 && !in_key);
  }
  return fmt::format(
      "INSERT OR IGNORE INTO {}({}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
      "WHERE i < {}) SELECT {} FROM n",
      sql_quote(table.name), list(table, columns), count, values);
}

std::string RandomWrites::statement() {
  const RandomTable& chosen = table();
  switch (random_.below(14)) {
    case 0:
    case 1:
      return remove(chosen);
    case 2:
    case 3:
    case 4:
    case 5:
      return update(chosen);
    case 6:
      return insert_select(chosen);
    case 7:
    case 8:
      return upsert(chosen);
    default:
      return insert(chosen);
  }
}

std::string RandomWrites::conflict() {
  static constexpr std::array<const char*, 9> kClauses{
      "",           "",         " OR REPLACE", " OR REPLACE", " OR REPLACE",
      " OR IGNORE", " OR FAIL", " OR ABORT",   " OR ROLLBACK"};
  return random_.pick(kClauses);
}

std::string RandomWrites::row(const RandomTable& table, const std::vector<size_t>& columns,
                              bool with_rowid) {
  std::string out;
  for (const size_t i : columns) {
    // A NULL key asks SQLite for a number, or is a trap of its own.
    std::string value = random_value(random_, table.columns[i].kind);
    if (table.rowid_alias && i == table.key.front()) {
      value = random_.one_in(3) ? "NULL" : std::to_string(random_.below(12));
    }
    out += (out.empty() ? "" : ", ") + value;
  }
  if (with_rowid) out += (out.empty() ? "" : ", ") + std::to_string(random_.below(12));
  return out;
}

std::string RandomWrites::insert(const RandomTable& table) {
  std::vector<size_t> columns;
  for (const size_t i : writable(table)) {
    if (!random_.one_in(6)) columns.push_back(i);
  }
  const bool with_rowid = !table.rowid.empty() && !table.rowid_alias && random_.one_in(4);
  if (columns.empty() && !with_rowid) {
    return fmt::format("INSERT{} INTO {} DEFAULT VALUES", conflict(), sql_quote(table.name));
  }
  std::string names = list(table, columns);
  if (with_rowid) names += (names.empty() ? "" : ", ") + table.rowid;
  std::string rows;
  for (size_t i = random_.one_in(3) ? 1 + random_.below(4) : 1; i > 0; --i) {
    rows += fmt::format("{}({})", rows.empty() ? "" : ", ", row(table, columns, with_rowid));
  }
  return fmt::format("INSERT{} INTO {}({}) VALUES {}{}", conflict(), sql_quote(table.name), names,
                     rows, random_.one_in(8) ? " RETURNING *" : "");
}

std::string RandomWrites::insert_select(const RandomTable& table) {
  std::vector<size_t> columns = writable(table);
  const std::string names = list(table, columns);
  std::string values;
  for (const size_t i : columns) {
    const RandomColumn& column = table.columns[i];
    values += (values.empty() ? "" : ", ") +
              (random_.one_in(3) ? random_value(random_, column.kind) : sql_quote(column.name));
  }
  return fmt::format("INSERT{} INTO {}({}) SELECT {} FROM {} ORDER BY {} LIMIT {}", conflict(),
                     sql_quote(table.name), names, values, sql_quote(table.name), names,
                     1 + random_.below(4));
}

std::string RandomWrites::upsert(const RandomTable& table) {
  const std::string plain = insert(table);
  const size_t end = plain.find(" RETURNING");
  if (plain.ends_with("DEFAULT VALUES")) return plain;
  if (random_.one_in(4)) return plain.substr(0, end) + " ON CONFLICT DO NOTHING";
  std::string target;
  if (!table.key.empty() && random_.one_in(2)) target = "(" + list(table, table.key) + ")";
  const RandomColumn& column = table.columns[random_.pick(writable(table))];
  const std::string set = random_.one_in(2)
                              ? fmt::format("{0} = excluded.{0}", sql_quote(column.name))
                              : assignments(table);
  return fmt::format("{} ON CONFLICT{} DO UPDATE SET {}{}", plain.substr(0, end), target, set,
                     random_.one_in(3) ? " WHERE " + condition(table) : "");
}

std::string RandomWrites::assignments(const RandomTable& table) {
  std::string out;
  for (const size_t i : writable(table)) {
    const RandomColumn& column = table.columns[i];
    if (!random_.one_in(table.columns.size() > 8 ? 8 : 3)) continue;
    std::string value = random_value(random_, column.kind);
    if (column.kind == ColumnKind::kInteger && random_.one_in(3)) {
      value = sql_quote(column.name) + " + 1";
    }
    if (table.rowid_alias && i == table.key.front()) value = std::to_string(random_.below(12));
    out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", sql_quote(column.name), value);
  }
  if (!table.rowid.empty() && !table.rowid_alias && random_.one_in(10)) {
    out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", table.rowid, random_.below(12));
  }
  if (!out.empty()) return out;
  const RandomColumn& column = table.columns[random_.pick(writable(table))];
  return fmt::format("{} = {}", sql_quote(column.name), random_value(random_, column.kind));
}

std::string RandomWrites::condition(const RandomTable& table) {
  if (!table.rowid.empty() && random_.one_in(3)) {
    return fmt::format("{}.{} {} {}", sql_quote(table.name), table.rowid,
                       random_.one_in(3) ? ">" : "=", random_.below(12));
  }
  const RandomColumn& column = random_.pick(table.columns);
  return fmt::format("{}.{} {} {}", sql_quote(table.name), sql_quote(column.name),
                     random_.one_in(3) ? ">" : "IS", random_value(random_, column.kind));
}

std::string RandomWrites::update(const RandomTable& table) {
  // Which rows REPLACE, IGNORE and FAIL leave depends on the order of the rows, which is the query
  // plan's affair, and with triggers SQLite may choose another index. So it may choose none.
  const char* returning = random_.one_in(10) ? " RETURNING *" : "";
  std::string where = random_.one_in(8) ? "" : " WHERE " + condition(table);
  // Without a rowid it may read the keys from a covering index all the same: then one row only.
  if (table.rowid.empty() && !table.key.empty()) {
    const std::string key = list(table, table.key);
    where = fmt::format(" WHERE ({0}) IN (SELECT {0} FROM {1}{2} ORDER BY {0} LIMIT 1)", key,
                        sql_quote(table.name), where);
  }
  const std::string set = assignments(table);
  return fmt::format("UPDATE{} {} NOT INDEXED SET {}{}{}", conflict(), sql_quote(table.name), set,
                     where, returning);
}

std::string RandomWrites::remove(const RandomTable& table) {
  return fmt::format("DELETE FROM {}{}", sql_quote(table.name),
                     random_.one_in(10) ? "" : " WHERE " + condition(table));
}

// Two rows change keys through a value that no row has.
RandomWrites::Script RandomWrites::swap(const RandomTable& table) {
  const size_t column = random_.pick(writable(table));
  const ColumnKind kind = table.columns[column].kind;
  if (kind != ColumnKind::kInteger && kind != ColumnKind::kText) return {};
  const std::string name = sql_quote(table.columns[column].name);
  const std::string a = random_value(random_, kind);
  const std::string b = random_value(random_, kind);
  const std::string between = kind == ColumnKind::kInteger ? "-1000" : "'between'";
  const auto step = [&](const std::string& to, const std::string& from) {
    return fmt::format("UPDATE {} SET {} = {} WHERE {} IS {}", sql_quote(table.name), name, to,
                       name, from);
  };
  return {"BEGIN", step(between, a), step(a, b), step(b, between), "COMMIT"};
}

// Create anew, copy, drop, rename: what migration tools do.
RandomWrites::Script RandomWrites::rebuild(const RandomTable& table) {
  const std::string fresh = fmt::format("rebuilt {}", schema_.made);
  const std::string columns = list(table, writable(table));
  const bool atomic = !random_.one_in(4);
  Script out;
  if (atomic) out.emplace_back("BEGIN");
  out.push_back(create_sql(table, fresh));
  out.push_back(fmt::format("INSERT INTO {}({}) SELECT {} FROM {}", sql_quote(fresh), columns,
                            columns, sql_quote(table.name)));
  out.push_back("DROP TABLE " + sql_quote(table.name));
  out.push_back(
      fmt::format("ALTER TABLE {} RENAME TO {}", sql_quote(fresh), sql_quote(table.name)));
  for (std::string& extra : extras_sql(table)) out.push_back(std::move(extra));
  if (atomic) out.emplace_back("COMMIT");
  return out;
}

void RandomWrites::rename_table(Change* change, RandomTable* table) {
  const std::string from = sql_quote(table->name);
  table->name = fmt::format("renamed \"{}", ++change->after.made);
  change->statements = {fmt::format("ALTER TABLE {} RENAME TO {}", from, sql_quote(table->name))};
  rename_everywhere(&change->after, from, sql_quote(table->name));
}

void RandomWrites::rename_column(Change* change, RandomTable* table) {
  RandomColumn& column = table->columns.back();
  const std::string from = sql_quote(column.name);
  column.name = fmt::format("Renamed {}", ++change->after.made);
  change->statements = {fmt::format("ALTER TABLE {} RENAME COLUMN {} TO {}", sql_quote(table->name),
                                    from, sql_quote(column.name))};
  rename_everywhere(&change->after, from, sql_quote(column.name));
}

RandomWrites::Change RandomWrites::change() {
  Change out{{}, schema_};
  RandomTable& chosen = out.after.tables[random_.below(out.after.tables.size())];
  switch (random_.below(9)) {
    case 0: {
      chosen.columns.push_back(random_added_column(random_, &out.after));
      out.statements = {fmt::format("ALTER TABLE {} ADD COLUMN {} {}", sql_quote(chosen.name),
                                    sql_quote(chosen.columns.back().name),
                                    chosen.columns.back().clauses)};
      break;
    }
    case 1: {
      add_random_table(random_, &out.after);
      const RandomTable& made = out.after.tables.back();
      out.statements = extras_sql(made);
      out.statements.insert(out.statements.begin(), create_sql(made, made.name));
      if (random_.one_in(2)) out.statements.push_back(insert(made));
      break;
    }
    case 2:
      if (out.after.tables.size() > 1) {
        out.statements = {"DROP TABLE " + sql_quote(chosen.name)};
        out.after.tables.erase(out.after.tables.begin() + (&chosen - out.after.tables.data()));
      }
      break;
    case 3:
      rename_table(&out, &chosen);
      break;
    case 4:
      rename_column(&out, &chosen);
      break;
    case 5:
      out.statements = {"VACUUM"};
      break;
    case 6:
      out.statements = {"ANALYZE"};
      break;
    default:
      ++out.after.made;
      out.statements = rebuild(chosen);
      break;
  }
  return out;
}

}  // namespace crossfade::testing
