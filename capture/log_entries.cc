#include "capture/log_entries.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "capture/trigger_sql.h"
#include "engine/core/limits.h"
#include "engine/core/value_view.h"
#include "engine/sqlite/connection.h"

namespace crossfade::capture {
namespace {

constexpr int kFirstValueColumn = 3;  // after lsn, tbl, op
// SQLite keeps the memory that a row took until the statement is reset: of more than this it is
// given back before the next row.
constexpr size_t kReleasedBytes = 16 * limits::kMiB;

size_t value_count(const Table& table, LogOp op) {
  switch (op) {
    case LogOp::kInsert:
    case LogOp::kDelete:
      return table.columns.size();
    case LogOp::kUpdate:
      return 2 * table.columns.size();
    case LogOp::kRecheck:
      return recheck_has_row(table) ? table.columns.size() : table.key.size();
    case LogOp::kReopened:
    case LogOp::kContinuation:
      break;
  }
  return 0;
}

// Of the widest entry of all tables: SQLite takes every column that is selected out of each row.
std::string entries_sql(const Shapes& shapes) {
  size_t width = 0;
  for (const auto& [id, shape] : shapes) {
    width = std::max(width, value_count(*shape.table, LogOp::kUpdate));
  }
  std::string sql = "SELECT lsn,tbl,op";
  for (size_t i = 0; i < std::min(width, limits::kLogValuesPerRow); ++i) {
    sql += fmt::format(",c{}", i);
  }
  return sql + fmt::format(" FROM {} WHERE lsn>=?1 AND lsn<=?2 ORDER BY lsn", kLogTable);
}

// The primary key's own collation, which may not be its column's; its index serves no other.
std::string key_collation(const Table& table, size_t i) {
  if (table.identity != Identity::kPrimaryKey || table.unique_keys.empty()) return "";
  const std::vector<UniqueKey::Part>& parts = table.unique_keys.front().parts;
  if (i >= parts.size() || parts[i].column != table.key[i]) return "";
  return " COLLATE " + sqlite::quote(parts[i].collation);
}

}  // namespace

size_t log_rows(const Table& table, LogOp op) {
  return (value_count(table, op) + limits::kLogValuesPerRow - 1) / limits::kLogValuesPerRow;
}

Row recheck_key(const Table& table, const Row& values) {
  return recheck_has_row(table) ? key_of(table, values) : values;
}

std::string where_key(const Table& table) {
  std::string where;
  for (size_t i = 0; i < table.key.size(); ++i) {
    where += fmt::format("{}{}=?{}", where.empty() ? "" : " AND ",
                         table.columns[table.key[i]].source_sql, key_collation(table, i));
  }
  return where;
}

Row key_of(const Table& table, const Row& row) {
  Row key;
  key.reserve(table.key.size());
  for (const size_t k : table.key) key.push_back(row[k]);
  return key;
}

Error log_tampered(const sqlite::Connection& source, Lsn lsn, std::string what) {
  Error error;
  error.code = ErrorCode::kSource;
  error.op = "capture.read";
  error.object = fmt::format("{} in {}", kLogTable, source.path());
  error.native = std::move(what);
  error.lsn = lsn;
  error.hint =
      "somebody wrote to or deleted from crossfade's log. The target is as it was; run "
      "`crossfade finish` and start the move anew";
  return error;
}

LogEntries::LogEntries(sqlite::Connection& source, const Shapes& shapes, OldRows old_rows)
    : source_(source), shapes_(shapes) {
  if (old_rows == OldRows::kWhole) return;
  for (const auto& [id, shape] : shapes_) {
    std::vector<bool>& keys = keys_[id];
    keys.resize(shape.table->columns.size());
    for (const size_t k : shape.table->key) keys[k] = true;
  }
}

// Which values of the old row that an entry begins with are wanted; nullptr: all of them, as of
// what follows it, or it begins with none.
const std::vector<bool>* LogEntries::keys_alone(CaptureId id, LogOp op) const {
  const auto keys = keys_.find(id);
  if (keys == keys_.end()) return nullptr;
  switch (op) {
    case LogOp::kUpdate:
    case LogOp::kDelete:
      return &keys->second;
    case LogOp::kRecheck:
      return recheck_has_row(*shapes_.at(id).table) ? &keys->second : nullptr;
    case LogOp::kInsert:
    case LogOp::kReopened:
    case LogOp::kContinuation:
      break;
  }
  return nullptr;
}

Status LogEntries::walk(Lsn first, Lsn last) {
  if (!select_) {
    CROSSFADE_TRY(auto select, sqlite::Statement::prepare(source_, entries_sql(shapes_)));
    select_.emplace(std::move(select));
  }
  select_->reset();
  select_->bind(1, first.value);
  select_->bind(2, last.value);
  expected_ = first;
  last_ = last;
  CROSSFADE_TRY(have_row_, select_->step());
  return ok();
}

Result<LogEntry> LogEntries::next() {
  sqlite::Statement& rows = *select_;
  LogEntry entry;
  entry.first = entry.last = Lsn{rows.integer(0)};
  entry.id = CaptureId{rows.integer(1)};
  entry.op = static_cast<LogOp>(rows.integer(2));
  const auto shape = shapes_.find(entry.id);
  const size_t wanted = shape == shapes_.end() ? 0 : value_count(*shape->second.table, entry.op);
  const size_t rows_wanted = shape == shapes_.end() ? 0 : log_rows(*shape->second.table, entry.op);
  const std::vector<bool>* const keys = keys_alone(entry.id, entry.op);
  size_t rows_read = 0;
  entry.values.reserve(wanted);
  do {
    entry.last = Lsn{rows.integer(0)};
    if (entry.last != expected_ || CaptureId{rows.integer(1)} != entry.id) {
      return fail(log_tampered(source_, entry.last,
                               fmt::format("position {} is missing or altered", expected_.value)));
    }
    expected_ = entry.last.next();
    ++rows_read;
    size_t row_bytes = 0;
    for (size_t i = 0; i < limits::kLogValuesPerRow && entry.values.size() < wanted; ++i) {
      const ValueView value = rows.view(kFirstValueColumn + static_cast<int>(i));
      const size_t at = entry.values.size();
      const bool kept = keys == nullptr || at >= keys->size() || (*keys)[at];
      row_bytes += value.bytes.size();
      entry.values.push_back(kept ? value_of(value) : Value());
    }
    if (row_bytes > kReleasedBytes) {
      CROSSFADE_TRY(walk(expected_, last_));
    } else {
      CROSSFADE_TRY(have_row_, rows.step());
    }
  } while (have_row_ && static_cast<LogOp>(rows.integer(2)) == LogOp::kContinuation);
  if (shape != shapes_.end() && (wanted == 0 || rows_read != rows_wanted)) {
    return fail(log_tampered(source_, entry.first,
                             fmt::format("an entry of kind {} has {} rows instead of {}",
                                         static_cast<int64_t>(entry.op), rows_read, rows_wanted)));
  }
  return entry;
}

void LogEntries::end() {
  select_.reset();
  have_row_ = false;
}

}  // namespace crossfade::capture
