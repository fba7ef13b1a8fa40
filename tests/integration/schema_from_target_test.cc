// Promise: the tables that an application's migrations made are loaded, followed and cut over to as
// they are. None of their constraints is lost, whatever happens on the way.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/existing_schema_test.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class SchemaFromTargetTest : public ExistingSchemaTest {};

TEST_F(SchemaFromTargetTest, DjangosTablesAreFollowedAndCutOverToAsTheyAre) {
  app(std::string("PRAGMA journal_mode=WAL;") + kDjangoSource);
  target_exec(kDjangoTarget);
  target_exec("ALTER TABLE author DROP COLUMN seen");  // the oracle wants the same columns
  schema_before_ = schema();
  follow({"--schema-from-target"});
  EXPECT_EQ(schema(), but_references(schema_before_))
      << "the rest is back once the tables are live";
  app("BEGIN;"  // names go round, through a moment when two are the same or none is
      "UPDATE author SET username='tmp' WHERE id=1;"
      "UPDATE author SET username='user1' WHERE id=2;"
      "UPDATE author SET username='user2' WHERE id=1;"
      "COMMIT;"
      "UPDATE book SET lent='2024-02-29 12:00:00.000001' WHERE id=1;"
      "INSERT INTO book VALUES(9000,'late',1,12.25,1,NULL);"
      "DELETE FROM book WHERE author_id IN (7, 9); DELETE FROM author WHERE id=7;"
      "INSERT OR REPLACE INTO author VALUES(8,'user9',1,'2020-01-01 00:00:00','{}',"
      "'000102030405060708090a0b0c0d0e0f');"
      "UPDATE session SET session_key='moved' WHERE session_key='key3'");
  expect_equal();
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_TRUE(wait_until([&] { return schema() == schema_before_; }, seconds(10))) << schema();
  EXPECT_EQ(compare_databases(db_, url_), "");
  EXPECT_EQ(target_value("INSERT INTO book(title,pages,price,author_id) VALUES('new',1,1,1) "
                         "RETURNING id"),
            "9001")
      << "the identity goes on above the source's largest key";
  EXPECT_EQ(target_value("SELECT joined::text FROM author WHERE id=3"), "2020-09-13 13:16:40+00");
  EXPECT_EQ(crossfade(adopting({"finish", db_})).code, 0);
  EXPECT_EQ(schema(), schema_before_);
  EXPECT_EQ(target_value("SELECT count(*) FROM session"), "40");
}

TEST_F(SchemaFromTargetTest, ColumnsOfTheTargetsOwnKeepTheirDefaults) {
  make_django();
  ASSERT_EQ(run_adopting().code, 0);
  EXPECT_EQ(target_value("SELECT count(*) FROM author WHERE seen=7"), "50");
  EXPECT_EQ(schema(), but_references(schema_before_));
}

// Rails: bigserial, strings without a length, timestamp(6), names in another case on one side.
TEST_F(SchemaFromTargetTest, RailsTablesAreMatchedWhateverTheCase) {
  app(R"(
    PRAGMA journal_mode=WAL;
    CREATE TABLE "Posts" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "title" varchar,
      "authorName" varchar NOT NULL, "score" float, "rank" smallint, "mood" varchar,
      "created_at" datetime(6) NOT NULL);
    CREATE TABLE "comments" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "post_id" integer NOT NULL
      CONSTRAINT "fk" REFERENCES "Posts" ("id"), "body" text, "hidden" boolean DEFAULT 0);
    INSERT INTO "Posts" VALUES(1,'a','x',0.5,3,'glad','2024-01-01 10:00:00.000000'),
      (40,NULL,'y',NULL,-3,'sad','2024-01-01 10:00:00.123456');
    INSERT INTO comments VALUES(1,1,'hm',0),(2,40,NULL,1);)");
  target_exec(R"(
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE TABLE "posts" ("id" bigserial primary key, "title" character varying,
      "author_name" character varying NOT NULL, "score" real, "rank" smallint, "mood" mood,
      "created_at" timestamp(6) without time zone NOT NULL);
    CREATE TABLE "comments" ("id" bigserial primary key, "post_id" bigint NOT NULL, "body" text,
      "hidden" boolean DEFAULT FALSE);
    ALTER TABLE "comments" ADD CONSTRAINT "fk_rails_1" FOREIGN KEY ("post_id")
      REFERENCES "posts" ("id");)");
  schema_before_ = schema();
  follow({"--schema-from-target"});
  app("UPDATE \"Posts\" SET mood='glad', title='b' WHERE id=40; DELETE FROM comments WHERE id=1");
  EXPECT_TRUE(wait_until(
      [&] { return target_value("SELECT title||mood FROM posts WHERE id=40") == "bglad"; },
      seconds(20)));
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(schema(), schema_before_);
  EXPECT_EQ(target_value("SELECT string_agg(id||coalesce(title,'')||author_name||coalesce(score,-1)"
                         "||rank||mood||created_at, ',' ORDER BY id) FROM posts"),
            "1ax0.53glad2024-01-01 10:00:00,40by-1-3glad2024-01-01 10:00:00.123456");
  EXPECT_EQ(
      target_value("INSERT INTO posts(author_name,created_at) VALUES('z',now()) RETURNING id"),
      "41");
}

