// Keeps both sides in step while applications write to both: the change log's changes go to
// PostgreSQL, the stream's to SQLite, and what both changed is decided once for both
// (docs/decisions/0008-dual-writes.md).
//
// From SQLite to PostgreSQL: the target's rows of the keys are locked and compared with what the
// source had before its changes. Where they agree the changes go in; where they do not, SQLite's
// write lock is taken too, and DualResolver decides. From PostgreSQL to SQLite: under the write
// lock the log says which keys have changes that PostgreSQL has not; all others take PostgreSQL's
// row. Every transaction on the target begins with a mark, by which the stream tells it from the
// application's.
// A lock that is not to be had in time puts the work off; nothing waits for it.
// Threads: the engine's. Borrows the move. Any error ends it: open another, which goes on from what
// the two databases say.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "apply/source_writer.h"
#include "capture/log_reader.h"
#include "capture/target_slot.h"
#include "capture/target_stream.h"
#include "engine/run/dual_changes.h"
#include "engine/run/dual_ledger.h"
#include "engine/run/dual_resolver.h"
#include "engine/run/dual_target.h"
#include "engine/run/move.h"
#include "engine/run/source_thread.h"

namespace crossfade::run {

class DualFollower {
 public:
  enum class Event : uint8_t { kIdle, kProgress, kSchemaChanged };

  static Result<std::unique_ptr<DualFollower>> open(Move& move, const std::string& source_id,
                                                    ConflictPolicies policies);
  DualFollower(const DualFollower&) = delete;
  DualFollower& operator=(const DualFollower&) = delete;

  // Takes what has come on either side until the deadline, or until something was done.
  Result<Event> pump(Deadline deadline);

  // All that was committed on either side before the call is on the other, but for held keys.
  // kSteppedBack when the deadline passes; kRetry: the schema changed.
  Status drain(Deadline deadline);

  // Of the connection that probes are sent by: Connection::set_end_of_calls().
  void set_end_of_calls(std::optional<Deadline> end) { side_.set_end_of_calls(end); }
  // A cutover's pause: SQLite's write lock is held until it is committed or let go, and what comes
  // to SQLite meanwhile is a part of that one transaction. After a failure, and after letting go,
  // this is to be opened anew.
  Status lock_source(Deadline deadline);
  // All of the log is on PostgreSQL, and nothing of the engine's own is on its way to SQLite.
  Status drain_locked(Deadline deadline);
  Status commit_locked();
  void unlock_source();

  // Carries out what a person has decided meanwhile, notes who waits, and forgets what is past.
  Status look_at_decisions();
  // Rows set aside in SQLite because they did not fit are tried again; those that still do not
  // are on record for a person, and those that do are so no more.
  Status retry_set_aside();

  [[nodiscard]] Lsn applied() const { return applied_; }
  [[nodiscard]] size_t held() const { return ledger_.held(); }
  [[nodiscard]] apply::SourceWriter& writer() { return writer_; }
  Result<capture::SlotHealth> slot_health();
  // Until PostgreSQL shows all that had come from it before the call. The stream may be ahead of
  // that: a COMMIT that waits for a standby is logged, and not visible. False: something that had
  // begun by then has not ended by the deadline.
  Result<bool> await_shown(Deadline deadline);

  // For a comparison, which must know what moved under it: from here on the keys are noted that
  // changes come by for, on either side.
  void note_keys();
  // The key, if one did for it; `key_text` as verify::key_text() has it. Until the next call of
  // anything but a const method.
  [[nodiscard]] const Row* noted(const Table& table, const std::string& key_text) const;
  // They were more than are held: any key may be among them.
  [[nodiscard]] bool noted_too_many() const { return noted_too_many_; }

 private:
  DualFollower(Move& move, std::string source_id, ConflictPolicies policies,
               apply::SourceWriter writer, postgres::Connection side);

  Status start(Lsn applied);
  Status learn_own();
  Result<capture::TargetStream> open_stream();
  Status load_settled();
  Status load_held();

  // From PostgreSQL.
  // Whether what is read and not yet in SQLite is less than may wait for it.
  [[nodiscard]] bool may_read_stream() const;
  Result<bool> take_from_target();
  Status take(const capture::TargetEvent& event);
  Status take(const capture::TargetBegin& begin);
  Status take(const TargetChange& change);
  Status take(const capture::TargetCommit& commit);
  Status take(const capture::RouteChanged& route);
  Status take(const capture::ProbeSeen& probe);
  Status take(const capture::TargetSchemaMoved& moved);
  // True: done, or there was nothing to do.
  Result<bool> apply_to_source();
  Status write_to_source(const SourceChanges& pending, std::vector<Contested>* contested);
  Status write_rows(const std::vector<const TargetNet*>& nets, std::vector<Contested>* contested);
  Status write_truncated(const SourceChanges& pending, std::vector<Contested>* contested);
  Result<std::optional<Row>> row_of(const TargetNet& net, bool* known);
  Status advance_idle_position();

