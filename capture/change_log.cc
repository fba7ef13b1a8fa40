#include "capture/change_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <random>
#include <thread>

#include "capture/trigger_sql.h"
#include "engine/core/deadline.h"
#include "engine/core/digest.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/sqlite_error_map.h"
#include "engine/sqlite/statement.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::capture {
namespace {

constexpr int64_t kFormat = 1;

Result<bool> has_table(sqlite::Connection& source, const char* name) {
  CROSSFADE_TRY(const int64_t count,
                source.query_int(fmt::format(
                    "SELECT count(*) FROM sqlite_master WHERE type='table' AND name='{}'", name)));
  return count != 0;
}

std::string random_id() {
  std::random_device device;
  std::string out;
  for (int i = 0; i < 4; ++i) out += fmt::format("{:08x}", device());
  return out;
}

Result<std::vector<std::string>> names_like(sqlite::Connection& source, const char* type,
                                            const std::string& glob) {
  CROSSFADE_TRY(auto statement,
                sqlite::Statement::prepare(
                    source, "SELECT name FROM sqlite_master WHERE type=? AND name GLOB ?"));
  statement.bind_text(1, type);
  statement.bind_text(2, glob);
  std::vector<std::string> out;
  while (true) {
    CROSSFADE_TRY(const bool row, statement.step());
    if (!row) return out;
    out.emplace_back(statement.bytes(0));
  }
}

Status drop_triggers(sqlite::Connection& source, const std::string& glob,
                     std::vector<std::string>* dropped) {
  CROSSFADE_TRY(auto names, names_like(source, "trigger", glob));
  for (std::string& name : names) {
    CROSSFADE_TRY(source.exec("DROP TRIGGER " + sqlite::quote(name)));
    if (dropped != nullptr) dropped->push_back("trigger " + name);
  }
  return ok();
}

Status create_log(sqlite::Connection& source, const std::string& mode) {
  for (const std::string& sql : capture_tables_sql()) {
    CROSSFADE_TRY(source.exec(sql));
  }
  return source.exec(
      fmt::format("INSERT OR IGNORE INTO {}(id,format,source_id,journal_mode) VALUES(1,{},'{}',{})",
                  kControlTable, kFormat, random_id(), sqlite::quote_literal(mode)));
}

Result<Captured> install_one(sqlite::Connection& source, const Table& table) {
  Captured captured;
  CROSSFADE_TRY(const int64_t last,
                source.query_int(fmt::format("SELECT max(id) FROM {}", kShapesTable)));
  captured.id = CaptureId{last + 1};
  captured.table = table.name;
  captured.shape = table.shape;
  CROSSFADE_TRY(captured.base_lsn, newest_lsn(source));
  CROSSFADE_TRY(auto insert,
                sqlite::Statement::prepare(
                    source, fmt::format("INSERT INTO {}(id,tbl,shape,base_lsn) VALUES(?,?,?,?)",
                                        kShapesTable)));
  insert.bind(1, captured.id.value);
  insert.bind_text(2, captured.table);
  insert.bind_text(3, captured.shape);
  insert.bind(4, captured.base_lsn.value);
  CROSSFADE_TRY(insert.run());
  for (const TriggerSql& trigger : capture_triggers(table, captured.id)) {
    CROSSFADE_TRY(source.exec(trigger.sql));
  }
  return captured;
}

Error schema_moved(const std::string& path) {
  Error error;
  error.code = ErrorCode::kSource;
  error.remedy = Remedy::kRetry;
  error.op = "capture.install";
  error.object = path;
  error.native = "the schema changed while capture was being installed";
  error.hint = "run the command again";
  return error;
}

Error stopped(const std::string& path) {
  Error error;
  error.code = ErrorCode::kInterrupted;
  error.op = "capture.install";
  error.object = path;
  error.native = "stopped on request";
  return error;
}

Status retire_shape(sqlite::Connection& source, CaptureId id) {
  CROSSFADE_TRY(drop_triggers(source, fmt::format("{}{}_*", kPrefix, id.value), nullptr));
  return source.exec(fmt::format(
      "UPDATE {} SET retired=max(1,(SELECT ifnull(max(lsn),0) FROM {})) WHERE id={} AND retired=0",
      kShapesTable, kLogTable, id.value));
}

// One transaction: `retire`, and what follows out->captured of `tables`, as many as can be had in
// the time that writers may wait. On an error `out` is as it was.
Status install_portion(sqlite::Connection& source, const std::vector<Table>& tables,
                       const std::vector<CaptureId>& retire, Installed* out) {
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  const Deadline deadline = Deadline::after(limits::kInstallHoldMax);
  CROSSFADE_TRY(const int64_t now, source.query_int("PRAGMA schema_version"));
  if (now != out->schema_version) return fail(schema_moved(source.path()));
  for (const CaptureId id : retire) {
    CROSSFADE_TRY(retire_shape(source, id));
  }
  CROSSFADE_TRY(const auto present, read_captured(source));
  std::vector<Captured> captured;
  for (size_t i = out->captured.size(); i < tables.size(); ++i) {
    if (!captured.empty() && deadline.expired()) break;
    for (const Captured& old : present) {
      if (old.table == tables[i].name) {
        CROSSFADE_TRY(retire_shape(source, old.id));
      }
    }
    CROSSFADE_TRY(auto one, install_one(source, tables[i]));
    captured.push_back(std::move(one));
  }
  CROSSFADE_TRY(const int64_t after, source.query_int("PRAGMA schema_version"));
  fault_point("capture.install.before_commit");
  CROSSFADE_TRY(transaction.commit());
  fault_point("capture.install.after_commit");
  out->schema_version = after;
  std::move(captured.begin(), captured.end(), std::back_inserter(out->captured));
  return ok();
}

}  // namespace

