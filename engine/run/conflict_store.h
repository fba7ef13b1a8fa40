// The record of conflicts, in crossfade.conflicts on the target: every one with all its rows, and
// those that wait for a person, whose keys neither side's changes pass for.
//
// Threads: the connection's. record() and mark_resolved() run inside the caller's transaction, with
// the rows they are about.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apply/merge.h"
#include "engine/core/conflict.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/strong.h"
#include "engine/core/value.h"
#include "engine/postgres/connection.h"

namespace crossfade::run {

struct ConflictRecord {
  const Table* table = nullptr;
  Row key;
  ConflictKind kind = ConflictKind::kInsertExists;
  std::optional<Row> base;  // in Table::columns' order
  std::optional<Row> source;
  std::optional<Row> target;
  // Of conflicts over a unique key: the target's row has a key of its own.
  std::optional<Row> target_key;
  apply::Taken taken = apply::Taken::kWaits;
  std::optional<Row> result;  // not for kWaits
  std::string why;            // what decided: "newest_wins(updated_at)", or why it waits
  Lsn source_lsn;             // of the newest change of the source's that it takes in
  int64_t source_us = 0;      // since 1970: when that was captured, as near as known; 0: unknown
  int64_t target_us = 0;      // when the target's row was committed; 0: unknown
};

enum class Decision : uint8_t { kNone, kSource, kTarget, kRow };

// A key that waits.
struct WaitingConflict {
  int64_t id = 0;
  std::string table;
  Row key;
  std::optional<Row> target_key;
  Decision decision = Decision::kNone;
  std::optional<Row> row;  // of kRow
  // Both sides' changes of the key pass: as soon as the row fits it does not wait any more.
  bool passes = false;
};

// A key waits once: a second record of one that waits takes the place of the first's rows; one of
// kSourceRefuses only that of another such, with other rows. False: nothing new.
Result<bool> record_conflict(postgres::Connection& target, const ConflictRecord& record);
// All of them; a handful, since writers who meet a waiting key are few.
Result<std::vector<WaitingConflict>> waiting_conflicts(postgres::Connection& target);
Result<int64_t> waiting_conflict_count(postgres::Connection& target);
// The rows that a decision is carried out on, which may be later versions than those of the record.
Status note_rows(postgres::Connection& target, int64_t id, const Table& table,
                 const std::optional<Row>& source, const std::optional<Row>& target_row);
// It is resolved: `taken` by a person, and both sides have `result`.
Status mark_resolved(postgres::Connection& target, int64_t id, apply::Taken taken,
                     const Table& table, const std::optional<Row>& result);

// A row that the source refused is not set aside there any more. Nothing happens if it does not
// wait, or if somebody has decided about it meanwhile.
Status mark_fits(postgres::Connection& target, int64_t id);

// What was decided cannot be done: it waits on, for another decision.
Status refuse_decision(postgres::Connection& target, int64_t id, const std::string& why);

}  // namespace crossfade::run
