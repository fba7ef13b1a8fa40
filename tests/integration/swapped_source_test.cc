// Promise: a source file that is not the one the move began with is recognised, exit 5, and the
// target stays as it was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/move_test.h"

namespace crossfade::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

class SwappedSourceTest : public MoveTest {
 protected:
  // One file with all in it.
  void checkpoint() const { app("PRAGMA wal_checkpoint(TRUNCATE)"); }
  [[nodiscard]] std::string target_state() const {
    return target_value("SELECT md5(string_agg(p::text,',' ORDER BY id)) FROM public.purchase p") +
           target_value("SELECT applied_lsn::text FROM crossfade.progress");
  }
  // Puts `from` where the source is, as mv does.
  void swap_in(const std::string& from) const {
    fs::remove(db_ + "-wal");
    fs::remove(db_ + "-shm");
    fs::rename(from, db_);
  }
  void expect_recognised() {
    const std::string before = target_state();
    const Finished done = run_until_verified();
    EXPECT_EQ(done.code, 5) << done.out << done.err;
    EXPECT_THAT(done.err, AllOf(HasSubstr("app.db"), HasSubstr("Put the original file back")));
    EXPECT_EQ(target_state(), before);
  }
};

TEST_F(SwappedSourceTest, WhileRunning) {
  make_shop();
  const std::string other = dir_.file("other.db");
  ASSERT_EQ(AppDb(other).run("CREATE TABLE purchase(id INTEGER PRIMARY KEY, x);"
                             "INSERT INTO purchase VALUES(1,'impostor')"),
            "");
  follow();
  const std::string before = target_state();
  swap_in(other);
  EXPECT_EQ(engine_->wait(seconds(10)), 5) << engine_->err();
  EXPECT_THAT(engine_->err(), AllOf(HasSubstr("replaced"), HasSubstr("app.db")));
  EXPECT_EQ(target_state(), before);
}

TEST_F(SwappedSourceTest, RemovedWhileRunning) {
  make_shop();
  follow();
  const std::string before = target_state();
  fs::rename(db_, dir_.file("away.db"));
  EXPECT_EQ(engine_->wait(seconds(10)), 5) << engine_->err();
  EXPECT_EQ(target_state(), before);
  EXPECT_FALSE(fs::exists(db_));
}

TEST_F(SwappedSourceTest, BetweenRunsByAnotherDatabase) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const std::string other = dir_.file("other.db");
  ASSERT_EQ(AppDb(other).run("CREATE TABLE purchase(id INTEGER PRIMARY KEY, x);"
                             "INSERT INTO purchase VALUES(1,'impostor')"),
            "");
  swap_in(other);
  expect_recognised();
  EXPECT_EQ(traces_in_source(), "") << "the stranger was left alone";
}

TEST_F(SwappedSourceTest, BetweenRunsByABackupFromBeforeTheMove) {
  make_shop();
  checkpoint();
  fs::copy_file(db_, dir_.file("backup.db"));
  ASSERT_EQ(run_until_verified().code, 0);
  swap_in(dir_.file("backup.db"));
  expect_recognised();
}

TEST_F(SwappedSourceTest, RestoredFromABackupOfTheSameMove) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  checkpoint();
  fs::copy_file(db_, dir_.file("backup.db"));
  app("UPDATE purchase SET cents=0 WHERE id<100");
  ASSERT_EQ(run_until_verified().code, 0);
  swap_in(dir_.file("backup.db"));
  expect_recognised();
}

// The log went back and then on again: its numbers fit, what they say does not.
TEST_F(SwappedSourceTest, RestoredAndWrittenToSince) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  checkpoint();
  fs::copy_file(db_, dir_.file("backup.db"));
  app("UPDATE purchase SET cents=0 WHERE id<50");
  ASSERT_EQ(run_until_verified().code, 0);
  swap_in(dir_.file("backup.db"));
  app("UPDATE purchase SET cents=-1 WHERE id<120");
  expect_recognised();
}

}  // namespace
}  // namespace crossfade::testing
