// What an operator does about rows that were set aside: look at them, have them tried again, or
// accept that the target goes without them.
//
// Works beside a running engine: each call is one statement on the target or one short write
// transaction on the source.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/strong.h"
#include "engine/core/value.h"
#include "engine/run/target_store.h"
#include "verify/chunk.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::run {

struct QuarantineEntry {
  int64_t id = 0;
  std::string table;
  std::string key;     // "id=42"
  std::string column;  // empty: the row as a whole
  std::string reason;
  Lsn lsn;  // the change that brought it
  std::string at;
  bool accepted = false;
  std::string row;  // jsonb: every column's value with its class (TargetType::kVariant)
  Row key_values;
};

struct QuarantineFilter {
  std::vector<int64_t> ids;  // empty: all
  std::string table;         // empty: every table's
  int64_t rows_max = 0;      // 0: no limit
};

struct QuarantineCounts {
  int64_t waiting = 0;
  int64_t accepted = 0;
};

Result<QuarantineCounts> quarantine_counts(TargetStore& store);
// By table and position. An id that is not there is left out.
Result<std::vector<QuarantineEntry>> quarantine_entries(TargetStore& store,
                                                        const QuarantineFilter& filter);
// These versions of the rows, and no later ones: a row that was set aside anew meanwhile stays
// unaccepted. Returns how many were accepted.
Result<int64_t> accept_entries(TargetStore& store, const std::vector<QuarantineEntry>& entries);

// Has the source's present rows of these keys sent anew. Returns the position at which all have
// arrived. Entries whose row is no longer in the source are taken away.
Result<Lsn> retry_entries(sqlite::Connection& source, TargetStore& store,
                          const std::vector<QuarantineEntry>& entries);

// The keys of accepted rows, by table, as a comparison leaves them out.
Result<std::map<std::string, verify::KeySet>> accepted_keys(TargetStore& store,
                                                            const std::vector<TargetTable>& tables);

[[nodiscard]] nlohmann::json to_json(const QuarantineEntry& entry, bool with_row);
// One line; with the row, a line per column beneath it.
[[nodiscard]] std::string to_text(const QuarantineEntry& entry, bool with_row);

}  // namespace crossfade::run
