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
  const ColumnType plain = type;
  if (!append_field(view_of(value), Codec(plain), &out)) {
    EXPECT_EQ(out, "before");
    return "-";
  }
  const auto length = postgres::read_be<int32_t>(out, 6);
  if (length == -1) return "null";
  EXPECT_EQ(static_cast<size_t>(length), out.size() - 10);
  return hex(std::string_view(out).substr(10));
}

// The field's bytes themselves.
std::string bytes_of(const Value& value, T type) {
  std::string out;
  const ColumnType plain = type;
  EXPECT_TRUE(append_field(view_of(value), Codec(plain), &out));
  return out.substr(4);
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

// What would come back without its sign, or INTEGER, is no numeric.
TEST(EncoderTest, NumericRefusesWhatItWouldChange) {
  EXPECT_EQ(field(Value(-0.0), T::kNumeric), "-");
  for (const double whole : {0x1p53, -0x1p53, 6069654450055565312.0}) {
    EXPECT_EQ(field(Value(whole), T::kNumeric), "-") << whole;
  }
  for (const double real : {0x1p53 - 1, 0x1p63, -0x1p63, 1e300, -1e20}) {
    EXPECT_NE(field(Value(real), T::kNumeric), "-") << real;
  }
  EXPECT_NE(field(Value(0.0), T::kNumeric), "-");
  EXPECT_EQ(bytes_of(Value(-0.0), T::kVariant), "\1{\"$real\":\"-0.0\"}");
}

TEST(EncoderTest, NumericWithLimitsNeverRounds) {
  ColumnType type = T::kNumeric;
  type.precision = 5;
  type.scale = 2;
  const auto fits = [&type](const Value& value) {
    std::string out;
    return append_field(view_of(value), Codec(type), &out);
  };
  for (const double real : {0.0, 1.0, 0.01, -999.99, 0.1, 100.5, 1e2}) {
    EXPECT_TRUE(fits(Value(real))) << real;
  }
  for (const double real : {0.001, 1000.0, 999.999, 1e-300, 1e300, 0.1 + 0.2,
                            std::numeric_limits<double>::infinity()}) {
    EXPECT_FALSE(fits(Value(real))) << real;
  }
  EXPECT_TRUE(fits(Value(int64_t{0})));
  EXPECT_TRUE(fits(Value(int64_t{-999})));
  EXPECT_FALSE(fits(Value(int64_t{1000})));
}

TEST(EncoderTest, AMisfitIsNamedWithItsClassAndType) {
  ColumnType dated = T::kTimestamp;
  dated.form = SourceForm::kPattern;
  dated.pattern = "%Y-%m-%d %H:%M";
  EXPECT_EQ(misfit_reason(Value(Text{"2021-02-30 00:00"}), dated),
            "text '2021-02-30 00:00' does not fit timestamp from TEXT as %Y-%m-%d %H:%M");
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

std::optional<size_t> encode(const Row& row, EncodedRows* out) {
  const Table table = two_columns();
  return RowEncoder(table).append(row, out);
}

TEST(EncodedRowsTest, ARowIsItsCountAndItsFields) {
  EncodedRows rows;
  EXPECT_EQ(encode({Value(int64_t{1}), Value()}, &rows), std::nullopt);
  EXPECT_EQ(hex(rows.bytes), "0002000000080000000000000001ffffffff");
  EXPECT_EQ(encode({Value(int64_t{2}), Value(Text{"x"})}, &rows), std::nullopt);
  EXPECT_EQ(rows.count(), 2U);
  EXPECT_EQ(rows.rows(0, 1).size(), 18U);
  EXPECT_EQ(hex(rows.rows(1, 2)), "00020000000800000000000000020000000178");
  EXPECT_EQ(rows.rows(0, 2), rows.bytes);
}

// A misfit in a later column leaves nothing of the earlier ones behind.
TEST(EncodedRowsTest, AMisfitLeavesNothingBehind) {
  EncodedRows rows;
  ASSERT_EQ(encode({Value(int64_t{1}), Value()}, &rows), std::nullopt);
  const std::string before = rows.bytes;
  EXPECT_EQ(encode({Value(int64_t{2}), Value(Blob{"x"})}, &rows), 1U);
  EXPECT_EQ(encode({Value(Text{"x"}), Value()}, &rows), 0U);
  EXPECT_EQ(rows.bytes, before);
  EXPECT_EQ(rows.count(), 1U);
}

// What the target computes is not sent; a value that it could not hold is a misfit all the same.
TEST(EncodedRowsTest, WhatTheTargetComputesIsOnlyLookedAt) {
  Table table = two_columns();
  table.columns[0].target_generated = "1";
  const RowEncoder encoder(table);
  EncodedRows rows;
  EXPECT_EQ(encoder.append({Value(int64_t{1}), Value(Text{"x"})}, &rows), std::nullopt);
  EXPECT_EQ(hex(rows.bytes), "00010000000178");
  EXPECT_EQ(encoder.append({Value(1.5), Value(Text{"x"})}, &rows), 0U);
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
  EXPECT_EQ(RowEncoder(table).append(select.value(), &from_statement), std::nullopt);
  EXPECT_EQ(RowEncoder(table).append(select.value().row(), &from_values), std::nullopt);
  EXPECT_EQ(hex(from_statement.bytes), hex(from_values.bytes));
}

}  // namespace
}  // namespace crossfade::apply
