// Keeps SQLite in step with PostgreSQL after a cutover: takes the stream's transactions into
// SQLite, and compares the two sides while both move.
//
// A comparison needs both at one state: a snapshot is taken on PostgreSQL, and the stream is held
// before the first transaction that the snapshot does not see. SQLite then is what the snapshot
// shows, for as long as the stream is held. A probe, written after the snapshot, makes sure that
// such a transaction comes.
// PostgreSQL does not make transactions visible in the order in which its log has them: one that
// waits for the disk or a standby may be in the stream, and one behind it in the snapshot. A
// difference, and whatever is written on the strength of both sides, counts only at a state that
// is known to be the same.
// Threads: the engine's. Borrows the move. Any error ends it: open another, which goes on from what
// SQLite holds.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "apply/source_writer.h"
#include "capture/target_slot.h"
#include "capture/target_source.h"
#include "engine/run/move.h"
#include "engine/run/target_snapshot.h"
#include "engine/run/verify_round.h"

namespace crossfade::run {

class ReverseFollower {
 public:
  // Refuses when the slot is gone, or when SQLite or the server is older than what the other says.
  static Result<std::unique_ptr<ReverseFollower>> open(Move& move, const std::string& source_id);
  ReverseFollower(const ReverseFollower&) = delete;
  ReverseFollower& operator=(const ReverseFollower&) = delete;

  // Takes what comes until the deadline, or until a batch is durable in SQLite. False: nothing
  // came.
  Result<bool> pump(Deadline deadline);

  // Writes a probe on a connection of its own, and pumps until SQLite has it: all that was
  // committed before is in SQLite then. kSteppedBack when the deadline passes.
  Status drain(Deadline deadline);

  // Whether what is committed on PostgreSQL is in SQLite within kReverseNear. To be asked again
  // while this is pumped, until it is true; a backlog is waited for as long as it shrinks.
  // kSteppedBack: it does not.
  Result<bool> is_near();

  // A comparison of all tables from here on; keys are noted as touched from this moment.
  // Rows that were accepted as set aside on the way there by then are left out.
  Status start_round(verify::DigestKind digest = verify::DigestKind::kXxh3);
  void end_round();
  [[nodiscard]] bool round_running() const { return round_ && !round_->done(); }
  // Holds the stream, compares as many chunks as a slice of time allows, settles rows that were set
  // aside if they fit by now, and lets go. kSteppedBack: SQLite does not keep pace, or there are
  // rows that cannot be caught at one state.
  Status compare_slice();
  std::optional<VerifyReport> take_report();

  // With PostgreSQL's tables locked and drained: the rows set aside, as they are now. Returns those
  // that still do not fit.
  Result<std::vector<apply::SetAside>> settle();
  // Likewise: the keys that were touched since the round began.
  Result<verify::ChunkVerdict> compare_touched(Deadline deadline);

  // The same beside the stream, held at one state for it. Nothing: it was not at one state
  // throughout, and the keys stay touched.
  Result<std::optional<verify::ChunkVerdict>> compare_touched_beside(Deadline deadline);
  // The slot or the outbox has no reader any more.
  void stop_streaming() { stream_.reset(); }

  // Tables whose columns are not those that SQLite has a place for, in words.
  [[nodiscard]] const std::set<std::string>& no_place_for() const { return no_place_for_; }
  [[nodiscard]] apply::SourceWriter& writer() { return writer_; }
  [[nodiscard]] postgres::PgLsn applied() const { return writer_.state().applied; }
  [[nodiscard]] size_t touched() const { return touched_.size(); }
  [[nodiscard]] bool too_many_touched() const { return touched_.overflowed(); }
  // Of an outbox too.
  Result<capture::SlotHealth> slot_health();
  [[nodiscard]] WayBackKind kind() const { return writer_.state().kind; }
  // Tables whose writes do not come any more.
  Result<std::vector<capture::Unpublished>> find_unpublished();
  // Of the connection that probes are sent by: Connection::set_end_of_calls().
  void set_end_of_calls(std::optional<Deadline> end) { side_.set_end_of_calls(end); }

