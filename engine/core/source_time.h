// Instants as the source writes them (SourceForm), to and from PostgreSQL's count: microseconds
// since 2000-01-01T00:00:00, without zone or in UTC.
//
// Read strictly: what is accepted comes back as the very value it was. A text that is not exactly
// the pattern's, a date that is none, a number between two microseconds is refused. Written is only
// what would be read as the same instant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/column_type.h"
#include "engine/core/value.h"

namespace crossfade {

inline constexpr int64_t kMicrosPerSecond = 1'000'000;
inline constexpr int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

// ColumnType::pattern, taken apart once per column. Borrows nothing.
class TimePattern {
 public:
  TimePattern() = default;  // of a type without one, or whose pattern is none: no text fits

  // The pattern must name a whole date, each field once, the lesser clock fields only with the
  // greater ones; and end in a zone exactly if the type is timestamptz.
  [[nodiscard]] static TimePattern compile(const ColumnType& type);
  [[nodiscard]] bool valid() const { return valid_; }

  [[nodiscard]] std::optional<int64_t> parse(std::string_view text) const;
  // Nothing: no text of this pattern is this instant.
  [[nodiscard]] std::optional<std::string> format(int64_t micros) const;

 private:
  struct Step {
    char field;   // 'Y' 'm' 'd' 'H' 'M' 'S'; 'f' fixed fraction, 'i' %if, 't' %tf; 0: a literal
    char detail;  // the literal, or how many digits a fixed fraction has
  };
  struct Fields;
  bool add_field(std::string_view pattern, size_t* at);
  [[nodiscard]] bool complete(const ColumnType& type) const;
  static bool take(const Step& step, std::string_view text, size_t* at, Fields* out);
  static void put(const Step& step, const Fields& fields, std::string* out);

  bool valid_ = false;
  int64_t zone_micros_ = 0;  // east of Greenwich
  std::vector<Step> steps_;
};

// Of an INTEGER or a REAL in one of timestamptz's numeric forms. Nothing: it does not fit.
[[nodiscard]] std::optional<int64_t> micros_from_number(int64_t value, SourceForm form);
[[nodiscard]] std::optional<int64_t> micros_from_number(double value, SourceForm form);

// The INTEGER or REAL that the form writes for an instant. Nothing: it has none for it.
[[nodiscard]] std::optional<Value> number_from_micros(int64_t micros, SourceForm form);

// What PostgreSQL's timestamps span, 4714 BC to 294276 AD.
[[nodiscard]] bool is_target_timestamp(int64_t micros);

// The zone of a pattern that ends in "%{zone}"; empty: it does not.
[[nodiscard]] std::string_view unwritten_zone(std::string_view pattern);

// "+02:00", "-0330", "+02", "Z", " UTC" in microseconds east of Greenwich.
[[nodiscard]] std::optional<int64_t> zone_micros(std::string_view zone);

}  // namespace crossfade
