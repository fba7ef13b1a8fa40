#include "tests/support/answers.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sqlite3.h>

#include <cstdlib>
#include <memory>
#include <string_view>

#include "tests/support/oracle_sides.h"

namespace crossfade::testing {
namespace {

// PostgreSQL's numbers for its types, which no header of libpq has.
constexpr Oid kBool = 16;
constexpr Oid kBytea = 17;
constexpr Oid kInt8 = 20;
constexpr Oid kInt2 = 21;
constexpr Oid kInt4 = 23;
constexpr Oid kFloat4 = 700;
constexpr Oid kFloat8 = 701;
constexpr Oid kFloat4Array = 1021;
constexpr Oid kFloat8Array = 1022;
constexpr Oid kNumeric = 1700;

std::string number_cell(double number) {
  return number == 0 ? "0" : fmt::format("{:.12g}", number);
}

// "2025-01-01T00:00:00.500000+00:00" is '2025-01-01 00:00:00.5', and midnight its day.
std::string text_cell(std::string text) {
  const bool time = text.size() >= 16 && text[4] == '-' && text[7] == '-' && text[13] == ':';
  if (!time) return "'" + text + "'";
  text[10] = ' ';
  for (const std::string_view utc : {"Z", "+00:00", "+00"}) {
    if (text.ends_with(utc)) text.resize(text.size() - utc.size());
  }
  if (text.find('.') != std::string::npos) {
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
  }
  if (text.ends_with(" 00:00:00")) text.resize(10);
  return "'" + text + "'";
}

std::string source_cell(sqlite3_stmt* row, int column) {
  const auto bytes = [&] {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(row, column));
    const auto size = static_cast<size_t>(sqlite3_column_bytes(row, column));
    return data == nullptr ? std::string() : std::string(data, size);
  };
  switch (sqlite3_column_type(row, column)) {
    case SQLITE_INTEGER:
      return number_cell(static_cast<double>(sqlite3_column_int64(row, column)));
    case SQLITE_FLOAT:
      return number_cell(sqlite3_column_double(row, column));
    case SQLITE_TEXT:
      return text_cell(bytes());
    case SQLITE_BLOB:
      return "x" + oracle::to_hex(bytes());
    default:
      return "NULL";
  }
}

template <typename T>
std::string array_cell(const std::string& text) {
  std::string bytes;
  for (const char* at = text.c_str() + 1; *at != '\0' && *at != '}';) {
    char* end = nullptr;
    const T value = sizeof(T) == sizeof(float) ? static_cast<T>(std::strtof(at, &end))
                                               : static_cast<T>(std::strtod(at, &end));
    if (end == at) return "no array: " + text;
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    at = *end == ',' ? end + 1 : end;
  }
  return "x" + oracle::to_hex(bytes);
}

std::string target_cell(const std::string& text, Oid type) {
  switch (type) {
    case kBool:
      return text == "t" ? "1" : "0";
    case kBytea:
      return "x" + text.substr(2);
    case kInt2:
    case kInt4:
    case kInt8:
    case kFloat4:
    case kFloat8:
    case kNumeric:
      return number_cell(std::strtod(text.c_str(), nullptr));
    case kFloat4Array:
      return array_cell<float>(text);
    case kFloat8Array:
      return array_cell<double>(text);
    default:
      return text_cell(text);
  }
}

}  // namespace

Answer ask(sqlite3* source, const std::string& sql) {
  Answer out;
  sqlite3_stmt* raw = nullptr;
  sqlite3_prepare_v2(source, sql.c_str(), -1, &raw, nullptr);
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> row(raw, sqlite3_finalize);
  int step = row == nullptr ? SQLITE_ERROR : sqlite3_step(row.get());
  for (; step == SQLITE_ROW; step = sqlite3_step(row.get())) {
    std::string line;
    for (int i = 0; i < sqlite3_column_count(row.get()); ++i) {
      line += (i == 0 ? "" : " | ") + source_cell(row.get(), i);
    }
    out.rows.push_back(std::move(line));
  }
  if (step != SQLITE_DONE) {
    out.error = "SQLite: " + sql + ": " + sqlite3_errmsg(source);
  } else if (sqlite3_column_count(row.get()) == 0) {
    out.rows.push_back(fmt::format("{} rows changed", sqlite3_changes(source)));
  }
  return out;
}

Answer ask(pg_conn* target, const std::string& sql) {
  Answer out;
  const std::unique_ptr<PGresult, void (*)(PGresult*)> rows(PQexec(target, sql.c_str()), PQclear);
  const ExecStatusType status = PQresultStatus(rows.get());
  if (status == PGRES_COMMAND_OK) {
    out.rows.push_back(fmt::format("{} rows changed", std::atoll(PQcmdTuples(rows.get()))));
  } else if (status != PGRES_TUPLES_OK) {
    out.error = "PostgreSQL: " + sql + ": " + PQresultErrorMessage(rows.get());
  }
  for (int i = 0; i < PQntuples(rows.get()); ++i) {
    std::string line;
    for (int c = 0; c < PQnfields(rows.get()); ++c) {
      const std::string text(PQgetvalue(rows.get(), i, c),
                             static_cast<size_t>(PQgetlength(rows.get(), i, c)));
      line += c == 0 ? "" : " | ";
      line +=
          PQgetisnull(rows.get(), i, c) != 0 ? "NULL" : target_cell(text, PQftype(rows.get(), c));
    }
    out.rows.push_back(std::move(line));
  }
  return out;
}

}  // namespace crossfade::testing
