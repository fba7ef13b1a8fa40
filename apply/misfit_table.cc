#include "apply/misfit_table.h"

#include <fmt/format.h>

#include <utility>

#include "apply/net_changes.h"
#include "apply/reverse_state.h"
#include "engine/core/limits.h"
#include "engine/schema/utf8.h"

namespace crossfade::apply {
namespace {

Result<sqlite::Statement> prepare_on_misfits(sqlite::Connection& source, const char* sql) {
  return sqlite::Statement::prepare(source, fmt::format(fmt::runtime(sql), kMisfitsTable));
}

Result<Row> key_in(const sqlite::Statement& row, int column) {
  auto key = parse_identity(row.bytes(column));
  if (key) return std::move(*key);
  Error error;
  error.code = ErrorCode::kSource;
  error.op = "reverse.misfits";
  error.object = kMisfitsTable;
  error.native = "a key in it is not as crossfade writes it";
  error.hint = "somebody wrote to it; `crossfade verify` names the rows that differ";
  return fail(std::move(error));
}

}  // namespace

MisfitTable::MisfitTable(sqlite::Statement find, sqlite::Statement put, sqlite::Statement remove,
                         sqlite::Statement next, sqlite::Connection& source)
    : source_(&source),
      find_(std::move(find)),
      put_(std::move(put)),
      remove_(std::move(remove)),
      next_(std::move(next)) {}

Result<MisfitTable> MisfitTable::open(sqlite::Connection& source) {
  CROSSFADE_TRY(auto find,
                prepare_on_misfits(source, "SELECT col, reason FROM {} WHERE tbl=?1 AND key=?2"));
  CROSSFADE_TRY(auto put, prepare_on_misfits(source,
                                             "INSERT OR REPLACE INTO {}(tbl,key,col,reason)"
                                             " VALUES(?1,?2,?3,?4)"));
  CROSSFADE_TRY(auto remove, prepare_on_misfits(source, "DELETE FROM {} WHERE tbl=?1 AND key=?2"));
  CROSSFADE_TRY(auto next, prepare_on_misfits(source,
                                              "SELECT id, key FROM {} WHERE id>?2 AND +tbl=?1"
                                              " ORDER BY id LIMIT 1"));
  MisfitTable out(std::move(find), std::move(put), std::move(remove), std::move(next), source);
  CROSSFADE_TRY(out.recount());
  return out;
}

Status MisfitTable::recount() {
  counts_.clear();
  CROSSFADE_TRY(auto row,
                prepare_on_misfits(*source_, "SELECT tbl, count(*) FROM {} GROUP BY tbl"));
  while (true) {
    CROSSFADE_TRY(const bool there, row.step());
    if (!there) return ok();
    counts_[std::string(row.bytes(0))] = row.integer(1);
  }
}

Result<bool> MisfitTable::contains(const std::string& table, const Row& key) {
  if (!has_any(table)) return false;
  find_.bind_text(1, table);
  find_.bind(2, Value(Blob{identity_of(key)}));
  auto found = find_.step();
  find_.clear();
  return found;
}

Status MisfitTable::put(const SetAside& entry) {
  CROSSFADE_TRY(const bool known, contains(entry.table, entry.key));
  put_.bind_text(1, entry.table);
  put_.bind(2, Value(Blob{identity_of(entry.key)}));
  put_.bind_text(3, entry.column);
  put_.bind_text(4, schema::printable(schema::prefix(entry.reason, limits::kMisfitReasonBytesMax)));
  auto done = put_.run();
  put_.clear();
  if (done && !known) ++counts_[entry.table];
  return done;
}

Result<std::optional<SetAside>> MisfitTable::take(const std::string& table, const Row& key) {
  if (!has_any(table)) return std::nullopt;
  find_.bind_text(1, table);
  find_.bind(2, Value(Blob{identity_of(key)}));
  const auto found = find_.step();
  if (!found || !found.value()) {
    find_.clear();
    if (!found) return fail(found.error());
    return std::nullopt;
  }
  SetAside entry{table, key, std::string(find_.bytes(0)), std::string(find_.bytes(1))};
  find_.clear();
  remove_.bind_text(1, table);
  remove_.bind(2, Value(Blob{identity_of(key)}));
  const auto done = remove_.run();
  remove_.clear();
  CROSSFADE_TRY(done);
  if (--counts_[table] == 0) counts_.erase(table);
  return entry;
}

Status MisfitTable::drop_table(const std::string& table) {
  if (!has_any(table)) return ok();
  CROSSFADE_TRY(auto remove, prepare_on_misfits(*source_, "DELETE FROM {} WHERE tbl=?1"));
  remove.bind_text(1, table);
  CROSSFADE_TRY(remove.run());
  counts_.erase(table);
  return ok();
}

Result<std::vector<SetAside>> MisfitTable::list(int64_t rows_max) {
  std::vector<SetAside> out;
  CROSSFADE_TRY(
      auto row,
      prepare_on_misfits(*source_, "SELECT tbl, key, col, reason FROM {} ORDER BY id LIMIT ?1"));
  row.bind(1, rows_max);
  while (true) {
    CROSSFADE_TRY(const bool there, row.step());
    if (!there) return out;
    CROSSFADE_TRY(auto key, key_in(row, 1));
    out.push_back({std::string(row.bytes(0)), std::move(key), std::string(row.bytes(2)),
                   std::string(row.bytes(3))});
  }
}

int64_t MisfitTable::count() const {
  int64_t total = 0;
  for (const auto& [table, count] : counts_) total += count;
  return total;
}

Result<std::optional<MisfitTable::Place>> MisfitTable::next(const std::string& table, int64_t id) {
  next_.bind_text(1, table);
  next_.bind(2, id);
  const auto found = next_.step();
  if (!found || !found.value()) {
    next_.clear();
    if (!found) return fail(found.error());
    return std::nullopt;
  }
  const int64_t at = next_.integer(0);
  auto key = key_in(next_, 1);
  next_.clear();
  if (!key) return fail(std::move(key).error());
  return Place{at, std::move(key).value()};
}

}  // namespace crossfade::apply
