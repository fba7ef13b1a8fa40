// Promise: a generated column whose expression has an exact equal is computed by PostgreSQL, holds
// what SQLite computes through every kind of write, and goes on after the cutover; any other is a
// plain column, and a finding says why. A row that PostgreSQL cannot compute is neither lost nor in
// anybody's way.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class GeneratedColumnsTest : public MoveTest {
 protected:
  // "total s, name" for the columns of a table that are computed; "" for none.
  [[nodiscard]] std::string computed(const std::string& table) const {
    return target_value(fmt::format(
        "SELECT coalesce(string_agg(attname, ' ' ORDER BY attnum), '') FROM pg_attribute WHERE "
        "attrelid = 'public.{}'::regclass AND attgenerated = 's'",
        table));
  }
  [[nodiscard]] std::string expression(const std::string& table, const std::string& column) const {
    return target_value(fmt::format(
        "SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_attribute a ON "
        "a.attrelid "
        "= d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = 'public.{}'::regclass AND attname = "
        "'{}'",
        table, column));
  }
  // Why inspect says that a column stays plain; "" when it does not.
  [[nodiscard]] std::string why_plain(const std::string& column) const {
    const auto plan = nlohmann::json::parse(crossfade({"inspect", db_, "--json"}).out);
    for (const auto& finding : plan.at("findings")) {
      if (finding.at("code") == "generated_as_plain" && finding.at("column") == column) {
        return finding.at("message").get<std::string>() + finding.at("remedy").get<std::string>();
      }
    }
    return "";
  }
  // The SQLSTATE with which the target refuses it; empty: it does not.
  [[nodiscard]] std::string refusal(const std::string& sql) const {
    auto connection = connect_or_die(url_);
    const auto done = connection.exec(sql);
    return done ? "" : done.error().sqlstate;
  }
  std::string rules(const std::string& text) const {
    write_bytes(dir_.path() + "/rules.toml", text);
    return dir_.path() + "/rules.toml";
  }
  [[nodiscard]] std::string waiting() const {
    return target_value("SELECT count(*) FROM crossfade.quarantine");
  }

  void make_lines() {
    app(R"(
      PRAGMA journal_mode=WAL;
      CREATE TABLE line(id INTEGER PRIMARY KEY, price REAL, qty INTEGER, name TEXT, gone INTEGER,
        total REAL AS (price * qty) VIRTUAL,
        twice INTEGER GENERATED ALWAYS AS (qty * 2) STORED NOT NULL UNIQUE,
        label TEXT COLLATE NOCASE AS (upper(name) || '-' || qty) STORED,
        is_free BOOLEAN AS (price = 0),
        four INT AS (twice * 2 + length(label)),
        tag TEXT AS (name) STORED,
        CHECK (twice < 200000));
      CREATE INDEX line_total ON line(total DESC) WHERE twice > 4;
      CREATE UNIQUE INDEX line_label ON line(label);
      CREATE INDEX line_sum ON line(four + 1, lower(tag));
      CREATE VIEW dear AS SELECT id, total, four FROM line WHERE total > 5;
      CREATE TABLE strict_one(a INTEGER NOT NULL, b TEXT, c INTEGER AS (a + 1) STORED,
        d TEXT AS (b || c), PRIMARY KEY(a, b)) STRICT, WITHOUT ROWID;
      CREATE TABLE keyless(x INTEGER, y AS (x % 7));
      WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<300)
        INSERT INTO line(id, price, qty, name) SELECT i, i*0.25 - 1, i, 'n'||i FROM c;
      INSERT INTO line(id, price, qty, name) VALUES(1000, NULL, -1, NULL);
      INSERT INTO strict_one SELECT id, name FROM line WHERE name IS NOT NULL;
      INSERT INTO keyless SELECT id FROM line;)");
  }
};

