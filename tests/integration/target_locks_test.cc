// Promise: crossfade's DDL on tables of an application stands in nobody's way for longer than a
// moment. Somebody's long transaction is waited for, and named; everybody else goes on.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/connect.h"
#include "tests/support/existing_schema_test.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class TargetLocksTest : public ExistingSchemaTest {
 protected:
  // A session as pg_dump's, in a transaction that has read the table.
  [[nodiscard]] postgres::Connection reader_of(const std::string& table) const {
    postgres::ConnectOptions options;
    options.application_name = "long reader";
    auto connection = connect_or_die(url_, std::move(options));
    EXPECT_TRUE(connection.exec("BEGIN; SELECT count(*) FROM public." + table));
    return connection;
  }

  // An application that comes while the engine waits. Far more patient than the engine's DDL may
  // be, and less than it once was.
  void expect_readable(const std::string& table) const {
    auto connection = connect_or_die(url_);
    for (int i = 0; i < 5; ++i) {
      const auto read =
          connection.exec("SET lock_timeout = '8s'; SELECT count(*) FROM public." + table);
      EXPECT_TRUE(read) << "behind the engine: " << describe(read.error());
    }
  }

  [[nodiscard]] bool engine_says(const std::string& text) const {
    return wait_until([&] { return engine_->err().find(text) != std::string::npos; }, seconds(60));
  }
};

TEST_F(TargetLocksTest, AConstraintComesBackOnceALongReaderHasEnded) {
  make_django();
  app("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<200000) "
      "INSERT INTO book SELECT 10000+i, 'More '||i, 1, 1, i%50+1, NULL FROM c");
  engine_ = std::make_unique<Process>(crossfade_command(adopting({"run", db_, "--target", url_})));
  ASSERT_TRUE(wait_until(
      [&] {
        return target_value("SELECT to_regclass('crossfade.put_aside')") == "crossfade.put_aside" &&
               target_value("SELECT count(*)>0 FROM crossfade.put_aside WHERE kind='u'") == "t";
      },
      seconds(60)));
  auto reader = reader_of("book");
  ASSERT_TRUE(engine_says("waiting for locks")) << engine_->err();
  EXPECT_THAT(engine_->err(), HasSubstr("long reader"));
  EXPECT_THAT(engine_->err(), HasSubstr("public.book: pid"));
  expect_readable("book");
  EXPECT_THAT(crossfade({"status", db_, "--json"}).out, HasSubstr("long reader"));
  // In many parts, between which the constraint is due again and again.
  app("UPDATE book SET title='Again '||id WHERE id>=10000");
  app("UPDATE session SET data='while it waits' WHERE session_key='key3'");
  EXPECT_TRUE(wait_until(
      [&] {
        return target_value("SELECT data FROM session WHERE session_key='key3'") ==
               "while it waits";
      },
      seconds(60)))
      << "following goes on";
  EXPECT_EQ(target_value("SELECT count(*) FROM book WHERE title LIKE 'Again %'"), "200000");
  EXPECT_NE(schema(), but_references(schema_before_));
  ASSERT_TRUE(reader.exec("COMMIT"));
  EXPECT_TRUE(await_phase("following"));
  EXPECT_EQ(schema(), but_references(schema_before_));
  EXPECT_EQ(status().value("trouble", "none"), "");
}

TEST_F(TargetLocksTest, TheCopyBeginsOnceALongReaderHasEnded) {
  make_django();
  auto reader = reader_of("author");
  engine_ = std::make_unique<Process>(crossfade_command(adopting({"run", db_, "--target", url_})));
  ASSERT_TRUE(engine_says("waiting for locks")) << engine_->err();
  EXPECT_THAT(engine_->err(), HasSubstr("long reader"));
  expect_readable("author");
  ASSERT_TRUE(reader.exec("COMMIT"));
  EXPECT_TRUE(await_phase("following"));
}

TEST_F(TargetLocksTest, ACutoverWaitsForAWriterToTryForeignKeys) {
  make_django();
  follow({"--schema-from-target"});
  auto writer = reader_of("session");
  ASSERT_TRUE(writer.exec("UPDATE public.author SET seen=8 WHERE id=50"));
  Process cutover(crossfade_command({"cutover", db_, "--no-rollback"}));
  ASSERT_TRUE(engine_says("waiting for locks")) << engine_->err();
  EXPECT_THAT(engine_->err(), HasSubstr("public.author: pid"));
  expect_readable("book");
  ASSERT_TRUE(writer.exec("COMMIT"));
  EXPECT_EQ(cutover.wait(seconds(60)).value_or(-1), 0) << cutover.err();
  EXPECT_TRUE(wait_until([&] { return schema() == schema_before_; }, seconds(20))) << schema();
}

TEST_F(TargetLocksTest, FinishWaitsForALongReaderAndNamesIt) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES(1,'a'),(2,'a')");
  target_exec("CREATE TABLE t(id bigint PRIMARY KEY, v text UNIQUE)");
  schema_before_ = schema();
  ASSERT_EQ(run_adopting().code, 0) << "rows break the constraint, which stays aside";
  target_exec("DELETE FROM t WHERE id=2");
  auto reader = reader_of("t");
  Process finish(crossfade_command(adopting({"finish", db_})));
  ASSERT_TRUE(wait_until([&] { return finish.err().find("long reader") != std::string::npos; },
                         seconds(30)))
      << finish.err();
  expect_readable("t");
  ASSERT_TRUE(reader.exec("COMMIT"));
  EXPECT_EQ(finish.wait(seconds(30)).value_or(-1), 0) << finish.err();
  EXPECT_EQ(schema(), schema_before_);
}

}  // namespace
}  // namespace crossfade::testing
