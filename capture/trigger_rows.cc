#include "capture/trigger_rows.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::capture {
namespace {

// The schema's rows can be written to as long as it lives, by this connection.
class OpenSchema {
 public:
  static Result<OpenSchema> open(sqlite::Connection& source) {
    source.forget_schema_on_rollback();
    CROSSFADE_TRY(source.exec("PRAGMA writable_schema=ON"));
    return OpenSchema(source);
  }
  OpenSchema(OpenSchema&& other) noexcept : source_(std::exchange(other.source_, nullptr)) {}
  OpenSchema& operator=(OpenSchema&&) = delete;
  ~OpenSchema() {
    if (source_ != nullptr) (void)source_->exec("PRAGMA writable_schema=RESET");
  }

  // Tells all connections, and reads the schema anew: SQLite refuses what it cannot compile.
  Status close() {
    CROSSFADE_TRY(const int64_t version, source_->query_int("PRAGMA schema_version"));
    CROSSFADE_TRY(source_->exec(fmt::format("PRAGMA schema_version={}", next(version))));
    CROSSFADE_TRY(source_->exec("PRAGMA writable_schema=RESET"));
    return std::exchange(source_, nullptr)->exec("SELECT 1 FROM sqlite_master LIMIT 1");
  }

 private:
  explicit OpenSchema(sqlite::Connection& source) : source_(&source) {}

  // The header's field has four bytes, and SQLite's own step from its largest value is to its
  // smallest.
  static int64_t next(int64_t version) { return version == INT32_MAX ? INT32_MIN : version + 1; }

  sqlite::Connection* source_;
};

}  // namespace

Status create_triggers(sqlite::Connection& source, const std::vector<TriggerSql>& triggers) {
  if (triggers.empty()) return ok();
  CROSSFADE_TRY(auto schema, OpenSchema::open(source));
  CROSSFADE_TRY(auto insert, sqlite::Statement::prepare(
                                 source,
                                 "INSERT INTO sqlite_master(type,name,tbl_name,rootpage,sql) "
                                 "VALUES('trigger',?,?,0,?)"));
  for (const TriggerSql& trigger : triggers) {
    insert.bind_text(1, trigger.name);
    insert.bind_text(2, trigger.table);
    insert.bind_text(3, trigger.sql);
    CROSSFADE_TRY(insert.run());
  }
  return schema.close();
}

Result<std::vector<std::string>> remove_triggers(
    sqlite::Connection& source, const std::function<bool(std::string_view)>& goes) {
  std::vector<std::string> names;
  std::vector<int64_t> rows;
  {
    CROSSFADE_TRY(
        auto all,
        sqlite::Statement::prepare(
            source, "SELECT name,rowid FROM sqlite_master WHERE type='trigger' ORDER BY rowid"));
    while (true) {
      CROSSFADE_TRY(const bool row, all.step());
      if (!row) break;
      if (!goes(all.bytes(0))) continue;
      names.emplace_back(all.bytes(0));
      rows.push_back(all.integer(1));
    }
  }
  if (rows.empty()) return names;
  CROSSFADE_TRY(auto schema, OpenSchema::open(source));
  CROSSFADE_TRY(auto remove,
                sqlite::Statement::prepare(source, "DELETE FROM sqlite_master WHERE rowid=?"));
  for (const int64_t row : rows) {
    remove.bind(1, row);
    CROSSFADE_TRY(remove.run());
  }
  CROSSFADE_TRY(schema.close());
  return names;
}

}  // namespace crossfade::capture
