#include "capture/target_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>

#include "capture/move_rows.h"
#include "capture/pgoutput.h"
#include "capture/published_tables.h"
#include "capture/relation_map.h"
#include "capture/stream_end.h"
#include "capture/type_names.h"
#include "engine/postgres/quote.h"
#include "engine/postgres/replication_stream.h"

namespace crossfade::capture {
namespace {

using postgres::Oid;
using postgres::PgLsn;

constexpr int64_t kMicrosFrom1970To2000 = int64_t{946'684'800} * 1'000'000;
constexpr const char* kOwnSchema = "crossfade";

// What a number stands for in the stream.
struct Relation {
  enum class Kind : uint8_t { kTable, kRoute, kProbe, kOther };
  Kind kind = Kind::kOther;
  std::optional<RelationMap> map;    // of kTable
  std::vector<std::string> columns;  // of kRoute and kProbe
};

Error not_announced(Oid relation) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "target.stream";
  error.native = fmt::format("a change of the relation {}, which was not announced", relation);
  error.hint = "nothing was applied from it. Report it with the server's version";
  return error;
}

Error not_asked_for() {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "target.stream";
  error.native = "the server streams a transaction in progress, which was not asked for";
  error.hint = "nothing was applied from it. Report it with the server's version";
  return error;
}

Error not_made(const TargetStreamOptions& options) {
  Error error;
  error.remedy = Remedy::kDecide;
  error.code = ErrorCode::kTarget;
  error.op = "target.stream";
  error.object = options.slot;
  error.native = "crossfade.published names no table: no way back was made here";
  error.hint = "it is made when a cutover begins";
  return error;
}

Error server_is_behind(const TargetStreamOptions& options, const std::string& end) {
  Error error;
  error.remedy = Remedy::kDecide;
  error.code = ErrorCode::kTarget;
  error.op = "target.stream";
  error.object = options.slot;
  error.native = fmt::format("the server's log ends at {}, and SQLite has what came up to {}", end,
                             to_string(options.applied));
  error.hint =
      "the server was put back to an earlier state, or is a copy that had not got everything: what "
      "it lacks is in SQLite. Compare both sides before anything else";
  return error;
}

struct SlotBegin {
  std::map<Oid, std::string> published;
  PgLsn confirmed;
};

// Of a slot that is there; what is wrong with it shows when it is read.
Result<SlotBegin> look_at_slot(const TargetStreamOptions& options) {
  CROSSFADE_TRY(auto side, postgres::Connection::open(side_connection(options)));
  CROSSFADE_TRY(const auto row, side.exec(fmt::format(R"(
      SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() END,
             (SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = {}))",
                                                      postgres::quote_literal(options.slot))));
  const auto end = postgres::parse_pg_lsn(row.text(0, 0));
  if (end && *end < options.applied) return fail(server_is_behind(options, row.text(0, 0)));
  SlotBegin out;
  out.confirmed = postgres::parse_pg_lsn(row.text(0, 1)).value_or(PgLsn());
  CROSSFADE_TRY(out.published, read_published(side));
  return out;
}

}  // namespace

struct TargetStream::Impl {
  Impl(TargetStreamOptions given, SlotBegin slot, postgres::ReplicationStream replication)
      : options(std::move(given)),
        published(std::move(slot.published)),
        begins_at(slot.confirmed),
        stream(std::move(replication)),
        types(side_connection(options)) {
    for (const auto& table : options.tables) by_name[table->target_name] = table;
  }

  Status take(std::string_view message);
  Status take(const pgoutput::Relation& relation);
  Status take(const pgoutput::Insert& insert);
  Status take(const pgoutput::Update& update);
  Status take(const pgoutput::Delete& deletion);
  Status take(const pgoutput::Truncate& truncate);
  void take(const pgoutput::Commit& commit);

  Result<const Relation*> relation_of(Oid id) const;
  Status take_own(const Relation& relation, const pgoutput::Tuple& after);
  Status announce_table(const pgoutput::Relation& relation, RelationMap map);
  std::shared_ptr<const Table> find_table(const pgoutput::Relation& relation,
                                          std::optional<RelationDifference>* moved) const;
  void give(TargetEvent event);

