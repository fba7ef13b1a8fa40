// Promise: two applications that write the same few rows at random, one on each side, find the same
// rows on both once they stop, whatever the policy; a row that one of them wrote is there, or was
// written over by somebody who had seen it, or is in the record of conflicts; and counters are
// sums.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kKeys = 5;
constexpr int kWritesPerSide = 12;

struct RandomCase {
  const char* name;
  const char* rules;
  bool deletes;
  bool manual;
};

// What one side wrote: the versions, and for each the one that its writer saw before.
struct History {
  std::set<std::string> written;
  std::set<std::string> seen;
  int64_t added = 0;
};

class DualRandomTest : public MoveTest, public ::testing::WithParamInterface<RandomCase> {
 protected:
  void TearDown() override {
    engine_.reset();
    if (!url_.empty() && std::filesystem::exists(db_)) {
      (void)crossfade({"finish", db_, "--target", url_});
    }
    MoveTest::TearDown();
  }
  void start() {
    engine_ = std::make_unique<Process>(crossfade_command(
        {"run", db_, "--target", url_, "--mode", "dual", "--rules", dir_.file("rules.toml")}));
    ASSERT_TRUE(await_phase("dual")) << engine_->err();
  }

  // One write, as (statement, whether it is one) of both dialects.
  struct Write {
    int key;
    int kind;  // 0: upsert, 1: update, 2: delete, 3: add to the counter
    int64_t amount;
  };
  Write pick(std::mt19937& random) const {
    const int key = static_cast<int>(random() % kKeys) + 1;
    const int kinds = GetParam().deletes ? 4 : 2;
    static constexpr int kOrder[] = {3, 1, 0, 2};
    return {key, kOrder[random() % static_cast<unsigned>(kinds)],
            static_cast<int64_t>(random() % 9) + 1};
  }
  static std::string sql_of(const Write& write, const std::string& version, const char* table) {
    switch (write.kind) {
      case 0:
        return fmt::format(
            "INSERT INTO {0}(id,tenant,ver,stamp,counter) VALUES({1},{2},'{3}',{4},0) ON "
            "CONFLICT(id) DO UPDATE SET ver=excluded.ver, stamp=excluded.stamp",
            table, write.key, write.key % 2, version, write.amount);
      case 1:
        return fmt::format("UPDATE {} SET ver='{}', stamp=stamp+{} WHERE id={}", table, version,
                           write.amount, write.key);
      case 2:
        return fmt::format("DELETE FROM {} WHERE id={}", table, write.key);
      default:
        return fmt::format("UPDATE {} SET counter=counter+{}, ver='{}' WHERE id={}", table,
                           write.amount, version, write.key);
    }
  }
  static void note(const Write& write, const std::string& version, const std::string& before,
                   History* history) {
    const bool there = !before.empty();
    if (there) history->seen.insert(before);
    if (write.kind == 2 || (write.kind != 0 && !there)) return;
    history->written.insert(version);
    if (write.kind == 3) history->added += write.amount;
  }
  void write_source(uint64_t seed, History* history) const {
    std::mt19937 random(static_cast<unsigned>(seed));
    AppDb app(db_);
    for (int i = 0; i < kWritesPerSide; ++i) {
      const Write write = pick(random);
      const std::string version = fmt::format("s{}.{}", seed, i);
      ASSERT_EQ(app.run("BEGIN IMMEDIATE"), "");
      const std::string before =
          app.value(fmt::format("SELECT ver FROM doc WHERE id={}", write.key));
      ASSERT_EQ(app.run(sql_of(write, version, "doc")), "");
      ASSERT_EQ(app.run("COMMIT"), "");
      note(write, version, before, history);
      if (random() % 4 == 0) std::this_thread::yield();
    }
  }
  void write_target(uint64_t seed, History* history) const {
    std::mt19937 random(static_cast<unsigned>(seed * 31 + 7));
    auto connection = connect_or_die(url_);
    for (int i = 0; i < kWritesPerSide;) {
      const Write write = pick(random);
      const std::string version = fmt::format("t{}.{}", seed, i);
      ASSERT_TRUE(connection.exec("BEGIN"));
      const auto rows = connection.exec(
          fmt::format("SELECT ver FROM public.doc WHERE id={} FOR UPDATE", write.key));
      ASSERT_TRUE(rows) << describe(rows.error());
      const bool there = rows.value().rows() != 0;
      if (!there && write.kind != 0) {
        // A row that comes now would be changed unseen.
        ASSERT_TRUE(connection.exec("ROLLBACK"));
        ++i;
        continue;
      }
      // Nor may an upsert change one.
      const std::string before = there ? rows.value().text(0, 0) : "";
      const std::string conflict = there || write.kind != 0 ? "" : " WHERE false";
      const auto done = connection.exec(sql_of(write, version, "public.doc") + conflict);
      ASSERT_TRUE(done) << describe(done.error());
      const bool wrote = write.kind != 0 || done.value().affected() == 1;
      ASSERT_TRUE(connection.exec("COMMIT"));
      ++i;
      if (wrote) note(write, version, before, history);
    }
  }
  void decide_all(std::mt19937& random) const {
    const std::string waiting = target_value(
        "SELECT string_agg(id::text,' ') FROM crossfade.conflicts WHERE "
        "state='waiting' AND decision IS NULL");
    std::string id;
    for (const char c : waiting + " ") {
      if (c != ' ') {
        id += c;
      } else if (!id.empty()) {
        target_exec(fmt::format("UPDATE crossfade.conflicts SET decision='{}' WHERE id={}",
                                random() % 2 == 0 ? "source" : "target", id));
        id.clear();
      }
    }
  }
  [[nodiscard]] std::string last_conflicts() const {
    return target_value(
        "SELECT string_agg(format(E'%s %s lsn %s %s %s: %s | %s | %s -> %s\\n',at,kind,lsn,key,"
        "resolution,base_row,source_row,target_row,result_row),'' ORDER BY id) FROM (SELECT * FROM "
        "crossfade.conflicts ORDER BY id DESC LIMIT 15) c");
  }
  void expect_on_record(const History& source, const History& target) const {
    std::set<std::string> lost = source.written;
    lost.insert(target.written.begin(), target.written.end());
    for (const auto* seen : {&source.seen, &target.seen}) {
      for (const std::string& version : *seen) lost.erase(version);
    }
    for (const std::string& version : lost) {
      if (AppDb(db_).value(fmt::format("SELECT 1 FROM doc WHERE ver='{}'", version)) == "1") {
        continue;
      }
      EXPECT_NE(target_value(fmt::format("SELECT count(*) FROM crossfade.conflicts WHERE "
                                         "source_row->>'ver'='{0}' OR target_row->>'ver'='{0}'",
                                         version)),
                "0")
          << version << " is lost, and on no record";
    }
  }
};

