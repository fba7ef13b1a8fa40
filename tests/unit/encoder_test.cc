#include "apply/encoder.h"

#include <gtest/gtest.h>

#include <limits>

#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::apply {
namespace {

using T = TargetType;

constexpr T kTypes[] = {T::kBoolean, T::kBigint, T::kDouble, T::kNumeric,
                        T::kText,    T::kBytea,  T::kVariant};

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

// The field after its length, as hex; "-" when refused. The length must be right.
std::string field(const Value& value, T type) {
  std::string out = "before";
  if (!append_field(view(value), type, &out)) {
    EXPECT_EQ(out, "before");
    return "-";
  }
  const auto length = postgres::read_be<int32_t>(out, 6);
  if (length == -1) return "null";
  EXPECT_EQ(static_cast<size_t>(length), out.size() - 10);
  return hex(std::string_view(out).substr(10));
}

TEST(EncoderTest, NullFitsEveryType) {
  for (const T type : kTypes) EXPECT_EQ(field(Value(), type), "null");
}

// Which class fits which type, all of them: no value changes its class on the way.
TEST(EncoderTest, EveryClassFitsOrIsRefused) {
  const std::vector<std::pair<Value, std::vector<bool>>> expectations{
      // boolean bigint double numeric text bytea variant
      {Value(int64_t{0}), {true, true, false, true, false, false, true}},
      {Value(int64_t{1}), {true, true, false, true, false, false, true}},
      {Value(int64_t{2}), {false, true, false, true, false, false, true}},
      {Value(int64_t{-1}), {false, true, false, true, false, false, true}},
      {Value(1.0), {false, false, true, true, false, false, true}},
      {Value(std::numeric_limits<double>::infinity()),
       {false, false, true, true, false, false, true}},
      {Value(Text{"1"}), {false, false, false, false, true, false, true}},
      {Value(Text{""}), {false, false, false, false, true, false, true}},
      {Value(Text{std::string("a\0", 2)}), {false, false, false, false, false, false, true}},
      {Value(Text{"\xff"}), {false, false, false, false, false, false, true}},
      {Value(Blob{"1"}), {false, false, false, false, false, true, true}},
      {Value(Blob{""}), {false, false, false, false, false, true, true}},
  };
  for (const auto& [value, fits] : expectations) {
    for (size_t i = 0; i < std::size(kTypes); ++i) {
      EXPECT_EQ(field(value, kTypes[i]) != "-", fits[i])
          << to_literal(value) << " as " << to_string(kTypes[i]);
    }
  }
}

// The bytes that PostgreSQL's send functions make of the same values.
TEST(EncoderTest, BytesAreAsPostgresqlDocumentsThem) {
  EXPECT_EQ(field(Value(int64_t{0}), T::kBoolean), "00");
  EXPECT_EQ(field(Value(int64_t{1}), T::kBoolean), "01");
  EXPECT_EQ(field(Value(int64_t{-2}), T::kBigint), "fffffffffffffffe");
  EXPECT_EQ(field(Value(std::numeric_limits<int64_t>::min()), T::kBigint), "8000000000000000");
  EXPECT_EQ(field(Value(1.5), T::kDouble), "3ff8000000000000");
  EXPECT_EQ(field(Value(-0.0), T::kDouble), "8000000000000000");
  EXPECT_EQ(field(Value(5e-324), T::kDouble), "0000000000000001");
  EXPECT_EQ(field(Value(Text{"é"}), T::kText), "c3a9");
  EXPECT_EQ(field(Value(Blob{std::string("\0\xff", 2)}), T::kBytea), "00ff");
  // jsonb: a version byte, then text
  EXPECT_EQ(field(Value(int64_t{7}), T::kVariant), "0137");
  // numeric: digits, weight, sign, scale, then groups of four decimal digits
  EXPECT_EQ(field(Value(int64_t{0}), T::kNumeric), "0000000000000000");
  EXPECT_EQ(field(Value(int64_t{1}), T::kNumeric), "00010000000000000001");
  EXPECT_EQ(field(Value(int64_t{-12345}), T::kNumeric), "000200014000000000010929");
  EXPECT_EQ(field(Value(12.5), T::kNumeric), "0002000000000001000c1388");
  EXPECT_EQ(field(Value(std::numeric_limits<double>::infinity()), T::kNumeric).substr(8, 4),
            "d000");
}

TEST(EncoderTest, AMisfitIsNamedWithItsClassAndType) {
  EXPECT_EQ(misfit_reason(Value(Text{"12abc"}), T::kBigint), "text '12abc' does not fit bigint");
  EXPECT_EQ(misfit_reason(Value(int64_t{2}), T::kBoolean), "integer 2 does not fit boolean");
}

Table two_columns() {
  Table table;
  table.columns.resize(2);
  table.columns[0].type = T::kBigint;
  table.columns[1].type = T::kText;
  return table;
}

TEST(EncodedRowsTest, ARowIsItsCountAndItsFields) {
  EncodedRows rows;
  EXPECT_EQ(append_row(two_columns(), {Value(int64_t{1}), Value()}, &rows), std::nullopt);
  EXPECT_EQ(hex(rows.bytes), "0002000000080000000000000001ffffffff");
  EXPECT_EQ(append_row(two_columns(), {Value(int64_t{2}), Value(Text{"x"})}, &rows), std::nullopt);
  EXPECT_EQ(rows.count(), 2U);
  EXPECT_EQ(rows.rows(0, 1).size(), 18U);
  EXPECT_EQ(hex(rows.rows(1, 2)), "00020000000800000000000000020000000178");
  EXPECT_EQ(rows.rows(0, 2), rows.bytes);
}

// A misfit in a later column leaves nothing of the earlier ones behind.
TEST(EncodedRowsTest, AMisfitLeavesNothingBehind) {
  EncodedRows rows;
  ASSERT_EQ(append_row(two_columns(), {Value(int64_t{1}), Value()}, &rows), std::nullopt);
  const std::string before = rows.bytes;
  EXPECT_EQ(append_row(two_columns(), {Value(int64_t{2}), Value(Blob{"x"})}, &rows), 1U);
  EXPECT_EQ(append_row(two_columns(), {Value(Text{"x"}), Value()}, &rows), 0U);
  EXPECT_EQ(rows.bytes, before);
  EXPECT_EQ(rows.count(), 1U);
}

TEST(EncodedRowsTest, AStatementsRowIsEncodedAsItsValuesAre) {
  auto source = sqlite::Connection::open({":memory:", sqlite::Access::kCreate});
  ASSERT_TRUE(source);
  auto select = sqlite::Statement::prepare(
      source.value(), "SELECT NULL, 1, 1.5, 'it', x'00ff', 9e999, CAST(x'610062' AS TEXT)");
  ASSERT_TRUE(select);
  ASSERT_TRUE(select.value().step().value());
  Table table;
  table.columns.resize(7);
  EncodedRows from_statement;
  EncodedRows from_values;
  EXPECT_EQ(append_row(table, select.value(), &from_statement), std::nullopt);
  EXPECT_EQ(append_row(table, select.value().row(), &from_values), std::nullopt);
  EXPECT_EQ(hex(from_statement.bytes), hex(from_values.bytes));
}

}  // namespace
}  // namespace crossfade::apply
