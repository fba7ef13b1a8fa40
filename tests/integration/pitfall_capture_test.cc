// Promise: while it is followed, whatever the application's statements do to its rows is done on
// the target too, once, and nothing else is (docs/pitfalls.md).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/pitfall_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Each test writes to tables of its own, and one engine follows them all.
constexpr const char* kSource = R"(
  PRAGMA journal_mode=WAL;
  CREATE TABLE counted(id INTEGER PRIMARY KEY, v TEXT UNIQUE);
  INSERT INTO counted VALUES(-1,'minus one'),(1,'one');
  CREATE TABLE nameless(a, b);
  INSERT INTO nameless VALUES(1,'x'),(1,'x'),(2,NULL);
  CREATE TABLE loose(k TEXT PRIMARY KEY, v);
  INSERT INTO loose VALUES('a',1),(NULL,2),(NULL,2);
  CREATE TABLE pair(a TEXT, b INTEGER, v, PRIMARY KEY(b,a)) WITHOUT ROWID;
  INSERT INTO pair VALUES('x',1,'1'),('x',2,'2'),('y',1,'3');
  CREATE TABLE member(id INTEGER PRIMARY KEY, name TEXT);
  CREATE TABLE note(id INTEGER PRIMARY KEY, what TEXT);
  CREATE TRIGGER remember AFTER INSERT ON member BEGIN
    INSERT INTO note(what) VALUES('new '||new.name); END;
  CREATE VIEW members AS SELECT name FROM member WHERE id>0;
  CREATE TABLE parent(id INTEGER PRIMARY KEY);
  CREATE TABLE child(id INTEGER PRIMARY KEY,
    parent INTEGER REFERENCES parent(id) ON DELETE CASCADE ON UPDATE CASCADE);
  INSERT INTO parent VALUES(1),(2),(3);
  INSERT INTO child VALUES(10,1),(11,1),(20,2),(30,3);
  CREATE TABLE attached(id INTEGER PRIMARY KEY, v TEXT);
  CREATE TABLE emptied(id INTEGER PRIMARY KEY, v);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000)
    INSERT INTO emptied SELECT i,i FROM n;
  CREATE TABLE heavy(id INTEGER PRIMARY KEY, v BLOB);)";

constexpr Moved::Until kFollowing = Moved::Until::kFollowing;

// 22: BEFORE INSERT sees -1 for a rowid that SQLite has still to choose.
TEST_F(PitfallTest, AnUnchosenRowidIsNotMinusOne) {
  const Moved& live = moved("live", kSource, kFollowing);
  live.app(
      "INSERT INTO counted(v) VALUES('two'); INSERT OR IGNORE INTO counted(v) VALUES('one');"
      "REPLACE INTO counted(v) VALUES('two')");
  live.expect_becomes_equal({"counted"});
  EXPECT_EQ(live.target("SELECT string_agg(id||v,' ' ORDER BY id) FROM counted"),
            "-1minus one 1one 3two");
}

// 23: capture by triggers has none of the session extension's limits.
TEST_F(PitfallTest, EveryConnectionAndTablesWithoutKeysAreCaptured) {
  const Moved& live = moved("live", kSource, kFollowing);
  AppDb one(live.db());
  AppDb other(live.db());
  ASSERT_EQ(one.run("UPDATE nameless SET b='y' WHERE a=2; INSERT INTO loose VALUES(NULL,3)"), "");
  ASSERT_EQ(other.run("INSERT INTO nameless VALUES(3,'z'); DELETE FROM loose WHERE v=2"), "");
  live.expect_becomes_equal({"nameless", "loose"});
  EXPECT_EQ(live.target("SELECT count(*) FROM loose"), "2");
}

// 24
TEST_F(PitfallTest, OneOfTwoEqualRowsIsDeleted) {
  const Moved& live = moved("live", kSource, kFollowing);
  live.app("DELETE FROM nameless WHERE rowid=1");
  live.expect_becomes_equal({"nameless"});
  EXPECT_EQ(live.target("SELECT count(*) FROM nameless WHERE a=1"), "1");
}

// 27
TEST_F(PitfallTest, WithoutRowidTheKeyIsTheIdentity) {
  const Moved& live = moved("live", kSource, kFollowing);
  live.app(
      "UPDATE pair SET b=b+10 WHERE a='x'; REPLACE INTO pair VALUES('y',1,'4');"
      "UPDATE OR REPLACE pair SET b=11 WHERE b=12; INSERT INTO pair VALUES('z',1,NULL)");
  live.expect_becomes_equal({"pair"});
  EXPECT_EQ(live.target("SELECT string_agg(concat(a,b,v),' ' ORDER BY a,b) FROM pair"),
            "x112 y14 z1");
}

