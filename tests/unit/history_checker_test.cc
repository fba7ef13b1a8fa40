// Promise: the checker of histories finds each kind of violation where one is planted, and none in
// a history that is as it should be.
#include "tests/support/history_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/support/temp_dir.h"

namespace crossfade::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

constexpr int64_t kBalanceOfAll = 8000;
constexpr int kClients = 3;
constexpr int64_t kEpochUs = 10'000;

// Three clients, one after the other, over a cutover, a rollback and a cutover: four epochs.
class HistoryCheckerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    history_.balance = kBalanceOfAll;
    history_.first_epoch = 1;
    history_.last_epoch = 4;
    for (int epoch = 1; epoch <= 4; ++epoch) {
      for (int step = 0; step < 12; ++step) {
        const int64_t at = epoch * kEpochUs + step * 500;
        write(1 + step % kClients, side_of(epoch), epoch, at, Outcome::kOk);
        read(side_of(epoch), true, epoch, at + 250);
        read(step % 2 == 0 ? Side::kSqlite : Side::kPostgres, false, epoch, at + 260);
      }
      WriteOp refused = make(1, side_of(epoch), epoch, epoch * kEpochUs + 8'000);
      refused.outcome = Outcome::kRefused;
      history_.writes.push_back(refused);
    }
    history_.final_state = state(Side::kPostgres, true, 4, 6 * kEpochUs);
  }

  static Side side_of(int64_t epoch) { return epoch % 2 == 1 ? Side::kSqlite : Side::kPostgres; }

  WriteOp make(int client, Side side, int64_t epoch, int64_t at) {
    WriteOp op;
    op.id = {client, ++numbers_[client]};
    op.side = side;
    op.route = {epoch, epoch};
    op.invoked_us = at;
    op.completed_us = at + 100;
    return op;
  }
  void write(int client, Side side, int64_t epoch, int64_t at, Outcome outcome) {
    WriteOp op = make(client, side, epoch, at);
    op.outcome = outcome;
    done_.push_back(op.id);
    last_[client] = op.id.second;
    history_.writes.push_back(op);
  }
  ReadOp state(Side side, bool of_primary, int64_t epoch, int64_t at) {
    ReadOp op;
    op.side = side;
    op.of_primary = of_primary;
    op.route = {epoch, epoch};
    op.invoked_us = at;
    op.completed_us = at + 100;
    op.found = done_;
    op.last_number = last_;
    op.balance = kBalanceOfAll;
    return op;
  }
  void read(Side side, bool of_primary, int64_t epoch, int64_t at) {
    history_.reads.push_back(state(side, of_primary, epoch, at));
  }
  // The number `n` of what was recorded, from the end.
  WriteOp& accepted(size_t n) {
    for (auto at = history_.writes.rbegin();; ++at) {
      if (at->outcome == Outcome::kOk && n-- == 0) return *at;
    }
  }
  ReadOp& primary_read() { return history_.reads[history_.reads.size() - 2]; }
  ReadOp& copy_read() { return history_.reads.back(); }
  static void forget(ReadOp* read, WriteId id) { std::erase(read->found, id); }

  [[nodiscard]] std::vector<ViolationKind> kinds() const {
    std::vector<ViolationKind> out;
    for (const Violation& each : check_history(history_)) out.push_back(each.kind);
    return out;
  }

  History history_;
  std::map<int, int64_t> numbers_;
  std::vector<WriteId> done_;
  std::map<int, int64_t> last_;
};

TEST_F(HistoryCheckerTest, AHistoryAsItShouldBeHasNone) {
  EXPECT_EQ(describe(check_history(history_)), "");
}

TEST_F(HistoryCheckerTest, WhoseAnswerWasLostMayBeThereOrNot) {
  WriteOp& op = accepted(20);
  op.outcome = Outcome::kUnknown;
  EXPECT_THAT(kinds(), IsEmpty());
  WriteOp never = make(9, Side::kPostgres, 4, 5 * kEpochUs);
  never.outcome = Outcome::kUnknown;
  history_.writes.push_back(never);
  EXPECT_THAT(kinds(), IsEmpty());
}

TEST_F(HistoryCheckerTest, ALostWrite) {
  forget(&history_.final_state, accepted(30).id);
  EXPECT_THAT(kinds(), Contains(ViolationKind::kLost));
}

TEST_F(HistoryCheckerTest, ADoubledWrite) {
  history_.final_state.found.push_back(accepted(30).id);
  EXPECT_THAT(kinds(), Contains(ViolationKind::kDoubled));
}

TEST_F(HistoryCheckerTest, ADoubledWriteWhoseAnswerWasLost) {
  WriteOp& op = accepted(30);
  op.outcome = Outcome::kUnknown;
  history_.final_state.found.push_back(op.id);
  EXPECT_THAT(kinds(), Contains(ViolationKind::kDoubled));
}

TEST_F(HistoryCheckerTest, ARefusedWriteThatWasDone) {
  for (const WriteOp& op : history_.writes) {
    if (op.outcome == Outcome::kRefused) {
      history_.final_state.found.push_back(op.id);
      break;
    }
  }
  EXPECT_THAT(kinds(), Contains(ViolationKind::kResurrected));
}

