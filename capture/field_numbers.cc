#include "capture/field_numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

namespace crossfade::capture {
namespace {

template <typename T>
std::optional<T> parse(std::string_view text) {
  T out{};
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, out);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return out;
}

template <typename T>
std::optional<T> parse_float(std::string_view text) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  if (text == "Infinity") return kInfinity;
  if (text == "-Infinity") return -kInfinity;
  const auto out = parse<T>(text);
  // from_chars() takes "inf" and "nan", which the server does not write.
  if (!out || !std::isfinite(*out)) return std::nullopt;
  return out;
}

bool take_sign(std::string_view* field) {
  const bool negative = field->starts_with('-');
  if (negative) field->remove_prefix(1);
  return negative;
}

// Digits, a point at most once, nothing else.
bool is_plain(std::string_view digits) {
  return digits.find_first_of("0123456789") != std::string_view::npos &&
         digits.find_first_not_of("0123456789.") == std::string_view::npos &&
         digits.find('.') == digits.rfind('.');
}

// 0.DIGITS x 10^exponent, the digits without zeros at either end.
struct Decimal {
  std::string digits;
  int64_t exponent = 0;
  friend bool operator==(const Decimal&, const Decimal&) = default;
};

Decimal decimal_of(std::string_view plain, int64_t exponent) {
  const size_t point = std::min(plain.find('.'), plain.size());
  Decimal out{std::string(plain), exponent + static_cast<int64_t>(point)};
  if (point < plain.size()) out.digits.erase(point, 1);
  const size_t zeros = std::min(out.digits.find_first_not_of('0'), out.digits.size());
  out.digits.erase(0, zeros);
  out.digits.erase(out.digits.find_last_not_of('0') + 1);
  out.exponent = out.digits.empty() ? 0 : out.exponent - static_cast<int64_t>(zeros);
  return out;
}

using Buffer = std::array<char, 512>;  // 1.8e308 has 309 digits, 5e-324 has 326

std::string_view written(double value, std::chars_format format, Buffer* buffer) {
  const auto end = std::to_chars(buffer->data(), buffer->data() + buffer->size(), value, format);
  return {buffer->data(), static_cast<size_t>(end.ptr - buffer->data())};
}

// "1.25e-07"
Decimal shortest(double value) {
  Buffer buffer{};
  const std::string_view text = written(value, std::chars_format::scientific, &buffer);
  const size_t e = text.find('e');
  std::string_view exponent = text.substr(e + 1);
  if (exponent.starts_with('+')) exponent.remove_prefix(1);
  return decimal_of(text.substr(0, e), *parse<int64_t>(exponent));
}

// The REAL that `field` is written for: its shortest digits, or all of them where it is large.
std::optional<double> read_exactly(std::string_view field) {
  std::string_view digits = field;
  const bool negative = take_sign(&digits);
  if (!is_plain(digits)) return std::nullopt;
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value, std::chars_format::fixed);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) return std::nullopt;
  const Decimal read = decimal_of(digits, 0);
  Buffer buffer{};
  if (read != shortest(value) &&
      read != decimal_of(written(value, std::chars_format::fixed, &buffer), 0)) {
    return std::nullopt;
  }
  return negative ? -value : value;
}

}  // namespace

std::optional<int64_t> read_integer(std::string_view field) {
  return parse<int64_t>(field);
}

std::optional<double> read_double(std::string_view field) {
  return parse_float<double>(field);
}

std::optional<float> read_float(std::string_view field) {
  return parse_float<float>(field);
}

std::optional<Value> read_decimal(std::string_view field) {
  std::string_view digits = field;
  const bool negative = take_sign(&digits);
  if (digits == "Infinity") return Value(*read_double(field));
  if (!is_plain(digits)) return std::nullopt;  // NaN
  const size_t whole = std::min(digits.find('.'), digits.size());
  if (digits.find_first_not_of(".0", whole) == std::string_view::npos) {
    const auto value = read_integer((negative ? "-" : "") + std::string(digits.substr(0, whole)));
    if (value) return Value(*value);
  }
  const auto real = read_exactly(field);
  return real ? std::optional(Value(*real)) : std::nullopt;
}

std::optional<Value> read_pointed(std::string_view field) {
  if (field.find('.') == std::string_view::npos) {
    const auto value = read_integer(field);
    return value ? std::optional(Value(*value)) : std::nullopt;
  }
  const auto value = read_exactly(field);
  return value ? std::optional(Value(*value)) : std::nullopt;
}

}  // namespace crossfade::capture
