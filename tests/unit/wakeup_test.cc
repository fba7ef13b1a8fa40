#include "capture/wakeup.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "tests/support/temp_dir.h"

namespace crossfade::capture {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

milliseconds waited(Wakeup& wakeup, milliseconds poll) {
  const auto begin = Deadline::Clock::now();
  wakeup.wait(poll);
  return std::chrono::duration_cast<milliseconds>(Deadline::Clock::now() - begin);
}

void append(const std::string& path) {
  std::ofstream(path, std::ios::app) << "x";
}

TEST(WakeupTest, NothingHappeningEndsAtThePoll) {
  const crossfade::testing::TempDir folder;
  Wakeup wakeup(folder.file("a.db"));
  const milliseconds took = waited(wakeup, milliseconds(60));
  EXPECT_GE(took, milliseconds(60));
  EXPECT_LT(took, seconds(5));
}

TEST(WakeupTest, AWriteToTheFileOrItsWalEndsTheWait) {
  const crossfade::testing::TempDir folder;
  for (const char* name : {"a.db", "a.db-wal"}) {
    append(folder.file(name));
    Wakeup wakeup(folder.file("a.db"));
    std::thread writer([&] {
      std::this_thread::sleep_for(milliseconds(30));
      append(folder.file(name));
    });
    EXPECT_LT(waited(wakeup, seconds(20)), seconds(10)) << name;
    writer.join();
  }
}

// A write between two waits is not lost.
TEST(WakeupTest, AnEarlierWriteEndsTheNextWait) {
  const crossfade::testing::TempDir folder;
  Wakeup wakeup(folder.file("a.db"));
  append(folder.file("a.db-wal"));
  EXPECT_LT(waited(wakeup, seconds(20)), seconds(10));
}

TEST(WakeupTest, AnotherFileDoesNotEndTheWait) {
  const crossfade::testing::TempDir folder;
  Wakeup wakeup(folder.file("a.db"));
  append(folder.file("other.db"));
  EXPECT_GE(waited(wakeup, milliseconds(60)), milliseconds(60));
}

TEST(WakeupTest, NudgeEndsThePresentOrTheNextWaitOnce) {
  const crossfade::testing::TempDir folder;
  Wakeup wakeup(folder.file("a.db"));
  wakeup.nudge();
  wakeup.nudge();
  EXPECT_LT(waited(wakeup, seconds(20)), seconds(10));
  EXPECT_GE(waited(wakeup, milliseconds(60)), milliseconds(60));
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(30));
    wakeup.nudge();
  });
  EXPECT_LT(waited(wakeup, seconds(20)), seconds(10));
  other.join();
}

TEST(WakeupTest, WithoutAFolderItIsAPoll) {
  Wakeup wakeup("/nonexistent/folder/a.db");
  EXPECT_GE(waited(wakeup, milliseconds(40)), milliseconds(40));
}

}  // namespace
}  // namespace crossfade::capture