// 35
TEST_F(PitfallTest, TheEffectsOfTriggersArriveOnce) {
  const Moved& live = moved("live", kSource, kFollowing);
  EXPECT_TRUE(live.named("CREATE TRIGGER remember"));
  EXPECT_TRUE(live.planned("CREATE VIEW \"public\".\"members\""));
  // Its equal on the target is there before the cutover, and must not act yet.
  live.target_exec(
      "CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO "
      "public.note(what) VALUES('new '||new.name); RETURN new; END$$;"
      "CREATE TRIGGER remember AFTER INSERT ON member FOR EACH ROW EXECUTE FUNCTION remember()");
  live.app("INSERT INTO member(name) VALUES('ann'),('bob')");
  live.expect_becomes_equal({"member", "note"});
  EXPECT_EQ(live.target("SELECT string_agg(what,',' ORDER BY id) FROM note"), "new ann,new bob");
}

// 36
TEST_F(PitfallTest, ACascadeIsNotRepeatedOnTheTarget) {
  const Moved& live = moved("live", kSource, kFollowing);
  AppDb app(live.db());
  // PostgreSQL's own cascade would take the children that are back under parent 1.
  for (const char* sql : {"PRAGMA foreign_keys=ON", "DELETE FROM parent WHERE id=2",
                          "BEGIN; DELETE FROM parent WHERE id=1; INSERT INTO parent VALUES(1);"
                          "INSERT INTO child VALUES(10,1),(12,1); COMMIT",
                          "UPDATE parent SET id=4 WHERE id=3"}) {
    ASSERT_EQ(app.run(sql), "") << sql;
  }
  live.expect_becomes_equal({"parent", "child"});
  EXPECT_EQ(live.target("SELECT string_agg(id||':'||parent,' ' ORDER BY id) FROM child"),
            "10:1 12:1 30:4");
}

// 39
TEST_F(PitfallTest, WritesThroughAnAttachedNameAreCapturedAndTempTablesAreNot) {
  const Moved& live = moved("live", kSource, kFollowing);
  AppDb app(live.db() + "-other");
  for (const std::string& sql :
       {fmt::format("ATTACH '{}' AS store", live.db()),
        std::string("CREATE TABLE here(v); CREATE TEMP TABLE attached(id INTEGER PRIMARY KEY, v)"),
        std::string("BEGIN; INSERT INTO attached VALUES(1,'temporary'); INSERT INTO here VALUES(1);"
                    "INSERT INTO store.attached VALUES(2,'kept'); COMMIT")}) {
    ASSERT_EQ(app.run(sql), "") << sql;
  }
  live.expect_becomes_equal({"attached"});
  EXPECT_EQ(live.target("SELECT string_agg(id::text||v,' ') FROM attached"), "2kept");
  EXPECT_EQ(live.target("SELECT to_regclass('here') IS NULL"), "t");
}

// 40
TEST_F(PitfallTest, TheWalStaysSmallUnderAStormOfWrites) {
  own_move();
  make_shop(20000);
  app("CREATE TABLE heavy(id INTEGER PRIMARY KEY, v BLOB);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<300)"
      " INSERT INTO heavy SELECT i,randomblob(50000) FROM n");
  engine_ = std::make_unique<Process>(
      crossfade_command({"run", db_, "--target", url_, "--until", "verified"}));
  AppDb writer(db_);
  uint64_t wal_bytes_max = 0;
  for (int i = 0; i < 1200; ++i) {  // 1200 times 50 kB, and both versions in the log
    ASSERT_EQ(
        writer.run(fmt::format("UPDATE heavy SET v=randomblob(50000) WHERE id={}", i % 300 + 1)),
        "");
    std::error_code none;
    const uint64_t bytes = std::filesystem::file_size(db_ + "-wal", none);
    if (!none) wal_bytes_max = std::max(wal_bytes_max, bytes);
  }
  // 180 MB went through it. How soon it is begun anew depends on the machine; that it is, does not.
  EXPECT_LT(wal_bytes_max, 90'000'000U);
  EXPECT_EQ(engine_->wait(seconds(60)), 0) << engine_->err();
}

// 53
TEST_F(PitfallTest, ADeleteOfEveryRowIsAppliedAndItsLogGoes) {
  const Moved& live = moved("live", kSource, kFollowing);
  live.app("DELETE FROM emptied");
  live.expect_becomes_equal({"emptied"});
  EXPECT_EQ(live.target("SELECT count(*) FROM emptied"), "0");
  EXPECT_TRUE(wait_until(
      [&] {
        live.app("UPDATE heavy SET v=1 WHERE 0; INSERT INTO heavy(v) VALUES(1)");
        return std::stoi(live.source("SELECT count(*) FROM _crossfade_log")) < 1000;
      },
      seconds(20), milliseconds(100)));
}

}  // namespace
}  // namespace crossfade::testing
