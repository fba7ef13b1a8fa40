#include "capture/trigger_sql.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "capture/names.h"
#include "engine/core/limits.h"
#include "engine/sqlite/connection.h"

namespace crossfade::capture {
namespace {

using sqlite::quote;

std::string log_columns(size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += fmt::format(",c{}", i);
  return out;
}

std::string join(const std::vector<std::string>& parts, size_t from, size_t to) {
  std::string out;
  for (size_t i = from; i < to; ++i) out += "," + parts[i];
  return out;
}

// INSERTs that write `values` as one log entry: the first row, then continuations. `from_clause`
// is empty or " FROM ... WHERE ..."; it must yield at most one row when there are continuations.
std::string log_insert(CaptureId id, LogOp op, const std::vector<std::string>& values,
                       const std::string& from_clause) {
  std::string out;
  size_t at = 0;
  do {
    const size_t end = std::min(values.size(), at + limits::kLogValuesPerRow);
    const LogOp row_op = at == 0 ? op : LogOp::kContinuation;
    out +=
        fmt::format("INSERT INTO {}(tbl,op{}) SELECT {},{}{}{};", kLogTable, log_columns(end - at),
                    id.value, static_cast<int64_t>(row_op), join(values, at, end), from_clause);
    at = end;
  } while (at < values.size());
  return out;
}

std::vector<std::string> image(const Table& table, std::string_view alias) {
  std::vector<std::string> out;
  for (const Column& column : table.columns) {
    out.push_back(fmt::format("{}.{}", alias, column.source_sql));
  }
  return out;
}

std::vector<std::string> key_image(const Table& table, std::string_view alias) {
  std::vector<std::string> out;
  for (const size_t k : table.key) {
    out.push_back(fmt::format("{}.{}", alias, table.columns[k].source_sql));
  }
  return out;
}

// All of them, as a balanced tree: an application may have lowered SQLite's limit on the depth of
// expressions, and a trigger that exceeds it would make the whole schema unreadable to it.
std::string all_of(const std::vector<std::string>& conditions, size_t from, size_t to) {
  if (to - from == 1) return conditions[from];
  const size_t middle = from + (to - from + 1) / 2;
  const std::string left = all_of(conditions, from, middle);
  const std::string right = all_of(conditions, middle, to);
  return to - middle == 1 ? left + " AND " + right : fmt::format("{} AND ({})", left, right);
}

std::string collate(const std::string& collation) {
  return " COLLATE " + quote(collation);
}

bool all_digits(std::string_view text, std::string_view digits) {
  return !text.empty() && text.find_first_not_of(digits) == std::string_view::npos;
}

// [+-] digits [. digits] [e [+-] digits], with digits on one side of the point at least.
bool is_number(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const size_t e = text.find_first_of("eE");
  if (e != std::string_view::npos) {
    std::string_view exponent = text.substr(e + 1);
    if (exponent.starts_with('-') || exponent.starts_with('+')) exponent.remove_prefix(1);
    if (!all_digits(exponent, kDigits)) return false;
    text = text.substr(0, e);
  }
  const size_t point = text.find('.');
  if (point == std::string_view::npos) return all_digits(text, kDigits);
  return all_digits(std::string(text.substr(0, point)) + std::string(text.substr(point + 1)),
                    kDigits);
}

// A literal that can stand in any SQLite's trigger: a number, a quoted text, a blob.
bool is_plain_literal(std::string_view sql) {
  const bool blob = sql.starts_with("x'") || sql.starts_with("X'");
  const std::string_view quoted = blob ? sql.substr(1) : sql;
  if (!quoted.starts_with('\'')) return is_number(sql);
  if (quoted.size() < 2 || !quoted.ends_with('\'')) return false;
  const std::string_view inside = quoted.substr(1, quoted.size() - 2);
  if (blob) return inside.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
  // Quotes inside come in pairs.
  for (size_t at = 0; (at = inside.find('\'', at)) != std::string_view::npos; at += 2) {
    if (at + 1 == inside.size() || inside[at + 1] != '\'') return false;
  }
  return true;
}

// What the row will hold in `column`. For NOT NULL columns REPLACE puts the default in a NULL's
// place, and only after the BEFORE triggers (lang_conflict.html); a default that is no literal is
// not followed.
std::string new_value(const Column& column) {
  std::string value = "NEW." + column.source_sql;
  if (!column.default_sql || !is_plain_literal(*column.default_sql)) return value;
  return fmt::format("CASE WHEN {0} IS NULL THEN {1} ELSE {0} END", value, *column.default_sql);
}

// Rows that hold the value NEW brings to one unique key.
std::string same_key(const Table& table, const UniqueKey& key) {
  std::vector<std::string> parts;
  for (const UniqueKey::Part& part : key.parts) {
    const Column& column = table.columns[part.column];
    parts.push_back(
        fmt::format("t.{}={}{}", column.source_sql, new_value(column), collate(part.collation)));
  }
  std::string out = all_of(parts, 0, parts.size());
  // Only rows that the partial index holds can be replaced through it; and without its predicate
  // SQLite may not use it, and would scan the table at each write.
  if (!key.where_sql.empty()) out += " AND (" + key.where_sql + ")";
  return out;
}

// "is another row than OLD", bit by bit: the key's collation need not be the column's.
std::string not_old(const Table& table) {
  if (!table.without_rowid && !table.rowid_name.empty()) {
    return fmt::format("t.{0}<>OLD.{0}", table.rowid_name);
  }
  std::vector<std::string> parts;
  for (const size_t k : table.key) {
    const std::string& column = table.columns[k].source_sql;
    parts.push_back(fmt::format("t.{} IS OLD.{}{}", column, column, collate("BINARY")));
  }
  return "NOT(" + all_of(parts, 0, parts.size()) + ")";
}

bool is_rowid_key(const Table& table, const UniqueKey& key) {
  return table.identity != Identity::kPrimaryKey && key.parts.size() == 1 &&
         key.parts[0].column == table.key[0];
}

// What a recheck needs of the row in the way.
std::vector<std::string> recheck_image(const Table& table) {
  if (!recheck_has_row(table)) return key_image(table, "t");
  std::vector<std::string> out = image(table, "t");
  for (size_t i = 0; i < out.size(); ++i) {
    if (table.columns[i].generated) out[i] = "NULL";
  }
  return out;
}

std::string recheck(const Table& table, CaptureId id, const std::string& condition) {
  return log_insert(id, LogOp::kRecheck, recheck_image(table),
                    fmt::format(" FROM {} AS t WHERE {}", quote(table.name), condition));
}

TriggerSql trigger(const std::string& table, CaptureId id, std::string_view suffix,
                   std::string_view event, const std::string& when, const std::string& body) {
  TriggerSql out;
  out.name = fmt::format("{}{}_{}", kPrefix, id.value, suffix);
  out.table = table;
  out.sql = fmt::format("CREATE TRIGGER {} {} ON {}{} BEGIN {} END", out.name, event, quote(table),
                        when.empty() ? "" : " WHEN " + when, body);
  return out;
}

// True when a NULL in NEW hides what the row will hold in a unique key: a default that is no
// literal will stand in the key, or any default under a generated column of it. Empty: never.
std::string hidden_by_null(const Table& table) {
  std::vector<bool> in_key(table.columns.size());
  bool generated = false;
  for (const UniqueKey& key : table.unique_keys) {
    for (const UniqueKey::Part& part : key.parts) {
      in_key[part.column] = true;
      generated = generated || table.columns[part.column].generated;
    }
  }
  std::string out;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    if (!column.not_null || !column.default_sql || column.generated) continue;
    if (!generated && (!in_key[i] || is_plain_literal(*column.default_sql))) continue;
    out += fmt::format("{}NEW.{} IS NULL", out.empty() ? "" : " OR ", column.source_sql);
  }
  return out;
}

// What REPLACE removes fires no DELETE trigger unless the connection set recursive_triggers, so
// before each write the rows that stand in its way are noted by key; the reader looks whether they
// still exist. One noted too many (OR IGNORE, upsert) is harmless.
void append_recheck_triggers(const Table& table, CaptureId id, std::vector<TriggerSql>* out) {
  const bool has_rowid = !table.without_rowid && !table.rowid_name.empty();
  std::string on_insert;
  if (has_rowid) {
    on_insert += recheck(table, id, fmt::format("t.{0}=NEW.{0}", table.rowid_name));
    out->push_back(trigger(table.name, id, "moved", "BEFORE UPDATE",
                           fmt::format("NEW.{0}<>OLD.{0}", table.rowid_name),
                           recheck(table, id, fmt::format("t.{0}=NEW.{0}", table.rowid_name))));
  }
  std::string on_update;
  std::vector<std::string> columns;
  // Other columns decide too which rows are in a partial index, and what a generated column holds.
  bool any_column = std::any_of(table.indexes.begin(), table.indexes.end(),
                                [](const Index& index) { return index.unique && index.partial; });
  for (const UniqueKey& key : table.unique_keys) {
    if (has_rowid && is_rowid_key(table, key)) continue;
    on_insert += recheck(table, id, same_key(table, key));
    on_update += recheck(table, id, same_key(table, key) + " AND " + not_old(table));
    for (const UniqueKey::Part& part : key.parts) {
      columns.push_back(quote(table.columns[part.column].name));
      any_column = any_column || table.columns[part.column].generated;
    }
  }
  if (const std::string hidden = hidden_by_null(table); !hidden.empty()) {
    // Only REPLACE gets past that NULL, and any row may be the one: all are noted. Rare and dear.
    on_insert += recheck(table, id, hidden);
    on_update += recheck(table, id, hidden);
    any_column = true;
  }
  if (!on_insert.empty()) {
    out->push_back(trigger(table.name, id, "replace", "BEFORE INSERT", "", on_insert));
  }
  if (!on_update.empty()) {
    std::sort(columns.begin(), columns.end());
    columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
    const std::string of = any_column ? "" : fmt::format(" OF {}", fmt::join(columns, ","));
    out->push_back(trigger(table.name, id, "rekey", "BEFORE UPDATE" + of, "", on_update));
  }
}

}  // namespace

