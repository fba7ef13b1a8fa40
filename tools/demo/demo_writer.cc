// The demo's application process.
//
//   demo_writer create DB
//   demo_writer write DB --id K --seconds N --rate R --ack FILE
//
// `write` appends "writer seq side latency_us" to FILE after each COMMIT: what it acknowledged, and
// so what must never be lost. It ends after N seconds or at SIGTERM, with the transaction in hand
// finished, and prints one JSON document.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>

#include "tools/demo/follower.h"
#include "tools/demo/shop.h"

namespace crossfade::demo {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free);
extern "C" void request_stop(int /*signal*/) {
  stop_requested = true;
}

struct WriteOptions {
  std::string database;
  std::string ack;
  int64_t id = 1;
  int64_t seconds = 60;
  int64_t rate = 50;  // transactions per second
};

double milliseconds(Clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

// What the acknowledgements say about the move.
class Tally {
 public:
  void acknowledged(const std::string& side, Clock::time_point started, Clock::time_point now) {
    ++(side == "sqlite" ? on_sqlite_ : on_postgres_);
    longest_wait_ = std::max(longest_wait_, now - started);
    if (!last_side_.empty() && last_side_ != side) flip_gap_ = now - last_;
    last_side_ = side;
    last_ = now;
  }

  void print(int64_t id, const Follower& follower) const {
    fmt::print(
        "{{\"writer\":{},\"acknowledged_sqlite\":{},\"acknowledged_postgres\":{},"
        "\"flip_gap_ms\":{:.1f},\"longest_wait_ms\":{:.1f},\"refused\":{},\"retried\":{}}}\n",
        id, on_sqlite_, on_postgres_, milliseconds(flip_gap_), milliseconds(longest_wait_),
        follower.refused(), follower.retried());
  }

 private:
  int64_t on_sqlite_ = 0;
  int64_t on_postgres_ = 0;
  Clock::duration longest_wait_{0};  // of one transaction, from its begin to its COMMIT
  Clock::duration flip_gap_{0};      // from the last COMMIT on one side to the first on the other
  std::string last_side_;
  Clock::time_point last_;
};

int write_shop(const WriteOptions& options) {
  Clerk clerk(options.id);
  Follower follower(options.database, &clerk);
  if (!follower.open()) {
    fmt::print(stderr, "demo_writer {}: {}\n", options.id, follower.message());
    return 1;
  }
  const int ack = ::open(options.ack.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (ack < 0) {
    fmt::print(stderr, "demo_writer {}: cannot write {}\n", options.id, options.ack);
    return 1;
  }
  Tally tally;
  int exit_code = 0;
  const auto interval = std::chrono::nanoseconds(std::chrono::seconds(1)) / options.rate;
  const auto end = Clock::now() + std::chrono::seconds(options.seconds);
  auto next_at = Clock::now();
  while (!stop_requested && Clock::now() < end) {
    std::this_thread::sleep_until(next_at);
    const auto started = Clock::now();
    next_at = std::max(next_at + interval, started);  // no burst after a wait
    const Task task = clerk.next();
    if (!follower.run(task)) {
      fmt::print(stderr, "demo_writer {}: {}: {}\n", options.id, to_string(task.op),
                 follower.message());
      exit_code = 1;
      break;
    }
    const auto now = Clock::now();
    tally.acknowledged(follower.side_name(), started, now);
    const std::string line =
        fmt::format("{} {} {} {}\n", options.id, task.seq, follower.side_name(),
                    std::chrono::duration_cast<std::chrono::microseconds>(now - started).count());
    if (::write(ack, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      fmt::print(stderr, "demo_writer {}: cannot write {}\n", options.id, options.ack);
      exit_code = 1;
      break;
    }
  }
  ::close(ack);
  tally.print(options.id, follower);
  return exit_code;
}

int run(int argc, char** argv) {
  CLI::App app("the demo's application");
  app.require_subcommand(1);
  WriteOptions options;
  CLI::App* create = app.add_subcommand("create", "make the shop's database");
  create->add_option("database", options.database)->required();
  CLI::App* write = app.add_subcommand("write", "write to it, wherever it is");
  write->add_option("database", options.database)->required();
  write->add_option("--id", options.id, "this writer's number, of its own")->required();
  write->add_option("--seconds", options.seconds)->check(CLI::PositiveNumber);
  write->add_option("--rate", options.rate, "transactions per second")->check(CLI::PositiveNumber);
  write->add_option("--ack", options.ack, "what was acknowledged")->required();
  CLI11_PARSE(app, argc, argv);
  if (write->parsed()) return write_shop(options);
  std::string message;
  if (create_shop(options.database, &message)) return 0;
  fmt::print(stderr, "demo_writer: {}: {}\n", options.database, message);
  return 1;
}

}  // namespace
}  // namespace crossfade::demo

int main(int argc, char** argv) {
  struct sigaction action = {};
  action.sa_handler = crossfade::demo::request_stop;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  try {
    return crossfade::demo::run(argc, argv);
  } catch (const std::exception& error) {  // of the standard library or of CLI11
    std::fprintf(stderr, "demo_writer: %s\n", error.what());
    return 1;
  }
}
