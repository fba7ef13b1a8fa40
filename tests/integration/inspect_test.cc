// Promise: inspect measures both sides and touches neither; its report is one file that is written
// whole or not at all, and never over a database.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/move_test.h"
#include "tests/support/real_dbs.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class InspectTest : public MoveTest {
 protected:
  [[nodiscard]] json inspect(std::vector<std::string> more = {}, int code = 0) const {
    std::vector<std::string> arguments{"inspect", db_, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished done = crossfade(std::move(arguments));
    EXPECT_EQ(done.code, code) << done.err;
    return json::parse(done.out, nullptr, false);
  }

  static std::vector<std::string> codes(const json& report) {
    std::vector<std::string> out;
    for (const json& finding : report.at("findings")) out.push_back(finding.at("code"));
    return out;
  }

  [[nodiscard]] std::string target_objects() const {
    return target_value(
        "SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT count(*) FROM pg_namespace) || ' "
        "' || (SELECT count(*) FROM pg_extension) || ' ' || pg_database_size(current_database())");
  }
};

TEST_F(InspectTest, LooksAtTheTargetAndTouchesNothing) {
  make_shop();
  const std::string source_before = listing(dir_.path());
  const std::string target_before = target_objects();
  const json report = inspect({"--target", url_});
  EXPECT_EQ(listing(dir_.path()), source_before);
  EXPECT_EQ(target_objects(), target_before);
  const json& target = report.at("target");
  EXPECT_EQ(target.at("origin"), "given");
  EXPECT_TRUE(target.at("reachable"));
  EXPECT_EQ(target.at("server_version"), target_value("SHOW server_version"));
  EXPECT_EQ(target.at("wal_level"), target_value("SHOW wal_level"));
  EXPECT_TRUE(target.at("may_create_schema"));
  EXPECT_TRUE(target.at("may_create_tables"));
  EXPECT_TRUE(target.at("extensions").contains("pg_trgm"));
  EXPECT_GT(target.at("disk_free_bytes"), 0) << target;  // the server is on this machine
  EXPECT_GT(report.at("copy").at("target_bytes"), 0);
  EXPECT_EQ(report.at("totals").at("rows"), 225);
}

TEST_F(InspectTest, NamesRightsThatTheRoleLacks) {
  make_shop();
  target_exec("DROP ROLE IF EXISTS cf_inspect_guest; CREATE ROLE cf_inspect_guest LOGIN");
  const std::string joint = url_.find('?') == std::string::npos ? "?" : "&";
  const json report = inspect({"--target", url_ + joint + "user=cf_inspect_guest"});
  target_exec("DROP ROLE cf_inspect_guest");
  ASSERT_TRUE(report.at("target").at("reachable")) << report.at("target");
  EXPECT_FALSE(report.at("target").at("may_create_schema"));
  EXPECT_THAT(codes(report), ::testing::Contains("target_may_not_create"));
  EXPECT_THAT(codes(report), ::testing::Contains("no_way_back"));
  EXPECT_THAT(report.dump(), HasSubstr("REPLICATION"));
  EXPECT_EQ(report.at("grade"), "ready_with_decisions");
}

TEST_F(InspectTest, JudgesTheSourceWhenTheTargetCannotBeReached) {
  make_shop();
  const json report = inspect({"--target", "postgresql://me:hush@127.0.0.1:1/none"});
  EXPECT_FALSE(report.at("target").at("reachable"));
  EXPECT_THAT(codes(report), ::testing::Contains("target_unreachable"));
  EXPECT_EQ(report.at("totals").at("tables"), 4);
  EXPECT_THAT(report.dump(), Not(HasSubstr("hush")));
}

TEST_F(InspectTest, DoesNotStartTheRememberedCluster) {
  make_shop();
  ASSERT_EQ(crossfade({"run", db_, "--target", "embedded", "--until", "verified"}).code, 0);
  const std::string running = db_ + ".crossfade/postgresql/data/postmaster.pid";
  ASSERT_FALSE(std::filesystem::exists(running));
  const std::string before = listing(dir_.path());
  const json report = inspect();
  EXPECT_EQ(report.at("target").at("origin"), "remembered");
  EXPECT_FALSE(report.at("target").at("reachable"));
  EXPECT_FALSE(report.at("target").contains("problem"));
  EXPECT_EQ(listing(dir_.path()), before);
  EXPECT_EQ(crossfade({"finish", db_}).code, 0);
}