 private:
  ReverseFollower(Move& move, std::string source_id, std::unique_ptr<capture::TargetSource> stream,
                  apply::SourceWriter writer, postgres::Connection side);

  Status take(capture::TargetEvent& event);
  Status take(const capture::TargetBegin& begin);
  Status take(const TargetChange& change);
  Status take(const capture::TargetCommit& commit);
  Status take(const capture::RouteChanged& route);
  Status take(const capture::ProbeSeen& probe);
  Status take(const capture::TargetSchemaMoved& moved);
  Status open_batch();
  Status close_batch();
  Status advance_idle_position();
  Result<std::optional<capture::TargetEvent>> next_event(Deadline deadline);
  void show_lag(bool idle);
  Result<std::string> send_probe();
  // Until SQLite is at the state of a snapshot that the target's connection holds.
  Status align(Deadline deadline);
  void let_go();
  // Of a stream that is held: whether SQLite has exactly what the snapshot shows. False: it has
  // not, or that could not be found out.
  Result<bool> is_at_snapshot();
  // Likewise: whether it shows all that may have come to SQLite before this was opened, of which
  // nothing is known here.
  [[nodiscard]] bool shows_what_was_before() const { return align_to_->xmin() >= began_; }
  Status compare_chunks(Deadline deadline);
  // Notes that a chunk is to be compared again. kSteppedBack: it was, too often.
  Status again(const Table& table, const char* because);
  // Nothing: a table was truncated meanwhile.
  Result<std::optional<verify::ChunkVerdict>> compare_keys(
      const std::vector<DirtyKeys::OfTable>& touched, Deadline deadline);
  Result<bool> settle_one(const apply::SetAside& aside);
  [[nodiscard]] std::shared_ptr<const Table> table_named(const std::string& name) const;

  Move& move_;
  const std::string source_id_;
  std::unique_ptr<capture::TargetSource> stream_;  // null: stopped
  apply::SourceWriter writer_;
  postgres::Connection side_;  // for what must not be in the target connection's transaction

  apply::ReverseState next_;     // what the open batch comes to
  bool in_transaction_ = false;  // of PostgreSQL's, part of which was taken
  bool flip_seen_ = false;       // in it
  int64_t schema_version_ = 0;   // of SQLite, under which rows are written
  int64_t batch_changes_ = 0;
  bool must_commit_ = false;  // somebody waits for what the batch holds
  Deadline::Clock::time_point next_position_{};

  std::optional<TargetSnapshot> align_to_;
  std::string align_probe_;  // written after the snapshot
  bool held_ = false;
  uint32_t held_at_ = 0;                      // the transaction that it does not see
  std::deque<capture::TargetEvent> ahead_;    // taken from the stream while it was held
  std::deque<uint32_t> recent_;               // transactions that were taken, the newest last
  uint64_t began_ = 0;                        // transactions below it had begun when this did
  std::string near_probe_;                    // under way
  Deadline::Clock::time_point near_began_{};  // its way
  std::optional<Deadline::Clock::duration> near_took_;    // it has come
  std::optional<Deadline::Clock::duration> near_before_;  // the one's before it

  std::optional<VerifyRound> round_;
  size_t round_table_ = 0;
  Row round_after_;
  int chunk_tries_ = 0;
  bool tracking_ = false;
  DirtyKeys touched_;
  std::map<std::string, verify::KeySet> accepted_;  // by table
  std::set<std::string> no_place_for_;
};

// Neither side may have gone back behind what the other knows of it.
Status check_way_back_positions(Move& move, const apply::ReverseState& state);
// For what must not be in the transaction of the target's connection.
Result<postgres::Connection> side_connection(Move& move);
[[nodiscard]] std::string random_nonce();

}  // namespace crossfade::run