bool recheck_has_row(const Table& table) {
  if (table.columns.size() <= limits::kLogValuesPerRow) return true;
  const auto is_partial = [](const Index& index) { return index.unique && index.partial; };
  return hidden_by_null(table).empty() &&
         std::none_of(table.indexes.begin(), table.indexes.end(), is_partial);
}

std::vector<std::string> capture_tables_sql() {
  return {
      fmt::format("CREATE TABLE IF NOT EXISTS {}(lsn INTEGER PRIMARY KEY,tbl,op{})", kLogTable,
                  log_columns(limits::kLogValuesPerRow)),
      fmt::format(
          "CREATE TABLE IF NOT EXISTS {}(id INTEGER PRIMARY KEY,tbl TEXT NOT NULL,"
          "shape TEXT NOT NULL,base_lsn INTEGER NOT NULL,retired INTEGER NOT NULL DEFAULT 0)",
          kShapesTable),
      fmt::format("CREATE TABLE IF NOT EXISTS {}(id INTEGER PRIMARY KEY CHECK(id=1),"
                  "format INTEGER NOT NULL,source_id TEXT NOT NULL,journal_mode TEXT NOT NULL)",
                  kControlTable),
  };
}

std::vector<TriggerSql> capture_triggers(const Table& table, CaptureId id) {
  std::vector<TriggerSql> out;
  append_recheck_triggers(table, id, &out);
  const std::vector<std::string> before = image(table, "OLD");
  const std::vector<std::string> after = image(table, "NEW");
  std::vector<std::string> both = before;
  both.insert(both.end(), after.begin(), after.end());
  out.push_back(trigger(table.name, id, "insert", "AFTER INSERT", "",
                        log_insert(id, LogOp::kInsert, after, "")));
  out.push_back(trigger(table.name, id, "update", "AFTER UPDATE", "",
                        log_insert(id, LogOp::kUpdate, both, "")));
  out.push_back(trigger(table.name, id, "delete", "AFTER DELETE", "",
                        log_insert(id, LogOp::kDelete, before, "")));
  return out;
}

std::vector<TriggerSql> fence_triggers(const std::string& table, CaptureId id) {
  std::vector<TriggerSql> out;
  const std::string body = fmt::format("SELECT {}();", kMovedFunction);
  out.push_back(trigger(table, id, "fence_insert", "BEFORE INSERT", "", body));
  out.push_back(trigger(table, id, "fence_update", "BEFORE UPDATE", "", body));
  out.push_back(trigger(table, id, "fence_delete", "BEFORE DELETE", "", body));
  return out;
}

}  // namespace crossfade::capture
