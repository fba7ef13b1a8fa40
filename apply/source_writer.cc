#include "apply/source_writer.h"

#include <sqlite3.h>

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

#include "apply/misfit_table.h"
#include "apply/net_changes.h"
#include "apply/put_back.h"
#include "apply/put_off.h"
#include "apply/reverse_state.h"
#include "apply/row_image.h"
#include "apply/source_tables.h"
#include "engine/core/assert.h"
#include "engine/core/backoff.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/sqlite/sqlite_error_map.h"

namespace crossfade::apply {
namespace {

constexpr const char* kNotThere = "changed a row that SQLite has not got";
constexpr const char* kAlreadyThere = "made a row of a key that SQLite has already";

// Triggers: the fence is for others, capture must not see what is written here, and what the
// application's do is in PostgreSQL's rows already.
Status configure(sqlite::Connection& source) {
  for (const int option : {SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_FKEY}) {
    const int rc = sqlite3_db_config(source.handle(), option, 0, nullptr);
    if (rc != SQLITE_OK) {
      return fail(sqlite::make_error(rc, source.handle(), "reverse.open", source.path()));
    }
  }
  // SQLite 3.40 takes its own JSON functions for unsafe, and indexes on them could not be written.
  // Nothing that is unsafe indeed is registered on our connections.
  sqlite3_db_config(source.handle(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, nullptr);
  CROSSFADE_TRY(source.exec("PRAGMA synchronous=FULL"));
  return source.exec("PRAGMA ignore_check_constraints=OFF");
}

}  // namespace

struct SourceWriter::Impl {
  explicit Impl(sqlite::Connection connection) : source(std::move(connection)), tables(source) {}

  Status insert(const TargetChange& change, SourceStatements& statements);
  Status update(const TargetChange& change, SourceStatements& statements);
  Status remove(const TargetChange& change, SourceStatements& statements);
  Status truncate(const TargetChange& change, SourceStatements& statements);
  // The update of a row that is put off; `two`: SQLite has another of its key.
  Status fold(const TargetChange& change, bool two);
  // The update of a row that was set aside by an earlier transaction.
  Status update_set_aside(const TargetChange& change, SourceStatements& statements);
  // The update of a row that SQLite has, and that does not go in as it is.
  Status put_off_update(const TargetChange& change, Answer refused, SourceStatements& statements);
  Status add_put_off(PutOffRow row);
  Status relieve();
  Status refresh_counts();
  // Of what another engine has taken over nothing is written.
  Status check_state();
  Result<bool> settle(const Table& table, const Row& key, const std::optional<Row>& row);

