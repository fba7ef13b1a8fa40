#include "apply/reverse_state.h"

#include <fmt/format.h>

#include <utility>

#include "engine/sqlite/statement.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::apply {
namespace {

// Of a slot; of an outbox, whose snapshot is where the slot's name is otherwise.
constexpr int64_t kSlotFormat = 1;
constexpr int64_t kOutboxFormat = 2;

Result<bool> has_table(sqlite::Connection& source, const char* name) {
  CROSSFADE_TRY(
      const int64_t count,
      source.query_int(fmt::format(
          "SELECT count(*) FROM main.sqlite_master WHERE type='table' AND name='{}'", name)));
  return count != 0;
}

}  // namespace

Status make_reverse_tables(sqlite::Connection& source) {
  CROSSFADE_TRY(const bool reverse, has_table(source, kReverseTable));
  CROSSFADE_TRY(const bool misfits, has_table(source, kMisfitsTable));
  if (reverse && misfits) return ok();
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(source.exec(fmt::format(
      "CREATE TABLE IF NOT EXISTS {}(id INTEGER PRIMARY KEY CHECK(id=1),format INTEGER NOT NULL,"
      "slot TEXT NOT NULL,live INTEGER NOT NULL,applied INTEGER NOT NULL,"
      "committed_us INTEGER NOT NULL,probe TEXT NOT NULL)",
      kReverseTable)));
  CROSSFADE_TRY(source.exec(fmt::format(
      "CREATE TABLE IF NOT EXISTS {}(id INTEGER PRIMARY KEY,tbl TEXT NOT NULL,key BLOB NOT NULL,"
      "col TEXT NOT NULL,reason TEXT NOT NULL,UNIQUE(tbl,key))",
      kMisfitsTable)));
  return transaction.commit();
}

Status write_reverse_state(sqlite::Connection& source, const ReverseState& state) {
  CROSSFADE_TRY(auto insert, sqlite::Statement::prepare(
                                 source, fmt::format("INSERT OR REPLACE INTO {}(id,format,slot,"
                                                     "live,applied,committed_us,probe)"
                                                     " VALUES(1,?1,?2,?3,?4,?5,?6)",
                                                     kReverseTable)));
  const bool outbox = state.kind == WayBackKind::kOutbox;
  insert.bind(1, outbox ? kOutboxFormat : kSlotFormat);
  insert.bind_text(2, outbox ? state.snapshot : state.slot);
  insert.bind(3, int64_t{state.live});
  insert.bind(4, static_cast<int64_t>(state.applied.value));
  insert.bind(5, state.committed_us);
  insert.bind_text(6, state.probe);
  return insert.run();
}

Result<std::optional<ReverseState>> read_reverse_state(sqlite::Connection& source) {
  CROSSFADE_TRY(const bool present, has_table(source, kReverseTable));
  if (!present) return std::nullopt;
  CROSSFADE_TRY(auto row, sqlite::Statement::prepare(
                              source, fmt::format("SELECT format,slot,live,applied,committed_us,"
                                                  "probe FROM {}",
                                                  kReverseTable)));
  CROSSFADE_TRY(const bool there, row.step());
  if (!there) return std::nullopt;
  const int64_t format = row.integer(0);
  if (format != kSlotFormat && format != kOutboxFormat) {
    Error error;
    error.code = ErrorCode::kSource;
    error.op = "reverse.state";
    error.object = fmt::format("{}: {}", source.path(), kReverseTable);
    error.native = fmt::format("format {}, and this program knows {} and {}", format, kSlotFormat,
                               kOutboxFormat);
    error.hint = "use the crossfade that made it";
    return fail(std::move(error));
  }
  ReverseState state;
  state.kind = format == kOutboxFormat ? WayBackKind::kOutbox : WayBackKind::kSlot;
  (format == kOutboxFormat ? state.snapshot : state.slot) = row.bytes(1);
  state.live = row.integer(2) != 0;
  state.applied.value = static_cast<uint64_t>(row.integer(3));
  state.committed_us = row.integer(4);
  state.probe = row.bytes(5);
  return state;
}

Result<int64_t> set_aside_count(sqlite::Connection& source) {
  CROSSFADE_TRY(const bool present, has_table(source, kMisfitsTable));
  if (!present) return 0;
  return source.query_int(fmt::format("SELECT count(*) FROM {}", kMisfitsTable));
}

Status clear_reverse_state(sqlite::Connection& source) {
  for (const char* name : {kReverseTable, kMisfitsTable}) {
    CROSSFADE_TRY(const bool present, has_table(source, name));
    if (!present) continue;
    CROSSFADE_TRY(source.exec(fmt::format("DELETE FROM {}", name)));
  }
  return ok();
}

Result<std::vector<std::string>> remove_reverse_state(sqlite::Connection& source) {
  std::vector<std::string> removed;
  for (const char* name : {kReverseTable, kMisfitsTable}) {
    CROSSFADE_TRY(const bool present, has_table(source, name));
    if (!present) continue;
    CROSSFADE_TRY(source.exec(fmt::format("DROP TABLE {}", name)));
    removed.push_back(fmt::format("table {}", name));
  }
  return removed;
}

}  // namespace crossfade::apply
