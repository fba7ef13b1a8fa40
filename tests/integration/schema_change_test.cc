// Promise: the application's schema may change while it is followed. Each change is noticed,
// carried over, and both sides end equal, also for writes made right after it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// One engine follows, and strangers write, from SetUp to the end of the test.
class SchemaChangeTest : public MoveTest {
 protected:
  void SetUp() override {
    MoveTest::SetUp();
    if (::testing::Test::IsSkipped()) return;
    make_shop(2000);
    writers_ = std::make_unique<AppWriters>(db_, 2);
    follow();
  }
  void TearDown() override {
    writers_.reset();
    MoveTest::TearDown();
  }
  void expect_carried_over() {
    const int64_t before = writers_->acknowledged();
    EXPECT_TRUE(wait_until([&] { return writers_->acknowledged() > before + 20; }, seconds(10)));
    for (const auto& writer : writers_->result()) EXPECT_EQ(writer.refusal, "");
    expect_becomes_equal();
    EXPECT_EQ(stop_engine(), 0) << engine_->err();
    EXPECT_EQ(run_until_verified().code, 0);
  }
  [[nodiscard]] std::string target_columns(const std::string& table) const {
    return target_value(fmt::format(
        "SELECT string_agg(attname||':'||format_type(atttypid,atttypmod),' ' ORDER BY attnum) FROM "
        "pg_attribute WHERE attrelid=to_regclass('public.{}') AND attnum>0 AND NOT attisdropped",
        table));
  }

  std::unique_ptr<AppWriters> writers_;
};

TEST_F(SchemaChangeTest, ANewTable) {
  app("CREATE TABLE coupon(code TEXT PRIMARY KEY, cents INTEGER);"
      "INSERT INTO coupon VALUES('A',1),('B',2);");
  app("UPDATE coupon SET cents=9 WHERE code='A'; DELETE FROM coupon WHERE code='B'");
  expect_carried_over();
  EXPECT_EQ(target_value("SELECT code||cents FROM public.coupon"), "A9");
}

// SQLite keeps names of constraints apart by table, PostgreSQL those of keys by schema.
TEST_F(SchemaChangeTest, ANewTableWhoseKeysAreNamedAsAnothers) {
  const auto keys = [this](const std::string& table) {
    return target_value(fmt::format(
        "SELECT string_agg(conname||' '||contype::text, ',' ORDER BY contype) FROM pg_constraint"
        " WHERE conrelid=to_regclass('public.{}') AND contype IN ('p','u')",
        table));
  };
  const std::string body =
      "(code TEXT, n INTEGER, CONSTRAINT pk PRIMARY KEY(code), CONSTRAINT once UNIQUE(n))";
  app("CREATE TABLE zone" + body + "; INSERT INTO zone VALUES('a', 1)");
  EXPECT_TRUE(wait_until([&] { return keys("zone") == "pk p,once u"; }, seconds(30)));
  app("CREATE TABLE area" + body + "; INSERT INTO area VALUES('b', 2)");
  expect_carried_over();
  EXPECT_EQ(keys("zone"), "pk p,once u");
  EXPECT_EQ(keys("area"), "area_pkey p,area_n_key u");
}

TEST_F(SchemaChangeTest, AnAddedColumn) {
  app("ALTER TABLE purchase ADD COLUMN currency TEXT DEFAULT 'EUR';"
      "INSERT INTO purchase(id,customer_id,cents,currency) VALUES(900001,1,5,'USD')");
  app("UPDATE purchase SET currency='CHF' WHERE id<10");
  expect_carried_over();
  EXPECT_EQ(target_value("SELECT currency FROM public.purchase WHERE id=900001"), "USD");
  EXPECT_EQ(target_value("SELECT currency FROM public.purchase WHERE id=100"), "EUR");
}

TEST_F(SchemaChangeTest, ARenamedColumn) {
  app("ALTER TABLE purchase RENAME COLUMN weight TO grams;"
      "UPDATE purchase SET grams=grams*1000 WHERE id<50");
  app("INSERT INTO purchase(customer_id,cents,grams) VALUES(3,4,5.5)");
  expect_carried_over();
  EXPECT_THAT(target_columns("purchase"), HasSubstr("grams:"));
}

TEST_F(SchemaChangeTest, ARenamedTable) {
  app("ALTER TABLE journal RENAME TO diary; INSERT INTO diary VALUES(10,'after')");
  expect_carried_over();
  EXPECT_EQ(target_value("SELECT count(*) FROM public.diary"), "4");
  EXPECT_EQ(target_value("SELECT to_regclass('public.journal')"), "");
}

