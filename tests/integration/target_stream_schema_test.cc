// Promise: a table that is no longer what was planned is told at its place in the stream, or found
// by asking; and what of it would be lost is never passed over.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "capture/target_stream.h"
#include "tests/support/stream_test.h"

namespace crossfade {
namespace {

using testing::Lines;

class TargetStreamSchemaTest : public testing::StreamTest {
 protected:
  void SetUp() override {
    StreamTest::SetUp();
    if (url_.empty()) return;
    exec(
        "CREATE TABLE public.t(id bigint PRIMARY KEY, v text); CREATE TABLE public.u(id bigint "
        "PRIMARY KEY)");
    t_ = plan("t", {{"id", TargetType::kBigint}, {"v", TargetType::kText}});
    u_ = plan("u", {{"id", TargetType::kBigint}});
  }

  // The next event as text, or the error's remedy and cause.
  static std::string next(capture::TargetStream& stream) {
    auto event = stream.next(Deadline::after(std::chrono::seconds(20)));
    if (event && event.value() && std::holds_alternative<capture::TargetBegin>(*event.value())) {
      event = stream.next(Deadline::after(std::chrono::seconds(20)));
    }
    if (!event) return "error: " + event.error().object + ": " + event.error().native;
    return event.value() ? show(*event.value()) : "nothing";
  }
  [[nodiscard]] Lines unpublished() const {
    auto connection = testing::connect_or_die(url_);
    const auto found = capture::find_unpublished(connection, "public");
    Lines out;
    if (!found) return {describe(found.error())};
    for (const auto& each : found.value()) out.push_back(each.target_name + ": " + each.what);
    return out;
  }