Result<std::optional<SourceIdentity>> read_identity(sqlite::Connection& source) {
  // The application may have a table of that name; then it is not ours.
  CROSSFADE_TRY(
      const int64_t present,
      source.query_int(fmt::format(
          "SELECT count(*) FROM pragma_table_info('{}') WHERE name='source_id'", kControlTable)));
  if (present == 0) return std::optional<SourceIdentity>();
  CROSSFADE_TRY(
      auto statement,
      sqlite::Statement::prepare(
          source, fmt::format("SELECT source_id,journal_mode,format FROM {}", kControlTable)));
  CROSSFADE_TRY(const bool row, statement.step());
  if (!row) return std::optional<SourceIdentity>();
  if (statement.integer(2) != kFormat) {
    Error error;
    error.code = ErrorCode::kSource;
    error.op = "capture.open";
    error.object = source.path();
    error.native = fmt::format("the change log has format {}, this program reads format {}",
                               statement.integer(2), kFormat);
    error.hint =
        "use the crossfade version that installed the capture, or `crossfade finish` with "
        "it and start anew";
    return fail(std::move(error));
  }
  SourceIdentity identity;
  identity.source_id = std::string(statement.bytes(0));
  identity.journal_mode_before = std::string(statement.bytes(1));
  return std::optional<SourceIdentity>(std::move(identity));
}

Result<SourceIdentity> ensure_identity(sqlite::Connection& source) {
  CROSSFADE_TRY(auto present, read_identity(source));
  if (present) return std::move(*present);
  CROSSFADE_TRY(const auto mode, source.query_text("PRAGMA journal_mode"));
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(create_log(source, mode));
  CROSSFADE_TRY(transaction.commit());
  CROSSFADE_TRY(auto made, read_identity(source));
  return std::move(*made);
}

Result<std::vector<Captured>> read_captured(sqlite::Connection& source) {
  std::vector<Captured> out;
  CROSSFADE_TRY(const bool present, has_table(source, kShapesTable));
  if (!present) return out;
  CROSSFADE_TRY(auto statement,
                sqlite::Statement::prepare(
                    source, fmt::format("SELECT id,tbl,shape,base_lsn FROM {} WHERE retired=0 "
                                        "ORDER BY id",
                                        kShapesTable)));
  while (true) {
    CROSSFADE_TRY(const bool row, statement.step());
    if (!row) return out;
    out.push_back({CaptureId{statement.integer(0)}, std::string(statement.bytes(1)),
                   std::string(statement.bytes(2)), Lsn{statement.integer(3)}});
  }
}

Result<Lsn> newest_lsn(sqlite::Connection& source) {
  CROSSFADE_TRY(const bool present, has_table(source, kLogTable));
  if (!present) return Lsn{0};
  CROSSFADE_TRY(const int64_t newest,
                source.query_int(fmt::format("SELECT max(lsn) FROM {}", kLogTable)));
  return Lsn{newest};
}

Result<bool> log_goes_on_from(sqlite::Connection& source, Lsn applied) {
  CROSSFADE_TRY(const bool present, has_table(source, kLogTable));
  if (!present) return true;
  CROSSFADE_TRY(const int64_t oldest,
                source.query_int(fmt::format("SELECT min(lsn) FROM {}", kLogTable)));
  return oldest <= applied.next().value;
}

