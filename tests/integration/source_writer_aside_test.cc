// Promise: what cannot be in SQLite is written down by key, follows its row, and is settled;
// nothing else is lost or changed for it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cmath>
#include <limits>

#include "tests/support/source_writer_test.h"

namespace crossfade::testing {
namespace {

using ::testing::HasSubstr;

// Promise: while two rows have one key, what cannot be told apart is set aside, not guessed.
TEST_F(SourceWriterTest, AKeyOfTwoRowsThatIsChangedInPlaceIsSetAside) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES(1,'a'),(2,'b')");
  const auto t = table();
  EXPECT_EQ(run({updated(t, {number(1)}, {number(2), text("a")}),
                 updated(t, {number(2)}, {number(2), text("which?")}),
                 updated(t, {number(2)}, {number(1), text("b")})}),
            "");
  EXPECT_EQ(rows(), "1|'b'\n");
  EXPECT_EQ(aside(), "t 2 : two rows had this key within one transaction\n");
  EXPECT_TRUE(settle({number(2)}, Row{number(2), text("which?")}));
  EXPECT_EQ(rows(), "1|'b'\n2|'which?'\n");
  // Two that stay are two sides that are not equal.
  EXPECT_THAT(run({updated(t, {number(1)}, {number(2), text("a")})}), HasSubstr("SQLite two"));
}

// Promise: a row with a value that SQLite refuses or would change is set aside with the reason, and
// SQLite keeps the version it has.
TEST_F(SourceWriterTest, RefusedValuesAreSetAside) {
  make(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, c CHECK(c<10), n NUMERIC, s TEXT, r REAL);
    INSERT INTO t VALUES(1,1,1,'s',1.5),(2,2,2,'s',1.5);
    CREATE TABLE strict(id INTEGER PRIMARY KEY, i INT) STRICT;
    CREATE TABLE j(id INTEGER PRIMARY KEY, d TEXT);
  )");
  const auto t = table();
  const auto set = [&](Value c, Value n, Value s, Value r) {
    return updated(t, {number(1)},
                   {number(1), std::move(c), std::move(n), std::move(s), std::move(r)});
  };
  const Value one = number(1);
  const std::vector<std::pair<TargetChange, std::string>> cases = {
      {set(number(10), one, text(""), Value(1.0)), "t 1 : CHECK constraint failed: c<10\n"},
      {set(one, text("007"), text(""), Value(1.0)),
       "t 1 n: '007' would be stored as a number: the column's type in SQLite is \"NUMERIC\"\n"},
      {set(one, text(" -1.5e3\n"), text(""), Value(1.0)),
       "t 1 n: ' -1.5e3\\x0a' would be stored as a number: the column's type in SQLite is "
       "\"NUMERIC\"\n"},
      {set(one, one, number(5), Value(1.0)),
       "t 1 s: 5 would be stored as text: the column's type in SQLite is \"TEXT\"\n"},
      {set(one, one, text(""), Value(std::nan(""))), "t 1 r: SQLite has no NaN\n"},
      {set(one, one, text(""), number((int64_t{1} << 53) + 1)),
       "t 1 r: 9007199254740993 would be stored as another number: the column's type in SQLite is "
       "\"REAL\"\n"},
      {misfitting(set(one, one, text(""), Value(1.0)), 2, "NaN"),
       "t 1 n: no value of the source's is PostgreSQL's 'NaN'\n"}};
  for (const auto& [change, reason] : cases) {
    EXPECT_EQ(run({change}), "");
    EXPECT_EQ(aside(), reason);
    EXPECT_EQ(rows(), "1|1|1|'s'|1.5\n2|2|2|'s'|1.5\n");
    // The next one is of a row that is not aside.
    EXPECT_EQ(run({set(one, one, text("s"), Value(1.5))}), "");
    EXPECT_EQ(aside(), "");
  }
  // The whole row, and it fits: it is no longer aside.
  EXPECT_EQ(run({set(number(3), text("x1"), text("1"), Value(2.0))}), "");
  EXPECT_EQ(aside(), "");
  EXPECT_EQ(rows("SELECT * FROM t WHERE id=1"), "1|3|'x1'|'1'|2\n");
  EXPECT_EQ(run({inserted(table("strict"), {number(1), text("x")})}), "");
  EXPECT_THAT(aside(), HasSubstr("cannot store TEXT value in INT column strict.i"));
}

