#include "engine/run/conflict_store.h"

#include <fmt/format.h>

#include <utility>

#include "apply/net_changes.h"
#include "apply/quarantine.h"
#include "engine/core/digest.h"
#include "engine/run/conflict_rows.h"
#include "engine/schema/utf8.h"

namespace crossfade::run {
namespace {

// A decision was about the rows that were there: with others it is to be made anew.
constexpr const char* kRecordConflict = R"(
INSERT INTO crossfade.conflicts AS c(table_name, kind, state, resolution, why, lsn, key, key_id,
  key_bytes, target_key, target_key_bytes, base_row, source_row, target_row, result_row, source_at,
  target_at, resolved_at)
VALUES($1, $2, $3, $4, $5, $6::bigint, $7, $8, decode($9, 'hex'), $10, decode($11, 'hex'),
  $12::jsonb, $13::jsonb, $14::jsonb, $15::jsonb,
  'epoch'::timestamptz + $16::bigint * interval '1 microsecond',
  'epoch'::timestamptz + $17::bigint * interval '1 microsecond',
  CASE WHEN $3 = 'resolved' THEN clock_timestamp() END)
ON CONFLICT(table_name, key_id) WHERE state = 'waiting' DO UPDATE SET
  kind = excluded.kind, why = excluded.why, lsn = excluded.lsn,
  target_key = excluded.target_key, target_key_bytes = excluded.target_key_bytes,
  base_row = excluded.base_row, source_row = excluded.source_row,
  target_row = excluded.target_row, source_at = excluded.source_at,
  target_at = excluded.target_at,
  (decision, decision_row, decision_bytes, decided_at) = (
    SELECT c.decision, c.decision_row, c.decision_bytes, c.decided_at
    WHERE c.source_row IS NOT DISTINCT FROM excluded.source_row
      AND c.target_row IS NOT DISTINCT FROM excluded.target_row
      AND c.target_key_bytes IS NOT DISTINCT FROM excluded.target_key_bytes)
WHERE excluded.kind <> 'source_refuses' OR (c.kind = 'source_refuses'
  AND (c.why, c.source_row, c.target_row)
    IS DISTINCT FROM (excluded.why, excluded.source_row, excluded.target_row))
)";

std::string hex_of(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    out.push_back(kDigits[u >> 4U]);
    out.push_back(kDigits[u & 15U]);
  }
  return out;
}

// Of encode(..., 'hex').
std::string bytes_from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  out.reserve(hex.size() / 2);
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return out;
}

postgres::Param text_or_null(const std::optional<std::string>& text) {
  return text ? postgres::text_param(*text) : postgres::Param{0, {}, true};
}

std::optional<std::string> jsonb_of(const Table& table, const std::optional<Row>& row) {
  if (!row) return std::nullopt;
  return row_to_jsonb(table, *row);
}

std::optional<std::string> micros_of(int64_t since_1970) {
  if (since_1970 == 0) return std::nullopt;
  return fmt::format("{}", since_1970);
}

Error damaged_conflict(int64_t id, const std::string& table) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "conflicts.read";
  error.object = fmt::format("conflict {} of table {}", id, table);
  error.native = "its key or row is not what crossfade wrote";
  error.hint =
      "somebody altered crossfade.conflicts; decide it anew with `crossfade conflicts resolve`, or "
      "put the entry back as it was";
  return error;
}

Decision decision_from(const std::string& name) {
  if (name == "source") return Decision::kSource;
  if (name == "target") return Decision::kTarget;
  return name == "row" ? Decision::kRow : Decision::kNone;
}

// Nothing: the bytes are not those of append_identity().
std::optional<WaitingConflict> read_waiting(const postgres::QueryResult& rows, int i) {
  WaitingConflict out;
  out.id = rows.integer(i, 0);
  out.table = rows.text(i, 1);
  auto key = parse_identity(bytes_from_hex(rows.bytes(i, 2)));
  if (!key || key->empty()) return std::nullopt;
  out.key = std::move(*key);
  if (!rows.is_null(i, 3)) {
    out.target_key = parse_identity(bytes_from_hex(rows.bytes(i, 3)));
    if (!out.target_key) return std::nullopt;
  }
  out.decision = decision_from(rows.text(i, 4));
  if (out.decision == Decision::kRow) {
    out.row = parse_identity(bytes_from_hex(rows.bytes(i, 5)));
    if (!out.row) return std::nullopt;
  }
  out.passes = rows.text(i, 6) == to_string(ConflictKind::kSourceRefuses);
  return out;
}

}  // namespace

