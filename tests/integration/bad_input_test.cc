// Promise: a source that cannot be moved is refused with the right exit code and an error that
// names the file and what to do, and nothing is created or changed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "tests/support/move_test.h"
#include "tests/support/small_disk.h"

namespace crossfade::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string random_bytes(size_t size) {
  std::mt19937_64 random(7);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

class BadInputTest : public MoveTest {
 protected:
  // Every verb, with what it needs to get as far as opening the source.
  [[nodiscard]] std::vector<std::vector<std::string>> verbs(const std::string& path) const {
    return {{"inspect", path},
            {"run", path, "--target", url_},
            {"run", path, "--target", url_, "--until", "verified", "--json"},
            {"status", path},
            {"verify", path, "--target", url_},
            {"cutover", path, "--target", url_, "--no-rollback"},
            {"cutover", path, "--target", url_, "--dry-run"},
            {"finish", path, "--target", url_}};
  }

  // All verbs refuse the file with exit 5 and a text that says `what`; nothing appears beside it.
  void expect_refused(const std::string& path, const std::string& what) {
    const std::string before = listing(dir_.path());
    for (const auto& arguments : verbs(path)) {
      const Finished done = crossfade(arguments, seconds(20));
      EXPECT_EQ(done.code, 5) << arguments[0] << done.out << done.err;
      EXPECT_THAT(done.err, AllOf(HasSubstr(fs::path(path).filename().string()), HasSubstr(what),
                                  HasSubstr("what to do:")))
          << arguments[0];
      EXPECT_EQ(listing(dir_.path()), before) << arguments[0];
    }
    EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade')"), "");
  }
};

TEST_F(BadInputTest, APathThatDoesNotExistIsNeverCreated) {
  expect_refused(dir_.file("typo.db"), "never creates");
  expect_refused(dir_.file("no/such/folder/typo.db"), "never creates");
  const Finished route = crossfade({"route", dir_.file("typo.db")});
  EXPECT_EQ(route.code, 5) << route.err;
}

TEST_F(BadInputTest, AFolderIsNoDatabase) {
  fs::create_directory(dir_.file("folder"));
  expect_refused(dir_.file("folder"), "folder");
}

TEST_F(BadInputTest, AnEmptyFileIsNotTakenForAnEmptyDatabase) {
  write_bytes(dir_.file("empty.db"), "");
  expect_refused(dir_.file("empty.db"), "empty");
}

TEST_F(BadInputTest, AFileThatIsNoDatabase) {
  write_bytes(dir_.file("text.db"), std::string(5000, 'x'));
  expect_refused(dir_.file("text.db"), "not a database");
}

TEST_F(BadInputTest, AnEncryptedDatabaseIsCalledThat) {
  write_bytes(dir_.file("secret.db"), random_bytes(64 * 1024));
  expect_refused(dir_.file("secret.db"), "encrypted");
}

TEST_F(BadInputTest, ATruncatedFileIsCalledDamaged) {
  make_shop(5000);
  app("PRAGMA journal_mode=DELETE");
  const std::string whole = read_bytes(db_);
  fs::remove(db_);
  write_bytes(dir_.file("short.db"), whole.substr(0, whole.size() / 2));
  const std::string before = listing(dir_.path());
  for (const auto& arguments : verbs(dir_.file("short.db"))) {
    if (arguments[0] == "status") continue;  // it reads what is there
    const Finished done = crossfade(arguments, seconds(20));
    EXPECT_EQ(done.code, 5) << arguments[0] << done.out << done.err;
    EXPECT_THAT(done.err,
                AllOf(HasSubstr("short.db"), AnyOf(HasSubstr("damaged"), HasSubstr("malformed")),
                      HasSubstr(".recover")));
    EXPECT_EQ(listing(dir_.path()), before) << arguments[0];
  }
}

TEST_F(BadInputTest, CorruptPagesAreNamedAndNothingIsWritten) {
  make_shop(5000);
  app("PRAGMA journal_mode=DELETE");
  std::string bytes = read_bytes(db_);
  const size_t middle = bytes.size() / 2 / 4096 * 4096;
  bytes.replace(middle, 8192, random_bytes(8192));
  write_bytes(db_, bytes);
  const std::string before = listing(dir_.path());
  for (const auto& arguments : verbs(db_)) {
    if (arguments[0] == "status") continue;
    const Finished done = crossfade(arguments, seconds(20));
    EXPECT_EQ(done.code, 5) << arguments[0] << done.out << done.err;
    EXPECT_THAT(done.err,
                AllOf(HasSubstr("app.db"), AnyOf(HasSubstr("damaged"), HasSubstr("malformed"))))
        << arguments[0];
    EXPECT_EQ(listing(dir_.path()), before) << arguments[0];
  }
}

// The file is not read whole at each start; whoever reads the page says so.
TEST_F(BadInputTest, APageDamagedAfterTheMoveBeganIsNamedByTheComparison) {
  make_shop(5000);
  ASSERT_EQ(run_until_verified().code, 0);
  app("PRAGMA wal_checkpoint(TRUNCATE)");
  const int64_t page = std::stoll(AppDb(db_).value(
      "SELECT pageno FROM dbstat WHERE name='purchase' AND pagetype='leaf' ORDER BY path LIMIT 1 "
      "OFFSET 7"));
  std::string bytes = read_bytes(db_);
  bytes.replace(static_cast<size_t>(page - 1) * 4096, 4096, random_bytes(4096));
  write_bytes(db_, bytes);
  const Finished done = crossfade({"verify", db_}, seconds(30));
  EXPECT_EQ(done.code, 5) << done.out << done.err;
  EXPECT_THAT(done.err,
              AllOf(HasSubstr("app.db"), AnyOf(HasSubstr("damaged"), HasSubstr("malformed")),
                    HasSubstr(".recover")));
}

// The child runs as a user whom permissions bind; root is above them.
class ReadOnlyTest : public BadInputTest {
 protected:
  void SetUp() override {
    if (::geteuid() == 0 && !fs::exists("/usr/bin/setpriv")) {
      GTEST_SKIP() << "SKIPPED: root ignores permissions, and there is no setpriv to step down";
    }
    BadInputTest::SetUp();
  }
  [[nodiscard]] Finished as_nobody(std::vector<std::string> arguments) const {
    Process::Options options = crossfade_command(std::move(arguments));
    if (::geteuid() == 0) {
      const std::vector<std::string> step_down = {"setpriv", "--reuid=nobody", "--regid=nogroup",
                                                  "--clear-groups", "--"};
      options.argv.insert(options.argv.begin(), step_down.begin(), step_down.end());
    }
    return run_process(options, seconds(20));
  }
};

TEST_F(ReadOnlyTest, AReadOnlyFileIsRefusedByRunAndReadByInspect) {
  make_shop();
  app("PRAGMA journal_mode=DELETE");
  fs::permissions(dir_.path(), fs::perms(0777));
  fs::permissions(db_, fs::perms(0444));
  const Finished run = as_nobody({"run", db_, "--target", url_});
  EXPECT_EQ(run.code, 5) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr(db_), HasSubstr("may not be written"),
                             HasSubstr("give it write access")));
  EXPECT_FALSE(fs::exists(db_ + ".crossfade"));
  const Finished inspect = as_nobody({"inspect", db_, "--json"});
  EXPECT_EQ(inspect.code, 0) << inspect.err;
}

