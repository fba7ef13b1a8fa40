#include "capture/log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "capture/change_log.h"
#include "capture/trigger_sql.h"
#include "engine/core/assert.h"
#include "engine/core/limits.h"
#include "engine/sqlite/connection.h"

namespace crossfade::capture {
namespace {

std::string key_identity(const Table& table, const Row& key) {
  std::string out = table.name + '\0';
  for (const Value& value : key) append_identity(value, &out);
  return out;
}

}  // namespace

LogReader::LogReader(sqlite::Connection& source, Shapes shapes, OldRows old_rows)
    : source_(source), shapes_(std::move(shapes)), entries_(source, shapes_, old_rows) {}

Result<Watermark> LogReader::begin_snapshot() {
  end_snapshot();
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source_, sqlite::Begin::kDeferred));
  snapshot_.emplace(std::move(transaction));
  return pin();
}

Result<Watermark> LogReader::begin_within() {
  end_snapshot();
  within_ = true;
  return pin();
}

// The first read pins the snapshot; PRAGMA schema_version then belongs to it.
Result<Watermark> LogReader::pin() {
  CROSSFADE_TRY(watermark_.newest, newest_lsn(source_));
  CROSSFADE_TRY(watermark_.schema_version, source_.query_int("PRAGMA schema_version"));
  return watermark_;
}

void LogReader::end_snapshot() {
  entries_.end();
  lookups_.clear();
  taken_out_.clear();
  log_read_ = false;
  snapshot_.reset();
  within_ = false;
}

Result<ChangeBatch> LogReader::read(Lsn after, size_t bytes_max) {
  CROSSFADE_ASSERT(snapshot_.has_value() || within_, "read() without a snapshot");
  ChangeBatch batch;
  batch.through = after;
  if (!entries_.walking()) {
    one_part_ = true;
    CROSSFADE_TRY(entries_.walk(after.next(), watermark_.newest));
  }
  if (!log_read_) {
    CROSSFADE_TRY(read_log(bytes_max, &batch));
  }
  if (log_read_) {
    CROSSFADE_TRY(put_back(bytes_max, &batch));
  }
  batch.settled = taken_out_.empty();
  batch.closes_watermark = log_read_ && batch.settled;
  if (batch.closes_watermark) batch.through = watermark_.newest;
  return batch;
}

Status LogReader::read_log(size_t bytes_max, ChangeBatch* batch) {
  while (entries_.more() && batch->bytes < bytes_max) {
    CROSSFADE_TRY(LogEntry entry, entries_.next());
    // Below the watermark until all is put back: the caller goes on until it is reached.
    batch->through = entries_.more() ? entry.last : Lsn{entry.first.value - 1};
    CROSSFADE_TRY(decode(std::move(entry), batch));
  }
  log_read_ = !entries_.more();
  if (!log_read_) one_part_ = false;
  const Lsn expected = entries_.expected();
  if (log_read_ && expected != watermark_.newest.next()) {
    return fail(log_tampered(source_, expected,
                             fmt::format("the log ends at {} but its newest position is {}",
                                         expected.value - 1, watermark_.newest.value)));
  }
  return resolve_vanished(batch);
}

