// Promise: what was put aside of an application's schema is never lost. What cannot come back, or
// is not valid, is told with the statement that makes it so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/connect.h"
#include "tests/support/existing_schema_test.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

class PutAsideTest : public ExistingSchemaTest {
 protected:
  [[nodiscard]] std::string kept() const { return read_bytes(db_ + ".crossfade/put_aside.sql"); }
};

TEST_F(PutAsideTest, FinishGivesTheStatementsOfARenamedTable) {
  make_django();
  ASSERT_EQ(run_adopting().code, 0);
  target_exec("ALTER TABLE book RENAME TO books");
  const Finished done = crossfade(adopting({"finish", db_, "--json"}));
  ASSERT_EQ(done.code, 0) << done.err;
  const json left = json::parse(done.out).at("not_put_back");
  ASSERT_EQ(left.size(), 1U) << done.out;
  EXPECT_EQ(left[0].at("name"), "book_author_id_fk");
  EXPECT_EQ(left[0].at("relation"), "public.book");
  const auto ddl = left[0].at("ddl").get<std::string>();
  EXPECT_THAT(ddl, HasSubstr("ALTER TABLE public.book ADD CONSTRAINT book_author_id_fk"));
  EXPECT_EQ(json::parse(done.out).at("put_aside_file"), db_ + ".crossfade/put_aside.sql");
  EXPECT_THAT(kept(), HasSubstr(ddl + ";"));
  EXPECT_THAT(read_bytes(db_ + ".crossfade/audit.jsonl"), HasSubstr("not_put_back"));
  target_exec("ALTER TABLE books RENAME TO book");
  target_exec(kept());
  EXPECT_EQ(schema(), schema_before_);
}

TEST_F(PutAsideTest, FinishGivesTheStatementsOfWhatReferredToADroppedTable) {
  make_django();
  ASSERT_EQ(run_adopting().code, 0);
  target_exec("DROP TABLE author");
  const Finished done = crossfade(adopting({"finish", db_}));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("not put back, and kept in " + db_ + ".crossfade/put_aside.sql"));
  EXPECT_THAT(done.out, HasSubstr("book_author_id_fk of public.book"));
  EXPECT_THAT(done.out, HasSubstr("REFERENCES public.author(id)"));
  EXPECT_THAT(kept(), HasSubstr("book_author_id_fk"));
}

// The table is renamed before its unique constraint was back.
TEST_F(PutAsideTest, AnEngineThatFoundTheTableGoneStillLeavesItToFinish) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES(1,'a'),(2,'a');"
      "CREATE TABLE u(id INTEGER PRIMARY KEY)");
  target_exec(
      "CREATE TABLE t(id bigint PRIMARY KEY, v text UNIQUE);"
      "CREATE TABLE u(id bigint PRIMARY KEY)");
  ASSERT_EQ(run_adopting().code, 0);
  target_exec("ALTER TABLE t RENAME TO t_old");
  app("DROP TABLE t");
  ASSERT_EQ(run_adopting().code, 0);
  EXPECT_EQ(target_value("SELECT name FROM crossfade.put_aside"), "t_v_key");
  ASSERT_EQ(crossfade(adopting({"cutover", db_, "--no-rollback"})).code, 0)
      << "it is in nobody's way";
  const Finished done = crossfade(adopting({"finish", db_}));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("ALTER TABLE public.t ADD CONSTRAINT t_v_key UNIQUE (v);"));
}

// As an engine leaves it that died between the flip and the validation.
TEST_F(PutAsideTest, TheNextStartValidatesWhatADeadEngineLeftNotValid) {
  make_django();
  ASSERT_EQ(run_adopting().code, 0);
  ASSERT_EQ(crossfade(adopting({"cutover", db_, "--no-rollback"})).code, 0);
  ASSERT_EQ(schema(), schema_before_);
  const std::string add =
      "ALTER TABLE public.book ADD CONSTRAINT book_author_id_fk FOREIGN KEY (author_id) "
      "REFERENCES public.author(id) DEFERRABLE INITIALLY DEFERRED";
  target_exec("ALTER TABLE book DROP CONSTRAINT book_author_id_fk; " + add + " NOT VALID; " +
              "INSERT INTO crossfade.put_aside(table_name,kind,relation,name,ddl,unvalidated) "
              "VALUES('book','f','public.book','book_author_id_fk','" +
              add + "',true)");
  EXPECT_NE(schema(), schema_before_);
  EXPECT_EQ(crossfade(adopting({"run", db_})).code, 0);
  EXPECT_EQ(schema(), schema_before_);
  EXPECT_EQ(target_value("SELECT count(*) FROM crossfade.put_aside"), "0");
}