  sqlite::Connection source;
  SourceTables tables;
  std::optional<MisfitTable> misfits;  // once open
  PutOff put_off;
  ReverseState state;
  bool counts_are_stale = false;  // a transaction was rolled back
};

Status SourceWriter::Impl::insert(const TargetChange& change, SourceStatements& statements) {
  const Table& table = *change.table;
  std::optional<Unfit> unfit;
  if (change.misfit) {
    unfit = unfit_of(table, *change.misfit);
  } else {
    unfit = find_not_kept(table, change.after);
  }
  if (!put_off.empty() || misfits->has_any(table.name)) {
    CROSSFADE_TRY(const Row key, key_after(change));
    CROSSFADE_TRY(const bool aside, misfits->contains(table.name, key));
    if (aside || put_off.find(table, key) != nullptr) {
      return fail(not_equal(table, key, kAlreadyThere));
    }
  }
  Answer answer;
  if (!unfit) {
    CROSSFADE_TRY(answer, statements.insert(change.after));
    if (answer.kind == Answer::Kind::kDone) return ok();
  }
  CROSSFADE_TRY(Row key, key_after(change));
  CROSSFADE_TRY(const bool there, statements.contains(key));
  if (there) return fail(not_equal(table, key, kAlreadyThere));
  PutOffRow row{change.table, std::move(key), Image(table.columns.size())};
  change_image(change, &row.image);
  if (unfit) {
    row.column = std::move(unfit->column);
    row.reason = std::move(unfit->reason);
  } else {
    row.reason = std::move(answer.reason);
  }
  return add_put_off(std::move(row));
}

Status SourceWriter::Impl::update(const TargetChange& change, SourceStatements& statements) {
  const Table& table = *change.table;
  if (put_off.find(table, change.key) != nullptr) {
    CROSSFADE_TRY(const bool two, statements.contains(change.key));
    CROSSFADE_TRY(const Row next, key_after(change));
    if (!two || identity_of(next) == identity_of(change.key)) return fold(change, two);
  } else {
    CROSSFADE_TRY(const bool aside, misfits->contains(table.name, change.key));
    if (aside) return update_set_aside(change, statements);
  }
  Answer answer{Answer::Kind::kRefused};
  if (!change.misfit && !find_not_kept(table, change.after)) {
    CROSSFADE_TRY(answer, statements.update(change.key, change.after));
  }
  switch (answer.kind) {
    case Answer::Kind::kDone:
      return ok();
    case Answer::Kind::kAbsent:
      return fail(not_equal(table, change.key, kNotThere));
    case Answer::Kind::kRefused:
      return put_off_update(change, std::move(answer), statements);
  }
  return ok();
}

Status SourceWriter::Impl::remove(const TargetChange& change, SourceStatements& statements) {
  const Table& table = *change.table;
  CROSSFADE_TRY(const Answer answer, statements.remove(change.key));
  const bool removed = answer.kind == Answer::Kind::kDone;
  if (put_off.find(table, change.key) != nullptr) {
    if (!removed) put_off.take(table, change.key);
    return ok();
  }
  CROSSFADE_TRY(const auto entry, misfits->take(table.name, change.key));
  if (!removed && !entry) return fail(not_equal(table, change.key, kNotThere));
  return ok();
}

Status SourceWriter::Impl::truncate(const TargetChange& change, SourceStatements& statements) {
  put_off.drop_table(*change.table);
  CROSSFADE_TRY(misfits->drop_table(change.table->name));
  return statements.clear();
}

Status SourceWriter::Impl::fold(const TargetChange& change, bool two) {
  CROSSFADE_TRY(Row next, key_after(change));
  PutOffRow row = put_off.take(*change.table, change.key);
  change_image(change, &row.image);
  row.key = std::move(next);
  if (change.misfit) {
    Unfit unfit = unfit_of(*change.table, *change.misfit);
    row.column = std::move(unfit.column);
    row.reason = std::move(unfit.reason);
  }
  if (two) {
    row.image.assign(row.image.size(), std::nullopt);
    row.column.clear();
    row.reason = "two rows had this key within one transaction";
  }
  return add_put_off(std::move(row));
}

Status SourceWriter::Impl::update_set_aside(const TargetChange& change,
                                            SourceStatements& statements) {
  const Table& table = *change.table;
  CROSSFADE_TRY(auto entry, misfits->take(table.name, change.key));
  CROSSFADE_ASSERT(entry.has_value(), "{} has no entry", table.name);
  PutOffRow row{change.table, {}, Image(table.columns.size())};
  CROSSFADE_TRY(row.key, key_after(change));
  row.column = std::move(entry->column);
  row.reason = std::move(entry->reason);
  if (change.misfit) {
    Unfit unfit = unfit_of(table, *change.misfit);
    row.column = std::move(unfit.column);
    row.reason = std::move(unfit.reason);
  }
  change_image(change, &row.image);
  CROSSFADE_TRY(auto old, statements.read(change.key));
  if (old) {
    CROSSFADE_TRY(statements.remove(change.key));
    row.old = PutOffRow::Old{change.key, std::move(*old)};
  }
  return add_put_off(std::move(row));
}

Status SourceWriter::Impl::put_off_update(const TargetChange& change, Answer refused,
                                          SourceStatements& statements) {
  const Table& table = *change.table;
  CROSSFADE_TRY(auto old, statements.read(change.key));
  if (!old) return fail(not_equal(table, change.key, kNotThere));
  CROSSFADE_TRY(statements.remove(change.key));
  PutOffRow row{change.table, {}, *old};
  CROSSFADE_TRY(row.key, key_after(change));
  row.old = PutOffRow::Old{change.key, std::move(*old)};
  row.reason = std::move(refused.reason);
  if (change.misfit) {
    Unfit unfit = unfit_of(table, *change.misfit);
    row.column = std::move(unfit.column);
    row.reason = std::move(unfit.reason);
  }
  change_image(change, &row.image);
  return add_put_off(std::move(row));
}

Status SourceWriter::Impl::add_put_off(PutOffRow row) {
  CROSSFADE_TRY(const bool aside, misfits->contains(row.table->name, row.key));
  if (aside || put_off.find(*row.table, row.key) != nullptr) {
    return fail(not_equal(*row.table, row.key, kAlreadyThere));
  }
  put_off.add(std::move(row));
  return put_off.bytes() > limits::kPutOffBytesMax ? relieve() : ok();
}

Status SourceWriter::Impl::relieve() {
  // Half: a row that is put off next does not bring us here again at once.
  CROSSFADE_TRY(auto waiting,
                PutBack(tables, *misfits).relieve(put_off.take_all(), limits::kPutOffBytesMax / 2));
  for (PutOffRow& row : waiting) put_off.add(std::move(row));
  return ok();
}

Status SourceWriter::Impl::refresh_counts() {
  if (!counts_are_stale) return ok();
  CROSSFADE_TRY(misfits->recount());
  counts_are_stale = false;
  return ok();
}

Result<bool> SourceWriter::Impl::settle(const Table& table, const Row& key,
                                        const std::optional<Row>& row) {
  CROSSFADE_ASSERT(put_off.empty(), "settle() before end_transaction()");
  const auto shared = tables.share(table);
  CROSSFADE_TRY(const auto statements, tables.of(shared));
  CROSSFADE_TRY(misfits->take(table.name, key));
  CROSSFADE_TRY(auto old, statements->read(key));
  if (old) {
    CROSSFADE_TRY(statements->remove(key));
  }
  if (!row) return true;
  PutOffRow now{shared, key, Image(table.columns.size())};
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i].generated) continue;
    if (table.columns[i].type.form != SourceForm::kMasked) {
      now.image[i] = (*row)[i];
    } else if (old) {
      now.image[i] = (*old)[i];  // what the hash stands for is here alone
    } else {
      now.column = table.columns[i].name;
      now.reason = "the column is masked: PostgreSQL does not have its value";
    }
  }
  if (old) now.old = PutOffRow::Old{key, std::move(*old)};
  std::vector<PutOffRow> rows;
  rows.push_back(std::move(now));
  CROSSFADE_TRY(PutBack(tables, *misfits).finish(std::move(rows)));
  CROSSFADE_TRY(const bool aside, misfits->contains(table.name, key));
  return !aside;
}