Status LogReader::decode(LogEntry entry, ChangeBatch* batch) {
  const auto shape = shapes_.find(entry.id);
  if (shape == shapes_.end() || entry.last <= shape->second.base_lsn) return ok();
  Change change;
  change.lsn = entry.last;
  change.table = shape->second.table;
  const size_t width = change.table->columns.size();
  const auto begin = std::make_move_iterator(entry.values.begin());
  switch (entry.op) {
    case LogOp::kInsert:
      change.op = ChangeOp::kInsert;
      change.after = std::move(entry.values);
      note_null_key(*change.table, change.after);
      break;
    case LogOp::kDelete:
      change.op = ChangeOp::kDelete;
      change.before = std::move(entry.values);
      break;
    case LogOp::kUpdate:
      change.op = ChangeOp::kUpdate;
      change.before.assign(begin, begin + static_cast<std::ptrdiff_t>(width));
      change.after.assign(begin + static_cast<std::ptrdiff_t>(width),
                          std::make_move_iterator(entry.values.end()));
      note_null_key(*change.table, change.after);
      break;
    case LogOp::kRecheck: {
      change.op = ChangeOp::kVanish;
      if (recheck_has_row(*change.table)) {
        change.before = std::move(entry.values);
        break;
      }
      change.before.resize(width);
      Row key = recheck_key(*change.table, entry.values);
      for (size_t i = 0; i < key.size(); ++i) {
        change.before[change.table->key[i]] = std::move(key[i]);
      }
      break;
    }
    case LogOp::kReopened:
    case LogOp::kContinuation:
      return fail(log_tampered(source_, entry.first, "a continuation without a head"));
  }
  batch->bytes += sizeof(Change) + size_bytes(change.before) + size_bytes(change.after);
  batch->changes.push_back(std::move(change));
  return ok();
}

void LogReader::note_null_key(const Table& table, const Row& row) {
  if (table.identity != Identity::kPrimaryKey) return;
  for (const size_t k : table.key) {
    if (row[k].is_null()) null_key_table_ = table.name;
  }
}

Result<std::optional<Row>> LogReader::current_row(const std::shared_ptr<const Table>& table,
                                                  const Row& key) {
  Lookup& lookup = lookups_[table->name];
  if (!lookup.by_key) {
    std::string columns;
    for (const Column& column : table->columns) {
      columns += (columns.empty() ? "" : ",") + column.source_sql;
    }
    CROSSFADE_TRY(auto statement,
                  sqlite::Statement::prepare(
                      source_, fmt::format("SELECT {} FROM {} WHERE {}", columns,
                                           sqlite::quote(table->name), where_key(*table))));
    lookup.by_key.emplace(std::move(statement));
  }
  sqlite::Statement& statement = *lookup.by_key;
  statement.clear();
  for (size_t i = 0; i < key.size(); ++i) statement.bind(static_cast<int>(i) + 1, key[i]);
  CROSSFADE_TRY(const bool found, statement.step());
  std::optional<Row> row;
  // The key's collation may find 'A' for 'a': only the very same key counts.
  if (found) row = statement.row();
  statement.reset();
  if (row && key_of(*table, *row) != key) row.reset();
  return row;
}

// Whether the application has triggers on the table.
Result<bool> LogReader::has_triggers(const Table& table) {
  const auto known = triggered_.find(table.name);
  if (known != triggered_.end()) return known->second;
  CROSSFADE_TRY(auto statement,
                sqlite::Statement::prepare(
                    source_, fmt::format("SELECT 1 FROM sqlite_master WHERE type='trigger' AND "
                                         "lower(tbl_name)=lower(?) AND name NOT GLOB '{}*'",
                                         kPrefix)));
  statement.bind_text(1, table.name);
  CROSSFADE_TRY(const bool any, statement.step());
  triggered_[table.name] = any;
  return any;
}

