#include "capture/outbox_reader.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "capture/published_tables.h"
#include "engine/core/deadline.h"
#include "engine/core/limits.h"
#include "engine/postgres/binary.h"

namespace crossfade::capture {
namespace {

using postgres::PgSnapshot;
using postgres::read_be;
using postgres::XidRange;

constexpr int64_t kMicrosTo2000 = int64_t{946'684'800} * 1'000'000;
constexpr size_t kEntryColumns = 8;

Error bad_copy() {
  Error error;
  error.remedy = Remedy::kDecide;
  error.code = ErrorCode::kTarget;
  error.op = "target.outbox";
  error.object = "crossfade.outbox";
  error.native = "what the server sends of it is no COPY of its columns";
  error.hint = "nothing was applied from it. Report it with the server's version";
  return error;
}

Error was_given_up() {
  Error error;
  error.remedy = Remedy::kDecide;
  error.code = ErrorCode::kBlocked;
  error.op = "target.outbox";
  error.object = "crossfade.outbox";
  error.native =
      "it had reached what it may take on the server's disk (max_bytes of "
      "crossfade.outbox_position), and what was committed since is not in it: the way back is gone";
  error.hint =
      "PostgreSQL stays the primary. If SQLite is to be given up, `crossfade finish`; "
      "for a new way back, a new move";
  return error;
}

// FROM and LATERAL of the entries that these transactions made.
std::string entries_of(const std::vector<XidRange>& ranges) {
  std::string from;
  std::string to;
  for (const XidRange& range : ranges) {
    from += fmt::format("{}{}", from.empty() ? "" : ",", range.from);
    to += fmt::format("{}{}", to.empty() ? "" : ",", range.to);
  }
  return fmt::format(
      "unnest('{{{}}}'::xid8[], '{{{}}}'::xid8[]) AS ended(low, high) CROSS JOIN LATERAL (SELECT * "
      "FROM crossfade.outbox o WHERE o.xid >= ended.low AND o.xid < ended.high) AS e",
      from, to);
}

// The fields of one row of a binary COPY.
bool split_copy(std::string_view message, std::array<std::string_view, kEntryColumns>* fields) {
  if (message.size() < 2 || read_be<int16_t>(message) != static_cast<int16_t>(kEntryColumns)) {
    return false;
  }
  message.remove_prefix(2);
  for (std::string_view& field : *fields) {
    if (message.size() < 4) return false;
    const auto size = read_be<int32_t>(message);
    message.remove_prefix(4);
    field = {};
    if (size < 0) continue;
    if (message.size() < static_cast<size_t>(size)) return false;
    field = message.substr(0, static_cast<size_t>(size));
    message.remove_prefix(static_cast<size_t>(size));
  }
  return true;
}

}  // namespace

Result<OutboxReader> OutboxReader::open(const postgres::ConnectOptions& options) {
  CROSSFADE_TRY(auto reading, postgres::Connection::open(options));
  CROSSFADE_TRY(auto asking, postgres::Connection::open(options));
  // A table that was just made is taken for a small one, and dead entries for living ones.
  CROSSFADE_TRY(reading.exec("SET enable_seqscan = off; SET jit = off"));
  CROSSFADE_TRY(asking.exec("SET enable_seqscan = off; SET jit = off"));
  return OutboxReader(std::move(reading), std::move(asking));
}

Result<std::map<pgoutput::Oid, std::string>> OutboxReader::published() {
  return read_published(asking_);
}

Result<std::optional<std::string>> OutboxReader::shape(pgoutput::Oid relation, int64_t id) {
  CROSSFADE_TRY(const auto row,
                asking_.exec(fmt::format("SELECT told FROM crossfade.outbox_shape WHERE relation = "
                                         "{} AND id = {} LIMIT 1",
                                         relation, id)));
  if (row.rows() == 0) return std::nullopt;
  return row.text(0, 0);
}

Result<PgSnapshot> OutboxReader::look() {
  CROSSFADE_TRY(const auto row, asking_.exec("SELECT pg_current_snapshot()::text"));
  const auto now = PgSnapshot::parse(row.text(0, 0));
  if (!now) return fail(bad_copy());
  return *now;
}

Result<OutboxPosition> OutboxReader::begin() {
  CROSSFADE_TRY(const auto row,
                reading_.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT "
                              "pg_current_snapshot()::text, pg_current_wal_insert_lsn(), "
                              "EXISTS(SELECT FROM crossfade.outbox_lost)"));
  if (row.boolean(0, 2)) return fail(was_given_up());
  const auto now = PgSnapshot::parse(row.text(0, 0));
  const auto end = postgres::parse_pg_lsn(row.text(0, 1));
  if (!now || !end) return fail(bad_copy());
  return OutboxPosition{*end, *now};
}

