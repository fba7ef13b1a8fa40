#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"
#include "verify/chunk.h"
#include "verify/source_rows.h"
#include "verify/target_keys.h"

namespace crossfade::verify {
namespace {

std::string lookup_sql(const Table& table, const char* comparison) {
  std::string sql = select_source(table);
  for (size_t i = 0; i < table.key.size(); ++i) {
    sql.append(i == 0 ? " WHERE " : " AND ").append(source_key_column(table, i));
    sql.append(comparison);
  }
  return sql;
}

bool has_null(const Row& key) {
  return std::any_of(key.begin(), key.end(), [](const Value& value) { return value.is_null(); });
}

}  // namespace

Result<SourceKeys> read_source_keys(sqlite::Connection& source,
                                    const std::shared_ptr<const Table>& table,
                                    std::vector<Row> keys) {
  SourceKeys out;
  out.table = table;
  out.keys = std::move(keys);
  CROSSFADE_TRY(auto by_value, sqlite::Statement::prepare(source, lookup_sql(*table, " = ?")));
  CROSSFADE_TRY(auto by_null, sqlite::Statement::prepare(source, lookup_sql(*table, " IS ?")));
  SourceDigester digester(*table);
  std::string canonical;
  for (const Row& key : out.keys) {
    sqlite::Statement& lookup = has_null(key) ? by_null : by_value;
    lookup.clear();
    for (size_t i = 0; i < key.size(); ++i) lookup.bind(static_cast<int>(i + 1), key[i]);
    const bool representable = canonical_key(*table, key, &canonical);
    while (true) {
      CROSSFADE_TRY(const bool found, lookup.step());
      if (!found) break;
      RowDigest row = digester.digest(lookup);
      // NOCASE and 1 = 1.0 find rows of another key, which the target tells apart.
      if (!representable || row.key == canonical) out.found.push_back(std::move(row));
    }
  }
  return out;
}

}  // namespace crossfade::verify
