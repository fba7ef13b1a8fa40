// Promise: CHECKs and indexes of every kind that have an equal come along: the indexes while
// following, the CHECKs at the cutover and not before, so that no row of the source's is kept out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class SchemaCarriedTest : public MoveTest {
 protected:
  void make_items() {
    app(R"(
      PRAGMA journal_mode=WAL;
      CREATE TABLE item(id INTEGER PRIMARY KEY, state TEXT CHECK (state IN ('new','sold')),
        name TEXT COLLATE NOCASE CHECK (length(name) > 1), low INTEGER, high INTEGER,
        extra JSON CHECK (json_valid(extra)),
        CONSTRAINT low_high CHECK (high > low));
      CREATE INDEX item_new ON item(low DESC) WHERE state = 'new';
      CREATE INDEX item_folded ON item(name);
      CREATE INDEX item_lower ON item(lower(name), low);
      CREATE UNIQUE INDEX item_once ON item(low) WHERE state = 'sold';
      WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<100)
        INSERT INTO item SELECT i, iif(i%2,'new','sold'), 'Item '||i, i, i+1, '{"a":'||i||'}'
        FROM c;)");
  }

  [[nodiscard]] std::string checks() const {
    return target_value(
        "SELECT coalesce(string_agg(conname, ',' ORDER BY conname), '') FROM pg_constraint "
        "WHERE contype = 'c' AND conrelid = 'public.item'::regclass");
  }

  [[nodiscard]] std::string index_of(const std::string& name) const {
    return target_value("SELECT indexdef FROM pg_indexes WHERE indexname = '" + name + "'");
  }

  // The SQLSTATE with which the target refuses it; empty: it does not.
  [[nodiscard]] std::string refusal(const std::string& sql) const {
    auto connection = connect_or_die(url_);
    const auto done = connection.exec(sql);
    return done ? "" : done.error().sqlstate;
  }

  static constexpr const char* kAll = "item_check,item_check1,item_check2,low_high";
};

TEST_F(SchemaCarriedTest, IndexesFollowAndChecksComeWithTheCutover) {
  make_items();
  follow();
  EXPECT_EQ(checks(), "");
  EXPECT_THAT(index_of("item_new"), HasSubstr("low DESC) WHERE"));
  EXPECT_THAT(index_of("item_folded"), HasSubstr("lower("));
  EXPECT_THAT(index_of("item_lower"), HasSubstr("lower("));
  EXPECT_THAT(index_of("item_once"), HasSubstr("UNIQUE"));
  app("INSERT INTO item VALUES(201,'new','more',1,2,'{}');"
      "PRAGMA ignore_check_constraints=ON;"
      "INSERT INTO item VALUES(202,'odd','x',5,1,'{\"a\":1}');"
      "UPDATE item SET high=0 WHERE id=50");
  expect_becomes_equal();
  EXPECT_EQ(target_value("SELECT state FROM public.item WHERE id=202"), "odd");
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(checks(), kAll);
  EXPECT_TRUE(wait_until(
      [&] {
        return target_value(
                   "SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint WHERE "
                   "contype = 'c' AND convalidated AND conrelid = 'public.item'::regclass") ==
               "item_check2";
      },
      seconds(10)))
      << "what the rows meet is valid, and what row 202 does not is not";
  EXPECT_EQ(refusal("INSERT INTO public.item VALUES(301,'new','xx',1,2,'{}')"), "");
  EXPECT_EQ(refusal("INSERT INTO public.item VALUES(302,NULL,NULL,NULL,2,'{}')"), "")
      << "NULL passes";
  for (const char* row : {"303,'odd','xx',1,2", "304,'new','x',1,2", "305,'new','xx',2,1"}) {
    EXPECT_EQ(refusal(std::string("INSERT INTO public.item VALUES(") + row + ",'{}')"), "23514")
        << row;
  }
  EXPECT_EQ(refusal("INSERT INTO public.item VALUES(306,'sold','xx',2,3,'{}')"), "23505");
}