TEST_F(GeneratedColumnsTest, TheTargetComputesWhatSqliteComputes) {
  make_lines();
  follow();
  EXPECT_EQ(computed("line"), "total twice label is_free four tag");
  EXPECT_EQ(computed("strict_one"), "c d");
  EXPECT_EQ(computed("keyless"), "y");
  expect_becomes_equal();
  app("UPDATE line SET qty = qty + 1000 WHERE id % 3 = 0;"
      "UPDATE line SET price = 0.0, name = 'é ''x''' || id WHERE id = 7;"
      "INSERT INTO line(id, price, qty, name) VALUES(2001, 1e10, 90000, 'new');"
      "DELETE FROM line WHERE id = 8");
  // Replaced through the generated columns' own unique indexes.
  app("REPLACE INTO line(id, price, qty, name) VALUES(2002, 2.5, 10, 'N11');"
      "INSERT OR REPLACE INTO line(id, price, qty, name) VALUES(2003, 2.5, 5005, 'N12');"
      "INSERT INTO line(id, price, qty, name) VALUES(13, 1.5, 77777, 'upsert')"
      "  ON CONFLICT(id) DO UPDATE SET qty = 66666, name = excluded.name;"
      "UPDATE OR REPLACE line SET qty = 16 WHERE id = 17;"
      "BEGIN; UPDATE line SET qty = -7 WHERE id = 19; UPDATE line SET qty = 19 WHERE id = 20;"
      "UPDATE line SET qty = 20 WHERE id = 19; COMMIT;"
      "UPDATE strict_one SET b = b || '!' WHERE a < 50; DELETE FROM strict_one WHERE a = 60;"
      "UPDATE strict_one SET a = a + 5000 WHERE a = 61; UPDATE keyless SET x = x * 3");
  expect_becomes_equal();
  EXPECT_EQ(waiting(), "0");
  EXPECT_EQ(target_value("SELECT indexdef ~ 'UNIQUE.*lower\\(' FROM pg_indexes WHERE indexname = "
                         "'line_label'"),
            "t");
  EXPECT_EQ(target_value("SELECT count(*) FROM pg_indexes WHERE indexname IN ('line_total', "
                         "'line_sum')"),
            "2");
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(refusal("INSERT INTO public.line(id, price, qty, name) VALUES(9001, 2, 4000, 'x')"),
            "");
  EXPECT_EQ(target_value("SELECT concat_ws('|', total, twice, label, is_free, four, tag) FROM "
                         "public.line WHERE id = 9001"),
            "8000|8000|X-4000|f|16006|x");
  EXPECT_EQ(target_value("SELECT total FROM public.dear WHERE id = 9001"), "8000");
  EXPECT_EQ(refusal("INSERT INTO public.line(id, qty) VALUES(9002, 4000)"), "23505");
  EXPECT_EQ(refusal("INSERT INTO public.line(id, qty) VALUES(9003, 150000)"), "23514");
  EXPECT_THAT(refusal("UPDATE public.line SET twice = 1"), AnyOf("428C9", "42601"));  // 13
}

// One transaction of many rows goes as sets rather than as single statements.
// PostgreSQL 15 refuses columns in which something is left to compute with constants alone, as it
// does not know the collation yet: what inspect promised would become plain.
TEST_F(GeneratedColumnsTest, ComparisonsWithConstantsUnderACollationAreComputed) {
  app(R"(
    PRAGMA journal_mode=WAL;
    CREATE TABLE note(id INTEGER PRIMARY KEY, tag TEXT COLLATE NOCASE, code TEXT,
      is_urgent BOOLEAN AS (tag = 'URGENT'),
      is_open BOOLEAN AS (tag IN ('Open', 'NEW', '')),
      kind TEXT AS (CASE tag WHEN 'Urgent' THEN 'u' WHEN 'NEW' THEN 'n' ELSE code END),
      late BOOLEAN AS (tag > 'M' AND tag NOT LIKE 'Ur%'),
      trimmed BOOLEAN AS (code COLLATE RTRIM = 'x  '),
      least TEXT AS (min(code, 'M', 'q')),
      shown TEXT AS (upper(coalesce('k', code)) || lower(code)),
      found BOOLEAN AS ('b' IN (code, 'c', 'x')));
    CREATE INDEX note_open ON note(code) WHERE tag = 'OPEN';
    INSERT INTO note(id, tag, code) VALUES(1, 'urgent', 'x'), (2, 'oPEN', 'X '), (3, 'New', 'b'),
      (4, 'zebra', NULL), (5, NULL, 'x  '), (6, 'URGENT', 'É'), (7, '', 'a');)");
  for (const char* column :
       {"is_urgent", "is_open", "kind", "late", "trimmed", "least", "shown", "found"}) {
    EXPECT_EQ(why_plain(column), "") << column;
  }
  follow();
  EXPECT_EQ(computed("note"), "is_urgent is_open kind late trimmed least shown found");
  EXPECT_EQ(target_value("SELECT string_agg(id::text, ',') FROM public.note WHERE is_urgent"),
            "1,6");
  EXPECT_EQ(target_value("SELECT string_agg(id::text, ',') FROM public.note WHERE is_open"),
            "2,3,7");
  EXPECT_EQ(target_value("SELECT count(*) FROM pg_indexes WHERE indexname = 'note_open'"), "1");
  app("UPDATE note SET tag = 'OPEN', code = 'x ' WHERE id IN (1, 4); DELETE FROM note WHERE id = "
      "2");
  expect_becomes_equal();
}

