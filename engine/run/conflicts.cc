#include "engine/run/conflicts.h"

#include <fmt/format.h>

#include <utility>

#include "apply/net_changes.h"
#include "engine/run/conflict_rows.h"

namespace crossfade::run {
namespace {

std::string iso(const char* column) {
  return fmt::format(R"(to_char({} AT TIME ZONE 'UTC','YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))", column);
}

std::string entry_columns() {
  return "id,xmin::text,table_name,kind,state='waiting',resolution,"
         "CASE WHEN rows_expected IS NULL THEN why ELSE format('%s rows were to be there, %s were',"
         "rows_expected,rows_found) END,by_person,key,target_key,"
         "lsn," +
         iso("at") + "," + iso("source_at") + "," + iso("target_at") + "," + iso("decided_at") +
         "," + iso("resolved_at") +
         ",decision,base_row::text,source_row::text,target_row::text,result_row::text,"
         "decision_row::text";
}

ConflictEntry read_entry(const postgres::QueryResult& rows, int i) {
  ConflictEntry out;
  out.id = rows.integer(i, 0);
  out.version = rows.text(i, 1);
  out.table = rows.text(i, 2);
  out.kind = rows.text(i, 3);
  out.waits = rows.boolean(i, 4);
  out.resolution = rows.text(i, 5);
  out.why = rows.text(i, 6);
  out.by_person = rows.boolean(i, 7);
  out.key = rows.text(i, 8);
  out.target_key = rows.text(i, 9);
  out.lsn = rows.integer(i, 10);
  out.at = rows.text(i, 11);
  out.source_at = rows.text(i, 12);
  out.target_at = rows.text(i, 13);
  out.decided_at = rows.text(i, 14);
  out.resolved_at = rows.text(i, 15);
  out.decision = rows.text(i, 16);
  out.base = rows.text(i, 17);
  out.source = rows.text(i, 18);
  out.target = rows.text(i, 19);
  out.result = rows.text(i, 20);
  out.decided_row = rows.text(i, 21);
  return out;
}

const char* decision_name(Decision decision) {
  switch (decision) {
    case Decision::kSource:
      return "source";
    case Decision::kTarget:
      return "target";
    case Decision::kRow:
      return "row";
    case Decision::kNone:
      break;
  }
  return "";
}

std::string hex_of_identity(const Row& row) {
  std::string out;
  for (const char c : apply::identity_of(row)) {
    out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

Result<ConflictCounts> conflict_counts(TargetStore& store) {
  CROSSFADE_TRY(
      const auto row,
      store.connection().exec("SELECT count(*) FILTER (WHERE state='waiting'),"
                              "count(*) FILTER (WHERE state='waiting' AND decision IS NOT NULL),"
                              "count(*) FILTER (WHERE state='resolved') FROM crossfade.conflicts"));
  return ConflictCounts{row.integer(0, 0), row.integer(0, 1), row.integer(0, 2)};
}

Result<std::vector<ConflictEntry>> conflict_entries(TargetStore& store,
                                                    const ConflictFilter& filter) {
  const std::string ids = fmt::format("{{{}}}", fmt::join(filter.ids, ","));
  const std::string limit =
      filter.rows_max > 0 ? fmt::format(" LIMIT {}", filter.rows_max) : std::string();
  CROSSFADE_TRY(
      const auto rows,
      store.connection().query(
          fmt::format("SELECT {} FROM crossfade.conflicts WHERE ($1='{{}}' OR "
                      "id=ANY($1::bigint[])) AND ($2='' OR table_name=$2){} "
                      "ORDER BY id{}",
                      entry_columns(), filter.waiting_only ? " AND state='waiting'" : "", limit),
          {postgres::text_param(ids), postgres::text_param(filter.table)}));
  std::vector<ConflictEntry> out;
  out.reserve(static_cast<size_t>(rows.rows()));
  for (int i = 0; i < rows.rows(); ++i) out.push_back(read_entry(rows, i));
  return out;
}

Result<int64_t> decide_conflicts(TargetStore& store, const std::vector<ConflictEntry>& entries,
                                 Decision decision, const Table* table,
                                 const std::optional<Row>& row) {
  std::vector<int64_t> ids;
  std::vector<std::string> versions;
  for (const ConflictEntry& entry : entries) {
    ids.push_back(entry.id);
    versions.push_back(entry.version);
  }
  const std::string id_list = fmt::format("{{{}}}", fmt::join(ids, ","));
  const std::string version_list = fmt::format("{{{}}}", fmt::join(versions, ","));
  const std::string json = row ? row_to_jsonb(*table, *row) : std::string();
  const std::string bytes = row ? hex_of_identity(*row) : std::string();
  CROSSFADE_TRY(
      const auto done,
      store.connection().query(
          "UPDATE crossfade.conflicts c SET decision=$3,decision_row=nullif($4,'')::jsonb,"
          "decision_bytes=decode(nullif($5,''),'hex'),decided_at=clock_timestamp() FROM "
          "unnest($1::bigint[],$2::text[]) AS v(id,version) "
          "WHERE c.id=v.id AND c.xmin::text=v.version AND c.state='waiting'",
          {postgres::text_param(id_list), postgres::text_param(version_list),
           postgres::text_param(decision_name(decision)), postgres::text_param(json),
           postgres::text_param(bytes)}));
  return done.affected();
}

}  // namespace crossfade::run
