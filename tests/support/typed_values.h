// Random values for every type and form: mostly what fits it or nearly does, and some of anything.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "engine/core/column_type.h"
#include "engine/core/value.h"

namespace crossfade::testing {

[[nodiscard]] ColumnType numeric(int precision, int scale);

// Every type in every form and a choice of patterns and limits, and those that only somebody
// else's tables have. Vectors have 3 dimensions; an enum is public.mood.
[[nodiscard]] std::vector<ColumnType> all_column_types();

// Whether the type may be in a key.
[[nodiscard]] bool is_key_type(const ColumnType& type);

class TypedValues {
 public:
  explicit TypedValues(uint64_t seed) : random_(seed) {}

  [[nodiscard]] Value next(const ColumnType& type);

 private:
  [[nodiscard]] Value anything();
  [[nodiscard]] Value like(const ColumnType& type);
  [[nodiscard]] Value narrow(const ColumnType& type);
  [[nodiscard]] std::string date_text(const std::string& pattern);
  [[nodiscard]] std::string uuid_text(SourceForm form);
  [[nodiscard]] std::string json_text(int depth, bool exact);
  [[nodiscard]] std::string json_string();
  [[nodiscard]] Value number(const ColumnType& type);
  [[nodiscard]] Value time_number(SourceForm form);
  [[nodiscard]] std::string floats(const ColumnType& type);
  // Changes a byte, or cuts or adds one.
  void damage(std::string* text);

  int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  bool one_in(int64_t n) { return below(n) == 0; }

  std::mt19937_64 random_;
};

}  // namespace crossfade::testing
