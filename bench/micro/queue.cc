// The hand-off between the reader's thread and the writer's.
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "bench/micro/kernels.h"
#include "engine/core/deadline.h"
#include "engine/flow/byte_queue.h"

namespace crossfade::bench {
namespace {

constexpr size_t kItems = 10'000;
constexpr size_t kItemBytes = 4096;
constexpr size_t kBudgetBytes = size_t{64} << 20;
constexpr std::chrono::seconds kPatience{60};

}  // namespace

Kernel queue_kernel() {
  return {"queue_hand_off", kItems, "item", false, [] {
            flow::ByteQueue<std::unique_ptr<size_t>> queue(kBudgetBytes);
            std::thread producer([&queue] {
              for (size_t i = 0; i < kItems; ++i) {
                if (!queue.push(std::make_unique<size_t>(i), kItemBytes)) give_up("closed");
              }
            });
            for (size_t i = 0; i < kItems; ++i) {
              const auto item = queue.pop(Deadline::after(kPatience));
              if (!item || **item != i) give_up("out of order");
            }
            producer.join();
          }};
}

}  // namespace crossfade::bench