TEST_F(SourceWriterTest, RowsThatAreTooLongAreSetAside) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); INSERT INTO t VALUES(1,'old',NULL)");
  sqlite3_limit(writer_->connection().handle(), SQLITE_LIMIT_LENGTH, 100'000);
  const Value one_too_long = text(std::string(200'000, 'x'));
  const Value together = text(std::string(60'000, 'x'));
  EXPECT_EQ(run({updated(table(), {number(1)}, {number(1), one_too_long, {}}),
                 inserted(table(), {number(2), together, together}),
                 inserted(table(), {number(3), together, {text("short")}})}),
            "");
  EXPECT_EQ(rows("SELECT id, length(a) FROM t"), "1|3\n3|60000\n");
  EXPECT_EQ(aside(), "t 1 : string or blob too big\nt 2 : string or blob too big\n");
}

// Promise: an expression of the schema that fails on one row sets aside that row alone; one that
// cannot be had at all is an error that names the table.
TEST_F(SourceWriterTest, ExpressionsThatFailAndThatAreUnknown) {
  file_.emplace("");
  sqlite3_create_function(
      file_->connection().handle(), "mine", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
      [](sqlite3_context* context, int, sqlite3_value** v) { sqlite3_result_value(context, v[0]); },
      nullptr, nullptr);
  sqlite3_create_collation(file_->connection().handle(), "ours", SQLITE_UTF8, nullptr,
                           [](void*, int, const void*, int, const void*) { return 0; });
  sqlite3_db_config(file_->connection().handle(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, nullptr);
  file_->exec(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT);
    CREATE INDEX ti ON t(json_extract(d,'$.a'));
    CREATE TABLE checked(id INTEGER PRIMARY KEY, v CHECK(mine(v)));
    CREATE TABLE made(id INTEGER PRIMARY KEY, v, g AS (mine(v)) STORED);
    CREATE TABLE searched(id INTEGER PRIMARY KEY, v);
    CREATE INDEX si ON searched(mine(v));
    CREATE TABLE sorted(id INTEGER PRIMARY KEY, v COLLATE ours UNIQUE);
  )");
  reopen();
  EXPECT_EQ(run({inserted(table(), {number(1), text("{\"a\":1}")}),
                 inserted(table(), {number(2), text("no JSON")})}),
            "");
  EXPECT_EQ(aside(), "t 2 : malformed JSON\n");
  EXPECT_TRUE(writer_->check(*table()));
  for (const char* name : {"checked", "made", "searched", "sorted"}) {
    const auto of = table(name);
    const Status checked = writer_->check(*of);
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().object, name);
    EXPECT_EQ(checked.error().remedy, Remedy::kDecide);
    EXPECT_THAT(checked.error().native, ::testing::AnyOf(HasSubstr("mine"), HasSubstr("ours")));
    EXPECT_FALSE(checked.error().hint.empty());
    EXPECT_THAT(run({deleted(of, {number(1)})}), HasSubstr(name));
  }
  EXPECT_EQ(rows("SELECT id FROM t"), "1\n");
}

// Promise: what comes later for a key that is set aside moves its entry along, and takes nothing of
// other rows along.
TEST_F(SourceWriterTest, LaterChangesFollowWhatIsSetAside) {
  make(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v);
    INSERT INTO t VALUES(1,'a','x'),(2,'b','y');
  )");
  const auto t = table();
  EXPECT_EQ(run({misfitting(updated(t, {number(1)}, {number(1), text("c"), {}}), 2, "f")}), "");
  EXPECT_EQ(rows(), "1|'a'|'x'\n2|'b'|'y'\n");
  const std::string entry = " v: no value of the source's is PostgreSQL's 'f'\n";
  EXPECT_EQ(aside(), "t 1" + entry);
  // It does not tell what was wrong: not sent, as it is stored out of line.
  EXPECT_EQ(run({updated(t, {number(1)}, {number(1), text("d"), {}})}), "");
  EXPECT_EQ(aside(), "t 1" + entry);
  // Another row needs what the old version has.
  EXPECT_EQ(run({updated(t, {number(2)}, {number(2), text("a"), {}})}), "");
  EXPECT_EQ(rows(), "2|'a'|'y'\n");
  EXPECT_EQ(aside(), "t 1" + entry);
  // Its key changes; the old one is free for others.
  EXPECT_EQ(run({updated(t, {number(1)}, {number(5), text("d"), {}}),
                 inserted(t, {number(1), text("n"), Value()})}),
            "");
  EXPECT_EQ(aside(), "t 5" + entry);
  EXPECT_EQ(rows(), "1|'n'|NULL\n2|'a'|'y'\n");
  EXPECT_EQ(run({deleted(t, {number(5)})}), "");
  EXPECT_EQ(aside(), "");
  EXPECT_NE(run({deleted(t, {number(5)})}), "");
  EXPECT_EQ(run({misfitting(inserted(t, {number(6), text("z"), {}}), 2, "g")}), "");
  EXPECT_NE(aside(), "");
  EXPECT_EQ(run({truncated(t), inserted(t, {number(7), text("a"), Value()})}), "");
  EXPECT_EQ(aside(), "");
  EXPECT_EQ(rows(), "7|'a'|NULL\n");
}

// Promise: beside a misfit nothing is taken for unchanged: it may be a second one.
TEST_F(SourceWriterTest, WhatAMisfitHidesIsNotGuessed) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); INSERT INTO t VALUES(1,'a','b')");
  const auto t = table();
  EXPECT_EQ(run({misfitting(updated(t, {number(1)}, {number(1), {}, {}}), 2, "f"),
                 updated(t, {number(1)}, {number(1), {}, text("fits")})}),
            "");
  EXPECT_THAT(aside(), HasSubstr("t 1 b"));
  EXPECT_EQ(rows(), "1|'a'|'b'\n");
  EXPECT_EQ(run({updated(t, {number(1)}, {number(1), text("n"), text("fits")})}), "");
  EXPECT_EQ(aside(), "");
  EXPECT_EQ(rows(), "1|'n'|'fits'\n");
}

