#include "engine/run/dual_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apply/codec.h"
#include "apply/encoder.h"
#include "apply/row_writer.h"
#include "capture/target_slot.h"
#include "engine/core/limits.h"
#include "engine/postgres/quote.h"
#include "engine/run/dual_changes.h"

namespace crossfade::run {
namespace {

using postgres::quote;

constexpr size_t kKeysPerStatement = 10'000;
constexpr const char* kCommittedUs =
    "CASE WHEN current_setting('track_commit_timestamp')='on' THEN "
    "(extract(epoch FROM pg_xact_commit_timestamp(t.xmin))*1000000)::bigint END";

std::vector<const Value*> pointers(const Row& row) {
  std::vector<const Value*> out;
  out.reserve(row.size());
  for (const Value& value : row) out.push_back(&value);
  return out;
}

std::string read_list(const Table& table) {
  std::string out = kCommittedUs;
  for (const Column& column : table.columns) out += ",t." + quote(column.target_name);
  return out;
}

LockedRow decode(const Table& table, const postgres::QueryResult& rows, int row) {
  LockedRow out{decode_target_row(table, rows, row, 1)};
  if (!rows.is_null(row, 0)) out.committed_us = rows.integer(row, 0);
  return out;
}

Error does_not_fit(const Table& table, const Row& row, int server_version) {
  Error error;
  error.remedy = Remedy::kQuarantine;
  error.code = ErrorCode::kMisfit;
  error.op = "dual.write";
  error.object = table.name;
  apply::EncodedRows unused;
  const auto column = apply::RowEncoder(table, server_version).append(row, &unused);
  error.native = column
                     ? fmt::format("{}: {}", table.columns[*column].name,
                                   apply::misfit_reason(row[*column], table.columns[*column].type))
                     : "it cannot be represented";
  return error;
}

Result<apply::ArrayParams> arrays_of(const Table& table, const std::vector<const Row*>& rows,
                                     int server_version) {
  apply::ArrayParams params(apply::codecs_of(table, server_version));
  for (const Row* row : rows) {
    if (!params.add(pointers(*row))) return fail(does_not_fit(table, *row, server_version));
  }
  return params;
}

std::string update_sql(const std::string& target_schema, const Table& table) {
  std::string sets;
  std::string where;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const std::string name = quote(table.columns[i].target_name);
    if (std::find(table.key.begin(), table.key.end(), i) != table.key.end()) {
      where += fmt::format("{}t.{}=given.{}", where.empty() ? "" : " AND ", name, name);
    } else if (!table.columns[i].target_generated) {
      sets += fmt::format("{}{}=given.{}", sets.empty() ? "" : ",", name, name);
    }
  }
  if (sets.empty()) return {};
  return fmt::format("UPDATE {} AS t SET {} FROM {} WHERE {}",
                     quote(target_schema, table.target_name), sets, apply::row_source_sql(table),
                     where);
}

}  // namespace

bool is_unique_violation(const Error& error) {
  return error.sqlstate == "23505" || error.sqlstate == "23P01";
}

Status DualTarget::begin(const std::string& mark) {
  CROSSFADE_TRY(target_.exec(
      fmt::format("BEGIN; SET LOCAL lock_timeout = {}", limits::kDualLockWait.count())));
  return capture::send_probe(target_, mark);
}

Result<std::unordered_map<KeyId, LockedRow>> DualTarget::lock(const Table& table,
                                                              const std::vector<const Row*>& keys) {
  std::unordered_map<KeyId, LockedRow> out;
  const std::string sql =
      apply::select_sql(target_schema_, table, read_list(table)) + " FOR UPDATE OF t";
  for (size_t at = 0; at < keys.size(); at += kKeysPerStatement) {
    apply::ArrayParams params(apply::key_codecs_of(table, target_.server_version()));
    for (size_t i = at; i < std::min(keys.size(), at + kKeysPerStatement); ++i) {
      // A key that does not fit the target's types cannot be there.
      (void)params.add(pointers(*keys[i]));
    }
    if (params.rows() == 0) continue;
    CROSSFADE_TRY(const auto found, target_.query(sql, params.finish()));
    for (int row = 0; row < found.rows(); ++row) {
      LockedRow locked = decode(table, found, row);
      KeyId id = key_id(table, key_of_row(table, locked.values));
      out.emplace(std::move(id), std::move(locked));
    }
  }
  return out;
}

Result<std::optional<LockedRow>> DualTarget::lock_one(const Table& table, const Row& key) {
  CROSSFADE_TRY(auto found, lock(table, {&key}));
  if (found.empty()) return std::nullopt;
  return std::move(found.begin()->second);
}

Status DualTarget::remove(const Table& table, const std::vector<Write>& writes) {
  std::vector<const Row*> keys;
  for (const Write& write : writes) {
    if (write.row == nullptr && write.there) keys.push_back(write.key);
  }
  if (keys.empty()) return ok();
  CROSSFADE_TRY(apply::delete_keys(target_, target_schema_, table,
                                   apply::encode_keys(table, keys, target_.server_version())));
  return ok();
}

Status DualTarget::update(const Table& table, const std::vector<Write>& writes) {
  std::vector<const Row*> rows;
  for (const Write& write : writes) {
    if (write.row != nullptr && write.there) rows.push_back(write.row);
  }
  const std::string sql = update_sql(target_schema_, table);
  if (rows.empty() || sql.empty()) return ok();
  CROSSFADE_TRY(auto params, arrays_of(table, rows, target_.server_version()));
  CROSSFADE_TRY(target_.query(sql, params.finish()));
  return ok();
}

