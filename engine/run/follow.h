// Takes what the source thread hands over and does it on the target, item by item: changes are
// applied, chunks and keys are compared, each at the position it was read at.
//
// Threads: the engine's. Borrows everything it is given.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "apply/applier.h"
#include "engine/run/move.h"
#include "engine/run/source_thread.h"
#include "engine/run/verify_round.h"

namespace crossfade::run {

class Follower {
 public:
  enum class Event : uint8_t { kIdle, kProgress, kSchemaChanged };

  Follower(Move& move, SourceThread& source, apply::Applier& applier)
      : move_(move), source_(source), applier_(applier) {}

  // Waits for the next item until the deadline, and handles it. Batches that wait behind one
  // another are applied as one: each ends at a watermark, so their union does too.
  Result<Event> pump(Deadline deadline);
  // The same over another connection, while this one is at work, and of chunks only. False: the
  // next item is none, or it could not be compared; it waits for pump(). By one thread at a time.
  bool compare_ahead(postgres::Connection& other, Deadline deadline);

  // A comparison of all tables from here on; dirty keys are kept from this moment. Rows that were
  // accepted as set aside by then are left out.
  Status start_round(verify::DigestKind digest = verify::DigestKind::kXxh3);
  // Takes those rows out of keys that were read.
  void leave_out_accepted(verify::SourceKeys* keys, verify::ChunkVerdict* verdict) const;
  [[nodiscard]] bool round_running() const { return round_ && !round_->done(); }
  // The finished round's report, once.
  std::optional<VerifyReport> take_report();
  [[nodiscard]] bool has_round() const { return round_.has_value(); }
  // Nobody wants its report any more: what it has found is of an earlier time than the next
  // request's.
  void drop_round();

  // Has the keys that were touched since the round began compared, beside the stream. Their number
  // shrinks with each pass. The verdict is in keys_verdict() when keys_outstanding() is 0.
  Status start_keys_pass();
  [[nodiscard]] int keys_outstanding() const { return keys_outstanding_; }
  [[nodiscard]] const verify::ChunkVerdict& keys_verdict() const { return keys_verdict_; }

  // Tables of which the target holds exactly what it should at applied().
  void set_exact(apply::ExactTables exact);

  [[nodiscard]] DirtyKeys& dirty() { return dirty_; }
  [[nodiscard]] Lsn applied() const { return applier_.applied(); }
  [[nodiscard]] Lsn captured() const { return move_.board.get().captured_lsn; }
  [[nodiscard]] SourceThread& source() { return source_; }

 private:
  std::optional<SourceItem> next_item(Deadline deadline);
  void merge_waiting(ChangeBatch* batch);
  void show_lag(int64_t since_us);
  Status apply(ChangesItem& item);
  Status compare(ChunkItem& item, postgres::Connection& target);
  Status compare(KeysItem& item);

  Move& move_;
  SourceThread& source_;
  apply::Applier& applier_;
  std::optional<SourceItem> waiting_;  // taken from the queue, not handled yet
  std::optional<VerifyRound> round_;
  int64_t round_number_ = 0;  // of the last one that began; chunks of another are passed over
  bool tracking_ = false;
  DirtyKeys dirty_;
  std::map<std::string, verify::KeySet> accepted_;  // by table
  int keys_outstanding_ = 0;
  verify::ChunkVerdict keys_verdict_;
  int64_t quarantined_before_ = 0;
  bool plan_anew_ = false;
  int64_t behind_since_us_ = 0;  // monotonic; 0: not behind
};

}  // namespace crossfade::run
