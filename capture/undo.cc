#include "capture/undo.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "capture/change_log.h"
#include "capture/log_writer.h"
#include "capture/trigger_sql.h"
#include "capture/undo_rows.h"
#include "capture/undo_table.h"
#include "engine/sqlite/connection.h"

namespace crossfade::capture {
namespace {

Row first_image(const LogEntry& entry, const Table& table) {
  const auto begin = entry.values.begin();
  return {begin, begin + static_cast<std::ptrdiff_t>(table.columns.size())};
}

Row last_image(const LogEntry& entry, const Table& table) {
  const auto end = entry.values.end();
  return {end - static_cast<std::ptrdiff_t>(table.columns.size()), end};
}

Error not_in_log(const Table& table, const Row& key) {
  return undo_refused(
      row_name(table, key),
      "a REPLACE removed this row, and of a table as wide as this the log has its key alone",
      "restore it from a backup, or choose a newer position");
}

Error differs_from_log(const Table& table, const Row& key) {
  return undo_refused(row_name(table, key),
                      "the row is not what the change log left: something was written that is not "
                      "in the log, or VACUUM gave the rows other rowids",
                      "nothing was changed; `crossfade verify` shows what the target lacks");
}

class Undoing {
 public:
  Undoing(sqlite::Connection& source, const Shapes& shapes, UndoRows rows, LogWriter log)
      : source_(source),
        shapes_(shapes),
        entries_(source, shapes, OldRows::kWhole),
        rows_(std::move(rows)),
        log_(std::move(log)) {}

  Result<Undone> run(Lsn to, Lsn newest) {
    newest_ = newest;
    CROSSFADE_TRY(collect(to));
    CROSSFADE_TRY(remove_rows());
    CROSSFADE_TRY(put_rows_in());
    Undone out;
    out.changes = changes_;
    for (auto& [id, table] : counts_) out.tables.push_back(std::move(table));
    std::sort(out.tables.begin(), out.tables.end(),
              [](const UndoneTable& a, const UndoneTable& b) { return a.name < b.name; });
    return out;
  }

 private:
  Status collect(Lsn to) {
    CROSSFADE_TRY(entries_.walk(to.next(), newest_));
    while (entries_.more()) {
      CROSSFADE_TRY(const LogEntry entry, entries_.next());
      const auto shape = shapes_.find(entry.id);
      if (shape == shapes_.end()) {
        return fail(undo_refused(fmt::format("position {}", entry.last.value),
                                 "it is of a table whose schema has changed since",
                                 "choose a newer position"));
      }
      CROSSFADE_TRY(touch(entry, *shape->second.table));
    }
    if (entries_.expected() == newest_.next()) return ok();
    return fail(log_tampered(source_, entries_.expected(), "the log's end is missing"));
  }

  Status touch(const LogEntry& entry, const Table& table) {
    const bool is_recheck = entry.op == LogOp::kRecheck;
    changes_ += is_recheck ? 0 : 1;
    TouchedRow row{entry.id, {}, Was::kPresent, entry.first, Left::kPresent, entry.first, false};
    if (is_recheck) {
      row.key = recheck_key(table, entry.values);
      row.was = recheck_has_row(table) ? Was::kPresent : Was::kKeyOnly;
      row.left = Left::kOpen;
      row.noted = true;
      return touch(table, row);
    }
    const Row before = key_of(table, first_image(entry, table));
    const Row after = key_of(table, last_image(entry, table));
    row.key = before;
    if (entry.op == LogOp::kUpdate && before == after) return touch(table, row);
    if (entry.op != LogOp::kInsert) {
      row.left = Left::kAbsent;
      CROSSFADE_TRY(touch(table, row));
    }
    if (entry.op == LogOp::kDelete) return ok();
    row.key = after;
    row.was = Was::kAbsent;
    row.left = Left::kPresent;
    return touch(table, row);
  }