  // From SQLite.
  Result<bool> take_from_source(Deadline deadline);
  void merge_waiting();
  Result<bool> apply_to_target();
  // False: put off. With `*unknown`: until read_ahead() has read of these keys.
  Result<bool> try_to_target(std::unordered_set<KeyId>* unknown);
  // True: done. False, and all keys that the decision needs in `*unknown`: not of all of them the
  // log was read, and nothing was done.
  Result<bool> decide(const std::vector<Contested>& contested, const SourceChanges& changes,
                      DualResolver* resolver, std::unordered_set<KeyId>* unknown);
  Result<std::vector<Contested>> write_to_target(const SourceChanges& changes,
                                                 std::vector<KeyId>* written);

  // With SQLite's lock held, its changes that PostgreSQL has not got. Nothing: too many to look at
  // under the lock.
  Result<std::optional<SourceChanges>> pending(Lsn* newest);
  Result<SourceChanges> all_pending(Lsn* newest);  // kRetry where that gives nothing
  // What the whole log has of some keys. It is read while SQLite's writers go on: a log of hours
  // takes longer to read than they wait for a lock. What they add meanwhile is read under it.
  struct Ahead {
    Ahead(const DualLedger& ledger, std::unordered_set<KeyId> of, Lsn after)
        : keys(std::move(of)), changes(ledger, &keys), through(after) {}
    const std::unordered_set<KeyId> keys;
    SourceChanges changes;  // borrows keys
    Lsn through;
  };
  Status read_ahead(std::unordered_set<KeyId> keys);
  // To the end of what was pinned, or to the deadline.
  Status read_on(capture::LogReader* reader, capture::Watermark watermark, Ahead* ahead,
                 std::optional<Deadline> deadline);
  // With SQLite's lock held: on to the end.
  Status read_rest(Ahead* ahead);
  // The contested keys, and those of the rows in their way.
  Result<std::unordered_set<KeyId>> keys_to_know(const std::vector<Contested>& contested,
                                                 const SourceChanges& changes);
  Status resolve_in_open(const std::vector<Contested>& contested, const SourceChanges& pending,
                         Lsn newest, DualResolver* resolver);
  // Nothing but `contested`, in transactions of their own. False: put off.
  Result<bool> resolve_alone(const std::vector<Contested>& contested);
  Result<bool> carry_out(const WaitingConflict& waiting);
  Status close_those_that_fit();
  Status commit_target(Lsn through, std::vector<KeyId> keys, const DualResolver::Outcome& outcome);
  void remember(DualResolver::Outcome outcome);
  // Inside lock_source() they do nothing: its transaction goes on.
  Status begin_source();
  Status commit_source(const apply::ReverseState& state);
  [[nodiscard]] const apply::ReverseState& source_state() const;
  // OK and false: a lock was not to be had. Rolls both back in any case.
  Result<bool> put_off(const Error& error);
  [[nodiscard]] std::string next_mark();
  void note(const Table& table, const Row& key);
  [[nodiscard]] std::shared_ptr<const Table> table_named(const std::string& name) const;
  void show_lag(bool idle);
  Result<std::string> send_probe();

  Move& move_;
  const std::string source_id_;
  const ConflictPolicies policies_;
  apply::SourceWriter writer_;
  postgres::Connection side_;
  DualTarget target_;
  DualLedger ledger_;
  capture::Shapes shapes_;
  std::optional<capture::TargetStream> stream_;
  std::unique_ptr<SourceThread> source_;

  // From PostgreSQL.
  apply::ReverseState next_;  // what SQLite's position comes to
  TargetChanges net_;
  bool in_transaction_ = false;  // of PostgreSQL's, part of which was taken
  bool own_ = false;             // it is the engine's
  bool must_commit_ = false;
  std::string probe_;  // the newest that came
  Deadline::Clock::time_point next_position_{};

  // From SQLite.
  Lsn applied_;
  std::optional<SourceItem> waiting_;  // taken from the queue, not handled yet
  std::vector<ChangeBatch> parts_;     // of one watermark, or of several that are whole
  size_t parts_bytes_ = 0;
  bool whole_ = false;  // all of them are there
  bool schema_changed_ = false;
  bool holds_changed_ = false;
  bool refused_waits_ = false;  // rows that SQLite refused are on record
  int64_t behind_since_us_ = 0;
  std::unique_ptr<Ahead> ahead_;  // until either side was written to

  Deadline::Clock::time_point source_due_{};  // after a lock was not to be had
  Deadline::Clock::time_point target_due_{};
  std::string mark_;                           // of the open transaction on the target
  std::optional<apply::ReverseState> locked_;  // inside lock_source()
  bool step_open_ = false;                     // a savepoint in it
  bool target_has_it_ = false;  // it was committed there, and SQLite's part was not yet
  std::string session_;
  int64_t marks_ = 0;
  std::vector<Contested> revisit_;  // keys whose decision may have come to one side only
  std::unordered_map<std::string, Row> noted_;  // by table, NUL, key_text(); bounded
  bool noting_ = false;
  bool noted_too_many_ = false;
  std::unordered_set<std::string> told_;
};

}  // namespace crossfade::run