TEST_F(GeneratedColumnsTest, LargeTransactionsAreComputedToo) {
  make_lines();
  follow();
  app("WITH RECURSIVE c(i) AS (SELECT 5000 UNION ALL SELECT i+1 FROM c WHERE i<9000)"
      "  INSERT INTO line(id, price, qty, name) SELECT i, i*0.1, i*5, 'n'||i FROM c;"
      "UPDATE line SET price = price + 0.1; DELETE FROM line WHERE id % 5 = 0");
  expect_becomes_equal();
  EXPECT_EQ(waiting(), "0");
}

TEST_F(GeneratedColumnsTest, WhatHasNoEqualStaysPlainAndSaysWhy) {
  app(R"(
    CREATE TABLE p(id INTEGER PRIMARY KEY);
    CREATE TABLE t(id INTEGER PRIMARY KEY, at TEXT, doc TEXT, r REAL, n INTEGER, s TEXT,
      day TEXT AS (date(at)), reals TEXT AS (r || ''), same AS (at),
      from_doc TEXT AS (json_extract(doc, '$.a')), arrow AS (doc ->> '$.b'), member AS (doc -> '$.c'),
      parent INTEGER AS (id) REFERENCES p(id),
      on_plain TEXT AS (day || '!'), quoted AS (quote(n)), stamp INTEGER AS (unixepoch(at)));
    INSERT INTO p VALUES(1),(2);
    INSERT INTO t(id, at, doc, r, n, s) VALUES
      (1,'2024-05-06 07:08:09','{"a":"x","b":5,"c":[1]}',1.5,1,'a'),
      (2,'2024-05-06 07:08:10','{"a":"y","b":6,"c":{}}',2.5,2,'b');)");
  EXPECT_THAT(why_plain("day"), HasSubstr("not immutable"));
  EXPECT_THAT(why_plain("day"), HasSubstr("AS (date(at))"));
  EXPECT_THAT(why_plain("day"), HasSubstr("nothing computes it after the cutover"));
  EXPECT_THAT(why_plain("parent"), HasSubstr("in a key"));
  EXPECT_THAT(why_plain("from_doc"), HasSubstr("taken out of jsonb"));
  for (const char* column : {"reals", "arrow", "member", "quoted"}) {
    EXPECT_NE(why_plain(column), "") << column;
  }
  EXPECT_EQ(why_plain("same") + why_plain("stamp"), "") << "a time, and a number from it";
  follow();
  EXPECT_EQ(computed("t"), "same stamp");
  app("INSERT INTO t(id, at, doc, r, n, s) VALUES(3,'2025-05-06 07:08:09','{\"a\":1}',0.1,3,NULL);"
      "UPDATE t SET at='2023-01-01 00:00:00', doc=NULL, n=NULL WHERE id=1");
  expect_becomes_equal();
  EXPECT_EQ(waiting(), "0");
}

