// The assessment: grades, effort, sizes, and the page and the text that show them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/schema/assessment_effort.h"
#include "engine/schema/assessment_format.h"
#include "engine/schema/assessment_source.h"
#include "engine/schema/assessment_target.h"
#include "engine/schema/inspect_html.h"
#include "engine/schema/inspect_report.h"
#include "tests/unit/schema_fixture.h"

namespace crossfade::schema {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kHostile = R"(
CREATE TABLE "<script>alert(1)</script>"("<img src=x onerror=alert(2)>" INTEGER PRIMARY KEY,
  "a&b""'" TEXT, c CHECK(c != '</pre><script>alert(3)</script>'));
INSERT INTO "<script>alert(1)</script>"
  VALUES(1, CAST(x'3c7363726970743e616c6572742834293c2f7363726970743e00' AS TEXT), 1), (2, 'ok', 'x');
CREATE VIEW "v</style>" AS SELECT '<script src="http://example.com/x"></script>' AS x;)";

class AssessmentTest : public SchemaTest {
 protected:
  Assessment assess(const Plan& plan) {
    Assessment out;
    auto facts = read_database_facts(source_, catalog());
    EXPECT_TRUE(facts);
    out.database = facts.value();
    auto sizes = measure_sizes(source_, plan, out.database);
    EXPECT_TRUE(sizes);
    out.sizes = sizes.value();
    out.copy = estimate_copy(plan, out.sizes, 0.5, int64_t{1} << 30);
    out.grade = grade_of(plan);
    out.target.origin = "none";
    return out;
  }

  Finding finding_of(Severity severity, const std::string& code) {
    Finding out;
    out.severity = severity;
    out.code = code;
    return out;
  }
};

TEST_F(AssessmentTest, GradesByTheWorstFinding) {
  Plan plan;
  EXPECT_STREQ(to_string(grade_of(plan)), "ready");
  plan.findings.push_back(finding_of(Severity::kInfo, "utf16_source"));
  EXPECT_STREQ(to_string(grade_of(plan)), "ready");
  plan.findings.push_back(finding_of(Severity::kWarning, "view_not_carried"));
  EXPECT_STREQ(to_string(grade_of(plan)), "ready_with_decisions");
  plan.findings.push_back(finding_of(Severity::kBlocker, "text_nul"));
  EXPECT_STREQ(to_string(grade_of(plan)), "blocked");
}

TEST_F(AssessmentTest, EveryFindingHasAnEffortAndItsReason) {
  EXPECT_EQ(effort_of(finding_of(Severity::kWarning, "trigger_not_carried")).effort,
            Effort::kHours);
  EXPECT_EQ(effort_of(finding_of(Severity::kBlocker, "text_nul")).effort, Effort::kMinutes);
  // A code that nobody has entered yet.
  EXPECT_EQ(effort_of(finding_of(Severity::kInfo, "new_one")).effort, Effort::kNone);
  EXPECT_EQ(effort_of(finding_of(Severity::kWarning, "new_one")).effort, Effort::kMinutes);
  EXPECT_EQ(effort_of(finding_of(Severity::kBlocker, "new_one")).effort, Effort::kHours);
  EXPECT_EQ(effort_of(finding_of(Severity::kWarning, "dates_mixed")).effort, Effort::kMinutes);
  EXPECT_EQ(effort_of(finding_of(Severity::kInfo, "dates_mixed")).effort, Effort::kNone);
  EXPECT_STRNE(effort_of(finding_of(Severity::kInfo, "new_one")).reason, "");
  Plan plan;
  plan.findings = {finding_of(Severity::kWarning, "trigger_not_carried"),
                   finding_of(Severity::kWarning, "view_not_carried"),
                   finding_of(Severity::kInfo, "utf16_source")};
  const EffortTotals totals = effort_totals(plan);
  EXPECT_EQ(totals.hours, 1);
  EXPECT_EQ(totals.minutes, 1);
  EXPECT_EQ(totals.none, 1);
}

