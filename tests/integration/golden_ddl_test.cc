// Promise: the schema that inspect shows for real databases is the one that was reviewed, in
// tests/golden; PostgreSQL accepts all of it; and it is the one that a move makes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/answers.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/oracle_sides.h"
#include "tests/support/process.h"
#include "tests/support/real_dbs.h"

namespace crossfade::testing {
namespace {

constexpr const char* kHeading =
    "-- The ddl of `crossfade inspect --json`, as reviewed. To renew it, and review what changed:"
    " CROSSFADE_UPDATE_GOLDEN=1 integration_tests --gtest_filter='*GoldenDdl*'\n";

std::string golden_path(const std::string& name) {
  return project_file("tests/golden/" + name + ".sql");
}

// Without a target, so that it does not depend on the machine's extensions.
std::vector<std::string> inspected_ddl(const std::string& db) {
  Process::Options command = crossfade_command({"inspect", db, "--json"});
  command.env_removed = {"CROSSFADE_TARGET", "DATABASE_URL"};
  const Finished inspect = run_process(command);
  EXPECT_EQ(inspect.code, 0) << inspect.err;
  const auto report = nlohmann::json::parse(inspect.out, nullptr, /*allow_exceptions=*/false);
  if (!report.is_object()) return {};
  return report.at("ddl").get<std::vector<std::string>>();
}

// Line by line, so that a difference shows where it is.
std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

class GoldenDdlTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenDdlTest, IsWhatWasReviewedAndPostgresqlAcceptsIt) {
  CROSSFADE_NEEDS_POSTGRES();
  CROSSFADE_NEEDS_REAL_DBS();
  const TempDir dir;
  const std::vector<std::string> ddl = inspected_ddl(copy_real_db(GetParam(), dir));
  ASSERT_FALSE(ddl.empty());
  std::string text = kHeading;
  for (const std::string& statement : ddl) text += statement + ";\n";

  const char* update = std::getenv("CROSSFADE_UPDATE_GOLDEN");
  if (update != nullptr && *update != '\0') std::ofstream(golden_path(GetParam())) << text;
  std::ifstream file(golden_path(GetParam()));
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(lines(text), lines(golden.str())) << golden_path(GetParam());

  const std::string url = TestCluster::create_database();
  {
    auto target = connect_or_die(url);
    for (const std::string& statement : ddl) {
      const auto done = target.exec(statement);
      EXPECT_TRUE(done) << statement << ": " << (done ? "" : done.error().native);
    }
  }
  TestCluster::drop_database(url);
}

// What is there, as PostgreSQL itself spells it. NOT VALID is left out: a move has validated.
std::vector<std::string> schema_of(const std::string& url) {
  std::string error;
  const auto target = oracle::open_target(url, &error);
  EXPECT_EQ(error, "");
  const Answer answer = ask(
      target.get(),
      "SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)"
      " || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || ' ' || a.attidentity::text"
      " || coalesce(' COLLATE ' || l.collname, '')"
      " || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')"
      " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
      " LEFT JOIN pg_collation l ON l.oid = a.attcollation"
      " LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
      " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')"
      " UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
      " UNION ALL SELECT conrelid::regclass || ' ' || conname || ' '"
      " || replace(pg_get_constraintdef(oid), ' NOT VALID', '') FROM pg_constraint"
      " WHERE connamespace = 'public'::regnamespace"
      " UNION ALL SELECT viewname || ' AS ' || definition FROM pg_views WHERE schemaname = 'public'"
      " UNION ALL SELECT objoid::regclass || ' IS ' || description FROM pg_description"
      " JOIN pg_class c ON c.oid = objoid WHERE classoid = 'pg_class'::regclass"
      " AND c.relnamespace = 'public'::regnamespace ORDER BY 1");
  EXPECT_EQ(answer.error, "");
  return answer.rows;
}

TEST_P(GoldenDdlTest, IsWhatAMoveMakes) {
  CROSSFADE_NEEDS_POSTGRES();
  CROSSFADE_NEEDS_REAL_DBS();
  const TempDir dir;
  const std::string db = copy_real_db(GetParam(), dir);
  const std::string shown_url = TestCluster::create_database();
  {
    auto target = connect_or_die(shown_url);
    for (const std::string& statement : inspected_ddl(db)) ASSERT_TRUE(target.exec(statement));
  }
  const std::string url = TestCluster::create_database();
  const Finished run =
      run_process(crossfade_command({"run", db, "--target", url, "--until", "verified", "--json"}));
  ASSERT_EQ(run.code, 0) << run.err;
  const Finished cut = run_process(crossfade_command({"cutover", db, "--no-rollback"}));
  ASSERT_EQ(cut.code, 0) << cut.err;
  EXPECT_EQ(schema_of(shown_url), schema_of(url));
  TestCluster::drop_database(shown_url);
  TestCluster::drop_database(url);
}

INSTANTIATE_TEST_SUITE_P(Real, GoldenDdlTest, ::testing::ValuesIn(kRealDbs),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace crossfade::testing
