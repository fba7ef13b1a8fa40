// Decides what becomes of rows that both sides changed, with both held still: SQLite's write lock
// and PostgreSQL's row locks are the caller's, in two open transactions, which it commits
// (PostgreSQL's first) or rolls back.
//
// A row that only one side changed goes to the other. Of two changes the policy's result is written
// to both sides, and recorded in PostgreSQL's transaction; or the key is held until a person
// decides, and both sides keep what they have.
// Threads: the connections'. Borrows everything it is given.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apply/source_writer.h"
#include "engine/core/conflict.h"
#include "engine/run/conflict_store.h"
#include "engine/run/dual_changes.h"
#include "engine/run/dual_ledger.h"
#include "engine/run/dual_target.h"

namespace crossfade::run {

struct Contested {
  std::shared_ptr<const Table> table;
  Row key;
  std::string must_wait;  // why no policy can decide it; empty: one can
  int64_t target_us = 0;  // when the target's change was committed, if the stream said so
};

using ConflictPolicies = std::map<std::string, TableConflicts>;  // by table

// What the audit trail has of one.
struct Decided {
  std::string table;
  std::string key;
  std::string kind;
  std::string taken;
  std::string why;
};

class DualResolver {
 public:
  // What is to be remembered once both have committed.
  struct Outcome {
    std::vector<KeyId> keys;  // what was committed for them is taken in
    std::vector<std::pair<KeyId, Lsn>> settled;
    int64_t conflicts = 0;         // recorded
    std::vector<Decided> decided;  // of those, limits::kAuditDecisionsMax
    bool holds_changed = false;

    // What came since is not to be remembered: it was undone.
    struct Mark {
      size_t keys;
      size_t settled;
      int64_t conflicts;
      size_t decided;
      bool holds_changed;
    };
    [[nodiscard]] Mark mark() const;
    void back_to(const Mark& mark);
  };

  DualResolver(DualTarget& target, apply::SourceWriter& source, const DualLedger& ledger,
               const ConflictPolicies& policies)
      : target_(target), source_(source), ledger_(ledger), policies_(policies) {}

  // `pending`: the source's changes above what the target has, up to `newest`; captured at about
  // `captured_us` since 1970.
  void begin(const SourceChanges& pending, Lsn newest, int64_t captured_us);
  // False: one side refuses what was decided, and nothing was done. It may fit once others were
  // resolved; with `last` it is left to a person.
  Result<bool> resolve(const Contested& contested, bool last);
  // As a person decided. False: it was refused, `why` says by whom, and it waits on.
  Result<bool> carry_out(const WaitingConflict& waiting, const std::shared_ptr<const Table>& table,
                         std::string* why);
  Outcome take_outcome() { return std::exchange(outcome_, {}); }

 private:
  struct Sides {
    std::optional<Row> base;
    std::optional<Row> source;
    std::optional<LockedRow> target;
    Lsn source_lsn;
    [[nodiscard]] std::optional<Row> target_row() const;
  };
  Result<Sides> read_sides(const Table& table, const Row& key);
  Status decide(const Contested& contested, const Sides& sides);
  Status decide_rivals(const Contested& contested, const Sides& sides, const Row& wanted,
                       const Error& refused);
  // Both sides get the row, unless the target refuses. A source that refuses is an error of
  // kMisfit.
  Result<Attempted> put(const Table& table, const Row& key, const Sides& sides,
                        const std::optional<Row>& row);
  Status put_on_source(const Table& table, const Row& key, const std::optional<Row>& row);
  Status source_takes_rivals(const Table& table, const Row& key, const Sides& sides,
                             const Row& wanted, const std::vector<LockedRow>& rivals);
  Status target_keeps_rivals(const Table& table, const Row& key, const Sides& sides,
                             const std::vector<LockedRow>& rivals);
  Status wait(const Contested& contested, const Sides& sides, std::string why);
  // SQLite has the target's row set aside. On record for a person, who need not do anything if it
  // comes to fit: so the key is not held.
  Status note_refused(const Contested& contested, const Sides& sides);
  Result<std::string> why_refused(const Table& table, const Row& key);
  Status record(const Contested& contested, const Sides& sides, apply::Taken taken,
                const std::optional<Row>& result, std::string why);
  // The source's changes up to now are part of what both have; and the target's, if its row is
  // `locked`.
  Status settle(const Table& table, const Row& key, bool locked);
  void note_decided(const ConflictRecord& record);
  [[nodiscard]] const TableConflicts& policy_of(const Table& table) const;

  DualTarget& target_;
  apply::SourceWriter& source_;
  const DualLedger& ledger_;
  const ConflictPolicies& policies_;
  const SourceChanges* pending_ = nullptr;
  Lsn newest_;
  int64_t captured_us_ = 0;
  Outcome outcome_;
};

// Keys settled beyond what the target's progress says, in crossfade.settled on the target.
struct SettledKey {
  std::string table;
  Row key;
  Lsn through;
};
Status make_settled_table(postgres::Connection& target);
Result<std::vector<SettledKey>> settled_keys(postgres::Connection& target);
Status forget_settled_keys(postgres::Connection& target, Lsn applied);

// What the policy is called where people read it: "newest_wins(updated_at)".
[[nodiscard]] std::string policy_text(const Table& table, const TableConflicts& policies);

}  // namespace crossfade::run
