#include "capture/session_log.h"

#include <algorithm>
#include <memory>

#include "capture/names.h"
#include "engine/core/limits.h"

namespace crossfade::capture {
namespace {

struct FreeBytes {
  void operator()(void* bytes) const { sqlite3_free(bytes); }
};
struct EndIteration {
  void operator()(sqlite3_changeset_iter* changes) const { sqlite3changeset_finalize(changes); }
};

std::string log_entry_sql() {
  std::string columns;
  std::string marks;
  for (size_t i = 0; i < limits::kLogValuesPerRow; ++i) {
    columns += ",c" + std::to_string(i);
    marks += ",?";
  }
  return std::string("INSERT INTO main.") + kLogTable + "(tbl,op" + columns + ") VALUES(?,?" +
         marks + ")";
}

// The row image of a key. The key's parts come as they stand in the table.
std::string select_image_sql(const SessionTable& table) {
  std::string columns;
  for (const std::string& name : table.image) {
    columns += (columns.empty() ? "" : ",") + quote_identifier(name);
  }
  std::string where;
  for (const size_t at : table.key_at) {
    const auto position = std::find(table.image_at.begin(), table.image_at.end(), at);
    const auto i = static_cast<size_t>(position - table.image_at.begin());
    where += (where.empty() ? "" : " AND ") + quote_identifier(table.image[i]) + "=?";
  }
  return "SELECT " + columns + " FROM main." + quote_identifier(table.name) + " WHERE " + where;
}

RecorderStatus changeset_failed(int rc) {
  return {RecorderCode::kSqlite, rc,
          std::string("what the session recorded cannot be read: ") + sqlite3_errstr(rc)};
}

}  // namespace

RecorderStatus SessionLog::append(sqlite3_session* session, const std::vector<SessionTable>& tables,
                                  uint64_t* changes) {
  int size = 0;
  void* raw = nullptr;
  if (const int rc = sqlite3session_changeset(session, &size, &raw); rc != SQLITE_OK) {
    return changeset_failed(rc);
  }
  const std::unique_ptr<void, FreeBytes> changeset(raw);
  return append_changeset(raw, size, tables, changes);
}

RecorderStatus SessionLog::append_changeset(void* bytes, int size,
                                            const std::vector<SessionTable>& tables,
                                            uint64_t* changes) {
  CROSSFADE_RECORDER_TRY(prepare_once(db_, log_entry_sql(), &insert_));
  sqlite3_changeset_iter* iterator = nullptr;
  if (const int rc = sqlite3changeset_start(&iterator, size, bytes); rc != SQLITE_OK) {
    return changeset_failed(rc);
  }
  const std::unique_ptr<sqlite3_changeset_iter, EndIteration> owner(iterator);
  return append_all(iterator, tables, changes);
}

RecorderStatus SessionLog::append_all(sqlite3_changeset_iter* changes,
                                      const std::vector<SessionTable>& tables, uint64_t* count) {
  const SessionTable* table = nullptr;
  while (true) {
    const int rc = sqlite3changeset_next(changes);
    if (rc == SQLITE_DONE) return {};
    if (rc != SQLITE_ROW) return changeset_failed(rc);
    const char* name = nullptr;
    int columns = 0;
    int op = 0;
    int indirect = 0;
    if (const int got = sqlite3changeset_op(changes, &name, &columns, &op, &indirect);
        got != SQLITE_OK) {
      return changeset_failed(got);
    }
    if (table == nullptr || table->name != name) {
      const auto found = std::find_if(tables.begin(), tables.end(), [&](const SessionTable& each) {
        return each.by == CapturedBy::kSession && each.name == name;
      });
      if (found == tables.end()) return changeset_failed(SQLITE_SCHEMA);
      table = &*found;
    }
    CROSSFADE_RECORDER_TRY(append_change(changes, *table, op));
    ++*count;
  }
}

RecorderStatus SessionLog::append_change(sqlite3_changeset_iter* changes, const SessionTable& table,
                                         int op) {
  values_.clear();
  if (op == SQLITE_UPDATE) {
    CROSSFADE_RECORDER_TRY(collect_update(changes, table));
    auto written = write_entry(table.capture_id, static_cast<int64_t>(LogOp::kUpdate));
    sqlite3_reset(selects_[table.name].get());
    return written;
  }
  for (const size_t at : table.image_at) {
    sqlite3_value* value = nullptr;
    const int rc = op == SQLITE_INSERT
                       ? sqlite3changeset_new(changes, static_cast<int>(at), &value)
                       : sqlite3changeset_old(changes, static_cast<int>(at), &value);
    if (rc != SQLITE_OK) return changeset_failed(rc);
    if (value == nullptr) return changeset_failed(SQLITE_CORRUPT);
    values_.push_back(value);
  }
  const LogOp kind = op == SQLITE_INSERT ? LogOp::kInsert : LogOp::kDelete;
  return write_entry(table.capture_id, static_cast<int64_t>(kind));
}

// Old values, then new ones. They are the statement's and the iterator's, and live until either
// moves on.
RecorderStatus SessionLog::collect_update(sqlite3_changeset_iter* changes,
                                          const SessionTable& table) {
  PreparedStatement& select = selects_[table.name];
  CROSSFADE_RECORDER_TRY(prepare_once(db_, select_image_sql(table), &select));
  int parameter = 0;
  for (const size_t at : table.key_at) {
    sqlite3_value* part = nullptr;
    int rc = sqlite3changeset_old(changes, static_cast<int>(at), &part);
    if (rc == SQLITE_OK && part == nullptr) return changeset_failed(SQLITE_CORRUPT);
    if (rc == SQLITE_OK) rc = sqlite3_bind_value(select.get(), ++parameter, part);
    if (rc != SQLITE_OK) return sqlite_refused(db_, rc, "the key of a row of " + table.name);
  }
  const int rc = sqlite3_step(select.get());
  if (rc != SQLITE_ROW) {
    sqlite3_reset(select.get());
    if (rc != SQLITE_DONE) return sqlite_refused(db_, rc, "a row of " + table.name);
    return refused(RecorderCode::kSqlite, "a row of " + table.name +
                                              " that was updated is not found by its key; "
                                              "`PRAGMA integrity_check` may say why");
  }
  for (size_t i = 0; i < table.image_at.size(); ++i) {
    sqlite3_value* before = nullptr;
    const int got = sqlite3changeset_old(changes, static_cast<int>(table.image_at[i]), &before);
    if (got != SQLITE_OK) return changeset_failed(got);
    values_.push_back(before != nullptr ? before
                                        : sqlite3_column_value(select.get(), static_cast<int>(i)));
  }
  for (size_t i = 0; i < table.image_at.size(); ++i) {
    values_.push_back(sqlite3_column_value(select.get(), static_cast<int>(i)));
  }
  return {};
}

RecorderStatus SessionLog::write_entry(int64_t capture_id, int64_t op) {
  for (size_t at = 0; at < values_.size(); at += limits::kLogValuesPerRow) {
    sqlite3_clear_bindings(insert_.get());
    sqlite3_bind_int64(insert_.get(), 1, capture_id);
    sqlite3_bind_int64(insert_.get(), 2, at == 0 ? op : static_cast<int64_t>(LogOp::kContinuation));
    int rc = SQLITE_OK;
    const size_t end = std::min(values_.size(), at + limits::kLogValuesPerRow);
    for (size_t i = at; i < end && rc == SQLITE_OK; ++i) {
      rc = sqlite3_bind_value(insert_.get(), static_cast<int>(i - at) + 3, values_[i]);
    }
    if (rc == SQLITE_OK) rc = sqlite3_step(insert_.get());
    const RecorderStatus failed =
        rc == SQLITE_DONE ? RecorderStatus{} : sqlite_refused(db_, rc, "writing the change log");
    sqlite3_reset(insert_.get());
    CROSSFADE_RECORDER_TRY(failed);
  }
  return {};
}

}  // namespace crossfade::capture