TEST_F(SchemaChangeTest, ADroppedTable) {
  app("DROP TABLE setting");
  expect_carried_over();
  EXPECT_EQ(target_value("SELECT to_regclass('public.setting')"), "");
}

// What Django and Rails do for every ALTER: the triggers go with the old table.
TEST_F(SchemaChangeTest, ARebuiltTable) {
  AppDb db(db_);
  const std::string before = target_columns("purchase");
  for (const char* sql :
       {"PRAGMA foreign_keys=OFF",
        "BEGIN IMMEDIATE;"
        "CREATE TABLE new__purchase(id INTEGER PRIMARY KEY AUTOINCREMENT, customer_id INTEGER NOT "
        "NULL REFERENCES customer(id), cents INTEGER NOT NULL, memo TEXT);"
        "INSERT INTO new__purchase(id,customer_id,cents) SELECT id,customer_id,cents FROM purchase;"
        "DROP TABLE purchase; ALTER TABLE new__purchase RENAME TO purchase;"
        "CREATE INDEX purchase_customer ON purchase(customer_id); COMMIT",
        "INSERT INTO purchase(customer_id,cents,memo) VALUES(1,2,'right after')",
        "UPDATE purchase SET memo='changed' WHERE id<100", "DELETE FROM purchase WHERE id=200"}) {
    ASSERT_EQ(db.run(sql), "") << sql;
  }
  expect_carried_over();
  EXPECT_NE(target_columns("purchase"), before);
  EXPECT_EQ(target_value("SELECT count(*) FROM public.purchase WHERE memo IS NOT NULL"), "100");
}

// The same shape again: only the missing triggers tell.
TEST_F(SchemaChangeTest, ATableRebuiltAsItWas) {
  AppDb db(db_);
  const std::string ddl = db.value("SELECT sql FROM sqlite_master WHERE name='journal'");
  ASSERT_EQ(db.run("BEGIN IMMEDIATE; ALTER TABLE journal RENAME TO journal_old;" + ddl +
                   "; INSERT INTO journal SELECT at*10, what FROM journal_old; DROP TABLE "
                   "journal_old; COMMIT"),
            "");
  app("INSERT INTO journal VALUES(11,'right after'); DELETE FROM journal WHERE at=10");
  expect_carried_over();
}

TEST_F(SchemaChangeTest, AnApplicationThatDropsOurTriggers) {
  AppDb db(db_);
  std::string drops = db.value(
      "SELECT group_concat('DROP TRIGGER '||char(34)||name||char(34)||';','') FROM sqlite_master "
      "WHERE type='trigger' AND tbl_name='purchase'");
  ASSERT_THAT(drops, HasSubstr("_crossfade_"));
  ASSERT_EQ(db.run("BEGIN IMMEDIATE;" + drops + "UPDATE purchase SET cents=1 WHERE id<77; COMMIT"),
            "");
  app("DELETE FROM purchase WHERE id=80");
  expect_carried_over();
  EXPECT_NE(db.value("SELECT count(*) FROM sqlite_master WHERE type='trigger' AND "
                     "tbl_name='purchase'"),
            "0");
}

// SQLite fires the newest trigger first: what it changes has to be seen all the same.
TEST_F(SchemaChangeTest, AnApplicationTriggerMadeLater) {
  app("CREATE TRIGGER touch AFTER UPDATE ON purchase WHEN new.cents>1000000 BEGIN"
      " UPDATE purchase SET cents=0 WHERE id=new.id;"
      " INSERT INTO journal VALUES(new.id,'reset'); END");
  app("UPDATE purchase SET cents=2000000 WHERE id IN (5,6)");
  app("CREATE TRIGGER guard BEFORE INSERT ON purchase BEGIN"
      " DELETE FROM purchase WHERE id=new.id; END");
  app("INSERT INTO purchase VALUES(5,1,77,1.5)");
  expect_carried_over();
  EXPECT_EQ(
      target_value("SELECT string_agg(cents::text,',' ORDER BY id) FROM public.purchase WHERE "
                   "id IN (5,6)"),
      "77,0");
}