// Prisma: DateTime is milliseconds on SQLite and timestamp(3) on PostgreSQL. And a column without
// values, of which the first one shows that it is written in another form than was expected.
TEST_F(SchemaFromTargetTest, AFormThatWasOnlyExpectedGivesWayToTheFirstValue) {
  app(R"(
    PRAGMA journal_mode=WAL;
    CREATE TABLE "User" ("id" TEXT NOT NULL PRIMARY KEY, "createdAt" DATETIME NOT NULL,
      "seenAt" DATETIME, "key" TEXT);
    INSERT INTO "User" VALUES('u1',1700000000123,NULL,NULL),('u2',1700000001000,NULL,NULL);)");
  target_exec(
      "CREATE TABLE \"User\" (\"id\" TEXT NOT NULL, \"createdAt\" TIMESTAMP(3) NOT NULL DEFAULT "
      "CURRENT_TIMESTAMP, \"seenAt\" TIMESTAMP(3), \"key\" UUID, "
      "CONSTRAINT \"User_pkey\" PRIMARY KEY (\"id\")); "
      "CREATE UNIQUE INDEX \"User_key_key\" ON \"User\" (\"key\");");
  schema_before_ = schema();
  follow({"--schema-from-target"});
  EXPECT_EQ(target_value("SELECT \"createdAt\" FROM \"User\" WHERE id='u1'"),
            "2023-11-14 22:13:20.123");
  app("UPDATE \"User\" SET \"seenAt\"='2024-02-29T01:02:03Z', "
      "\"key\"='AB0E1A2C-1111-4222-8333-444455556666' WHERE id='u1'");
  EXPECT_TRUE(wait_until(
      [&] {
        return target_value("SELECT \"seenAt\"||' '||\"key\" FROM \"User\" WHERE id='u1'") ==
               "2024-02-29 01:02:03 ab0e1a2c-1111-4222-8333-444455556666";
      },
      seconds(30)));
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(schema(), schema_before_);
}

TEST_F(SchemaFromTargetTest, AnEngineKilledWhileCopyingGoesOn) {
  make_django();
  app("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<120000) "
      "INSERT INTO book SELECT 10000+i, 'More '||i, 1, 1, i%50+1, NULL FROM c");
  Process engine(crossfade_command(adopting({"run", db_, "--target", url_})));
  ASSERT_TRUE(wait_until(
      [&] {
        return target_value("SELECT to_regclass('crossfade.tables')") == "crossfade.tables" &&
               target_value("SELECT sum(rows_copied)>0 FROM crossfade.tables") == "t";
      },
      seconds(60)));
  engine.signal(SIGKILL);
  (void)engine.wait(seconds(10));
  app("UPDATE book SET title='changed '||id WHERE id%100=0");
  const Finished done = run_adopting();
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(schema(), but_references(schema_before_));
}

