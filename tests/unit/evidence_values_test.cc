#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "engine/schema/evidence_decimal.h"
#include "engine/schema/evidence_floats.h"
#include "engine/schema/evidence_jsonb_blob.h"
#include "engine/schema/evidence_uuid.h"
#include "engine/schema/evidence_words.h"

namespace crossfade::schema {
namespace {

TEST(EvidenceUuidTest, Spellings) {
  EXPECT_EQ(read_uuid("123e4567-e89b-12d3-a456-426614174000"), UuidText::kLower);
  EXPECT_EQ(read_uuid("123E4567-E89B-12D3-A456-426614174000"), UuidText::kUpper);
  EXPECT_EQ(read_uuid("123E4567-e89b-12d3-a456-426614174000"), UuidText::kMixedCase);
  EXPECT_EQ(read_uuid("12345678-1234-1234-1234-123456789012"), UuidText::kDigits);
  EXPECT_EQ(read_uuid("123e4567e89b12d3a456426614174000"), UuidText::kHex);
  EXPECT_EQ(read_uuid("123E4567E89B12D3A456426614174000"), UuidText::kUpperHex);
  for (const char* text :
       {"", "{123e4567-e89b-12d3-a456-426614174000}", "123e4567-e89b-12d3-a456-42661417400",
        "123e4567-e89b-12d3-a456-4266141740000", "123e4567-e89b-12d3-a456-42661417400g",
        "123e4567e-89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456_426614174000",
        "123e4567e89b12d3a45642661417400-", "--------------------------------"}) {
    EXPECT_EQ(read_uuid(text), UuidText::kNone) << text;
  }
}

TEST(EvidenceUuidTest, Version) {
  EXPECT_EQ(uuid_hex_version("123e4567e89b42d3a456426614174000"), 4);
  EXPECT_EQ(uuid_hex_version("123e4567e89b72d38456426614174000"), 7);
  EXPECT_EQ(uuid_hex_version("123e4567e89bf2d3a456426614174000"), 0);
  EXPECT_EQ(uuid_hex_version("123e4567e89b42d3c456426614174000"), 0);
  std::string bytes(16, '\0');
  EXPECT_EQ(uuid_version(bytes), 0);
  bytes[6] = 0x4f;
  bytes[8] = static_cast<char>(0xbf);
  EXPECT_EQ(uuid_version(bytes), 4);
  bytes[8] = static_cast<char>(0xcf);
  EXPECT_EQ(uuid_version(bytes), 0);
}

TEST(EvidenceDecimalTest, Declarations) {
  EXPECT_EQ(decimal_limits("DECIMAL(10,2)")->scale, 2);
  EXPECT_EQ(decimal_limits("NUMERIC ( 8 , 0 )")->precision, 8);
  EXPECT_EQ(decimal_limits("NUMERIC(8)")->scale, 0);
  for (const char* declared : {"DECIMAL", "DECIMAL()", "DECIMAL(0)", "DECIMAL(1001)",
                               "DECIMAL(2,3)", "DECIMAL(5,-1)", "DECIMAL(a)", "DECIMAL(5,2,1)",
                               "DECIMAL(5", "DECIMAL 5)", "DECIMAL(99999999999999999999)"}) {
    EXPECT_FALSE(decimal_limits(declared)) << declared;
  }
  EXPECT_EQ(declared_length("VARCHAR(20)"), 20);
  EXPECT_FALSE(declared_length("VARCHAR"));
  EXPECT_FALSE(declared_length("VARCHAR(max)"));
}

TEST(EvidenceDecimalTest, Fits) {
  const DecimalLimits limits{.precision = 5, .scale = 2};
  for (const double value : {0.0, 3.1, -3.14, 999.99, -999.99, 0.01, 100.0, 1.10}) {
    EXPECT_TRUE(fits(value, limits)) << value;
  }
  for (const double value : {1000.0, 999.999, 3.141, 0.001, 0.1 + 0.2, 1e300, 5e-324, -0.0,
                             double{INFINITY}, double{NAN}}) {
    EXPECT_FALSE(fits(value, limits)) << value;
  }
  EXPECT_TRUE(fits(int64_t{0}, limits));
  EXPECT_TRUE(fits(int64_t{-999}, limits));
  EXPECT_FALSE(fits(int64_t{1000}, limits));
  EXPECT_FALSE(fits(INT64_MIN, limits));
  EXPECT_TRUE(fits(INT64_MIN, DecimalLimits{19, 0}));
  EXPECT_TRUE(fits(0.05, DecimalLimits{2, 2}));
  EXPECT_FALSE(fits(1.05, DecimalLimits{2, 2}));
  EXPECT_TRUE(fits(1.5e15, DecimalLimits{16, 0}));
  EXPECT_FALSE(fits(1.5e16, DecimalLimits{16, 0}));
}

template <typename T>
std::string blob(const std::vector<T>& values) {
  std::string out(values.size() * sizeof(T), '\0');
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

template <typename T>
std::vector<T> gaussian(std::mt19937* random, size_t count) {
  std::normal_distribution<T> normal(0, static_cast<T>(0.05));
  std::vector<T> out(count);
  for (T& value : out) value = normal(*random);
  return out;
}

std::optional<SourceForm> form_of(const std::vector<std::string>& blobs) {
  FloatEvidence evidence;
  for (const std::string& each : blobs) evidence.add(each);
  return evidence.form(static_cast<int64_t>(blobs.size()));
}

TEST(EvidenceFloatsTest, TellsFloatsFromDoubles) {
  std::mt19937 random(7);
  for (const size_t count : {16U, 17U, 96U, 384U, 1536U}) {
    EXPECT_EQ(
        form_of({blob(gaussian<float>(&random, count)), blob(gaussian<float>(&random, count))}),
        SourceForm::kFloat32Bytes)
        << count;
    EXPECT_EQ(form_of({blob(gaussian<double>(&random, count))}), SourceForm::kFloat64Bytes)
        << count;
  }
  std::vector<double> round(32);
  for (size_t i = 0; i < round.size(); ++i) round[i] = 0.5 * static_cast<double>(i);
  EXPECT_EQ(form_of({blob(round)}), SourceForm::kFloat64Bytes);
}

TEST(EvidenceFloatsTest, Refuses) {
  std::mt19937 random(7);
  const std::string good = blob(gaussian<float>(&random, 32));
  EXPECT_FALSE(form_of({}));
  EXPECT_FALSE(form_of({good, good.substr(0, 124)})) << "another length";
  EXPECT_FALSE(form_of({good.substr(0, 60)})) << "too short";
  EXPECT_FALSE(form_of({good + "x"})) << "no multiple";
  EXPECT_FALSE(form_of({std::string(128, '\0')})) << "zeros";
  EXPECT_FALSE(form_of({std::string(128, '7')})) << "digits as text";
  EXPECT_FALSE(
      form_of({std::string("The quick brown fox jumps over the lazy dog, and the dog "
                           "sleeps on")}))
      << "text";
  std::vector<float> broken = gaussian<float>(&random, 33);
  broken[5] = NAN;
  EXPECT_FALSE(form_of({blob(broken)}));
  broken[5] = INFINITY;
  EXPECT_FALSE(form_of({blob(broken)}));
  for (int i = 0; i < 200; ++i) {
    std::string noise(128, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    EXPECT_FALSE(form_of({noise}));
  }
}

// Bytes as SQLite 3.45's jsonb() writes them.
TEST(EvidenceJsonbBlobTest, KnowsSqlitesOwn) {
  const auto bytes = [](std::initializer_list<int> values) {
    std::string out;
    for (const int value : values) out += static_cast<char>(value);
    return out;
  };
  EXPECT_TRUE(is_sqlite_jsonb(bytes({0x0c})));                        // {}
  EXPECT_TRUE(is_sqlite_jsonb(bytes({0x0b})));                        // []
  EXPECT_TRUE(is_sqlite_jsonb(bytes({0x4b, 0x13, '1', 0x13, '2'})));  // [1,2]
  EXPECT_TRUE(is_sqlite_jsonb(bytes({0x4c, 0x17, 'a', 0x13, '1'})));  // {"a":1}
  EXPECT_TRUE(is_sqlite_jsonb(bytes({0xcb, 0x01, 0x01})));            // [true], sized
  EXPECT_FALSE(is_sqlite_jsonb(bytes({})));
  EXPECT_FALSE(is_sqlite_jsonb(bytes({0x13, '1'}))) << "a scalar says too little";
  EXPECT_FALSE(is_sqlite_jsonb(bytes({0x4b, 0x13, '1', 0x13}))) << "cut off";
  EXPECT_FALSE(is_sqlite_jsonb(bytes({0x4c, 0x13, '1', 0x13, '1'}))) << "a number as label";
  EXPECT_FALSE(is_sqlite_jsonb(bytes({0x2c, 0x17, 'a'}))) << "a label alone";
  EXPECT_FALSE(is_sqlite_jsonb(bytes({0x0b, 0x00}))) << "more behind it";
  EXPECT_FALSE(is_sqlite_jsonb(bytes({0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})));
  EXPECT_FALSE(is_sqlite_jsonb(std::string(10000, static_cast<char>(0xfb)))) << "deep";
}

TEST(EvidenceWordsTest, KnowsBooleanWords) {
  for (const char* word : {"t", "F", "True", "FALSE", "yes", "No", "y", "N", "on", "OFF"}) {
    EXPECT_TRUE(is_boolean_word(word)) << word;
  }
  for (const char* word : {"", "0", "1", "tru", "null", "o", "ye"}) {
    EXPECT_FALSE(is_boolean_word(word)) << word;
  }
}

}  // namespace
}  // namespace crossfade::schema
