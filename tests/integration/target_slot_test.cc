// Promise: the way back is made whole or not at all, and taken away without a trace; and whatever
// stands in its way, or becomes of it later, is named with what to do.
#include "capture/target_slot.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/stream_test.h"

namespace crossfade {
namespace {

using testing::Lines;
using testing::wait_until;

class TargetSlotTest : public testing::StreamTest {
 protected:
  void TearDown() override {
    if (url_.empty()) return;
    const std::string admin = testing::TestCluster::admin_url();
    StreamTest::TearDown();
    if (role_.empty()) return;
    auto connection = testing::connect_or_die(admin);
    EXPECT_TRUE(connection.exec("DROP ROLE IF EXISTS " + role_));
  }

  // "d", "n", "f", or "i " and the index.
  [[nodiscard]] std::string identity(const std::string& table) const {
    return value(fmt::format(
        "SELECT c.relreplident::text || coalesce((SELECT ' ' || x.relname FROM pg_index i JOIN "
        "pg_class "
        "x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident), '') FROM "
        "pg_class c WHERE c.oid = 'public.{}'::regclass",
        table));
  }
  Lines remove() {
    auto connection = testing::connect_or_die(url_);
    auto removed = capture::remove_slot(connection, source_id_);
    return removed ? std::move(removed).value() : Lines{describe(removed.error())};
  }
  [[nodiscard]] Lines obstacles(const std::string& url) const {
    auto connection = testing::connect_or_die(url);
    const auto found = capture::find_obstacles(connection, "public", tables_);
    if (!found) return {describe(found.error())};
    Lines out;
    for (const auto& each : found.value()) out.push_back(each.what + " | " + each.remedy);
    return out;
  }
  // The URL of a role with no rights but those given.
  std::string role_url(const std::string& attributes) {
    role_ = fmt::format("role_{}", source_id_.substr(0, 16));
    exec(fmt::format("CREATE ROLE {} LOGIN {}", role_, attributes));
    std::string url = url_;
    return url.replace(url.find("//") + 2, url.find('@') - url.find("//") - 2, role_);
  }
  std::string role_;
};

TEST_F(TargetSlotTest, ItsNameIsOfTheSource) {
  EXPECT_EQ(capture::slot_name("A1B2c3d4e5f60718293a4b5c6d7e8f90"), "crossfade_a1b2c3d4e5f60718");
  EXPECT_EQ(capture::slot_name("12345678-9abc-def0-1234-56789abcdef0"),
            "crossfade_123456789abcdef0");
}

TEST_F(TargetSlotTest, EachTableTellsItsKeyAndGetsItsIdentityBack) {
  make_tables(R"(
      CREATE TABLE public.a(id bigint PRIMARY KEY, v text);
      CREATE TABLE public.b(id bigint PRIMARY KEY, v text);
      ALTER TABLE public.b REPLICA IDENTITY NOTHING;
      CREATE TABLE public.c(id bigint NOT NULL, v text);
      CREATE UNIQUE INDEX c_key ON public.c(id);
      CREATE TABLE public.d(id bigint NOT NULL, v text, w bigint NOT NULL);
      CREATE UNIQUE INDEX d_partial ON public.d(id) WHERE v IS NULL;
      CREATE UNIQUE INDEX d_expression ON public.d((id + 0));
      CREATE UNIQUE INDEX d_nullable ON public.d(id, v);
      CREATE UNIQUE INDEX d_included ON public.d(w) INCLUDE (id);
      ALTER TABLE public.d ADD CONSTRAINT d_late UNIQUE (id) DEFERRABLE;
      CREATE TABLE public.e(id bigint, v text NOT NULL PRIMARY KEY);
      CREATE UNIQUE INDEX e_both ON public.e(v, id);
      CREATE TABLE public.f(id bigint NOT NULL, v text NOT NULL);
      CREATE UNIQUE INDEX f_v ON public.f(v);
      CREATE UNIQUE INDEX f_id ON public.f(id);
      ALTER TABLE public.f REPLICA IDENTITY USING INDEX f_v;
      CREATE TABLE public.g(id bigint, v text);
      ALTER TABLE public.g REPLICA IDENTITY FULL)",
              {"a", "b", "c", "d", "e", "f", "g"});
  const Status made = make_slot();
  ASSERT_TRUE(made) << describe(made.error());
  EXPECT_EQ(identity("a"), "d");
  EXPECT_EQ(identity("b"), "d");
  EXPECT_EQ(identity("c"), "i c_key");
  EXPECT_EQ(identity("d"), "f") << "no index of it has the key of every row, at once";
  EXPECT_EQ(identity("e"), "f") << "its primary key is not that of the move";
  EXPECT_EQ(identity("f"), "i f_id");
  EXPECT_EQ(identity("g"), "f");
  // An attempt that finds what an earlier one left does not take that for what there was.
  ASSERT_TRUE(make_slot());
  exec("ALTER TABLE public.e REPLICA IDENTITY NOTHING");
  EXPECT_EQ(remove(), (Lines{"slot " + slot(), "publication crossfade",
                             "replica identity of public.b", "replica identity of public.c",
                             "replica identity of public.d", "replica identity of public.f"}));
  EXPECT_EQ(identity("a"), "d");
  EXPECT_EQ(identity("b"), "n");
  EXPECT_EQ(identity("c"), "d");
  EXPECT_EQ(identity("d"), "d");
  EXPECT_EQ(identity("e"), "n") << "somebody has changed it since";
  EXPECT_EQ(identity("f"), "i f_v");
  EXPECT_EQ(identity("g"), "f");
  EXPECT_EQ(remove(), (Lines{}));
  EXPECT_FALSE(health().present);
}

TEST_F(TargetSlotTest, EveryIdentityTellsTheKey) {
  make_tables(R"(
      CREATE TABLE public.full_row(id bigint, v text);
      CREATE TABLE public.by_index(id bigint NOT NULL, v text);
      CREATE UNIQUE INDEX by_index_key ON public.by_index(id))",
              {"full_row", "by_index"});
  auto stream = stream_of(tables_);
  for (const char* const table : {"full_row", "by_index"}) {
    exec(fmt::format("INSERT INTO public.{} VALUES (1, 'a')", table));
    exec(fmt::format("UPDATE public.{} SET v = 'b'", table));
    exec(fmt::format("UPDATE public.{} SET id = 2", table));
    exec(fmt::format("DELETE FROM public.{}", table));
  }
  EXPECT_EQ(events(stream),
            (Lines{"insert full_row 1 'a'", "commit", "update full_row [1] 1 'b'", "commit",
                   "update full_row [1] 2 'b'", "commit", "delete full_row [2]", "commit",
                   "insert by_index 1 'a'", "commit", "update by_index [1] 1 'b'", "commit",
                   "update by_index [1] 2 'b'", "commit", "delete by_index [2]", "commit"}));
}

