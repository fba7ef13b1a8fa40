#include "engine/run/state_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "tests/support/temp_dir.h"

namespace crossfade::run {
namespace {

class StateFolderTest : public ::testing::Test {
 protected:
  void SetUp() override { std::ofstream(database_) << ""; }

  StateFolder open(const std::string& database) {
    auto folder = StateFolder::of(database);
    EXPECT_TRUE(folder) << describe(folder.error());
    return std::move(folder).value();
  }

  // How lock() ends in another process: 0 taken, 1 fenced, 2 another error.
  int lock_in_child() {
    const pid_t child = ::fork();
    if (child == 0) {
      auto folder = StateFolder::of(database_);
      const Status locked = folder.value().lock();
      ::_exit(locked ? 0 : locked.error().remedy == Remedy::kFenced ? 1 : 2);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  static mode_t mode(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 0777U;
  }

  const testing::TempDir dir_;
  const std::string database_ = dir_.file("app.db");
};

TEST_F(StateFolderTest, NothingIsMadeBeforeEnsure) {
  const StateFolder folder = open(database_);
  EXPECT_EQ(folder.folder(), folder.database() + ".crossfade");
  EXPECT_FALSE(std::filesystem::exists(folder.folder()));
  const mode_t before = ::umask(022);
  ASSERT_TRUE(folder.ensure());
  ASSERT_TRUE(folder.ensure());
  ::umask(before);
  EXPECT_EQ(mode(folder.folder()), 0711U);
}

TEST_F(StateFolderTest, TwoNamesOfOneFileMeetInOneFolder) {
  std::filesystem::create_symlink(database_, dir_.file("link.db"));
  EXPECT_EQ(open(dir_.file("link.db")).folder(), open(database_).folder());
  EXPECT_EQ(open(dir_.path() + "/./app.db").folder(), open(database_).folder());
}

TEST_F(StateFolderTest, AWrongPathIsNamedAndNothingIsMade) {
  const auto folder = StateFolder::of(dir_.file("typo.db"));
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, ErrorCode::kSource);
  EXPECT_EQ(folder.error().object, dir_.file("typo.db"));
  EXPECT_FALSE(std::filesystem::exists(dir_.file("typo.db")));
}

TEST_F(StateFolderTest, TheTargetIsRememberedForItsOwnerOnly) {
  const StateFolder folder = open(database_);
  ASSERT_TRUE(folder.ensure());
  EXPECT_EQ(folder.remembered_target().value(), "");
  ASSERT_TRUE(folder.remember_target("postgres://u:secret@h/db"));
  EXPECT_EQ(folder.remembered_target().value(), "postgres://u:secret@h/db");
  EXPECT_EQ(mode(folder.folder() + "/target"), 0600U);
  ASSERT_TRUE(folder.remember_target("other"));
  EXPECT_EQ(open(database_).remembered_target().value(), "other");
  ASSERT_TRUE(folder.forget_target());
  ASSERT_TRUE(folder.forget_target());
  EXPECT_EQ(folder.remembered_target().value(), "");
}

// A disk that does not answer is not a file that is not there: a move would go to another target,
// and without its rules.
TEST_F(StateFolderTest, WhatCannotBeReadIsNotTakenForNothing) {
  const StateFolder folder = open(database_);
  ASSERT_TRUE(folder.ensure());
  for (const std::string& file :
       {folder.folder() + "/target", folder.rules(), folder.watch(), folder.put_aside()}) {
    std::filesystem::create_directory(file);
  }
  const std::string unread[] = {
      folder.remembered_target().error().object, folder.remembered_rules().error().object,
      folder.remembered_watch().error().object,  folder.remember_target("t").error().object,
      folder.remember_rules("r").error().object, folder.keep_put_aside("p").error().object};
  EXPECT_EQ(unread[0], folder.folder() + "/target");
  EXPECT_EQ(unread[1], folder.rules());
  EXPECT_EQ(unread[2], folder.watch());
  EXPECT_EQ(unread[3], unread[0]);
  EXPECT_EQ(unread[4], unread[1]);
  EXPECT_EQ(unread[5], folder.put_aside());
  EXPECT_NE(describe(folder.remembered_target().error()).find("Is a directory"), std::string::npos);
}

// Promise: one engine per source; another one is told so, with the remedy of a fenced one.
TEST_F(StateFolderTest, ASecondLockIsFenced) {
  std::optional<StateFolder> folder = open(database_);
  ASSERT_TRUE(folder->ensure());
  ASSERT_TRUE(folder->lock());
  EXPECT_EQ(lock_in_child(), 1);
  StateFolder second = open(database_);
  const Status refused = second.lock();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kFenced);
  EXPECT_EQ(exit_code(refused.error().code), 7);
  // It goes with the object that holds it, wherever that moved.
  std::optional<StateFolder> moved = std::move(*folder);
  folder.reset();
  EXPECT_EQ(lock_in_child(), 1);
  moved.reset();
  EXPECT_EQ(lock_in_child(), 0);
}

TEST_F(StateFolderTest, AFolderThatIsNotThereIsAnErrorAndNoLock) {
  StateFolder folder = open(database_);
  const Status locked = folder.lock();
  ASSERT_FALSE(locked);
  EXPECT_EQ(locked.error().code, ErrorCode::kStateFolder);
}

}  // namespace
}  // namespace crossfade::run
