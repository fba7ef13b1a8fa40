#include "engine/flow/byte_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>

namespace crossfade::flow {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Deadline soon() {
  return Deadline::after(milliseconds(20));
}
Deadline late() {
  return Deadline::after(seconds(20));
}

TEST(ByteQueueTest, KeepsOrderAndCountsBytes) {
  ByteQueue<std::unique_ptr<int>> queue(100);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(queue.push(std::make_unique<int>(i), 10));
  EXPECT_EQ(queue.bytes(), 50U);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(**queue.pop(late()), i);
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST(ByteQueueTest, PopGivesUpAtTheDeadline) {
  ByteQueue<int> queue(100);
  const auto begin = Deadline::Clock::now();
  EXPECT_FALSE(queue.pop(soon()).has_value());
  EXPECT_GE(Deadline::Clock::now() - begin, milliseconds(20));
}

// The item fits exactly; the next byte waits until room is made.
TEST(ByteQueueTest, PushWaitsForRoom) {
  ByteQueue<int> queue(10);
  ASSERT_TRUE(queue.push(1, 10));
  std::atomic<bool> pushed{false};
  std::thread producer([&] { pushed = queue.push(2, 1); });
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_FALSE(pushed.load());
  EXPECT_EQ(queue.pop(late()), 1);
  EXPECT_EQ(queue.pop(late()), 2);
  producer.join();
  EXPECT_TRUE(pushed.load());
}

TEST(ByteQueueTest, OversizedItemIsTakenWhenEmptyOnly) {
  ByteQueue<int> queue(10);
  EXPECT_TRUE(queue.push(1, 1'000));
  EXPECT_EQ(queue.bytes(), 1'000U);
  EXPECT_EQ(queue.pop(late()), 1);
  EXPECT_FALSE(queue.pop(soon()).has_value());
  ASSERT_TRUE(queue.push(2, 1));
  std::atomic<bool> pushed{false};
  std::thread producer([&] { pushed = queue.push(3, 1'000); });
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_FALSE(pushed.load());
  EXPECT_EQ(queue.pop(late()), 2);
  EXPECT_EQ(queue.pop(late()), 3);
  producer.join();
}

// Its taker has it, and half a gigabyte that is read meanwhile would come on top.
TEST(ByteQueueTest, OversizedItemCountsUntilTheNextIsAskedFor) {
  ByteQueue<int> queue(10);
  queue.wait_for_room();
  ASSERT_TRUE(queue.push(1, 11));
  EXPECT_EQ(queue.pop(late()), 1);
  EXPECT_EQ(queue.bytes(), 11U);
  std::atomic<bool> room{false};
  std::thread producer([&] {
    queue.wait_for_room();
    room = true;
    EXPECT_TRUE(queue.push(2, 1));
  });
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_FALSE(room.load());
  EXPECT_EQ(queue.pop(late()), 2);
  producer.join();
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST(ByteQueueTest, CloseEndsTheWaitForRoom) {
  ByteQueue<int> queue(10);
  ASSERT_TRUE(queue.push(1, 11));
  std::thread producer([&] { queue.wait_for_room(); });
  queue.close();
  producer.join();
}

TEST(ByteQueueTest, CloseRefusesPushesAndLetsTheRestOut) {
  ByteQueue<int> queue(100);
  ASSERT_TRUE(queue.push(1, 1));
  queue.close();
  EXPECT_TRUE(queue.closed());
  EXPECT_FALSE(queue.push(2, 1));
  EXPECT_EQ(queue.pop(late()), 1);
  const auto begin = Deadline::Clock::now();
  EXPECT_FALSE(queue.pop(late()).has_value());
  EXPECT_LT(Deadline::Clock::now() - begin, seconds(10));
}

TEST(ByteQueueTest, CloseWakesAWaitingProducer) {
  ByteQueue<int> queue(1);
  ASSERT_TRUE(queue.push(1, 1));
  std::thread producer([&] { EXPECT_FALSE(queue.push(2, 1)); });
  std::this_thread::sleep_for(milliseconds(20));
  queue.close();
  producer.join();
}

TEST(ByteQueueTest, CloseWakesAWaitingConsumer) {
  ByteQueue<int> queue(1);
  std::thread consumer([&] { EXPECT_FALSE(queue.pop(late()).has_value()); });
  std::this_thread::sleep_for(milliseconds(20));
  const auto begin = Deadline::Clock::now();
  queue.close();
  consumer.join();
  EXPECT_LT(Deadline::Clock::now() - begin, seconds(10));
}

// Nothing lost, nothing out of order, never above the budget, and nobody sleeps for good.
TEST(ByteQueueTest, TwoBusyThreadsHandOverEverything) {
  constexpr int kItems = 50'000;
  constexpr size_t kBudget = 64;
  ByteQueue<std::unique_ptr<int>> queue(kBudget);
  std::atomic<size_t> most{0};
  std::thread producer([&] {
    std::mt19937 random(1);
    for (int i = 0; i < kItems; ++i) {
      ASSERT_TRUE(queue.push(std::make_unique<int>(i), 1 + random() % kBudget));
      most = std::max(most.load(), queue.bytes());
      if (i % 4096 == 0) std::this_thread::sleep_for(milliseconds(1));
    }
    queue.close();
  });
  for (int i = 0; i < kItems; ++i) {
    const auto item = queue.pop(late());
    ASSERT_TRUE(item.has_value()) << i;
    ASSERT_EQ(**item, i);
    if (i % 5000 == 0) std::this_thread::sleep_for(milliseconds(1));
  }
  producer.join();
  EXPECT_FALSE(queue.pop(late()).has_value());
  EXPECT_LE(most.load(), kBudget);
  EXPECT_EQ(queue.bytes(), 0U);
}

}  // namespace
}  // namespace crossfade::flow