SourceWriter::SourceWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SourceWriter::SourceWriter(SourceWriter&&) noexcept = default;
SourceWriter::~SourceWriter() {
  if (impl_) rollback();
}

Result<SourceWriter> SourceWriter::open(const std::string& path) {
  CROSSFADE_TRY(auto source,
                sqlite::Connection::open({.path = path,
                                          .access = sqlite::Access::kReadWrite,
                                          .busy_timeout = limits::kSourceBusyTimeout}));
  CROSSFADE_TRY(configure(source));
  CROSSFADE_TRY(make_reverse_tables(source));
  auto impl = std::make_unique<Impl>(std::move(source));
  CROSSFADE_TRY(auto state, read_reverse_state(impl->source));
  if (state) impl->state = std::move(*state);
  CROSSFADE_TRY(auto misfits, MisfitTable::open(impl->source));
  impl->misfits.emplace(std::move(misfits));
  return SourceWriter(std::move(impl));
}

const ReverseState& SourceWriter::state() const {
  return impl_->state;
}

Status SourceWriter::check(const Table& table) {
  CROSSFADE_TRY(impl_->tables.of(impl_->tables.share(table)));
  return ok();
}

Status SourceWriter::Impl::check_state() {
  CROSSFADE_TRY(const auto now, read_reverse_state(source));
  if (now.value_or(ReverseState{}) == state) return ok();
  Error error;
  error.code = ErrorCode::kFenced;
  error.remedy = Remedy::kFenced;
  error.op = "reverse.begin";
  error.object = source.path();
  error.native = "another engine has taken the file on from where this one was";
  error.hint = "nothing was written; leave it to the other one, or end it and run again";
  return fail(std::move(error));
}

Status SourceWriter::begin(Deadline deadline) {
  CROSSFADE_ASSERT(!in_transaction(), "begin() in a transaction");
  // Short tries: a wait inside SQLite would not know the deadline.
  impl_->source.set_busy_timeout(std::chrono::milliseconds(0));
  Backoff backoff(limits::kWriteLockPauseBase, limits::kWriteLockPauseCap,
                  std::numeric_limits<int>::max());
  Status begun = impl_->source.exec("BEGIN IMMEDIATE");
  while (!begun && sqlite::is_busy(begun.error()) && !deadline.expired() && backoff.next()) {
    std::this_thread::sleep_for(std::min(backoff.pause(), deadline.remaining()));
    begun = impl_->source.exec("BEGIN IMMEDIATE");
  }
  impl_->source.set_busy_timeout(limits::kReverseLockWait);
  if (begun) {
    begun = impl_->check_state();
    if (begun) begun = impl_->refresh_counts();
    if (begun) return ok();
    rollback();
  }
  Error error = std::move(begun).error();
  if (error.code == ErrorCode::kFenced) return fail(std::move(error));
  error.op = "reverse.begin";
  error.object = impl_->source.path();
  return fail(std::move(error));
}

