#include "capture/outbox_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <thread>
#include <unordered_map>
#include <utility>

#include "capture/move_rows.h"
#include "capture/outbox_reader.h"
#include "capture/outbox_rows.h"
#include "capture/published_tables.h"
#include "capture/relation_map.h"
#include "capture/type_names.h"
#include "engine/core/limits.h"

namespace crossfade::capture {
namespace {

using pgoutput::Oid;
using postgres::PgLsn;
using postgres::PgSnapshot;

// A table as entries of one shape have it.
struct EntryTable {
  enum class Kind : uint8_t { kTable, kRoute, kProbe, kOther };
  Kind kind = Kind::kOther;
  OutboxShape shape;
  std::optional<RelationMap> map;    // of kTable
  std::vector<std::string> columns;  // of kRoute and kProbe
};

postgres::ConnectOptions connect_options(const OutboxStreamOptions& options) {
  postgres::ConnectOptions out;
  out.params = options.params;
  out.connect_timeout = options.connect_timeout;
  out.statement_timeout = limits::kStatementTimeout;
  out.stop = options.stop;
  return out;
}

Error outbox_error(std::string native, std::string hint) {
  Error error;
  error.remedy = Remedy::kDecide;
  error.code = ErrorCode::kTarget;
  error.op = "target.outbox";
  error.object = "crossfade.outbox";
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

}  // namespace

struct OutboxStream::Impl {
  Impl(OutboxStreamOptions chosen, PgSnapshot from, OutboxReader outbox,
       std::map<Oid, std::string> tables)
      : options(std::move(chosen)),
        reader(std::move(outbox)),
        published(std::move(tables)),
        types(connect_options(options)),
        looked(from),
        durable(std::move(from)),
        live(options.live),
        end(options.applied) {
    for (const auto& table : options.tables) by_name[table->target_name] = table;
  }

  Result<bool> begin();
  Result<bool> find_flip(const std::vector<postgres::XidRange>& ranges);
  Status take(const OutboxEntry& entry);
  Status take_own(const EntryTable& source, const OutboxEntry& entry);
  Status take_row(const EntryTable& source, const OutboxEntry& entry);
  Status finish();
  Result<const EntryTable*> source_of(Oid relation, int64_t shape);
  Result<EntryTable> make_source(Oid relation, OutboxShape shape);
  void give(uint32_t xid, TargetEvent event);

  // Constant after construction.
  OutboxStreamOptions options;

  OutboxReader reader;
  std::map<Oid, std::string> published;
  TypeNames types;
  std::unordered_map<std::string, std::shared_ptr<const Table>> by_name;
  std::map<std::pair<Oid, int64_t>, EntryTable> sources;
  std::map<std::string, std::vector<RelationDifference>> told;  // by table, what was told last