  Status touch(const Table& table, const TouchedRow& row) {
    const auto is_null = [](const Value& value) { return value.is_null(); };
    if (table.identity == Identity::kPrimaryKey &&
        std::any_of(row.key.begin(), row.key.end(), is_null)) {
      return fail(undo_refused(row_name(table, row.key),
                               "its primary key holds NULL, so it cannot be told from others",
                               "choose a newer position"));
    }
    return rows_.touch(row);
  }

  Result<LogEntry> entry_at(Lsn first) {
    CROSSFADE_TRY(entries_.walk(first, newest_));
    if (entries_.more()) return entries_.next();
    return fail(log_tampered(source_, first, "an entry is gone"));
  }

  Status remove_rows() {
    while (true) {
      CROSSFADE_TRY(const auto touched, rows_.next_touched());
      if (!touched) return ok();
      CROSSFADE_TRY(UndoTable* const table, table_of(touched->id));
      CROSSFADE_TRY(auto now, table->read(touched->key));
      CROSSFADE_TRY(check_left(*touched, *table, now));
      if (touched->was == Was::kKeyOnly && now) continue;
      if (touched->was >= Was::kKeyOnly) return fail(not_in_log(table->table(), touched->key));
      CROSSFADE_TRY(take_back(*touched, *table, std::move(now)));
    }
  }

  // What the log left must be what is there.
  Status check_left(const TouchedRow& touched, const UndoTable& table,
                    const std::optional<StoredRow>& now) {
    bool agrees = true;
    if (touched.left == Left::kAbsent) agrees = !now;
    if (touched.left == Left::kPresent && now) {
      CROSSFADE_TRY(const LogEntry entry, entry_at(touched.left_at));
      agrees = table.same_row(last_image(entry, table.table()), now->row);
    } else if (touched.left == Left::kPresent) {
      // A trigger of the application's may have changed the row between our note and its removal.
      agrees = touched.noted;
    }
    if (agrees) return ok();
    return fail(differs_from_log(table.table(), touched.key));
  }

  Status take_back(const TouchedRow& touched, UndoTable& table, std::optional<StoredRow> now) {
    if (touched.was == Was::kPresent && now) {
      CROSSFADE_TRY(const LogEntry entry, entry_at(touched.was_at));
      if (table.same_row(first_image(entry, table.table()), now->row)) return ok();
    }
    if (now) {
      CROSSFADE_TRY(table.remove(touched.key));
    }
    if (touched.was == Was::kPresent) {
      RowToWrite row{touched.id, touched.was_at, std::nullopt, std::nullopt};
      if (now) {
        row.before = std::move(now->row);
        row.rowid = now->rowid;
      }
      return rows_.add(row);
    }
    if (!now) return ok();
    ++count(touched.id).rows_deleted;
    return log_.write(touched.id, LogOp::kDelete, now->row);
  }

  Status put_rows_in() {
    while (true) {
      CROSSFADE_TRY(const auto row, rows_.next_to_write());
      if (!row) return ok();
      CROSSFADE_TRY(UndoTable* const table, table_of(row->id));
      CROSSFADE_TRY(const LogEntry entry, entry_at(row->row_at));
      CROSSFADE_TRY(const Row after, table->insert(first_image(entry, table->table()), row->rowid));
      if (row->before) {
        ++count(row->id).rows_updated;
        CROSSFADE_TRY(log_.write_update(row->id, *row->before, after));
      } else {
        ++count(row->id).rows_inserted;
        CROSSFADE_TRY(log_.write(row->id, LogOp::kInsert, after));
      }
    }
  }

  Result<UndoTable*> table_of(CaptureId id) {
    const auto known = tables_.find(id);
    if (known != tables_.end()) return &known->second;
    CROSSFADE_TRY(auto table, UndoTable::prepare(source_, shapes_.at(id).table));
    return &tables_.emplace(id, std::move(table)).first->second;
  }

  UndoneTable& count(CaptureId id) {
    UndoneTable& out = counts_[id];
    out.name = shapes_.at(id).table->name;
    return out;
  }