Result<std::optional<std::string>> log_row_digest(sqlite::Connection& source, Lsn lsn) {
  CROSSFADE_TRY(const bool present, has_table(source, kLogTable));
  if (!present) return std::optional<std::string>();
  CROSSFADE_TRY(
      auto statement,
      sqlite::Statement::prepare(source, fmt::format("SELECT * FROM {} WHERE lsn=?", kLogTable)));
  statement.bind(1, lsn.value);
  CROSSFADE_TRY(const bool row, statement.step());
  if (!row) return std::optional<std::string>();
  std::string identity;
  for (const Value& value : statement.row()) append_identity(value, &identity);
  return std::optional<std::string>(to_hex(digest_bytes(identity)));
}

Result<Installed> install(sqlite::Connection& source, const std::vector<Table>& tables,
                          const std::vector<CaptureId>& retire, int64_t schema_version,
                          StopSource* stop) {
  Installed out;
  out.schema_version = schema_version;
  int busy = 0;
  while (true) {
    const auto began = Deadline::Clock::now();
    const bool first = out.captured.empty();
    auto done = install_portion(source, tables, first ? retire : std::vector<CaptureId>(), &out);
    // Beginning anew for it would take what is done already once more.
    const bool again = !done && !first && sqlite::is_busy(done.error());
    if (!done && (!again || ++busy > limits::kInstallBusyMax)) return fail(std::move(done).error());
    if (out.captured.size() == tables.size()) return out;
    // As long as the application was kept waiting. It reads the schema anew before it writes.
    const auto rest = Deadline::after(Deadline::Clock::now() - began);
    if (stop == nullptr) {
      std::this_thread::sleep_until(rest.time());
    } else if (stop->wait_until(rest)) {
      return fail(stopped(source.path()));
    }
  }
}

bool triggers_intact(const Table& table, const Captured& captured,
                     const std::vector<TriggerRow>& triggers) {
  const std::string prefix = fmt::format("{}{}_", kPrefix, captured.id.value);
  int64_t oldest_ours = INT64_MAX;
  size_t ours = 0;
  for (const TriggerSql& wanted : capture_triggers(table, captured.id)) {
    const auto found = std::find_if(triggers.begin(), triggers.end(), [&](const TriggerRow& t) {
      return t.name == wanted.name && t.table == table.name && t.sql == wanted.sql;
    });
    if (found == triggers.end()) return false;
    oldest_ours = std::min(oldest_ours, found->schema_rowid);
    ++ours;
  }
  size_t named = 0;
  for (const TriggerRow& t : triggers) {
    const bool is_ours = t.name.starts_with(prefix) && t.name.find("_fence_") == std::string::npos;
    if (is_ours) ++named;
    // The application may spell the table's name another way.
    const bool same_table = schema::same_name(t.table, table.name);
    if (!t.name.starts_with(kPrefix) && same_table && t.schema_rowid > oldest_ours) return false;
  }
  return named == ours;
}

Result<int64_t> prune(sqlite::Connection& source, Lsn applied, int64_t rows_max) {
  // Looking first: a DELETE takes the write lock even when it finds nothing.
  const auto any =
      source.query_int(fmt::format("SELECT count(*) FROM (SELECT 1 FROM {} WHERE lsn<{} "
                                   "LIMIT 1)",
                                   kLogTable, applied.value));
  if (!any && sqlite::is_busy(any.error())) return 0;
  CROSSFADE_TRY(const int64_t rows, any);
  if (rows == 0) return 0;
  fault_point("log.prune.before");
  // Below applied and below the newest: an emptied INTEGER PRIMARY KEY table starts at 1 again.
  auto done = source.exec(fmt::format(
      "DELETE FROM {0} WHERE lsn IN (SELECT lsn FROM {0} WHERE lsn<{1} AND lsn<(SELECT max(lsn) "
      "FROM {0}) ORDER BY lsn LIMIT {2})",
      kLogTable, applied.value, rows_max));
  if (!done) {
    if (sqlite::is_busy(done.error())) return 0;
    return fail(std::move(done).error());
  }
  fault_point("log.prune.after");
  return source.changes();
}

Result<int64_t> log_bytes(sqlite::Connection& source, Lsn above, int64_t kept) {
  constexpr int kSample = 64;
  constexpr int64_t kSmallValueBytes = 3;  // of a number or a NULL, with its header, as most are
  CROSSFADE_TRY(const int64_t oldest,
                source.query_int(fmt::format("SELECT min(lsn) FROM {}", kLogTable)));
  CROSSFADE_TRY(const Lsn last, newest_lsn(source));
  const int64_t rows = last.value - std::max(oldest - 1, above.value) - kept;
  if (rows <= 1) return 0;  // the newest row always stays
  CROSSFADE_TRY(auto newest, sqlite::Statement::prepare(
                                 source, fmt::format("SELECT * FROM {} ORDER BY lsn DESC LIMIT {}",
                                                     kLogTable, kSample)));
  int64_t bytes = 0;
  int64_t sampled = 0;
  while (true) {
    CROSSFADE_TRY(const bool row, newest.step());
    if (!row) break;
    ++sampled;
    for (int column = 0; column < newest.column_count(); ++column) {
      const StorageClass storage = newest.storage(column);
      const bool sized = storage == StorageClass::kText || storage == StorageClass::kBlob;
      bytes += sized ? static_cast<int64_t>(newest.bytes(column).size()) : kSmallValueBytes;
    }
  }
  return bytes / sampled * rows;
}

