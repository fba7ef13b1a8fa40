#include "apply/snapshot_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/core/limits.h"
#include "engine/schema/catalog.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::apply {
namespace {

Deadline never() {
  return Deadline::after(std::chrono::hours(1));
}

class SnapshotReaderTest : public ::testing::Test {
 protected:
  void exec(const std::string& sql) {
    const Status done = source_.exec(sql);
    ASSERT_TRUE(done) << describe(done.error());
  }

  Table table(const std::string& name) {
    auto catalog = schema::read_catalog(source_);
    EXPECT_TRUE(catalog);
    for (Table& each : catalog.value().tables) {
      if (each.name == name) return std::move(each);
    }
    ADD_FAILURE() << name;
    return {};
  }

  // All rows as a copy should have them, in any order.
  std::vector<std::string> expected(const Table& of) {
    std::string columns;
    for (const Column& c : of.columns) columns += (columns.empty() ? "" : ",") + c.source_sql;
    auto rows = sqlite::Statement::prepare(
        source_, fmt::format("SELECT {} FROM {}", columns, sqlite::quote(of.name)));
    EXPECT_TRUE(rows);
    std::vector<std::string> out;
    while (rows.value().step().value()) {
      EncodedRows one;
      EXPECT_EQ(RowEncoder(of).append(rows.value().row(), &one), std::nullopt);
      out.push_back(one.bytes);
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  CopyChunk chunk(const Table& of, const CopyPosition& from, int64_t rows_max,
                  Deadline deadline = never()) {
    auto read = read_copy_chunk(source_, of, from, rows_max, deadline);
    EXPECT_TRUE(read) << describe(read.error());
    return read ? std::move(read).value() : CopyChunk{};
  }

  // The whole table in chunks, each begun from the text of the last one's position.
  std::vector<std::string> copied(const Table& of, int64_t rows_max) {
    std::vector<std::string> out;
    std::string position;
    for (int i = 0; i < 10'000; ++i) {
      const auto from = CopyPosition::from_text(position);
      EXPECT_TRUE(from.has_value()) << position;
      const CopyChunk read = chunk(of, *from, rows_max);
      EXPECT_LE(static_cast<int64_t>(read.rows.count()), rows_max);
      for (size_t r = 0; r < read.rows.count(); ++r) {
        out.emplace_back(read.rows.rows(r, r + 1));
      }
      position = read.position.to_text();
      if (!read.last) {
        EXPECT_GT(read.rows.count(), 0U);
        continue;
      }
      std::sort(out.begin(), out.end());
      return out;
    }
    ADD_FAILURE() << "no end";
    return out;
  }

  sqlite::Connection source_ =
      std::move(sqlite::Connection::open({":memory:", sqlite::Access::kCreate})).value();
};

class ChunkSizeTest : public SnapshotReaderTest, public ::testing::WithParamInterface<int> {};

// Promise: chunks of any size, resumed from the text of any position, are the table.
TEST_P(ChunkSizeTest, ChunksAreTheTable) {
  exec(R"(
    CREATE TABLE alias(id INTEGER PRIMARY KEY, v);
    CREATE TABLE keyless(v);
    CREATE TABLE textkey(k TEXT PRIMARY KEY, v);
    CREATE TABLE hidden(rowid TEXT PRIMARY KEY NOT NULL, oid, _rowid_);
    CREATE TABLE one(k PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE two(a, v, b, PRIMARY KEY(b, a)) WITHOUT ROWID;
    CREATE TABLE three(a INT, b TEXT COLLATE NOCASE, c, PRIMARY KEY(a, b DESC, c)) WITHOUT ROWID;
    CREATE TABLE folded(k TEXT COLLATE NOCASE, v, PRIMARY KEY(k COLLATE BINARY)) WITHOUT ROWID;
    CREATE TABLE folds(k TEXT, v, PRIMARY KEY(k COLLATE NOCASE)) WITHOUT ROWID;
    CREATE TABLE empty(id INTEGER PRIMARY KEY);
    CREATE TABLE none(a, b, PRIMARY KEY(a, b)) WITHOUT ROWID;
    INSERT INTO alias VALUES (-9223372036854775808,'min'),(-5,1),(0,2),(1,3),(7,NULL),
      (9223372036854775807,'max');
    INSERT INTO keyless VALUES (1),(1),(1),(NULL),('x');
    INSERT INTO textkey VALUES ('b',1),('a',2),('',3),('é',4);
    INSERT INTO hidden VALUES ('b',1,1),('a',2,2),('c',3,3);
    INSERT INTO one VALUES (1),(2.5),('1'),(x'00'),(''),('a'),(x'');
    INSERT INTO two SELECT a.value, 'v', b.value FROM
      (SELECT 1 AS value UNION SELECT 'x' UNION SELECT 2.5) a,
      (SELECT 1 AS value UNION SELECT 2 UNION SELECT 'y' UNION SELECT x'00') b;
    INSERT INTO three SELECT a.value, b.value, c.value FROM
      (SELECT 1 AS value UNION SELECT 2) a, (SELECT 'a' AS value UNION SELECT 'B') b,
      (SELECT 1 AS value UNION SELECT 'z' UNION SELECT 3) c;
    INSERT INTO folded VALUES ('a',1),('A',2),('b',3),('B',4),('aa',5);
    INSERT INTO folds VALUES ('a',1),('B',2),('c',3),('D',4);
  )");
  for (const char* name : {"alias", "keyless", "textkey", "hidden", "one", "two", "three", "folded",
                           "folds", "empty", "none"}) {
    const Table of = table(name);
    EXPECT_EQ(copied(of, GetParam()), expected(of)) << name << " by " << GetParam();
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ChunkSizeTest, ::testing::Values(1, 2, 3, 4, 5, 7, 1000));

// What comes above the rowid that was the last at the start is in the change log.
TEST_F(SnapshotReaderTest, RowsAboveTheFirstEndAreLeftToTheLog) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1),(2),(3)");
  const Table of = table("t");
  const CopyChunk first = chunk(of, {}, 2);
  EXPECT_FALSE(first.last);
  exec("INSERT INTO t VALUES (4); DELETE FROM t WHERE id=3");
  const CopyChunk second = chunk(of, first.position, 2);
  EXPECT_TRUE(second.last);
  EXPECT_EQ(second.rows.count(), 0U);
}

TEST_F(SnapshotReaderTest, APassedDeadlineStillGivesOneRow) {
  exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000)"
      "INSERT INTO t SELECT i FROM n");
  const CopyChunk read = chunk(table("t"), {}, 1000, Deadline::after(std::chrono::seconds(-1)));
  EXPECT_GE(read.rows.count(), 1U);
  EXPECT_LT(read.rows.count(), 1000U);
  EXPECT_FALSE(read.last);
}

TEST_F(SnapshotReaderTest, AChunkEndsAtItsBytes) {
  exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, v);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<12)"
      "INSERT INTO t SELECT i, zeroblob(1000000) FROM n");
  Table of = table("t");
  of.columns[1].type = TargetType::kBytea;
  of.columns[0].type = TargetType::kBigint;
  const CopyChunk read = chunk(of, {}, 1000);
  EXPECT_GE(read.rows.bytes.size(), limits::kCopyBufferBytesMax);
  EXPECT_LE(read.rows.bytes.size(), limits::kCopyBufferBytesMax + 1'000'100);
  EXPECT_FALSE(read.last);
}

