// Promise: before a move changes anything there is a verified backup; what is restored from a
// backup of either side is what was there, in a new place; and the application is not held up.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <memory>

#include "engine/postgres/client_program.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/small_disk.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class BackupTest : public MoveTest {
 protected:
  [[nodiscard]] std::string folder() const { return db_ + ".crossfade/backups"; }
  [[nodiscard]] json backups() const {
    const Finished done = crossfade({"backup", "list", db_, "--json"});
    EXPECT_EQ(done.code, 0) << done.err;
    return json::parse(done.out, nullptr, false).value("backups", json::array());
  }
  // Its manifest.
  [[nodiscard]] json create(const std::string& side = "sqlite") const {
    const Finished done = crossfade({"backup", "create", db_, "--side", side, "--json"});
    EXPECT_EQ(done.code, 0) << done.err;
    return json::parse(done.out, nullptr, false).value("backup", json::object());
  }
  [[nodiscard]] Finished restore(const json& backup, const std::string& to,
                                 bool force = false) const {
    std::vector<std::string> arguments = {"backup", "restore", db_, backup.value("name", ""),
                                          "--to",   to};
    if (force) arguments.emplace_back("--force");
    return crossfade(arguments);
  }
  [[nodiscard]] static mode_t mode(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(::stat(path.c_str(), &st), 0) << path;
    return st.st_mode & 0777U;
  }
  void flip_a_byte(const json& backup) const {
    const std::string path = folder() + "/" + backup.value("file", "");
    std::string bytes = read_bytes(path);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_bytes(path, bytes);
  }
};

TEST_F(BackupTest, BeforeItChangesAnythingRunMakesOne) {
  make_shop();
  const std::string before = AppDb(db_).value("SELECT group_concat(sql) FROM sqlite_master");
  ASSERT_EQ(run_until_verified().code, 0);
  const json all = backups();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0]["reason"], "before_run");
  EXPECT_FALSE(all[0]["move"].get<std::string>().empty());
  EXPECT_EQ(mode(folder()), 0700U);
  EXPECT_EQ(mode(folder() + "/" + all[0].value("file", "")), 0600U);
  EXPECT_EQ(mode(folder() + "/" + all[0].value("name", "") + ".json"), 0600U);
  const std::string restored = dir_.file("restored.db");
  ASSERT_EQ(restore(all[0], restored).code, 0);
  EXPECT_EQ(mode(restored), 0600U);
  EXPECT_EQ(compare_databases(restored, url_), "");
  EXPECT_EQ(AppDb(restored).value("SELECT group_concat(sql) FROM sqlite_master"), before);
  EXPECT_EQ(AppDb(restored).value("PRAGMA integrity_check"), "ok");
  // Once for a move.
  ASSERT_EQ(run_until_verified().code, 0);
  EXPECT_EQ(backups().size(), 1U);
  EXPECT_THAT(read_bytes(db_ + ".crossfade/audit.jsonl"), HasSubstr("backup_made"));
  // It outlives the move.
  ASSERT_EQ(crossfade({"finish", db_}).code, 0);
  EXPECT_EQ(backups().size(), 1U);
}

