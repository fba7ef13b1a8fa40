// Recognises dates and times written as text, and finds the one pattern of a column.
//
// A text is read into its shape (separators, digits of the fraction, zone); a column's pattern
// exists when all its shapes differ in nothing but a fraction that one style explains.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/column_type.h"
#include "engine/schema/evidence_rows.h"

namespace crossfade::schema {

enum class DateFlaw : uint8_t {
  kNone,
  kEmpty,
  kZeroDate,      // 0000-00-00
  kNoSuchDate,    // 2021-02-30, year 0000
  kNoSuchTime,    // 25:00:00, a second 60
  kHour24,        // 24:00:00
  kDayFirst,      // 31/12/2020, or 12/31/2020: which of the two cannot be told
  kLongFraction,  // finer than microseconds
  kOther,         // not a date of this century's ISO shapes
};
inline constexpr size_t kDateFlaws = 9;
[[nodiscard]] const char* to_string(DateFlaw flaw);  // "are no dates of the calendar"

// Ways to write a second's fraction, as a set. A value fits several: ".250000" is %6f and %if.
enum FractionStyle : uint16_t {
  kFractionNone = 1,
  kFraction1 = 2,  // %1f; %nf is kFraction1 << (n - 1)
  kFractionIso = 128,
  kFractionTrimmed = 256,
};

struct DateText {
  DateFlaw flaw = DateFlaw::kOther;
  char date_separator = 0;
  char separator = 0;  // between date and time; 0: a date alone
  bool seconds = false;
  uint8_t fraction_digits = 0;
  uint16_t styles = 0;  // FractionStyle
  std::string zone;     // at most six bytes, so that nothing is allocated

  [[nodiscard]] bool has_shape(const DateText& other) const;
  [[nodiscard]] bool has_layout(const DateText& other) const;  // all but the fraction
};

[[nodiscard]] DateText read_date(std::string_view text);

// The pattern of column_type.h, with the fraction in one of its styles.
[[nodiscard]] std::string date_pattern(const DateText& layout, FractionStyle style);

// What one column holds.
class DateEvidence {
 public:
  struct Shape {
    DateText as;
    RowTally rows;
    [[nodiscard]] std::string pattern() const;
  };

  // `stubborn`: the column is declared a date, so its values are read to the end.
  void add(std::string_view text, const Cell& cell, bool stubborn);

  // The type by whose pattern every one of `texts` values parses. `micros`: where six digits
  // everywhere leave it open, they are %6f rather than %if.
  [[nodiscard]] std::optional<ColumnType> form(int64_t texts, bool micros) const;

  [[nodiscard]] bool abandoned() const { return abandoned_; }
  [[nodiscard]] int64_t dates() const { return dates_; }
  [[nodiscard]] const std::vector<Shape>& shapes() const { return shapes_; }
  [[nodiscard]] const RowTally& other_shapes() const { return other_shapes_; }
  [[nodiscard]] const RowTally& flaw(DateFlaw flaw) const {
    return flaws_[static_cast<size_t>(flaw)];
  }

 private:
  bool abandoned_ = false;
  int64_t dates_ = 0;
  int64_t strangers_ = 0;
  size_t last_ = 0;            // the shape met last, most likely the next one too
  std::vector<Shape> shapes_;  // at most kShapesMax, then other_shapes_
  RowTally other_shapes_;
  std::array<RowTally, kDateFlaws> flaws_;
};

}  // namespace crossfade::schema
