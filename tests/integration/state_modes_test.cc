// Promise: what crossfade keeps beside the database is its owner's alone, whatever the umask of
// whoever started it; what a stranger wrote into our tables is not taken silently.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "engine/core/limits.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class StateModesTest : public MoveTest {
 protected:
  // As whoever has no umask starts it.
  void follow_without_umask() {
    Process::Options options = crossfade_command({"run", db_, "--target", url_});
    std::vector<std::string> argv = {"/bin/sh", "-c", "umask 0; exec \"$0\" \"$@\""};
    argv.insert(argv.end(), options.argv.begin(), options.argv.end());
    options.argv = std::move(argv);
    engine_ = std::make_unique<Process>(options);
    ASSERT_TRUE(await_phase("following")) << engine_->err();
  }
  [[nodiscard]] static mode_t mode(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
    return st.st_mode & 0777U;
  }
};

TEST_F(StateModesTest, FilesAreTheirOwnersAloneWhateverTheUmask) {
  make_shop();
  follow_without_umask();
  const std::string folder = db_ + ".crossfade";
  EXPECT_EQ(mode(folder), 0711U);
  EXPECT_EQ(mode(folder + "/control.sock"), 0600U);
  EXPECT_EQ(crossfade({"cutover", db_, "--dry-run"}).code, 0);
  int looked_at = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string path = entry.path().string();
    ++looked_at;
    // Applications of other users map it.
    const mode_t expected = entry.path().filename() == "route" ? 0644U
                            : entry.is_directory()             ? 0700U
                                                               : 0600U;
    EXPECT_EQ(mode(path), expected) << path;
  }
  EXPECT_GE(looked_at, 6);
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
}

// Whatever a stranger puts into the log, the engine either goes on or says what is wrong; a copy
// that is then equal is equal.
TEST_F(StateModesTest, CraftedRowsInTheLogAreNotTakenSilently) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  for (const char* crafted : {"999,1", "x'00ff',2", "1,77", "1,-1", "1,3", "'1',1"}) {
    SCOPED_TRACE(crafted);
    app("INSERT INTO journal VALUES(1,'so that there is a row')");
    app(
        fmt::format("INSERT INTO _crossfade_log(lsn,tbl,op) SELECT coalesce(max(lsn),0)+1,{} FROM "
                    "_crossfade_log",
                    crafted));
    const Finished done = run_until_verified();
    EXPECT_GE(done.code, 0) << "it hung";
    EXPECT_LT(done.code, 64) << "it crashed: " << done.err;
    if (done.code == 0) {
      EXPECT_EQ(compare_databases(db_, url_), "");
    } else if (done.code == 3) {  // a row that there is not, and that cannot be one
      EXPECT_EQ(json::parse(done.out, nullptr, false).value("quarantined", 0), 1) << done.out;
    } else {
      EXPECT_THAT(done.err, HasSubstr("what to do:"));
      (void)AppDb(db_).run(
          "DELETE FROM _crossfade_log WHERE lsn=(SELECT max(lsn) FROM "
          "_crossfade_log)");
    }
  }
}

TEST_F(StateModesTest, DamagedPagesAreSaidBeforeAnythingIsDone) {
  make_shop(5000);
  app("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE");
  std::string bytes = read_bytes(db_);
  for (size_t at = 8 * 4096; at < 12 * 4096; at += 7) bytes[at] = static_cast<char>(0xa5);
  write_bytes(db_, bytes);
  const Finished done = run_until_verified();
  EXPECT_EQ(done.code, 5) << done.err;
  EXPECT_THAT(done.err, HasSubstr("what to do:"));
  EXPECT_EQ(read_bytes(db_), bytes);
  EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade') IS NULL"), "t");
}

// In an index, where whoever reads rows does not come by.
class LargeDamagedFileTest : public StateModesTest {
 protected:
  void expect_refused(const std::string& journal_mode, bool by_its_backup) {
    make_shop(10);
    app(fmt::format(
        "CREATE TABLE picture(id INTEGER PRIMARY KEY, name TEXT, body BLOB);"
        "CREATE INDEX by_name ON picture(name);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
        "INSERT INTO picture SELECT i, 'picture ' || i, zeroblob({}) FROM n",
        limits::kLockedLookBytesMax / 1900));
    app("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=" + journal_mode);
    const int64_t page = std::stoll(AppDb(db_).value(
        "SELECT pageno FROM dbstat WHERE name='by_name' AND pagetype='leaf' LIMIT 1"));
    std::string bytes = read_bytes(db_);
    bytes.replace(static_cast<size_t>(page - 1) * 4096, 4096, std::string(4096, 'x'));
    write_bytes(db_, bytes);
    const Finished done = run_until_verified();
    EXPECT_EQ(done.code, 5) << done.err;
    EXPECT_THAT(done.err, AllOf(HasSubstr(db_), HasSubstr("damaged: "), HasSubstr(".recover")));
    EXPECT_EQ(done.err.find("a backup of ") != std::string::npos, by_its_backup) << done.err;
    EXPECT_TRUE(read_bytes(db_) == bytes) << "the file was written to";
    EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade') IS NULL"), "t");
  }
};

TEST_F(LargeDamagedFileTest, IsLookedThroughWhileItIsRead) {
  expect_refused("WAL", false);
}

// Whoever reads a file with a rollback journal from end to end keeps its application from writing.
TEST_F(LargeDamagedFileTest, IsLookedThroughInItsBackupWhereWritersWouldWait) {
  expect_refused("DELETE", true);
}

}  // namespace
}  // namespace crossfade::testing