bool SourceWriter::in_transaction() const {
  return impl_->source.in_transaction();
}

Status SourceWriter::apply(const TargetChange& change) {
  CROSSFADE_ASSERT(in_transaction(), "apply() outside of a transaction");
  CROSSFADE_TRY(const auto statements, impl_->tables.of(change.table));
  switch (change.op) {
    case TargetOp::kInsert:
      return impl_->insert(change, *statements);
    case TargetOp::kUpdate:
      return impl_->update(change, *statements);
    case TargetOp::kDelete:
      return impl_->remove(change, *statements);
    case TargetOp::kTruncate:
      return impl_->truncate(change, *statements);
  }
  return ok();
}

Status SourceWriter::end_transaction() {
  CROSSFADE_ASSERT(in_transaction(), "end_transaction() outside of a transaction");
  if (impl_->put_off.empty()) return ok();
  return PutBack(impl_->tables, *impl_->misfits).finish(impl_->put_off.take_all());
}

Status SourceWriter::commit(const ReverseState& state) {
  CROSSFADE_ASSERT(in_transaction(), "commit() outside of a transaction");
  CROSSFADE_ASSERT(impl_->put_off.empty(), "commit() before end_transaction()");
  CROSSFADE_TRY(write_reverse_state(impl_->source, state));
  fault_point("reverse.commit.before");
  CROSSFADE_TRY(impl_->source.exec("COMMIT"));
  fault_point("reverse.commit.after");
  impl_->state = state;
  return ok();
}

void SourceWriter::rollback() {
  impl_->put_off.clear();
  impl_->counts_are_stale = true;
  impl_->source.rollback();
}

Result<bool> SourceWriter::settle(const Table& table, const Row& key,
                                  const std::optional<Row>& row) {
  if (in_transaction()) return impl_->settle(table, key, row);
  CROSSFADE_TRY(begin(Deadline::after(limits::kSourceBusyTimeout)));
  auto settled = impl_->settle(table, key, row);
  if (settled) {
    if (Status done = impl_->source.exec("COMMIT"); !done) settled = fail(std::move(done).error());
  }
  if (!settled) rollback();
  return settled;
}

Result<std::optional<Row>> SourceWriter::read(const Table& table, const Row& key) {
  CROSSFADE_TRY(const auto statements, impl_->tables.of(impl_->tables.share(table)));
  CROSSFADE_TRY(auto image, statements->read(key));
  if (!image) return std::nullopt;
  Row row;
  for (auto& value : *image) row.push_back(value ? std::move(*value) : Value());
  return row;
}

Result<std::vector<Row>> SourceWriter::keys(const Table& table) {
  std::string sql = "SELECT ";
  for (const size_t k : table.key) {
    sql += (k == table.key.front() ? "" : ",") + table.columns[k].source_sql;
  }
  CROSSFADE_TRY(auto rows, sqlite::Statement::prepare(impl_->source,
                                                      sql + " FROM " + sqlite::quote(table.name)));
  std::vector<Row> out;
  while (true) {
    CROSSFADE_TRY(const bool more, rows.step());
    if (!more) return out;
    Row& key = out.emplace_back();
    for (size_t i = 0; i < table.key.size(); ++i) key.push_back(rows.value(static_cast<int>(i)));
  }
}

Result<std::vector<SetAside>> SourceWriter::set_aside(int64_t rows_max) {
  return impl_->misfits->list(rows_max);
}

Result<int64_t> SourceWriter::set_aside_count() {
  CROSSFADE_TRY(impl_->refresh_counts());
  return impl_->misfits->count();
}

Result<bool> SourceWriter::is_set_aside(const Table& table, const Row& key) {
  CROSSFADE_TRY(impl_->refresh_counts());
  return impl_->misfits->contains(table.name, key);
}

Status SourceWriter::recount() {
  return impl_->misfits->recount();
}

sqlite::Connection& SourceWriter::connection() {
  return impl_->source;
}

}  // namespace crossfade::apply
