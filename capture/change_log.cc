#include "capture/change_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "capture/trigger_rows.h"
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

Status create_log(sqlite::Connection& source, const std::string& mode) {
  for (const std::string& sql : capture_tables_sql()) {
    CROSSFADE_TRY(source.exec(sql));
  }
  return source.exec(
      fmt::format("INSERT OR IGNORE INTO {}(id,format,source_id,journal_mode) VALUES(1,{},'{}',{})",
                  kControlTable, kFormat, random_id(), sqlite::quote_literal(mode)));
}

Status add_shapes(sqlite::Connection& source, const std::vector<Captured>& captured) {
  CROSSFADE_TRY(auto insert,
                sqlite::Statement::prepare(
                    source, fmt::format("INSERT INTO {}(id,tbl,shape,base_lsn) VALUES(?,?,?,?)",
                                        kShapesTable)));
  for (const Captured& each : captured) {
    insert.bind(1, each.id.value);
    insert.bind_text(2, each.table);
    insert.bind_text(3, each.shape);
    insert.bind(4, each.base_lsn.value);
    CROSSFADE_TRY(insert.run());
  }
  return ok();
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

// The id in a trigger's name, if it is one of ours.
std::optional<CaptureId> id_in(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(std::string_view(kPrefix).size());
  uint64_t id = 0;  // no sign
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end == name.data() + name.size() || *end != '_') return std::nullopt;
  return CaptureId{static_cast<int64_t>(id)};
}

bool is_fence(std::string_view name) {
  return id_in(name) && name.find("_fence_") != std::string_view::npos;
}

Status retire_shapes(sqlite::Connection& source, const std::vector<CaptureId>& ids) {
  std::set<CaptureId> gone(ids.begin(), ids.end());
  CROSSFADE_TRY(remove_triggers(source, [&](std::string_view name) {
    const auto id = id_in(name);
    return id && gone.contains(*id);
  }));
  CROSSFADE_TRY(
      auto retire,
      sqlite::Statement::prepare(
          source, fmt::format("UPDATE {} SET retired=max(1,(SELECT ifnull(max(lsn),0) FROM {})) "
                              "WHERE id=? AND retired=0",
                              kShapesTable, kLogTable)));
  for (const CaptureId id : ids) {
    retire.bind(1, id.value);
    CROSSFADE_TRY(retire.run());
  }
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
  DigestStream identity;
  std::string head;
  for (int column = 0; column < statement.column_count(); ++column) {
    const ValueView value = statement.view(column);
    head.clear();
    append_identity_head(value, &head);
    identity.add(head);
    identity.add(value.bytes);
  }
  return std::optional<std::string>(to_hex(identity.digest()));
}