Result<bool> record_conflict(postgres::Connection& target, const ConflictRecord& record) {
  const Table& table = *record.table;
  const bool waits = record.taken == apply::Taken::kWaits;
  const std::string identity = apply::identity_of(record.key);
  const std::string key = schema::printable(apply::key_literal(table, record.key));
  const std::string key_id = to_hex(digest_bytes(identity));
  const std::string key_bytes = hex_of(identity);
  const std::string why = schema::printable(record.why);
  const std::string lsn = fmt::format("{}", record.source_lsn.value);
  std::optional<std::string> resolution;
  if (!waits) resolution = to_string(record.taken);
  std::optional<std::string> target_key;
  std::optional<std::string> target_key_bytes;
  if (record.target_key) {
    target_key = schema::printable(apply::key_literal(table, *record.target_key));
    target_key_bytes = hex_of(apply::identity_of(*record.target_key));
  }
  const auto base = jsonb_of(table, record.base);
  const auto source = jsonb_of(table, record.source);
  const auto of_target = jsonb_of(table, record.target);
  const auto result = waits ? std::nullopt : jsonb_of(table, record.result);
  const auto source_at = micros_of(record.source_us);
  const auto target_at = micros_of(record.target_us);
  CROSSFADE_TRY(
      const auto done,
      target.query(kRecordConflict,
                   {postgres::text_param(table.name), postgres::text_param(to_string(record.kind)),
                    postgres::text_param(waits ? "waiting" : "resolved"), text_or_null(resolution),
                    postgres::text_param(why), postgres::text_param(lsn), postgres::text_param(key),
                    postgres::text_param(key_id), postgres::text_param(key_bytes),
                    text_or_null(target_key), text_or_null(target_key_bytes), text_or_null(base),
                    text_or_null(source), text_or_null(of_target), text_or_null(result),
                    text_or_null(source_at), text_or_null(target_at)}));
  return done.affected() > 0;
}

Result<std::vector<WaitingConflict>> waiting_conflicts(postgres::Connection& target) {
  CROSSFADE_TRY(
      const auto rows,
      target.exec("SELECT id,table_name,encode(key_bytes,'hex'),"
                  "encode(target_key_bytes,'hex'),decision,encode(decision_bytes,'hex'),kind "
                  "FROM crossfade.conflicts WHERE state='waiting' ORDER BY id"));
  std::vector<WaitingConflict> out;
  for (int i = 0; i < rows.rows(); ++i) {
    auto each = read_waiting(rows, i);
    if (!each) return fail(damaged_conflict(rows.integer(i, 0), rows.text(i, 1)));
    out.push_back(std::move(*each));
  }
  return out;
}

Result<int64_t> waiting_conflict_count(postgres::Connection& target) {
  CROSSFADE_TRY(const auto row, target.exec("SELECT count(*) FROM crossfade.conflicts WHERE "
                                            "state='waiting'"));
  return row.integer(0, 0);
}

Status note_rows(postgres::Connection& target, int64_t id, const Table& table,
                 const std::optional<Row>& source, const std::optional<Row>& target_row) {
  const std::string number = fmt::format("{}", id);
  const auto of_source = jsonb_of(table, source);
  const auto of_target = jsonb_of(table, target_row);
  CROSSFADE_TRY(target.query(
      "UPDATE crossfade.conflicts SET source_row=$2::jsonb,target_row=$3::jsonb "
      "WHERE id=$1::bigint AND state='waiting'",
      {postgres::text_param(number), text_or_null(of_source), text_or_null(of_target)}));
  return ok();
}

Status mark_resolved(postgres::Connection& target, int64_t id, apply::Taken taken,
                     const Table& table, const std::optional<Row>& result) {
  const std::string number = fmt::format("{}", id);
  const auto row = jsonb_of(table, result);
  CROSSFADE_TRY(const auto done,
                target.query("UPDATE crossfade.conflicts SET state='resolved',resolution=$2,"
                             "result_row=$3::jsonb,by_person=true,resolved_at=clock_timestamp() "
                             "WHERE id=$1::bigint AND state='waiting'",
                             {postgres::text_param(number), postgres::text_param(to_string(taken)),
                              text_or_null(row)}));
  if (done.affected() == 1) return ok();
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "conflicts.resolve";
  error.object = fmt::format("conflict {} of table {}", id, table.name);
  error.native = "it does not wait any more";
  error.hint = "another engine resolved it, or somebody altered crossfade.conflicts";
  return fail(std::move(error));
}

Status mark_fits(postgres::Connection& target, int64_t id) {
  const std::string number = fmt::format("{}", id);
  CROSSFADE_TRY(target.query(
      "UPDATE crossfade.conflicts SET state='resolved',resolution=$2,why='the row fits by now',"
      "resolved_at=clock_timestamp() WHERE id=$1::bigint AND state='waiting' AND "
      "kind='source_refuses' AND decision IS NULL",
      {postgres::text_param(number), postgres::text_param(to_string(apply::Taken::kSame))}));
  return ok();
}

Status refuse_decision(postgres::Connection& target, int64_t id, const std::string& why) {
  const std::string number = fmt::format("{}", id);
  CROSSFADE_TRY(
      target.query("UPDATE crossfade.conflicts SET decision=NULL,decision_row=NULL,"
                   "decision_bytes=NULL,decided_at=NULL,why=$2 WHERE id=$1::bigint AND "
                   "state='waiting'",
                   {postgres::text_param(number), postgres::text_param(why)}));
  return ok();
}

}  // namespace crossfade::run