TEST_F(AssessmentTest, NumbersAreReadable) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_count(-123456), "-123,456");
  EXPECT_EQ(format_bytes(1), "1 byte");
  EXPECT_EQ(format_bytes(999), "999 bytes");
  EXPECT_EQ(format_bytes(270'345'678), "270 MB");
  EXPECT_EQ(format_bytes(999'999), "1.0 MB");
  EXPECT_EQ(format_seconds(0.2), "under 1 s");
  EXPECT_EQ(format_seconds(300), "5 min");
  EXPECT_EQ(format_seconds(9000), "2.5 h");
  EXPECT_EQ(plural(1, "foreign key"), "1 foreign key");
  EXPECT_EQ(plural(2, "foreign key"), "2 foreign keys");
  EXPECT_EQ(plural(2, "index"), "2 indexes");
}

TEST_F(AssessmentTest, SizesAreMeasuredAndEstimatesAreClose) {
  exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b REAL, c BLOB); CREATE INDEX t_a ON t(a);"
      "CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE empty(x UNIQUE);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000)"
      " INSERT INTO t SELECT i, printf('%040d', i), i / 3.0, zeroblob(i % 100) FROM n;"
      "INSERT INTO w SELECT a, id FROM t WHERE id < 5000");
  const Plan made = plan();
  const auto facts = read_database_facts(source_, catalog());
  ASSERT_TRUE(facts);
  const int64_t used = facts.value().pages * facts.value().page_bytes;
  const auto measured = measure_sizes(source_, made, facts.value());
  const auto estimated = measure_sizes(source_, made, facts.value(), /*use_dbstat=*/false);
  ASSERT_TRUE(measured);
  ASSERT_TRUE(estimated);
  EXPECT_THAT(estimated.value().basis, HasSubstr("estimated"));
  int64_t sum = estimated.value().other_bytes;
  for (size_t i = 0; i < made.tables.size(); ++i) {
    const TableSize& guess = estimated.value().tables[i];
    EXPECT_FALSE(guess.measured);
    sum += guess.table_bytes + guess.index_bytes;
  }
  EXPECT_LE(sum, used + 4096);
  if (!measured.value().tables[0].measured) GTEST_SKIP() << "SKIPPED: no dbstat in this SQLite";
  sum = measured.value().other_bytes;
  for (size_t i = 0; i < made.tables.size(); ++i) {
    const TableSize& exact = measured.value().tables[i];
    const TableSize& guess = estimated.value().tables[i];
    sum += exact.table_bytes + exact.index_bytes;
    EXPECT_TRUE(exact.measured);
    EXPECT_LT(guess.table_bytes, exact.table_bytes * 2) << made.tables[i].table.name;
    EXPECT_GT(guess.table_bytes * 2, exact.table_bytes) << made.tables[i].table.name;
    EXPECT_LT(guess.index_bytes, exact.index_bytes * 2 + 1) << made.tables[i].table.name;
    EXPECT_GT(guess.index_bytes * 2 + 1, exact.index_bytes) << made.tables[i].table.name;
  }
  EXPECT_EQ(sum, used);
}

TEST_F(AssessmentTest, SaysWhatTheFileIs) {
  exec(
      "PRAGMA user_version = 7; PRAGMA application_id = 42; CREATE TABLE t(a);"
      "CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;"
      "CREATE VIRTUAL TABLE f USING fts5(body)");
  const nlohmann::json json = to_json(plan(), assess(plan()));
  const nlohmann::json& database = json.at("database");
  EXPECT_EQ(database.at("user_version"), 7);
  EXPECT_EQ(database.at("application_id"), 42);
  EXPECT_EQ(database.at("page_bytes"), 4096);
  EXPECT_EQ(database.at("encoding"), "UTF-8");
  EXPECT_EQ(database.at("auto_vacuum"), "none");
  EXPECT_EQ(database.at("triggers"), 1);
  EXPECT_EQ(database.at("views"), 1);
  EXPECT_EQ(database.at("virtual_tables"), 1);
  EXPECT_EQ(json.at("grade"), "ready_with_decisions");
  EXPECT_TRUE(json.at("tables").at(0).contains("bytes"));
  EXPECT_TRUE(json.at("findings").at(0).contains("effort"));
  EXPECT_TRUE(json.at("target").at("disk_free_bytes").is_null());
}

// Promise: nothing that a database holds can run in the page, or make it load something.
TEST_F(AssessmentTest, HostileNamesAndValuesAreTextOnThePage) {
  exec(kHostile);
  const Plan made = plan();
  Assessment assessment = assess(made);
  assessment.database.path = "/tmp/<script>alert(5)</script>\xff.db";
  assessment.target.origin = "given";
  assessment.target.url = "postgresql://h/<script>";
  assessment.target.problem = "no <script>\nsecond line";
  const std::string html = to_html(made, assessment, "<script>now");
  EXPECT_FALSE(find_flaws(html).invalid);
  EXPECT_THAT(html,
              AllOf(HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"), HasSubstr("alert(2)&gt;"),
                    HasSubstr("a&amp;b"), HasSubstr("alert(3)"), HasSubstr("alert(4)"),
                    HasSubstr("v&lt;/style&gt;"), HasSubstr("\\xff.db")));
  EXPECT_THAT(html,
              AllOf(Not(HasSubstr("<script")), Not(HasSubstr("<img")), Not(HasSubstr("<link")),
                    Not(HasSubstr("url(")), Not(HasSubstr("@import"))));
  size_t styles = 0;
  for (size_t at = html.find("</style>"); at != std::string::npos;
       at = html.find("</style>", at + 1)) {
    ++styles;
  }
  EXPECT_EQ(styles, 1U);
  for (const char* quoted : {"src=\"", "href=\"h", "onerror=\""}) {
    EXPECT_THAT(html, Not(HasSubstr(quoted)));
  }
}

