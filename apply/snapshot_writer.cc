#include "apply/snapshot_writer.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "apply/row_writer.h"
#include "engine/observe/fault.h"
#include "engine/postgres/quote.h"

namespace crossfade::apply {
namespace {

using postgres::quote;

Status write_in_transaction(postgres::Connection& target, const std::string& target_schema,
                            LeaseToken token, const Table& table, const CopyChunk& chunk,
                            Lsn watermark) {
  CROSSFADE_TRY(target.exec("BEGIN; SET LOCAL synchronous_commit = off"));
  CROSSFADE_TRY(copy_rows(target, target_schema, table, chunk.rows, 0, chunk.rows.count()));
  for (const Misfit& misfit : chunk.misfits) {
    CROSSFADE_TRY(quarantine_row(target, table, misfit, watermark));
  }
  const std::string position = chunk.position.to_text();
  const std::string rows = fmt::format("{}", chunk.count());
  const std::string lsn = fmt::format("{}", watermark.value);
  CROSSFADE_TRY(target.query(
      fmt::format("UPDATE crossfade.tables SET copy_position=$2,rows_copied=rows_copied+$3::bigint,"
                  "consistent_lsn=greatest(consistent_lsn,$4::bigint){} WHERE name=$1",
                  chunk.last ? ",state='copied'" : ""),
      {postgres::text_param(table.name), postgres::text_param(position), postgres::text_param(rows),
       postgres::text_param(lsn)}));
  CROSSFADE_TRY(target.exec(fmt::format("SELECT crossfade.check_lease({})", token.value)));
  fault_point("copy.chunk.before_commit");
  CROSSFADE_TRY(target.commit());
  fault_point("copy.chunk.after_commit");
  return ok();
}

}  // namespace

Status write_copy_chunk(postgres::Connection& target, const std::string& target_schema,
                        LeaseToken token, const Table& table, const CopyChunk& chunk,
                        Lsn watermark) {
  auto written = write_in_transaction(target, target_schema, token, table, chunk, watermark);
  if (!written && written.error().remedy == Remedy::kQuarantine) target.rollback();
  return written;
}

namespace {

constexpr const char* kUniqueViolation = "23505";
constexpr const char* kDuplicateTable = "42P07";  // of the index's name

struct KeyAttempt {
  std::optional<Error> refusal;  // after which the transaction can go on
};

Result<KeyAttempt> try_primary_key(postgres::Connection& target, const std::string& ddl) {
  CROSSFADE_TRY(target.exec("SAVEPOINT primary_key"));
  auto added = target.exec(ddl);
  if (added) {
    CROSSFADE_TRY(target.exec("RELEASE SAVEPOINT primary_key"));
    return KeyAttempt();
  }
  const std::string& state = added.error().sqlstate;
  if (state != kUniqueViolation && state != kDuplicateTable) return fail(std::move(added).error());
  CROSSFADE_TRY(target.exec("ROLLBACK TO SAVEPOINT primary_key"));
  return KeyAttempt{std::move(added).error()};
}

}  // namespace

Status add_primary_key(postgres::Connection& target, const std::string& target_schema,
                       const Table& table) {
  std::string ddl = table.primary_key_ddl;
  if (ddl.empty()) return ok();  // it has been there all the time
  const std::string name = quote(target_schema, table.target_name);
  CROSSFADE_TRY(auto attempt, try_primary_key(target, ddl));
  if (attempt.refusal && attempt.refusal->sqlstate == kDuplicateTable) {
    // A table that came later may use the name of another's key again. PostgreSQL chooses one.
    std::string columns;
    for (const size_t k : table.key) {
      columns += (columns.empty() ? "" : ", ") + quote(table.columns[k].target_name);
    }
    ddl = fmt::format("ALTER TABLE {} ADD PRIMARY KEY ({})", name, columns);
    CROSSFADE_TRY(attempt, try_primary_key(target, ddl));
  }
  if (!attempt.refusal) return ok();
  if (attempt.refusal->sqlstate != kUniqueViolation) return fail(std::move(*attempt.refusal));
  std::string same;
  for (const size_t k : table.key) {
    const std::string column = quote(table.columns[k].target_name);
    same += fmt::format("{}a.{}=b.{}", same.empty() ? "" : " AND ", column, column);
  }
  CROSSFADE_TRY(target.exec(
      fmt::format("DELETE FROM {0} a USING {0} b WHERE {1} AND a.ctid<b.ctid", name, same)));
  CROSSFADE_TRY(target.exec(ddl));
  return ok();
}

}  // namespace crossfade::apply
