// A database that both sides are written to.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/move_test.h"

namespace crossfade::testing {

class DualTest : public MoveTest {
 protected:
  void TearDown() override {
    engine_.reset();
    if (!url_.empty() && std::filesystem::exists(db_)) {
      (void)crossfade({"finish", db_, "--target", url_});
    }
    MoveTest::TearDown();
  }
  void make_accounts() {
    app(R"(
      PRAGMA journal_mode=WAL;
      CREATE TABLE account(id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT UNIQUE,
        balance INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL DEFAULT 0, note TEXT);
      CREATE TABLE item(id INTEGER PRIMARY KEY, account_id INTEGER REFERENCES account(id),
        name TEXT, size REAL);
      CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
      INSERT INTO account(owner,balance) VALUES('ann',100),('bob',200),('cy',300),('di',400);
      INSERT INTO item VALUES(1,1,'lamp',1.5),(2,2,'desk',NULL),(3,3,'chair',0.1);
      INSERT INTO setting VALUES('theme','dark'),('lang','en');)");
  }
  void write_rules(const std::string& text) {
    rules_ = dir_.file("rules.toml");
    std::ofstream(rules_, std::ios::trunc) << text;
  }
  void run_dual() {
    std::vector<std::string> arguments = {"run", db_, "--target", url_, "--mode", "dual"};
    if (!rules_.empty()) arguments.insert(arguments.end(), {"--rules", rules_});
    engine_ = std::make_unique<Process>(crossfade_command(std::move(arguments)));
    ASSERT_TRUE(await_phase("dual")) << engine_->err();
  }
  // Neither side has what was written to the other meanwhile.
  void stop() { EXPECT_EQ(stop_engine(), 0) << engine_->err(); }
  [[nodiscard]] std::string conflicts() const {
    return target_value(
        "SELECT coalesce(string_agg(table_name||' '||kind||' '||state||' "
        "'||coalesce(resolution,'-')"
        ",', ' ORDER BY id),'') FROM crossfade.conflicts");
  }
  [[nodiscard]] std::string here(const std::string& sql) const { return AppDb(db_).value(sql); }

  std::string rules_;
};

}  // namespace crossfade::testing