Result<std::vector<RouteEntry>> OutboxReader::read_routes(const std::vector<XidRange>& ranges) {
  CROSSFADE_TRY(const auto rows, reading_.exec(fmt::format(R"(
      SELECT e.xid::text, e.relation, e.shape, (extract(epoch FROM e.at) * 1000000)::bigint,
             e.after, e.snapshot
      FROM {} WHERE e.relation = 'crossfade.route'::regclass ORDER BY e.seq)",
                                                           entries_of(ranges))));
  std::vector<RouteEntry> out;
  for (int i = 0; i < rows.rows(); ++i) {
    out.push_back({static_cast<postgres::Xid8>(rows.integer(i, 0)),
                   static_cast<pgoutput::Oid>(rows.integer(i, 1)), rows.integer(i, 2),
                   rows.integer(i, 3), rows.text(i, 4), rows.text(i, 5)});
  }
  return out;
}

// Who writes a row after somebody else has waited for that one's end: so transactions come in the
// order of their last entries, and in each the statements in that of their beginnings.
Status OutboxReader::read(const std::vector<XidRange>& ranges) {
  CROSSFADE_TRY(reading_.copy_out_begin(fmt::format(
      "COPY (SELECT e.xid, e.relation, e.shape, e.op, e.at, e.before, e.after, e.snapshot FROM {} "
      "ORDER BY max(e.seq) OVER (PARTITION BY e.xid), e.began, e.seq) TO STDOUT (FORMAT binary)",
      entries_of(ranges))));
  return ok();
}

Result<postgres::CopyNext> OutboxReader::next(OutboxEntry* entry, Deadline deadline) {
  while (true) {
    std::string_view message;
    CROSSFADE_TRY(const auto got, reading_.copy_out_next(&message, deadline));
    if (got != postgres::CopyNext::kMessage) return got;
    if (message.starts_with(postgres::copy_header())) {
      message.remove_prefix(postgres::copy_header().size());
      if (message.empty()) continue;
    }
    if (message == postgres::copy_trailer()) continue;
    std::array<std::string_view, kEntryColumns> fields;
    if (!split_copy(message, &fields)) return fail(bad_copy());
    if (fields[0].size() != 8 || fields[1].size() != 4 || fields[2].size() != 8 ||
        fields[3].size() != 1 || fields[4].size() != 8) {
      return fail(bad_copy());
    }
    entry->xid = read_be<uint64_t>(fields[0]);
    entry->relation = read_be<uint32_t>(fields[1]);
    entry->shape = read_be<int64_t>(fields[2]);
    entry->op = fields[3].front();
    entry->at_us = read_be<int64_t>(fields[4]) + kMicrosTo2000;
    entry->before = fields[5];
    entry->after = fields[6];
    entry->snapshot = fields[7];
    return got;
  }
}

Status OutboxReader::end() {
  CROSSFADE_TRY(reading_.exec("COMMIT"));
  return ok();
}

Status OutboxReader::make_durable(postgres::PgLsn end) {
  while (true) {
    CROSSFADE_TRY(const auto row,
                  asking_.exec(fmt::format("SELECT pg_current_wal_flush_lsn() >= '{}'",
                                           postgres::to_string(end))));
    if (row.boolean(0, 0)) return ok();
    // A commit that waits for its own record waits for all before it.
    CROSSFADE_TRY(
        asking_.exec("BEGIN; SET LOCAL synchronous_commit = local; SELECT "
                     "pg_logical_emit_message(true, 'crossfade', ''); COMMIT"));
  }
}

// A crash that takes it back only has entries deleted that are not there.
Status OutboxReader::confirm(postgres::PgLsn applied) {
  CROSSFADE_TRY(asking_.exec(fmt::format(
      "BEGIN; SET LOCAL synchronous_commit = off; UPDATE crossfade.outbox_position SET applied = "
      "'{0}' WHERE applied < '{0}'; COMMIT",
      postgres::to_string(applied))));
  return ok();
}

Result<bool> OutboxReader::prune(const PgSnapshot& durable, std::chrono::milliseconds within) {
  const Deadline deadline = Deadline::after(within);
  const std::string sql = fmt::format(
      "BEGIN; SET LOCAL synchronous_commit = off; WITH gone AS (DELETE FROM crossfade.outbox WHERE "
      "ctid = ANY(ARRAY(SELECT ctid FROM crossfade.outbox WHERE xid < '{}' AND "
      "pg_visible_in_snapshot(xid, '{}') ORDER BY xid LIMIT {})) RETURNING 1) SELECT count(*) FROM "
      "gone",
      durable.xmax(), durable.text(), limits::kOutboxPruneRowsMax);
  while (true) {
    CROSSFADE_TRY(const auto row, asking_.exec(sql));
    CROSSFADE_TRY(asking_.commit());
    if (row.integer(0, 0) < limits::kOutboxPruneRowsMax) return false;
    if (deadline.expired()) return true;
  }
}

}  // namespace crossfade::capture
