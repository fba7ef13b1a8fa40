#include "tools/cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "engine/observe/log.h"

namespace crossfade::cli {
namespace {

constexpr size_t kBarWidth = 30;
constexpr size_t kTablesShown = 8;

std::string bar(int64_t done, int64_t total) {
  const size_t full =
      total <= 0
          ? kBarWidth
          : std::min(kBarWidth, kBarWidth * static_cast<size_t>(done) / static_cast<size_t>(total));
  std::string out;
  for (size_t i = 0; i < kBarWidth; ++i) out += i < full ? "━" : "─";
  return out;
}

std::string duration(int64_t seconds) {
  if (seconds < 0) return "";
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

std::string summary(const run::StatusReport& r) {
  if (r.phase == "copying") {
    const std::string eta = duration(r.eta_s);
    return fmt::format("copying: {} of {} rows, {} rows/s{}{}", r.rows_copied, r.rows_total,
                       r.rows_per_s, eta.empty() ? "" : ", about ",
                       eta.empty() ? "" : eta + " left");
  }
  if (r.phase == "inspecting") return "reading what is stored, to choose types";
  if (r.rows_compared != 0) {
    return fmt::format("comparing both sides: {} of about {} rows, lag {} changes", r.rows_compared,
                       std::max(r.rows_total, r.rows_compared), r.lag_changes);
  }
  return fmt::format(
      "{}: applied {} of {}, lag {} changes, {} ms{}", r.phase, r.applied_lsn.value,
      r.captured_lsn.value, r.lag_changes, r.lag_ms,
      r.quarantined == 0 ? "" : fmt::format(", {} rows in quarantine", r.quarantined));
}

}  // namespace

Progress::Progress(run::StatusBoard& board, bool terminal)
    : board_(board), terminal_(terminal), thread_([this] { run(); }) {}

Progress::~Progress() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
  if (terminal_) erase();
}

void Progress::run() {
  const auto interval = terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(5);
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, interval, [this] { return ending_; })) {
    const run::StatusReport report = board_.get();
    if (terminal_) {
      draw(report);
    } else {
      log_line(report);
    }
  }
}

void Progress::erase() {
  for (size_t i = 0; i < lines_; ++i) std::fputs("\x1b[1A\x1b[2K", stderr);
  std::fputs("\r", stderr);
  lines_ = 0;
}

void Progress::draw(const run::StatusReport& report) {
  erase();
  std::vector<run::TableProgress> open;
  for (const run::TableProgress& t : report.tables) {
    if (t.rows_copied < t.rows_total) open.push_back(t);
  }
  if (report.phase == "copying") {
    for (size_t i = 0; i < std::min(open.size(), kTablesShown); ++i) {
      fmt::print(stderr, "{:<24.24} {} {}/{}\n", open[i].name,
                 bar(open[i].rows_copied, open[i].rows_total), open[i].rows_copied,
                 open[i].rows_total);
      ++lines_;
    }
    fmt::print(stderr, "{:<24} {}\n", "all tables", bar(report.rows_copied, report.rows_total));
    ++lines_;
  }
  fmt::print(stderr, "{}\n", summary(report));
  ++lines_;
  std::fflush(stderr);
}

void Progress::log_line(const run::StatusReport& report) {
  std::string line = summary(report);
  if (line == last_line_) return;
  log::info(line);
  last_line_ = std::move(line);
}

}  // namespace crossfade::cli
