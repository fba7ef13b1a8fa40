// Promise: SQLite's own test traffic (REPLACE, conflict clauses, triggers, tables and TEMP objects
// made and dropped all the while) comes out under capture as it always did, and arrives.
//
// The streams are not part of the project; see real_dbs.h. Each line is a statement with what came
// of it when it was recorded; {"reset": true} begins again with an empty database.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/observe/log.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/engine_run.h"
#include "tests/support/real_dbs.h"
#include "tests/support/temp_dir.h"
#include "tests/support/twin.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Its UPDATE asks its own table in WHERE. SQLite 3.40 without triggers updates while it looks, and
// changes a row too many; with any trigger it looks first, as it should.
constexpr const char* kOnePassUpdate = "update-21.4";

// Whether the engine is given time to take up each change of the schema, or is overrun by them.
enum class Pace : uint8_t { kSettled, kOverrun };

std::vector<json> read_stream(const std::string& path) {
  std::vector<json> out;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) out.push_back(json::parse(line));
  }
  return out;
}

bool changes_schema(const std::string& sql) {
  for (const char* word : {"create", "drop", "alter"}) {
    if (sqlite3_strnicmp(sql.c_str(), word, static_cast<int>(std::strlen(word))) == 0) return true;
  }
  return false;
}

// One database's life, from empty to compared.
class Replay {
 public:
  explicit Replay(Pace pace)
      : pace_(pace),
        path_(dir_.file("stream.db")),
        twin_(path_),
        url_(TestCluster::create_database()) {
    twin_.source().run("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
    engine_ = std::make_unique<EngineRun>(path_, url_);
  }
  ~Replay() {
    engine_.reset();
    TestCluster::drop_database(url_);
  }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  // Empty, or what is amiss with this statement.
  std::string run(const json& line) {
    const std::string sql = line.at("sql");
    const bool own_things = sql.find("sqlite_master") != std::string::npos;
    random_ = random_ || sql.find("random") != std::string::npos;
    if (line.at("test") == kOnePassUpdate) twin_.exempt(sql);
    const Outcome outcome = twin_.run(sql, !own_things);
    if (!twin_.difference().empty()) return twin_.difference();
    const bool expected = line.at("ok");
    if (!line.value("may_fail", false) && outcome.ok() != expected) {
      return fmt::format("{}\nrecorded: {}, now: {} {}", sql, expected ? "ok" : "an error",
                         outcome.code, outcome.message);
    }
    if (pace_ == Pace::kSettled && changes_schema(sql) && outcome.ok() && !twin_.in_transaction()) {
      return await_schema();
    }
    return "";
  }

  std::string check_end() {
    if (twin_.in_transaction()) twin_.run("ROLLBACK");
    if (auto amiss = engine_->settle(kSettleMax); !amiss.empty()) return amiss;
    const auto verified = engine_->verify(kSettleMax);
    if (!verified) return "verify did not answer: " + engine_->settle(milliseconds(0));
    if (auto amiss = engine_->settle(kSettleMax); !amiss.empty()) return amiss;
    if (auto error = engine_->stop(); !error.empty()) return error;
    if (!random_) {
      if (auto differ = twin_.compare(); !differ.empty()) return "not its twin: " + differ;
    }
    return check_target(path_, url_, *verified);
  }

  [[nodiscard]] std::string history() const { return twin_.history(); }

 private:
  // Waits until the target belongs to the source's present schema.
  std::string await_schema() {
    if (!target_) {
      if (auto amiss = engine_->settle(kSettleMax); !amiss.empty()) return amiss;
      target_.emplace(connect_or_die(url_));
    }
    // A connection that only asks: the replay's own would see TEMP objects' versions too.
    PlainSqlite asking(path_);
    const bool there = wait_until(
        [&] {
          const auto known = target_->exec("SELECT schema_version FROM crossfade.progress");
          const auto now = asking.run("PRAGMA schema_version").rows;
          return engine_->ended() || (known && known.value().rows() == 1 &&
                                      now.front() == known.value().text(0, 0) + "|");
        },
        kSettleMax, milliseconds(2));
    if (!there) return "the engine does not take up the schema";
    return engine_->settle(kSettleMax);
  }

  const Pace pace_;
  bool random_ = false;  // the two sides need not hold the same values
  const TempDir dir_;
  const std::string path_;
  Twin twin_;
  const std::string url_;
  std::optional<postgres::Connection> target_;
  std::unique_ptr<EngineRun> engine_;
};

void replay(const std::string& name, Pace pace) {
  const auto lines = read_stream(*real_dbs_folder() + "/streams/" + name + ".jsonl");
  ASSERT_FALSE(lines.empty());
  auto running = std::make_unique<Replay>(pace);
  for (size_t i = 0; i <= lines.size(); ++i) {
    const bool end = i == lines.size();
    const bool reset = !end && lines[i].value("reset", false);
    const std::string amiss = end || reset ? running->check_end() : running->run(lines[i]);
    ASSERT_EQ(amiss, "") << name << ", line " << i + 1 << "\n" << running->history();
    if (reset) running = std::make_unique<Replay>(pace);
  }
}

class StreamsTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    CROSSFADE_NEEDS_REAL_DBS();
    if (!std::filesystem::exists(*real_dbs_folder() + "/streams/" + GetParam() + ".jsonl")) {
      GTEST_SKIP() << "SKIPPED: no stream " << GetParam() << " beside the real databases";
    }
    log::init(log::Level::kError);
  }
};

TEST_P(StreamsTest, ArrivesWhenEachSchemaChangeIsTakenUp) {
  replay(GetParam(), Pace::kSettled);
}

TEST_P(StreamsTest, ArrivesWhenTheEngineIsOverrun) {
  replay(GetParam(), Pace::kOverrun);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, StreamsTest, ::testing::Values("conflict", "trigger1", "update"),
                         [](const auto& param_info) { return param_info.param; });

}  // namespace
}  // namespace crossfade::testing
