// Promise: who did what to a move is on record with its outcome, without secrets, and `audit
// verify` finds what is wrong with the record, a missing end by what the target knows.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "engine/run/audit.h"
#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class AuditVerbTest : public MoveTest {
 protected:
  [[nodiscard]] std::string trail() const { return db_ + ".crossfade/audit.jsonl"; }
  [[nodiscard]] json entries() const {
    const Finished done = crossfade({"audit", "show", db_, "--json"});
    EXPECT_EQ(done.code, 0) << done.err;
    return json::parse(done.out, nullptr, false).value("entries", json::array());
  }
  // The newest of a kind, of a command if one is named.
  [[nodiscard]] json newest(const std::string& what, const std::string& command = "") const {
    json found;
    for (const json& entry : entries()) {
      if (entry["what"] != what) continue;
      if (!command.empty() && entry["details"].value("command", "") != command) continue;
      found = entry;
    }
    EXPECT_FALSE(found.is_null()) << what << " " << command;
    return found;
  }
  [[nodiscard]] json verify(int code, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"audit", "verify", db_, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished done = crossfade(arguments);
    EXPECT_EQ(done.code, code) << done.out << done.err;
    return json::parse(done.out, nullptr, false);
  }
  void drop_last_line() const {
    std::string text = read_bytes(trail());
    text.resize(text.rfind('\n', text.size() - 2) + 1);
    write_bytes(trail(), text);
  }
};

TEST_F(AuditVerbTest, EachCommandThatChangesSomethingIsOnRecord) {
  make_shop();
  EXPECT_EQ(crossfade({"audit", "verify", db_}).code, 3);  // nothing has begun
  ASSERT_EQ(run_until_verified().code, 0);
  const json begun = newest("command_begun", "run");
  EXPECT_EQ(begun["who"]["uid"], ::getuid());
  EXPECT_EQ(begun["details"]["flags"]["--until"], "verified");
  EXPECT_EQ(newest("command_ended", "run")["details"]["exit_code"], 0);
  EXPECT_EQ(newest("verified")["details"]["equal"], true);
  EXPECT_EQ(newest("phase")["details"]["phase"], "following");
  EXPECT_EQ(crossfade({"cutover", db_, "--max-pause", "4000", "--dry-run"}).code, 0);
  EXPECT_EQ(newest("command_begun", "cutover")["details"]["flags"]["--max-pause"], "4000");
  EXPECT_EQ(crossfade({"quarantine", "accept", db_, "17"}).code, 2);
  EXPECT_EQ(newest("command_ended", "quarantine accept")["details"]["exit_code"], 2);
  EXPECT_EQ(crossfade({"ddl", db_, "ALTER TABLE journal ADD COLUMN more"}).code, 0);
  EXPECT_THAT(newest("ddl")["details"]["sql"].get<std::string>(), HasSubstr("ADD COLUMN"));
  const size_t before = entries().size();
  EXPECT_EQ(crossfade({"status", db_}).code, 0);
  EXPECT_EQ(crossfade({"quarantine", "list", db_}).code, 0);
  EXPECT_EQ(entries().size(), before);
  EXPECT_EQ(crossfade({"finish", db_}).code, 0);
  EXPECT_FALSE(newest("finished")["details"]["removed"].empty());
  const json whole = verify(0);
  EXPECT_EQ(whole["verdict"], "intact");
  EXPECT_EQ(whole["head"]["state"], "not_asked");  // of a target that nobody remembers
}

TEST_F(AuditVerbTest, WhoeverAsksARunningEngineIsOnRecord) {
  make_shop();
  follow();
  ASSERT_EQ(crossfade({"verify", db_}).code, 0);
  const json asked = newest("asked", "verify");
  EXPECT_EQ(asked["details"]["uid"], ::getuid());
  EXPECT_EQ(asked["who"]["pid"], engine_->pid());
  EXPECT_EQ(newest("command_begun", "verify")["who"]["pid"], asked["details"]["pid"]);
  EXPECT_EQ(stop_engine(), 0);
}

