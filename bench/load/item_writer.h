// Writes one row of `items` in a transaction of its own, on either side.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace crossfade::bench {

enum class Written : uint8_t {
  kDone,   // acknowledged
  kMoved,  // refused, because the other side is the primary now
  kAgain,  // refused for the moment
};

class ItemWriter {
 public:
  ItemWriter() = default;
  virtual ~ItemWriter() = default;
  ItemWriter(const ItemWriter&) = delete;
  ItemWriter& operator=(const ItemWriter&) = delete;

  // Anything else that goes wrong ends the program. A key that is there already counts as done: its
  // COMMIT was in doubt.
  [[nodiscard]] virtual Written write(int64_t key) = 0;
};

[[nodiscard]] std::unique_ptr<ItemWriter> sqlite_writer(const std::string& path);
[[nodiscard]] std::unique_ptr<ItemWriter> postgres_writer(const std::string& url);

}  // namespace crossfade::bench