TEST_F(BackupTest, ItCanBeDeclined) {
  make_shop();
  const Finished done =
      crossfade({"run", db_, "--target", url_, "--until", "verified", "--no-backup"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(backups().size(), 0U);
}

TEST_F(BackupTest, ARefusedRunMakesNone) {
  make_shop();
  EXPECT_EQ(crossfade({"run", db_, "--target", "postgresql://a@127.0.0.1:1/a"}).code, 6);
  EXPECT_EQ(backups().size(), 0U);
}

TEST_F(BackupTest, OneThatWasChangedIsFoundAndNotRestored) {
  make_shop();
  const json good = create();
  const json bad = create();
  EXPECT_EQ(crossfade({"backup", "verify", db_}).code, 0);
  flip_a_byte(bad);
  const Finished verified = crossfade({"backup", "verify", db_, "--json"});
  EXPECT_EQ(verified.code, 4) << verified.out;
  for (const json& each : json::parse(verified.out)["backups"]) {
    EXPECT_EQ(each["good"], each["name"] == good["name"]) << each;
  }
  const std::string to = dir_.file("restored.db");
  const Finished refused = restore(bad, to);
  EXPECT_EQ(refused.code, 4);
  EXPECT_THAT(refused.err, HasSubstr("what to do:"));
  EXPECT_FALSE(fs::exists(to));
  EXPECT_EQ(restore(good, to).code, 0);
  EXPECT_EQ(crossfade({"backup", "restore", db_, "../../etc/passwd", "--to", to}).code, 2);
}

TEST_F(BackupTest, SeveralAtOnceHaveNamesOfTheirOwn) {
  make_shop(2000);
  ASSERT_EQ(backups().size(), 0U);
  std::vector<std::unique_ptr<Process>> makers;
  for (int i = 0; i < 4; ++i) {
    makers.push_back(std::make_unique<Process>(crossfade_command({"backup", "create", db_})));
  }
  for (const auto& each : makers) EXPECT_EQ(each->wait(seconds(30)), 0) << each->err();
  EXPECT_EQ(backups().size(), 4U);
  EXPECT_EQ(crossfade({"backup", "verify", db_}).code, 0);
}

TEST_F(BackupTest, WhatAKilledOneLeftIsNone) {
  make_shop();
  const json whole = create();
  const std::string old_part = folder() + "/20200101T000000Z-sqlite.db.partial";
  const std::string new_part = folder() + "/20200102T000000Z-sqlite.db.partial";
  write_bytes(old_part, "half");
  write_bytes(new_part, "half");
  write_bytes(folder() + "/20200103T000000Z-sqlite.db", "without a manifest");
  fs::last_write_time(old_part, fs::file_time_type::clock::now() - std::chrono::hours(48));
  ASSERT_EQ(backups().size(), 1U);
  EXPECT_EQ(backups()[0]["name"], whole["name"]);
  EXPECT_TRUE(create().is_object());
  EXPECT_EQ(backups().size(), 2U);
  EXPECT_FALSE(fs::exists(old_part));
  EXPECT_TRUE(fs::exists(new_part));  // somebody may be at it
  EXPECT_EQ(crossfade({"backup", "verify", db_}).code, 0);
}

// Killed between the two names that a whole backup gets, that of the file and that of its manifest.
TEST_F(BackupTest, OneThatWasWholeWhenItsMakerWasKilledIsOne) {
  make_shop();
  const json whole = create();
  const std::string manifest = folder() + "/" + whole.value("name", "") + ".json";
  const std::string staged = manifest + ".partial";
  fs::rename(manifest, staged);
  const std::string of_nothing = folder() + "/20200101T000000Z-sqlite.json.partial";
  write_bytes(of_nothing, read_bytes(staged).substr(0, 40));
  for (const std::string& each : {staged, of_nothing}) {
    fs::last_write_time(each, fs::file_time_type::clock::now() - std::chrono::hours(48));
  }
  ASSERT_EQ(backups().size(), 0U);
  EXPECT_TRUE(create().is_object());
  EXPECT_EQ(backups().size(), 2U);
  EXPECT_EQ(backups()[0]["sha256"], whole["sha256"]);
  EXPECT_FALSE(fs::exists(staged));
  EXPECT_FALSE(fs::exists(of_nothing));
  EXPECT_EQ(crossfade({"backup", "verify", db_}).code, 0);
}

TEST_F(BackupTest, NothingIsReplacedUnasked) {
  make_shop();
  const json backup = create();
  const std::string to = dir_.file("there.db");
  write_bytes(to, "something else");
  EXPECT_EQ(restore(backup, to).code, 3);
  EXPECT_EQ(read_bytes(to), "something else");
  EXPECT_EQ(restore(backup, to, true).code, 0);
  EXPECT_EQ(AppDb(to).value("SELECT count(*) FROM purchase"), "200");
  AppDb open(to);
  ASSERT_EQ(open.run("INSERT INTO journal VALUES(9,'in the -wal')"), "");
  const Finished used = restore(backup, to, true);
  EXPECT_EQ(used.code, 3) << used.err;
  EXPECT_THAT(used.err, HasSubstr("-wal"));
  // Nor what is open with all of its -wal in the file.
  ASSERT_EQ(open.run("PRAGMA wal_checkpoint(TRUNCATE)"), "");
  EXPECT_EQ(restore(backup, to, true).code, 3);
  EXPECT_EQ(open.value("SELECT what FROM journal WHERE at=9"), "in the -wal");
}

TEST_F(BackupTest, PostgresqlIsRestoredIntoANewDatabase) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const json backup = create("postgres");
  EXPECT_EQ(mode(folder() + "/" + backup.value("file", "")), 0600U);
  EXPECT_EQ(crossfade({"backup", "verify", db_}).code, 0);
  const std::string name = "it's a \"new\" one=1";
  const Finished done =
      crossfade({"backup", "restore", db_, backup.value("name", ""), "--to", name, "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const std::string to = json::parse(done.out)["to"];
  EXPECT_EQ(compare_databases(db_, to), "");
  // It is not empty any more.
  EXPECT_EQ(restore(backup, name).code, 3);
  EXPECT_EQ(restore(backup, name, true).code, 0);
  EXPECT_EQ(compare_databases(db_, to), "");
  EXPECT_EQ(restore(backup, url_).code, 3);
  flip_a_byte(backup);
  EXPECT_EQ(crossfade({"backup", "verify", db_}).code, 4);
  auto server = connect_or_die(TestCluster::admin_url());
  EXPECT_TRUE(server.exec("DROP DATABASE \"it's a \"\"new\"\" one=1\""));
}

TEST_F(BackupTest, WithoutATargetThereIsNothingOfPostgresqlToBackUp) {
  make_shop();
  const Finished done = crossfade({"backup", "create", db_, "--side", "postgres"});
  EXPECT_EQ(done.code, 3) << done.err;
  EXPECT_THAT(done.err, HasSubstr("--target"));
}

// While four writers commit all the time, each copy is a state there was: of each writer all its
// rows up to some number.
TEST_F(BackupTest, WritersGoOnAndTheCopyIsAStateThereWas) {
  make_shop(20'000);
  AppWriters writers(db_, 4);
  ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > 50; }, seconds(10)));
  for (int i = 0; i < 2; ++i) {
    const json backup = create();
    const std::string to = dir_.file(fmt::format("copy{}.db", i));
    ASSERT_EQ(restore(backup, to).code, 0);
    AppDb copy(to);
    EXPECT_EQ(copy.value("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(copy.value("SELECT count(*) FROM (SELECT writer FROM app_entry GROUP BY writer "
                         "HAVING max(n)<>count(*))"),
              "0");
    EXPECT_NE(copy.value("SELECT count(*) FROM app_entry"), "0");
  }
  EXPECT_EQ(writers.refused(), 0);
  EXPECT_LT(writers.longest_wait(), seconds(2));
  writers.stop();
}

// Outside WAL mode readers and writers are in each other's way, for a moment each.
TEST_F(BackupTest, AFileWithARollbackJournalIsBackedUpBesideItsWriters) {
  make_shop();
  ASSERT_EQ(AppDb(db_).value("PRAGMA journal_mode=DELETE"), "delete");
  AppWriters writers(db_, 2);
  ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > 20; }, seconds(10)));
  const json backup = create();
  const std::string to = dir_.file("copy.db");
  ASSERT_EQ(restore(backup, to).code, 0);
  EXPECT_EQ(AppDb(to).value("PRAGMA integrity_check"), "ok");
  EXPECT_EQ(writers.refused(), 0);
  writers.stop();
}

