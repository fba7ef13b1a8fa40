#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

#include "engine/core/deadline.h"
#include "engine/core/limits.h"
#include "engine/schema/assessment_source.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::schema {
namespace {

// Estimates rest on this many rows from each end of a table, or on what these bytes hold.
constexpr int64_t kSampleRows = 100;
constexpr size_t kSampleBytesMax = size_t{4} * limits::kMiB;
constexpr double kSourcePageFill = 0.85;   // of SQLite's pages, as rows come and go
constexpr int64_t kCellOverheadBytes = 8;  // cell pointer, lengths, rowid

struct Estimate {
  double row_bytes = 0;
  std::vector<double> column_bytes;
};

class SizeReader {
 public:
  SizeReader(sqlite::Connection& connection, const DatabaseFacts& facts, bool use_dbstat)
      : connection_(connection), facts_(facts), deadline_(Deadline::after(limits::kSizesMax)) {
    dbstat_ = use_dbstat && sqlite::Statement::prepare(connection_, "SELECT 1 FROM dbstat LIMIT 0");
  }

  Result<Sizes> read(const Plan& plan) {
    CROSSFADE_TRY(read_roots());
    Sizes out;
    int64_t counted = 0;
    size_t measured = 0;
    for (const TablePlan& table : plan.tables) {
      CROSSFADE_TRY(const TableSize size, read_table(table));
      counted += size.table_bytes + size.index_bytes;
      if (size.measured) ++measured;
      out.tables.push_back(size);
    }
    const int64_t used = (facts_.pages - facts_.free_pages) * facts_.page_bytes;
    scale_estimates(used, &counted, &out.tables);
    out.other_bytes = std::max<int64_t>(0, used - counted);
    out.basis = basis(measured, plan.tables.size());
    return out;
  }

 private:
  // The indexes of each table, those of PRIMARY KEY and UNIQUE clauses included.
  Status read_roots() {
    CROSSFADE_TRY(auto row,
                  sqlite::Statement::prepare(
                      connection_, "SELECT tbl_name, name FROM sqlite_master WHERE type='index'"));
    while (true) {
      CROSSFADE_TRY(const bool there, row.step());
      if (!there) return ok();
      indexes_[std::string(row.bytes(0))].emplace_back(row.bytes(1));
    }
  }

  Result<TableSize> read_table(const TablePlan& plan) {
    TableSize size;
    CROSSFADE_TRY(auto bytes, btree_bytes(plan.table.name));
    bool complete = bytes.has_value();
    size.table_bytes = bytes.value_or(0);
    for (const std::string& index : indexes_[plan.table.name]) {
      if (!complete) break;
      CROSSFADE_TRY(bytes, btree_bytes(index));
      complete = bytes.has_value();
      size.index_bytes += bytes.value_or(0);
    }
    size.measured = complete;
    if (complete) return size;
    return estimate(plan);
  }

  // Nothing: dbstat is missing, or the time was up. Row by row, because its aggregate would read a
  // whole btree in one step.
  Result<std::optional<int64_t>> btree_bytes(const std::string& name) {
    if (!dbstat_ || deadline_.expired()) return std::optional<int64_t>();
    CROSSFADE_TRY(auto page, sqlite::Statement::prepare(
                                 connection_, "SELECT pgsize FROM dbstat('main') WHERE name=?1"));
    page.bind_text(1, name);
    const Deadline deadline = Deadline::after(limits::kSizeReadMax).sooner(deadline_);
    int64_t bytes = 0;
    for (int64_t pages = 1;; ++pages) {
      CROSSFADE_TRY(const bool there, page.step());
      if (!there) return std::optional<int64_t>(bytes);
      bytes += page.integer(0);
      if (pages % 256 == 0 && deadline.expired()) return std::optional<int64_t>();
    }
  }

  Result<TableSize> estimate(const TablePlan& plan) {
    Estimate estimate;
    estimate.column_bytes.resize(plan.table.columns.size());
    int64_t rows = 0;
    CROSSFADE_TRY(sample(plan.table, "", &estimate, &rows));
    if (plan.rows > rows && !plan.table.rowid_name.empty()) {
      const std::string from_the_end = " ORDER BY " + plan.table.rowid_name + " DESC";
      CROSSFADE_TRY(sample(plan.table, from_the_end, &estimate, &rows));
    }
    TableSize size;
    if (rows == 0) {
      size.table_bytes = facts_.page_bytes;
      size.index_bytes = facts_.page_bytes * static_cast<int64_t>(indexes_[plan.table.name].size());
      return size;
    }
    const double all_rows = static_cast<double>(plan.rows) / static_cast<double>(rows);
    size.table_bytes = pages(estimate.row_bytes * all_rows, plan.rows);
    const std::vector<std::string>& roots = indexes_[plan.table.name];
    for (const Index& index : plan.table.indexes) {
      if (std::find(roots.begin(), roots.end(), index.name) == roots.end()) continue;
      double bytes = 0;
      for (const Index::Part& part : index.parts) bytes += estimate.column_bytes[part.column];
      size.index_bytes += pages(bytes * all_rows, plan.rows);
    }
    return size;
  }

