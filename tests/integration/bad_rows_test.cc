// Promise: rows that the target cannot hold are found before anything is touched, named, and
// either refused or set aside exactly; inspect leaves no trace.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/move_test.h"
#include "tests/support/oracle.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class BadRowsTest : public MoveTest {
 protected:
  void make_bad_rows() {
    make_shop();
    app("CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT);"
        "INSERT INTO person VALUES(1,'Ann'),(2,CAST(x'610062' AS TEXT)),"
        "(3,CAST(x'ff41' AS TEXT)),(4,'Dora')");
  }
};

TEST_F(BadRowsTest, InspectTouchesNothing) {
  make_shop();
  AppDb open(db_);  // so that a -wal and a -shm exist and are not empty
  ASSERT_EQ(open.run("INSERT INTO journal VALUES(9,'in the wal')"), "");
  ASSERT_EQ(open.value("PRAGMA journal_mode"), "wal");
  const std::string main_before = read_bytes(db_);
  const std::string wal_before = read_bytes(db_ + "-wal");
  const Finished done = crossfade({"inspect", db_, "--json"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(read_bytes(db_), main_before);
  EXPECT_EQ(read_bytes(db_ + "-wal"), wal_before);
  // In the -shm SQLite notes who reads; there is no reading a WAL database without.
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    files += entry.exists() ? 1 : 0;
  }
  EXPECT_EQ(files, 3U) << listing(dir_.path());
  const json plan = json::parse(done.out);
  ASSERT_EQ(plan.at("tables").size(), 4U);
  for (const char* field : {"name", "rows", "columns"}) {
    EXPECT_TRUE(plan.at("tables")[0].contains(field)) << field;
  }
  for (const char* field : {"name", "declared_type", "storage", "target_type", "reason"}) {
    EXPECT_TRUE(plan.at("tables")[0].at("columns")[0].contains(field)) << field;
  }
  EXPECT_TRUE(plan.contains("findings"));
  EXPECT_FALSE(plan.at("ddl").empty());
}

TEST_F(BadRowsTest, InspectOfAClosedDatabaseLeavesNoFilesBehind) {
  make_shop();  // closed: no -wal
  const std::string before = listing(dir_.path());
  EXPECT_EQ(crossfade({"inspect", db_}).code, 0);
  EXPECT_EQ(listing(dir_.path()), before);
}

TEST_F(BadRowsTest, InspectNamesRowsThatTheTargetCannotHold) {
  make_bad_rows();
  const std::string before = listing(dir_.path());
  const Finished done = crossfade({"inspect", db_, "--json"});
  EXPECT_EQ(done.code, 3) << done.err;
  std::map<std::string, json> blockers;
  const json plan = json::parse(done.out);
  for (const json& finding : plan.at("findings")) {
    for (const char* field :
         {"severity", "code", "table", "column", "rows", "message", "samples", "remedy"}) {
      EXPECT_TRUE(finding.contains(field)) << field;
    }
    if (finding.at("severity") == "blocker") blockers[finding.at("code")] = finding;
  }
  ASSERT_EQ(blockers.count("text_nul"), 1U) << done.out;
  ASSERT_EQ(blockers.count("text_invalid_utf8"), 1U) << done.out;
  EXPECT_THAT(blockers["text_nul"].at("samples").dump(), HasSubstr("id=2"));
  EXPECT_THAT(blockers["text_invalid_utf8"].at("samples").dump(), HasSubstr("id=3"));
  EXPECT_EQ(blockers["text_nul"].at("table"), "person");
  EXPECT_EQ(blockers["text_nul"].at("column"), "name");
  EXPECT_EQ(listing(dir_.path()), before);
}

TEST_F(BadRowsTest, RunRefusesThemAndLeavesBothSidesUntouched) {
  make_bad_rows();
  AppDb open(db_);
  const std::string schema = open.value("SELECT group_concat(sql) FROM sqlite_master");
  const Finished done = run_until_verified();
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_THAT(done.err, AllOf(HasSubstr("person.name"), HasSubstr("id=2"), HasSubstr("id=3"),
                              HasSubstr("--quarantine")));
  EXPECT_EQ(open.value("SELECT group_concat(sql) FROM sqlite_master"), schema);
  EXPECT_EQ(target_value("SELECT count(*) FROM pg_class WHERE relnamespace NOT IN (SELECT oid FROM "
                         "pg_namespace WHERE nspname LIKE 'pg\\_%' OR nspname="
                         "'information_schema')"),
            "0");
}

TEST_F(BadRowsTest, WithQuarantineTheOthersAreCarriedAndTheRowsAreNamed) {
  make_bad_rows();
  const Finished done =
      crossfade({"run", db_, "--target", url_, "--until", "verified", "--quarantine", "--json"});
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  const json report = json::parse(done.out);
  EXPECT_EQ(report.at("quarantined").is_array() ? report.at("quarantined").size()
                                                : report.at("quarantined").get<size_t>(),
            2U)
      << done.out;
  EXPECT_THAT(done.out, AllOf(HasSubstr("person"), HasSubstr("id=2"), HasSubstr("id=3")));
  EXPECT_EQ(target_value("SELECT string_agg(name,',' ORDER BY id) FROM public.person"), "Ann,Dora");
  EXPECT_EQ(target_value("SELECT count(*) FROM public.purchase"), "200");
  EXPECT_EQ(status().at("quarantined"), 2);
  // Mended on the source, they come by themselves.
  app("UPDATE person SET name='Bob' WHERE id=2; UPDATE person SET name='Cid' WHERE id=3");
  const Finished mended = run_until_verified();
  EXPECT_EQ(mended.code, 0) << mended.out << mended.err;
  EXPECT_EQ(compare_databases(db_, url_), "");
}

// Promise: cutover does not leave set-aside rows behind.
TEST_F(BadRowsTest, CutoverRefusesWhileRowsAreSetAside) {
  make_bad_rows();
  ASSERT_EQ(crossfade({"run", db_, "--target", url_, "--until", "verified", "--quarantine"}).code,
            3);
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(done.code, 8) << done.out << done.err;
  EXPECT_THAT(done.err, HasSubstr("quarantine"));
  app("INSERT INTO journal VALUES(7,'still writable')");
}

// 1100 doubles are more than a page holds, and PostgreSQL keeps no row on two. With NULLs they fit.
TEST_F(BadRowsTest, ARowTooLargeForAPageIsSetAsideDuringTheCopy) {
  std::string columns;
  for (int i = 0; i < 1100; ++i) columns += fmt::format(",c{} REAL", i);
  std::string full;
  for (int i = 0; i < 1100; ++i) full += fmt::format(",{}.5", i);
  app("CREATE TABLE wide(id INTEGER PRIMARY KEY" + columns +
      ");"
      "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<1000) "
      "INSERT INTO wide(id,c0,c1099) SELECT i,i+0.5,-i FROM n WHERE i NOT IN (1,477,1000);"
      "INSERT INTO wide VALUES(1" +
      full + "),(477" + full + "),(1000" + full + ")");
  const Finished done = crossfade({"run", db_, "--target", url_, "--until", "verified", "--json"});
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("id=1"), HasSubstr("id=477"), HasSubstr("id=1000")));
  EXPECT_EQ(target_value("SELECT count(*) FROM public.wide WHERE c0=id+0.5"), "997");
  EXPECT_EQ(target_value("SELECT string_agg(key||' '||(source_row->>'c1099'),',' ORDER BY lsn,key) "
                         "FROM crossfade.quarantine"),
            "id=1 1099.5,id=1000 1099.5,id=477 1099.5");
  app("UPDATE wide SET c7=NULL,c8=NULL WHERE id=477; DELETE FROM wide WHERE id IN (1,1000)");
  for (int i = 100; i < 1100; i += 100) {
    std::string shorter;
    for (int k = i; k < i + 100; ++k) shorter += fmt::format("{}c{}=NULL", k == i ? "" : ",", k);
    app("UPDATE wide SET " + shorter + " WHERE id=477");
  }
  const Finished mended = run_until_verified();
  EXPECT_EQ(mended.code, 0) << mended.out << mended.err;
  EXPECT_EQ(compare_databases(db_, url_), "");
}

}  // namespace
}  // namespace crossfade::testing
