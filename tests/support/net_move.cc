#include "tests/support/net_move.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <mutex>
#include <string>

#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr int kWriters = 2;
// Longer than a statement may take, whose answer does not come; and for a cutover, whose slot waits
// for every transaction of the server, than what the others beside this one have lost.
constexpr seconds kPatience{150};

std::mutex& cluster_mutex() {
  static std::mutex mutex;
  return mutex;
}

// Guarded by cluster_mutex().
std::vector<std::string>& left_databases() {
  static std::vector<std::string> urls;
  return urls;
}

Process::Options command(std::vector<std::string> arguments) {
  Process::Options options = crossfade_command(std::move(arguments));
  options.env_removed = {"DATABASE_URL", "CROSSFADE_TARGET"};
  return options;
}

}  // namespace

NetMove::NetMove(int pad_rows) : db_(dir_.file("app.db")) {
  {
    const std::lock_guard lock(cluster_mutex());
    url_ = TestCluster::create_database();
  }
  line_ = std::make_unique<NetProxy>(url_);
  EXPECT_EQ(AppDb(db_).run(fmt::format(
                "PRAGMA journal_mode=WAL; CREATE TABLE pad(id INTEGER PRIMARY KEY AUTOINCREMENT, "
                "what TEXT NOT NULL); WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c "
                "WHERE i<{0}) INSERT INTO pad(what) SELECT hex(randomblob(40)) FROM c; UPDATE pad "
                "SET what='{1}' WHERE id={0}/2+1",
                pad_rows, kMiddleRow)),
            "");
  writers_ = std::make_unique<AppWriters>(db_, kWriters, milliseconds(20));
}

NetMove::~NetMove() {
  if (::testing::Test::HasFailure() && engine_) {
    fmt::print(stderr, "the engine said:\n{}\n", engine_->err());
  }
  engine_.reset();
  writers_.reset();
  line_.reset();
  const std::lock_guard lock(cluster_mutex());
  left_databases().push_back(url_);
}

void NetMove::drop_databases() {
  const std::lock_guard lock(cluster_mutex());
  for (const std::string& url : left_databases()) TestCluster::drop_database(url);
  left_databases().clear();
}

void NetMove::run() {
  std::vector<std::string> arguments = {"run", db_, "--target", line_->url()};
  if (dual_) arguments.insert(arguments.end(), {"--mode", "dual"});
  Process::Options options = command(std::move(arguments));
  if (!fault_.empty()) {
    options.env["CROSSFADE_FAULT"] = fault_;
    options.env["CROSSFADE_FAULT_TRACE"] = dir_.file("trace");
  }
  engine_ = std::make_unique<Process>(std::move(options));
}

bool NetMove::fault_fired() const {
  std::ifstream trace(dir_.file("trace"));
  std::string line;
  while (std::getline(trace, line)) {
    if (line.starts_with("fired ")) return true;
  }
  return false;
}

void NetMove::keep_running() {
  if (!engine_ || !engine_->running()) run();
}

json NetMove::status() const {
  const Finished done = run_process(command({"status", db_, "--json"}));
  return json::parse(done.out, nullptr, /*allow_exceptions=*/false);
}

bool NetMove::await_phase(const std::string& phase) const {
  return wait_until(
      [&] {
        const auto now = status();
        return now.is_object() && now.value("phase", "") == phase && now.value("running", false);
      },
      kPatience, milliseconds(200));
}

milliseconds NetMove::await_trouble() const {
  const auto began = std::chrono::steady_clock::now();
  std::string trouble;
  EXPECT_TRUE(wait_until(
      [&] {
        const auto now = status();
        trouble = now.is_object() ? now.value("trouble", "") : "";
        return trouble.find("the target is not reachable") != std::string::npos;
      },
      kPatience, milliseconds(200)));
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_THAT(trouble, HasSubstr("the target is not reachable"));
  EXPECT_THAT(trouble, HasSubstr("what to do: "));
  return std::chrono::duration_cast<milliseconds>(took);
}

std::unique_ptr<Process> NetMove::begin(const std::string& verb) const {
  std::vector<std::string> arguments = {verb, db_, "--json"};
  if (verb == "cutover" && outbox_) {
    arguments.insert(arguments.end(), {"--way-back", "outbox"});
  }
  if (verb != "verify") {
    arguments.insert(arguments.end(),
                     {"--max-pause", std::to_string(NetMove::max_pause().count())});
  }
  return std::make_unique<Process>(command(std::move(arguments)));
}

Finished NetMove::give(const std::string& verb) const {
  const auto process = begin(verb);
  const int code = process->wait(kPatience).value_or(-1);
  return {code, process->out(), process->err()};
}

void NetMove::give_until_done(const std::string& verb) {
  Finished done;
  EXPECT_TRUE(wait_until(
      [&] {
        keep_running();
        done = give(verb);
        return done.code == 0;
      },
      kPatience, milliseconds(50)))
      << verb << ": " << done.code << done.err;
}

std::string NetMove::ask(const std::string& sql) const {
  auto connection = connect_or_die(url_);
  const auto result = connection.exec(sql);
  if (!result || result.value().rows() == 0) return "";
  return std::string(result.value().text(0, 0));
}

bool NetMove::sqlite_takes_writes() const {
  return AppDb(db_, seconds(5))
      .run("BEGIN IMMEDIATE; UPDATE pad SET what=what WHERE id=1; ROLLBACK")
      .empty();
}

bool NetMove::postgres_takes_writes() const {
  auto connection = connect(url_);
  if (!connection) return false;
  const auto done = connection.value().exec(
      "BEGIN; SET LOCAL lock_timeout='5s'; UPDATE public.pad SET what=what WHERE id=1; ROLLBACK");
  return done.has_value();
}

void NetMove::expect_whole() {
  const auto result = writers_->result();
  std::string difference;
  EXPECT_TRUE(wait_until(
      [&] {
        keep_running();
        difference = compare_databases(db_, url_);
        return difference.empty();
      },
      kPatience, milliseconds(100)))
      << difference;
  for (size_t i = 0; i < result.size(); ++i) {
    EXPECT_EQ(ask(fmt::format("SELECT count(*)||' '||count(DISTINCT n)||' '||max(n) FROM "
                              "public.app_entry WHERE writer={}",
                              i)),
              fmt::format("{0} {0} {0}", result[i].acknowledged));
  }
}

void NetMove::expect_kept_in_step() {
  std::string difference;
  EXPECT_TRUE(wait_until(
      [&] {
        keep_running();
        difference = compare_databases(db_, url_);
        return difference.empty();
      },
      kPatience, milliseconds(100)))
      << difference;
}

}  // namespace crossfade::testing