TEST_F(GeneratedColumnsTest, ARuleMakesAColumnPlainAndWhatItChangesIsNotComputedWith) {
  app(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, secret TEXT, gone TEXT,
      forced INTEGER AS (n * 2), free INTEGER AS (n * 3), hidden TEXT AS (secret || 'x'),
      hashed TEXT AS (n || ''), left_out TEXT AS (gone || ''), out INTEGER AS (n));
    INSERT INTO t(id, n, secret, gone) VALUES(1, 5, 'a', 'b');)");
  const std::string file = rules(
      "[tables.t.columns.forced]\ntype = \"bigint\"\n[tables.t.columns.secret]\non_nul = "
      "\"escape\"\n[tables.t.columns.gone]\nexclude = true\n[tables.t.columns.out]\nexclude = "
      "true\n"
      "[tables.t.columns.free]\nrename = \"freed\"\n[tables.t.columns.hashed]\non_nul = "
      "\"escape\"");
  follow({"--rules", file});
  EXPECT_EQ(computed("t"), "freed");
  const std::string plan = crossfade({"inspect", db_, "--rules", file, "--json"}).out;
  EXPECT_THAT(plan, HasSubstr("a rule says what it holds"));
  EXPECT_THAT(plan, HasSubstr("a rule keeps back or changes secret"));
  EXPECT_THAT(plan, HasSubstr("a rule keeps back or changes gone"));
  app("UPDATE t SET n = 6, secret = 'c'; INSERT INTO t(id, n) VALUES(2, 7)");
  EXPECT_TRUE(wait_until(
      [&] {
        return target_value(
                   "SELECT string_agg(concat_ws('|', forced, freed, hidden, hashed), ' ' "
                   "ORDER BY id) FROM public.t") == "12|18|cx|6 14|21|7";
      },
      seconds(20)));
  EXPECT_EQ(stop_engine(), 0);
  // Without the rules both are computed again.
  const Finished done =
      crossfade({"run", db_, "--target", url_, "--until", "verified", "--rules", rules("")});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(computed("t"), "forced free hidden hashed left_out out");
}

// SQLite goes on in REAL where PostgreSQL reports an overflow. The value tells which column it is,
// or, where it does not, the target is asked.
TEST_F(GeneratedColumnsTest, ARowThatCannotBeComputedMakesItsColumnPlain) {
  app(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, r REAL, s TEXT,
      square INTEGER AS (n * n), large INTEGER AS (n * n > 50), scaled REAL AS (r * 1e300),
      whole INTEGER AS (CAST(r AS INTEGER)), fine INTEGER AS (n + 1));
    CREATE TABLE other(id INTEGER PRIMARY KEY, n INTEGER, m INTEGER AS (n * 2));
    INSERT INTO t(id, n, r, s) VALUES(1, 5, 1.5, 'a'), (2, NULL, NULL, NULL);
    INSERT INTO other(id, n) VALUES(1, 1);)");
  follow();
  ASSERT_EQ(computed("t"), "square large scaled whole fine");
  app("BEGIN; INSERT INTO t(id, n) VALUES(3, 4000000000); UPDATE t SET s = 'b' WHERE id = 1;"
      "INSERT INTO other(id, n) VALUES(2, 2); COMMIT");
  EXPECT_TRUE(wait_until([&] { return computed("t") == "scaled whole fine"; }, seconds(30)))
      << computed("t");
  app("INSERT INTO t(id, r) VALUES(4, 1e30)");
  EXPECT_TRUE(wait_until([&] { return computed("t") == "fine"; }, seconds(30))) << computed("t");
  expect_becomes_equal();
  EXPECT_EQ(waiting(), "0");
  EXPECT_EQ(computed("other"), "m");
  EXPECT_EQ(status().at("quarantined"), 0);
}

// The same in the copy.
TEST_F(GeneratedColumnsTest, StoredRowsThatCannotBeComputedMakeTheirColumnsPlain) {
  app(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, r REAL,
      large INTEGER AS (n * n > 50), scaled REAL AS (r * 1e300) STORED, fine INTEGER AS (n + 1));
    WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<5000)
      INSERT INTO t(id, n, r) SELECT i, i, i FROM c;
    UPDATE t SET n = 4000000000 WHERE id IN (77, 4000); UPDATE t SET r = 1e30 WHERE id = 3333;)");
  const Finished done = run_until_verified();
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(computed("t"), "fine");
  EXPECT_EQ(waiting(), "0");
  EXPECT_EQ(
      target_value("SELECT large || ' ' || (SELECT scaled FROM public.t WHERE id = 3333) FROM "
                   "public.t WHERE id = 77"),
      "1 Infinity");
}

TEST_F(GeneratedColumnsTest, ARuleMaySetSuchRowsAsideInstead) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, large INTEGER AS (n * n > 50));"
      "INSERT INTO t(id, n) VALUES(1, 5)");
  follow({"--rules", rules("[tables.t.columns.large]\non_misfit = \"quarantine\"\n")});
  app("INSERT INTO t(id, n) VALUES(2, 4000000000), (3, 8)");
  EXPECT_TRUE(wait_until([&] { return waiting() == "1"; }, seconds(20)));
  EXPECT_EQ(target_value("SELECT column_name || key FROM crossfade.quarantine"), "largeid=2");
  EXPECT_EQ(computed("t"), "large");
  app("UPDATE t SET n = 9 WHERE id = 2");
  expect_becomes_equal();
  EXPECT_EQ(waiting(), "0");
}

