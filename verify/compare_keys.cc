#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/limits.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/quote.h"
#include "verify/chunk.h"
#include "verify/key_match.h"
#include "verify/target_keys.h"
#include "verify/target_rows.h"

namespace crossfade::verify {
namespace {

constexpr size_t kKeysPerStatement = 1000;
constexpr size_t kKeyBytesPerStatement = limits::kCopyBufferBytesMax;

struct Wanted {
  std::string canonical;
  const Row* key;
};

bool by_canonical(const Wanted& a, const Wanted& b) {
  return a.canonical < b.canonical;
}

// PostgreSQL 13's numeric has no infinities; asking for one would be an error and not an absence.
bool can_be_asked(const Table& table, const Row& key, int server_version) {
  constexpr int kNumericInfinityVersion = 140000;
  if (server_version >= kNumericInfinityVersion) return true;
  for (size_t i = 0; i < key.size(); ++i) {
    if (table.columns[table.key[i]].type.base == TargetType::kNumeric &&
        key[i].storage() == StorageClass::kReal && std::isinf(key[i].real())) {
      return false;
    }
  }
  return true;
}

// The keys the target can hold, each once, sorted.
std::vector<Wanted> wanted_keys(const SourceKeys& keys, int server_version) {
  std::vector<Wanted> wanted;
  wanted.reserve(keys.keys.size());
  std::string canonical;
  for (const Row& key : keys.keys) {
    if (!canonical_key(*keys.table, key, &canonical)) continue;
    if (can_be_asked(*keys.table, key, server_version)) wanted.push_back({canonical, &key});
  }
  std::sort(wanted.begin(), wanted.end(), by_canonical);
  wanted.erase(
      std::unique(wanted.begin(), wanted.end(),
                  [](const Wanted& a, const Wanted& b) { return a.canonical == b.canonical; }),
      wanted.end());
  return wanted;
}

// A semi-join: each row comes once. Literals rather than parameters, because COPY takes none and
// only COPY hands out one row at a time.
std::string lookup_sql(const Table& table, const std::string& schema, const Wanted* begin,
                       const Wanted* end) {
  std::string columns;
  std::string arrays;
  std::string names;
  std::string picked;
  for (size_t i = 0; i < table.key.size(); ++i) {
    const Column& column = table.columns[table.key[i]];
    const char* comma = i == 0 ? "" : ", ";
    const std::string name = "c" + std::to_string(i);
    columns.append(comma).append("t.").append(postgres::quote(column.target_name));
    names.append(comma).append(name);
    picked.append(comma).append("k.").append(name);
    // So that the key's index serves; one that somebody else made has the column's own collation.
    if (column.type.base == TargetType::kText && column.type.spelling.empty()) {
      picked += " COLLATE \"C\"";
    }
    arrays.append(comma).append("ARRAY[");
    for (const Wanted* at = begin; at != end; ++at) {
      arrays.append(at == begin ? "" : ",").append(key_literal((*at->key)[i], column.type));
    }
    arrays.append("]::").append(key_cast(column.type)).append("[]");
  }
  return select_target(table, schema) + " WHERE (" + columns + ") IN (SELECT " + picked +
         " FROM unnest(" + arrays + ") AS k(" + names + "))";
}

// One row of a key for each that was found: a key asked for twice was found twice.
std::vector<RowDigest> found_once(const SourceKeys& keys) {
  std::vector<RowDigest> found = keys.found;
  std::sort(found.begin(), found.end(),
            [](const RowDigest& a, const RowDigest& b) { return a.key < b.key; });
  found.erase(std::unique(found.begin(), found.end(),
                          [](const RowDigest& a, const RowDigest& b) {
                            return a.key == b.key && a.digest == b.digest;
                          }),
              found.end());
  return found;
}

// How many keys from `begin` on fit into one statement, at least one.
size_t piece_size(const std::vector<Wanted>& wanted, size_t begin) {
  size_t count = 0;
  size_t bytes = 0;
  while (begin + count < wanted.size() && count < kKeysPerStatement) {
    bytes += wanted[begin + count].canonical.size();
    if (count > 0 && bytes > kKeyBytesPerStatement) break;
    ++count;
  }
  return count;
}

}  // namespace

Result<ChunkVerdict> compare_keys(postgres::Connection& target, const std::string& target_schema,
                                  const SourceKeys& keys, size_t samples_max) {
  ChunkVerdict verdict;
  verdict.samples_max = samples_max;
  const Table& table = *keys.table;
  const std::vector<RowDigest> found = found_once(keys);
  KeyMatch match(table, found);
  const std::vector<Wanted> wanted = wanted_keys(keys, target.server_version());
  Wanted met{{}, nullptr};
  for (size_t at = 0; at < wanted.size();) {
    const Wanted* begin = wanted.data() + at;
    const Wanted* end = begin + piece_size(wanted, at);
    at += static_cast<size_t>(end - begin);
    CROSSFADE_TRY(auto rows,
                  TargetRows::open(target, lookup_sql(table, target_schema, begin, end), table));
    while (true) {
      CROSSFADE_TRY(const bool row, rows.next());
      if (!row) break;
      rows.form().assign_key(&met.canonical);
      // jsonb's 1 = 1.0 finds a row of another key, which counts only where it was asked for.
      if (!std::binary_search(begin, end, met, by_canonical)) continue;
      match.meet(met.canonical, rows.form().digest(), &verdict);
    }
  }
  match.finish(&verdict);
  return verdict;
}

}  // namespace crossfade::verify
