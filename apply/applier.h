// Applies change batches to the target, in Lsn order, each exactly once in effect.
//
// Exactly-once: rows, quarantine and applied_lsn move in one target transaction, guarded by the
// fencing token, so replaying a batch after a crash is a no-op and a stale engine cannot commit.
// Small batches go as one pipelined round trip; large ones as set deletes and COPY, prepared by
// whoever read them. A row that the server refuses is found by halving under savepoints and
// quarantined; its neighbours go in.
// Threads: its connection's. Borrows the connection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "apply/encoder.h"
#include "apply/net_changes.h"
#include "apply/prepared_batch.h"
#include "engine/core/change.h"
#include "engine/core/result.h"
#include "engine/postgres/connection.h"

namespace crossfade::apply {

struct ApplyCounts {
  int64_t changes = 0;
  int64_t conflicts = 0;    // the target row was not what the source last knew; the source's won
  int64_t quarantined = 0;  // rows set aside
};

class Applier {
 public:
  // `applied`: where the target's progress stands.
  Applier(postgres::Connection& target, std::string target_schema, LeaseToken token, Lsn applied);

  // Tables that are exact at applied() (net_changes.h).
  void set_exact(ExactTables exact) { exact_ = std::move(exact); }
  void set_quarantined_tables(std::unordered_set<std::string> tables) {
    quarantined_tables_ = std::move(tables);
  }

  // Applies one part. Commits when it closes a watermark (or when the transaction has grown past
  // limits::kApplyTransactionChangesMax). OK with closes_watermark: applied() == batch.through,
  // durable on the target. On an error nothing is known to have moved since the last commit: build
  // a new Applier from what the target says.
  Status apply(const ChangeBatch& batch);
  // The same, of a batch that was prepared: with what set_exact() was given, or with less.
  Status apply_prepared(const ChangeBatch& batch, PreparedBatch prepared);

  [[nodiscard]] Lsn applied() const { return applied_; }
  [[nodiscard]] const ApplyCounts& counts() const { return counts_; }

 private:
  Status apply_pipelined(const ChangeBatch& batch, const std::vector<NetTable>& net);
  // `whole`: the batch is one part, so what it says was there must have been there.
  Status apply_table(PreparedTable* table, Lsn lsn, bool whole);
  Status apply_table_carefully(const PreparedTable& table, Lsn lsn);
  Status set_aside_unfit(const PreparedTable& table, Lsn lsn);
  Status insert_halving(const Table& table, const EncodedRows& rows,
                        const std::vector<const NetRow*>& origin, size_t from, size_t to, Lsn lsn);
  Status set_aside(const Table& table, const Row& row, std::string column, std::string reason,
                   Lsn lsn);
  Status record_conflict(const Table& table, int64_t expected, int64_t found, Lsn lsn);
  Status commit(Lsn through);
  [[nodiscard]] bool fits_pipeline(const ChangeBatch& batch,
                                   const std::vector<NetTable>& net) const;
  [[nodiscard]] bool has_quarantine(const Table& table) const;

  postgres::Connection& target_;
  const std::string target_schema_;
  const LeaseToken token_;
  Lsn applied_;  // durable
  int64_t open_changes_ = 0;
  bool open_ = false;
  ExactTables exact_;
  std::unordered_set<std::string> quarantined_tables_;
  ApplyCounts counts_;
};

}  // namespace crossfade::apply
