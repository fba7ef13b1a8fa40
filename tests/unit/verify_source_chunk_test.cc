// Promise: the chunks of a table hold each of its rows once, in key order, and stay bounded.
#include "verify/source_chunk.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "engine/sqlite/connection.h"
#include "tests/unit/verify_tables.h"
#include "verify/chunk.h"
#include "verify/key_match.h"
#include "verify/key_text.h"

namespace crossfade::verify {
namespace {

using testing::column;
using testing::make_table;

const Deadline kNoHurry = Deadline::after(std::chrono::hours(1));

class SourceChunkTest : public ::testing::Test {
 protected:
  SourceChunkTest() : source_(testing::memory_database()) {}

  void exec(const std::string& sql) {
    const auto done = source_.exec(sql);
    ASSERT_TRUE(done) << describe(done.error());
  }

  // Reads all chunks; every key once, or the test fails.
  std::vector<SourceChunk> read_all(const std::shared_ptr<const Table>& table, int64_t rows_max,
                                    Deadline deadline = kNoHurry) {
    std::vector<SourceChunk> chunks;
    std::set<std::string> seen;
    Row after;
    while (chunks.empty() || !chunks.back().last) {
      auto chunk = read_source_chunk(source_, table, after, rows_max, deadline, true);
      EXPECT_TRUE(chunk) << describe(chunk.error());
      if (!chunk) break;
      for (const RowDigest& row : chunk.value().rows) {
        EXPECT_TRUE(seen.insert(row.key).second) << "a row came twice";
      }
      after = chunk.value().through;
      chunks.push_back(std::move(chunk).value());
    }
    return chunks;
  }

  static size_t rows_in(const std::vector<SourceChunk>& chunks) {
    size_t rows = 0;
    for (const SourceChunk& chunk : chunks) rows += chunk.rows.size();
    return rows;
  }

  sqlite::Connection source_;
};

TEST_F(SourceChunkTest, AnEmptyTableIsOneEmptyChunk) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)");
  const auto table =
      make_table("t", {column("id", TargetType::kBigint), column("v", TargetType::kText)}, {0});
  const auto chunks = read_all(table, 10);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_TRUE(chunks[0].last && chunks[0].rows.empty() && chunks[0].through.empty());
  EXPECT_EQ(chunks[0].sum, Digest128{});
}

TEST_F(SourceChunkTest, EveryChunkSizeReadsEveryRowOnceWithOneSum) {
  exec("CREATE TABLE t(a TEXT, b INTEGER, v REAL, PRIMARY KEY(a, b)) WITHOUT ROWID");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 29)"
      " INSERT INTO t SELECT char(97 + i % 4), i / 4 - 3, i * 0.1 FROM n");
  const auto table = make_table("t",
                                {column("a", TargetType::kText), column("b", TargetType::kBigint),
                                 column("v", TargetType::kDouble)},
                                {0, 1});
  Digest128 whole = read_all(table, 1000)[0].sum;
  for (const int64_t rows_max : {1, 2, 3, 7, 29, 30, 31}) {
    const auto chunks = read_all(table, rows_max);
    EXPECT_EQ(rows_in(chunks), 30U) << rows_max;
    EXPECT_EQ(chunks.size(), static_cast<size_t>((30 + rows_max - 1) / rows_max)) << rows_max;
    Digest128 sum;
    for (const SourceChunk& chunk : chunks) sum += chunk.sum;
    EXPECT_EQ(sum, whole) << rows_max;
    EXPECT_TRUE(chunks.back().through.empty());
    EXPECT_EQ(chunks[0].through.empty(), chunks.size() == 1);
  }
}

TEST_F(SourceChunkTest, ALateReaderStillAdvances) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  exec("INSERT INTO t VALUES (1),(2),(3)");
  const auto table = make_table("t", {column("id", TargetType::kBigint)}, {0});
  const auto chunks = read_all(table, 1000, Deadline::after(std::chrono::seconds(0)));
  EXPECT_EQ(chunks.size(), 3U);
  EXPECT_EQ(rows_in(chunks), 3U);
}

