#include "verify/decimal.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "engine/postgres/binary.h"
#include "verify/canonical_form.h"

namespace crossfade::verify {
namespace {

constexpr char kPlus = '+';
constexpr char kMinus = '-';
constexpr char kZero = '0';
constexpr char kPositiveInfinity = 'p';
constexpr char kNegativeInfinity = 'm';
constexpr char kNan = 'n';

// numeric.c: NUMERIC_POS and its siblings, as numeric_send() writes them.
constexpr uint16_t kWirePositive = 0x0000;
constexpr uint16_t kWireNegative = 0x4000;
constexpr uint16_t kWireNan = 0xC000;
constexpr uint16_t kWirePositiveInfinity = 0xD000;
constexpr uint16_t kWireNegativeInfinity = 0xF000;
constexpr size_t kWireHeadBytes = 8;
constexpr int32_t kDigitsPerGroup = 4;  // numeric's base is 10000

void append_form(char sign, int32_t exponent, std::string_view digits, std::string* out) {
  out->push_back(form::kDecimal);
  out->push_back(sign);
  postgres::append_be(exponent, out);
  postgres::append_be(static_cast<uint32_t>(digits.size()), out);
  out->append(digits);
}

// `digits` stand for 0.DIGITS x 10^exponent and may still have zeros at both ends.
void append_normalized(bool negative, int32_t exponent, std::string_view digits, std::string* out) {
  const size_t first = digits.find_first_not_of('0');
  if (first == std::string_view::npos) return append_form(kZero, 0, {}, out);
  const size_t last = digits.find_last_not_of('0');
  append_form(negative ? kMinus : kPlus, exponent - static_cast<int32_t>(first),
              digits.substr(first, last - first + 1), out);
}

}  // namespace

void append_decimal(int64_t value, std::string* out) {
  std::array<char, 24> text{};
  const char* end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  const char* begin = text.data() + (value < 0 ? 1 : 0);
  append_normalized(value < 0, static_cast<int32_t>(end - begin),
                    {begin, static_cast<size_t>(end - begin)}, out);
}

void append_decimal(double value, std::string* out) {
  if (std::isnan(value)) return append_form(kNan, 0, {}, out);
  if (std::isinf(value)) {
    return append_form(value > 0 ? kPositiveInfinity : kNegativeInfinity, 0, {}, out);
  }
  // "1.2345e-07": one digit, the rest behind a point, the exponent.
  std::array<char, 32> text{};
  const char* end = std::to_chars(text.data(), text.data() + text.size(), std::fabs(value),
                                  std::chars_format::scientific)
                        .ptr;
  std::array<char, 24> digits{};
  size_t count = 0;
  const char* at = text.data();
  for (; *at != 'e'; ++at) {
    if (*at != '.') digits[count++] = *at;
  }
  ++at;
  if (*at == '+') ++at;
  int32_t exponent = 0;
  std::from_chars(at, end, exponent);
  append_normalized(std::signbit(value), exponent + 1, {digits.data(), count}, out);
}

bool append_decimal_numeric(std::string_view field, std::string* out) {
  if (field.size() < kWireHeadBytes) return false;
  const auto groups = postgres::read_be<uint16_t>(field, 0);
  const auto weight = postgres::read_be<int16_t>(field, 2);
  const auto sign = postgres::read_be<uint16_t>(field, 4);
  if (field.size() != kWireHeadBytes + size_t{2} * groups) return false;
  if (sign == kWireNan) return append_form(kNan, 0, {}, out), true;
  if (sign == kWirePositiveInfinity) return append_form(kPositiveInfinity, 0, {}, out), true;
  if (sign == kWireNegativeInfinity) return append_form(kNegativeInfinity, 0, {}, out), true;
  if (sign != kWirePositive && sign != kWireNegative) return false;
  std::string digits;
  for (size_t i = 0; i < groups; ++i) {
    const auto group = postgres::read_be<uint16_t>(field, kWireHeadBytes + 2 * i);
    if (group > 9999) return false;
    for (const int unit : {1000, 100, 10, 1}) {
      digits.push_back(static_cast<char>('0' + group / unit % 10));
    }
  }
  append_normalized(sign == kWireNegative, (weight + 1) * kDigitsPerGroup, digits, out);
  return true;
}

std::optional<Value> decimal_value(std::string_view form) {
  const char sign = form[1];
  const double infinity = std::numeric_limits<double>::infinity();
  if (sign == kZero) return Value(int64_t{0});
  if (sign == kPositiveInfinity) return Value(infinity);
  if (sign == kNegativeInfinity) return Value(-infinity);
  if (sign == kNan) return std::nullopt;
  const auto exponent = postgres::read_be<int32_t>(form, 2);
  const std::string_view digits = form.substr(10);
  std::string text = sign == kMinus ? "-" : "";
  constexpr int32_t kIntegerDigitsMax = 19;
  if (exponent <= kIntegerDigitsMax && static_cast<int32_t>(digits.size()) <= exponent) {
    std::string whole = text + std::string(digits);
    whole.append(static_cast<size_t>(exponent) - digits.size(), '0');
    int64_t integer = 0;
    const auto [at, ec] = std::from_chars(whole.data(), whole.data() + whole.size(), integer);
    if (ec == std::errc()) return Value(integer);
  }
  text.append("0.").append(digits).append("e").append(std::to_string(exponent));
  double real = 0;
  const auto [at, ec] = std::from_chars(text.data(), text.data() + text.size(), real);
  if (ec != std::errc()) return std::nullopt;  // out of a double's range
  return Value(real);
}

std::string take_decimal_text(std::string_view* form) {
  const char sign = (*form)[1];
  const auto exponent = postgres::read_be<int32_t>(*form, 2);
  const auto size = postgres::read_be<uint32_t>(*form, 6);
  const std::string_view digits = form->substr(10, size);
  form->remove_prefix(10 + size);
  if (sign == kZero) return "0";
  if (sign == kNan) return "'NaN'";
  if (sign == kPositiveInfinity) return "'Infinity'";
  if (sign == kNegativeInfinity) return "'-Infinity'";
  std::string text = sign == kMinus ? "-" : "";
  const auto count = static_cast<int32_t>(digits.size());
  if (exponent > 20 || exponent < -5) {
    text += digits.substr(0, 1);
    if (count > 1) text.append(".").append(digits.substr(1));
    return text + "e" + std::to_string(exponent - 1);
  }
  if (exponent <= 0)
    return text + "0." + std::string(static_cast<size_t>(-exponent), '0') + std::string(digits);
  if (count <= exponent) {
    return text + std::string(digits) + std::string(static_cast<size_t>(exponent - count), '0');
  }
  const auto point = static_cast<size_t>(exponent);
  return text.append(digits.substr(0, point)).append(".").append(digits.substr(point));
}

}  // namespace crossfade::verify