TEST_F(AuditVerbTest, AnEndThatIsMissingIsFoundByWhatTheTargetKnows) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const json whole = verify(0);
  EXPECT_EQ(whole["verdict"], "intact");
  EXPECT_EQ(whole["head"]["state"], "matches");
  EXPECT_EQ(whole["head"]["seq"], whole["last"]["seq"]);
  drop_last_line();
  const json cut = verify(4);
  EXPECT_EQ(cut["verdict"], "truncated");
  EXPECT_EQ(cut["head"]["state"], "missing");
  EXPECT_EQ(verify(0, {"--offline"})["head"]["state"], "not_asked");
  // Going on does not hide it.
  ASSERT_EQ(run_until_verified().code, 0);
  EXPECT_EQ(verify(4)["verdict"], "broken");
}

TEST_F(AuditVerbTest, AnEngineThatRunsDoesNotTakeAShortenedTrailForItsOwn) {
  make_shop();
  follow();
  ASSERT_TRUE(wait_until(
      [&] {
        return !target_value("SELECT to_regclass('crossfade.audit_head')").empty() &&
               !target_value("SELECT seq FROM crossfade.audit_head").empty();
      },
      seconds(10)));
  write_bytes(trail(), "");
  run::AuditLog(trail()).record("command_begun", json::object());
  EXPECT_TRUE(wait_until(
      [&] { return engine_->err().find("audit trail does not hold") != std::string::npos; },
      seconds(10)))
      << engine_->err();
  EXPECT_EQ(stop_engine(), 0);
  // It may be shorter still than the one that is on record.
  EXPECT_THAT(verify(4)["verdict"], ::testing::AnyOf("broken", "truncated"));
}

TEST_F(AuditVerbTest, ATargetThatDoesNotAnswerIsSaid) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const Finished done =
      crossfade({"audit", "verify", db_, "--target", "postgresql://a@127.0.0.1:1/a"});
  EXPECT_EQ(done.code, 6);
  EXPECT_THAT(done.err, HasSubstr("--offline"));
}

TEST_F(AuditVerbTest, ItIsShownAndExportedFromATimeOn) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const json all = entries();
  const Finished csv = crossfade({"audit", "export", db_, "--format", "csv"});
  EXPECT_EQ(csv.code, 0) << csv.err;
  EXPECT_EQ(csv.out.rfind("seq,at,what,uid,user,pid,host,details,hash\r\n", 0), 0U);
  EXPECT_EQ(static_cast<size_t>(std::count(csv.out.begin(), csv.out.end(), '\n')), all.size() + 1);
  EXPECT_THAT(csv.out, HasSubstr("\"{\"\"command\"\":\"\"run\"\""));
  const Finished exported = crossfade({"audit", "export", db_});
  EXPECT_EQ(json::parse(exported.out, nullptr, false), all);
  const std::string last = all.back()["at"];
  const Finished since = crossfade({"audit", "export", db_, "--since", last.substr(0, 19) + "Z"});
  EXPECT_LE(json::parse(since.out, nullptr, false).size(), all.size());
  EXPECT_EQ(crossfade({"audit", "export", db_, "--since", "2099-01-01"}).out, "[]\n");
  EXPECT_EQ(crossfade({"audit", "show", db_, "--since", "yesterday"}).code, 2);
  EXPECT_THAT(crossfade({"audit", "show", db_}).out, HasSubstr("command_begun"));
}

TEST_F(AuditVerbTest, SecretsOfTheCommandLineAreNotInIt) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const std::string url = "postgresql://ann:hunter2-s3cret@127.0.0.1:1/app";
  EXPECT_EQ(crossfade({"verify", db_, "--target", url}).code, 6);
  const Finished asked = crossfade(
      {"cutover", db_, "--watch", "1s", "--rollback-if",
       "curl -H 'Authorization: Bearer tok3n-1234' http://127.0.0.1:1/", "--target", url});
  EXPECT_EQ(asked.code, 6) << asked.err;
  const std::string text = read_bytes(trail());
  EXPECT_THAT(text, AllOf(Not(HasSubstr("hunter2")), Not(HasSubstr("tok3n-1234")),
                          HasSubstr("postgresql://ann@127.0.0.1:1/app")));
}

}  // namespace
}  // namespace crossfade::testing
