// Promise: a row that was set aside can be looked at with its exact values, tried again, or
// accepted as left behind; a cutover leaves behind only what somebody accepted, and only the
// version of it that was accepted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;

class QuarantineTest : public MoveTest {
 protected:
  void make_set_aside() {
    make_shop();
    app("CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, photo BLOB, score);"
        "INSERT INTO person VALUES(1,'Ann',x'00ff',1.5),(2,CAST(x'610062' AS TEXT),x'',-7),"
        "(3,CAST(x'ff41' AS TEXT),NULL,'so-so'),(4,'Dora',NULL,NULL)");
    ASSERT_EQ(crossfade({"run", db_, "--target", url_, "--until", "verified", "--quarantine"}).code,
              3);
  }
  json listed() {
    const Finished done = crossfade({"quarantine", "list", db_, "--json"});
    EXPECT_EQ(done.code, 0) << done.err;
    return json::parse(done.out);
  }
  std::string number_of(const std::string& key) {
    const json list = listed();
    for (const json& entry : list.at("entries")) {
      if (entry.at("key") == key) return entry.at("id").dump();
    }
    ADD_FAILURE() << "nothing is set aside under " << key;
    return "0";
  }
};

TEST_F(QuarantineTest, ShowsWhatIsThere) {
  make_set_aside();
  const json list = listed();
  EXPECT_EQ(list.at("waiting"), 2);
  EXPECT_EQ(list.at("accepted"), 0);
  ASSERT_EQ(list.at("entries").size(), 2U);
  const Finished shown =
      crossfade({"quarantine", "show", db_, number_of("id=2"), number_of("id=3"), "--json"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  const json document = json::parse(shown.out);
  const json& entries = document.at("entries");
  EXPECT_EQ(entries[0].at("column"), "name");
  EXPECT_EQ(entries[0].at("row").at("name").at("$text"), "610062");
  EXPECT_EQ(entries[0].at("row").at("photo").at("$blob"), "");
  EXPECT_EQ(entries[0].at("row").at("score"), -7);
  EXPECT_EQ(entries[1].at("row").at("name").at("$text"), "ff41");
  EXPECT_EQ(entries[1].at("row").at("photo"), nullptr);
  EXPECT_EQ(entries[1].at("row").at("score"), "so-so");
  EXPECT_THAT(crossfade({"quarantine", "show", db_, "--all"}).out, HasSubstr("x'610062' as text"));
}

TEST_F(QuarantineTest, SaysWhatIsMissing) {
  make_shop();
  EXPECT_EQ(crossfade({"quarantine", "list", db_}).code, 3) << "no move has begun";
  ASSERT_EQ(run_until_verified().code, 0);
  EXPECT_EQ(listed().at("entries").size(), 0U);
  EXPECT_EQ(crossfade({"quarantine", "accept", db_}).code, 2) << "which?";
  const Finished unknown = crossfade({"quarantine", "retry", db_, "77"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("77"));
}

// What a row in quarantine explains is no other row's difference.
TEST_F(QuarantineTest, ADifferenceBesideItIsSaid) {
  make_set_aside();
  EXPECT_EQ(crossfade({"verify", db_}).code, 3);
  target_exec("UPDATE public.person SET name='another' WHERE id=1");
  const Finished verified = crossfade({"verify", db_});
  EXPECT_EQ(verified.code, 4) << verified.out << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("id=1"));
}

// An environment may name one target for two moves.
TEST_F(QuarantineTest, AnothersRowsAreNotDecidedOn) {
  make_set_aside();
  const std::string other = dir_.file("other.db");
  ASSERT_EQ(AppDb(other).run("CREATE TABLE t(id INTEGER PRIMARY KEY)"), "");
  for (const char* verb : {"quarantine", "conflicts"}) {
    const Finished refused = crossfade({verb, "list", other, "--target", url_});
    EXPECT_EQ(refused.code, 6) << refused.out << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("the target of another source"));
  }
  EXPECT_NE(crossfade({"quarantine", "accept", other, "--all", "--target", url_}).code, 0);
  EXPECT_EQ(listed().at("waiting"), 2);
}

TEST_F(QuarantineTest, ACutoverLeavesBehindOnlyWhatWasAccepted) {
  make_set_aside();
  EXPECT_EQ(crossfade({"quarantine", "accept", db_, number_of("id=2")}).code, 0);
  EXPECT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 8) << "id=3 waits";
  // A later version of the accepted row is another decision.
  app("UPDATE person SET score=8 WHERE id=2; UPDATE person SET name='Cid' WHERE id=3");
  const Finished refused = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(refused.code, 8) << refused.out;
  EXPECT_THAT(refused.err, HasSubstr("quarantine"));
  EXPECT_EQ(listed().at("waiting"), 1);
  EXPECT_EQ(crossfade({"quarantine", "accept", db_, "--all"}).code, 0);
  const Finished verified = crossfade({"verify", db_, "--json"});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  const json report = json::parse(verified.out);
  for (const json& table : report.at("tables")) {
    EXPECT_EQ(table.at("accepted"), table.at("name") == "person" ? 1 : 0);
  }
  const Finished cutover = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(cutover.code, 0) << cutover.out << cutover.err;
  EXPECT_EQ(target_value("SELECT string_agg(name,',' ORDER BY id) FROM public.person"),
            "Ann,Cid,Dora");
  EXPECT_EQ(target_value("SELECT source_row->>'score' FROM crossfade.quarantine"), "8");
}

