// One SQLite value with its storage class, owned.
//
// Bit-exact: text and blob bytes are kept as they were stored, also when the text holds NULs or is
// not valid UTF-8. 1 and 1.0 are different values here, as they are in SQLite's records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace crossfade {

struct Null {
  friend bool operator==(const Null&, const Null&) = default;
};
struct Text {
  std::string bytes;
  friend bool operator==(const Text&, const Text&) = default;
};
struct Blob {
  std::string bytes;
  friend bool operator==(const Blob&, const Blob&) = default;
};

enum class StorageClass : uint8_t { kNull, kInteger, kReal, kText, kBlob };

class Value {
 public:
  Value() = default;
  explicit Value(int64_t v) : v_(v) {}
  explicit Value(double v) : v_(v) {}
  explicit Value(Text v) : v_(std::move(v)) {}
  explicit Value(Blob v) : v_(std::move(v)) {}

  [[nodiscard]] StorageClass storage() const { return static_cast<StorageClass>(v_.index()); }
  [[nodiscard]] bool is_null() const { return storage() == StorageClass::kNull; }
  // The accessors require the matching storage class.
  [[nodiscard]] int64_t integer() const { return std::get<int64_t>(v_); }
  [[nodiscard]] double real() const { return std::get<double>(v_); }
  [[nodiscard]] const std::string& text() const { return std::get<Text>(v_).bytes; }
  [[nodiscard]] const std::string& blob() const { return std::get<Blob>(v_).bytes; }

  // Heap and inline bytes, for budgets.
  [[nodiscard]] size_t size_bytes() const;

  // Same class and same bits: 0.0 and -0.0 differ, 1 and 1.0 differ.
  friend bool operator==(const Value& a, const Value& b);

 private:
  std::variant<Null, int64_t, double, Text, Blob> v_;
};

using Row = std::vector<Value>;

[[nodiscard]] size_t size_bytes(const Row& row);

// A SQL literal a person can paste into sqlite3: NULL, 42, 1.5, 'it''s', x'00ff'. Reals have 17
// significant digits. At most `bytes_max` bytes of a text or blob are shown, then "...".
[[nodiscard]] std::string to_literal(const Value& value, size_t bytes_max = 200);

[[nodiscard]] const char* to_string(StorageClass storage);

// Appends an encoding in which two values have the same bytes only if they are equal; used as the
// identity of keys inside a batch.
void append_identity(const Value& value, std::string* out);

// The values that append_identity() wrote one after another. Nothing: the bytes are not its work.
[[nodiscard]] std::optional<Row> parse_identity(std::string_view bytes);

}  // namespace crossfade
