// What a query answers, asked of SQLite and of PostgreSQL, in one spelling, so that the answers can
// be compared as texts.
//
// Shares no code with the engine. Numbers are compared by value to twelve digits, because sums of
// reals depend on the order of the rows; a boolean is the 0 or 1 that SQLite stores; an array of
// floats is its bytes; a time is its instant, whichever of the ISO spellings shows it. A text
// stands in quotes, so that '1' is not 1.
#pragma once

#include <string>
#include <vector>

struct sqlite3;
struct pg_conn;

namespace crossfade::testing {

struct Answer {
  std::vector<std::string> rows;  // "cell | cell"; of a statement without rows: "3 rows changed"
  std::string error;              // of the database, with the statement; then rows are of no use
};

[[nodiscard]] Answer ask(sqlite3* source, const std::string& sql);
// The session must show times in UTC and bytes in hex, as oracle::open_target() has it.
[[nodiscard]] Answer ask(pg_conn* target, const std::string& sql);

}  // namespace crossfade::testing