  // Constant after construction.
  TargetStreamOptions options;
  std::map<Oid, std::string> published;
  PgLsn begins_at;
  std::unordered_map<std::string, std::shared_ptr<const Table>> by_name;

  postgres::ReplicationStream stream;
  pgoutput::Decoder decoder;
  TypeNames types;
  std::unordered_map<Oid, Relation> relations;
  std::deque<TargetEvent> events;  // of the message that was taken last
  bool in_transaction = false;
  pgoutput::Xid xid = 0;
  bool has_events = false;  // the transaction
  PgLsn received;
};

void TargetStream::Impl::give(TargetEvent event) {
  if (!has_events) events.emplace_back(TargetBegin{xid});
  has_events = true;
  events.push_back(std::move(event));
}

Status TargetStream::Impl::take(std::string_view message) {
  CROSSFADE_TRY(const auto decoded, decoder.decode(message));
  return std::visit(
      [this](const auto& content) -> Status {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, pgoutput::Begin>) {
          in_transaction = true;
          has_events = false;
          xid = content.xid;
        } else if constexpr (std::is_same_v<Content, pgoutput::Commit>) {
          take(content);
        } else if constexpr (std::is_same_v<Content, pgoutput::StreamStart> ||
                             std::is_same_v<Content, pgoutput::StreamStop> ||
                             std::is_same_v<Content, pgoutput::StreamCommit> ||
                             std::is_same_v<Content, pgoutput::StreamAbort>) {
          return fail(not_asked_for());
        } else if constexpr (!std::is_same_v<Content, pgoutput::Origin> &&
                             !std::is_same_v<Content, pgoutput::Message> &&
                             !std::is_same_v<Content, pgoutput::Type>) {
          return take(content);
        }
        return ok();
      },
      decoded.content);
}

void TargetStream::Impl::take(const pgoutput::Commit& commit) {
  in_transaction = false;
  // It is given out by the call of next() that this is part of.
  received = std::max(received, commit.end);
  if (has_events) give(TargetCommit{commit.end, commit.committed_at + kMicrosFrom1970To2000, {}});
}

// Null: it is no table of the move.
std::shared_ptr<const Table> TargetStream::Impl::find_table(
    const pgoutput::Relation& relation, std::optional<RelationDifference>* moved) const {
  const bool in_schema = relation.schema == options.target_schema;
  const auto known = published.find(relation.id);
  const std::string name = known != published.end() ? known->second
                           : in_schema              ? std::string(relation.name)
                                                    : std::string();
  const auto table = by_name.find(name);
  if (table == by_name.end()) return nullptr;
  if (known == published.end()) {
    *moved =
        RelationDifference{"it was dropped and made anew, and what its rows were is not known"};
  } else if (!in_schema || relation.name != name) {
    *moved =
        RelationDifference{fmt::format("it is called {}.{} now", relation.schema, relation.name)};
  }
  return table->second;
}

Status TargetStream::Impl::take(const pgoutput::Relation& relation) {
  std::optional<RelationDifference> moved;
  if (const auto table = find_table(relation, &moved)) {
    CROSSFADE_TRY(const auto names, types.of(relation));
    RelationMap map(table, relation, names);
    if (moved) map.add(*std::move(moved));
    return announce_table(relation, std::move(map));
  }
  Relation own;
  if (relation.schema == kOwnSchema && relation.name == "route") own.kind = Relation::Kind::kRoute;
  if (relation.schema == kOwnSchema && relation.name == "probe") own.kind = Relation::Kind::kProbe;
  for (const pgoutput::RelationColumn& column : relation.columns) {
    own.columns.emplace_back(column.name);
  }
  relations.insert_or_assign(relation.id, std::move(own));
  return ok();
}

// The server announces a table again after a reconnect, and whenever something about it was
// touched: only what is new is told.
Status TargetStream::Impl::announce_table(const pgoutput::Relation& relation, RelationMap map) {
  const auto before = relations.find(relation.id);
  const bool told = before != relations.end() && before->second.map &&
                    before->second.map->differences() == map.differences();
  if (!told) {
    for (const RelationDifference& each : map.differences()) {
      give(TargetSchemaMoved{map.table(), each.what, each.fatal});
    }
  }
  Relation out;
  out.kind = Relation::Kind::kTable;
  out.map.emplace(std::move(map));
  relations.insert_or_assign(relation.id, std::move(out));
  return ok();
}

