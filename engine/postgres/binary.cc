#include "engine/postgres/binary.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace crossfade::postgres {
namespace {

constexpr char kCopyHeader[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
constexpr uint16_t kNumericPositive = 0x0000;
constexpr uint16_t kNumericNegative = 0x4000;
constexpr uint16_t kNumericNan = 0xC000;
constexpr uint16_t kNumericPositiveInfinity = 0xD000;
constexpr uint16_t kNumericNegativeInfinity = 0xF000;
constexpr int kDigitsPerGroup = 4;       // numeric's base is 10000
constexpr int kExponentMax = 1'000'000;  // far outside numeric's range, far inside int's
constexpr int kScaleMax = 16383;         // numeric.h: NUMERIC_DSCALE_MASK

void append_special(uint16_t sign, std::string* out) {
  append_be<int16_t>(0, out);
  append_be<int16_t>(0, out);
  append_be<uint16_t>(sign, out);
  append_be<int16_t>(0, out);
}

struct Decimal {
  bool negative = false;
  std::string digits;  // no leading zeros
  int exponent = 0;    // value = 0.digits * 10^exponent
  int scale = 0;       // digits after the point
};

bool parse_decimal(std::string_view text, Decimal* out) {
  size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) out->negative = text[at++] == '-';
  bool point = false;
  bool any = false;
  int fraction = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && !point) {
      point = true;
    } else if (text[at] >= '0' && text[at] <= '9') {
      any = true;
      out->digits += text[at];
      if (point) ++fraction;
    } else {
      break;
    }
  }
  if (!any) return false;
  int exponent = 0;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at + 1 < text.size() && text[at] == '+' && text[at + 1] != '-') ++at;
    const auto [end, ec] = std::from_chars(text.data() + at, text.data() + text.size(), exponent);
    if (ec != std::errc() || exponent > kExponentMax || exponent < -kExponentMax) return false;
    at = static_cast<size_t>(end - text.data());
  }
  if (at != text.size()) return false;
  out->exponent = static_cast<int>(out->digits.size()) - fraction + exponent;
  out->scale = std::max(0, fraction - exponent);
  const size_t lead = std::min(out->digits.find_first_not_of('0'), out->digits.size());
  out->digits.erase(0, lead);
  out->exponent -= static_cast<int>(lead);
  return true;
}

}  // namespace

std::string_view copy_header() {
  return {kCopyHeader, 19};
}
std::string_view copy_trailer() {
  return {"\xff\xff", 2};
}

void append_array_header(Oid element, int32_t count, bool has_nulls, std::string* out) {
  if (count == 0) {  // an empty array has no dimensions
    append_be<int32_t>(0, out);
    append_be<int32_t>(0, out);
    append_be<Oid>(element, out);
    return;
  }
  append_be<int32_t>(1, out);
  append_be<int32_t>(has_nulls ? 1 : 0, out);
  append_be<Oid>(element, out);
  append_be<int32_t>(count, out);
  append_be<int32_t>(1, out);
}

bool append_numeric(std::string_view text, std::string* out) {
  if (text == "NaN") return append_special(kNumericNan, out), true;
  if (text == "Infinity") return append_special(kNumericPositiveInfinity, out), true;
  if (text == "-Infinity") return append_special(kNumericNegativeInfinity, out), true;
  Decimal decimal;
  if (!parse_decimal(text, &decimal)) return false;
  if (decimal.scale > kScaleMax || decimal.exponent > 131072) return false;
  if (decimal.digits.empty()) {
    append_be<int16_t>(0, out);
    append_be<int16_t>(0, out);
    append_be<uint16_t>(kNumericPositive, out);
    append_be<int16_t>(static_cast<int16_t>(decimal.scale), out);
    return true;
  }
  // Align the point to a group boundary: the first group then has weight `groups_before - 1`.
  const int groups_before = decimal.exponent > 0
                                ? (decimal.exponent + kDigitsPerGroup - 1) / kDigitsPerGroup
                                : decimal.exponent / kDigitsPerGroup;
  std::string digits(static_cast<size_t>(groups_before * kDigitsPerGroup - decimal.exponent), '0');
  digits += decimal.digits;
  digits.resize((digits.size() + kDigitsPerGroup - 1) / kDigitsPerGroup * kDigitsPerGroup, '0');
  std::vector<int16_t> groups;
  for (size_t i = 0; i < digits.size(); i += kDigitsPerGroup) {
    int16_t group = 0;
    for (size_t j = i; j < i + kDigitsPerGroup; ++j) {
      group = static_cast<int16_t>(group * 10 + (digits[j] - '0'));
    }
    groups.push_back(group);
  }
  while (!groups.empty() && groups.back() == 0) groups.pop_back();
  append_be<int16_t>(static_cast<int16_t>(groups.size()), out);
  append_be<int16_t>(static_cast<int16_t>(groups_before - 1), out);
  append_be<uint16_t>(decimal.negative ? kNumericNegative : kNumericPositive, out);
  append_be<int16_t>(static_cast<int16_t>(decimal.scale), out);
  for (const int16_t group : groups) append_be<int16_t>(group, out);
  return true;
}

}  // namespace crossfade::postgres
