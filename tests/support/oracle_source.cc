#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "tests/support/oracle_sides.h"

namespace crossfade::testing::oracle {
namespace {

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Statement prepare(sqlite3* db, const std::string& sql, std::string* error) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
    *error = "oracle, source: " + sql + ": " + sqlite3_errmsg(db);
  }
  return Statement(raw);
}

std::string_view bytes_of(sqlite3_stmt* row, int column) {
  const void* data = sqlite3_column_type(row, column) == SQLITE_TEXT
                         ? static_cast<const void*>(sqlite3_column_text(row, column))
                         : sqlite3_column_blob(row, column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(row, column));
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data), size);
}

// The value with its class, as a variant column spells it; for other types, what differs always.
std::string classed_cell(sqlite3_stmt* row, int column) {
  switch (sqlite3_column_type(row, column)) {
    case SQLITE_INTEGER:
      return "I" + std::to_string(sqlite3_column_int64(row, column));
    case SQLITE_FLOAT:
      return double_cell(sqlite3_column_double(row, column));
    case SQLITE_TEXT:
      return "T" + std::string(bytes_of(row, column));
    case SQLITE_BLOB:
      return "B" + to_hex(bytes_of(row, column));
    default:
      return "NULL";
  }
}

std::string cell(sqlite3_stmt* row, int column, const std::string& type) {
  const int storage = sqlite3_column_type(row, column);
  if (storage == SQLITE_NULL) return "NULL";
  const std::string classed = classed_cell(row, column);
  if (type == "jsonb") return classed;
  const bool integer = type == "bigint" || type == "integer" || type == "smallint";
  if (integer && storage == SQLITE_INTEGER) return classed;
  if (type == "real" && storage == SQLITE_FLOAT) return classed;
  if (type.starts_with("character varying") && storage == SQLITE_TEXT) return classed;
  if (type == "boolean" && (classed == "I0" || classed == "I1")) return classed;
  if (type == "double precision" && storage == SQLITE_FLOAT) return classed;
  if (type == "text" && storage == SQLITE_TEXT) return classed;
  if (type == "bytea" && storage == SQLITE_BLOB) return classed;
  const bool numeric = type.starts_with("numeric");
  if (numeric && storage == SQLITE_INTEGER) {
    return decimal_cell(std::to_string(sqlite3_column_int64(row, column)));
  }
  if (numeric && storage == SQLITE_FLOAT) {
    return shortest_decimal_cell(sqlite3_column_double(row, column));
  }
  const std::string_view bytes = storage >= SQLITE_TEXT ? bytes_of(row, column) : "";
  std::string formed;
  if (storage == SQLITE_TEXT) formed = source_text_cell(std::string(bytes), type);
  if (storage == SQLITE_BLOB) formed = source_blob_cell(bytes, type);
  if (!formed.empty()) return formed;
  return "(no " + type + ") " + classed;
}

// The name under which the rowid can be read: a column may hide some of them.
std::string rowid_name(const std::vector<std::string>& columns) {
  for (const char* name : {"rowid", "_rowid_", "oid"}) {
    bool hidden = false;
    for (const std::string& c : columns) hidden = hidden || sqlite3_stricmp(c.c_str(), name) == 0;
    if (!hidden) return name;
  }
  return "rowid";
}

}  // namespace

void CloseSqlite::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}

SqliteDb open_source(const std::string& path, std::string* error) {
  sqlite3* raw = nullptr;
  const int rc = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  SqliteDb db(raw);
  if (rc != SQLITE_OK) *error = "oracle, source: " + path + ": " + sqlite3_errstr(rc);
  sqlite3_busy_timeout(raw, 10'000);
  return db;
}

std::vector<std::string> source_tables(sqlite3* db, std::string* error) {
  const Statement s =
      prepare(db,
              "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
              " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
              " AND name NOT LIKE '\\_crossfade\\_%' ESCAPE '\\' ORDER BY name",
              error);
  std::vector<std::string> names;
  while (error->empty() && sqlite3_step(s.get()) == SQLITE_ROW) {
    names.emplace_back(bytes_of(s.get(), 0));
  }
  return names;
}

std::vector<std::string> source_columns(sqlite3* db, const std::string& table, std::string* error) {
  const Statement s =
      prepare(db, "SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid", error);
  std::vector<std::string> names;
  if (!error->empty()) return names;
  sqlite3_bind_text(s.get(), 1, table.c_str(), -1, nullptr);
  while (sqlite3_step(s.get()) == SQLITE_ROW) names.emplace_back(bytes_of(s.get(), 0));
  return names;
}

std::vector<Cells> source_rows(sqlite3* db, const std::string& table,
                               const std::vector<std::string>& columns,
                               const std::vector<std::string>& types, std::string* error) {
  std::string list;
  for (const std::string& column : columns) {
    list += (list.empty() ? "" : ", ") + (column.empty() ? rowid_name(columns) : quote(column));
  }
  const Statement s = prepare(db, "SELECT " + list + " FROM main." + quote(table), error);
  std::vector<Cells> rows;
  if (!error->empty()) return rows;
  int rc = sqlite3_step(s.get());
  for (; rc == SQLITE_ROW; rc = sqlite3_step(s.get())) {
    Cells cells;
    for (size_t i = 0; i < columns.size(); ++i) {
      cells.push_back(cell(s.get(), static_cast<int>(i), types[i]));
    }
    rows.push_back(std::move(cells));
  }
  if (rc != SQLITE_DONE) *error = "oracle, source: " + table + ": " + sqlite3_errmsg(db);
  return rows;
}

std::string double_cell(double value) {
  if (value == 0) value = 0;  // -0.0
  return "D" + to_hex(std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
}

std::string shortest_decimal_cell(double value) {
  if (std::isinf(value)) return value > 0 ? "#Infinity" : "#-Infinity";
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::scientific);
  return decimal_cell({buffer.data(), static_cast<size_t>(end.ptr - buffer.data())});
}

// "#-125e-1" for -12.5 and for -12.50: sign, digits without zeros at either end, exponent.
std::string decimal_cell(std::string_view text) {
  if (text == "Infinity" || text == "-Infinity" || text == "NaN") return "#" + std::string(text);
  bool negative = false;
  bool fraction = false;
  int exponent = 0;
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '-') negative = true;
    if (c == '.') fraction = true;
    if (c >= '0' && c <= '9') {
      digits += c;
      if (fraction) --exponent;
    }
    if (c == 'e' || c == 'E') {
      exponent += std::atoi(std::string(text.substr(i + 1)).c_str());
      break;
    }
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  while (!digits.empty() && digits.back() == '0') {
    digits.pop_back();
    ++exponent;
  }
  if (digits.empty()) return "#0";
  return std::string("#") + (negative ? "-" : "") + digits + "e" + std::to_string(exponent);
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    out += kDigits[u >> 4];
    out += kDigits[u & 15];
  }
  return out;
}

std::string quote(std::string_view identifier) {
  std::string out = "\"";
  for (const char c : identifier) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace crossfade::testing::oracle
