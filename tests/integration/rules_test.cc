// Promise: a rule decides over the evidence, for the copy and for every later change; what it
// leaves out or changes is never carried as it was; and a wrong rule stops before anything happens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT: setenv is POSIX

#include <filesystem>

#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class RulesTest : public MoveTest {
 protected:
  std::string rules(const std::string& text) {
    write_bytes(dir_.path() + "/rules.toml", text);
    return dir_.path() + "/rules.toml";
  }
  Finished run(const std::string& text, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all{"run",     db_,        "--target", url_,
                                 "--until", "verified", "--rules",  rules(text)};
    all.insert(all.end(), more.begin(), more.end());
    return crossfade(all);
  }
  bool becomes(const std::string& sql, const std::string& value) {
    return wait_until([&] { return target_value(sql) == value; }, seconds(20));
  }
};

TEST_F(RulesTest, EpochBecomesTimestamptzInTheCopyAndLive) {
  app("CREATE TABLE e(id INTEGER PRIMARY KEY, at INTEGER);"
      "INSERT INTO e VALUES(1, 1700000000123), (2, NULL)");
  const std::string file =
      rules("[tables.e.columns.at]\ntype = \"timestamptz\"\nform = \"epoch_ms\"\n");
  follow({"--rules", file});
  app("INSERT INTO e VALUES(3, 1700000000456)");
  EXPECT_TRUE(becomes("SELECT (at AT TIME ZONE 'UTC')::text FROM public.e WHERE id=3",
                      "2023-11-14 22:13:20.456"));
  EXPECT_EQ(target_value("SELECT (at AT TIME ZONE 'UTC')::text FROM public.e WHERE id=1"),
            "2023-11-14 22:13:20.123");
  EXPECT_EQ(stop_engine(), 0);
  const Finished verified = crossfade({"verify", db_});  // by the rules that were remembered
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
}

TEST_F(RulesTest, WallTimesGetTheZoneOfTheRule) {
  app("CREATE TABLE e(id INTEGER PRIMARY KEY, at TEXT);"
      "INSERT INTO e VALUES(1, '2024-02-29 01:30:00')");
  const Finished done =
      run("[tables.e.columns.at]\ntype = \"timestamptz\"\nformat = \"%Y-%m-%d %H:%M:%S\"\n"
          "zone = \"+02:00\"\n");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(target_value("SELECT (at AT TIME ZONE 'UTC')::text FROM public.e"),
            "2024-02-28 23:30:00");
}

TEST_F(RulesTest, OnMisfitStopEndsWithThreeAndNamesTheColumn) {
  app("CREATE TABLE e(id INTEGER PRIMARY KEY, at INTEGER); INSERT INTO e VALUES(1, 1700000000)");
  follow({"--rules", rules("[tables.e.columns.at]\ntype = \"timestamptz\"\nform = \"epoch_s\"\n"
                           "on_misfit = \"stop\"\n")});
  app("INSERT INTO e VALUES(2, 'soon')");
  ASSERT_TRUE(wait_until([&] { return !engine_->running(); }, seconds(20)));
  EXPECT_EQ(engine_->wait(seconds(10)), 3);
  EXPECT_THAT(engine_->err(), HasSubstr("e.at"));
}

TEST_F(RulesTest, ValuesThatCannotFitAreRefusedBeforeAnythingIsWritten) {
  app("CREATE TABLE e(id INTEGER PRIMARY KEY, at); INSERT INTO e VALUES(1, 5), (2, 'soon')");
  const std::string text = "[tables.e.columns.at]\ntype = \"timestamptz\"\nform = \"epoch_s\"\n";
  const Finished refused = run(text);
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, HasSubstr("rule_misfit"));
  EXPECT_EQ(traces_in_source(), "");
  EXPECT_EQ(run(text, {"--quarantine"}).code, 3);
  EXPECT_EQ(target_value("SELECT count(*) FROM public.e"), "1");
}

TEST_F(RulesTest, ExcludedAndRenamed) {
  app("CREATE TABLE secret(id INTEGER PRIMARY KEY);"
      "CREATE TABLE Person(id INTEGER PRIMARY KEY, ssn TEXT, name TEXT, s REFERENCES secret(id));"
      "CREATE INDEX person_ssn ON Person(ssn);"
      "INSERT INTO secret VALUES(7);"
      "INSERT INTO Person VALUES(1, '123', 'Ann', 7)");
  const Finished done =
      run("[tables.SECRET]\nexclude = true\n"
          "[tables.person]\nrename = \"people\"\n"
          "[tables.person.columns.SSN]\nexclude = true\n"
          "[tables.person.columns.name]\nrename = \"full_name\"\n");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(target_value("SELECT full_name || s FROM public.people"), "Ann7");
  EXPECT_EQ(target_value("SELECT count(*) FROM information_schema.columns"
                         " WHERE column_name = 'ssn'"),
            "0");
  EXPECT_EQ(target_value("SELECT to_regclass('public.secret') IS NULL"), "t");
}

// It would be copied under its new name.
TEST_F(RulesTest, AnExcludedColumnThatIsRenamedStopsTheEngine) {
  app("CREATE TABLE p(id INTEGER PRIMARY KEY, ssn TEXT); INSERT INTO p VALUES(1, '123')");
  follow({"--rules", rules("[tables.p.columns.ssn]\nexclude = true\n")});
  app("ALTER TABLE p RENAME COLUMN ssn TO social");
  ASSERT_TRUE(wait_until([&] { return !engine_->running(); }, seconds(20)));
  EXPECT_EQ(engine_->wait(seconds(10)), 3);
  EXPECT_EQ(target_value("SELECT count(*) FROM information_schema.columns"
                         " WHERE column_name = 'social'"),
            "0");
}