TEST_F(PutAsideTest, TheNextStartValidatesTheMovesOwnForeignKeysToo) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  const auto valid = [&] {
    return target_value(
        "SELECT string_agg(conname||convalidated,',') FROM pg_constraint WHERE contype='f' AND "
        "conrelid='public.purchase'::regclass");
  };
  const std::string before = valid();
  EXPECT_THAT(before, HasSubstr("true"));
  target_exec(
      "UPDATE pg_constraint SET convalidated=false WHERE contype='f' AND "
      "conrelid='public.purchase'::regclass");
  EXPECT_NE(valid(), before);
  EXPECT_EQ(crossfade({"run", db_}).code, 0);
  EXPECT_EQ(valid(), before);
}

TEST_F(PutAsideTest, FinishSaysWhatIsNotValidAndHowToMakeItSo) {
  app("CREATE TABLE u(id INTEGER PRIMARY KEY);"
      "CREATE TABLE c(id INTEGER PRIMARY KEY, u INTEGER REFERENCES u);"
      "CREATE TABLE d(id INTEGER PRIMARY KEY, u INTEGER REFERENCES u);"
      "INSERT INTO u VALUES(1),(2); INSERT INTO c VALUES(1,1); INSERT INTO d VALUES(1,2)");
  follow();
  app("PRAGMA foreign_keys=OFF; INSERT INTO c VALUES(2,99)");
  expect_becomes_equal();
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  ASSERT_EQ(engine_->wait(seconds(20)).value_or(-1), 0);
  const Finished done = crossfade({"finish", db_, "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const json not_valid = json::parse(done.out).at("not_valid");
  ASSERT_EQ(not_valid.size(), 1U) << done.out;
  const auto statement = not_valid[0].get<std::string>();
  EXPECT_THAT(statement, HasSubstr("ALTER TABLE public.c VALIDATE CONSTRAINT"));
  target_exec("DELETE FROM c WHERE id=2; " + statement);
  EXPECT_EQ(target_value("SELECT bool_and(convalidated) FROM pg_constraint WHERE contype='f'"),
            "t");
}

TEST_F(PutAsideTest, AForeignKeyThatIsNotEnforcedComesBackAsItWasAndIsNoRemainder) {
  make_django();
  if (connect_or_die(url_).server_version() < 180'000)
    GTEST_SKIP() << "SKIPPED: before PostgreSQL 18 there is none";
  target_exec(
      "ALTER TABLE book DROP CONSTRAINT book_author_id_fk; ALTER TABLE book ADD CONSTRAINT "
      "book_author_id_fk FOREIGN KEY (author_id) REFERENCES author(id) NOT ENFORCED");
  schema_before_ = schema();
  ASSERT_EQ(run_adopting().code, 0);
  ASSERT_EQ(crossfade(adopting({"cutover", db_, "--no-rollback"})).code, 0);
  EXPECT_EQ(schema(), schema_before_);
  const Finished done = crossfade(adopting({"finish", db_, "--json"}));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json::parse(done.out).at("not_valid").size(), 0U) << done.out;
  EXPECT_EQ(schema(), schema_before_);
}

TEST_F(PutAsideTest, FinishSaysNothingWhereNothingIsLeft) {
  make_django();
  ASSERT_EQ(run_adopting().code, 0);
  const Finished done = crossfade(adopting({"finish", db_}));
  EXPECT_THAT(done.out, Not(HasSubstr("not put back")));
  EXPECT_THAT(done.out, Not(HasSubstr("not valid")));
}

}  // namespace
}  // namespace crossfade::testing