Result<Installed> install(sqlite::Connection& source, const std::vector<Table>& tables,
                          const std::vector<CaptureId>& retire, int64_t schema_version) {
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(const int64_t now, source.query_int("PRAGMA schema_version"));
  if (now != schema_version) return fail(schema_moved(source.path()));
  std::unordered_set<std::string_view> names;
  for (const Table& table : tables) names.insert(table.name);
  std::vector<CaptureId> gone = retire;
  CROSSFADE_TRY(const auto present, read_captured(source));
  for (const Captured& old : present) {
    if (names.contains(old.table)) gone.push_back(old.id);
  }
  CROSSFADE_TRY(retire_shapes(source, gone));
  CROSSFADE_TRY(const Lsn base, newest_lsn(source));
  CROSSFADE_TRY(int64_t id, source.query_int(fmt::format("SELECT max(id) FROM {}", kShapesTable)));
  Installed out;
  std::vector<TriggerSql> triggers;
  for (const Table& table : tables) {
    out.captured.push_back({CaptureId{++id}, table.name, table.shape, base});
    std::vector<TriggerSql> own = capture_triggers(table, out.captured.back().id);
    std::move(own.begin(), own.end(), std::back_inserter(triggers));
  }
  CROSSFADE_TRY(add_shapes(source, out.captured));
  CROSSFADE_TRY(create_triggers(source, triggers));
  CROSSFADE_TRY(out.schema_version, source.query_int("PRAGMA schema_version"));
  fault_point("capture.install.before_commit");
  CROSSFADE_TRY(transaction.commit());
  fault_point("capture.install.after_commit");
  return out;
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

namespace {

// For as long as it lives, pages of this connection's that become free keep what was in them.
class LeaveFreedPages {
 public:
  static Result<LeaveFreedPages> begin(sqlite::Connection& source) {
    constexpr int64_t kOverwritten = 1;
    CROSSFADE_TRY(const int64_t before, source.query_int("PRAGMA secure_delete"));
    if (before != kOverwritten) return LeaveFreedPages(nullptr);
    CROSSFADE_TRY(source.exec("PRAGMA secure_delete=FAST"));
    return LeaveFreedPages(&source);
  }
  LeaveFreedPages(LeaveFreedPages&& other) noexcept
      : source_(std::exchange(other.source_, nullptr)) {}
  LeaveFreedPages& operator=(LeaveFreedPages&&) = delete;
  ~LeaveFreedPages() {
    if (source_ != nullptr) (void)source_->exec("PRAGMA secure_delete=ON");
  }

 private:
  explicit LeaveFreedPages(sqlite::Connection* source) : source_(source) {}
  sqlite::Connection* source_;
};

Status prune_oldest(sqlite::Connection& source, Lsn applied, const PruneBounds& bounds,
                    Pruned* pruned) {
  // Below applied and below the newest: an emptied INTEGER PRIMARY KEY table starts at 1 again.
  CROSSFADE_TRY(auto oldest, sqlite::Statement::prepare(
                                 source, fmt::format("DELETE FROM {0} WHERE lsn=(SELECT min(lsn) "
                                                     "FROM {0}) AND lsn<? AND lsn<(SELECT max(lsn) "
                                                     "FROM {0})",
                                                     kLogTable)));
  oldest.bind(1, applied.value);
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  const Deadline hold = Deadline::after(bounds.hold_max);
  do {
    CROSSFADE_TRY(oldest.run());
    if (source.changes() == 0) return transaction.commit();
    ++pruned->rows;
  } while (pruned->rows < bounds.rows_max && !hold.expired());
  pruned->more = true;
  return transaction.commit();
}

}  // namespace

Result<Pruned> prune(sqlite::Connection& source, Lsn applied, PruneBounds bounds) {
  // Looking first: what finds nothing would take the write lock all the same.
  const auto any =
      source.query_int(fmt::format("SELECT count(*) FROM (SELECT 1 FROM {} WHERE lsn<{} "
                                   "LIMIT 1)",
                                   kLogTable, applied.value));
  if (!any && sqlite::is_busy(any.error())) return Pruned{};
  CROSSFADE_TRY(const int64_t there, any);
  if (there == 0) return Pruned{};
  fault_point("log.prune.before");
  CROSSFADE_TRY(const auto leave, LeaveFreedPages::begin(source));
  Pruned pruned;
  auto done = prune_oldest(source, applied, bounds, &pruned);
  if (!done) {
    if (sqlite::is_busy(done.error())) return Pruned{};
    return fail(std::move(done).error());
  }
  fault_point("log.prune.after");
  return pruned;
}

namespace {

// Of each of the newest rows, so that a blob's length is told without reading it.
std::string row_sizes_sql() {
  constexpr int kSample = 64;
  // Of a number or a NULL, with its header, as most are.
  constexpr const char* kSized =
      "+CASE typeof(c{0}) WHEN 'blob' THEN length(c{0}) WHEN 'text' THEN "
      "length(CAST(c{0} AS BLOB)) ELSE 3 END";
  std::string size = "9";
  for (size_t i = 0; i < limits::kLogValuesPerRow; ++i) {
    size += fmt::format(fmt::runtime(kSized), i);
  }
  return fmt::format("SELECT {} FROM {} ORDER BY lsn DESC LIMIT {}", size, kLogTable, kSample);
}

Result<int64_t> mean_row_bytes(sqlite::Connection& source) {
  constexpr int64_t kEnough = 64 * static_cast<int64_t>(limits::kMiB);  // texts have to be read
  CROSSFADE_TRY(auto sizes, sqlite::Statement::prepare(source, row_sizes_sql()));
  int64_t bytes = 0;
  int64_t sampled = 0;
  while (bytes < kEnough) {
    CROSSFADE_TRY(const bool row, sizes.step());
    if (!row) break;
    ++sampled;
    bytes += sizes.integer(0);
  }
  return bytes / std::max<int64_t>(sampled, 1);
}

// What the file's pages hold, the log's and others.
Result<int64_t> used_bytes(sqlite::Connection& source) {
  CROSSFADE_TRY(const int64_t pages, source.query_int("PRAGMA page_count"));
  CROSSFADE_TRY(const int64_t unused, source.query_int("PRAGMA freelist_count"));
  CROSSFADE_TRY(const int64_t page_bytes, source.query_int("PRAGMA page_size"));
  return (pages - unused) * page_bytes;
}

}  // namespace

Result<int64_t> LogSize::bytes(sqlite::Connection& source, Lsn above, int64_t kept) {
  CROSSFADE_TRY(const int64_t oldest,
                source.query_int(fmt::format("SELECT min(lsn) FROM {}", kLogTable)));
  CROSSFADE_TRY(const Lsn newest, newest_lsn(source));
  const int64_t rows = newest.value - std::max(oldest - 1, above.value) - kept;
  if (rows <= 1) return 0;  // the newest row always stays
  if (newest != sampled_) {
    CROSSFADE_TRY(row_bytes_, mean_row_bytes(source));
    sampled_ = newest;
  }
  // One long row among many short ones makes the mean what no row has.
  CROSSFADE_TRY(const int64_t used, used_bytes(source));
  return std::min(row_bytes_ * rows, used);
}

Result<bool> give_up(sqlite::Connection& source, const std::function<Result<bool>()>& may) {
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(const bool allowed, may());
  if (!allowed) return false;
  CROSSFADE_TRY(const auto captured, read_captured(source));
  std::vector<CaptureId> all;
  all.reserve(captured.size());
  for (const Captured& each : captured) all.push_back(each.id);
  CROSSFADE_TRY(retire_shapes(source, all));
  CROSSFADE_TRY(transaction.commit());
  return true;
}

Status raise_fence(sqlite::Connection& source, const std::vector<Captured>& captured) {
  std::vector<TriggerSql> triggers;
  for (const Captured& each : captured) {
    std::vector<TriggerSql> own = fence_triggers(each.table, each.id);
    std::move(own.begin(), own.end(), std::back_inserter(triggers));
  }
  return create_triggers(source, triggers);
}

Result<int64_t> lower_fence(sqlite::Connection& source) {
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(const auto dropped, remove_triggers(source, is_fence));
  CROSSFADE_TRY(transaction.commit());
  return static_cast<int64_t>(dropped.size());
}

Result<std::optional<int64_t>> lower_fence_of(sqlite::Connection& source, int64_t schema_version,
                                              const std::function<Status()>& before) {
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(const int64_t now, source.query_int("PRAGMA schema_version"));
  if (now != schema_version) return std::nullopt;
  CROSSFADE_TRY(before());
  CROSSFADE_TRY(const auto dropped, remove_triggers(source, is_fence));
  CROSSFADE_TRY(transaction.commit());
  return std::optional<int64_t>(static_cast<int64_t>(dropped.size()));
}

Result<bool> fence_is_up(sqlite::Connection& source) {
  CROSSFADE_TRY(auto triggers, sqlite::Statement::prepare(
                                   source, "SELECT name FROM sqlite_master WHERE type='trigger'"));
  while (true) {
    CROSSFADE_TRY(const bool row, triggers.step());
    if (!row) return false;
    if (is_fence(triggers.bytes(0))) return true;
  }
}

Result<std::vector<std::string>> uninstall(sqlite::Connection& source) {
  std::vector<std::string> removed;
  // Ours are numbered. A fence may have been kept when the rest was removed.
  CROSSFADE_TRY(const auto names, remove_triggers(source, [](std::string_view name) {
                  return id_in(name).has_value();
                }));
  for (const std::string& name : names) removed.push_back("trigger " + name);
  CROSSFADE_TRY(const auto identity, read_identity(source));
  if (!identity) return removed;
  CROSSFADE_TRY(const auto leave, LeaveFreedPages::begin(source));
  for (const char* table : {kLogTable, kShapesTable, kControlTable}) {
    CROSSFADE_TRY(const bool present, has_table(source, table));
    if (!present) continue;
    CROSSFADE_TRY(source.exec(fmt::format("DROP TABLE {}", table)));
    removed.push_back(fmt::format("table {}", table));
  }
  return removed;
}

}  // namespace crossfade::capture
