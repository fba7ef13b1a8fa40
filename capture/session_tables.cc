#include "capture/session_tables.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "capture/names.h"
#include "engine/core/limits.h"

namespace crossfade::capture {
namespace {

constexpr int64_t kLogFormat = 1;

// A statement's rows, one after the other. `status` says whether it came to the end.
class RowsOf {
 public:
  RowsOf(sqlite3* db, const std::string& sql) : db_(db), sql_(sql) {
    status = prepare_once(db, sql, &statement_);
  }
  bool next() {
    if (!status.ok()) return false;
    const int rc = sqlite3_step(statement_.get());
    if (rc == SQLITE_ROW) return true;
    if (rc != SQLITE_DONE) status = sqlite_refused(db_, rc, sql_);
    return false;
  }
  [[nodiscard]] int64_t integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
  }
  [[nodiscard]] std::string text(int column) const {
    const auto* bytes =
        reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
    return bytes == nullptr ? "" : bytes;
  }

  RecorderStatus status;

 private:
  sqlite3* db_;
  std::string sql_;
  PreparedStatement statement_;
};

bool same_spelling(const std::string& a, const std::string& b) {
  return sqlite3_stricmp(a.c_str(), b.c_str()) == 0;
}

// From the quote at `at`, which is left behind the one that ends it.
std::string take_quoted(std::string_view sql, size_t* at) {
  std::string out;
  for (++*at; *at < sql.size(); ++*at) {
    if (sql[*at] == '"') {
      ++*at;
      if (*at == sql.size() || sql[*at] != '"') return out;
    }
    out += sql[*at];
  }
  return out;
}

// The columns that an insert trigger of ours (capture/trigger_sql.cc) logs. Nothing: one of them is
// the rowid under a name of its own.
std::optional<std::vector<std::string>> image_columns(std::string_view sql) {
  std::vector<std::string> out;
  size_t at = 0;
  while (at < sql.size()) {
    if (sql[at] == '"') {
      take_quoted(sql, &at);
    } else if (sql.substr(at, 4) == "NEW.") {
      at += 4;
      if (at == sql.size() || sql[at] != '"') return std::nullopt;
      out.push_back(take_quoted(sql, &at));
    } else {
      ++at;
    }
  }
  return out;
}

struct InsertTrigger {
  int64_t capture_id = 0;
  std::string sql;
};

RecorderStatus read_insert_triggers(sqlite3* db, std::map<std::string, InsertTrigger>* out) {
  RowsOf rows(db, std::string("SELECT t.tbl_name,s.id,t.sql FROM main.") + kShapesTable +
                      " AS s JOIN main.sqlite_master AS t ON t.type='trigger' AND t.name='" +
                      kPrefix + "'||s.id||'_insert' WHERE s.retired=0");
  while (rows.next()) (*out)[rows.text(0)] = {rows.integer(1), rows.text(2)};
  return rows.status;
}

// SQLite keeps a value's class as it is in such a column (datatype3.html, 3.1; ANY of a STRICT
// table).
bool is_untyped(const std::string& type) {
  return type.empty() || same_spelling(type, "ANY");
}

bool is_blob(const std::string& type) {
  const auto has = [&](const char* pattern) {
    return sqlite3_strlike(pattern, type.c_str(), 0) == 0;
  };
  return has("%BLOB%") && !has("%INT%") && !has("%CHAR%") && !has("%CLOB%") && !has("%TEXT%");
}

struct ColumnFacts {
  std::string name;
  std::string type;
  bool not_null = false;
  int64_t key_part = 0;  // from 1; 0: none
};

// Reads one table's declaration into `table`, or the first reason against it.
class TableReader {
 public:
  TableReader(sqlite3* db, SessionTable* table) : db_(db), table_(table) {}

  RecorderStatus read(const InsertTrigger& trigger) {
    table_->by = CapturedBy::kTriggers;
    CROSSFADE_RECORDER_TRY(read_columns());
    if (!reason().empty()) return {};
    CROSSFADE_RECORDER_TRY(read_key());
    if (!reason().empty()) return {};
    for (const ColumnFacts& column : columns_) {
      if (is_untyped(column.type)) {
        reason() = "column " + column.name +
                   " has no type: a session takes 0.0 for -0.0 there, and sees no change";
        return {};
      }
    }
    read_image(trigger);
    if (!reason().empty()) return {};
    table_->by = CapturedBy::kSession;
    table_->capture_id = trigger.capture_id;
    return {};
  }

 private:
  std::string& reason() { return table_->reason; }

  RecorderStatus read_columns() {
    RowsOf rows(db_, "PRAGMA main.table_xinfo(" + quote_identifier(table_->name) + ")");
    while (rows.next()) {
      ColumnFacts column{rows.text(1), rows.text(2), rows.integer(3) != 0, rows.integer(5)};
      if (rows.integer(6) != 0 && reason().empty()) {
        reason() = "column " + column.name + " is generated: sessions fail on such tables";
      }
      columns_.push_back(std::move(column));
    }
    return rows.status;
  }

