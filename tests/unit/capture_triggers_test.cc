#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "capture/trigger_sql.h"
#include "tests/unit/capture_fixture.h"
#include "tests/unit/random_writes.h"

namespace crossfade::capture {
namespace {

using testing::CapturedDatabase;
using testing::kWriteSchema;
using testing::RandomWrites;

Change only(std::vector<Change> changes) {
  EXPECT_EQ(changes.size(), 1U);
  return changes.empty() ? Change{} : std::move(changes.front());
}

// Promise: the log holds each value with its class and its bits.
TEST(CaptureTriggersTest, EveryStorageClassComesBackExactly) {
  const std::vector<Value> values{
      Value(),
      Value(int64_t{1}),
      Value(std::numeric_limits<int64_t>::min()),
      Value(std::numeric_limits<int64_t>::max()),
      Value(1.0),
      Value(-0.0),
      Value(5e-324),
      Value(std::numeric_limits<double>::infinity()),
      Value(0.1 + 0.2),
      Value(Text{""}),
      Value(Text{"1"}),
      Value(Text{std::string("a\0b", 3)}),
      Value(Text{"\xff\xfe invalid"}),
      Value(Text{std::string(200'000, 'x')}),
      Value(Blob{""}),
      Value(Blob{std::string("\0\xff", 2)}),
  };
  for (const char* ddl :
       {"CREATE TABLE t(id INTEGER PRIMARY KEY, v)", "CREATE TABLE t(id TEXT PRIMARY KEY, v)",
        "CREATE TABLE t(id, v, PRIMARY KEY(v, id)) WITHOUT ROWID", "CREATE TABLE t(id, v)",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v ANY) STRICT"}) {
    CapturedDatabase db(ddl);
    db.capture();
    const bool no_nulls = db.table("t").without_rowid;
    for (size_t i = 0; i < values.size(); ++i) {
      if (no_nulls && values[i].is_null()) continue;
      auto insert = sqlite::Statement::prepare(db.source(), "INSERT INTO t(id,v) VALUES(?,?)");
      ASSERT_TRUE(insert);
      insert.value().bind(1, static_cast<int64_t>(i + 1));
      insert.value().bind(2, values[i]);
      ASSERT_TRUE(insert.value().run());
      const Change inserted = only(db.changes());
      ASSERT_EQ(inserted.op, ChangeOp::kInsert);
      EXPECT_EQ(inserted.after[1], values[i]) << ddl << " value " << to_literal(values[i], 40);
      ASSERT_TRUE(db.source().exec("DELETE FROM t"));
      const Change deleted = only(db.changes());
      ASSERT_EQ(deleted.op, ChangeOp::kDelete);
      EXPECT_EQ(deleted.before, inserted.after);
    }
  }
}

// 1 -> 1.0 and 'a' -> 'A' under NOCASE are changes, whatever the columns' comparison says.
TEST(CaptureTriggersTest, ChangesThatCompareEqualAreLogged) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY, n, s TEXT COLLATE NOCASE)");
  db.capture();
  db.must("INSERT INTO t VALUES (1, 1, 'a')");
  (void)db.changes();
  db.must("UPDATE t SET n=1.0");
  EXPECT_EQ(only(db.changes()).after[1], Value(1.0));
  db.must("UPDATE t SET s='A'");
  const Change change = only(db.changes());
  EXPECT_EQ(change.before[2], Value(Text{"a"}));
  EXPECT_EQ(change.after[2], Value(Text{"A"}));
}

class WideTableTest : public ::testing::TestWithParam<int> {};

// A row image longer than one log row goes on in further ones.
TEST_P(WideTableTest, ContinuationsComeBackExactly) {
  const int width = GetParam();
  std::string columns = "id INTEGER PRIMARY KEY";
  std::string values = "7";
  for (int i = 1; i < width; ++i) {
    columns += fmt::format(",\"column {}\"", i);
    values += i % 3 == 0 ? fmt::format(",'v{}'", i) : fmt::format(",{}", i);
  }
  CapturedDatabase db("CREATE TABLE wide(" + columns + ")");
  db.capture();
  db.must("INSERT INTO wide VALUES (" + values + ")");
  const Lsn first = newest_lsn(db.source()).value();
  EXPECT_EQ(first.value, (width + 31) / 32);
  ASSERT_TRUE(db.follows(1));
  db.must(width > 1 ? fmt::format("UPDATE wide SET \"column {}\"='new', id=8", width - 1)
                    : "UPDATE wide SET id=8");
  EXPECT_EQ(newest_lsn(db.source()).value().value - first.value, (2 * width + 31) / 32);
  ASSERT_TRUE(db.follows(1));
  db.must("DELETE FROM wide");
  ASSERT_TRUE(db.follows(1));
}

INSTANTIATE_TEST_SUITE_P(Widths, WideTableTest,
                         ::testing::Values(1, 2, 31, 32, 33, 40, 64, 65, 1000));

TEST(CaptureTriggersTest, AwfulNamesAreCaptured) {
  CapturedDatabase db(R"(
    CREATE TABLE "select ""from"" [x] 'y'"("a b" INTEGER PRIMARY KEY, "NEW" TEXT UNIQUE,
      "OLD", "t", "order", "x.y", "_rowid_", "q""q" UNIQUE);
    CREATE TABLE "new"("rowid" INTEGER PRIMARY KEY, oid UNIQUE, "_rowid_" TEXT);
    CREATE TABLE "OLD"("rowid" TEXT, oid TEXT, v);
    CREATE TABLE "t"("é" TEXT PRIMARY KEY NOT NULL, "--" UNIQUE, "/*" TEXT);
    CREATE TABLE ";"(";" TEXT, "lsn", "tbl", "op", "c0", PRIMARY KEY(";", "c0")) WITHOUT ROWID)");
  db.capture();
  for (const Table& table : db.tables()) {
    const std::string name = sqlite::quote(table.name);
    std::string values;
    std::string other;
    std::string targets;
    std::string last;
    for (const Column& column : table.columns) {
      if (column.synthetic) continue;
      last = sqlite::quote(column.name);
      targets += (targets.empty() ? "" : ",") + sqlite::quote(column.name);
      values += (values.empty() ? "" : ",") + std::string("'1'");
      other += (other.empty() ? "" : ",") + std::string("'2'");
    }
    db.must("INSERT INTO " + name + "(" + targets + ") VALUES (" + values + "),(" + other + ")");
    ASSERT_TRUE(db.follows()) << name;
    db.must("INSERT OR REPLACE INTO " + name + "(" + targets + ") VALUES (" + values + ")");
    ASSERT_TRUE(db.follows()) << name;
    db.must("UPDATE " + name + " SET " + last + "='z' WHERE " + last + "='2'");
    db.must("DELETE FROM " + name + " WHERE " + last + "='1'");
    ASSERT_TRUE(db.follows()) << name;
  }
}

// REPLACE by each way it can take another row away, each of which fires no DELETE trigger.
struct Replacement {
  const char* name;  // also what the failure line says
  const char* ddl;
  const char* rows;
  const char* write;
  int left;
};

void PrintTo(const Replacement& replacement, std::ostream* out) {
  *out << replacement.write;
}

class ReplaceTest : public ::testing::TestWithParam<Replacement> {};

TEST_P(ReplaceTest, RemovedRowsVanish) {
  for (const bool recursive : {false, true}) {
    for (const size_t bytes_max : {testing::kWhole, size_t{1}}) {
      const Replacement& p = GetParam();
      CapturedDatabase db(p.ddl);
      db.must(recursive ? "PRAGMA recursive_triggers=ON" : "PRAGMA recursive_triggers=OFF");
      db.capture();
      db.must(p.rows);
      ASSERT_TRUE(db.follows());
      db.must(p.write);
      EXPECT_EQ(db.source().query_int("SELECT count(*) FROM t").value(), p.left);
      EXPECT_TRUE(db.follows(bytes_max)) << p.write << ", recursive_triggers " << recursive;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ways, ReplaceTest,
    ::testing::Values(
        Replacement{"alias", "CREATE TABLE t(id INTEGER PRIMARY KEY, v)",
                    "INSERT INTO t VALUES (1,1),(2,2)", "REPLACE INTO t VALUES (1,9)", 2},
        Replacement{"two_at_once", "CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, w UNIQUE)",
                    "INSERT INTO t VALUES (1,1,1),(2,2,2),(3,3,3)", "REPLACE INTO t VALUES (3,1,2)",
                    1},
        Replacement{"update_alias", "CREATE TABLE t(id INTEGER PRIMARY KEY, v)",
                    "INSERT INTO t VALUES (1,1),(2,2)", "UPDATE OR REPLACE t SET id=2 WHERE id=1",
                    1},
        Replacement{"update_unique", "CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE)",
                    "INSERT INTO t VALUES (1,1),(2,2)", "UPDATE OR REPLACE t SET u=2 WHERE id=1",
                    1},
        Replacement{"nocase", "CREATE TABLE t(id INTEGER PRIMARY KEY, u COLLATE NOCASE UNIQUE)",
                    "INSERT INTO t VALUES (1,'a')", "REPLACE INTO t VALUES (2,'A')", 1},
        Replacement{"index_collation",
                    "CREATE TABLE t(id INTEGER PRIMARY KEY, u);"
                    "CREATE UNIQUE INDEX i ON t(u COLLATE NOCASE)",
                    "INSERT INTO t VALUES (1,'a')", "REPLACE INTO t VALUES (2,'A')", 1},
        Replacement{"partial",
                    "CREATE TABLE t(id INTEGER PRIMARY KEY, u);"
                    "CREATE UNIQUE INDEX i ON t(u) WHERE u>0",
                    "INSERT INTO t VALUES (1,-1),(2,1)",
                    "REPLACE INTO t VALUES (3,-1); REPLACE INTO t VALUES (4,1)", 3},
        Replacement{"text_key", "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, v)",
                    "INSERT INTO t VALUES ('a',1),('b',2)", "REPLACE INTO t VALUES ('a',3)", 2},
        Replacement{"text_key_by_rowid", "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, v)",
                    "INSERT INTO t(rowid,k,v) VALUES (5,'a',1)",
                    "REPLACE INTO t(rowid,k,v) VALUES (5,'b',3)", 1},
        Replacement{"moved_rowid", "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, v)",
                    "INSERT INTO t(rowid,k) VALUES (5,'a'),(6,'b')",
                    "UPDATE OR REPLACE t SET rowid=5 WHERE k='b'", 1},
        Replacement{"without_rowid",
                    "CREATE TABLE t(a, b, u UNIQUE, PRIMARY KEY(a,b)) WITHOUT ROWID",
                    "INSERT INTO t VALUES (1,1,1),(1,2,2)",
                    "UPDATE OR REPLACE t SET b=2, u=9 WHERE b=1", 1},
        Replacement{"keyless", "CREATE TABLE t(u UNIQUE, v)", "INSERT INTO t VALUES (1,1),(2,2)",
                    "REPLACE INTO t VALUES (1,7); REPLACE INTO t(rowid,u) VALUES (2,8)", 2},
        Replacement{"declared", "CREATE TABLE t(id INTEGER PRIMARY KEY ON CONFLICT REPLACE, v)",
                    "INSERT INTO t VALUES (1,1)", "INSERT INTO t VALUES (1,2)", 1},
        // A NULL becomes the default before REPLACE looks for other rows.
        Replacement{"default",
                    "CREATE TABLE t(id INTEGER PRIMARY KEY, u NOT NULL DEFAULT 'd' UNIQUE)",
                    "INSERT INTO t VALUES (1,'d')", "REPLACE INTO t VALUES (2,NULL)", 1},
        Replacement{"default_by_update",
                    "CREATE TABLE t(id INTEGER PRIMARY KEY, u INT NOT NULL DEFAULT -5 UNIQUE)",
                    "INSERT INTO t VALUES (1,-5),(2,3)",
                    "UPDATE OR REPLACE t SET u=NULL WHERE id=2", 1},
        Replacement{"default_blob",
                    "CREATE TABLE t(id INTEGER PRIMARY KEY, u NOT NULL DEFAULT x'00ff' UNIQUE)",
                    "INSERT INTO t VALUES (1,x'00ff')", "REPLACE INTO t VALUES (2,NULL)", 1},
        Replacement{"default_real",
                    "CREATE TABLE t(id INTEGER PRIMARY KEY, u NOT NULL DEFAULT -1.5e3 UNIQUE)",
                    "INSERT INTO t VALUES (1,-1500.0)", "REPLACE INTO t VALUES (2,NULL)", 1},
        Replacement{"default_quotes",
                    "CREATE TABLE t(id INTEGER PRIMARY KEY, u NOT NULL DEFAULT 'it''s é' UNIQUE)",
                    "INSERT INTO t VALUES (1,'it''s é')", "REPLACE INTO t VALUES (2,NULL)", 1},
        Replacement{"default_expression",
                    "CREATE TABLE t(id INTEGER PRIMARY KEY, u NOT NULL DEFAULT (1+1) UNIQUE)",
                    "INSERT INTO t VALUES (1,2),(3,3)", "REPLACE INTO t VALUES (4,NULL)", 2},
        Replacement{"default_under_generated",
                    "CREATE TABLE t(id INTEGER PRIMARY KEY, x NOT NULL DEFAULT 'B',"
                    " g AS (quote(x)) UNIQUE)",
                    "INSERT INTO t(id,x) VALUES (1,'B'),(2,'C')", "REPLACE INTO t VALUES (3,NULL)",
                    2},
        // UPDATE OF does not fire for a generated column whose inputs were set.
        Replacement{
            "generated", "CREATE TABLE t(id INTEGER PRIMARY KEY, x, g AS (x % 10) STORED UNIQUE)",
            "INSERT INTO t(id,x) VALUES (1,1),(2,2)", "UPDATE OR REPLACE t SET x=11 WHERE id=2", 1},
        // Another column decides whether the row is in the index.
        Replacement{"partial_by_another_column",
                    "CREATE TABLE t(id INTEGER PRIMARY KEY, u, live);"
                    "CREATE UNIQUE INDEX i ON t(u) WHERE live",
                    "INSERT INTO t VALUES (1,1,1),(2,1,0)",
                    "UPDATE OR REPLACE t SET live=1 WHERE id=2", 1},
        // The column's collation is not the key's.
        Replacement{"key_collation",
                    "CREATE TABLE t(k TEXT COLLATE NOCASE, u UNIQUE, PRIMARY KEY(k COLLATE BINARY))"
                    " WITHOUT ROWID",
                    "INSERT INTO t VALUES ('a',1),('A',2)",
                    "UPDATE OR REPLACE t SET u=1 WHERE k='A' COLLATE BINARY", 1}),
    [](const auto& instance) { return instance.param.name; });

// Rows that were noted and stayed are not taken away.
TEST(CaptureTriggersTest, IgnoredAndUpsertedRowsStay) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v)");
  db.capture();
  db.must("INSERT INTO t VALUES (1,1,'a'),(2,2,'b')");
  ASSERT_TRUE(db.follows());
  db.must("INSERT OR IGNORE INTO t VALUES (1,9,'x'); UPDATE OR IGNORE t SET u=1 WHERE id=2");
  EXPECT_TRUE(db.changes().empty());
  db.must("INSERT INTO t VALUES (7,2,'x') ON CONFLICT(u) DO UPDATE SET v='up'");
  const Change change = only(db.changes());
  EXPECT_EQ(change.op, ChangeOp::kUpdate);
  EXPECT_EQ(change.after[2], Value(Text{"up"}));
}

// Promise: a statement's outcome is the same with and without capture.
TEST(CaptureTriggersTest, StatementOutcomesAreTheSame) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CapturedDatabase with(kWriteSchema);
    CapturedDatabase without(kWriteSchema);
    for (CapturedDatabase* db : {&with, &without}) {
      db->must(seed % 2 == 0 ? "PRAGMA foreign_keys=ON" : "PRAGMA recursive_triggers=ON");
    }
    with.capture();
    sqlite3_set_last_insert_rowid(with.source().handle(), 0);
    RandomWrites writes(seed);
    for (int i = 0; i < 80; ++i) {
      const std::string sql = writes.statement() + " RETURNING *";
      std::vector<std::string> outcome;
      for (CapturedDatabase* db : {&with, &without}) {
        sqlite3* handle = db->source().handle();
        std::string text;
        auto statement = sqlite::Statement::prepare(db->source(), sql);
        while (statement) {
          const auto row = statement.value().step();
          if (!row || !row.value()) break;
          text += testing::literals(statement.value().row());
        }
        if (statement) statement.value().reset();
        text += fmt::format(" rc {} changes {} rowid {}", sqlite3_extended_errcode(handle),
                            sqlite3_changes(handle), sqlite3_last_insert_rowid(handle));
        outcome.push_back(text);
      }
      ASSERT_EQ(outcome[0], outcome[1]) << "seed " << seed << ": " << sql;
    }
    without.tables() = with.tables();
    ASSERT_EQ(with.content(), without.content()) << "seed " << seed;
  }
}

// Promise: correct in an application that locks its own SQLite down.
TEST(CaptureTriggersTest, WorkUnderHardenedConnections) {
  CapturedDatabase db(kWriteSchema);
  db.capture();
  db.must("PRAGMA trusted_schema=OFF; PRAGMA foreign_keys=ON; PRAGMA cell_size_check=ON");
  ASSERT_EQ(sqlite3_db_config(db.source().handle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_db_config(db.source().handle(), SQLITE_DBCONFIG_DQS_DML, 0, nullptr),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_db_config(db.source().handle(), SQLITE_DBCONFIG_DQS_DDL, 0, nullptr),
            SQLITE_OK);
  db.must(
      "INSERT INTO alias VALUES (1,'a',1),(2,'b',2); INSERT INTO child VALUES (1,1,NULL);"
      "REPLACE INTO alias VALUES (3,'A',3); UPDATE OR REPLACE alias SET id=3 WHERE id=2;"
      "DELETE FROM alias");
  EXPECT_TRUE(db.follows());
}

// Promise: core SQL of 3.8 only. A call is a name before '(', so none but keywords may stand there.
TEST(CaptureTriggersTest, TheSqlCallsNoFunctions) {
  CapturedDatabase db(kWriteSchema);
  db.capture();
  for (const Table& table : db.tables()) {
    for (const TriggerSql& trigger : capture_triggers(table, CaptureId{1})) {
      for (const char* word : {"json", "coalesce(", "ifnull(", "RAISE", "->", "RETURNING"}) {
        EXPECT_EQ(trigger.sql.find(word), std::string::npos) << trigger.sql;
      }
    }
  }
}

}  // namespace
}  // namespace crossfade::capture
