#include "engine/core/value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

namespace crossfade {
namespace {

Value text(std::string bytes) {
  return Value(Text{std::move(bytes)});
}
Value blob(std::string bytes) {
  return Value(Blob{std::move(bytes)});
}

// Values that are easily taken for one another; no two are equal.
std::vector<Value> distinct_values() {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  return {Value(),
          Value(int64_t{0}),
          Value(int64_t{1}),
          Value(int64_t{-1}),
          Value(std::numeric_limits<int64_t>::min()),
          Value(std::numeric_limits<int64_t>::max()),
          Value(0.0),
          Value(-0.0),
          Value(1.0),
          Value(std::nextafter(1.0, 2.0)),
          Value(kInf),
          Value(-kInf),
          text(""),
          text("1"),
          text("a"),
          text("A"),
          text(std::string("a\0b", 3)),
          text("\xff\xfe"),
          blob(""),
          blob("1"),
          blob("a"),
          blob(std::string("a\0b", 3))};
}

TEST(ValueTest, EqualityIsByClassAndBits) {
  const auto values = distinct_values();
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t j = 0; j < values.size(); ++j) {
      EXPECT_EQ(values[i] == values[j], i == j) << to_literal(values[i]) << to_literal(values[j]);
    }
  }
}

// Promise: two keys have the same identity bytes only if they are equal.
TEST(ValueTest, IdentityTellsAllValuesApart) {
  std::set<std::string> seen;
  for (const Value& value : distinct_values()) {
    std::string identity;
    append_identity(value, &identity);
    EXPECT_TRUE(seen.insert(identity).second) << to_literal(value);
  }
}

TEST(ValueTest, IdentityOfRowsDoesNotRunTogether) {
  const std::vector<Row> rows = {{text("ab"), text("c")},      {text("a"), text("bc")},
                                 {text("abc"), text("")},      {text(""), text("abc")},
                                 {text("ab"), blob("c")},      {Value(), text("abc")},
                                 {text("abc"), Value()},       {Value(int64_t{1}), text("")},
                                 {blob(std::string(9, '\0'))}, {Value(), Value(), Value()}};
  std::set<std::string> seen;
  for (const Row& row : rows) {
    std::string identity;
    for (const Value& value : row) append_identity(value, &identity);
    EXPECT_TRUE(seen.insert(identity).second);
  }
}

TEST(ValueTest, ParsedIdentityIsTheSameRow) {
  const Row row = distinct_values();
  std::string identity;
  for (const Value& value : row) append_identity(value, &identity);
  const auto parsed = parse_identity(identity);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, row);
}

// Promise: bytes that were cut anywhere are refused or are a shorter row, never read past their
// end.
TEST(ValueTest, TruncatedIdentityNeverParsesToTheWhole) {
  const Row row = distinct_values();
  std::string identity;
  for (const Value& value : row) append_identity(value, &identity);
  for (size_t size = 0; size < identity.size(); ++size) {
    const std::string cut = identity.substr(0, size);
    const auto parsed = parse_identity(cut);
    if (!parsed) continue;
    ASSERT_LT(parsed->size(), row.size());
    for (size_t i = 0; i < parsed->size(); ++i) EXPECT_EQ((*parsed)[i], row[i]);
  }
  EXPECT_FALSE(parse_identity("x"));
  EXPECT_FALSE(parse_identity("3\xff\xff\xff\xff\xff\xff\xff\xff"));
}

TEST(ValueTest, LiteralsArePastable) {
  EXPECT_EQ(to_literal(Value()), "NULL");
  EXPECT_EQ(to_literal(Value(int64_t{-7})), "-7");
  EXPECT_EQ(to_literal(text("it's")), "'it''s'");
  EXPECT_EQ(to_literal(blob(std::string("\0\xff", 2))), "x'00ff'");
  EXPECT_EQ(to_literal(Value(std::numeric_limits<double>::infinity())), "9e999");
  EXPECT_EQ(to_literal(text("abcdef"), 3), "'abc...'");
  EXPECT_EQ(std::strtod(to_literal(Value(0.1)).c_str(), nullptr), 0.1);
}

TEST(ValueTest, SizesCountTheBytes) {
  EXPECT_GE(text(std::string(1000, 'x')).size_bytes(), 1000U);
  EXPECT_GE(size_bytes(Row{blob(std::string(500, 'x')), Value()}), 500U);
}

}  // namespace
}  // namespace crossfade
