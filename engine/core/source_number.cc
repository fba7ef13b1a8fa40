// The numeric forms of source_time.h.
#include <bit>
#include <cmath>

#include "engine/core/source_time.h"

namespace crossfade {
namespace {

__extension__ using Uint128 = unsigned __int128;

// All before 2000-01-01T00:00:00Z.
constexpr int64_t kUnixMicros = 946'684'800 * kMicrosPerSecond;
constexpr int64_t kCocoaMicros = kUnixMicros - 978'307'200 * kMicrosPerSecond;
constexpr int64_t kWindowsMicros = kUnixMicros + 11'644'473'600 * kMicrosPerSecond;
constexpr int64_t kJulianMicros = 2'451'544 * kMicrosPerDay + kMicrosPerDay / 2;

// timestamp.h: MIN_TIMESTAMP and END_TIMESTAMP.
constexpr int64_t kTimestampMin = -211'813'488'000 * kMicrosPerSecond;
constexpr int64_t kTimestampEnd = 9'223'371'331'200 * kMicrosPerSecond;

std::optional<int64_t> counted(int64_t value, int64_t factor, int64_t origin) {
  int64_t micros = 0;
  if (__builtin_mul_overflow(value, factor, &micros)) return std::nullopt;
  if (__builtin_sub_overflow(micros, origin, &micros)) return std::nullopt;
  if (!is_target_timestamp(micros)) return std::nullopt;
  return micros;
}

std::optional<int64_t> divided(int64_t value, int64_t divisor, int64_t origin) {
  if (value % divisor != 0) return std::nullopt;
  return counted(value / divisor, 1, origin);
}

// n / d, correctly rounded.
double ratio(int64_t n, int64_t d) {
  if (n == 0) return 0;
  const uint64_t magnitude =
      n < 0 ? uint64_t{0} - static_cast<uint64_t>(n) : static_cast<uint64_t>(n);
  const int shift = 64 + std::countl_zero(magnitude);
  const Uint128 dividend = static_cast<Uint128>(magnitude) << static_cast<unsigned>(shift);
  const auto divisor = static_cast<Uint128>(d);
  Uint128 quotient = dividend / divisor;        // 90 bits and more
  if (dividend % divisor != 0) quotient |= 1U;  // the last bit only breaks ties
  const double value = std::ldexp(static_cast<double>(quotient), -shift);
  return n < 0 ? -value : value;
}

// `value` counts units of `unit` microseconds from an origin that lies `origin` before 2000.
std::optional<int64_t> nearest(double value, int64_t unit, int64_t origin) {
  const long double scaled = static_cast<long double>(value) * static_cast<long double>(unit);
  if (!(std::fabs(scaled) < 9.2e18L)) return std::nullopt;
  const int64_t count = std::llround(scaled);
  if (std::bit_cast<uint64_t>(ratio(count, unit)) != std::bit_cast<uint64_t>(value)) {
    return std::nullopt;
  }
  return counted(count, 1, origin);
}

// The INTEGER that counts units of `unit` microseconds, `parts` of them in each if there are more.
std::optional<Value> whole(int64_t micros, int64_t origin, int64_t unit, int64_t parts) {
  int64_t count = 0;
  if (__builtin_add_overflow(micros, origin, &count) || count % unit != 0) return std::nullopt;
  if (__builtin_mul_overflow(count / unit, parts, &count)) return std::nullopt;
  return Value(count);
}

std::optional<Value> fraction(int64_t micros, int64_t origin, int64_t unit, SourceForm form) {
  int64_t count = 0;
  if (__builtin_add_overflow(micros, origin, &count)) return std::nullopt;
  const double value = ratio(count, unit);
  // So far from its origin, a REAL may not tell one microsecond from the next.
  if (micros_from_number(value, form) != micros) return std::nullopt;
  return Value(value);
}

}  // namespace

bool is_target_timestamp(int64_t micros) {
  return micros >= kTimestampMin && micros < kTimestampEnd;
}

std::optional<int64_t> micros_from_number(int64_t value, SourceForm form) {
  switch (form) {
    case SourceForm::kEpochSeconds:
      return counted(value, kMicrosPerSecond, kUnixMicros);
    case SourceForm::kEpochMillis:
      return counted(value, 1000, kUnixMicros);
    case SourceForm::kEpochMicros:
      return counted(value, 1, kUnixMicros);
    case SourceForm::kEpochNanos:
      return divided(value, 1000, kUnixMicros);
    case SourceForm::kWebkitMicros:
      return counted(value, 1, kWindowsMicros);
    case SourceForm::kFiletime:
      return divided(value, 10, kWindowsMicros);
    case SourceForm::kCocoaSeconds:
      return counted(value, kMicrosPerSecond, kCocoaMicros);
    default:  // the other forms write no INTEGER that counts time
      return std::nullopt;
  }
}

std::optional<int64_t> micros_from_number(double value, SourceForm form) {
  switch (form) {
    case SourceForm::kEpochReal:
      return nearest(value, kMicrosPerSecond, kUnixMicros);
    case SourceForm::kJulianDay:
      return nearest(value, kMicrosPerDay, kJulianMicros);
    case SourceForm::kCocoaSeconds:
      // Whole seconds come back as an INTEGER, which this is not.
      if (value == std::trunc(value)) return std::nullopt;
      return nearest(value, kMicrosPerSecond, kCocoaMicros);
    default:  // the other forms write no REAL
      return std::nullopt;
  }
}

std::optional<Value> number_from_micros(int64_t micros, SourceForm form) {
  if (!is_target_timestamp(micros)) return std::nullopt;
  switch (form) {
    case SourceForm::kEpochSeconds:
      return whole(micros, kUnixMicros, kMicrosPerSecond, 1);
    case SourceForm::kEpochMillis:
      return whole(micros, kUnixMicros, 1000, 1);
    case SourceForm::kEpochMicros:
      return whole(micros, kUnixMicros, 1, 1);
    case SourceForm::kEpochNanos:
      return whole(micros, kUnixMicros, 1, 1000);
    case SourceForm::kWebkitMicros:
      return whole(micros, kWindowsMicros, 1, 1);
    case SourceForm::kFiletime:
      return whole(micros, kWindowsMicros, 1, 10);
    case SourceForm::kEpochReal:
      return fraction(micros, kUnixMicros, kMicrosPerSecond, form);
    case SourceForm::kJulianDay:
      return fraction(micros, kJulianMicros, kMicrosPerDay, form);
    case SourceForm::kCocoaSeconds: {
      auto seconds = whole(micros, kCocoaMicros, kMicrosPerSecond, 1);
      return seconds ? seconds : fraction(micros, kCocoaMicros, kMicrosPerSecond, form);
    }
    default:  // the other forms write no number that counts time
      return std::nullopt;
  }
}

}  // namespace crossfade