// An accepted row that stands on the target all the same is a difference.
TEST_F(QuarantineTest, AnAcceptedRowIsNotOnTheTarget) {
  make_set_aside();
  ASSERT_EQ(crossfade({"quarantine", "accept", db_, "--all"}).code, 0);
  ASSERT_EQ(crossfade({"verify", db_}).code, 0);
  target_exec("INSERT INTO public.person(id,name) VALUES(2,'b')");
  const Finished done = crossfade({"verify", db_, "--json"});
  EXPECT_EQ(done.code, 4) << done.out;
  EXPECT_THAT(done.out, HasSubstr("id=2"));
}

TEST_F(QuarantineTest, RetrySendsTheRowAgain) {
  make_set_aside();
  const Finished same = crossfade({"quarantine", "retry", db_, "--all", "--json"});
  EXPECT_EQ(same.code, 3) << same.out << same.err;
  EXPECT_EQ(json::parse(same.out).at("entries").size(), 2U);
  // What kept the row out was the target's doing, and is mended there.
  target_exec("UPDATE crossfade.quarantine SET reason='was too long' WHERE key='id=3'");
  follow();
  const Finished again = crossfade({"quarantine", "retry", db_, number_of("id=3")});
  EXPECT_EQ(again.code, 3) << again.out << again.err;
  EXPECT_THAT(again.out, HasSubstr("does not fit")) << "the reason is the new one";
  app("UPDATE person SET name='Cid' WHERE id=3; DELETE FROM person WHERE id=2");
  EXPECT_TRUE(wait_until([&] { return listed().at("waiting") == 0; }, seconds(10)));
  expect_becomes_equal();
}

// A backlog of several parts is prepared for the target while the target is at work on the part
// before; what does not fit it, and what the server refuses, is set aside row by row all the same.
TEST_F(QuarantineTest, RowsOfALargeBacklogAreSetAsideOneByOne) {
  make_set_aside();
  target_exec("ALTER TABLE public.person ADD CHECK (id <> 25000)");
  app("WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i+1 FROM n WHERE i<40000)"
      " INSERT INTO person SELECT i,'name '||i,zeroblob(300),i FROM n;"
      "UPDATE person SET name='again' WHERE id>=10 AND id%3=0;"
      "DELETE FROM person WHERE id>=10 AND id%7=0;"
      "UPDATE person SET name=CAST(x'ff' AS TEXT) WHERE id IN(20000,39999)");
  follow();
  ASSERT_TRUE(wait_until([&] { return listed().at("waiting") == 5; }, seconds(30)));
  for (const char* key : {"id=2", "id=3", "id=20000", "id=25000", "id=39999"}) {
    EXPECT_NE(number_of(key), "0");
  }
  app("UPDATE person SET name='fits' WHERE id IN(2,3,20000,39999);"
      "DELETE FROM person WHERE id=25000");
  EXPECT_TRUE(wait_until([&] { return listed().at("waiting") == 0; }, seconds(10)));
  expect_becomes_equal();
}

// A form was chosen from what was stored. When a value comes that has it not, the column and those
// tied to it become what holds all.
TEST_F(QuarantineTest, AColumnWhoseFormWasNoRuleIsWidened) {
  make_shop();
  app("CREATE TABLE event(uid TEXT PRIMARY KEY, at DATETIME);"
      "CREATE TABLE seat(id INTEGER PRIMARY KEY, event TEXT REFERENCES event(uid));"
      "INSERT INTO event VALUES('0b7cbb40-8d4e-4a2f-9a3c-0d7f5b8e1c11','2024-05-06 07:08:09'),"
      "('1b7cbb40-8d4e-4a2f-9a3c-0d7f5b8e1c12','2024-05-06 07:08:10');"
      "INSERT INTO seat VALUES(1,'0b7cbb40-8d4e-4a2f-9a3c-0d7f5b8e1c11')");
  follow();
  const std::string types =
      "SELECT string_agg(table_name||'.'||column_name||' '||data_type,', ' ORDER BY 1) FROM "
      "(SELECT * FROM information_schema.columns WHERE table_schema='public' AND table_name IN "
      "('event','seat') AND column_name<>'id' ORDER BY table_name,column_name) AS c";
  EXPECT_EQ(target_value(types),
            "event.at timestamp without time zone, event.uid uuid, seat.event uuid");
  app("INSERT INTO event VALUES('by hand','2024-05-06 07:08:11');"
      "INSERT INTO seat VALUES(2,'by hand'); UPDATE event SET at='soon' WHERE uid='by hand'");
  EXPECT_TRUE(wait_until(
      [&] { return target_value(types) == "event.at text, event.uid text, seat.event text"; },
      seconds(20)))
      << target_value(types);
  expect_becomes_equal();
  EXPECT_EQ(listed().at("waiting"), 0);
}