// A noted key stands for a removed row only if a REPLACE did remove it. It existed when it was
// noted, so the next entry that touches it decides:
// - it brings the key into being: the row was gone by then, and it vanished here;
// - it changes or deletes the row, or notes it again: the row was still there, nothing vanished;
// - there is none, and the key is gone at the watermark: it vanished here;
// - there is none, and the row exists: it never went (OR IGNORE, upsert).
// When the batch has several parts, the later entries are not in memory: the row is then taken out
// here and put back from the snapshot at the end, which is right in each of the four cases.
//
// One case is left, in tables with triggers of the application's: such a trigger changes the row
// between our note and its removal. So where the part's last entry of a noted key leaves the row
// there, and it is gone at the watermark, it vanished after that entry.
Status LogReader::resolve_vanished(ChangeBatch* batch) {
  const auto vanishes = [](const Change& change) { return change.op == ChangeOp::kVanish; };
  if (std::none_of(batch->changes.begin(), batch->changes.end(), vanishes)) return ok();
  struct OfKey {
    bool brought = false;              // what the next entry does
    std::optional<size_t> left_there;  // the last entry, if it leaves the row there
  };
  std::unordered_map<std::string, OfKey> later;
  std::vector<Change> kept;    // from last to first
  std::vector<size_t> places;  // where each was
  std::map<size_t, Change> after;
  Stretch taken_out{Lsn{0}, Lsn{0}};
  for (size_t i = batch->changes.size(); i-- > 0;) {
    Change& change = batch->changes[i];
    const Table& table = *change.table;
    if (change.op == ChangeOp::kVanish) {
      const Row key = key_of(table, change.before);
      const auto [next, last_of_key] = later.try_emplace(key_identity(table, key));
      if (!last_of_key && !std::exchange(next->second.brought, false)) {
        const auto there = std::exchange(next->second.left_there, std::nullopt);
        CROSSFADE_TRY(const bool may_be_gone, there ? has_triggers(table) : Result<bool>(false));
        if (!may_be_gone) continue;
        CROSSFADE_TRY(const auto row, current_row(change.table, key));
        if (!row) after.emplace(*there, std::move(change));
        continue;
      }
      if (last_of_key) {
        CROSSFADE_TRY(const auto row, current_row(change.table, key));
        if (row && one_part_) continue;
        if (row) {
          taken_out.first =
              Lsn{change.lsn.value + 1 - static_cast<int64_t>(log_rows(table, LogOp::kRecheck))};
          taken_out.last = std::max(taken_out.last, change.lsn);
        }
      }
    } else {
      // An update that moves a row onto a key brings that key into being, as an insert does.
      if (change.op != ChangeOp::kDelete) {
        const auto [at, last] = later.try_emplace(key_identity(table, key_of(table, change.after)));
        at->second.brought = true;
        if (last) at->second.left_there = i;
      }
      if (change.op != ChangeOp::kInsert) {
        later[key_identity(table, key_of(table, change.before))].brought = false;
      }
    }
    kept.push_back(std::move(change));
    places.push_back(i);
  }
  batch->changes.clear();
  for (size_t i = kept.size(); i-- > 0;) {
    const Lsn lsn = kept[i].lsn;
    batch->changes.push_back(std::move(kept[i]));
    const auto vanish = after.find(places[i]);
    if (vanish == after.end()) continue;
    vanish->second.lsn = lsn;
    batch->changes.push_back(std::move(vanish->second));
  }
  if (taken_out.last.value != 0) taken_out_.push_back(taken_out);
  return ok();
}

Status LogReader::put_back(size_t bytes_max, ChangeBatch* batch) {
  while (!taken_out_.empty() && batch->bytes < bytes_max) {
    Stretch& stretch = taken_out_.front();
    CROSSFADE_TRY(entries_.walk(stretch.first, stretch.last));
    while (entries_.more() && batch->bytes < bytes_max) {
      CROSSFADE_TRY(const LogEntry entry, entries_.next());
      stretch.first = entry.last.next();
      CROSSFADE_TRY(put_back_row(entry, batch));
    }
    if (!entries_.more()) taken_out_.pop_front();
  }
  return ok();
}

// The row as the snapshot has it. A vanish and not an update: it may not be on the target.
Status LogReader::put_back_row(const LogEntry& entry, ChangeBatch* batch) {
  const auto shape = shapes_.find(entry.id);
  if (entry.op != LogOp::kRecheck || shape == shapes_.end()) return ok();
  CROSSFADE_TRY(auto row,
                current_row(shape->second.table, recheck_key(*shape->second.table, entry.values)));
  if (!row) return ok();
  Change vanish{watermark_.newest, shape->second.table, ChangeOp::kVanish, *row, {}};
  Change insert{watermark_.newest, shape->second.table, ChangeOp::kInsert, {}, std::move(*row)};
  batch->bytes += 2 * (sizeof(Change) + size_bytes(insert.after));
  batch->changes.push_back(std::move(vanish));
  batch->changes.push_back(std::move(insert));
  return ok();
}

}  // namespace crossfade::capture