TEST_F(SchemaFromTargetTest, FinishOfAnAbandonedMovePutsEverythingBack) {
  make_django();
  app("CREATE TABLE later(id INTEGER PRIMARY KEY, a TEXT)");
  target_exec("CREATE TABLE later(id bigint PRIMARY KEY, a text UNIQUE)");
  schema_before_ = schema();
  app("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<200000) "
      "INSERT INTO later SELECT i, 'v'||i FROM c");
  Process engine(crossfade_command(adopting({"run", db_, "--target", url_})));
  ASSERT_TRUE(wait_until(
      [&] {
        return target_value("SELECT to_regclass('crossfade.put_aside')") == "crossfade.put_aside" &&
               target_value("SELECT count(*)>0 FROM crossfade.put_aside") == "t";
      },
      seconds(60)));
  engine.signal(SIGKILL);
  (void)engine.wait(seconds(10));
  EXPECT_NE(schema(), schema_before_) << "the test is of a move that had put something aside";
  const Finished refused = crossfade(adopting({"finish", db_}));
  if (refused.code != 0) {  // children are there whose parents are not yet
    EXPECT_EQ(refused.code, 3) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("TRUNCATE"));
    target_exec("TRUNCATE author, book, session, later");
    EXPECT_EQ(crossfade(adopting({"finish", db_})).code, 0);
  }
  EXPECT_EQ(schema(), schema_before_);
  EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade')"), "");
}

// A role that may not keep foreign keys quiet gets them back at the cutover.
TEST_F(SchemaFromTargetTest, AnOrdinaryRoleHasItsForeignKeysBackAtTheCutover) {
  make_django();
  const std::string role = fmt::format("owner_{}", getpid());
  const std::string database = target_value("SELECT current_database()");
  target_exec(fmt::format(
      "CREATE ROLE {0} LOGIN; GRANT ALL ON DATABASE \"{1}\" TO {0}; GRANT ALL ON SCHEMA public TO "
      "{0}; ALTER TABLE author OWNER TO {0}; ALTER TABLE book OWNER TO {0}; ALTER TABLE session "
      "OWNER TO {0}",
      role, database));
  const std::string admin = url_;
  const size_t user = url_.find("://") + 3;
  url_.replace(user, url_.find('@', user) - user, role);
  follow({"--schema-from-target"});
  EXPECT_EQ(target_value("SELECT count(*) FROM pg_constraint WHERE contype='f' AND "
                         "conrelid='public.book'::regclass"),
            "0");
  app("UPDATE author SET is_active=1 WHERE id=2; PRAGMA foreign_keys=OFF; "
      "INSERT INTO book VALUES(9000,'orphan',1,1,777,NULL)");
  Finished done = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(done.code, 8) << done.out << done.err;
  EXPECT_THAT(done.out + done.err, HasSubstr("book_author_id_fk"));
  app("DELETE FROM book WHERE id=9000");
  done = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_TRUE(wait_until([&] { return schema() == schema_before_; }, seconds(10))) << schema();
  (void)engine_->wait(seconds(10));
  EXPECT_EQ(crossfade(adopting({"finish", db_})).code, 0);
  url_ = admin;
  EXPECT_EQ(schema(), schema_before_);
  target_exec(
      fmt::format("REASSIGN OWNED BY {0} TO CURRENT_USER; DROP OWNED BY {0}; DROP ROLE {0}", role));
}

TEST_F(SchemaFromTargetTest, RowsThatBreakAUniqueConstraintAreNamedAndBlockTheCutover) {
  app(R"(
    PRAGMA journal_mode=WAL;
    CREATE TABLE t(id INTEGER PRIMARY KEY, email varchar(100));
    INSERT INTO t VALUES(1,'a@x'),(2,'a@x'),(3,'b@x');)");
  target_exec("CREATE TABLE t(id bigint PRIMARY KEY, email varchar(100) UNIQUE)");
  schema_before_ = schema();
  follow({"--schema-from-target"});
  const Finished refused = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(refused.code, 8) << refused.out;
  EXPECT_THAT(refused.out + refused.err, HasSubstr("t_email_key"));
  EXPECT_THAT(refused.out + refused.err, HasSubstr("a@x"));
  EXPECT_EQ(target_value("SELECT name FROM crossfade.put_aside"), "t_email_key")
      << "target_constraint_refused: nothing is lost";
  app("UPDATE t SET email='c@x' WHERE id=2");
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(schema(), schema_before_);
}

