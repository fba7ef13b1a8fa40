// An independent oracle: is what PostgreSQL holds what the SQLite file holds?
//
// It shares no code with apply, verify or engine: raw sqlite3 and raw libpq in text format, and
// rules of its own for when two values are the same. Nobody may be writing to either side.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>

namespace crossfade::testing {

struct OracleOptions {
  std::string target_schema = "public";
  std::set<std::string> ignored_tables;             // on both sides, as each side spells them
  std::map<std::string, std::string> target_names;  // "table" or "table.column" that changed names
  size_t differences_max = 10;                      // per table, named in the report
};

// Empty when both sides are equal; else a report that names tables and rows.
//
// Rows are compared as multisets, columns by name. A target column `_crossfade_rowid` must hold the
// rowid. A bigint equals an INTEGER; a boolean an INTEGER 0 or 1; a double precision a REAL with
// the same bits (-0.0 and 0.0 are one); a numeric an INTEGER with the same digits or the REAL that
// its digits say; text a TEXT and bytea a BLOB with the same bytes; a jsonb the value and class it
// spells ({"$blob"}, {"$text"}, {"$real"}, 1.0 against 1), or the TEXT with its very bytes; a json
// the TEXT too. A date or timestamp equals an ISO text of the same instant, a uuid a TEXT or BLOB
// of the same sixteen bytes, an array of floats a BLOB of the same bits, a boolean a word for it.
// Integer, smallint, real and varchar are as their wider likes. NULL is NULL. Everything else
// differs.
[[nodiscard]] std::string compare_databases(const std::string& sqlite_path, const std::string& url,
                                            const OracleOptions& options = {});

}  // namespace crossfade::testing
