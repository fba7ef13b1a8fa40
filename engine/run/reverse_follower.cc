#include "engine/run/reverse_follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>
#include <variant>

#include "capture/outbox_stream.h"
#include "capture/target_outbox.h"
#include "capture/target_stream.h"
#include "engine/core/limits.h"
#include "engine/observe/log.h"

namespace crossfade::run {
namespace {

using std::chrono::milliseconds;

size_t size_of(const capture::TargetEvent& event) {
  size_t bytes = sizeof(event);
  if (const auto* change = std::get_if<TargetChange>(&event)) {
    bytes += size_bytes(change->key);
    for (const auto& value : change->after) bytes += value ? value->size_bytes() : sizeof(value);
  }
  return bytes;
}

Error no_way_back(std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "reverse.follow";
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

}  // namespace

std::string random_nonce() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

Result<postgres::Connection> side_connection(Move& move) {
  postgres::ConnectOptions options;
  options.params = move.params;
  options.connect_timeout = limits::kConnectTimeout;
  options.statement_timeout = limits::kStatementTimeout;
  options.stop = &move.stop;
  return postgres::Connection::open(std::move(options));
}

namespace {

constexpr const char* kGone =
    "PostgreSQL stays the primary. If SQLite is to be given up, `crossfade finish`; for a new way "
    "back, a new move";

Error is_gone(const std::string& what, postgres::PgLsn applied) {
  return no_way_back(
      fmt::format("{} is gone: what was written to PostgreSQL since {} cannot be had "
                  "for SQLite any more",
                  what, postgres::to_string(applied)),
      kGone);
}

Error is_older_copy(postgres::PgLsn applied, postgres::PgLsn confirmed) {
  return no_way_back(
      fmt::format("the SQLite file is at {}, and the server was told that it has everything up to "
                  "{}: it is an older copy of the file",
                  postgres::to_string(applied), postgres::to_string(confirmed)),
      "put the newest file back");
}

Error was_put_back(postgres::PgLsn applied, postgres::PgLsn end) {
  return no_way_back(
      fmt::format("SQLite has what PostgreSQL had committed up to {}, and the server is at {}: it "
                  "was restored, or another one took over that lacks the newest writes",
                  postgres::to_string(applied), postgres::to_string(end)),
      "SQLite may hold writes that PostgreSQL has lost: compare before one of them is given up");
}

Status check_slot_position(postgres::Connection& target, const apply::ReverseState& state) {
  CROSSFADE_TRY(const auto slot,
                target.query("SELECT confirmed_flush_lsn,pg_current_wal_flush_lsn() FROM "
                             "pg_replication_slots WHERE slot_name=$1",
                             {postgres::text_param(state.slot)}));
  if (slot.rows() == 0) return fail(is_gone("the replication slot " + state.slot, state.applied));
  const auto confirmed = postgres::parse_pg_lsn(slot.text(0, 0));
  const auto end = postgres::parse_pg_lsn(slot.text(0, 1));
  if (confirmed && state.applied < *confirmed) {
    return fail(is_older_copy(state.applied, *confirmed));
  }
  if (end && *end < state.applied) return fail(was_put_back(state.applied, *end));
  return ok();
}

Status check_outbox_position(postgres::Connection& target, const apply::ReverseState& state) {
  CROSSFADE_TRY(const auto outbox, capture::read_outbox_state(target));
  if (!outbox.present) return fail(is_gone("the outbox", state.applied));
  if (state.applied < outbox.applied) return fail(is_older_copy(state.applied, outbox.applied));
  const auto position = postgres::PgSnapshot::parse(state.snapshot);
  const bool behind = position && outbox.now.snapshot.xmax() < position->xmax();
  if (behind || outbox.now.end < state.applied) {
    return fail(was_put_back(state.applied, outbox.now.end));
  }
  return ok();
}

Result<std::unique_ptr<capture::TargetSource>> open_source_of(Move& move,
                                                              const apply::ReverseState& state) {
  auto tables = tables_of(move);
  if (state.kind == WayBackKind::kOutbox) {
    capture::OutboxStreamOptions options;
    options.params = move.params;
    options.connect_timeout = limits::kConnectTimeout;
    options.stop = &move.stop;
    options.target_schema = move.options.target_schema;
    options.tables = std::move(tables);
    options.applied = state.applied;
    options.snapshot = state.snapshot;
    options.live = state.live;
    CROSSFADE_TRY(auto stream, capture::OutboxStream::open(std::move(options)));
    return std::unique_ptr<capture::TargetSource>(
        std::make_unique<capture::OutboxStream>(std::move(stream)));
  }
  capture::TargetStreamOptions options;
  options.params = move.params;
  options.connect_timeout = limits::kConnectTimeout;
  options.stop = &move.stop;
  options.slot = state.slot;
  options.publication = capture::kPublication;
  options.target_schema = move.options.target_schema;
  options.tables = std::move(tables);
  options.applied = state.applied;
  CROSSFADE_TRY(auto stream, capture::TargetStream::open(std::move(options)));
  return std::unique_ptr<capture::TargetSource>(
      std::make_unique<capture::TargetStream>(std::move(stream)));
}

}  // namespace

Status check_way_back_positions(Move& move, const apply::ReverseState& state) {
  postgres::Connection& target = move.target.connection();
  return state.kind == WayBackKind::kOutbox ? check_outbox_position(target, state)
                                            : check_slot_position(target, state);
}

ReverseFollower::ReverseFollower(Move& move, std::string source_id,
                                 std::unique_ptr<capture::TargetSource> stream,
                                 apply::SourceWriter writer, postgres::Connection side)
    : move_(move),
      source_id_(std::move(source_id)),
      stream_(std::move(stream)),
      writer_(std::move(writer)),
      side_(std::move(side)),
      next_(writer_.state()),
      schema_version_(move.schema_version) {}

Result<std::unique_ptr<ReverseFollower>> ReverseFollower::open(Move& move,
                                                               const std::string& source_id) {
  CROSSFADE_TRY(auto writer, apply::SourceWriter::open(move.source.path()));
  CROSSFADE_TRY(check_way_back_positions(move, writer.state()));
  CROSSFADE_TRY(auto stream, open_source_of(move, writer.state()));
  CROSSFADE_TRY(auto side, side_connection(move));
  std::unique_ptr<ReverseFollower> made(
      new ReverseFollower(move, source_id, std::move(stream), std::move(writer), std::move(side)));
  // A position in the log says nothing of what the server shows.
  if (made->kind() == WayBackKind::kSlot) {
    CROSSFADE_TRY(const auto row, made->side_.exec("SELECT pg_current_xact_id()::text"));
    made->began_ = static_cast<uint64_t>(row.integer(0, 0));
  }
  return made;
}

Result<bool> ReverseFollower::pump(Deadline deadline) {
  if (held_) return false;
  bool came = false;
  while (!held_) {
    // A batch that could be closed does not wait for more to come.
    const bool whole = writer_.in_transaction() && !in_transaction_;
    CROSSFADE_TRY(auto event, next_event(whole ? Deadline::at({}) : deadline));
    if (!event) break;
    came = true;
    CROSSFADE_TRY(take(*event));
    if (in_transaction_) {
      if (deadline.expired()) break;  // a large one is gone on with by the next call
      continue;
    }
    if (must_commit_ || batch_changes_ >= limits::kReverseBatchChangesMax) break;
    if (deadline.expired()) break;
  }
  if (in_transaction_ && !held_) return came;
  CROSSFADE_TRY(close_batch());
  show_lag(!came);
  if (!came) {
    CROSSFADE_TRY(advance_idle_position());
  }
  return came;
}

Result<std::optional<capture::TargetEvent>> ReverseFollower::next_event(Deadline deadline) {
  if (ahead_.empty()) return stream_->next(deadline);
  capture::TargetEvent event = std::move(ahead_.front());
  ahead_.pop_front();
  return event;
}

Status ReverseFollower::take(capture::TargetEvent& event) {
  return std::visit([this](const auto& of_kind) { return take(of_kind); }, event);
}

Status ReverseFollower::take(const capture::TargetBegin& begin) {
  in_transaction_ = true;
  recent_.push_back(begin.xid);
  if (recent_.size() > limits::kReverseRecentMax) recent_.pop_front();
  if (align_to_ && !align_to_->sees(begin.xid)) {
    held_ = true;
    held_at_ = begin.xid;
  }
  return ok();
}

Status ReverseFollower::take(const TargetChange& change) {
  if (!next_.live) return ok();  // the engine's own, from before the flip
  CROSSFADE_TRY(open_batch());
  if (tracking_) touched_.note(change);
  ++batch_changes_;
  return writer_.apply(change);
}

Status ReverseFollower::take(const capture::RouteChanged& route) {
  flip_seen_ = route.postgres_is_primary;
  return ok();
}

Status ReverseFollower::take(const capture::ProbeSeen& probe) {
  CROSSFADE_TRY(open_batch());
  next_.probe = probe.nonce;
  if (probe.nonce == near_probe_) near_took_ = Deadline::Clock::now() - near_began_;
  must_commit_ = true;
  return ok();
}

Status ReverseFollower::take(const capture::TargetSchemaMoved& moved) {
  const std::string said = fmt::format("{}: {}", moved.table->target_name, moved.what);
  if (moved.fatal) {
    return fail(no_way_back(
        "a table was changed on PostgreSQL so that it cannot be kept in step any more: " + said,
        "PostgreSQL stays the primary; what was written before the change is in SQLite. Without a "
        "way back it goes on with `crossfade finish`"));
  }
  // Columns of the target's own were there before the move.
  if (moved.table->adopted) return ok();
  if (no_place_for_.insert(said).second) {
    log::warn(said + ": SQLite has no place for it, and what is written there does not go back");
  }
  return ok();
}

Status ReverseFollower::take(const capture::TargetCommit& commit) {
  if (flip_seen_) {
    next_.live = true;
    must_commit_ = true;
    CROSSFADE_TRY(open_batch());
  }
  flip_seen_ = false;
  in_transaction_ = false;
  next_.applied = commit.end;
  next_.committed_us = commit.committed_us;
  next_.snapshot = commit.snapshot;
  if (!writer_.in_transaction()) return ok();
  return writer_.end_transaction();
}

Status ReverseFollower::open_batch() {
  if (writer_.in_transaction()) return ok();
  CROSSFADE_TRY(writer_.begin(Deadline::after(limits::kSourceBusyTimeout)));
  CROSSFADE_TRY(const int64_t version, writer_.connection().query_int("PRAGMA schema_version"));
  if (version == schema_version_) return ok();
  // Rows that are known by their rowid may have others by now (VACUUM).
  Error error = no_way_back("the schema of the SQLite file was changed just now", "");
  error.remedy = Remedy::kRetry;
  return fail(std::move(error));
}

// Only at the end of a transaction of PostgreSQL's, or where none is under way.
Status ReverseFollower::close_batch() {
  if (!writer_.in_transaction()) return ok();
  CROSSFADE_TRY(writer_.commit(next_));
  CROSSFADE_TRY(stream_->confirm(next_.applied));
  batch_changes_ = 0;
  must_commit_ = false;
  next_position_ = Deadline::Clock::now() + limits::kReversePositionInterval;
  return ok();
}

// What the server logs of other tables and databases must not be kept for us.
Status ReverseFollower::advance_idle_position() {
  const postgres::PgLsn received = stream_->received();
  if (Deadline::Clock::now() < next_position_ || received <= next_.applied) return ok();
  next_.applied = received;
  CROSSFADE_TRY(open_batch());
  return close_batch();
}

void ReverseFollower::show_lag(bool idle) {
  const auto now_us = std::chrono::duration_cast<std::chrono::microseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  move_.board.update([&](StatusReport& r) {
    r.lag_ms = idle ? 0 : std::max<int64_t>(0, (now_us - next_.committed_us) / 1000);
    r.reverse_kind = next_.kind;
    r.reverse_applied = postgres::to_string(next_.applied);
  });
}

Result<std::string> ReverseFollower::send_probe() {
  std::string nonce = random_nonce();
  CROSSFADE_TRY(capture::send_probe(side_, nonce));
  return nonce;
}

Status ReverseFollower::drain(Deadline deadline) {
  CROSSFADE_TRY(const std::string nonce, send_probe());
  while (writer_.state().probe != nonce) {
    if (deadline.expired() || move_.stop.requested()) {
      Error error = no_way_back(
          "SQLite does not keep pace: what was written to PostgreSQL did not come through in time",
          "raise --max-pause, or run it when there is less traffic; `crossfade status` shows how "
          "far behind it is");
      error.code = ErrorCode::kSteppedBack;
      error.remedy = Remedy::kStepBack;
      return fail(std::move(error));
    }
    CROSSFADE_TRY(pump(deadline.sooner(Deadline::after(milliseconds(50)))));
  }
  return ok();
}

Result<bool> ReverseFollower::is_near() {
  if (near_probe_.empty()) {
    near_began_ = Deadline::Clock::now();
    CROSSFADE_TRY(near_probe_, send_probe());
    return false;
  }
  if (!near_took_) return false;
  near_probe_.clear();
  const auto took = *std::exchange(near_took_, std::nullopt);
  const auto before = std::exchange(near_before_, took);
  if (took > limits::kReverseNear && (!before || took < *before)) return false;
  near_before_.reset();
  if (took <= limits::kReverseNear) return true;
  Error error = no_way_back(
      fmt::format("SQLite does not keep pace: what is written to PostgreSQL is in it {} s later, "
                  "and that does not become less",
                  std::chrono::duration_cast<std::chrono::seconds>(took).count()),
      "run it when there is less traffic; `crossfade status` shows how far behind it is");
  error.code = ErrorCode::kSteppedBack;
  error.remedy = Remedy::kStepBack;
  return fail(std::move(error));
}

Status ReverseFollower::align(Deadline deadline) {
  postgres::Connection& target = move_.target.connection();
  CROSSFADE_TRY(target.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  CROSSFADE_TRY(const auto shown, target.exec("SELECT pg_current_snapshot()::text"));
  align_to_ = TargetSnapshot::parse(shown.text(0, 0));
  if (!align_to_) {
    return fail(no_way_back("the server's snapshot cannot be read: " + shown.text(0, 0), ""));
  }
  stream_->part_at(shown.text(0, 0));
  CROSSFADE_TRY(align_probe_, send_probe());
  while (!held_) {
    if (deadline.expired() || move_.stop.requested()) {
      let_go();
      Error error = no_way_back("the two sides could not be brought to one state in time",
                                "try again when SQLite keeps pace");
      error.code = ErrorCode::kSteppedBack;
      error.remedy = Remedy::kStepBack;
      return fail(std::move(error));
    }
    CROSSFADE_TRY(pump(deadline.sooner(Deadline::after(milliseconds(50)))));
  }
  return ok();
}

Result<bool> ReverseFollower::is_at_snapshot() {
  // It has nothing that the snapshot does not see,
  for (const uint32_t xid : recent_) {
    if (xid != held_at_ && !align_to_->sees(xid)) return false;
  }
  // and lacks nothing that it sees: that was in the log before the probe was.
  const Deadline deadline = Deadline::after(limits::kReverseAheadMax);
  size_t bytes = 0;
  for (size_t i = 0;; ++i) {
    while (i == ahead_.size()) {
      if (bytes > limits::kReverseAheadBytesMax || deadline.expired() || move_.stop.requested()) {
        return false;
      }
      CROSSFADE_TRY(auto event, stream_->next(deadline.sooner(Deadline::after(milliseconds(50)))));
      if (event) ahead_.push_back(std::move(*event));
    }
    const capture::TargetEvent& event = ahead_[i];
    bytes += size_of(event);
    const auto* begin = std::get_if<capture::TargetBegin>(&event);
    if (begin != nullptr && align_to_->sees(begin->xid)) return false;
    const auto* probe = std::get_if<capture::ProbeSeen>(&event);
    if (probe != nullptr && probe->nonce == align_probe_) return true;
  }
}

void ReverseFollower::let_go() {
  align_to_.reset();
  held_ = false;
  move_.target.connection().rollback();
}

Result<capture::SlotHealth> ReverseFollower::slot_health() {
  if (kind() == WayBackKind::kOutbox) return capture::outbox_health(side_);
  return capture::slot_health(side_, source_id_);
}

Result<std::vector<capture::Unpublished>> ReverseFollower::find_unpublished() {
  const std::string& schema = move_.options.target_schema;
  if (kind() == WayBackKind::kOutbox) return capture::find_unwatched(side_, schema);
  return capture::find_unpublished(side_, schema);
}

std::shared_ptr<const Table> ReverseFollower::table_named(const std::string& name) const {
  for (const TargetTable& t : move_.tables) {
    if (t.table->name == name) return t.table;
  }
  return nullptr;
}

}  // namespace crossfade::run
