// A fuzzer's bytes, taken apart, and what is done when a promise does not hold.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/core/value.h"

namespace crossfade::fuzz {

// Ends the program, which libFuzzer reports with the input.
inline void require(bool holds, const char* promise, std::string_view shown = {}) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n%.*s\n", promise, static_cast<int>(shown.size()),
               shown.data());
  std::abort();
}

// Borrows the bytes. What is missing reads as zeros.
class Input {
 public:
  Input(const uint8_t* data, size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}  // NOLINT: libFuzzer's bytes

  uint8_t byte() { return static_cast<uint8_t>(number(1)); }
  uint64_t word() { return number(8); }
  std::string_view rest() const { return rest_; }
  // Up to the newline, which is dropped.
  std::string_view line() {
    const std::string_view out = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(out.size() < rest_.size() ? out.size() + 1 : out.size());
    return out;
  }
  std::string_view take(size_t count) {
    const std::string_view out = rest_.substr(0, count);
    rest_.remove_prefix(out.size());
    return out;
  }
  bool done() const { return rest_.empty(); }

  // A value of the class that `storage` names; a text or blob has `bytes`.
  Value value(uint8_t storage, size_t bytes);

 private:
  uint64_t number(size_t bytes) {
    uint64_t out = 0;
    for (const char c : take(bytes)) out = out << 8U | static_cast<unsigned char>(c);
    return out;
  }

  std::string_view rest_;
};

inline Value Input::value(uint8_t storage, size_t bytes) {
  switch (static_cast<StorageClass>(storage % 5)) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      return Value(static_cast<int64_t>(word()));
    case StorageClass::kReal: {
      const auto real = std::bit_cast<double>(word());
      return real == real ? Value(real) : Value();  // SQLite stores a NaN as NULL
    }
    case StorageClass::kText:
      return Value(Text{std::string(take(bytes))});
    case StorageClass::kBlob:
      return Value(Blob{std::string(take(bytes))});
  }
  return {};
}

}  // namespace crossfade::fuzz