// The order in which one transaction moves values between rows does not matter, as for any unique
// index.
TEST_F(SchemaCarriedTest, PartialAndFoldedUniqueIndexesTakeSwapsAndReplace) {
  app(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER, live INTEGER, n TEXT);
    CREATE UNIQUE INDEX t_a ON t(a) WHERE live <> 0;
    CREATE UNIQUE INDEX t_n ON t(n COLLATE NOCASE);
    INSERT INTO t VALUES(1,1,5,'One'),(2,2,5,'Two'),(3,1,0,'Three'),(4,4,5,'Four');)");
  follow();
  ASSERT_THAT(index_of("t_a"), HasSubstr("UNIQUE"));
  ASSERT_THAT(index_of("t_n"), HasSubstr("UNIQUE"));
  app("BEGIN; UPDATE t SET live=0 WHERE id=1; UPDATE t SET live=7 WHERE id=3; COMMIT;"
      "BEGIN; UPDATE t SET a=-1 WHERE id=2; UPDATE t SET a=2 WHERE id=3; UPDATE t SET a=1 WHERE "
      "id=2; COMMIT;"
      "BEGIN; UPDATE t SET n='x' WHERE id=1; UPDATE t SET n='ONE' WHERE id=2; UPDATE t SET n='TWO' "
      "WHERE id=1; COMMIT;"
      "INSERT OR REPLACE INTO t VALUES(9,4,1,'nine'); REPLACE INTO t VALUES(10,50,0,'THREE');"
      "UPDATE OR REPLACE t SET a=1 WHERE id=9");
  expect_becomes_equal();
  EXPECT_EQ(target_value("SELECT count(*)::text FROM crossfade.quarantine"), "0");
  EXPECT_EQ(refusal("INSERT INTO public.t VALUES(20,1,5,'other')"), "23505");
  EXPECT_EQ(refusal("INSERT INTO public.t VALUES(21,77,5,'tWo')"), "23505");
}

// The flip fails after the CHECKs were added; following goes on with whatever the source writes.
TEST_F(SchemaCarriedTest, ASteppedBackCutoverLeavesNoCheck) {
  make_items();
  follow();
  target_exec(R"(
    CREATE FUNCTION public.no_flip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NOT EXISTS(SELECT 1 FROM pg_constraint WHERE conname = 'low_high') THEN
        RAISE EXCEPTION 'too early'; END IF;
      RAISE EXCEPTION 'the checks are there'; END $$;
    CREATE TRIGGER no_flip BEFORE UPDATE ON crossfade.route FOR EACH ROW
      EXECUTE FUNCTION public.no_flip();
    ALTER TABLE crossfade.route ENABLE ALWAYS TRIGGER no_flip)");
  for (int i = 0; i < 2; ++i) {
    const Finished done = crossfade({"cutover", db_, "--no-rollback"});
    EXPECT_EQ(done.code, 8) << done.out << done.err;
    EXPECT_THAT(done.err, HasSubstr("the checks are there"));
    EXPECT_EQ(checks(), "");
  }
  app("PRAGMA ignore_check_constraints=ON; INSERT INTO item VALUES(202,'odd','x',5,1,'{}')");
  expect_becomes_equal();
  target_exec("DROP FUNCTION public.no_flip() CASCADE");
  EXPECT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  EXPECT_EQ(checks(), kAll);
}

// A reader on the target is waited for no longer than the pause may last.
TEST_F(SchemaCarriedTest, AReaderOnTheTargetMakesTheCutoverStepBack) {
  make_items();
  follow();
  auto reader = connect_or_die(url_);
  ASSERT_TRUE(reader.exec("BEGIN; SELECT count(*) FROM public.item"));
  const Finished done = crossfade({"cutover", db_, "--no-rollback", "--max-pause", "500"});
  EXPECT_EQ(done.code, 8) << done.out << done.err;
  EXPECT_THAT(done.err, HasSubstr("lock timeout"));
  ASSERT_TRUE(reader.exec("COMMIT"));
  EXPECT_EQ(checks(), "");
  app("PRAGMA ignore_check_constraints=ON; INSERT INTO item VALUES(202,'odd','x',5,1,'{}')");
  expect_becomes_equal();
  EXPECT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
}

// As an engine leaves them that died between adding them and the flip.
TEST_F(SchemaCarriedTest, ChecksOfAnUnfinishedCutoverAreDroppedAtTheStart) {
  make_items();
  ASSERT_EQ(run_until_verified().code, 0);
  target_exec("ALTER TABLE public.item ADD CONSTRAINT low_high CHECK (high > low) NOT VALID");
  follow();
  EXPECT_EQ(checks(), "");
  app("PRAGMA ignore_check_constraints=ON; INSERT INTO item VALUES(202,'odd','x',5,1,'{}')");
  expect_becomes_equal();
}

// Promise: the outcome is tried on the target before it is promised.
TEST_F(SchemaCarriedTest, ACheckTheTargetRefusesIsLeftOutAndNamed) {
  make_items();
  target_exec(R"(
    CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
      IF position('ADD CONSTRAINT "low_high"' IN current_query()) > 0 THEN
        RAISE EXCEPTION 'not this one' USING ERRCODE = '42501'; END IF; END $$;
    CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION public.refuse();
    ALTER EVENT TRIGGER refuse ENABLE ALWAYS)");
  follow();
  EXPECT_THAT(engine_->err(), HasSubstr("not this one"));
  target_exec("DROP EVENT TRIGGER refuse");
  EXPECT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  EXPECT_EQ(checks(), "item_check,item_check1,item_check2");
}

}  // namespace
}  // namespace crossfade::testing