Result<const Relation*> TargetStream::Impl::relation_of(Oid id) const {
  const auto found = relations.find(id);
  if (found == relations.end()) return fail(not_announced(id));
  return &found->second;
}

Status TargetStream::Impl::take_own(const Relation& relation, const pgoutput::Tuple& after) {
  if (relation.kind == Relation::Kind::kRoute) {
    CROSSFADE_TRY(const auto route, read_route(relation.columns, after));
    give(route);
  } else if (relation.kind == Relation::Kind::kProbe) {
    CROSSFADE_TRY(auto probe, read_probe(relation.columns, after));
    give(std::move(probe));
  }
  return ok();
}

Status TargetStream::Impl::take(const pgoutput::Insert& insert) {
  CROSSFADE_TRY(const Relation* const relation, relation_of(insert.relation));
  if (!relation->map) return take_own(*relation, insert.after);
  CROSSFADE_TRY(auto change, relation->map->read(insert));
  give(std::move(change));
  return ok();
}

Status TargetStream::Impl::take(const pgoutput::Update& update) {
  CROSSFADE_TRY(const Relation* const relation, relation_of(update.relation));
  if (!relation->map) return take_own(*relation, update.after);
  CROSSFADE_TRY(auto change, relation->map->read(update));
  give(std::move(change));
  return ok();
}

Status TargetStream::Impl::take(const pgoutput::Delete& deletion) {
  CROSSFADE_TRY(const Relation* const relation, relation_of(deletion.relation));
  if (!relation->map) return ok();
  CROSSFADE_TRY(auto change, relation->map->read(deletion));
  give(std::move(change));
  return ok();
}

Status TargetStream::Impl::take(const pgoutput::Truncate& truncate) {
  for (const Oid id : truncate.relations) {
    CROSSFADE_TRY(const Relation* const relation, relation_of(id));
    if (!relation->map) continue;
    CROSSFADE_TRY(auto change, relation->map->read_truncate());
    give(std::move(change));
  }
  return ok();
}

TargetStream::TargetStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TargetStream::TargetStream(TargetStream&&) noexcept = default;
TargetStream::~TargetStream() = default;

Result<TargetStream> TargetStream::open(TargetStreamOptions options) {
  CROSSFADE_TRY(auto slot, look_at_slot(options));
  postgres::StreamOptions replication;
  replication.params = options.params;
  replication.connect_timeout = options.connect_timeout;
  replication.stop = options.stop;
  replication.slot = options.slot;
  replication.publication = options.publication;
  replication.applied = options.applied;
  auto stream = postgres::ReplicationStream::open(replication);
  if (!stream) return fail(explain_stream_end(std::move(stream).error(), options));
  if (slot.published.empty() && !options.tables.empty()) return fail(not_made(options));
  auto impl =
      std::make_unique<Impl>(std::move(options), std::move(slot), std::move(stream).value());
  impl->received = impl->options.applied;
  return TargetStream(std::move(impl));
}

Result<std::optional<TargetEvent>> TargetStream::next(Deadline deadline) {
  Impl& it = *impl_;
  while (it.events.empty()) {
    const auto message = it.stream.next(deadline);
    if (!message) return fail(explain_stream_end(message.error(), it.options));
    if (!it.in_transaction) it.received = std::max(it.received, it.stream.received());
    if (!message.value()) return std::nullopt;
    CROSSFADE_TRY(it.take(message.value()->bytes));
    // A transaction's first message is no event, and what follows it is on its way.
    if (it.events.empty() && !it.in_transaction && deadline.expired()) return std::nullopt;
  }
  TargetEvent event = std::move(it.events.front());
  it.events.pop_front();
  return event;
}

Status TargetStream::confirm(PgLsn applied) {
  impl_->options.applied = std::max(impl_->options.applied, applied);
  return impl_->stream.confirm(applied);
}

PgLsn TargetStream::begins_at() const {
  return impl_->begins_at;
}

PgLsn TargetStream::server_end() const {
  return impl_->stream.server_end();
}

PgLsn TargetStream::received() const {
  return impl_->received;
}

}  // namespace crossfade::capture