TEST_F(SourceChunkTest, UnrepresentableKeysNeverBoundAChunk) {
  exec("CREATE TABLE t(id INT PRIMARY KEY, v)");
  exec("INSERT INTO t VALUES (1, 1),(1.5, 2),(2, 'x'),(2.5, 4),('a', 5),(x'00', 6),(NULL, 7)");
  const auto table =
      make_table("t", {column("id", TargetType::kBigint), column("v", TargetType::kBigint)}, {0});
  for (const int64_t rows_max : {1, 2, 3}) {
    const auto chunks = read_all(table, rows_max);
    EXPECT_EQ(rows_in(chunks), 7U);
    for (const SourceChunk& chunk : chunks) {
      EXPECT_TRUE(chunk.last || chunk.through[0].storage() == StorageClass::kInteger);
    }
  }
  const auto rows = read_all(table, 100)[0].rows;
  EXPECT_TRUE(rows[1].representable);
  EXPECT_EQ(rows[0].key_literal, "id=NULL (cannot be represented: id holds NULL)");
  EXPECT_EQ(rows[2].key_literal, "id=1.5 (cannot be represented: id holds 1.5)");
  EXPECT_EQ(rows[3].key_literal, "id=2 (cannot be represented: v holds 'x')");
}

TEST_F(SourceChunkTest, UnorderedTablesComeInBoundedChunksByCanonicalKey) {
  exec("CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, v INTEGER)");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 99)"
      " INSERT INTO t SELECT hex(randomblob(8)) || i, i FROM n");
  auto key = column("k", TargetType::kText);
  key.collation = "NOCASE";
  const auto table = make_table("t", {key, column("v", TargetType::kBigint)}, {0});
  EXPECT_FALSE(comparable_by_range(*table, true));
  const auto whole = read_all(table, 1);
  ASSERT_EQ(whole.size(), 1U);
  EXPECT_FALSE(whole[0].by_range);
  for (const size_t rows_max : {1, 2, 3, 33, 99, 100}) {
    std::set<std::string> seen;
    Digest128 sum;
    Row after;
    for (bool last = false; !last;) {
      auto chunk = read_unordered_chunk(source_, table, after, rows_max);
      ASSERT_TRUE(chunk) << describe(chunk.error());
      EXPECT_LE(chunk.value().rows.size(), rows_max);
      for (const RowDigest& row : chunk.value().rows) EXPECT_TRUE(seen.insert(row.key).second);
      sum += chunk.value().sum;
      after = chunk.value().through;
      last = chunk.value().last;
      EXPECT_EQ(last, after.empty());
    }
    EXPECT_EQ(seen.size(), 100U) << rows_max;
    EXPECT_EQ(sum, whole[0].sum) << rows_max;
  }
}

TEST_F(SourceChunkTest, RangesNeedKeysThatBothSidesOrderAlike) {
  const auto comparable = [](TargetType type, bool utf8 = true, const char* collation = "BINARY") {
    auto c = column("k", type);
    c.collation = collation;
    return comparable_by_range(*make_table("t", {c}, {0}), utf8);
  };
  EXPECT_TRUE(comparable(TargetType::kBigint) && comparable(TargetType::kBytea, false));
  EXPECT_TRUE(comparable(TargetType::kText) && comparable(TargetType::kDouble));
  EXPECT_FALSE(comparable(TargetType::kText, false));
  EXPECT_FALSE(comparable(TargetType::kText, true, "NOCASE"));
  EXPECT_FALSE(comparable(TargetType::kNumeric) || comparable(TargetType::kVariant));
}

TEST_F(SourceChunkTest, KeysAreFoundExactly) {
  exec("CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, v INTEGER)");
  exec("INSERT INTO t VALUES ('a', 1), ('B', 2)");
  const auto table =
      make_table("t", {column("k", TargetType::kText), column("v", TargetType::kBigint)}, {0});
  const auto key = [](const char* k) { return Row{Value(Text{k})}; };
  const auto keys = read_source_keys(source_, table, {key("A"), key("B"), key("c"), Row{Value()}});
  ASSERT_TRUE(keys) << describe(keys.error());
  ASSERT_EQ(keys.value().found.size(), 1U);
  EXPECT_EQ(key_text(*table, keys.value().found[0].key), "k='B'");
}

