#include "apply/applier.h"

#include <fmt/format.h>

#include <deque>
#include <utility>

#include "apply/quarantine.h"
#include "apply/row_writer.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"

namespace crossfade::apply {
namespace {

std::vector<const Value*> pointers(const Row& row) {
  std::vector<const Value*> out;
  out.reserve(row.size());
  for (const Value& value : row) out.push_back(&value);
  return out;
}

std::vector<const Row*> keys_of(const NetTable& net) {
  std::vector<const Row*> out;
  out.reserve(net.rows.size());
  for (const NetRow& row : net.rows) out.push_back(&row.key);
  return out;
}

// Progress must not move past them.
Error parts_gone(const std::string& target, Lsn applied) {
  Error error;
  error.code = ErrorCode::kTargetUnreachable;
  error.remedy = Remedy::kReconnect;
  error.op = "apply";
  error.object = target;
  error.native =
      fmt::format("the transaction with what follows {} is not open any more", applied.value);
  error.hint = "nothing is lost: it is applied anew from there";
  return error;
}

std::string advance_sql(LeaseToken token, Lsn from, Lsn to) {
  return fmt::format("SELECT crossfade.advance({},{},{})", token.value, from.value, to.value);
}

}  // namespace

Applier::Applier(postgres::Connection& target, std::string target_schema, LeaseToken token,
                 Lsn applied)
    : target_(target), target_schema_(std::move(target_schema)), token_(token), applied_(applied) {}

bool Applier::has_quarantine(const Table& table) const {
  return quarantined_tables_.contains(table.name);
}

bool Applier::fits_pipeline(const ChangeBatch& batch, const std::vector<NetTable>& net) const {
  if (open_ || !batch.closes_watermark || batch.bytes > limits::kPipelineBytesMax) return false;
  size_t rows = 0;
  for (const NetTable& table : net) {
    rows += table.rows.size();
    if (has_quarantine(*table.table)) return false;
  }
  return rows <= limits::kPipelineRowsMax;
}

Status Applier::apply(const ChangeBatch& batch) {
  std::vector<NetTable> net = net_changes(batch, exact_);
  if (fits_pipeline(batch, net)) {
    auto done = apply_pipelined(batch, net);
    if (done) return done;
    // The row that does not fit, or that the server refused, is found on the careful path. The
    // pipeline's transaction is aborted as a whole.
    if (done.error().remedy != Remedy::kQuarantine) return done;
    target_.rollback();
  }
  return apply_prepared(batch, prepare(std::move(net), target_.server_version()));
}

Status Applier::apply_pipelined(const ChangeBatch& batch, const std::vector<NetTable>& net) {
  std::vector<postgres::PipelineStep> steps;
  std::deque<ArrayParams> arrays;  // stable addresses: the steps hold views
  std::vector<std::pair<size_t, const NetTable*>> deletes;
  steps.push_back({"BEGIN", {}, "apply.begin"});
  for (const NetTable& table : net) {
    const int version = target_.server_version();
    ArrayParams& keys = arrays.emplace_back(key_codecs_of(*table.table, version));
    ArrayParams& rows = arrays.emplace_back(codecs_of(*table.table, version));
    for (const NetRow& row : table.rows) {
      if (row.was_there) (void)keys.add(pointers(row.key));
      if (row.final != nullptr && !rows.add(pointers(*row.final))) {
        Error error;
        error.remedy = Remedy::kQuarantine;
        error.code = ErrorCode::kMisfit;
        return fail(std::move(error));
      }
    }
    if (keys.rows() != 0) {
      deletes.emplace_back(steps.size(), &table);
      steps.push_back({delete_sql(target_schema_, *table.table), keys.finish(), "apply.delete"});
    }
  }
  // Inserts after all deletes; their arrays stand at the odd places.
  for (size_t i = 0; i < net.size(); ++i) {
    ArrayParams& rows = arrays[2 * i + 1];
    if (rows.rows() == 0) continue;
    steps.push_back({insert_sql(target_schema_, *net[i].table), rows.finish(), "apply.insert"});
  }
  steps.push_back({advance_sql(token_, applied_, batch.through), {}, "apply.progress"});
  steps.push_back({"COMMIT", {}, "apply.commit", true});
  fault_point("apply.pipeline.before");
  CROSSFADE_TRY(const auto affected, target_.pipeline(steps));
  fault_point("apply.pipeline.after");
  applied_ = batch.through;
  counts_.changes += static_cast<int64_t>(batch.changes.size());
  for (const auto& [step, table] : deletes) {
    int64_t certain = 0;
    int64_t possible = 0;
    for (const NetRow& row : table->rows) {
      if (row.was_there) (row.certain ? certain : possible) += 1;
    }
    if (possible == 0 && affected[step] != certain) {
      // Found after the fact: the rows are right, the note is in a transaction of its own.
      CROSSFADE_TRY(record_conflict(*table->table, certain, affected[step], batch.through));
    }
  }
  return ok();
}

Status Applier::apply_prepared(const ChangeBatch& batch, PreparedBatch prepared) {
  // In several parts, a row that a recheck noted is taken out early: nothing to remark on.
  const bool whole = !open_ && batch.closes_watermark;
  if (open_ && !target_.in_transaction()) return fail(parts_gone(target_.safe_name(), applied_));
  if (!open_) {
    CROSSFADE_TRY(target_.exec("BEGIN"));
    open_ = true;
  }
  for (PreparedTable& table : prepared.tables) {
    CROSSFADE_TRY(target_.exec("SAVEPOINT part"));
    fault_point("apply.sets.table");
    auto done = apply_table(&table, batch.through, whole);
    if (!done) {
      if (done.error().remedy != Remedy::kQuarantine) return done;
      CROSSFADE_TRY(target_.exec("ROLLBACK TO SAVEPOINT part"));
      CROSSFADE_TRY(apply_table_carefully(table, batch.through));
    }
    CROSSFADE_TRY(target_.exec("RELEASE SAVEPOINT part"));
  }
  counts_.changes += static_cast<int64_t>(batch.changes.size());
  open_changes_ += static_cast<int64_t>(batch.changes.size());
  if (batch.closes_watermark ||
      (batch.settled && open_changes_ >= limits::kApplyTransactionChangesMax)) {
    return commit(batch.through);
  }
  return ok();
}

Status Applier::apply_table(PreparedTable* prepared, Lsn lsn, bool whole) {
  const Table& table = *prepared->net.table;
  int64_t certain = 0;
  bool only_certain = whole;
  for (const NetRow& row : prepared->net.rows) {
    if (!row.was_there) continue;
    if (row.certain) {
      ++certain;
    } else {
      only_certain = false;
    }
  }
  if (has_quarantine(table)) {
    // A key that waits in quarantine is not in the table, and its entry has had its day.
    CROSSFADE_TRY(release_keys(target_, table, keys_of(prepared->net)));
    only_certain = false;
  }
  CROSSFADE_TRY(const int64_t deleted,
                delete_keys(target_, target_schema_, table, std::move(prepared->gone)));
  if (only_certain && deleted != certain) {
    CROSSFADE_TRY(record_conflict(table, certain, deleted, lsn));
  }
  CROSSFADE_TRY(set_aside_unfit(*prepared, lsn));
  return copy_rows(target_, target_schema_, table, prepared->rows, 0, prepared->rows.count());
}

Status Applier::apply_table_carefully(const PreparedTable& prepared, Lsn lsn) {
  const Table& table = *prepared.net.table;
  const std::vector<const Row*> keys = keys_of(prepared.net);
  CROSSFADE_TRY(release_keys(target_, table, keys));
  CROSSFADE_TRY(delete_keys(target_, target_schema_, table,
                            encode_keys(table, keys, target_.server_version())));
  CROSSFADE_TRY(set_aside_unfit(prepared, lsn));
  return insert_halving(table, prepared.rows, prepared.origin, 0, prepared.rows.count(), lsn);
}

Status Applier::set_aside_unfit(const PreparedTable& prepared, Lsn lsn) {
  const Table& table = *prepared.net.table;
  for (const PreparedTable::Unfit& unfit : prepared.unfit) {
    const Column& column = table.columns[unfit.column];
    const Row& row = *unfit.row->final;
    CROSSFADE_TRY(
        set_aside(table, row, column.name, misfit_reason(row[unfit.column], column.type), lsn));
  }
  return ok();
}

Status Applier::insert_halving(const Table& table, const EncodedRows& rows,
                               const std::vector<const NetRow*>& origin, size_t from, size_t to,
                               Lsn lsn) {
  if (from == to) return ok();
  CROSSFADE_TRY(target_.exec("SAVEPOINT half"));
  auto copied = copy_rows(target_, target_schema_, table, rows, from, to);
  if (copied) {
    CROSSFADE_TRY(target_.exec("RELEASE SAVEPOINT half"));
    return ok();
  }
  if (copied.error().remedy != Remedy::kQuarantine) return copied;
  const std::string native = copied.error().native;
  CROSSFADE_TRY(target_.exec("ROLLBACK TO SAVEPOINT half; RELEASE SAVEPOINT half"));
  if (to - from == 1) return set_aside(table, *origin[from]->final, "", native, lsn);
  const size_t middle = from + (to - from) / 2;
  CROSSFADE_TRY(insert_halving(table, rows, origin, from, middle, lsn));
  return insert_halving(table, rows, origin, middle, to, lsn);
}

Status Applier::set_aside(const Table& table, const Row& row, std::string column,
                          std::string reason, Lsn lsn) {
  CROSSFADE_TRY(
      quarantine_row(target_, table, Misfit{row, std::move(column), std::move(reason)}, lsn));
  quarantined_tables_.insert(table.name);
  ++counts_.quarantined;
  return ok();
}

Status Applier::record_conflict(const Table& table, int64_t expected, int64_t found, Lsn lsn) {
  ++counts_.conflicts;
  const std::string text_expected = fmt::format("{}", expected);
  const std::string text_found = fmt::format("{}", found);
  const std::string position = fmt::format("{}", lsn.value);
  CROSSFADE_TRY(target_.query(
      "INSERT INTO crossfade.conflicts(table_name,kind,rows_expected,rows_found,lsn,resolution) "
      "VALUES($1,'update_missing',$2::bigint,$3::bigint,$4::bigint,'source_wins')",
      {postgres::text_param(table.name), postgres::text_param(text_expected),
       postgres::text_param(text_found), postgres::text_param(position)}));
  return ok();
}

Status Applier::commit(Lsn through) {
  CROSSFADE_TRY(target_.exec(advance_sql(token_, applied_, through)));
  fault_point("apply.commit.before");
  CROSSFADE_TRY(target_.commit());
  fault_point("apply.commit.after");
  applied_ = through;
  open_changes_ = 0;
  open_ = false;
  return ok();
}

}  // namespace crossfade::apply