  sqlite::Connection& source_;
  const Shapes& shapes_;
  LogEntries entries_;
  UndoRows rows_;
  LogWriter log_;
  Lsn newest_;
  int64_t changes_ = 0;
  std::map<CaptureId, UndoTable> tables_;
  std::map<CaptureId, UndoneTable> counts_;
};

// Raises the oldest position that can be reached.
Status no_older_than(sqlite::Connection& source, const std::string& sql, const char* why,
                     Reach* reach) {
  CROSSFADE_TRY(const int64_t position, source.query_int(sql));
  if (position <= reach->oldest.value) return ok();
  reach->oldest = Lsn{position};
  reach->why = why;
  return ok();
}

}  // namespace

Result<Reach> read_reach(sqlite::Connection& source) {
  Reach reach;
  CROSSFADE_TRY(reach.newest, newest_lsn(source));
  CROSSFADE_TRY(const int64_t oldest,
                source.query_int(fmt::format("SELECT min(lsn) FROM {}", kLogTable), 1));
  // Pruning leaves the row of the oldest position; a log that was never pruned begins at 1.
  reach.oldest = Lsn{oldest == 1 ? 0 : oldest};
  reach.why = "the log before it was pruned: `run --keep-log` keeps more of it";
  CROSSFADE_TRY(no_older_than(
      source, fmt::format("SELECT max(base_lsn) FROM {} WHERE retired=0", kShapesTable),
      "a captured table was made, changed or rebuilt there", &reach));
  CROSSFADE_TRY(no_older_than(source, fmt::format("SELECT max(retired) FROM {}", kShapesTable),
                              "a captured table was dropped or changed there", &reach));
  CROSSFADE_TRY(no_older_than(
      source,
      fmt::format("SELECT max(lsn) FROM {} WHERE tbl=0 AND op={}", kLogTable,
                  static_cast<int64_t>(LogOp::kReopened)),
      "PostgreSQL was the primary before it, and what it wrote is not in the log", &reach));
  return reach;
}

Status check_reach(sqlite::Connection& source, const Reach& reach, Lsn to) {
  const std::string position = fmt::format("position {}", to.value);
  if (to > reach.newest) {
    return fail(undo_refused(position,
                             fmt::format("the log ends at position {}", reach.newest.value),
                             "`crossfade status --json` tells positions as captured_lsn"));
  }
  if (to < reach.oldest) {
    return fail(
        undo_refused(position, "it cannot be reached any more",
                     fmt::format("the oldest that can is {}; {}", reach.oldest.value, reach.why)));
  }
  CROSSFADE_TRY(
      const int64_t inside,
      source.query_int(fmt::format("SELECT count(*) FROM {} WHERE lsn={} AND op={}", kLogTable,
                                   to.value + 1, static_cast<int64_t>(LogOp::kContinuation))));
  if (inside == 0) return ok();
  CROSSFADE_TRY(
      const int64_t next,
      source.query_int(fmt::format("SELECT min(lsn) FROM {} WHERE lsn>{} AND op<>{}", kLogTable,
                                   to.value, static_cast<int64_t>(LogOp::kContinuation)),
                       reach.newest.value + 1));
  return fail(undo_refused(position, "it is between the log rows of one change",
                           fmt::format("that change ends at position {}", next - 1)));
}

Result<Undone> undo_changes(sqlite::Connection& source, const Shapes& shapes, Lsn to) {
  CROSSFADE_TRY(const Lsn newest, newest_lsn(source));
  CROSSFADE_TRY(auto rows, UndoRows::make(source));
  CROSSFADE_TRY(auto log, LogWriter::prepare(source));
  return Undoing(source, shapes, std::move(rows), std::move(log)).run(to, newest);
}

Status log_reopened(sqlite::Connection& source) {
  CROSSFADE_TRY(auto log, LogWriter::prepare(source));
  return log.write(CaptureId{0}, LogOp::kReopened, {});
}

}  // namespace crossfade::capture
