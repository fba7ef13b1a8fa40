#include "engine/core/digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

namespace crossfade {
namespace {

std::vector<Digest128> some_digests(size_t count) {
  std::vector<Digest128> digests;
  for (size_t i = 0; i < count; ++i) digests.push_back(digest_bytes("row " + std::to_string(i)));
  return digests;
}

// Promise: a table's digest does not depend on the order its rows are read in.
TEST(DigestTest, SumIsOrderIndependent) {
  auto digests = some_digests(1000);
  Digest128 forward;
  for (const auto& d : digests) forward += d;
  std::mt19937 random(1);
  std::shuffle(digests.begin(), digests.end(), random);
  Digest128 shuffled;
  for (const auto& d : digests) shuffled += d;
  EXPECT_EQ(forward, shuffled);
}

// Promise: a change updates the sum by subtracting the old row and adding the new.
TEST(DigestTest, RollingUpdateEqualsAFreshSum) {
  const auto digests = some_digests(100);
  Digest128 rolling;
  for (const auto& d : digests) rolling += d;
  const Digest128 fresh_row = digest_bytes("changed");
  rolling -= digests[42];
  rolling += fresh_row;
  Digest128 fresh = fresh_row;
  for (size_t i = 0; i < digests.size(); ++i) {
    if (i != 42) fresh += digests[i];
  }
  EXPECT_EQ(rolling, fresh);
}

TEST(DigestTest, CarryAndBorrowCrossTheWords) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  Digest128 d{0, kMax};
  d += {0, 1};
  EXPECT_EQ(d, (Digest128{1, 0}));
  d -= {0, 1};
  EXPECT_EQ(d, (Digest128{0, kMax}));
  Digest128 all{kMax, kMax};
  all += {0, 1};
  EXPECT_EQ(all, (Digest128{0, 0}));
  all -= {0, 1};
  EXPECT_EQ(all, (Digest128{kMax, kMax}));
}

TEST(DigestTest, EveryFlippedBitIsSeen) {
  const std::string bytes = "0123456789abcdef";
  const Digest128 whole = digest_bytes(bytes);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(digest_bytes(flipped) == whole) << bit;
  }
}

TEST(DigestTest, PiecesHaveTheDigestOfTheWhole) {
  std::string whole;
  DigestStream stream;
  EXPECT_EQ(stream.digest(), digest_bytes(""));
  for (const size_t piece : {1, 0, 15, 16, 17, 240, 241, 1024, 100'000, 3}) {
    const std::string bytes(piece, static_cast<char>('a' + piece % 26));
    whole += bytes;
    stream.add(bytes);
    EXPECT_EQ(stream.digest(), digest_bytes(whole)) << whole.size();
  }
}

TEST(DigestTest, HexHas32Digits) {
  EXPECT_EQ(to_hex(Digest128{1, 0xabc}), "00000000000000010000000000000abc");
}

}  // namespace
}  // namespace crossfade
