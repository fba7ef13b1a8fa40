#include "tests/support/oracle.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "tests/support/oracle_sides.h"

namespace crossfade::testing {
namespace {

using oracle::Cells;

constexpr const char* kRowidColumn = "_crossfade_rowid";
constexpr size_t kShownBytesMax = 60;  // of one cell

std::string shown(const std::string& cell) {
  std::string out;
  for (const char c : cell.substr(0, kShownBytesMax)) {
    const auto u = static_cast<unsigned char>(c);
    out += u < 0x20 || u == 0x7f ? fmt::format("\\x{:02x}", u) : std::string(1, c);
  }
  return out + (cell.size() > kShownBytesMax ? "..." : "");
}

std::string shown(const std::vector<oracle::TargetColumn>& columns, const Cells& cells) {
  std::string out;
  for (size_t i = 0; i < cells.size(); ++i) {
    out += fmt::format("{}{}={}", out.empty() ? "" : ", ", columns[i].name, shown(cells[i]));
  }
  return out;
}

class Comparison {
 public:
  Comparison(sqlite3* source, pg_conn* target, const OracleOptions& options)
      : source_(source), target_(target), options_(options) {}

  std::string run() {
    auto on_source = oracle::source_tables(source_, &error_);
    auto on_target = oracle::target_tables(target_, options_.target_schema, &error_);
    for (const std::string& table : on_source) {
      if (!error_.empty()) return error_;
      if (options_.ignored_tables.count(table) != 0) continue;
      const std::string name = target_name(table, table);
      const auto found = std::find(on_target.begin(), on_target.end(), name);
      if (found == on_target.end()) {
        report_ += fmt::format("table {}: not on the target\n", table);
        continue;
      }
      on_target.erase(found);
      compare_table(table, name);
    }
    for (const std::string& table : on_target) {
      if (options_.ignored_tables.count(table) != 0) continue;
      report_ += fmt::format("table {}: on the target only\n", table);
    }
    return error_.empty() ? report_ : error_;
  }

 private:
  [[nodiscard]] std::string target_name(const std::string& path, const std::string& name) const {
    const auto changed = options_.target_names.find(path);
    return changed == options_.target_names.end() ? name : changed->second;
  }

  void compare_table(const std::string& table, const std::string& name) {
    const auto columns = oracle::target_columns(target_, options_.target_schema, name, &error_);
    auto unmatched = oracle::source_columns(source_, table, &error_);
    std::vector<std::string> source_columns;  // beside `columns`
    std::vector<std::string> types;
    for (const auto& column : columns) {
      const auto match = std::find_if(unmatched.begin(), unmatched.end(), [&](const auto& c) {
        return target_name(table + "." + c, c) == column.name;
      });
      if (match != unmatched.end()) {
        source_columns.push_back(*match);
        unmatched.erase(match);
      } else if (column.name == kRowidColumn) {
        source_columns.emplace_back();
      } else {
        report_ += fmt::format("table {}: column {} on the target only\n", table, column.name);
        return;
      }
      types.push_back(column.type);
    }
    for (const std::string& column : unmatched) {
      report_ += fmt::format("table {}: column {} not on the target\n", table, column);
    }
    if (!unmatched.empty() || !error_.empty()) return;
    auto left = oracle::source_rows(source_, table, source_columns, types, &error_);
    auto right = oracle::target_rows(target_, options_.target_schema, name, columns, &error_);
    report_rows(table, columns, &left, &right);
  }

  void report_rows(const std::string& table, const std::vector<oracle::TargetColumn>& columns,
                   std::vector<Cells>* left, std::vector<Cells>* right) {
    std::sort(left->begin(), left->end());
    std::sort(right->begin(), right->end());
    if (*left == *right) return;
    std::vector<Cells> missing;
    std::vector<Cells> extra;
    std::set_difference(left->begin(), left->end(), right->begin(), right->end(),
                        std::back_inserter(missing));
    std::set_difference(right->begin(), right->end(), left->begin(), left->end(),
                        std::back_inserter(extra));
    report_ += fmt::format("table {}: {} rows in SQLite, {} in PostgreSQL; {} and {} differ\n",
                           table, left->size(), right->size(), missing.size(), extra.size());
    const auto list = [&](const char* side, const std::vector<Cells>& rows) {
      for (size_t i = 0; i < std::min(rows.size(), options_.differences_max); ++i) {
        report_ += fmt::format("  only in {}: {}\n", side, shown(columns, rows[i]));
      }
    };
    list("SQLite", missing);
    list("PostgreSQL", extra);
  }

  sqlite3* source_;
  pg_conn* target_;
  const OracleOptions& options_;
  std::string report_;
  std::string error_;
};

}  // namespace

std::string compare_databases(const std::string& sqlite_path, const std::string& url,
                              const OracleOptions& options) {
  std::string error;
  const auto source = oracle::open_source(sqlite_path, &error);
  if (!error.empty()) return error;
  const auto target = oracle::open_target(url, &error);
  if (!error.empty()) return error;
  return Comparison(source.get(), target.get(), options).run();
}

}  // namespace crossfade::testing
