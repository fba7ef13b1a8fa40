// Promise: a comparison names exactly the rows that are missing, extra or changed, whatever kind
// of key the table has and however it is cut into chunks.
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/postgres/connection.h"
#include "engine/sqlite/connection.h"
#include "tests/support/cluster.h"
#include "tests/unit/verify_tables.h"
#include "verify/chunk.h"
#include "verify/source_chunk.h"

namespace crossfade::verify {
namespace {

using crossfade::testing::TestCluster;
using testing::column;
using testing::make_table;

const Deadline kNoHurry = Deadline::after(std::chrono::hours(1));

class VerifyChunkTest : public ::testing::Test {
 protected:
  VerifyChunkTest() : source_(testing::memory_database()) {}

  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    url_ = TestCluster::create_database();
    auto params = postgres::ConnectionParams::parse(url_);
    ASSERT_TRUE(params) << describe(params.error());
    postgres::ConnectOptions options;
    options.params = std::move(params).value();
    auto opened = postgres::Connection::open(std::move(options));
    ASSERT_TRUE(opened) << describe(opened.error());
    target_ = std::make_unique<postgres::Connection>(std::move(opened).value());
  }
  void TearDown() override {
    target_.reset();
    if (!url_.empty()) TestCluster::drop_database(url_);
  }

  // numeric has infinities from PostgreSQL 14 on.
  [[nodiscard]] bool has_numeric_infinity() const { return target_->server_version() >= 140000; }

  void on_source(const std::string& sql) {
    const auto done = source_.exec(sql);
    ASSERT_TRUE(done) << describe(done.error());
  }
  void on_target(const std::string& sql) {
    const auto done = target_->exec(sql);
    ASSERT_TRUE(done) << describe(done.error());
  }

  ChunkVerdict compare(const SourceChunk& chunk, TableDigests* digests = nullptr) {
    auto verdict = compare_chunk(*target_, "public", chunk, digests);
    EXPECT_TRUE(verdict) << describe(verdict.error());
    return verdict ? std::move(verdict).value() : ChunkVerdict();
  }

  // All chunks of at most `rows_max` rows, merged. Unordered tables are cut too, below the bound
  // that read_source_chunk() would cut them at.
  ChunkVerdict compare_all(const std::shared_ptr<const Table>& table, int64_t rows_max,
                           TableDigests* digests = nullptr) {
    const DigestKind kind = digests == nullptr ? DigestKind::kXxh3 : DigestKind::kSha256;
    ChunkVerdict total;
    Row after;
    for (bool last = false; !last;) {
      auto chunk =
          comparable_by_range(*table, true)
              ? read_source_chunk(source_, table, after, rows_max, kNoHurry, true, kind)
              : read_unordered_chunk(source_, table, after, static_cast<size_t>(rows_max), kind);
      EXPECT_TRUE(chunk) << describe(chunk.error());
      if (!chunk) return total;
      total.merge(compare(chunk.value(), digests));
      last = chunk.value().last;
      after = chunk.value().through;
    }
    return total;
  }

  ChunkVerdict compare_given(const std::shared_ptr<const Table>& table, std::vector<Row> keys) {
    auto found = read_source_keys(source_, table, std::move(keys));
    EXPECT_TRUE(found) << describe(found.error());
    auto verdict = compare_keys(*target_, "public", found.value());
    EXPECT_TRUE(verdict) << describe(verdict.error());
    return verdict ? std::move(verdict).value() : ChunkVerdict();
  }

  // "missing id=1", "extra id=9"; each with its count.
  static std::multiset<std::string> named(const ChunkVerdict& verdict) {
    std::multiset<std::string> out;
    for (const Difference& d : verdict.samples) {
      switch (d.kind) {
        case Difference::Kind::kMissing:
          out.insert("missing " + d.key);
          break;
        case Difference::Kind::kExtra:
          out.insert("extra " + d.key);
          break;
        case Difference::Kind::kChanged:
          out.insert("changed " + d.key);
          break;
      }
    }
    EXPECT_EQ(out.size(), static_cast<size_t>(verdict.missing + verdict.extra + verdict.changed));
    return out;
  }

