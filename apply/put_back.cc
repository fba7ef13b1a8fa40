#include "apply/put_back.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "apply/net_changes.h"
#include "apply/quarantine.h"
#include "apply/row_image.h"
#include "engine/core/limits.h"
#include "engine/schema/utf8.h"

namespace crossfade::apply {

Error not_equal(const Table& table, const Row& key, const char* what) {
  Error error;
  error.code = ErrorCode::kDifferent;
  error.remedy = Remedy::kDecide;
  error.op = "reverse.apply";
  error.object = fmt::format("{} {}", table.name, schema::printable(key_literal(table, key)));
  error.native = fmt::format("the two sides are not equal: PostgreSQL {}", what);
  error.hint =
      "nothing of this transaction was applied. Somebody wrote to SQLite meanwhile, or the file "
      "was "
      "replaced; `crossfade verify` names the rows that differ";
  return error;
}

Result<bool> PutBack::try_in(PutOffRow* row) {
  if (!is_complete(*row->table, row->image)) {
    if (row->reason.empty()) row->reason = "an earlier version of the row did not fit";
    return false;
  }
  if (auto unfit = find_not_kept(*row->table, row->image)) {
    row->column = std::move(unfit->column);
    row->reason = std::move(unfit->reason);
    return false;
  }
  CROSSFADE_TRY(const auto statements, tables_->of(row->table));
  CROSSFADE_TRY(Answer answer, statements->insert(row->image));
  if (answer.kind == Answer::Kind::kDone) return true;
  row->column.clear();
  row->reason = std::move(answer.reason);
  row->occupied = answer.occupied;
  return false;
}

Result<std::vector<PutOffRow>> PutBack::put_in(std::vector<PutOffRow> rows) {
  std::vector<PutOffRow> left;
  std::map<std::string, std::shared_ptr<const Table>> crowded;
  for (PutOffRow& row : rows) {
    row.occupied = false;
    CROSSFADE_TRY(const bool in, try_in(&row));
    if (in) continue;
    if (row.occupied && misfits_->has_any(row.table->name)) crowded[row.table->name] = row.table;
    left.push_back(std::move(row));
  }
  for (const auto& [name, table] : crowded) {
    CROSSFADE_TRY(make_way(table, &left));
  }
  return left;
}

Status PutBack::make_way(const std::shared_ptr<const Table>& table, std::vector<PutOffRow>* rows) {
  CROSSFADE_TRY(const auto statements, tables_->of(table));
  std::vector<Image> old;
  size_t bytes = 0;
  int64_t id = 0;
  while (true) {
    CROSSFADE_TRY(const auto place, misfits_->next(table->name, id));
    if (!place) break;
    id = place->id;
    CROSSFADE_TRY(auto image, statements->read(place->key));
    if (!image) continue;
    CROSSFADE_TRY(statements->remove(place->key));
    for (const auto& value : *image) bytes += value ? value->size_bytes() : 0;
    // More than that are not held: they are written down, and settled with the rest.
    if (bytes <= limits::kPutOffBytesMax) old.push_back(std::move(*image));
  }
  std::vector<PutOffRow> left;
  for (PutOffRow& row : *rows) {
    bool in = false;
    if (row.occupied && row.table->name == table->name) {
      CROSSFADE_TRY(in, try_in(&row));
    }
    if (!in) left.push_back(std::move(row));
  }
  *rows = std::move(left);
  for (const Image& image : old) {
    CROSSFADE_TRY(statements->insert(image));
  }
  return ok();
}

Status PutBack::set_aside(const std::vector<PutOffRow>& rows) {
  for (const PutOffRow& row : rows) {
    CROSSFADE_TRY(misfits_->put({row.table->name, row.key, row.column, row.reason}));
  }
  // After all that fitted: what is old must not be in the way of what is true.
  for (const PutOffRow& row : rows) {
    if (!row.old || identity_of(row.old->key) != identity_of(row.key)) continue;
    CROSSFADE_TRY(const auto statements, tables_->of(row.table));
    CROSSFADE_TRY(statements->insert(row.old->image));
  }
  return ok();
}

Status PutBack::finish(std::vector<PutOffRow> rows) {
  CROSSFADE_TRY(auto left, put_in(std::move(rows)));
  for (const PutOffRow& row : left) {
    CROSSFADE_TRY(const auto statements, tables_->of(row.table));
    CROSSFADE_TRY(const bool there, statements->contains(row.key));
    if (there) {
      return fail(not_equal(*row.table, row.key, "has one row of this key, and SQLite two"));
    }
  }
  return set_aside(left);
}

Result<std::vector<PutOffRow>> PutBack::relieve(std::vector<PutOffRow> rows, size_t bytes_max) {
  CROSSFADE_TRY(auto left, put_in(std::move(rows)));
  std::vector<PutOffRow> wait;
  std::vector<PutOffRow> aside;
  size_t bytes = 0;
  for (PutOffRow& row : left) {
    CROSSFADE_TRY(const auto statements, tables_->of(row.table));
    CROSSFADE_TRY(const bool there, statements->contains(row.key));
    const size_t size = size_bytes(row);
    const bool room = bytes + size <= bytes_max;
    if (there && !room) {
      Error error;
      error.code = ErrorCode::kSource;
      error.remedy = Remedy::kDecide;
      error.op = "reverse.apply";
      error.object = row.table->name;
      error.native = fmt::format(
          "one transaction of PostgreSQL's gives rows the keys of others: more than {} bytes of "
          "rows "
          "wait for their keys",
          bytes_max);
      error.hint = "change the keys in smaller transactions; this one cannot go back as it is";
      return fail(std::move(error));
    }
    auto& to = room && (there || row.occupied) ? wait : aside;
    if (&to == &wait) bytes += size;
    to.push_back(std::move(row));
  }
  CROSSFADE_TRY(set_aside(aside));
  return wait;
}

}  // namespace crossfade::apply