TEST_P(DualRandomTest, BothComeToTheSame) {
  const char* const from = std::getenv("CROSSFADE_SEED");
  const char* const count = std::getenv("CROSSFADE_DUAL_SEEDS");
  const uint64_t first = from == nullptr ? 1 : std::strtoull(from, nullptr, 10);
  const uint64_t seeds = count == nullptr ? 34 : std::strtoull(count, nullptr, 10);
  app(R"(PRAGMA journal_mode=WAL;
    CREATE TABLE doc(id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, ver TEXT NOT NULL,
      stamp INTEGER NOT NULL, counter INTEGER NOT NULL);
    INSERT INTO doc VALUES(1,1,'a',0,0),(2,0,'b',0,0),(3,1,'c',0,0),(4,0,'d',0,0),(5,1,'e',0,0);)");
  std::ofstream(dir_.file("rules.toml")) << GetParam().rules;
  start();
  int64_t counters = 0;
  for (uint64_t seed = first; seed < first + seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("CROSSFADE_SEED={} CROSSFADE_DUAL_SEEDS=1", seed));
    std::mt19937 random(static_cast<unsigned>(seed * 77));
    History source;
    History target;
    const bool held_up = random() % 3 == 0;
    if (held_up) engine_->signal(SIGSTOP);
    std::thread one([&] { write_source(seed, &source); });
    std::thread two([&] { write_target(seed, &target); });
    if (seed % 9 == 0 && !held_up) engine_->signal(SIGKILL);
    two.join();
    if (held_up) engine_->signal(SIGCONT);  // it may hold SQLite's lock
    one.join();
    if (seed % 9 == 0 && !held_up) {
      (void)engine_->wait(seconds(5));
      start();
    }
    std::string difference;
    const bool equal = wait_until(
        [&] {
          if (GetParam().manual) decide_all(random);
          difference = compare_databases(db_, url_);
          return difference.empty() && status().value("conflicts_waiting", -1) == 0;
        },
        seconds(30), milliseconds(20));
    ASSERT_TRUE(equal) << difference << last_conflicts() << engine_->err();
    expect_on_record(source, target);
    counters += source.added + target.added;
  }
  if (!GetParam().deletes) {
    EXPECT_EQ(AppDb(db_).value("SELECT sum(counter) FROM doc"), std::to_string(counters));
  }
  const Finished verify = crossfade({"verify", db_, "--json"});
  EXPECT_EQ(verify.code, 0) << verify.out << verify.err;
  RecordProperty("conflicts", target_value("SELECT count(*) FROM crossfade.conflicts"));
}

INSTANTIATE_TEST_SUITE_P(
    Policies, DualRandomTest,
    ::testing::Values(
        RandomCase{"source_wins", "[defaults]\nconflict = \"source_wins\"\n", true, false},
        RandomCase{"target_wins", "[defaults]\nconflict = \"target_wins\"\n", true, false},
        RandomCase{"newest_wins", "[tables.doc]\nconflict = \"newest_wins(stamp)\"\n", true, false},
        RandomCase{"delta",
                   "[tables.doc]\nconflict = \"source_wins\"\n"
                   "[tables.doc.columns.counter]\nconflict = \"delta\"\n",
                   false, false},
        RandomCase{"owners", "[tables.doc]\nowner_column = \"tenant\"\ntarget_owns = [1]\n", true,
                   false},
        RandomCase{"manual", "", true, true}),
    [](const auto& of) { return of.param.name; });

}  // namespace
}  // namespace crossfade::testing
