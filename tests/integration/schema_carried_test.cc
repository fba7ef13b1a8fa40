// Promise: CHECKs and indexes of every kind that have an equal come along: the indexes while
// following, the CHECKs at the cutover and not before, so that no row of the source's is kept out.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

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

  [[nodiscard]] std::string views() const {
    return target_value(
        "SELECT coalesce(string_agg(viewname, ',' ORDER BY viewname COLLATE \"C\"), '') FROM "
        "pg_views"
        " WHERE schemaname = 'public'");
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

// Promise: keys of the source's are constraints there, by their names, also for ON CONFLICT.
TEST_F(SchemaCarriedTest, UniqueConstraintsAreConstraints) {
  app(R"(
    CREATE TABLE t(id INTEGER CONSTRAINT "PK_t" PRIMARY KEY, a INTEGER UNIQUE, b TEXT, c TEXT,
      CONSTRAINT t_b_c UNIQUE(b, c));
    CREATE TABLE child(id INTEGER PRIMARY KEY, b TEXT, c TEXT, FOREIGN KEY(b, c) REFERENCES t(b, c));
    INSERT INTO t VALUES(1,1,'x','y'),(2,2,'x','z'); INSERT INTO child VALUES(1,'x','y');)");
  follow();
  // Values change places, as they may within a statement or a transaction of SQLite's.
  app("BEGIN; UPDATE t SET a=-1 WHERE id=1; UPDATE t SET a=1 WHERE id=2; UPDATE t SET a=2 WHERE "
      "id=1; COMMIT; REPLACE INTO t VALUES(3,1,'x','z')");
  expect_becomes_equal();
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(target_value("SELECT string_agg(constraint_name, ',' ORDER BY constraint_name) FROM "
                         "information_schema.table_constraints WHERE table_name = 't' AND "
                         "constraint_type IN ('PRIMARY KEY', 'UNIQUE')"),
            "PK_t,t_a_key,t_b_c");
  EXPECT_EQ(refusal("INSERT INTO public.t VALUES(9,9,'x','y')"), "23505");
  EXPECT_EQ(refusal("INSERT INTO public.t VALUES(9,9,'x','y') ON CONFLICT ON CONSTRAINT t_b_c DO "
                    "UPDATE SET a = 9"),
            "");
  EXPECT_EQ(target_value("SELECT a::text FROM public.t WHERE id = 1"), "9");
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

TEST_F(SchemaCarriedTest, ADefaultGivesWhatSqliteWouldGive) {
  app(R"(
    CREATE TABLE d(id INTEGER PRIMARY KEY, a INTEGER DEFAULT (abs(-5) * 2), b TEXT DEFAULT ('x' || upper('y')),
      c REAL DEFAULT (1 + 0.5), e DEFAULT (CASE WHEN 1 < 2 THEN 'q' ELSE 'z' END),
      f BOOLEAN DEFAULT (1 = 1), r INTEGER DEFAULT (sqlite_version()));
    INSERT INTO d(id, r) VALUES(1, 7);)");
  const std::string plan = crossfade({"inspect", db_, "--json"}).out;
  EXPECT_THAT(plan, HasSubstr("DEFAULT sqlite_version() has no equal"));
  EXPECT_THAT(plan, Not(HasSubstr("DEFAULT abs")));
  ASSERT_EQ(run_until_verified().code, 0);
  target_exec("INSERT INTO public.d(id, r) VALUES(2, 7)");
  EXPECT_EQ(target_value("SELECT count(DISTINCT (a, b, c, e, f))::text FROM public.d"), "1");
  EXPECT_EQ(target_value("SELECT a || b || c || e FROM public.d WHERE id = 2"), "10xY1.5q");
}

// The source does not look at references unless it is told to; nor does what is followed.
TEST_F(SchemaCarriedTest, AForeignKeyWithOrphansIsNeverSaidToBeValid) {
  app("CREATE TABLE u(id INTEGER PRIMARY KEY);"
      "CREATE TABLE c(id INTEGER PRIMARY KEY, u INTEGER REFERENCES u);"
      "CREATE TABLE d(id INTEGER PRIMARY KEY, u INTEGER REFERENCES u);"
      "INSERT INTO u VALUES(1),(2); INSERT INTO c VALUES(1,1); INSERT INTO d VALUES(1,2)");
  follow();
  app("PRAGMA foreign_keys=OFF; INSERT INTO c VALUES(2,99); DELETE FROM u WHERE id=1");
  expect_becomes_equal();
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  EXPECT_TRUE(wait_until(
      [&] {
        return target_value(
                   "SELECT string_agg(conrelid::regclass || ' ' || convalidated, ',' "
                   "ORDER BY conrelid::regclass::text) FROM pg_constraint WHERE "
                   "contype = 'f'") == "public.c false,public.d true";
      },
      seconds(10)))
      << engine_->err();
  EXPECT_EQ(refusal("INSERT INTO public.c VALUES(3,98)"), "23503")
      << "it holds for what is written";
}

// They come with the cutover and not before, so that no view keeps a table from being made anew.
TEST_F(SchemaCarriedTest, ViewsComeWithTheCutover) {
  make_items();
  app(R"(
    CREATE TABLE maker(id INTEGER PRIMARY KEY, name TEXT);
    INSERT INTO maker VALUES(1,'Ann'),(2,'Bob');
    CREATE VIEW "a first" AS SELECT m.name, p.n FROM maker m JOIN per_maker p ON p.maker = m.id;
    CREATE VIEW per_maker(maker, n) AS SELECT 1 + low % 2, count(*) FROM item GROUP BY 1 + low % 2;
    CREATE VIEW numbered AS SELECT name, row_number() OVER (ORDER BY id) FROM item;
    CREATE VIEW on_numbered AS SELECT name FROM numbered;
    CREATE VIEW mine AS SELECT name FROM maker;)");
  follow();
  target_exec("CREATE VIEW public.mine AS SELECT 'by hand'::text AS name");
  EXPECT_EQ(views(), "mine");
  app("ALTER TABLE maker RENAME COLUMN name TO called;"
      "CREATE VIEW later AS SELECT called FROM maker WHERE id > 1;"
      "INSERT INTO maker VALUES(3,'Cy')");
  expect_becomes_equal();
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(views(), "a first,later,mine,per_maker");
  EXPECT_EQ(target_value("SELECT string_agg(called, ',' ORDER BY called) FROM public.later"),
            "Bob,Cy");
  EXPECT_EQ(
      target_value("SELECT string_agg(called || n, ',' ORDER BY called) FROM public.\"a first\""),
      "Ann50,Bob50");
  EXPECT_EQ(target_value("SELECT name FROM public.mine"), "by hand");
  EXPECT_THAT(target_value("SELECT obj_description('public.later'::regclass)"),
              HasSubstr("CREATE VIEW later AS SELECT called FROM maker"));
}

TEST_F(SchemaCarriedTest, AViewIsShownByInspectAndOneWithoutAnEqualIsExplained) {
  make_items();
  app("CREATE VIEW good AS SELECT id, name FROM item WHERE low > 3;"
      "CREATE VIEW bad AS SELECT row_number() OVER (ORDER BY id) FROM item;"
      "CREATE VIEW self AS SELECT id FROM bad;"
      "CREATE VIEW mean AS SELECT avg(low) AS low FROM item;"
      "CREATE VIEW '" +
      std::string(70, 'v') + "' AS SELECT id FROM item;");
  const Finished done = crossfade({"inspect", db_, "--json"});
  const auto report = nlohmann::json::parse(done.out, nullptr, false);
  EXPECT_THAT(report["ddl"].dump(), HasSubstr("CREATE VIEW"));
  std::map<std::string, std::string> refused;
  std::map<std::string, std::string> differs;
  for (const auto& finding : report["findings"]) {
    if (finding["code"] == "view_not_carried") refused[finding["table"]] = finding["message"];
    if (finding["code"] == "view_differs") differs[finding["table"]] = finding["message"];
  }
  EXPECT_EQ(differs.size(), 1U) << report["findings"].dump(1);
  EXPECT_THAT(differs["mean"], HasSubstr("last digits"));
  EXPECT_EQ(refused.size(), 2U) << report["findings"].dump(1);
  EXPECT_THAT(refused["bad"], HasSubstr("window"));
  EXPECT_THAT(refused["self"], HasSubstr("bad"));
  EXPECT_THAT(report["ddl"].dump(), HasSubstr(std::string(54, 'v') + "_")) << "shortened";
}

TEST_F(SchemaCarriedTest, NamesInSnakeCaseAreThoseOfTheWholeMove) {
  app(R"(
    CREATE TABLE UserAccount(userId INTEGER PRIMARY KEY, "First Name" TEXT UNIQUE, HTTPCode INTEGER CHECK (HTTPCode > 99));
    CREATE TABLE OwnedBy(id INTEGER PRIMARY KEY REFERENCES UserAccount);
    CREATE VIEW "ActiveUsers" AS SELECT userId, "First Name" FROM UserAccount WHERE HTTPCode < 300;
    INSERT INTO UserAccount VALUES(1,'Ann',200),(2,'Bob',404); INSERT INTO OwnedBy VALUES(2);)");
  follow({"--naming", "snake_case"});
  app("UPDATE UserAccount SET HTTPCode=201 WHERE userId=2; INSERT INTO UserAccount "
      "VALUES(3,'Cy',500)");
  EXPECT_EQ(crossfade({"verify", db_, "--naming", "snake_case"}).code, 0);
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
  const Finished forgotten = crossfade({"verify", db_});
  EXPECT_EQ(forgotten.code, 6) << forgotten.err;
  EXPECT_THAT(forgotten.err, HasSubstr("use --naming snake_case"));
  EXPECT_EQ(crossfade({"verify", db_, "--naming", "camel"}).code, 2);
  const Finished done = crossfade({"cutover", db_, "--no-rollback", "--naming", "snake_case"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(
      target_value("SELECT string_agg(first_name, ',' ORDER BY user_id) FROM public.active_users"),
      "Ann,Bob");
  EXPECT_EQ(
      target_value(
          "SELECT string_agg(http_code::text, ',' ORDER BY user_id) FROM public.user_account"),
      "200,201,500");
  EXPECT_EQ(target_value("SELECT count(*)::text FROM public.owned_by"), "1");
}

// As a cutover leaves them that was killed before its flip.
TEST_F(SchemaCarriedTest, ViewsLeftBehindNeverKeepTheEngineFromFollowing) {
  make_items();
  app("CREATE VIEW a AS SELECT id FROM item; CREATE VIEW b AS SELECT id FROM item;"
      "CREATE VIEW c AS SELECT id FROM item");
  follow();
  ASSERT_EQ(stop_engine(), 0);
  target_exec(R"(
    CREATE VIEW public.a AS SELECT id FROM public.item; CREATE VIEW public.b AS SELECT id FROM public.item;
    CREATE VIEW public.c AS SELECT id FROM public.item; CREATE VIEW public.theirs AS SELECT * FROM public.a;
    INSERT INTO crossfade.views(target_name, made) SELECT v, ('public.' || v)::regclass FROM unnest('{a,b,c}'::text[]) v;
    DROP VIEW public.b; CREATE VIEW public.b AS SELECT 'theirs' AS id)");
  app("DROP VIEW c; CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES(7)");
  follow();
  EXPECT_EQ(views(), "a,b,theirs");
  EXPECT_THAT(engine_->err(), HasSubstr("\"a\" stays on the target"));
  app("INSERT INTO c VALUES(8)");
  expect_becomes_equal();
  EXPECT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  EXPECT_EQ(views(), "a,b,theirs");
  EXPECT_EQ(target_value("SELECT id FROM public.b"), "theirs");
}

TEST_F(SchemaCarriedTest, AChainOfLongViewsIsRefusedOrCarriedAndNothingElse) {
  make_items();
  std::string sum;
  for (int i = 0; i < 190; ++i) sum += "+1";
  for (int i = 0; i < 60; ++i) {
    app(i == 59 ? "CREATE VIEW s59 AS SELECT low AS x FROM item"
                : fmt::format("CREATE VIEW s{} AS SELECT (SELECT x FROM s{} LIMIT 1){} AS x", i,
                              i + 1, sum));
  }
  app("CREATE VIEW p AS SELECT x FROM q; CREATE VIEW q AS SELECT x FROM p");
  EXPECT_EQ(crossfade({"inspect", db_}).code, 0);
  EXPECT_EQ(run_until_verified().code, 0);
}

// The flip fails after the CHECKs were added; following goes on with whatever the source writes.
TEST_F(SchemaCarriedTest, ASteppedBackCutoverLeavesNoCheckAndNoView) {
  make_items();
  app("CREATE VIEW sold AS SELECT id FROM item WHERE state = 'sold'");
  follow();
  target_exec(R"(
    CREATE FUNCTION public.no_flip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NOT EXISTS(SELECT 1 FROM pg_constraint WHERE conname = 'low_high') THEN
        RAISE EXCEPTION 'too early'; END IF;
      PERFORM count(*) FROM public.sold;
      RAISE EXCEPTION 'both are there'; END $$;
    CREATE TRIGGER no_flip BEFORE UPDATE ON crossfade.route FOR EACH ROW
      EXECUTE FUNCTION public.no_flip();
    ALTER TABLE crossfade.route ENABLE ALWAYS TRIGGER no_flip)");
  for (int i = 0; i < 2; ++i) {
    const Finished done = crossfade({"cutover", db_, "--no-rollback"});
    EXPECT_EQ(done.code, 8) << done.out << done.err;
    EXPECT_THAT(done.err, HasSubstr("both are there"));
    EXPECT_EQ(checks() + views(), "");
  }
  app("PRAGMA ignore_check_constraints=ON; INSERT INTO item VALUES(202,'odd','x',5,1,'{}')");
  expect_becomes_equal();
  target_exec("DROP FUNCTION public.no_flip() CASCADE");
  EXPECT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  EXPECT_EQ(checks(), kAll);
  EXPECT_EQ(views(), "sold");
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

TEST_F(SchemaCarriedTest, AnIndexTheTargetRefusesIsLeftOutAndNamed) {
  make_items();
  target_exec(R"(
    CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
      IF position('INDEX "item_folded"' IN current_query()) > 0 THEN
        RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END IF; END $$;
    CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION public.refuse();
    ALTER EVENT TRIGGER refuse ENABLE ALWAYS)");
  const Finished run = run_until_verified();
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(index_of("item_folded"), "");
  EXPECT_NE(index_of("item_lower"), "");
  EXPECT_THAT(run.err, HasSubstr("no room"));
  EXPECT_THAT(read_bytes(db_ + ".crossfade/audit.jsonl"), HasSubstr("ddl_refused"));
}

}  // namespace
}  // namespace crossfade::testing