TEST_F(SchemaFromTargetTest, ANewColumnWaitsForTheTargetsMigration) {
  make_django();
  follow({"--schema-from-target"});
  app("ALTER TABLE book ADD COLUMN isbn varchar(20)");
  app("UPDATE book SET isbn='123' WHERE id=5");
  EXPECT_EQ(engine_->wait(seconds(30)).value_or(-1), 3) << engine_->err();
  EXPECT_THAT(engine_->err(), HasSubstr("isbn"));
  target_exec("ALTER TABLE book ADD COLUMN isbn varchar(20)");
  const std::string with_isbn = schema();
  const Finished done = run_adopting();
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(target_value("SELECT isbn FROM book WHERE id=5"), "123");
  EXPECT_EQ(target_value("SELECT count(*) FROM book"), "3000");
  app("DROP TABLE session");
  EXPECT_EQ(run_adopting().code, 0);
  EXPECT_EQ(target_value("SELECT count(*) FROM session"), "40")
      << "it is the application's to drop";
  EXPECT_NE(target_value("SELECT to_regclass('public.session')"), "");
}

// The source does not look at references unless it is told to, and following does not either.
TEST_F(SchemaFromTargetTest, AnOrphanThatCameWhileFollowingStepsTheCutoverBack) {
  make_django();
  follow({"--schema-from-target"});
  app("PRAGMA foreign_keys=OFF; DELETE FROM author WHERE id=3");
  EXPECT_TRUE(wait_until(
      [&] { return target_value("SELECT count(*) FROM author WHERE id=3") == "0"; }, seconds(20)));
  const Finished refused = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(refused.code, 8) << refused.out << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("book_author_id_fk"));
  app("DELETE FROM book WHERE author_id=3");
  EXPECT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  EXPECT_TRUE(wait_until([&] { return schema() == schema_before_; }, seconds(10))) << schema();
}

TEST_F(SchemaFromTargetTest, ASequenceThatNobodyOwnsGoesOnToo) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES(1,'a'),(41,'b')");
  target_exec(
      "CREATE SEQUENCE numbers; CREATE TABLE t(id bigint PRIMARY KEY DEFAULT "
      "nextval('numbers'), v text)");
  ASSERT_EQ(run_adopting().code, 0);
  ASSERT_EQ(crossfade(adopting({"cutover", db_, "--no-rollback"})).code, 0);
  EXPECT_EQ(target_value("INSERT INTO t(v) VALUES('c') RETURNING id"), "42");
}

TEST_F(SchemaFromTargetTest, AColumnThatWasAlteredOnTheTargetIsNoticed) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, v TEXT); INSERT INTO t VALUES(1,1,'abc')");
  target_exec("CREATE TABLE t(id bigint PRIMARY KEY, n integer, v varchar(5))");
  ASSERT_EQ(run_adopting().code, 0);
  target_exec("ALTER TABLE t ALTER n TYPE bigint, ALTER v TYPE varchar(50)");
  app("INSERT INTO t VALUES(2,5000000000,'longer than five')");
  const Finished done = run_adopting();
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(target_value("SELECT n||v FROM t WHERE id=2"), "5000000000longer than five");
}

TEST_F(SchemaFromTargetTest, WhatSomebodyMadeAnewIsBack) {
  make_django();
  ASSERT_EQ(run_adopting().code, 0);
  target_exec(
      "ALTER TABLE book ADD CONSTRAINT book_author_id_fk FOREIGN KEY (author_id) REFERENCES "
      "author(id) DEFERRABLE INITIALLY DEFERRED");
  EXPECT_EQ(crossfade(adopting({"finish", db_})).code, 0);
  EXPECT_EQ(schema(), schema_before_);
}

TEST_F(SchemaFromTargetTest, TwoTablesAreNeverLoadedIntoOne) {
  app("CREATE TABLE OrderItem(id INTEGER PRIMARY KEY); CREATE TABLE Order_Item(id INTEGER PRIMARY "
      "KEY)");
  target_exec("CREATE TABLE order_item(id bigint PRIMARY KEY)");
  EXPECT_THAT(blockers(), HasSubstr("name_collision"));
}

}  // namespace
}  // namespace crossfade::testing