Status DualTarget::insert(const Table& table, const std::vector<Write>& writes) {
  std::vector<const Row*> rows;
  for (const Write& write : writes) {
    if (write.row != nullptr && !write.there) rows.push_back(write.row);
  }
  if (rows.empty()) return ok();
  CROSSFADE_TRY(auto params, arrays_of(table, rows, target_.server_version()));
  CROSSFADE_TRY(target_.query(apply::insert_sql(target_schema_, table), params.finish()));
  return ok();
}

Status DualTarget::write_sets(const Table& table, const std::vector<Write>& writes) {
  CROSSFADE_TRY(remove(table, writes));
  CROSSFADE_TRY(update(table, writes));
  return insert(table, writes);
}

Result<Attempted> DualTarget::attempt(const Table& table, const std::vector<Write>& writes) {
  CROSSFADE_TRY(target_.exec("SAVEPOINT attempt"));
  auto done = write_sets(table, writes);
  if (!done) {
    if (done.error().remedy != Remedy::kQuarantine) return fail(std::move(done).error());
    CROSSFADE_TRY(target_.exec("ROLLBACK TO SAVEPOINT attempt"));
  }
  CROSSFADE_TRY(target_.exec("RELEASE SAVEPOINT attempt"));
  if (done) return Attempted{};
  return Attempted{std::move(done).error()};
}

Status DualTarget::write(const Table& table, const std::vector<Write>& writes) {
  CROSSFADE_TRY(auto attempted, attempt(table, writes));
  return attempted.refused ? Status(fail(*std::move(attempted.refused))) : ok();
}

Result<std::vector<DualTarget::Refused>> DualTarget::write_each(const Table& table,
                                                                const std::vector<Write>& writes) {
  std::vector<size_t> left(writes.size());
  for (size_t i = 0; i < left.size(); ++i) left[i] = i;
  // What goes first, since it only frees values.
  std::stable_partition(left.begin(), left.end(),
                        [&](size_t i) { return writes[i].row == nullptr; });
  std::vector<Refused> refused;
  for (bool moved = true; moved && !left.empty();) {
    moved = false;
    refused.clear();
    for (const size_t i : std::exchange(left, {})) {
      CROSSFADE_TRY(auto attempted, attempt(table, {writes[i]}));
      if (attempted.refused) {
        refused.push_back({i, *std::move(attempted.refused)});
        left.push_back(i);
      } else {
        moved = true;
      }
    }
  }
  if (left.size() < 2) return refused;
  // Values that change places: all out, then all in.
  std::vector<Write> anew;
  for (const size_t i : left) {
    if (writes[i].there) anew.push_back({writes[i].key, nullptr, true});
  }
  CROSSFADE_TRY(target_.exec("SAVEPOINT places"));
  auto swapped = [&]() -> Status {
    CROSSFADE_TRY(remove(table, anew));
    std::vector<Write> in;
    for (const size_t i : left) in.push_back({writes[i].key, writes[i].row, false});
    return insert(table, in);
  }();
  if (!swapped) {
    if (swapped.error().remedy != Remedy::kQuarantine) return fail(std::move(swapped).error());
    CROSSFADE_TRY(target_.exec("ROLLBACK TO SAVEPOINT places; RELEASE SAVEPOINT places"));
    return refused;
  }
  CROSSFADE_TRY(target_.exec("RELEASE SAVEPOINT places"));
  return std::vector<Refused>();
}

Result<std::vector<LockedRow>> DualTarget::rivals(const Table& table, const Row& key,
                                                  const Row& row) {
  std::vector<LockedRow> out;
  const std::string name = quote(target_schema_, table.target_name);
  CROSSFADE_TRY(const auto indexes,
                target_.query("SELECT i.indexrelid::text, i.indnkeyatts::text, "
                              "coalesce(pg_get_expr(i.indpred, i.indrelid), 'true') "
                              "FROM pg_index i WHERE i.indrelid=$1::regclass AND i.indisunique "
                              "AND NOT i.indisprimary AND i.indisvalid",
                              {postgres::text_param(name)}));
  for (int i = 0; i < indexes.rows(); ++i) {
    const std::string predicate = indexes.text(i, 2);
    const int64_t parts = indexes.integer(i, 1);
    std::string where =
        fmt::format("({0}) AND (SELECT {0} FROM {1})", predicate, apply::row_source_sql(table));
    for (int64_t part = 1; part <= parts; ++part) {
      CROSSFADE_TRY(const auto shown, target_.exec(fmt::format("SELECT pg_get_indexdef({},{},true)",
                                                               indexes.text(i, 0), part)));
      where += fmt::format(" AND ({0}) = (SELECT {0} FROM {1})", shown.text(0, 0),
                           apply::row_source_sql(table));
    }
    CROSSFADE_TRY(auto params, arrays_of(table, {&row}, target_.server_version()));
    CROSSFADE_TRY(const auto found,
                  target_.query(fmt::format("SELECT {} FROM {} AS t WHERE {} FOR UPDATE OF t",
                                            read_list(table), name, where),
                                params.finish()));
    for (int r = 0; r < found.rows(); ++r) {
      LockedRow rival = decode(table, found, r);
      const Row its_key = key_of_row(table, rival.values);
      const bool known = std::any_of(out.begin(), out.end(), [&](const LockedRow& other) {
        return key_of_row(table, other.values) == its_key;
      });
      if (its_key != key && !known) out.push_back(std::move(rival));
    }
  }
  return out;
}

}  // namespace crossfade::run
