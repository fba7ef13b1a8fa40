// Promises: a text that a pattern takes is the text that its instant prints, apply's reader and
// verify's agree on it; so do they on numbers; and a recognised date fits the pattern found for it.
//
// The first byte says what the rest is: a text for one of the types, "pattern\ntext", or a number.
#include "engine/core/source_time.h"
#include "engine/schema/evidence_dates.h"
#include "tests/fuzz/input.h"
#include "tests/support/typed_values.h"
#include "verify/time_form.h"

using namespace crossfade;

namespace {

std::vector<ColumnType> patterned() {
  std::vector<ColumnType> out;
  for (const ColumnType& type : testing::all_column_types()) {
    if (type.form == SourceForm::kPattern) out.push_back(type);
  }
  return out;
}

void check_text(const ColumnType& type, std::string_view text) {
  const TimePattern pattern = TimePattern::compile(type);
  if (!pattern.valid()) return;
  const auto micros = pattern.parse(text);
  fuzz::require(micros == verify::time_of(text, type), "both sides read the same instant",
                type.pattern);
  if (!micros) return;
  std::string printed;
  fuzz::require(verify::append_time_text(*micros, type, &printed), "an instant prints",
                type.pattern);
  fuzz::require(printed == text, "the text comes back", type.pattern);
}

template <typename Number>
void check_number(Number number, SourceForm form) {
  const auto micros = micros_from_number(number, form);
  fuzz::require(micros == verify::time_of(number, form), "both sides read the same instant");
  if (!micros) return;
  const auto back = verify::time_number(*micros, form);
  fuzz::require(back.has_value(), "an instant has a number");
  if constexpr (std::is_same_v<Number, double>) {
    fuzz::require(
        back->is_real && std::bit_cast<uint64_t>(back->real) == std::bit_cast<uint64_t>(number),
        "the REAL comes back");
  } else {
    fuzz::require(!back->is_real && back->integer == number, "the INTEGER comes back");
  }
}

void check_recognised(std::string_view text) {
  using namespace schema;
  const DateText date = read_date(text);
  if (date.flaw != DateFlaw::kNone) return;
  for (uint16_t style = 1; style != 0 && style <= kFractionTrimmed; style <<= 1U) {
    if ((date.styles & style) == 0) continue;
    const bool timed = date.separator != 0;
    ColumnType type(!timed              ? TargetType::kDate
                    : date.zone.empty() ? TargetType::kTimestamp
                                        : TargetType::kTimestamptz);
    type.form = SourceForm::kPattern;
    type.pattern = date_pattern(date, static_cast<FractionStyle>(style));
    fuzz::require(TimePattern::compile(type).parse(text).has_value(),
                  "a recognised date fits its pattern", type.pattern);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<ColumnType> types = patterned();
  fuzz::Input input(data, size);
  const uint8_t what = input.byte();
  if (what < 128) {
    check_text(types[what % types.size()], input.rest());
    check_recognised(input.rest());
    return 0;
  }
  if (what < 192) {
    constexpr TargetType kBases[] = {TargetType::kTimestamp, TargetType::kTimestamptz,
                                     TargetType::kDate};
    ColumnType type(kBases[what % 3]);
    type.form = SourceForm::kPattern;
    type.pattern = std::string(input.line());
    check_text(type, input.rest());
    return 0;
  }
  constexpr auto kFirst = static_cast<unsigned>(SourceForm::kEpochSeconds);
  constexpr auto kCount = static_cast<unsigned>(SourceForm::kCocoaSeconds) - kFirst + 1;
  const auto form = static_cast<SourceForm>(kFirst + what % kCount);
  const uint64_t bits = input.word();
  check_number(static_cast<int64_t>(bits), form);
  if (const auto real = std::bit_cast<double>(bits); real == real) check_number(real, form);
  return 0;
}