TEST_F(AssessmentTest, ThePageShowsEverythingThePlanHolds) {
  exec(
      "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL, age, note BLOB);"
      "INSERT INTO person VALUES (1, 'Ann', 1, NULL), (2, 'Bob', 'old', x'00');"
      "CREATE VIEW adults AS SELECT * FROM person");
  const Plan made = plan();
  const std::string html = to_html(made, assess(made), "2030-01-02 03:04 UTC");
  EXPECT_THAT(html, AllOf(HasSubstr("Ready with decisions"), HasSubstr("person.age"),
                          HasSubstr("mixed_storage"), HasSubstr("id=2: &#39;old&#39;"),
                          HasSubstr("effort: minutes"), HasSubstr("CREATE TABLE"),
                          HasSubstr("2030-01-02 03:04 UTC")));
  EXPECT_THAT(html, HasSubstr("class=\"integer\" style=\"width:50.00%\""));
  for (const std::string& statement : made.ddl) {
    EXPECT_THAT(html, HasSubstr(statement.substr(0, statement.find('"')))) << statement;
  }
}

TEST_F(AssessmentTest, TextIsWrappedToTheTerminalButStatementsAreNot) {
  exec(kHostile);
  const Plan made = plan();
  const Assessment assessment = assess(made);
  const std::string narrow = to_text(made, assessment, {.width = 72});
  const std::string wide = to_text(made, assessment, {});
  std::istringstream lines(narrow.substr(0, narrow.find("TABLES")));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  EXPECT_THAT(narrow, Not(HasSubstr("\x1b")));
  for (const char* part : {"blocked", "BLOCKERS (1)", "effort", "copy time", "DDL", "-> "}) {
    EXPECT_THAT(wide, HasSubstr(part));
  }
  EXPECT_LT(wide.find("BLOCKERS"), wide.find("WARNINGS"));
  EXPECT_LT(wide.find("WARNINGS"), wide.find("DDL"));
  // Not a word is lost by the wrapping.
  const auto words = [](const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> out;
    for (std::string word; in >> word;) out.push_back(word);
    return out;
  };
  EXPECT_EQ(words(narrow), words(wide));
}

TEST_F(AssessmentTest, NamesWhatTheTargetLacks) {
  exec("CREATE TABLE t(a); CREATE VIRTUAL TABLE f USING fts5(body)");
  const Plan made = plan();
  Assessment assessment = assess(made);
  EXPECT_TRUE(find_in_target(assessment, made, catalog(), "public").empty());  // none named
  TargetFacts& target = assessment.target;
  target.origin = "given";
  target.url = "postgresql://h/d";
  target.problem = "no route to host";
  const auto codes = [&] {
    std::vector<std::string> out;
    for (const Finding& finding : find_in_target(assessment, made, catalog(), "public")) {
      EXPECT_FALSE(finding.remedy.empty());
      out.push_back(finding.code);
    }
    return out;
  };
  EXPECT_THAT(codes(), ::testing::ElementsAre("target_unreachable"));
  target.reachable = true;
  target.encoding = "LATIN1";
  target.disk_free_bytes = 10;
  target.no_way_back = {"wal_level is replica (set it)"};
  EXPECT_THAT(codes(),
              ::testing::ElementsAre("target_not_utf8", "target_may_not_create", "no_way_back",
                                     "target_disk_short", "extension_lacking"));
  target.no_way_back.clear();
  target.encoding = "UTF8";
  target.may_create_schema = target.may_create_tables = true;
  target.disk_free_bytes.reset();  // not known: no finding
  target.extensions["pg_trgm"] = {"1.6", "1.6"};
  EXPECT_TRUE(codes().empty());
}

TEST_F(AssessmentTest, EstimatesGrowWithTheDataAndSayOnWhatTheyRest) {
  exec("CREATE TABLE t(a TEXT); INSERT INTO t VALUES (printf('%50000d', 1))");
  const Plan made = plan();
  const Sizes sizes = assess(made).sizes;
  const CopyEstimate quick = estimate_copy(made, sizes, 1, 1 << 30);
  const CopyEstimate slow = estimate_copy(made, sizes, 10, 1 << 30);
  EXPECT_GT(slow.total_seconds, quick.total_seconds * 5);
  EXPECT_GT(quick.total_seconds, quick.copy_seconds);
  EXPECT_GT(quick.target_bytes, 100'000);  // the row, and once more in the write-ahead log
  EXPECT_LT(estimate_copy(made, sizes, 1, 0).target_bytes, quick.target_bytes);
  EXPECT_THAT(quick.basis, HasSubstr("estimate"));
}

}  // namespace
}  // namespace crossfade::schema