  Status sample(const Table& table, const std::string& order, Estimate* estimate, int64_t* rows) {
    std::string list;
    std::vector<size_t> columns;
    for (size_t i = 0; i < table.columns.size(); ++i) {
      if (table.columns[i].synthetic) continue;
      list += (list.empty() ? "" : ", ") + table.columns[i].source_sql;
      columns.push_back(i);
    }
    CROSSFADE_TRY(auto row,
                  sqlite::Statement::prepare(
                      connection_, fmt::format("SELECT {} FROM main.{}{} LIMIT {}", list,
                                               sqlite::quote(table.name), order, kSampleRows)));
    size_t read = 0;
    while (read < kSampleBytesMax) {
      CROSSFADE_TRY(const bool there, row.step());
      if (!there) break;
      ++*rows;
      for (size_t i = 0; i < columns.size(); ++i) {
        const size_t bytes = value_bytes(row, static_cast<int>(i));
        estimate->column_bytes[columns[i]] += static_cast<double>(bytes + 1);  // and its type
        estimate->row_bytes += static_cast<double>(bytes + 1);
        read += bytes;
      }
    }
    return ok();
  }

  static size_t value_bytes(const sqlite::Statement& row, int column) {
    switch (row.storage(column)) {
      case StorageClass::kNull:
        return 0;
      case StorageClass::kInteger:
        return 4;  // 1 to 8
      case StorageClass::kReal:
        return 8;
      case StorageClass::kText:
      case StorageClass::kBlob:
        return row.bytes(column).size();
    }
    return 0;
  }

  [[nodiscard]] int64_t pages(double bytes, int64_t rows) const {
    const double filled =
        (bytes + static_cast<double>(rows * kCellOverheadBytes)) / kSourcePageFill;
    const auto page = static_cast<double>(facts_.page_bytes);
    return (static_cast<int64_t>(filled / page) + 1) * facts_.page_bytes;
  }

  // Estimates that come to more than the file holds are too high by at least that.
  static void scale_estimates(int64_t used, int64_t* counted, std::vector<TableSize>* sizes) {
    int64_t estimated = 0;
    for (const TableSize& size : *sizes) {
      if (!size.measured) estimated += size.table_bytes + size.index_bytes;
    }
    if (estimated == 0 || *counted <= used) return;
    const int64_t rest = std::max<int64_t>(0, used - (*counted - estimated));
    const double share = static_cast<double>(rest) / static_cast<double>(estimated);
    *counted = 0;
    for (TableSize& size : *sizes) {
      if (!size.measured) {
        size.table_bytes = static_cast<int64_t>(static_cast<double>(size.table_bytes) * share);
        size.index_bytes = static_cast<int64_t>(static_cast<double>(size.index_bytes) * share);
      }
      *counted += size.table_bytes + size.index_bytes;
    }
  }

  [[nodiscard]] std::string basis(size_t measured, size_t all) const {
    if (measured == all) return "measured: the pages of each table and index (SQLite's dbstat)";
    const std::string how = fmt::format("from up to {} rows of each", 2 * kSampleRows);
    if (!dbstat_) return "estimated " + how + ", because this SQLite has no dbstat";
    return fmt::format(
        "measured for {} of {} tables; the others would have taken too long and are "
        "estimated {}",
        measured, all, how);
  }

  sqlite::Connection& connection_;
  const DatabaseFacts& facts_;
  const Deadline deadline_;
  bool dbstat_ = false;
  std::map<std::string, std::vector<std::string>> indexes_;  // by table
};

}  // namespace

Result<Sizes> measure_sizes(sqlite::Connection& connection, const Plan& plan,
                            const DatabaseFacts& facts, bool use_dbstat) {
  return SizeReader(connection, facts, use_dbstat).read(plan);
}

}  // namespace crossfade::schema
