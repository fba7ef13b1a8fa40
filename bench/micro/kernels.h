// The engine's inner loops, each as a round of known size that can be repeated.
//
// One registry serves both measures: Google Benchmark times the rounds, bench/instructions counts
// the instructions of a fixed number of them. Threads: one; the queue's kernel has one of its own.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::bench {

struct Kernel {
  std::string name;
  size_t items = 0;      // of a round
  std::string unit;      // what an item is
  bool counted = false;  // by bench/instructions
  std::function<void()> round;
};

// Each makes what it works on; that is not part of a round.
[[nodiscard]] Kernel row_digest_kernel();
[[nodiscard]] Kernel copy_encoder_kernel();
[[nodiscard]] Kernel change_log_kernel();
[[nodiscard]] Kernel pgoutput_kernel();
[[nodiscard]] Kernel queue_kernel();
[[nodiscard]] Kernel canonical_source_kernel();
[[nodiscard]] Kernel canonical_target_kernel();
[[nodiscard]] Kernel evidence_kernel();

// A table in memory: eight columns, 270 bytes a row (bench/harness/shapes.py's `segments`), planned
// as a move would.
inline constexpr int kSampleRows = 1000;
struct Sample {
  sqlite::Connection source;
  Table table;
  std::vector<Row> rows;
};
[[nodiscard]] std::shared_ptr<Sample> make_sample();

// The value, or the end of the program: a kernel that fails measures nothing.
[[noreturn]] void give_up(const std::string& what);
template <typename R>
auto must(R result) {
  if (!result) give_up(describe(result.error()));
  if constexpr (!std::is_void_v<typename R::value_type>) return std::move(result).value();
}

}  // namespace crossfade::bench