TEST_F(SourceChunkTest, AColumnThatIsGoneIsAnErrorAndNotAText) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  const auto table =
      make_table("t", {column("id", TargetType::kBigint), column("gone", TargetType::kText)}, {0});
  EXPECT_FALSE(read_source_chunk(source_, table, {}, 1, kNoHurry, true));
}

TEST_F(SourceChunkTest, OneFlippedByteChangesTheSum) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB)");
  exec("INSERT INTO t VALUES (1, zeroblob(9)), (2, zeroblob(9))");
  const auto table =
      make_table("t", {column("id", TargetType::kBigint), column("v", TargetType::kBytea)}, {0});
  const Digest128 before = read_all(table, 10)[0].sum;
  exec("UPDATE t SET v = x'000000000000000001' WHERE id = 2");
  EXPECT_NE(read_all(table, 10)[0].sum, before);
  exec("UPDATE t SET v = zeroblob(9) WHERE id = 2");
  EXPECT_EQ(read_all(table, 10)[0].sum, before);
}

TEST(KeyTextTest, ReadsLikeALiteral) {
  const auto table = make_table("t",
                                {column("a", TargetType::kNumeric), column("b", TargetType::kText),
                                 column("c", TargetType::kVariant)},
                                {0, 1, 2});
  std::string key;
  for (const auto& [value, shown] :
       std::vector<std::pair<Value, std::string>>{{Value(int64_t{5}), "5"},
                                                  {Value(-1.25), "-1.25"},
                                                  {Value(0.05), "0.05"},
                                                  {Value(int64_t{1200}), "1200"},
                                                  {Value(1.5e300), "1.5e300"},
                                                  {Value(1e-20), "1e-20"}}) {
    key.clear();
    ASSERT_TRUE(append_canonical_source(value, TargetType::kNumeric, &key));
    ASSERT_TRUE(append_canonical_source(Value(Text{"it's"}), TargetType::kText, &key));
    ASSERT_TRUE(append_canonical_source(Value(Blob{"\x01"}), TargetType::kVariant, &key));
    EXPECT_EQ(key_text(*table, key), "(a, b, c)=(" + shown + ", 'it''s', x'01')");
  }
}

TEST(KeyMatchTest, CountsEachKindOnceAndASecondRowOfAKeyAsExtra) {
  const auto table = make_table("t", {column("id", TargetType::kBigint)}, {0});
  std::vector<RowDigest> rows;
  const auto key = [](int64_t id) {
    std::string out;
    EXPECT_TRUE(append_canonical_source(Value(id), TargetType::kBigint, &out));
    return out;
  };
  for (const int64_t id : {3, 1, 2}) rows.push_back({key(id), Digest128{0, 7}});
  KeyMatch match(*table, rows);
  ChunkVerdict verdict;
  match.meet(key(1), Digest128{0, 7}, &verdict);
  match.meet(key(1), Digest128{0, 7}, &verdict);
  match.meet(key(2), Digest128{0, 8}, &verdict);
  match.meet(key(-9), Digest128{0, 7}, &verdict);
  match.finish(&verdict);
  EXPECT_EQ(verdict.missing, 1);
  EXPECT_EQ(verdict.changed, 1);
  EXPECT_EQ(verdict.extra, 2);
  EXPECT_EQ(verdict.rows_source, 3);
  EXPECT_EQ(verdict.rows_target, 4);
  ChunkVerdict total;
  for (int i = 0; i < 20; ++i) total.merge(verdict);
  EXPECT_EQ(total.extra, 40);
  EXPECT_EQ(total.samples.size(), 30U);  // ten of each kind
}

}  // namespace
}  // namespace crossfade::verify