  // The same differences however the table is cut, and the same SHA-256.
  void expect_everywhere(const std::shared_ptr<const Table>& table, int64_t rows_source,
                         int64_t rows_target, const std::multiset<std::string>& expected) {
    std::set<std::string> sources;
    std::set<std::string> targets;
    for (const int64_t rows_max : {1, 2, 3, 1000}) {
      SCOPED_TRACE(rows_max);
      TableDigests digests;
      for (TableDigests* const asked : {static_cast<TableDigests*>(nullptr), &digests}) {
        const ChunkVerdict verdict = compare_all(table, rows_max, asked);
        EXPECT_EQ(named(verdict), expected);
        EXPECT_EQ(verdict.rows_source, rows_source);
        EXPECT_EQ(verdict.rows_target, rows_target);
        EXPECT_EQ(verdict.equal(), expected.empty());
      }
      sources.insert(digests.source.hex());
      if (digests.target_whole) targets.insert(digests.target.hex());
    }
    EXPECT_EQ(sources.size(), 1U);
    EXPECT_LE(targets.size(), 1U);
    if (expected.empty()) {
      EXPECT_EQ(sources, targets);
    }
  }

  sqlite::Connection source_;
  std::string url_;
  std::unique_ptr<postgres::Connection> target_;
};

Row key(int64_t id) {
  return {Value(id)};
}
Row key(const char* text) {
  return {Value(Text{text})};
}

TEST_F(VerifyChunkTest, EmptyTablesAreEqual) {
  on_source("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  on_target("CREATE TABLE public.t(id bigint PRIMARY KEY)");
  const auto table = make_table("t", {column("id", TargetType::kBigint)}, {0});
  expect_everywhere(table, 0, 0, {});
  EXPECT_TRUE(compare_given(table, {}).equal());
  EXPECT_TRUE(compare_given(table, {key(1)}).equal());
  on_target("INSERT INTO public.t VALUES (5)");
  expect_everywhere(table, 0, 1, {"extra id=5"});
  on_target("DELETE FROM public.t");
  on_source("INSERT INTO t VALUES (6)");
  expect_everywhere(table, 1, 0, {"missing id=6"});
}

// Somebody may have made two rows of one XXH3.
TEST_F(VerifyChunkTest, RowsThatDifferBySha256AloneAreNamed) {
  for (const char* collation : {"BINARY", "NOCASE"}) {
    SCOPED_TRACE(collation);
    on_source(fmt::format("DROP TABLE IF EXISTS t; CREATE TABLE t(k TEXT COLLATE {} PRIMARY KEY)",
                          collation));
    on_source("INSERT INTO t VALUES ('a'),('b'),('c')");
    on_target("DROP TABLE IF EXISTS public.t; CREATE TABLE public.t(k text COLLATE \"C\")");
    on_target("INSERT INTO public.t VALUES ('c'),('b'),('a')");
    auto key = column("k", TargetType::kText);
    key.collation = collation;
    const auto table = make_table("t", {key}, {0});
    auto chunk = read_source_chunk(source_, table, {}, 10, kNoHurry, true, DigestKind::kSha256);
    ASSERT_TRUE(chunk) << describe(chunk.error());
    EXPECT_EQ(chunk.value().by_range, collation == std::string("BINARY"));
    TableDigests same;
    EXPECT_TRUE(compare(chunk.value(), &same).equal());
    EXPECT_EQ(same.source.hex(), same.target.hex());
    chunk.value().rows[1].sha256[31] ^= 1U;
    EXPECT_TRUE(compare(chunk.value()).equal());
    TableDigests digests;
    EXPECT_EQ(named(compare(chunk.value(), &digests)), std::multiset<std::string>{"changed k='b'"});
    EXPECT_NE(digests.source.hex(), digests.target.hex());
    std::swap(chunk.value().rows[0], chunk.value().rows[2]);
    chunk.value().rows[1].sha256[31] ^= 1U;
    EXPECT_FALSE(compare_chunk(*target_, "public", chunk.value(), &digests));
  }
}

TEST_F(VerifyChunkTest, EveryTypeIsEqualWhenItIs) {
  on_source(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, b INTEGER, d REAL, n NUMERIC, s TEXT, x BLOB, v)");
  const std::string least = has_numeric_infinity() ? "-9e999" : "-9e300";
  on_source(
      "INSERT INTO t VALUES (-9223372036854775808, 1, 0.1, 3.10, 'caf\xc3\xa9', x'00ff', 1),"
      "(0, 0, -0.0, 12345678901234, '', x'', 1.0), (1, NULL, 9e999, " +
      least +
      ", NULL, NULL, 'q\"\\'),"
      "(2, 1, 5e-324, 5e-324, 'x', x'61', x'61'),"
      "(3, 0, 1.7976931348623157e308, 1.7976931348623157e308, char(9, 10), x'5c', -9e999),"
      "(4, 0, 1.5, 0, 'back\\slash''quote', x'27', 1e300),"
      "(9223372036854775807, 0, 1.5, 0.5, 'z', x'27', cast(x'ff00' AS TEXT))");
  on_target(
      "CREATE TABLE public.t(id bigint PRIMARY KEY, b boolean, d double precision, n numeric,"
      " s text COLLATE \"C\", x bytea, v jsonb)");
  on_target(
      "INSERT INTO public.t VALUES (-9223372036854775808, true, 0.1, 3.1, E'caf\\u00e9',"
      " '\\x00ff', '1'), (0, false, 0, 12345678901234.00, '', '', '1.0'),"
      "(1, NULL, 'Infinity', '" +
      (has_numeric_infinity() ? "-Infinity" : least) +
      "', NULL, NULL, '\"q\\\"\\\\\"'),"
      "(2, true, 5e-324, 5e-324, 'x', '\\x61', '{\"$blob\": \"61\"}'),"
      "(3, false, 1.7976931348623157e308, 1.7976931348623157e308, E'\\t\\n', '\\x5c',"
      " '{\"$real\": \"-Infinity\"}'),"
      "(4, false, 1.5, 0.000, 'back\\slash''quote', '\\x27', (repeat('0', 0) || '1' ||"
      " repeat('0', 300) || '.0')::jsonb),"
      "(9223372036854775807, false, 1.5, 0.5, 'z', '\\x27', '{\"$text\": \"ff00\"}')");
  const auto table =
      make_table("t",
                 {column("id", TargetType::kBigint), column("b", TargetType::kBoolean),
                  column("d", TargetType::kDouble), column("n", TargetType::kNumeric),
                  column("s", TargetType::kText), column("x", TargetType::kBytea),
                  column("v", TargetType::kVariant)},
                 {0});
  expect_everywhere(table, 7, 7, {});
  on_target(
      "UPDATE public.t SET v = '[1]' WHERE id = 0");  // foreign data is a change, not an abort
  on_target(
      "UPDATE public.t SET d = 0.10000000000000002 WHERE id = -9223372036854775808");  // 1 ulp
  on_target("UPDATE public.t SET x = '\\x01' WHERE id = 2");
  expect_everywhere(table, 7, 7,
                    {"changed id=0", "changed id=-9223372036854775808", "changed id=2"});
}

TEST_F(VerifyChunkTest, CompositeKey) {
  on_source("CREATE TABLE t(a TEXT, b INTEGER, v INTEGER, PRIMARY KEY(a, b)) WITHOUT ROWID");
  on_source(
      "INSERT INTO t VALUES ('B', -1, 1), ('B', 2, 2), ('a', 1, 3), ('it''s', 5, 4),"
      " ('x\\', 6, 5), ('\xc3\xa9', 0, 6)");
  on_target("CREATE TABLE public.t(a text COLLATE \"C\", b bigint, v bigint, PRIMARY KEY(a, b))");
  on_target(
      "INSERT INTO public.t VALUES ('B', -1, 1), ('a', 0, 9), ('a', 1, 3), ('it''s', 5, 0),"
      " ('x\\', 6, 5), (E'\\u00e9', 0, 6)");
  const auto table = make_table("t",
                                {column("a", TargetType::kText), column("b", TargetType::kBigint),
                                 column("v", TargetType::kBigint)},
                                {0, 1});
  const std::multiset<std::string> expected = {"missing (a, b)=('B', 2)", "extra (a, b)=('a', 0)",
                                               "changed (a, b)=('it''s', 5)"};
  expect_everywhere(table, 6, 6, expected);
  const auto both = [](const char* a, int64_t b) { return Row{Value(Text{a}), Value(b)}; };
  EXPECT_EQ(named(compare_given(table, {both("B", 2), both("a", 0), both("it's", 5), both("x\\", 6),
                                        both("B", 2), both("none", 1)})),
            expected);
}

TEST_F(VerifyChunkTest, LongKeysThatShareTheirBeginnings) {
  on_source("CREATE TABLE t(a INTEGER, b TEXT, c BLOB, PRIMARY KEY(a, b, c)) WITHOUT ROWID");
  on_source(
      "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 26)"
      " INSERT INTO t SELECT i / 9 - 1, char(65 + i / 3 % 3), cast(char(65 + i % 3) AS BLOB) FROM "
      "n");
  on_target("CREATE TABLE public.t(a bigint, b text COLLATE \"C\", c bytea, PRIMARY KEY(a, b, c))");
  on_target(
      "INSERT INTO public.t SELECT i / 9 - 1, chr(65 + i / 3 % 3), chr(65 + i % 3)::bytea"
      " FROM generate_series(0, 26) i");
  const auto table = make_table("t",
                                {column("a", TargetType::kBigint), column("b", TargetType::kText),
                                 column("c", TargetType::kBytea)},
                                {0, 1, 2});
  expect_everywhere(table, 27, 27, {});
  on_target("DELETE FROM public.t WHERE a = 0 AND b = 'B' AND c = 'B'");
  on_target("INSERT INTO public.t VALUES (0, 'BB', '')");
  expect_everywhere(table, 27, 27,
                    {"missing (a, b, c)=(0, 'B', x'42')", "extra (a, b, c)=(0, 'BB', x'')"});
}

TEST_F(VerifyChunkTest, BlobKey) {
  on_source("CREATE TABLE t(k BLOB PRIMARY KEY, v TEXT)");
  on_source(
      "INSERT INTO t VALUES (x'', 'a'), (x'00', 'b'), (x'00ff', 'c'), (x'7f', 'd'),"
      " (x'ff', 'e')");
  on_target("CREATE TABLE public.t(k bytea PRIMARY KEY, v text COLLATE \"C\")");
  on_target(
      "INSERT INTO public.t VALUES ('', 'a'), ('\\x00ff', 'C'), ('\\x01', 'n'),"
      " ('\\x7f', 'd'), ('\\xff', 'e')");
  const auto table =
      make_table("t", {column("k", TargetType::kBytea), column("v", TargetType::kText)}, {0});
  const std::multiset<std::string> expected = {"missing k=x'00'", "extra k=x'01'",
                                               "changed k=x'00ff'"};
  expect_everywhere(table, 5, 5, expected);
  const auto blob = [](std::string b) { return Row{Value(Blob{std::move(b)})}; };
  EXPECT_EQ(named(compare_given(table, {blob(""), blob(std::string(1, '\0')), blob("\x01"),
                                        blob(std::string("\0\xff", 2)), blob("\xff")})),
            expected);
}

TEST_F(VerifyChunkTest, SurrogateKey) {
  on_source("CREATE TABLE t(v TEXT)");
  on_source("INSERT INTO t(rowid, v) VALUES (1, 'same'), (2, 'same'), (5, NULL), (9, 'end')");
  on_target("CREATE TABLE public.t(v text COLLATE \"C\", _rowid bigint PRIMARY KEY)");
  on_target("INSERT INTO public.t VALUES ('same', 1), ('', 5), ('new', 7), ('end', 9)");
  const auto table =
      make_table("t", {column("v", TargetType::kText), testing::rowid_column()}, {1});
  const std::multiset<std::string> expected = {"missing rowid=2", "extra rowid=7",
                                               "changed rowid=5"};
  expect_everywhere(table, 4, 4, expected);
  EXPECT_EQ(named(compare_given(table, {key(1), key(2), key(5), key(7), key(8)})), expected);
}

TEST_F(VerifyChunkTest, VariantKeyIsComparedWhole) {
  on_source("CREATE TABLE t(k PRIMARY KEY, v INTEGER)");
  on_source(
      "INSERT INTO t VALUES (1, 1), (2.0, 2), ('1', 3), (x'31', 4), (9e999, 5), ('z', 6),"
      " (7, 7)");
  on_target("CREATE TABLE public.t(k jsonb PRIMARY KEY, v bigint)");
  on_target(
      "INSERT INTO public.t VALUES ('1', 1), ('2', 2), ('\"1\"', 3), ('{\"$blob\": \"32\"}',"
      " 4), ('{\"$real\": \"Infinity\"}', 5), ('\"z\"', 66), ('7', 7)");
  const auto table =
      make_table("t", {column("k", TargetType::kVariant), column("v", TargetType::kBigint)}, {0});
  // 2.0 arrived as 2: another key to us, though not to either database.
  expect_everywhere(
      table, 7, 7,
      {"missing k=2", "extra k=2", "missing k=x'31'", "extra k=x'32'", "changed k='z'"});
  EXPECT_EQ(named(compare_given(table, {key(1), key("z"), Row{Value(Blob{"1"})}, key("1"),
                                        Row{Value(2.0)}, Row{Value(Blob{"2"})},
                                        Row{Value(std::numeric_limits<double>::infinity())}})),
            (std::multiset<std::string>{"changed k='z'", "missing k=2", "missing k=x'31'",
                                        "extra k=x'32'"}));
}

TEST_F(VerifyChunkTest, NumericNocaseDoubleAndBooleanKeys) {
  on_source("CREATE TABLE n(k NUMERIC PRIMARY KEY)");
  on_source("INSERT INTO n VALUES (5), (0.1), (1e23), (-9e999)");
  on_target("CREATE TABLE public.n(k numeric PRIMARY KEY)");
  on_target("INSERT INTO public.n VALUES (5.00), (0.1), (1e23)");
  const auto numeric = make_table("n", {column("k", TargetType::kNumeric)}, {0});
  expect_everywhere(numeric, 4, 3, {"missing k='-Infinity'"});
  EXPECT_FALSE(
      compare_given(numeric, {Row{Value(-std::numeric_limits<double>::infinity())}}).equal());
  if (has_numeric_infinity()) {
    on_target("INSERT INTO public.n VALUES ('-Infinity')");
    expect_everywhere(numeric, 4, 4, {});
  }
  EXPECT_TRUE(compare_given(numeric, {key(5), Row{Value(0.1)}, Row{Value(1e23)}}).equal());

  on_source("CREATE TABLE d(k REAL, b INTEGER, PRIMARY KEY(k, b))");
  on_source("INSERT INTO d VALUES (-9e999, 0), (-1.5, 1), (0.1, 0), (0.1, 1), (9e999, 1)");
  on_target("CREATE TABLE public.d(k double precision, b boolean, PRIMARY KEY(k, b))");
  on_target(
      "INSERT INTO public.d VALUES ('-Infinity', false), (-1.5, true), (0.1, false),"
      " (0.1, true), ('Infinity', true)");
  const auto both = make_table(
      "d", {column("k", TargetType::kDouble), column("b", TargetType::kBoolean)}, {0, 1});
  expect_everywhere(both, 5, 5, {});
  EXPECT_TRUE(compare_given(both, {{Value(0.1), Value(int64_t{1})}}).equal());

  on_source("CREATE TABLE c(k TEXT COLLATE NOCASE PRIMARY KEY)");
  on_source("INSERT INTO c VALUES ('b'), ('A'), ('c')");
  on_target("CREATE TABLE public.c(k text COLLATE \"C\" PRIMARY KEY)");
  on_target("INSERT INTO public.c VALUES ('b'), ('a'), ('c')");
  auto folded = column("k", TargetType::kText);
  folded.collation = "NOCASE";
  const auto nocase = make_table("c", {folded}, {0});
  expect_everywhere(nocase, 3, 3, {"missing k='A'", "extra k='a'"});
  EXPECT_EQ(named(compare_given(nocase, {key("a"), key("b")})),
            (std::multiset<std::string>{"extra k='a'"}));
}

TEST_F(VerifyChunkTest, RowsTheTargetCannotHoldAreMissingAndSaySo) {
  on_source("CREATE TABLE t(id INT PRIMARY KEY, v)");
  on_source("INSERT INTO t VALUES (1, 1), (2, 'x'), (3, 3.5), ('k', 4), (NULL, 5)");
  on_target("CREATE TABLE public.t(id bigint PRIMARY KEY, v bigint)");
  on_target("INSERT INTO public.t VALUES (1, 1), (3, 3)");
  const auto table =
      make_table("t", {column("id", TargetType::kBigint), column("v", TargetType::kBigint)}, {0});
  expect_everywhere(table, 5, 2,
                    {"missing id=2 (cannot be represented: v holds 'x')",
                     "changed id=3 (cannot be represented: v holds 3.5)",
                     "missing id='k' (cannot be represented: id holds 'k')",
                     "missing id=NULL (cannot be represented: id holds NULL)"});
  EXPECT_EQ(named(compare_given(table, {key(1), key(2), key("k"), key("k"), Row{Value()}})),
            (std::multiset<std::string>{"missing id=2 (cannot be represented: v holds 'x')",
                                        "missing id='k' (cannot be represented: id holds 'k')",
                                        "missing id=NULL (cannot be represented: id holds NULL)"}));
}

TEST_F(VerifyChunkTest, ManyKeysGoInPieces) {
  on_source("CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER)");
  on_source(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3500)"
      " INSERT INTO t SELECT i, i FROM n");
  on_target("CREATE TABLE public.t(id bigint PRIMARY KEY, v bigint)");
  on_target("INSERT INTO public.t SELECT i, i FROM generate_series(1, 3500) i");
  on_target(
      "DELETE FROM public.t WHERE id = 999; UPDATE public.t SET v = 0 WHERE id = 2000;"
      " INSERT INTO public.t VALUES (3501, 1)");
  const auto table =
      make_table("t", {column("id", TargetType::kBigint), column("v", TargetType::kBigint)}, {0});
  std::vector<Row> keys;
  for (int64_t id = 3600; id > 0; --id) keys.push_back(key(id));
  const ChunkVerdict verdict = compare_given(table, keys);
  EXPECT_EQ(named(verdict),
            (std::multiset<std::string>{"missing id=999", "changed id=2000", "extra id=3501"}));
  EXPECT_EQ(verdict.rows_source, 3500);
  EXPECT_EQ(verdict.rows_target, 3500);
}

TEST_F(VerifyChunkTest, SamplesStopAndCountsDoNot) {
  on_source("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  on_source(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 500)"
      " INSERT INTO t SELECT i FROM n");
  on_target("CREATE TABLE public.t(id bigint PRIMARY KEY)");
  on_target("INSERT INTO public.t SELECT -i FROM generate_series(1, 700) i");
  const auto table = make_table("t", {column("id", TargetType::kBigint)}, {0});
  const ChunkVerdict verdict = compare_all(table, 100);
  EXPECT_EQ(verdict.missing, 500);
  EXPECT_EQ(verdict.extra, 700);
  EXPECT_EQ(verdict.samples.size(), 20U);
}

TEST_F(VerifyChunkTest, AnAlteredColumnIsAnErrorAndTheConnectionStaysUsable) {
  on_source("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  on_target("CREATE TABLE public.t(id integer PRIMARY KEY)");
  on_target("INSERT INTO public.t SELECT generate_series(1, 5000)");
  const auto table = make_table("t", {column("id", TargetType::kBigint)}, {0});
  auto chunk = read_source_chunk(source_, table, {}, 10, kNoHurry, true);
  ASSERT_TRUE(chunk);
  const auto verdict = compare_chunk(*target_, "public", chunk.value());
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().object, "t.id");
  EXPECT_FALSE(compare_chunk(*target_, "nowhere", chunk.value()));
  on_target("SELECT 1");
}

}  // namespace
}  // namespace crossfade::verify