TEST_F(HistoryCheckerTest, AStaleRead) {
  // The newest of its client, and its mark: by itself a state that there was.
  const WriteOp& newest = accepted(0);
  forget(&primary_read(), newest.id);
  --primary_read().last_number[newest.id.first];
  forget(&copy_read(), newest.id);
  --copy_read().last_number[newest.id.first];
  // What the copy lacks is only late.
  EXPECT_THAT(kinds(), ::testing::Each(ViolationKind::kStale));
  EXPECT_THAT(kinds(), Contains(ViolationKind::kStale));
}

TEST_F(HistoryCheckerTest, AReadAfterTheFlipWithoutTheLastWriteBefore) {
  // Refused before the flip to the last epoch, so that its first read comes before its first write.
  ReadOp first = state(Side::kPostgres, true, 4, 4 * kEpochUs - 200);
  first.found.clear();
  first.last_number.clear();
  WriteId last;
  std::map<int, int64_t> marks;
  for (const WriteOp& op : history_.writes) {
    if (op.outcome != Outcome::kOk || op.route.epoch_before == 4) continue;
    first.found.push_back(op.id);
    marks[op.id.first] = op.id.second;
    last = op.id;
  }
  first.last_number = marks;
  history_.reads.push_back(first);
  EXPECT_EQ(describe(check_history(history_)), "");
  forget(&history_.reads.back(), last);
  history_.reads.back().last_number[last.first] = last.second - 1;
  EXPECT_THAT(kinds(), Contains(ViolationKind::kStale));
}

TEST_F(HistoryCheckerTest, WhatOneReadOfThePrimarySawTheNextMustSee) {
  WriteOp& op = accepted(0);
  op.outcome = Outcome::kUnknown;
  op.completed_us = 6 * kEpochUs;
  ReadOp later = primary_read();
  later.invoked_us += 1'000;
  later.completed_us += 1'000;
  forget(&later, op.id);
  --later.last_number[op.id.first];
  history_.reads.push_back(later);
  EXPECT_THAT(kinds(), Contains(ViolationKind::kStale));
}

TEST_F(HistoryCheckerTest, AReadOfWhatWasNotMadeYet) {
  primary_read().completed_us = accepted(0).invoked_us - 1;
  EXPECT_THAT(kinds(), Contains(ViolationKind::kPhantom));
}

TEST_F(HistoryCheckerTest, TwoPrimariesInOneEpoch) {
  accepted(5).side = Side::kSqlite;
  EXPECT_THAT(kinds(), Contains(ViolationKind::kTwoPrimaries));
}

TEST_F(HistoryCheckerTest, TwoPrimariesThoughClientsWereNotSureOfTheRoute) {
  WriteOp& op = accepted(5);
  op.side = Side::kSqlite;
  op.route = {3, 4};
  EXPECT_THAT(kinds(), Contains(ViolationKind::kTwoPrimaries));
  // At the same time as all of its epoch's it may have come before.
  op.invoked_us = 3 * kEpochUs + 9'000;
  EXPECT_THAT(kinds(), ::testing::Not(Contains(ViolationKind::kTwoPrimaries)));
}

TEST_F(HistoryCheckerTest, EpochsThatOverlap) {
  // The last write of the third epoch begins when one of the fourth has been acknowledged.
  for (WriteOp& op : history_.writes) {
    if (op.route.epoch_before != 3 || op.outcome != Outcome::kOk) continue;
    op.invoked_us = 4 * kEpochUs + 2'000;
    op.completed_us = op.invoked_us + 10;
  }
  EXPECT_THAT(kinds(), Contains(ViolationKind::kTwoPrimaries));
}

TEST_F(HistoryCheckerTest, ATornTransactionInACopy) {
  copy_read().torn = 1;
  EXPECT_THAT(kinds(), Contains(ViolationKind::kTorn));
}

TEST_F(HistoryCheckerTest, AMarkWithoutItsWrite) {
  forget(&copy_read(), accepted(0).id);
  EXPECT_THAT(kinds(), Contains(ViolationKind::kTorn));
}

TEST_F(HistoryCheckerTest, ACopyWithALaterWriteButNotAnEarlier) {
  forget(&copy_read(), accepted(7).id);
  EXPECT_THAT(kinds(), Contains(ViolationKind::kNoPrefix));
}

TEST_F(HistoryCheckerTest, ABalanceThatChanged) {
  --copy_read().balance;
  EXPECT_THAT(kinds(), Contains(ViolationKind::kInvariant));
}

TEST_F(HistoryCheckerTest, ARowWithoutItsParent) {
  copy_read().orphans = 1;
  EXPECT_THAT(kinds(), Contains(ViolationKind::kInvariant));
}

TEST_F(HistoryCheckerTest, AFileHoldsTheWholeHistory) {
  const TempDir dir;
  forget(&history_.final_state, accepted(30).id);
  --copy_read().balance;
  accepted(5).side = Side::kSqlite;
  write_history(dir.file("history"), history_);
  EXPECT_EQ(describe(check_history(read_history(dir.file("history")))),
            describe(check_history(history_)));
}

// Any one acknowledged write, taken from any state that has it.
TEST_F(HistoryCheckerTest, AnyOneThatIsMissingAnywhereIsFound) {
  std::mt19937_64 draw(1);
  for (int i = 0; i < 60; ++i) {
    History planted = history_;
    ReadOp& read = planted.reads[draw() % planted.reads.size()];
    if (read.found.empty()) continue;
    const WriteId id = read.found[draw() % read.found.size()];
    forget(&read, id);
    EXPECT_FALSE(check_history(planted).empty()) << "write " << id.first << "." << id.second;
  }
}

}  // namespace
}  // namespace crossfade::testing