  RecorderStatus read_key() {
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].key_part != 0) table_->key_at.push_back(i);
    }
    if (table_->key_at.empty()) {
      reason() = "it has no PRIMARY KEY: sessions pass over such tables";
      return {};
    }
    std::string index;
    RowsOf indexes(db_, "PRAGMA main.index_list(" + quote_identifier(table_->name) + ")");
    while (indexes.next()) {
      if (indexes.text(3) == "pk") index = indexes.text(1);
    }
    CROSSFADE_RECORDER_TRY(indexes.status);
    if (index.empty()) return {};  // INTEGER PRIMARY KEY: the rowid itself
    RowsOf parts(db_, "PRAGMA main.index_xinfo(" + quote_identifier(index) + ")");
    while (parts.next()) {
      if (parts.integer(5) != 0 && !same_spelling(parts.text(4), "BINARY")) refuse_collation();
    }
    CROSSFADE_RECORDER_TRY(parts.status);
    for (const size_t at : table_->key_at) {
      const ColumnFacts& column = columns_[at];
      const char* collation = nullptr;
      const int rc =
          sqlite3_table_column_metadata(db_, "main", table_->name.c_str(), column.name.c_str(),
                                        nullptr, &collation, nullptr, nullptr, nullptr);
      if (rc != SQLITE_OK) return sqlite_refused(db_, rc, "the columns of " + table_->name);
      if (!same_spelling(collation, "BINARY")) refuse_collation();
      if (is_untyped(column.type) || is_blob(column.type)) {
        reason() = "key column " + column.name +
                   " may hold 1 and 1.0, which are one key to a session's queries and two to it";
      }
    }
    key_may_hold_null_ = true;
    return {};
  }

  void refuse_collation() {
    reason() =
        "its key compares with a collation: a session takes 'a' and 'A' for two keys, and "
        "finds one row by both";
  }

  void read_image(const InsertTrigger& trigger) {
    const auto image = image_columns(trigger.sql);
    if (!image) {
      reason() =
          "its rows are told apart by the rowid: the key holds NULLs, and sessions pass over "
          "such rows";
      return;
    }
    for (const std::string& name : *image) {
      const auto column = std::find_if(columns_.begin(), columns_.end(),
                                       [&](const ColumnFacts& c) { return c.name == name; });
      if (column == columns_.end()) {
        reason() = "its triggers are of another shape of it, and are about to be made anew";
        return;
      }
      if (key_may_hold_null_ && column->key_part != 0 && !column->not_null) {
        table_->nullable_image.push_back(table_->image.size());
      }
      table_->image.push_back(name);
      table_->image_at.push_back(static_cast<size_t>(column - columns_.begin()));
    }
    const auto carried = [&](size_t at) {
      return std::find(table_->image_at.begin(), table_->image_at.end(), at) !=
             table_->image_at.end();
    };
    if (!std::all_of(table_->key_at.begin(), table_->key_at.end(), carried)) {
      reason() = "the move does not carry its whole PRIMARY KEY";
    }
    // What is looked at of a row, before its trigger is silenced, is the first row of its entry.
    if (!table_->nullable_image.empty() &&
        table_->image.size() + table_->nullable_image.back() >= limits::kLogValuesPerRow) {
      reason() = "it is wide and its key may hold NULLs";
    }
  }

  sqlite3* db_;
  SessionTable* table_;
  std::vector<ColumnFacts> columns_;
  bool key_may_hold_null_ = false;
};

}  // namespace

RecorderStatus read_session_tables(sqlite3* db, SessionTables* out) {
  *out = {};
  PreparedStatement version;
  PreparedStatement counted;
  PreparedStatement format_of;
  CROSSFADE_RECORDER_TRY(
      query_integer(db, "PRAGMA main.schema_version", &version, &out->schema_version));
  int64_t ours = 0;
  CROSSFADE_RECORDER_TRY(query_integer(
      db,
      std::string("SELECT count(*) FROM main.sqlite_master WHERE type='table' AND name IN ('") +
          kLogTable + "','" + kShapesTable + "','" + kControlTable + "')",
      &counted, &ours));
  std::map<std::string, InsertTrigger> captured;
  if (ours == 3) {
    int64_t format = 0;
    CROSSFADE_RECORDER_TRY(query_integer(
        db, std::string("SELECT format FROM main.") + kControlTable, &format_of, &format));
    out->has_log = format == kLogFormat;
    CROSSFADE_RECORDER_TRY(read_insert_triggers(db, &captured));
  }
  RowsOf rows(db, std::string("SELECT name,sql FROM main.sqlite_master WHERE type='table' AND name "
                              "NOT GLOB 'sqlite_*' AND name NOT GLOB '") +
                      kPrefix + "*' ORDER BY name");
  while (rows.next()) {
    SessionTable table;
    table.name = rows.text(0);
    const auto trigger = captured.find(table.name);
    if (sqlite3_strlike("CREATE VIRTUAL TABLE%", rows.text(1).c_str(), 0) == 0) {
      table.reason = "it is a virtual table";
    } else if (trigger == captured.end()) {
      table.reason = "no move is on that captures it";
    } else if (!out->has_log) {
      table.by = CapturedBy::kTriggers;
      table.reason = "the change log has a format that this program does not write";
    } else {
      CROSSFADE_RECORDER_TRY(TableReader(db, &table).read(trigger->second));
    }
    out->tables.push_back(std::move(table));
  }
  return rows.status;
}

}  // namespace crossfade::capture