TEST_F(ReadOnlyTest, AReadOnlyFolderIsSaidSo) {
  make_shop();
  app("PRAGMA journal_mode=DELETE");
  fs::permissions(db_, fs::perms(0666));
  fs::permissions(dir_.path(), fs::perms(0555));
  const std::string before = listing(dir_.path());
  const Finished run = as_nobody({"run", db_, "--target", url_});
  EXPECT_THAT(run.code, AnyOf(1, 5)) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr("app.db"), HasSubstr("right to write")));
  EXPECT_EQ(listing(dir_.path()), before);
}

// Promise: where the journal mode cannot be changed, the move works all the same, and says so.
TEST_F(BadInputTest, ARollbackJournalDatabaseThatIsInUseWorksAndSaysSo) {
  make_shop();
  app("PRAGMA journal_mode=DELETE");
  AppDb reader(db_);
  // A statement under way would hold up writers; an open connection that just read cannot be
  // switched from under either, while it stays in its transaction.
  ASSERT_EQ(reader.run("BEGIN; SELECT count(*) FROM purchase"), "");
  Process engine(crossfade_command({"run", db_, "--target", url_, "--until", "verified"}));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ASSERT_EQ(reader.run("COMMIT"), "");
  EXPECT_EQ(engine.wait(seconds(60)), 0) << engine.err();
  expect_becomes_equal();
}

TEST_F(BadInputTest, KeptInRollbackJournalModeItSaysSoAndFollows) {
  make_shop();
  app("PRAGMA journal_mode=DELETE");
  follow({"--keep-journal-mode"});
  app("UPDATE purchase SET cents=cents+1 WHERE id<50");
  app("INSERT INTO journal VALUES(3,'again')");
  expect_becomes_equal();
  EXPECT_EQ(AppDb(db_).value("PRAGMA journal_mode"), "delete");
  EXPECT_EQ(stop_engine(), 0);
}

// Promise: a state folder that cannot be written ends the command before the move began.
TEST_F(BadInputTest, AFullDiskUnderTheStateFolderIsSaidSo) {
  make_shop();
  const std::string folder = db_ + ".crossfade";
  std::optional<SmallDisk> disk(std::in_place);
  if (!disk->mount(folder, "size=4k,nr_inodes=16")) GTEST_SKIP() << disk->why();
  write_bytes(folder + "/fill", std::string(4096, 'x'));
  const Finished run = run_until_verified();
  EXPECT_EQ(run.code, 1) << run.out << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr(folder), HasSubstr("disk is full")));
  fs::remove(folder + "/fill");
  disk.reset();
  const Finished again = run_until_verified();
  EXPECT_EQ(again.code, 0) << again.err;
}

TEST_F(BadInputTest, UsageErrorsEndWithTwo) {
  make_shop();
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{},
        {"run"},
        {"explode", db_},
        {"run", db_, "--until", "doomsday"},
        {"run", db_, "--target", "not a connection string"},
        {"inspect", db_, "--no-such-flag"},
        {"run", db_, "--log-level", "loud"},
        {"cutover", db_, "--max-pause", "0"},
        {"cutover", db_, "--max-pause", "soon"},
        {"run", db_, "--config", dir_.file("none.toml")}}) {
    const Finished done = crossfade(arguments);
    EXPECT_EQ(done.code, 2) << fmt::format("{}", fmt::join(arguments, " ")) << done.out << done.err;
    EXPECT_NE(done.err, "");
    EXPECT_EQ(done.out, "");
  }
  EXPECT_EQ(traces_in_source(), "");
}

TEST_F(BadInputTest, HelpHasExamplesAndExitCodes) {
  const Finished help = crossfade({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("Examples:"), HasSubstr("crossfade inspect app.db"),
                              HasSubstr("--until verified"), HasSubstr("Exit codes:")));
  EXPECT_EQ(crossfade({"run", "--help"}).code, 0);
}

}  // namespace
}  // namespace crossfade::testing