TEST_F(SourceWriterTest, TruncateTakesWhatIsPutOffToo) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE); INSERT INTO t VALUES(1,'a'),(2,'b')");
  const auto t = table();
  EXPECT_EQ(run({updated(t, {number(1)}, {number(1), text("b")}), truncated(t),
                 inserted(t, {number(3), text("c")})}),
            "");
  EXPECT_EQ(rows(), "3|'c'\n");
  EXPECT_EQ(aside(), "");
}

// Promise: only as much of old versions goes as is in the way.
TEST_F(SourceWriterTest, OldVersionsThatAreNotInTheWayStay) {
  make(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v);
    INSERT INTO t VALUES(1,'a','x'),(2,'b','y'),(3,'c','z');
  )");
  const auto t = table();
  EXPECT_EQ(run({misfitting(updated(t, {number(1)}, {number(1), text("d"), {}}), 2, "f"),
                 misfitting(updated(t, {number(2)}, {number(2), text("e"), {}}), 2, "f")}),
            "");
  EXPECT_EQ(run({updated(t, {number(3)}, {number(3), text("b"), {}})}), "");
  EXPECT_EQ(rows(), "1|'a'|'x'\n3|'b'|'z'\n");
  EXPECT_TRUE(settle({number(2)}, Row{number(2), text("e"), text("w")}));
  EXPECT_EQ(rows(), "1|'a'|'x'\n2|'e'|'w'\n3|'b'|'z'\n");
}

// Promise: a key that has no equal in SQLite is an entry too, until the key has one.
TEST_F(SourceWriterTest, KeysThatDoNotFit) {
  make("CREATE TABLE t(k NUMERIC PRIMARY KEY NOT NULL, v); INSERT INTO t VALUES(1,'a')");
  const auto t = table();
  auto moved = misfitting(updated(t, {number(1)}, {text("NaN"), text("a")}), 0, "NaN");
  moved.after[0] = text("NaN");  // the key's field stands for itself
  EXPECT_EQ(run({moved}), "");
  EXPECT_EQ(rows(), "");
  EXPECT_EQ(aside(), "t 'NaN' k: no value of the source's is PostgreSQL's 'NaN'\n");
  EXPECT_EQ(run({updated(t, {text("NaN")}, {number(3), text("b")})}), "");
  EXPECT_EQ(aside(), "");
  EXPECT_EQ(rows(), "3|'b'\n");
  // '007' is one key on PostgreSQL, and would be 7 here.
  EXPECT_EQ(run({inserted(t, {text("007"), text("c")}), inserted(t, {number(7), text("d")})}), "");
  EXPECT_THAT(aside(), HasSubstr("t '007' k: '007' would be stored as a number"));
  EXPECT_EQ(run({updated(t, {text("007")}, {text("x7"), text("c")})}), "");
  EXPECT_EQ(aside(), "");
  EXPECT_EQ(rows("SELECT * FROM t ORDER BY v"), "3|'b'\n'x7'|'c'\n7|'d'\n");
}

TEST_F(SourceWriterTest, SettleDoesWhatIsTrueNow) {
  make(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, c CHECK(c<10), g AS (c*2), u UNIQUE);
    INSERT INTO t(id,c,u) VALUES(1,1,'a'),(2,2,'b');
  )");
  const auto t = table();
  EXPECT_EQ(run({updated(t, {number(1)}, {number(1), number(11), {}, text("a2")}),
                 inserted(t, {number(3), number(12), {}, text("c")})}),
            "");
  EXPECT_EQ(aside(), "t 1 : CHECK constraint failed: c<10\nt 3 : CHECK constraint failed: c<10\n");
  // It still does not fit, for another reason.
  EXPECT_FALSE(settle({number(1)}, Row{number(1), number(1), Value(), text("b")}));
  EXPECT_EQ(aside(), "t 3 : CHECK constraint failed: c<10\nt 1 : UNIQUE constraint failed: t.u\n");
  EXPECT_EQ(rows(), "1|1|2|'a'\n2|2|4|'b'\n");
  EXPECT_TRUE(settle({number(1)}, Row{number(1), number(9), Value(), text("a2")}));
  EXPECT_TRUE(settle({number(3)}, std::nullopt));
  EXPECT_EQ(rows(), "1|9|18|'a2'\n2|2|4|'b'\n");
  EXPECT_EQ(aside(), "");
  // Within a transaction it is part of it.
  ASSERT_TRUE(writer_->begin(no_hurry()));
  EXPECT_TRUE(settle({number(2)}, std::nullopt));
  writer_->rollback();
  EXPECT_EQ(rows(), "1|9|18|'a2'\n2|2|4|'b'\n");
  EXPECT_FALSE(writer_->in_transaction());
}