TEST_F(InspectTest, SeesHowOftenTheApplicationCommits) {
  for (const char* mode : {"WAL", "DELETE"}) {
    make_shop();
    app(fmt::format("PRAGMA journal_mode={}", mode));
    const AppDb open(db_);
    EXPECT_EQ(inspect().at("writes").at("commits"), 0) << mode;
    AppWriters writers(db_, 2);
    const int64_t before = writers.acknowledged();
    const json writes = inspect().at("writes");
    writers.stop();
    const int64_t most = writers.acknowledged() - before + 2;
    EXPECT_GT(writes.at("commits"), 0) << mode << writes;
    EXPECT_LE(writes.at("commits"), most) << mode << writes;
    EXPECT_FALSE(writes.at("at_least")) << mode;
    EXPECT_LT(writes.at("seconds"), 30) << mode;
    std::filesystem::remove(db_);
  }
}

TEST_F(InspectTest, WritesAReportThatStandsAlone) {
  make_shop();
  app("CREATE TABLE \"<script>alert(1)</script>\"(\"<b>\" TEXT);"
      "INSERT INTO \"<script>alert(1)</script>\" VALUES ('<script>alert(2)</script>'), (x'ff')");
  const std::string file = dir_.file("report.html");
  const std::string before = listing(dir_.path());
  const mode_t old_mask = ::umask(022);
  const json report = inspect({"--html", file});
  ::umask(old_mask);
  EXPECT_EQ(report.at("html"), file);
  struct stat st {};
  ASSERT_EQ(::stat(file.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0644U);
  const std::string html = read_bytes(file);
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_THAT(html, HasSubstr("alert(2)"));
  for (const char* never : {"<script", "<link", "<img", "<iframe", "http://", "https://", "url("}) {
    EXPECT_THAT(html, Not(HasSubstr(never)));
  }
  for (const char* table : {"customer", "purchase", "setting", "journal"}) {
    EXPECT_THAT(html, HasSubstr(table));
  }
  EXPECT_THAT(html, ::testing::EndsWith("</html>\n"));
  // An older report is replaced, and nothing else is left behind.
  write_bytes(file, "old");
  EXPECT_EQ(crossfade({"inspect", db_, "--html", file}).code, 0);
  EXPECT_GT(read_bytes(file).size(), 3U);
  std::filesystem::remove(file);
  EXPECT_EQ(listing(dir_.path()), before);
}

TEST_F(InspectTest, NeverWritesTheReportOverADatabase) {
  make_shop();
  const std::string other = dir_.file("other.db");
  EXPECT_EQ(AppDb(other).run("CREATE TABLE t(a)"), "");
  const std::string link = dir_.file("link.html");
  std::filesystem::create_symlink(db_, link);
  std::filesystem::create_hard_link(db_, dir_.file("hard.html"));
  std::filesystem::create_directory(dir_.file("folder"));
  const std::string before = listing(dir_.path());
  for (const std::string& file :
       {db_, db_ + "-wal", db_ + "-journal", db_ + "-shm", other, link, dir_.file("hard.html"),
        dir_.file("folder"), std::string("/dev/null"), dir_.file("absent/report.html"),
        dir_.path() + "/./app.db-wal", db_ + ".crossfade/route"}) {
    const Finished done = crossfade({"inspect", db_, "--html", file});
    EXPECT_EQ(done.code, 2) << file << done.err;
    EXPECT_EQ(listing(dir_.path()), before) << file;
  }
}

TEST_F(InspectTest, ASummaryComesFirstAndNoColourReachesAPipe) {
  make_shop();
  const Finished done = crossfade({"inspect", db_});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out.find(db_), 0U);
  EXPECT_THAT(done.out, Not(HasSubstr("\x1b")));
  for (const char* part : {"rows", "copy time", "writes", "disk needed", "TABLES", "DDL"}) {
    EXPECT_THAT(done.out, HasSubstr(part));
  }
}

TEST_F(InspectTest, RealDatabases) {
  CROSSFADE_NEEDS_REAL_DBS();
  for (const std::string& name : real_db_names()) {
    const TempDir folder;
    db_ = copy_real_db(name, folder);
    const std::string before = listing(folder.path());
    const std::string file = dir_.file(name + ".html");
    const json report = inspect({"--html", file});
    EXPECT_EQ(listing(folder.path()), before) << name;
    int64_t bytes = report.at("totals").at("other_bytes");
    for (const json& table : report.at("tables")) {
      bytes += table.at("bytes").get<int64_t>() + table.at("index_bytes").get<int64_t>();
    }
    const json& database = report.at("database");
    EXPECT_EQ(bytes,
              (database.at("pages").get<int64_t>() - database.at("free_pages").get<int64_t>()) *
                  database.at("page_bytes").get<int64_t>())
        << name;
    EXPECT_THAT(read_bytes(file), ::testing::EndsWith("</html>\n")) << name;
    for (const json& finding : report.at("findings")) {
      EXPECT_FALSE(finding.at("effort_reason").get<std::string>().empty()) << finding;
    }
  }
}

}  // namespace
}  // namespace crossfade::testing