// A slot begins where all that had begun before has ended.
TEST_F(TargetSlotTest, AnOpenTransactionIsNamedAndNothingIsLeft) {
  make_tables("CREATE TABLE public.a(id bigint, v text)", {"a"});
  postgres::ConnectOptions options;
  options.application_name = "the sleeper";
  auto sleeper = testing::connect_or_die(url_, std::move(options));
  const auto begun = sleeper.exec(
      "CREATE TABLE public.scratch(i int); BEGIN; INSERT INTO public.scratch VALUES "
      "(1); SELECT pg_backend_pid()");
  ASSERT_TRUE(begun);
  auto connection = testing::connect_or_die(url_);
  const auto made = capture::make_slot(connection, source_id_, "public", tables_,
                                       Deadline::after(std::chrono::milliseconds(800)));
  ASSERT_FALSE(made);
  const std::string said = describe(made.error());
  EXPECT_EQ(made.error().remedy, Remedy::kRetry) << said;
  EXPECT_NE(said.find("pid " + begun.value().text(0, 0) + " (the sleeper)"), std::string::npos)
      << said;
  EXPECT_FALSE(health().present);
  EXPECT_EQ(identity("a"), "d");
  EXPECT_EQ(value("SELECT count(*) FROM pg_publication"), "0");
  // The connection is as it was, without a limit on the server's side.
  const auto limit = connection.exec("SHOW statement_timeout");
  ASSERT_TRUE(limit) << describe(limit.error());
  EXPECT_EQ(limit.value().text(0, 0), "0");
  sleeper.rollback();
  const auto again = capture::make_slot(connection, source_id_, "public", tables_,
                                        Deadline::after(std::chrono::seconds(20)));
  EXPECT_TRUE(again) << describe(again.error());
}

TEST_F(TargetSlotTest, ALockedTableIsNotWaitedForBeyondTheDeadline) {
  make_tables("CREATE TABLE public.a(id bigint, v text)", {"a"});
  auto reader = testing::connect_or_die(url_);
  const auto begun = reader.exec("BEGIN; SELECT * FROM public.a; SELECT pg_backend_pid()");
  ASSERT_TRUE(begun);
  const Status made = make_slot(std::chrono::milliseconds(700));
  ASSERT_FALSE(made);
  const std::string said = describe(made.error());
  EXPECT_EQ(made.error().remedy, Remedy::kRetry) << said;
  EXPECT_NE(said.find(fmt::format("pid {} (crossfade) has public.a", begun.value().text(0, 0))),
            std::string::npos)
      << said;
  EXPECT_EQ(value("SELECT count(*) FROM pg_publication"), "0");
  EXPECT_FALSE(health().present);
  reader.rollback();
  EXPECT_TRUE(make_slot());
}