// Promise: a rolled-back transaction's entries are gone too.
TEST_F(SourceWriterTest, RollbackForgetsWhatWasSetAside) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES(1,1)");
  ASSERT_TRUE(writer_->begin(no_hurry()));
  ASSERT_TRUE(writer_->apply(misfitting(updated(table(), {number(1)}, {number(1), {}}), 1, "f")));
  ASSERT_TRUE(writer_->end_transaction());
  EXPECT_EQ(writer_->set_aside_count().value(), 1);
  writer_->rollback();
  EXPECT_EQ(aside(), "");
  EXPECT_EQ(run({updated(table(), {number(1)}, {number(1), number(2)})}), "");
  EXPECT_EQ(rows(), "1|2\n");
}

// Promise: a masked column keeps what the source has, and a row that was never here waits.
TEST_F(SourceWriterTest, MaskedColumnsKeepTheirValue) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY, m, v); INSERT INTO t VALUES(1,'secret',1)");
  Table masked = *table();
  masked.columns[1].type.base = TargetType::kText;
  masked.columns[1].type.form = SourceForm::kMasked;
  const Row row{number(1), text("hash"), number(2)};
  EXPECT_TRUE(writer_->settle(masked, {number(1)}, row).value());
  EXPECT_EQ(rows(), "1|'secret'|2\n");
  EXPECT_FALSE(
      writer_->settle(masked, {number(9)}, Row{number(9), text("hash"), number(2)}).value());
  EXPECT_EQ(aside(), "t 9 m: the column is masked: PostgreSQL does not have its value\n");
}

// Promise: memory is bounded whatever one transaction puts off; a shift of any length comes out.
TEST_F(SourceWriterTest, LongShiftsAndManyMisfitsAreBounded) {
  make(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, u INTEGER UNIQUE NOT NULL, b BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<60)
      INSERT INTO t SELECT i, i, zeroblob(300000) FROM n;
    CREATE TABLE m(id INTEGER PRIMARY KEY, v);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<50000)
      INSERT INTO m SELECT i, i FROM n;
  )");
  const auto t = table();
  Changes shift;
  for (int64_t i = 1; i <= 60; ++i) {
    shift.push_back(updated(t, {number(i)}, {number(i), number(i + 1), {}}));
  }
  EXPECT_EQ(run(shift), "");
  EXPECT_EQ(rows("SELECT count(*) FROM t WHERE u=id+1 AND length(b)=300000"), "60\n");
  EXPECT_EQ(aside(), "");
  const auto m = table("m");
  ASSERT_TRUE(writer_->begin(no_hurry()));
  for (int64_t i = 1; i <= 50'000; ++i) {
    ASSERT_TRUE(
        writer_->apply(misfitting(updated(m, {number(i)}, {number(i), {}}), 1, "Infinity")));
  }
  ASSERT_TRUE(writer_->end_transaction());
  ASSERT_TRUE(writer_->commit(state_));
  EXPECT_EQ(writer_->set_aside_count().value(), 50'000);
  EXPECT_EQ(writer_->set_aside(10).value().size(), 10U);
  EXPECT_EQ(rows("SELECT count(*), sum(v) FROM m"), "50000|1250025000\n");
}

// Promise: a shift of keys that is too large to hold is refused, and nothing of it stays.
TEST_F(SourceWriterTest, KeysThatTakeTurnsInOneLargeTransactionAreRefused) {
  make(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<80)
      INSERT INTO t SELECT i, zeroblob(300000) FROM n;
  )");
  const auto t = table();
  Changes reversal;
  for (int64_t i = 1; i <= 40; ++i) {
    reversal.push_back(updated(t, {number(i)}, {number(81 - i), {}}));
  }
  EXPECT_THAT(run(reversal), HasSubstr("one transaction of PostgreSQL's gives rows the keys"));
  EXPECT_EQ(rows("SELECT count(*), sum(id) FROM t"), "80|3240\n");
}

}  // namespace
}  // namespace crossfade::testing