TEST_F(GeneratedColumnsTest, AChangedExpressionIsTakenUp) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, g INTEGER AS (n + 1));"
      "INSERT INTO t(id, n) VALUES(1, 5)");
  follow();
  EXPECT_EQ(expression("t", "g"), "(n + 1)");
  app("PRAGMA writable_schema=ON;"
      "UPDATE sqlite_schema SET sql = replace(sql, 'n + 1', 'n + 2') WHERE name = 't';"
      "PRAGMA writable_schema=RESET; CREATE TABLE moves_the_version(x INTEGER)");
  EXPECT_TRUE(wait_until([&] { return expression("t", "g") == "(n + 2)"; }, seconds(20)))
      << expression("t", "g");
  app("ALTER TABLE t ADD COLUMN h TEXT AS (n || 'x')");
  EXPECT_TRUE(wait_until([&] { return computed("t") == "g h"; }, seconds(20)));
  expect_becomes_equal();
}

// Stored by another expression than the one that is there now: SQLite itself would compute
// something else.
TEST_F(GeneratedColumnsTest, VerificationComparesWhatWasComputedAndARuleIsTheWayOn) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, g INTEGER AS (n + 1) STORED);"
      "INSERT INTO t(id, n) VALUES(1, 5), (2, 6); PRAGMA writable_schema=ON;"
      "UPDATE sqlite_schema SET sql = replace(sql, 'n + 1', 'n + 2') WHERE name = 't';"
      "PRAGMA writable_schema=RESET; INSERT INTO t(id, n) VALUES(3, 7)");
  const Finished different = run_until_verified();
  EXPECT_EQ(different.code, 4) << different.out << different.err;
  EXPECT_THAT(different.out + different.err, HasSubstr("id=1"));
  const Finished equal = crossfade({"run", db_, "--target", url_, "--until", "verified", "--rules",
                                    rules("[tables.t.columns.g]\ntype = \"bigint\"\n")});
  EXPECT_EQ(equal.code, 0) << equal.out << equal.err;
  EXPECT_EQ(target_value("SELECT string_agg(g::text, ' ' ORDER BY id) FROM public.t"), "6 7 9");
}

TEST_F(GeneratedColumnsTest, InspectAndItsRulesShowThem) {
  make_lines();
  const Finished shown = crossfade({"inspect", db_, "--json", "--html", dir_.path() + "/r.html",
                                    "--write-rules", dir_.path() + "/written.toml"});
  const auto plan = nlohmann::json::parse(shown.out);
  EXPECT_THAT(plan.at("ddl").dump(), HasSubstr("GENERATED ALWAYS AS"));
  EXPECT_THAT(plan.at("tables").dump(), HasSubstr(R"("target_generated":"\"qty\" * 2")"));
  EXPECT_THAT(read_bytes(dir_.path() + "/r.html"), HasSubstr("computed</span>"));
  EXPECT_THAT(read_bytes(dir_.path() + "/written.toml"),
              HasSubstr("# computed by the target, as \"qty\" * 2"));
  EXPECT_THAT(crossfade({"inspect", db_}).out, HasSubstr("bigint, computed"));
  // What is written out decides nothing until somebody does.
  const Finished done = crossfade({"run", db_, "--target", url_, "--until", "verified", "--rules",
                                   dir_.path() + "/written.toml"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(computed("line"), "total twice label is_free four tag");
}

// SQLite's substr() makes NULL of no bytes at all.
TEST_F(GeneratedColumnsTest, APartOfNoBytesIsNull) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB, s AS (substr(b,1,1)));"
      "INSERT INTO t(b) VALUES (x'4142'), (x''), (NULL)");
  ASSERT_EQ(run_until_verified().code, 0);
  EXPECT_EQ(
      target_value("SELECT attgenerated FROM pg_attribute WHERE attrelid='public.t'::regclass "
                   "AND attname='s'"),
      "s");
}

}  // namespace
}  // namespace crossfade::testing
