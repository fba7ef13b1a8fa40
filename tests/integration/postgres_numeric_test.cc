#include <fmt/core.h>
#include <gtest/gtest.h>

#include <random>
#include <string_view>

#include "engine/postgres/binary.h"
#include "engine/postgres/connection.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"

namespace crossfade::postgres {
namespace {

std::string random_digits(std::mt19937_64* random, size_t size_max) {
  std::string digits(std::uniform_int_distribution<size_t>(0, size_max)(*random), '0');
  // Long runs of zeros are where groups of four go wrong.
  const bool sparse = (*random)() % 3 == 0;
  for (char& c : digits) {
    if (!sparse || (*random)() % 4 == 0) c = static_cast<char>('0' + (*random)() % 10);
  }
  return digits;
}

std::string random_decimal(std::mt19937_64* random) {
  std::string text = (*random)() % 3 == 0 ? "-" : ((*random)() % 5 == 0 ? "+" : "");
  std::string whole = random_digits(random, 25);
  const std::string fraction = random_digits(random, 25);
  if (whole.empty() && fraction.empty()) whole = "0";
  text += whole;
  if (!fraction.empty() || (*random)() % 10 == 0) text += "." + fraction;
  if ((*random)() % 2 == 0) {
    text += fmt::format("e{}", std::uniform_int_distribution<int>(-330, 330)(*random));
  }
  return text;
}

// Promise: our binary numeric is the value, and the scale, that the server reads from the text.
TEST(PostgresNumericTest, BinaryAndTextAreTheSameToTheServer) {
  CROSSFADE_NEEDS_POSTGRES();
  auto connection = testing::connect_or_die(testing::TestCluster::admin_url());
  constexpr uint64_t kSeed = 20240607;
  std::mt19937_64 random(kSeed);
  constexpr int kRounds = 60;
  constexpr int kPerRound = 100;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::string> texts;
    std::vector<std::string> binaries(kPerRound);
    for (int i = 0; i < kPerRound; ++i) {
      texts.push_back(random_decimal(&random));
      ASSERT_TRUE(append_numeric(texts.back(), &binaries[static_cast<size_t>(i)])) << texts.back();
    }
    std::string sql = "SELECT ";
    std::vector<Param> params;
    for (size_t i = 0; i < texts.size(); ++i) {
      sql += fmt::format("{}(${}::text)::numeric::text, ${}::numeric::text", i == 0 ? "" : ", ",
                         2 * i + 1, 2 * i + 2);
      params.push_back({kTextOid, texts[i]});
      params.push_back({kNumericOid, binaries[i]});
    }
    auto answer = connection.query(sql, params);
    ASSERT_TRUE(answer) << describe(answer.error());
    for (int i = 0; i < kPerRound; ++i) {
      EXPECT_EQ(answer.value().text(0, 2 * i), answer.value().text(0, 2 * i + 1))
          << texts[static_cast<size_t>(i)] << " seed " << kSeed;
    }
  }
}

TEST(PostgresNumericTest, LimitsAreTheServers) {
  CROSSFADE_NEEDS_POSTGRES();
  auto connection = testing::connect_or_die(testing::TestCluster::admin_url());
  for (const char* text : {"0", "-0.000", "1e131071", "9.99e131071", "1e-16383", "5e-324",
                           "1.7976931348623157e308", "9223372036854775807", "-9223372036854775808",
                           "NaN", "Infinity", "-Infinity", ".5", "5."}) {
    const bool infinite = std::string_view(text).ends_with("Infinity");
    if (infinite && connection.server_version() < 140000) continue;  // its numeric has none
    std::string binary;
    ASSERT_TRUE(append_numeric(text, &binary)) << text;
    auto answer = connection.query("SELECT $1::numeric::text, ($2::text)::numeric::text",
                                   {{kNumericOid, binary}, {kTextOid, text}});
    ASSERT_TRUE(answer) << text << ": " << describe(answer.error());
    EXPECT_EQ(answer.value().text(0, 0), answer.value().text(0, 1)) << text;
  }
}

}  // namespace
}  // namespace crossfade::postgres
