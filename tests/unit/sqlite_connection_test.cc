#include "engine/sqlite/connection.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>

#include "engine/sqlite/sqlite_error_map.h"
#include "engine/sqlite/statement.h"
#include "engine/sqlite/transaction.h"
#include "tests/support/temp_dir.h"

namespace crossfade::sqlite {
namespace {

using testing::TempDir;

Connection open_or_die(const OpenOptions& options) {
  auto connection = Connection::open(options);
  EXPECT_TRUE(connection) << describe(connection.error());
  return std::move(connection).value();
}

class SqliteTest : public ::testing::Test {
 protected:
  Connection create() { return open_or_die({dir_.file("a.db"), Access::kCreate}); }

  Error refused(const std::string& path, Access access = Access::kReadOnly) {
    auto connection = Connection::open({path, access});
    if (connection) {
      ADD_FAILURE() << path << " was opened";
      return {};
    }
    return connection.error();
  }

  TempDir dir_;
};

TEST_F(SqliteTest, NeverCreatesASource) {
  for (const Access access : {Access::kReadOnly, Access::kReadWrite}) {
    EXPECT_EQ(refused(dir_.file("none.db"), access).code, ErrorCode::kSource);
  }
  EXPECT_FALSE(std::filesystem::exists(dir_.file("none.db")));
}

TEST_F(SqliteTest, RefusesWhatIsNoDatabase) {
  EXPECT_NE(refused(dir_.path()).native.find("folder"), std::string::npos);
  std::ofstream(dir_.file("empty.db")).close();
  EXPECT_NE(refused(dir_.file("empty.db")).native.find("empty"), std::string::npos);
  std::ofstream(dir_.file("text.db")) << std::string(4096, 'x');
  EXPECT_NE(refused(dir_.file("text.db")).hint.find("encrypted"), std::string::npos);
  EXPECT_EQ(exit_code(refused("/dev/null").code), 5);
}

TEST_F(SqliteTest, RefusesATruncatedFile) {
  {
    auto db = create();
    ASSERT_TRUE(db.exec("CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(100000))"));
  }
  std::filesystem::resize_file(dir_.file("a.db"), 600);
  EXPECT_EQ(refused(dir_.file("a.db")).code, ErrorCode::kSource);
}

// Promise: a value comes back with its class and its bits.
TEST_F(SqliteTest, ValuesRoundTrip) {
  auto db = create();
  ASSERT_TRUE(db.exec("CREATE TABLE t(a)"));
  const Row values = {Value(),
                      Value(int64_t{-5}),
                      Value(0.1),
                      Value(-0.0),
                      Value(Text{std::string("a\0b\xff", 4)}),
                      Value(Blob{std::string("\0\1", 2)}),
                      Value(Text{""}),
                      Value(Blob{""})};
  auto insert = Statement::prepare(db, "INSERT INTO t VALUES (?)");
  ASSERT_TRUE(insert);
  for (const Value& value : values) {
    insert.value().bind(1, value);
    ASSERT_TRUE(insert.value().run());
    insert.value().clear();
  }
  auto select = Statement::prepare(db, "SELECT a FROM t ORDER BY rowid");
  ASSERT_TRUE(select);
  for (const Value& value : values) {
    ASSERT_TRUE(select.value().step().value());
    EXPECT_EQ(select.value().value(0), value) << to_literal(value);
  }
  EXPECT_FALSE(select.value().step().value());
}

TEST_F(SqliteTest, Utf16TextComesAsUtf8) {
  auto db = create();
  ASSERT_TRUE(
      db.exec("PRAGMA encoding='UTF-16le'; CREATE TABLE t(a); INSERT INTO t VALUES('é漢')"));
  EXPECT_EQ(db.query_text("SELECT a FROM t").value(), "é漢");
}

// SQLite then gives no bytes, which must not pass for an empty text.
TEST_F(SqliteTest, AValueForWhichThereIsNoMemoryIsNotEmpty) {
  constexpr int64_t kText = 8'000'000;
  Connection db = create();
  ASSERT_TRUE(
      db.exec("PRAGMA encoding='UTF-16le'; CREATE TABLE t(v TEXT);"
              "INSERT INTO t VALUES(hex(zeroblob(4000000)))"));
  auto row = Statement::prepare(db, "SELECT v FROM t");
  ASSERT_TRUE(row);
  ASSERT_TRUE(row.value().step().value());
  EXPECT_DEATH(
      {
        sqlite3_hard_heap_limit64(sqlite3_memory_used() + kText / 10);
        (void)row.value().bytes(0);
      },
      "no memory for a value");
  EXPECT_EQ(row.value().bytes(0).size(), static_cast<size_t>(kText));
}

TEST_F(SqliteTest, ACollationOfTheApplicationsIsNamed) {
  Connection db = create();
  sqlite3_create_collation(db.handle(), "own", SQLITE_UTF8, nullptr,
                           [](void*, int, const void*, int, const void*) { return 0; });
  ASSERT_TRUE(db.exec("CREATE TABLE t(v TEXT COLLATE own PRIMARY KEY)"));
  Connection stranger = create();
  const auto rows = stranger.query_int("SELECT count(*) FROM t WHERE v = 'a'");
  ASSERT_FALSE(rows);
  EXPECT_NE(rows.error().hint.find("a collation of its own"), std::string::npos);
}

TEST_F(SqliteTest, TransactionRollsBackUnlessCommitted) {
  auto db = create();
  ASSERT_TRUE(db.exec("CREATE TABLE t(a)"));
  {
    auto transaction = Transaction::begin(db, Begin::kImmediate);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(db.exec("INSERT INTO t VALUES (1)"));
  }
  EXPECT_FALSE(db.in_transaction());
  EXPECT_EQ(db.query_int("SELECT count(*) FROM t").value(), 0);
  auto transaction = Transaction::begin(db, Begin::kDeferred);
  ASSERT_TRUE(db.exec("INSERT INTO t VALUES (1)"));
  ASSERT_TRUE(transaction.value().commit());
  EXPECT_EQ(db.query_int("SELECT count(*) FROM t").value(), 1);
}

TEST_F(SqliteTest, AnothersLockIsBusyAndPassing) {
  auto holder = create();
  ASSERT_TRUE(holder.exec("CREATE TABLE t(a)"));
  auto lock = Transaction::begin(holder, Begin::kImmediate);
  ASSERT_TRUE(lock);
  auto other = open_or_die({dir_.file("a.db"), Access::kReadWrite, std::chrono::milliseconds(10)});
  auto second = Transaction::begin(other, Begin::kImmediate);
  ASSERT_FALSE(second);
  EXPECT_TRUE(is_busy(second.error()));
  EXPECT_EQ(second.error().remedy, Remedy::kRetry);
}

TEST_F(SqliteTest, QueryFallbacks) {
  auto db = create();
  EXPECT_EQ(db.query_int("SELECT NULL", 7).value(), 7);
  EXPECT_EQ(db.query_int("SELECT 1 WHERE 0", 8).value(), 8);
  EXPECT_FALSE(db.query_int("SELECT nothing"));
}

TEST(SqliteQuoteTest, DoublesTheMark) {
  EXPECT_EQ(quote("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
}

}  // namespace
}  // namespace crossfade::sqlite