// PostgreSQL's numeric has infinities from 14 on. Before, such a row is one that does not fit, also
// where it is known by the infinity.
TEST_F(QuarantineTest, AnInfinityArrivesOrIsSetAsideWhereNumericHasNone) {
  make_shop();
  app("CREATE TABLE scale(id INTEGER PRIMARY KEY, n NUMERIC);"
      "CREATE TABLE step(n NUMERIC PRIMARY KEY, what TEXT) WITHOUT ROWID;"
      "INSERT INTO scale VALUES(1,1.5); INSERT INTO step VALUES(2.5,'up')");
  follow();
  app("INSERT INTO scale VALUES(2,9e999)");
  app("INSERT INTO step VALUES(-9e999,'least'),(3.5,'more')");
  app("UPDATE step SET what='down' WHERE n=-9e999");
  if (connect_or_die(url_).server_version() >= 140'000) {
    expect_becomes_equal();
  } else {
    EXPECT_TRUE(wait_until([&] { return listed().at("waiting") == 2; }, seconds(10)))
        << listed().dump();
  }
  app("UPDATE step SET n=4.5 WHERE n<0; DELETE FROM scale WHERE id=2");
  expect_becomes_equal();
  EXPECT_EQ(listed().at("waiting"), 0);
}

// Nothing is stored after an application's migrations, so the declaration decides. What comes first
// and is something else makes it a wider type, and nothing is lost.
TEST_F(QuarantineTest, AnEmptyTableIsAsDeclaredUntilSomethingElseComes) {
  make_shop();
  app("CREATE TABLE post(id INTEGER PRIMARY KEY, made datetime(6), day DATE, price DECIMAL(5,2),"
      " doc JSON);"
      "CREATE TABLE memo(id INTEGER PRIMARY KEY, made datetime);"
      "CREATE TABLE rent(id INTEGER PRIMARY KEY, day DATETIME);"
      "INSERT INTO rent VALUES(1,'2006-02-14')");
  follow();
  const auto types = [this](const std::string& table) {
    return target_value(
        "SELECT string_agg(format_type(atttypid,atttypmod), ', ' ORDER BY attnum)"
        " FROM pg_attribute WHERE attnum>1 AND NOT attisdropped AND attrelid=to_regclass('public." +
        table + "')");
  };
  const std::string declared = "timestamp without time zone, date, numeric(5,2), json";
  EXPECT_EQ(types("post"), declared);
  EXPECT_EQ(types("rent"), "timestamp without time zone") << "a date would drop a time of day";
  app("INSERT INTO post VALUES(1,'2024-05-06 07:08:09.000000','2024-05-06',3.25,'{\"a\":1}')");
  expect_becomes_equal();
  EXPECT_EQ(types("post"), declared);
  app("INSERT INTO post VALUES(2,'2024-05-06T07:08:09Z','6.5.2024',12345.678,'none');"
      "UPDATE rent SET day='2006-02-14 15:16:17'");
  EXPECT_TRUE(wait_until([&] { return types("post") == "text, text, numeric, text"; }, seconds(30)))
      << types("post");
  EXPECT_TRUE(wait_until([&] { return types("rent") == "text"; }, seconds(20))) << types("rent");
  expect_becomes_equal();
  EXPECT_EQ(types("memo"), "timestamp without time zone");
  app("INSERT INTO memo VALUES(1,'2024-05-06T07:08:09Z')");
  EXPECT_TRUE(wait_until([&] { return types("memo") == "timestamp with time zone"; }, seconds(20)))
      << types("memo");
  app("INSERT INTO memo VALUES(2,'soon')");
  EXPECT_TRUE(wait_until([&] { return types("memo") == "text"; }, seconds(20))) << types("memo");
  expect_becomes_equal();
  EXPECT_EQ(listed().at("waiting"), 0);
}

}  // namespace
}  // namespace crossfade::testing
