// What an operator does about conflicts of dual writes: look at them, and decide those that wait.
//
// Works beside a running engine: each call is one statement on the target. A decision is carried
// out by the engine (docs/dual_writes.md).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/run/conflict_store.h"
#include "engine/run/target_store.h"

namespace crossfade::run {

struct ConflictEntry {
  int64_t id = 0;
  std::string version;  // changes with every change of the entry
  std::string table;
  std::string kind;
  bool waits = false;
  std::string resolution;  // empty while it waits
  std::string why;
  bool by_person = false;
  std::string key;         // "id=42"; empty: a count of rows, without their values
  std::string target_key;  // likewise; empty: the same
  int64_t lsn = 0;         // in the change log
  // Times in ISO 8601; empty: not known, or not yet.
  std::string at;
  std::string source_at;
  std::string target_at;
  std::string decided_at;
  std::string resolved_at;
  std::string decision;  // "source", "target", "row" or empty
  // jsonb as text (engine/run/conflict_rows.h); empty: there was, or is, no row.
  std::string base;
  std::string source;
  std::string target;
  std::string result;
  std::string decided_row;
};

struct ConflictFilter {
  std::vector<int64_t> ids;  // empty: all
  std::string table;         // empty: every table's
  bool waiting_only = false;
  int64_t rows_max = 0;  // 0: no limit
};

struct ConflictCounts {
  int64_t waiting = 0;
  int64_t decided = 0;  // of those, by a person, and not carried out yet
  int64_t resolved = 0;
};

Result<ConflictCounts> conflict_counts(TargetStore& store);
// In the order in which they came. An id that is not there is left out.
Result<std::vector<ConflictEntry>> conflict_entries(TargetStore& store,
                                                    const ConflictFilter& filter);
// Of these versions that still wait, and of no later ones. `row` is for Decision::kRow, and in
// `table`'s order. Returns how many.
Result<int64_t> decide_conflicts(TargetStore& store, const std::vector<ConflictEntry>& entries,
                                 Decision decision, const Table* table,
                                 const std::optional<Row>& row);

// The source's row (the target's where the source has none) with `changes`, an object of columns
// and values, in their places. kUsage: a column is none of the table's, is of the key or computed,
// or one side cannot hold the value as it is.
Result<Row> row_with_changes(const Table& table, const ConflictEntry& entry,
                             const std::string& changes);

[[nodiscard]] nlohmann::json to_json(const ConflictEntry& entry, bool with_rows);
// One line; with the rows, what differs between them side by side beneath it.
[[nodiscard]] std::string to_text(const ConflictEntry& entry, bool with_rows);

}  // namespace crossfade::run
