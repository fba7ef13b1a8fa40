#include "tests/support/engine_run.h"

#include <fmt/format.h>

#include <future>
#include <utility>

#include "capture/change_log.h"
#include "engine/sqlite/connection.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

std::unique_ptr<run::Engine> make_engine(const std::string& database, const std::string& url,
                                         StopSource& stop) {
  run::EngineOptions options;
  options.database = database;
  options.target = url;
  return std::make_unique<run::Engine>(std::move(options), stop);
}

}  // namespace

EngineRun::EngineRun(const std::string& database, const std::string& url)
    : database_(database), engine_(make_engine(database, url, stop_)), thread_([this] {
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

}  // namespace crossfade::testing