// A row that does not fit is named, carried along whole, and holds nothing up.
TEST_F(SnapshotReaderTest, MisfitsAreSetAsideExactly) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1,1),(2,'x'),(3,3)");
  Table of = table("t");
  of.columns[0].type = TargetType::kBigint;
  of.columns[1].type = TargetType::kBigint;
  const CopyChunk read = chunk(of, {}, 10);
  EXPECT_EQ(read.rows.count(), 2U);
  ASSERT_EQ(read.misfits.size(), 1U);
  EXPECT_EQ(read.misfits[0].row, (Row{Value(int64_t{2}), Value(Text{"x"})}));
  EXPECT_EQ(read.misfits[0].column, "n");
  EXPECT_TRUE(read.last);
}

TEST_F(SnapshotReaderTest, OrderIsStableUnlessVacuumMayRenumber) {
  exec(
      "CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE b(v); CREATE TABLE c(k TEXT PRIMARY "
      "KEY); CREATE TABLE d(k PRIMARY KEY) WITHOUT ROWID");
  EXPECT_TRUE(copy_order_is_stable(table("a")));
  EXPECT_FALSE(copy_order_is_stable(table("b")));
  EXPECT_FALSE(copy_order_is_stable(table("c")));
  EXPECT_TRUE(copy_order_is_stable(table("d")));
}

TEST(CopyPositionTest, TextRoundTrips) {
  CopyPosition position{true,
                        -42,
                        INT64_MAX,
                        true,
                        {Value(Text{std::string("a\0\xff", 3)}), Value(1.0), Value(Blob{""})}};
  const std::string text = position.to_text();
  const auto read = CopyPosition::from_text(text);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->started, true);
  EXPECT_EQ(read->rowid, -42);
  EXPECT_EQ(read->rowid_end, INT64_MAX);
  EXPECT_EQ(read->rowid_done, true);
  EXPECT_EQ(read->key, position.key);
  EXPECT_EQ(read->to_text(), text);
  EXPECT_EQ(CopyPosition::from_text("")->to_text(), CopyPosition{}.to_text());
}

TEST(CopyPositionTest, DamagedTextIsNothing) {
  for (const char* text : {"x", "1", "1 2 3", "1 2 3 0", "1 2 3 0 3", "1 2 3 0 zz", "1 2 3 0 33",
                           "1 2 3 0 30 ", "1 99999999999999999999 3 0 "}) {
    EXPECT_FALSE(CopyPosition::from_text(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace crossfade::apply
