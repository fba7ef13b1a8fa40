#include "apply/merge_values.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "engine/core/source_time.h"

namespace crossfade::apply {
namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr int64_t kExactInReal = int64_t{1} << 53;

bool is_number(const Value& value) {
  return value.storage() == StorageClass::kInteger || value.storage() == StorageClass::kReal;
}

// As the column's affinity has it stored (sqlite3VdbeIntegerAffinity()).
Value as_stored(const Column& column, const Value& value) {
  const bool drops_point =
      column.affinity == Affinity::kInteger || column.affinity == Affinity::kNumeric;
  if (!drops_point || value.storage() != StorageClass::kReal) return value;
  const double real = value.real();
  const bool in_range = real > -kTwoTo63 && real < kTwoTo63;
  if (!in_range || std::trunc(real) != real) return value;
  return Value(static_cast<int64_t>(real));
}

std::weak_ordering compare_reals(double a, double b) {
  if (a < b) return std::weak_ordering::less;
  return a > b ? std::weak_ordering::greater : std::weak_ordering::equivalent;
}

std::weak_ordering compare_integer_with_real(int64_t a, double b) {
  if (b >= kTwoTo63) return std::weak_ordering::less;
  if (b < -kTwoTo63) return std::weak_ordering::greater;
  const auto whole = static_cast<int64_t>(b);
  if (a != whole) return a < whole ? std::weak_ordering::less : std::weak_ordering::greater;
  return compare_reals(0, b - static_cast<double>(whole));
}

std::weak_ordering compare_numbers(const Value& a, const Value& b) {
  const bool a_whole = a.storage() == StorageClass::kInteger;
  const bool b_whole = b.storage() == StorageClass::kInteger;
  if (a_whole && b_whole) return a.integer() <=> b.integer();
  if (!a_whole && !b_whole) return compare_reals(a.real(), b.real());
  if (a_whole) return compare_integer_with_real(a.integer(), b.real());
  return 0 <=> compare_integer_with_real(b.integer(), a.real());
}

std::optional<int64_t> sum_of_integers(int64_t base, int64_t source, int64_t target) {
  int64_t grown = 0;
  int64_t sum = 0;
  // One difference may overflow where the sum does not; where both do, so does the sum.
  if (!__builtin_sub_overflow(source, base, &grown)) {
    return __builtin_add_overflow(grown, target, &sum) ? std::nullopt : std::optional(sum);
  }
  if (!__builtin_sub_overflow(target, base, &grown) &&
      !__builtin_add_overflow(grown, source, &sum)) {
    return sum;
  }
  return std::nullopt;
}

std::optional<double> real_of(const Value& value) {
  if (value.storage() == StorageClass::kReal) return value.real();
  if (value.integer() > kExactInReal || value.integer() < -kExactInReal) return std::nullopt;
  return static_cast<double>(value.integer());
}

// The rounding error of source + target is added at the end (Knuth's two-sum), which is the same
// with the two exchanged.
double sum_of_reals(double base, double source, double target) {
  const double sum = source + target;
  const double part = sum - source;
  const double error = (source - (sum - part)) + (target - part);
  return (sum - base) + error;
}

bool has_sums(TargetType type) {
  return type == TargetType::kBigint || type == TargetType::kDouble ||
         type == TargetType::kNumeric || type == TargetType::kVariant;
}

Sum none(std::string why) {
  return {std::nullopt, std::move(why)};
}

}  // namespace

bool is_same(const Column& column, const Value& a, const Value& b) {
  return a == b || as_stored(column, a) == as_stored(column, b);
}

std::optional<std::weak_ordering> compare_newness(const Column& column, const Value& a,
                                                  const Value& b) {
  if (a.is_null() || b.is_null()) return b.is_null() <=> a.is_null();
  if (is_number(a) && is_number(b)) return compare_numbers(a, b);
  if (a.storage() != b.storage()) return std::nullopt;
  if (a.storage() == StorageClass::kBlob) return a.blob().compare(b.blob()) <=> 0;
  if (column.type.form == SourceForm::kPattern) {
    const TimePattern pattern = TimePattern::compile(column.type);
    const auto a_at = pattern.parse(a.text());
    const auto b_at = pattern.parse(b.text());
    if (a_at && b_at) return *a_at <=> *b_at;
  }
  return a.text().compare(b.text()) <=> 0;
}

Sum add_increments(const Column& column, const Value& base, const Value& source,
                   const Value& target) {
  if (!has_sums(column.type.base)) {
    return none(fmt::format("is {} on the target, which has no sums", to_string(column.type)));
  }
  bool whole = true;
  for (const Value* value : {&base, &source, &target}) {
    if (!is_number(*value)) {
      return none(fmt::format("holds {}", value->is_null() ? "NULL" : to_string(value->storage())));
    }
    whole = whole && value->storage() == StorageClass::kInteger;
  }
  if (whole) {
    const auto sum = sum_of_integers(base.integer(), source.integer(), target.integer());
    if (!sum) return none("has a sum beyond 64 bits");
    return {Value(*sum), ""};
  }
  const auto b = real_of(base);
  const auto s = real_of(source);
  const auto t = real_of(target);
  if (!b || !s || !t) return none("holds a real, and an integer too large to be added to one");
  const double sum = sum_of_reals(*b, *s, *t);
  if (!std::isfinite(sum)) return none("has a sum that is no finite number");
  return {as_stored(column, Value(sum)), ""};
}

}  // namespace crossfade::apply
