// The hand-off between two threads: moodycamel's lock-free queue with a byte budget around it.
//
// moodycamel bounds blocks, not bytes, and keeps order per producer only; so: one producer, one
// consumer, one producer token, and our own count of bytes. An item larger than the whole budget is
// taken when the queue is empty, so nothing wedges, and counts until the next one is asked for: its
// taker has it as long, and it may be half a gigabyte.
// Threads: push() from one thread, pop() from another, close() from any. The mutex is for sleeping
// only; a hand-off between two busy threads takes no lock.
#pragma once

#include <concurrentqueue/concurrentqueue.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

#include "engine/core/deadline.h"

namespace crossfade::flow {

template <typename T>
class ByteQueue {
 public:
  explicit ByteQueue(size_t bytes_max) : bytes_max_(bytes_max), token_(queue_) {}

  // Whether push() of such an item would return at once. From the producer's thread: true stays.
  [[nodiscard]] bool would_take(size_t bytes) const { return has_room(bytes) || closed_.load(); }

  // Waits for room. False: closed, and the item was not taken.
  bool push(T item, size_t bytes) {
    if (!has_room(bytes) && !closed_.load()) {
      sleep([&] { return has_room(bytes) || closed_.load(); }, std::nullopt);
    }
    if (closed_.load()) return false;
    bytes_.fetch_add(bytes);
    queue_.enqueue(token_, Entry{std::move(item), bytes});
    items_.fetch_add(1);
    wake();
    return true;
  }

  // Waits while a single item takes more than the whole budget: what is made meanwhile would come
  // on top of it.
  void wait_for_room() {
    if (is_over()) sleep([&] { return !is_over(); }, std::nullopt);
  }
  [[nodiscard]] bool is_over() const { return bytes_.load() > bytes_max_ && !closed_.load(); }

  // Waits for an item until the deadline. Nothing: the deadline passed, or closed and drained.
  std::optional<T> pop(Deadline deadline) {
    release(std::exchange(held_, 0));
    if (items_.load() == 0 && !closed_.load()) {
      sleep([&] { return items_.load() != 0 || closed_.load(); }, deadline);
    }
    Entry entry;
    if (items_.load() == 0 || !queue_.try_dequeue_from_producer(token_, entry)) return std::nullopt;
    items_.fetch_sub(1);
    if (entry.bytes > bytes_max_) {
      held_ = entry.bytes;
    } else {
      release(entry.bytes);
    }
    return std::move(entry.item);
  }

  // No further push succeeds; waiting threads wake. Items inside can still be popped.
  void close() {
    closed_.store(true);
    wake();
  }

  [[nodiscard]] size_t bytes() const { return bytes_.load(); }
  [[nodiscard]] bool closed() const { return closed_.load(); }

 private:
  struct Entry {
    T item{};
    size_t bytes = 0;
  };

  [[nodiscard]] bool has_room(size_t bytes) const {
    const size_t used = bytes_.load();
    return used == 0 || used + bytes <= bytes_max_;
  }

  void release(size_t bytes) {
    if (bytes == 0) return;
    bytes_.fetch_sub(bytes);
    wake();
  }

  template <typename Condition>
  void sleep(Condition condition, std::optional<Deadline> deadline) {
    std::unique_lock lock(mutex_);
    sleepers_.fetch_add(1);
    if (deadline) {
      changed_.wait_until(lock, deadline->time(), condition);
    } else {
      changed_.wait(lock, condition);
    }
    sleepers_.fetch_sub(1);
  }

  void wake() {
    if (sleepers_.load() == 0) return;
    // Taking the lock orders this after the sleeper's check of its condition.
    { const std::lock_guard lock(mutex_); }
    changed_.notify_all();
  }

  // Constant after construction.
  const size_t bytes_max_;
  // The consumer's.
  size_t held_ = 0;  // of the item that was popped last, if it is larger than the budget
  // Lock-free.
  moodycamel::ConcurrentQueue<Entry> queue_;
  moodycamel::ProducerToken token_;
  std::atomic<size_t> bytes_{0};
  std::atomic<size_t> items_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> closed_{false};
  // For sleeping.
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace crossfade::flow
