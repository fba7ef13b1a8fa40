#include "engine/schema/assessment.h"

#include <fmt/core.h>

#include <algorithm>

namespace crossfade::schema {
namespace {

// How long a move takes, in times of the evidence pass over the same rows. Measured by
// bench/inspect on 1M rows of 8 columns with three indexes, source and target on one machine.
constexpr double kCopyPerScan = 7;     // copy, indexes and constraints
constexpr double kVerifyPerScan = 2;   // the first verification
constexpr double kStartSeconds = 1.0;  // connecting, the schema, the first positions

// PostgreSQL's own bytes per row: 24 of tuple header, 4 of line pointer, about 8 of alignment.
constexpr int64_t kRowOverheadBytes = 36;
constexpr int64_t kIndexEntryOverheadBytes = 8;
// A page is filled to about 90 %, by indexes as well as by tables whose rows do not divide it.
constexpr double kTargetPageFill = 0.9;

}  // namespace

int64_t Assessment::table_bytes() const {
  int64_t sum = 0;
  for (const TableSize& size : sizes.tables) sum += size.table_bytes;
  return sum;
}

int64_t Assessment::index_bytes() const {
  int64_t sum = 0;
  for (const TableSize& size : sizes.tables) sum += size.index_bytes;
  return sum;
}

PlanTotals totals_of(const Plan& plan) {
  PlanTotals out;
  for (const TablePlan& each : plan.tables) {
    out.rows += each.rows;
    out.columns += std::count_if(each.table.columns.begin(), each.table.columns.end(),
                                 [](const Column& column) { return !column.synthetic; });
    out.indexes += static_cast<int64_t>(each.table.indexes.size());
    out.foreign_keys += static_cast<int64_t>(each.table.foreign_keys.size());
  }
  return out;
}

int64_t count_findings(const Plan& plan, Severity severity) {
  return std::count_if(plan.findings.begin(), plan.findings.end(),
                       [severity](const Finding& each) { return each.severity == severity; });
}

const char* to_string(Grade grade) {
  switch (grade) {
    case Grade::kReady:
      return "ready";
    case Grade::kReadyWithDecisions:
      return "ready_with_decisions";
    case Grade::kBlocked:
      return "blocked";
  }
  return "blocked";
}

Grade grade_of(const Plan& plan) {
  if (plan.blocked()) return Grade::kBlocked;
  return count_findings(plan, Severity::kWarning) > 0 ? Grade::kReadyWithDecisions : Grade::kReady;
}

CopyEstimate estimate_copy(const Plan& plan, const Sizes& sizes, double scan_seconds,
                           int64_t max_wal_bytes) {
  CopyEstimate out;
  out.scan_seconds = scan_seconds;
  out.copy_seconds = kStartSeconds + scan_seconds * kCopyPerScan;
  out.total_seconds = out.copy_seconds + scan_seconds * kVerifyPerScan;
  out.basis = fmt::format(
      "an estimate: reading every value took {:.3f} s on this machine just now, and a copy with "
      "its "
      "indexes takes {} times that, its verification {} times, where source and target share one "
      "machine; a network or a slower server makes it longer",
      scan_seconds, kCopyPerScan, kVerifyPerScan);
  double bytes = 0;
  for (size_t i = 0; i < plan.tables.size(); ++i) {
    const TablePlan& table = plan.tables[i];
    const auto indexes = static_cast<int64_t>(table.table.indexes.size()) + 1;
    bytes += static_cast<double>(sizes.tables[i].table_bytes + table.rows * kRowOverheadBytes +
                                 sizes.tables[i].index_bytes +
                                 table.rows * indexes * kIndexEntryOverheadBytes) /
             kTargetPageFill;
  }
  const auto data = static_cast<int64_t>(bytes);
  out.target_bytes = data + std::min(data, max_wal_bytes);
  out.target_bytes_basis = fmt::format(
      "an estimate: what the tables and indexes hold now, PostgreSQL's {} bytes more per row, "
      "pages "
      "{:.0f} % full, and as much again for its write-ahead log, up to max_wal_size",
      kRowOverheadBytes, kTargetPageFill * 100);
  return out;
}

}  // namespace crossfade::schema