// Its rowids, which are its identity on the target, are renumbered.
TEST_F(SchemaChangeTest, AVacuumWithATableWithoutAKey) {
  app("INSERT INTO journal SELECT id,'many' FROM purchase WHERE id<500");
  app("DELETE FROM journal WHERE at%3=0");
  // It needs all others to hold still, and the engine's reads are short.
  ASSERT_TRUE(wait_until([&] { return AppDb(db_).run("VACUUM").empty(); }, seconds(10)));
  app("UPDATE journal SET what='later' WHERE at=100; DELETE FROM journal WHERE at=101;"
      "INSERT INTO journal VALUES(7,'new')");
  expect_carried_over();
}

// Promise: statements that name no columns mean the same on the target.
TEST_F(SchemaChangeTest, ATableWithoutAKeyHasTheRowidLast) {
  EXPECT_EQ(target_columns("journal"), "at:bigint what:text _crossfade_rowid:bigint");
  target_exec(
      "BEGIN; DELETE FROM public.journal; INSERT INTO public.journal VALUES(5,'by position'); "
      "ROLLBACK");
}

TEST_F(SchemaChangeTest, ANullInAPrimaryKeyThatHadNone) {
  app("CREATE TABLE tag(name TEXT PRIMARY KEY, n INTEGER); INSERT INTO tag VALUES('a',1),('b',2)");
  ASSERT_TRUE(wait_until([&] { return target_value("SELECT to_regclass('public.tag')") != ""; },
                         seconds(15)));
  app("INSERT INTO tag VALUES(NULL,3)");
  app("INSERT INTO tag VALUES(NULL,3); UPDATE tag SET n=4 WHERE name='a'");
  expect_carried_over();
  EXPECT_EQ(target_value("SELECT count(*) FROM public.tag WHERE name IS NULL"), "2");
}

// SQLite refuses it while triggers mention the column (docs/guarantees.md): cleanly, that is.
TEST_F(SchemaChangeTest, ADroppedColumnIsRefusedBySqliteAndNothingBreaks) {
  const std::string refused = AppDb(db_).run("ALTER TABLE purchase DROP COLUMN weight");
  EXPECT_THAT(refused, HasSubstr("error in trigger _crossfade_"));
  app("UPDATE purchase SET weight=1.25 WHERE id=3");
  expect_carried_over();
  EXPECT_EQ(target_value("SELECT weight FROM public.purchase WHERE id=3"), "1.25");
}

// Our triggers step aside for it.
TEST_F(SchemaChangeTest, AColumnIsDroppedByTheDdlVerb) {
  const Finished done =
      crossfade({"ddl", db_, "ALTER TABLE purchase DROP COLUMN weight", "--json"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(nlohmann::json::parse(done.out).at("changed"), nlohmann::json::array({"purchase"}));
  app("UPDATE purchase SET cents=cents+1 WHERE id<50; INSERT INTO journal VALUES(77,'after')");
  expect_carried_over();
  EXPECT_EQ(target_value("SELECT count(*) FROM information_schema.columns WHERE "
                         "table_name='purchase' AND column_name='weight'"),
            "0");
}

TEST_F(SchemaChangeTest, AFailedDdlChangesNothing) {
  const std::string before = AppDb(db_).value("SELECT group_concat(sql) FROM sqlite_master");
  EXPECT_EQ(
      crossfade({"ddl", db_, "CREATE TABLE fresh(x); ALTER TABLE nothere DROP COLUMN x"}).code, 5);
  EXPECT_EQ(AppDb(db_).value("SELECT group_concat(sql) FROM sqlite_master"), before);
  app("UPDATE purchase SET cents=cents+1 WHERE id<50");
  expect_carried_over();
}

TEST_F(SchemaChangeTest, ManyChangesInARow) {
  for (int i = 0; i < 8; ++i) {
    app(fmt::format(
        "ALTER TABLE customer ADD COLUMN extra{0} TEXT;"
        "UPDATE customer SET extra{0}='x'||id; CREATE TABLE t{0}(id INTEGER PRIMARY KEY,"
        " v); INSERT INTO t{0} VALUES(1,{0})",
        i));
  }
  app("DROP TABLE t3; ALTER TABLE t4 RENAME TO t3");
  expect_carried_over();
}

// While nobody looks.
TEST_F(SchemaChangeTest, ChangesWhileNoEngineRuns) {
  EXPECT_EQ(stop_engine(), 0);
  app("CREATE TABLE coupon(code TEXT PRIMARY KEY); INSERT INTO coupon VALUES('A');"
      "ALTER TABLE customer ADD COLUMN email TEXT; UPDATE customer SET email='e'||id;"
      "DROP TABLE setting; ALTER TABLE journal RENAME TO diary");
  follow();
  expect_carried_over();
}

}  // namespace
}  // namespace crossfade::testing