Result<bool> give_up(sqlite::Connection& source, const std::function<Result<bool>()>& may) {
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(const bool allowed, may());
  if (!allowed) return false;
  CROSSFADE_TRY(const auto captured, read_captured(source));
  for (const Captured& each : captured) {
    CROSSFADE_TRY(retire_shape(source, each.id));
  }
  CROSSFADE_TRY(transaction.commit());
  return true;
}

Status raise_fence(sqlite::Connection& source, const std::vector<Table>& tables,
                   const std::vector<Captured>& captured) {
  for (const Table& table : tables) {
    const auto found = std::find_if(captured.begin(), captured.end(),
                                    [&](const Captured& c) { return c.table == table.name; });
    if (found == captured.end()) {
      Error error;
      error.code = ErrorCode::kSource;
      error.op = "capture.fence";
      error.object = table.name;
      error.native = "the table is not under capture, so it cannot be fenced";
      return fail(std::move(error));
    }
    for (const TriggerSql& trigger : fence_triggers(table, found->id)) {
      CROSSFADE_TRY(source.exec(trigger.sql));
    }
  }
  return ok();
}

Result<int64_t> lower_fence(sqlite::Connection& source) {
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  std::vector<std::string> dropped;
  CROSSFADE_TRY(drop_triggers(source, fmt::format("{}*_fence_*", kPrefix), &dropped));
  CROSSFADE_TRY(transaction.commit());
  return static_cast<int64_t>(dropped.size());
}

Result<std::optional<int64_t>> lower_fence_of(sqlite::Connection& source, int64_t schema_version,
                                              const std::function<Status()>& before) {
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(const int64_t now, source.query_int("PRAGMA schema_version"));
  if (now != schema_version) return std::nullopt;
  CROSSFADE_TRY(before());
  std::vector<std::string> dropped;
  CROSSFADE_TRY(drop_triggers(source, fmt::format("{}*_fence_*", kPrefix), &dropped));
  CROSSFADE_TRY(transaction.commit());
  return std::optional<int64_t>(static_cast<int64_t>(dropped.size()));
}

Result<bool> fence_is_up(sqlite::Connection& source) {
  CROSSFADE_TRY(const auto names,
                names_like(source, "trigger", fmt::format("{}*_fence_*", kPrefix)));
  return !names.empty();
}

Result<std::vector<std::string>> drop_capture(sqlite::Connection& source) {
  std::vector<std::string> removed;
  int busy = 0;
  while (true) {
    const auto began = Deadline::Clock::now();
    auto begun = sqlite::Transaction::begin(source, sqlite::Begin::kImmediate);
    if (!begun && sqlite::is_busy(begun.error()) && ++busy <= limits::kInstallBusyMax) continue;
    CROSSFADE_TRY(auto transaction, std::move(begun));
    const Deadline deadline = Deadline::after(limits::kInstallHoldMax);
    CROSSFADE_TRY(const auto names,
                  names_like(source, "trigger", fmt::format("{}[0-9]*_*", kPrefix)));
    size_t dropped = 0;
    while (dropped < names.size() && (dropped == 0 || !deadline.expired())) {
      CROSSFADE_TRY(source.exec("DROP TRIGGER " + sqlite::quote(names[dropped])));
      removed.push_back("trigger " + names[dropped]);
      ++dropped;
    }
    CROSSFADE_TRY(transaction.commit());
    if (dropped == names.size()) return removed;
    std::this_thread::sleep_until(Deadline::after(Deadline::Clock::now() - began).time());
  }
}

Result<std::vector<std::string>> uninstall(sqlite::Connection& source) {
  std::vector<std::string> removed;
  // Ours are numbered. A fence may have been kept when the rest was removed.
  CROSSFADE_TRY(drop_triggers(source, fmt::format("{}[0-9]*_*", kPrefix), &removed));
  CROSSFADE_TRY(const auto identity, read_identity(source));
  if (!identity) return removed;
  for (const char* table : {kLogTable, kShapesTable, kControlTable}) {
    CROSSFADE_TRY(const bool present, has_table(source, table));
    if (!present) continue;
    CROSSFADE_TRY(source.exec(fmt::format("DROP TABLE {}", table)));
    removed.push_back(fmt::format("table {}", table));
  }
  return removed;
}

}  // namespace crossfade::capture