  PgSnapshot looked;   // everything it sees was given out, or is none of ours
  PgSnapshot durable;  // SQLite has what it sees: entries up to here may go
  std::optional<PgSnapshot> part;
  bool live;
  bool reading = false;  // a transaction made of what ended between `looked` and `until`
  PgSnapshot until;
  PgLsn until_end;
  PgLsn durable_end;  // until here the server's log must be on disk
  bool has_events = false;
  int64_t newest_us = 0;
  std::deque<TargetEvent> events;
  PgLsn end;         // of what was given out
  PgSnapshot given;  // the same
  bool has_given = false;
  bool prune = true;  // there may be entries that `durable` sees
  std::deque<std::string> kept;
};

void OutboxStream::Impl::give(uint32_t xid, TargetEvent event) {
  if (!has_events) events.emplace_back(TargetBegin{xid});
  has_events = true;
  events.push_back(std::move(event));
}

// False: nothing has ended, or nothing of ours.
Result<bool> OutboxStream::Impl::begin() {
  CROSSFADE_TRY(const auto now, reader.look());
  if (ended_between(looked, now).empty() && !part) return false;
  CROSSFADE_TRY(const auto view, reader.begin());
  until = part.value_or(view.snapshot);
  // What was logged up to a snapshot that somebody else took is not known.
  until_end = part ? end : view.end;
  durable_end = view.end;
  const auto ranges = ended_between(looked, until);
  has_events = false;
  newest_us = 0;
  if (!live && !ranges.empty()) {
    CROSSFADE_TRY(const bool flipped, find_flip(ranges));
    if (flipped) {
      CROSSFADE_TRY(reader.end());
      return true;
    }
  }
  part.reset();
  if (ranges.empty()) {
    looked = until;
    CROSSFADE_TRY(reader.end());
    return false;
  }
  CROSSFADE_TRY(reader.read(ranges));
  reading = true;
  return true;
}

// What was written before the flip is crossfade's own: the transaction of the flip takes the place
// of all that it sees.
Result<bool> OutboxStream::Impl::find_flip(const std::vector<postgres::XidRange>& ranges) {
  CROSSFADE_TRY(const auto entries, reader.read_routes(ranges));
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    CROSSFADE_TRY(const EntryTable* const source, source_of(entry->relation, entry->shape));
    CROSSFADE_TRY(const auto after, source->shape.read(entry->after, &kept));
    CROSSFADE_TRY(const auto route, read_route(source->columns, after));
    kept.clear();
    if (!route.postgres_is_primary) continue;
    const auto before = PgSnapshot::parse(entry->snapshot);
    if (!before) return fail(outbox_error("a snapshot cannot be read: " + entry->snapshot, ""));
    give(static_cast<uint32_t>(entry->xid), route);
    newest_us = entry->at_us;
    live = true;
    looked = before->with(entry->xid);
    given = looked;
    has_given = true;
    events.emplace_back(TargetCommit{end, newest_us, looked.text()});
    return true;
  }
  return false;
}

Result<const EntryTable*> OutboxStream::Impl::source_of(Oid relation, int64_t shape) {
  const std::pair<Oid, int64_t> key(relation, shape);
  if (const auto found = sources.find(key); found != sources.end()) return &found->second;
  CROSSFADE_TRY(const auto said, reader.shape(relation, shape));
  if (!said) {
    return fail(outbox_error("an entry's columns are not in crossfade.outbox_shape",
                             "somebody has changed crossfade's own tables; compare both sides"));
  }
  CROSSFADE_TRY(auto parsed, OutboxShape::parse(relation, *said));
  CROSSFADE_TRY(auto source, make_source(relation, std::move(parsed)));
  return &sources.emplace(key, std::move(source)).first->second;
}

Result<EntryTable> OutboxStream::Impl::make_source(Oid id, OutboxShape shape) {
  EntryTable out;
  out.shape = std::move(shape);
  const pgoutput::Relation relation = out.shape.relation();
  for (const auto& column : relation.columns) out.columns.emplace_back(column.name);
  if (relation.schema == "crossfade") {
    if (relation.name == "route") out.kind = EntryTable::Kind::kRoute;
    if (relation.name == "probe") out.kind = EntryTable::Kind::kProbe;
    return out;
  }
  const auto known = published.find(id);
  if (known == published.end()) return out;
  const auto table = by_name.find(known->second);
  if (table == by_name.end()) return out;
  CROSSFADE_TRY(const auto names, types.of(relation));
  RelationMap map(table->second, relation, names);
  if (relation.schema != options.target_schema || relation.name != known->second) {
    map.add({fmt::format("it is called {}.{} now", relation.schema, relation.name)});
  }
  out.kind = EntryTable::Kind::kTable;
  out.map.emplace(std::move(map));
  return out;
}

Status OutboxStream::Impl::take(const OutboxEntry& entry) {
  kept.clear();
  newest_us = std::max(newest_us, entry.at_us);
  CROSSFADE_TRY(const EntryTable* const source, source_of(entry.relation, entry.shape));
  if (source->kind == EntryTable::Kind::kOther) return ok();
  if (source->kind != EntryTable::Kind::kTable) return take_own(*source, entry);
  std::vector<RelationDifference>& before = told[source->map->table()->target_name];
  if (before != source->map->differences()) {
    before = source->map->differences();
    for (const RelationDifference& each : before) {
      give(static_cast<uint32_t>(entry.xid),
           TargetSchemaMoved{source->map->table(), each.what, each.fatal});
    }
  }
  return take_row(*source, entry);
}

Status OutboxStream::Impl::take_own(const EntryTable& source, const OutboxEntry& entry) {
  CROSSFADE_TRY(const auto after, source.shape.read(entry.after, &kept));
  const auto xid = static_cast<uint32_t>(entry.xid);
  if (source.kind == EntryTable::Kind::kRoute) {
    CROSSFADE_TRY(const auto route, read_route(source.columns, after));
    give(xid, route);
  } else {
    CROSSFADE_TRY(auto probe, read_probe(source.columns, after));
    give(xid, std::move(probe));
  }
  return ok();
}

Status OutboxStream::Impl::take_row(const EntryTable& source, const OutboxEntry& entry) {
  const auto row = [&]() -> Result<TargetChange> {
    pgoutput::Tuple before;
    pgoutput::Tuple after;
    if (entry.op == 'U' || entry.op == 'D') {
      CROSSFADE_TRY(before, source.shape.read(entry.before, &kept));
    }
    if (entry.op == 'U' || entry.op == 'I') {
      CROSSFADE_TRY(after, source.shape.read(entry.after, &kept));
    }
    switch (entry.op) {
      case 'I':
        return source.map->read(pgoutput::Insert{entry.relation, std::move(after)});
      case 'U':
        return source.map->read(pgoutput::Update{entry.relation, pgoutput::Old::kRow,
                                                 std::move(before), std::move(after)});
      case 'D':
        return source.map->read(
            pgoutput::Delete{entry.relation, pgoutput::Old::kRow, std::move(before)});
      case 'T':
        return source.map->read_truncate();
      default:
        return fail(outbox_error(fmt::format("an entry says the operation {}", entry.op),
                                 "use the crossfade version that made the outbox"));
    }
  };
  CROSSFADE_TRY(auto change, row());
  give(static_cast<uint32_t>(entry.xid), std::move(change));
  return ok();
}

Status OutboxStream::Impl::finish() {
  CROSSFADE_TRY(reader.end());
  reading = false;
  looked = until;
  if (!has_events) return ok();
  CROSSFADE_TRY(reader.make_durable(durable_end));
  end = std::max(end, until_end);
  given = until;
  has_given = true;
  events.emplace_back(TargetCommit{end, newest_us, until.text()});
  return ok();
}

OutboxStream::OutboxStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OutboxStream::OutboxStream(OutboxStream&&) noexcept = default;
OutboxStream::~OutboxStream() = default;

Result<OutboxStream> OutboxStream::open(OutboxStreamOptions options) {
  const auto from = PgSnapshot::parse(options.snapshot);
  if (!from) {
    return fail(outbox_error(
        fmt::format("SQLite's position is no snapshot: '{}'", options.snapshot),
        "the making of the way back was interrupted: `crossfade cutover` makes it anew"));
  }
  CROSSFADE_TRY(auto reader, OutboxReader::open(connect_options(options)));
  CROSSFADE_TRY(auto published, reader.published());
  if (published.empty() && !options.tables.empty()) {
    return fail(outbox_error("crossfade.published names no table: no way back was made here",
                             "it is made when a cutover begins"));
  }
  return OutboxStream(
      std::make_unique<Impl>(std::move(options), *from, std::move(reader), std::move(published)));
}

Result<std::optional<TargetEvent>> OutboxStream::next(Deadline deadline) {
  Impl& it = *impl_;
  auto pause = limits::kOutboxPollBase;
  while (it.events.empty()) {
    if (it.reading) {
      OutboxEntry entry;
      CROSSFADE_TRY(const auto got, it.reader.next(&entry, deadline));
      if (got == postgres::CopyNext::kNoneYet) return std::nullopt;
      if (got == postgres::CopyNext::kEnd) {
        CROSSFADE_TRY(it.finish());
      } else {
        CROSSFADE_TRY(it.take(entry));
      }
      continue;
    }
    CROSSFADE_TRY(const bool begun, it.begin());
    if (begun) continue;
    if (it.prune) {
      CROSSFADE_TRY(it.prune, it.reader.prune(it.durable, limits::kOutboxPruneMax));
    }
    if (deadline.expired()) return std::nullopt;
    const Deadline turn = deadline.sooner(Deadline::after(pause));
    if (it.options.stop != nullptr) {
      if (it.options.stop->wait_until(turn)) return std::nullopt;
    } else {
      std::this_thread::sleep_until(turn.time());
    }
    pause = std::min(pause * 2, limits::kOutboxPollCap);
  }
  TargetEvent event = std::move(it.events.front());
  it.events.pop_front();
  return event;
}

Status OutboxStream::confirm(PgLsn applied) {
  Impl& it = *impl_;
  if (!it.has_given || applied < it.end || !it.events.empty()) return ok();
  it.durable = it.given;
  CROSSFADE_TRY(it.reader.confirm(it.end));
  CROSSFADE_TRY(it.prune, it.reader.prune(it.durable, limits::kOutboxPruneMax));
  return ok();
}

PgLsn OutboxStream::received() const {
  return impl_->end;
}

void OutboxStream::part_at(const std::string& snapshot) {
  impl_->part = PgSnapshot::parse(snapshot);
}

}  // namespace crossfade::capture
