#include "engine/run/target_misfits.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "apply/encoder.h"
#include "apply/quarantine.h"
#include "apply/snapshot_reader.h"
#include "apply/variant.h"
#include "engine/core/limits.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::run {
namespace {

// Finds misfits in the chunks that the copy would send.
class MisfitScan {
 public:
  MisfitScan(const Table& table, std::vector<schema::Finding>* findings)
      : table_(table), codecs_(apply::codecs_of(table)), findings_(*findings) {
    by_column_.resize(table.columns.size());
  }

  void look(const apply::Misfit& misfit) {
    for (size_t i = 0; i < table_.columns.size(); ++i) {
      const Value& value = misfit.row[i];
      std::string field;
      const bool fits = apply::append_field(view_of(value), codecs_[i], &field);
      const bool text_flaw = !fits && value.storage() == StorageClass::kText &&
                             table_.columns[i].type.base == TargetType::kText &&
                             !apply::is_target_text(value.text());
      // Text that no text holds has a finding of its own.
      if (!fits && !text_flaw) add(i, misfit.row, to_literal(value, 60));
    }
  }

  void add_null(size_t column, const Row& row) { add(column, row, "NULL"); }

  void report() {
    for (size_t i = 0; i < by_column_.size(); ++i) {
      schema::Finding& tally = by_column_[i];
      if (tally.rows == 0) continue;
      const Column& column = table_.columns[i];
      schema::Finding finding =
          schema::about(table_, column, schema::Severity::kBlocker, "target_misfit");
      finding.rows = tally.rows;
      finding.samples = std::move(tally.samples);
      finding.message = fmt::format("{} values do not fit {}{}{}, which the target has", tally.rows,
                                    to_string(column.type), column.not_null ? " NOT NULL" : "",
                                    describe_form(column.type));
      finding.remedy = fmt::format(
          "ALTER TABLE ... ALTER COLUMN \"{}\" TYPE ... on the target to one that takes them; or "
          "mend the rows; or say by a rule how they are to be read; or run with --quarantine to "
          "set the rows aside with their exact values",
          column.target_name);
      findings_.push_back(std::move(finding));
    }
  }

 private:
  void add(size_t column, const Row& row, const std::string& literal) {
    schema::Finding& tally = by_column_[column];
    ++tally.rows;
    if (tally.samples.size() >= limits::kSamplesMax) return;
    Row key;
    for (const size_t k : table_.key) key.push_back(row[k]);
    tally.samples.push_back(apply::key_literal(table_, key) + ": " + literal);
  }

  const Table& table_;
  std::vector<apply::Codec> codecs_;
  std::vector<schema::Finding> by_column_;
  std::vector<schema::Finding>& findings_;
};

Error is_interrupted(const Table& table) {
  Error error;
  error.code = ErrorCode::kInterrupted;
  error.op = "inspect.misfits";
  error.object = table.name;
  return error;
}

Status scan_values(sqlite::Connection& source, const Table& table, StopSource* stop,
                   MisfitScan* scan) {
  apply::CopyPosition position;
  for (bool last = false; !last;) {
    if (stop != nullptr && stop->requested()) return fail(is_interrupted(table));
    CROSSFADE_TRY(auto read, sqlite::Transaction::begin(source, sqlite::Begin::kDeferred));
    CROSSFADE_TRY(auto chunk, apply::read_copy_chunk(source, table, position, limits::kChunkRowsMax,
                                                     Deadline::after(limits::kChunkReadMax)));
    for (const apply::Misfit& misfit : chunk.misfits) scan->look(misfit);
    position = std::move(chunk.position);
    last = chunk.last || chunk.null_key;
  }
  return ok();
}

Status scan_nulls(sqlite::Connection& source, const schema::TablePlan& plan, MisfitScan* scan) {
  const Table& table = plan.table;
  std::string columns;
  for (const Column& column : table.columns) {
    columns += (columns.empty() ? "" : ",") + column.source_sql;
  }
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (!table.columns[i].not_null || plan.storage[i].null == 0) continue;
    CROSSFADE_TRY(auto rows,
                  sqlite::Statement::prepare(
                      source, fmt::format("SELECT {} FROM {} WHERE {} IS NULL", columns,
                                          sqlite::quote(table.name), table.columns[i].source_sql)));
    while (true) {
      CROSSFADE_TRY(const bool there, rows.step());
      if (!there) break;
      scan->add_null(i, rows.row());
    }
  }
  return ok();
}

}  // namespace

Status find_target_misfits(sqlite::Connection& source, const std::vector<schema::TablePlan>& plans,
                           StopSource* stop, std::vector<schema::Finding>* findings) {
  for (const schema::TablePlan& plan : plans) {
    if (!plan.table.adopted) continue;
    MisfitScan scan(plan.table, findings);
    CROSSFADE_TRY(scan_values(source, plan.table, stop, &scan));
    CROSSFADE_TRY(scan_nulls(source, plan, &scan));
    scan.report();
  }
  std::stable_partition(findings->begin(), findings->end(), [](const schema::Finding& finding) {
    return finding.severity == schema::Severity::kBlocker;
  });
  return ok();
}

}  // namespace crossfade::run