TEST_F(TargetSlotTest, ASlotThatIsBeingReadIsLeftAlone) {
  make_tables("CREATE TABLE public.a(id bigint PRIMARY KEY, v text)", {"a"});
  auto stream = stream_of(tables_);
  const std::string pid = value(
      fmt::format("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{}'", slot()));
  const Status made = make_slot(std::chrono::milliseconds(300));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().remedy, Remedy::kRetry);
  EXPECT_NE(made.error().native.find("pid " + pid), std::string::npos) << describe(made.error());
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().remedy, Remedy::kRetry);
  EXPECT_NE(second.error().native.find("pid " + pid), std::string::npos)
      << describe(second.error());
  exec("INSERT INTO public.a VALUES (1)");
  EXPECT_EQ(events(stream), (Lines{"insert a 1 NULL", "commit"}));
}

TEST_F(TargetSlotTest, ASlotOfAnotherDatabaseIsNotTaken) {
  make_tables("CREATE TABLE public.a(id bigint PRIMARY KEY, v text)", {"a"});
  const std::string another = testing::TestCluster::create_database();
  {
    auto there = testing::connect_or_die(another);
    ASSERT_TRUE(there.exec(
        fmt::format("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", slot())));
  }
  const Status made = make_slot();
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().native.find("is in the database test_"), std::string::npos)
      << describe(made.error());
  EXPECT_EQ(remove(), (Lines{})) << "it is not this move's to remove";
  {
    auto there = testing::connect_or_die(another);
    ASSERT_TRUE(there.exec(fmt::format("SELECT pg_drop_replication_slot('{}')", slot())));
  }
  testing::TestCluster::drop_database(another);
}

TEST_F(TargetSlotTest, ASuperuserHasNoObstacles) {
  make_tables("CREATE TABLE public.a(id bigint PRIMARY KEY, v text)", {"a"});
  EXPECT_EQ(obstacles(url_), (Lines{}));
}

TEST_F(TargetSlotTest, WhatARoleLacksIsNamed) {
  make_tables("CREATE TABLE public.a(id bigint PRIMARY KEY, v text)", {"a"});
  const std::string url = role_url("");
  const std::string database = value("SELECT current_database()");
  EXPECT_EQ(obstacles(url),
            (Lines{fmt::format("\"{0}\" may not use replication slots | as a superuser: ALTER ROLE "
                               "\"{0}\" REPLICATION",
                               role_),
                   fmt::format("\"{0}\" may not create a publication in \"{1}\" | as its owner: "
                               "GRANT CREATE ON DATABASE \"{1}\" TO \"{0}\"",
                               role_, database),
                   fmt::format("\"public\".\"a\" belongs to a role that \"{0}\" is no member of, "
                               "and only an owner may publish a table | as the owner or a "
                               "superuser: ALTER TABLE \"public\".\"a\" OWNER TO \"{0}\"",
                               role_)}));
}

// The remedies are all that it takes: such a role makes the way back and reads it.
TEST_F(TargetSlotTest, TheRemediesAreEnough) {
  make_tables("CREATE TABLE public.a(id bigint, v text)", {"a"});
  const std::string admin = url_;
  url_ = role_url("");
  auto superuser = testing::connect_or_die(admin);
  ASSERT_TRUE(superuser.exec(fmt::format(
      "ALTER ROLE {0} REPLICATION; GRANT CREATE ON DATABASE {1} TO {0}; ALTER TABLE public.a OWNER "
      "TO {0}; ALTER SCHEMA crossfade OWNER TO {0}; ALTER TABLE crossfade.route OWNER TO {0}",
      role_, value("SELECT current_database()"))));
  EXPECT_EQ(obstacles(url_), (Lines{}));
  {
    auto stream = stream_of(tables_);
    exec("INSERT INTO public.a VALUES (1)");
    EXPECT_EQ(events(stream), (Lines{"insert a 1 NULL", "commit"}));
    EXPECT_GE(health().retained_bytes, 0);
  }
  ASSERT_TRUE(idle());
  EXPECT_EQ(remove().size(), 3U);
  url_ = admin;
}

TEST_F(TargetSlotTest, AnUnloggedTableAndSomebodysPublicationAreNamed) {
  make_tables("CREATE UNLOGGED TABLE public.a(id bigint PRIMARY KEY, v text)", {"a"});
  EXPECT_EQ(obstacles(url_),
            (Lines{"\"public\".\"a\" is unlogged: the server's log does not have its rows | ALTER "
                   "TABLE \"public\".\"a\" SET LOGGED"}));
  exec("CREATE PUBLICATION crossfade");
  tables_.clear();
  const std::string url = role_url("REPLICATION");
  exec(fmt::format("GRANT CREATE ON DATABASE {} TO {}", value("SELECT current_database()"), role_));
  EXPECT_EQ(obstacles(url),
            (Lines{fmt::format("the publication \"crossfade\" belongs to another role | as a "
                               "superuser: ALTER PUBLICATION \"crossfade\" OWNER TO \"{}\"",
                               role_)}));
}

}  // namespace
}  // namespace crossfade