  std::shared_ptr<const Table> t_;
  std::shared_ptr<const Table> u_;
};

TEST_F(TargetStreamSchemaTest, AnAddedColumnIsToldOnce) {
  auto stream = stream_of({t_});
  exec("INSERT INTO public.t VALUES (1, 'a')");
  exec("ALTER TABLE public.t ADD more text DEFAULT 'm'");
  exec("INSERT INTO public.t VALUES (2, 'b', 'x')");
  exec("CREATE INDEX ON public.t(v)");  // the table is announced again
  exec("UPDATE public.t SET more = 'y' WHERE id = 1");
  EXPECT_EQ(events(stream),
            (Lines{"insert t 1 'a'", "commit",
                   "t: column more has no place in the source: its values do not go back (goes on)",
                   "insert t 2 'b'", "commit", "update t [1] 1 'a'", "commit"}));
}

TEST_F(TargetStreamSchemaTest, ADroppedColumnStopsItsTable) {
  auto stream = stream_of({t_, u_});
  exec("ALTER TABLE public.t DROP v");
  exec("INSERT INTO public.u VALUES (1)");
  exec("INSERT INTO public.t VALUES (1)");
  EXPECT_EQ(next(stream), "insert u 1");
  EXPECT_EQ(next(stream), "commit");
  EXPECT_EQ(next(stream), "t: column v was dropped or renamed");
  EXPECT_EQ(next(stream), "error: t: its rows cannot go back: column v was dropped or renamed");
}

TEST_F(TargetStreamSchemaTest, AnotherTypeStopsItsTable) {
  auto stream = stream_of({t_});
  exec("ALTER TABLE public.t ALTER v TYPE varchar(20)");
  exec("INSERT INTO public.t VALUES (1)");
  EXPECT_EQ(next(stream), "t: column v is character varying(20) now, and was text");
  EXPECT_TRUE(next(stream).starts_with("error: t: "));
}

// The type's name is asked of the server, where it is gone by then.
TEST_F(TargetStreamSchemaTest, ATypeThatIsGoneIsNotThatOfThePlan) {
  auto stream = stream_of({t_});
  exec("CREATE TYPE public.mood AS ENUM ('glad')");
  exec("ALTER TABLE public.t ALTER v TYPE public.mood USING 'glad'");
  exec("INSERT INTO public.t VALUES (1)");
  exec("ALTER TABLE public.t ALTER v TYPE text; DROP TYPE public.mood");
  EXPECT_EQ(next(stream), "t: column v is ??? now, and was text");
}

// What was there before the change is still read with the columns of then.
TEST_F(TargetStreamSchemaTest, WhatCameBeforeIsReadAsItWas) {
  auto stream = stream_of({t_});
  exec("INSERT INTO public.t VALUES (1, 'a')");
  exec("ALTER TABLE public.t DROP v");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 'a'", "commit"}));
}

TEST_F(TargetStreamSchemaTest, ARenamedTableIsKnownByItsNumber) {
  {
    auto stream = stream_of({t_, u_});
    exec("INSERT INTO public.t VALUES (1)");
    exec("ALTER TABLE public.t RENAME TO old_t");
    exec("INSERT INTO public.old_t VALUES (2)");
    EXPECT_EQ(next(stream), "insert t 1 NULL");
    EXPECT_EQ(next(stream), "commit");
    EXPECT_EQ(next(stream), "t: it is called public.old_t now");
    EXPECT_TRUE(next(stream).starts_with("error: t: "));
    EXPECT_EQ(unpublished(), (Lines{"t: it is called public.old_t now"}));
  }
  ASSERT_TRUE(idle());
  auto again = open(last_commit_.end);
  ASSERT_TRUE(again) << describe(again.error());
  EXPECT_EQ(next(again.value()), "insert t 1 NULL");
  EXPECT_EQ(next(again.value()), "commit");
  EXPECT_EQ(next(again.value()), "t: it is called public.old_t now");
}

// PostgreSQL says nothing of a DROP in the stream: it must be asked.
TEST_F(TargetStreamSchemaTest, ADroppedTableIsFoundByAsking) {
  auto stream = stream_of({t_, u_});
  EXPECT_EQ(unpublished(), (Lines{}));
  exec("INSERT INTO public.t VALUES (1)");
  exec("DROP TABLE public.t");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 NULL", "commit"}));
  EXPECT_EQ(unpublished(), (Lines{"t: it was dropped"}));
  // As migrations do that rebuild a table.
  exec("CREATE TABLE public.t(id bigint PRIMARY KEY, v text)");
  exec("INSERT INTO public.t VALUES (2)");
  EXPECT_EQ(events(stream), (Lines{}));
  EXPECT_EQ(unpublished(), (Lines{"t: it was dropped and made anew"}));
  exec("ALTER PUBLICATION crossfade ADD TABLE public.t");
  exec("INSERT INTO public.t VALUES (3)");
  EXPECT_EQ(next(stream), "t: it was dropped and made anew, and what its rows were is not known");
  EXPECT_TRUE(next(stream).starts_with("error: t: "));
}

TEST_F(TargetStreamSchemaTest, ATableThatIsNotPublishedAnyMoreIsFoundByAsking) {
  auto stream = stream_of({t_, u_});
  exec("ALTER PUBLICATION crossfade DROP TABLE public.t");
  exec("INSERT INTO public.t VALUES (1)");
  EXPECT_EQ(events(stream), (Lines{}));
  EXPECT_EQ(unpublished(), (Lines{"t: it was taken out of the publication"}));
}

TEST_F(TargetStreamSchemaTest, AReplicaIdentityThatTellsTheKeyNoMoreStopsItsTable) {
  exec("CREATE UNIQUE INDEX other_key ON public.t(v); ALTER TABLE public.t ALTER v SET NOT NULL");
  auto stream = stream_of({t_});
  exec("ALTER TABLE public.t REPLICA IDENTITY USING INDEX other_key");
  exec("INSERT INTO public.t VALUES (1, 'a')");
  EXPECT_TRUE(next(stream).starts_with("t: updates and deletes do not tell the key column id"));
  EXPECT_TRUE(next(stream).starts_with("error: t: "));
}

}  // namespace
}  // namespace crossfade
