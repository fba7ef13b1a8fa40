#include "tests/support/engine_run.h"

#include <fmt/format.h>

#include <cstdio>
#include <future>
#include <utility>

#include "capture/change_log.h"
#include "engine/sqlite/connection.h"
#include "tests/support/connect.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

std::unique_ptr<run::Engine> make_engine(const std::string& database, const std::string& url,
                                         int64_t keep_log, StopSource& stop) {
  run::EngineOptions options;
  options.database = database;
  options.target = url;
  options.keep_log = keep_log;
  return std::make_unique<run::Engine>(std::move(options), stop);
}

// Whether the oracle's report is only of `aside` rows that the target has not got.
bool lacks_only(const std::string& report, int64_t aside) {
  int64_t missing = 0;
  for (size_t at = report.find("; "); at != std::string::npos; at = report.find("; ", at + 1)) {
    int64_t less = 0;
    int64_t more = 0;
    if (std::sscanf(report.c_str() + at, "; %ld and %ld differ", &less, &more) != 2) continue;
    if (more != 0) return false;
    missing += less;
  }
  return missing == aside;
}

}  // namespace

EngineRun::EngineRun(const std::string& database, const std::string& url, int64_t keep_log)
    : database_(database), engine_(make_engine(database, url, keep_log, stop_)), thread_([this] {
        const auto done = engine_->run(/*until_idle=*/false);
        if (!done) error_ = describe(done.error());
        ended_.store(true);
      }) {}

EngineRun::~EngineRun() {
  (void)stop();
}

std::string EngineRun::stop() {
  const bool early = ended();
  stop_.request();
  if (thread_.joinable()) thread_.join();
  return error_.empty() && early ? "it ended before it was told to" : error_;
}

std::string EngineRun::settle(std::chrono::milliseconds within) {
  auto source =
      sqlite::Connection::open({database_, sqlite::Access::kReadOnly, std::chrono::seconds(5)});
  if (!source) return describe(source.error());
  run::StatusReport last;
  Lsn newest;
  const bool settled = wait_until(
      [&] {
        last = status();
        const auto read = capture::newest_lsn(source.value());
        if (read) newest = read.value();
        return ended() || (last.phase == "following" && read && last.captured_lsn == newest &&
                           last.applied_lsn == newest);
      },
      within, std::chrono::milliseconds(2));
  if (ended()) return "the engine ended: " + error_;
  if (settled) return "";
  return fmt::format("phase {}, captured {}, applied {}, while the log ends at {}", last.phase,
                     last.captured_lsn.value, last.applied_lsn.value, newest.value);
}

std::optional<run::TaskResult> EngineRun::verify(std::chrono::milliseconds within) {
  // Shared: the engine may answer after this gave up.
  auto answer = std::make_shared<std::promise<run::TaskResult>>();
  auto result = answer->get_future();
  run::Task task;
  task.kind = run::TaskKind::kVerify;
  task.done = [answer](const run::TaskResult& r) { answer->set_value(r); };
  engine_->post(std::move(task));
  const bool answered = wait_until(
      [&] {
        return result.wait_for(std::chrono::seconds(0)) == std::future_status::ready || ended();
      },
      within, std::chrono::milliseconds(2));
  if (!answered || result.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    return std::nullopt;
  }
  return result.get();
}

std::string check_target(const std::string& database, const std::string& url,
                         const run::TaskResult& verified) {
  auto target = connect_or_die(url);
  const auto rows = target.exec("SELECT count(*) FROM crossfade.quarantine");
  if (!rows) return describe(rows.error());
  const int64_t aside = rows.value().integer(0, 0);
  const std::string differ = compare_databases(database, url);
  const int expected = aside == 0 ? 0 : 3;
  if (verified.exit_code != expected) return "verify: " + verified.text + "\n" + differ;
  if (aside == 0) return differ;
  return lacks_only(differ, aside) ? "" : fmt::format("{} rows are set aside\n{}", aside, differ);
}

}  // namespace crossfade::testing