TEST_F(RulesTest, PoliciesForTextTakeNulAndBrokenText) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY, b TEXT, e TEXT, s TEXT, l TEXT)");
  const char* row =
      "CAST(x'6100ff' AS TEXT), CAST(x'610062' AS TEXT), CAST(x'610062' AS TEXT),"
      " CAST(x'61ff' AS TEXT))";
  app(std::string("INSERT INTO t VALUES(1, ") + row);
  const Finished done =
      run("[tables.t.columns.b]\non_nul = \"bytea\"\n[tables.t.columns.e]\non_nul = \"escape\"\n"
          "[tables.t.columns.s]\non_nul = \"strip\"\n"
          "[tables.t.columns.l]\non_invalid_utf8 = \"latin1\"\n");
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  follow();
  app(std::string("INSERT INTO t VALUES(2, ") + row);
  const std::string all = "SELECT encode(b,'hex') || e || s || l FROM public.t WHERE id=";
  EXPECT_TRUE(becomes(all + "2", "6100ffa\u2400baba\u00ff"));
  EXPECT_EQ(target_value(all + "1"), "6100ffa\u2400baba\u00ff");
  EXPECT_EQ(crossfade({"verify", db_}).code, 0);
  target_exec("UPDATE public.t SET s = 'a' WHERE id = 1");
  EXPECT_EQ(crossfade({"verify", db_}).code, 4);
}

TEST_F(RulesTest, MaskedValuesNeverReachTheTarget) {
  app("CREATE TABLE p(id INTEGER PRIMARY KEY, mail TEXT DEFAULT 'x@y' CHECK(mail LIKE '%@%'),"
      " n INTEGER);"
      "INSERT INTO p VALUES(1, 'ann@example.org', 5), (2, 'ann@example.org', 5), (3, NULL, 6)");
  const std::string text =
      "[tables.p.columns.mail]\nmask = \"hash\"\n[tables.p.columns.n]\nmask = \"hash\"\n";
  ::unsetenv("CROSSFADE_MASK_KEY");
  EXPECT_EQ(run(text).code, 2);
  ::setenv("CROSSFADE_MASK_KEY", "0123456789abcdef", 1);
  const Finished done = run(text);
  ::unsetenv("CROSSFADE_MASK_KEY");
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  // printf 'Tann@example.org' | openssl dgst -sha256 -hmac 0123456789abcdef
  EXPECT_EQ(target_value("SELECT mail FROM public.p WHERE id=1"),
            "94301eff63b5e6ad6b637c0b3b240b0b");
  EXPECT_EQ(target_value("SELECT count(DISTINCT mail) || ' ' || count(DISTINCT n) || ' ' ||"
                         " count(mail) FROM public.p"),
            "1 2 2");
  EXPECT_EQ(target_value("SELECT count(*) FROM public.p WHERE n IN (5, 6)"), "0");
}

TEST_F(RulesTest, AnotherRuleHasTheTableCopiedAnew) {
  app("CREATE TABLE e(id INTEGER PRIMARY KEY, at INTEGER); INSERT INTO e VALUES(1, 1700000000);"
      "CREATE TABLE other(id INTEGER PRIMARY KEY); INSERT INTO other VALUES(1)");
  ASSERT_EQ(run_until_verified().code, 0);
  const std::string type =
      "SELECT data_type FROM information_schema.columns"
      " WHERE table_name='e' AND column_name='at'";
  EXPECT_EQ(target_value(type), "bigint");
  const std::string untouched = target_value("SELECT 'public.other'::regclass::oid");
  const Finished done = run("[tables.e.columns.at]\ntype = \"timestamptz\"\nform = \"epoch_s\"\n");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(target_value(type), "timestamp with time zone");
  EXPECT_EQ(target_value("SELECT 'public.other'::regclass::oid"), untouched);
  ASSERT_EQ(run_until_verified().code, 0);  // the rules are remembered
  EXPECT_EQ(target_value(type), "timestamp with time zone");
  ASSERT_EQ(run("").code, 0);
  EXPECT_EQ(target_value(type), "bigint");
  EXPECT_EQ(crossfade({"finish", db_, "--target", url_}).code, 0);
  EXPECT_FALSE(std::filesystem::exists(db_ + ".crossfade/rules.toml"));
}

TEST_F(RulesTest, WrongRulesAreAllNamedAndNothingIsTouched) {
  app("CREATE TABLE e(id INTEGER PRIMARY KEY, at INTEGER)");
  const Finished done = run("[tables.f]\nexclude = true\n[tables.e.columns.ta]\nexclude = true\n");
  EXPECT_EQ(done.code, 2);
  EXPECT_THAT(done.err, HasSubstr("rules.toml:1: "));
  EXPECT_THAT(done.err, HasSubstr("rules.toml:3: "));
  EXPECT_EQ(traces_in_source(), "");
}

TEST_F(RulesTest, InspectWritesRulesToBeginWith) {
  make_shop();
  const std::string file = dir_.path() + "/start.toml";
  ASSERT_NE(crossfade({"inspect", db_, "--write-rules", file}).code, 2);
  EXPECT_THAT(read_bytes(file), HasSubstr("# type = "));
  const Finished plain = crossfade({"inspect", db_, "--json"});
  const Finished ruled = crossfade({"inspect", db_, "--json", "--rules", file});
  EXPECT_EQ(nlohmann::json::parse(plain.out).at("ddl"), nlohmann::json::parse(ruled.out).at("ddl"));
  EXPECT_EQ(crossfade({"inspect", db_, "--write-rules", file}).code, 2) << "it was there";
}

}  // namespace
}  // namespace crossfade::testing