// Many small pages, so that all of them in one go take longer than a read of ours may.
TEST_F(BackupTest, AnApplicationThatIsTooBusyForOneIsMovedWithout) {
  make_shop();
  {
    AppDb db(db_);
    ASSERT_EQ(db.value("PRAGMA journal_mode=DELETE"), "delete");
    ASSERT_EQ(
        db.run("PRAGMA page_size=512; VACUUM; CREATE TABLE attachment(id INTEGER PRIMARY KEY, "
               "body BLOB); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n "
               "WHERE i<48) INSERT INTO attachment SELECT i, randomblob(1000000) FROM n"),
        "");
  }
  AppWriters writers(db_, 2);
  ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > 20; }, seconds(10)));
  const Finished refused = crossfade({"backup", "create", db_});
  EXPECT_EQ(refused.code, 3) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("journal_mode=WAL"));
  const Finished done = run_until_verified();
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("begins without a backup"));
  EXPECT_EQ(backups().size(), 0U);
  EXPECT_THAT(read_bytes(db_ + ".crossfade/audit.jsonl"), HasSubstr("backup_not_made"));
  writers.stop();
}

TEST_F(BackupTest, ADiskThatIsTooSmallIsSaidBeforeAnythingIsDone) {
  SmallDisk disk;
  if (!disk.mount(dir_.file("small"), "size=20m")) GTEST_SKIP() << disk.why();
  db_ = disk.folder() + "/app.db";
  make_shop();
  app("INSERT INTO customer(name,note) VALUES('large', zeroblob(8000000))");
  app("PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string before = AppDb(db_).value("SELECT group_concat(sql) FROM sqlite_master");
  const Finished done = run_until_verified();
  EXPECT_EQ(done.code, 3) << done.err;
  EXPECT_THAT(done.err, AllOf(HasSubstr("MiB left"), HasSubstr("--no-backup")));
  EXPECT_EQ(AppDb(db_).value("SELECT group_concat(sql) FROM sqlite_master"), before);
  EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade') IS NULL"), "t");
}

TEST(ClientEnvironmentTest, TheTargetGoesIntoVariablesOnly) {
  const auto params = postgres::ConnectionParams::parse(
      "postgresql://ann:s3cr3t@db.example:5433/app?sslmode=verify-full&passfile=/x/y");
  ASSERT_TRUE(params);
  const auto made = postgres::client_environment(params.value());
  ASSERT_TRUE(made) << describe(made.error());
  for (const char* each : {"PGUSER=ann", "PGPASSWORD=s3cr3t", "PGHOST=db.example", "PGPORT=5433",
                           "PGDATABASE=app", "PGSSLMODE=verify-full", "PGPASSFILE=/x/y"}) {
    EXPECT_THAT(made.value(), ::testing::Contains(each));
  }
  const auto secret = postgres::ConnectionParams::parse("host=x sslpassword=s3cr3t");
  ASSERT_TRUE(secret);
  const auto refused = postgres::client_environment(secret.value());
  ASSERT_FALSE(refused);
  EXPECT_THAT(describe(refused.error()), Not(HasSubstr("s3cr3t")));
}

TEST(ClientEnvironmentTest, AServerThatIsNewerThanTheProgramsIsSaid) {
  const auto found = postgres::find_client_program("pg_dump", 990'001);
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().hint, HasSubstr("postgresql-client-99"));
}

}  // namespace
}  // namespace crossfade::testing
