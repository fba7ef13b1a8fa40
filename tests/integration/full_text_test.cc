// Promise: what a full-text table finds in SQLite, PostgreSQL finds after the cutover, kept current
// by PostgreSQL itself; rows that only a full-text table has are never left behind unsaid; and no
// text of any size or kind can make the searched column fail.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/real_dbs.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

// A MATCH, and the tsquery that stands for it.
using Query = std::pair<std::string, std::string>;

class FullTextTest : public MoveTest {
 protected:
  [[nodiscard]] nlohmann::json inspected(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"inspect", db_, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return nlohmann::json::parse(crossfade(arguments).out, nullptr, false);
  }

  static std::string finding(const nlohmann::json& plan, const std::string& code,
                             const char* field = "message") {
    for (const auto& each : plan.at("findings")) {
      if (each.at("code") == code) return each.at(field).dump();
    }
    return "";
  }

  [[nodiscard]] std::string in_sqlite(const std::string& fts, const std::string& match) const {
    return AppDb(db_).value(
        fmt::format("SELECT group_concat(id) FROM (SELECT rowid AS id FROM {0} WHERE {0} MATCH "
                    "'{1}' ORDER BY rowid)",
                    fts, match));
  }
  [[nodiscard]] std::string in_postgres(const std::string& table, const std::string& key,
                                        const std::string& where) const {
    return target_value(
        fmt::format("SELECT string_agg(({1})::text, ',' ORDER BY {1}) FROM public.{0} WHERE {2}",
                    table, key, where));
  }

  // On both sides the same rows, and some.
  void expect_finds(const std::string& fts, const std::string& table, const std::string& key,
                    const std::vector<Query>& queries) const {
    for (const auto& [match, query] : queries) {
      const std::string found = in_sqlite(fts, match);
      EXPECT_NE(found, "") << match;
      EXPECT_EQ(in_postgres(table, key, fmt::format("{} @@ {}", fts, query)), found) << match;
    }
  }

  [[nodiscard]] std::string columns_of(const std::string& table) const {
    return target_value(
        "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ',' "
        "ORDER BY attnum) FROM pg_attribute WHERE NOT attisdropped AND attnum > 0 "
        "AND attrelid = to_regclass('public." +
        table + "')");
  }
  [[nodiscard]] std::string index_of(const std::string& name) const {
    return target_value("SELECT indexdef FROM pg_indexes WHERE indexname = '" + name + "'");
  }

  void make_messages() const {
    app(R"(
      PRAGMA journal_mode=WAL;
      CREATE TABLE message(id INTEGER PRIMARY KEY, subject TEXT, body TEXT, sent INTEGER);
      CREATE VIRTUAL TABLE message_fts USING fts5(subject, body, content='message',
        content_rowid='id');
      CREATE TRIGGER message_ai AFTER INSERT ON message BEGIN
        INSERT INTO message_fts(rowid, subject, body) VALUES (new.id, new.subject, new.body);
      END;
      CREATE TRIGGER message_ad AFTER DELETE ON message BEGIN
        INSERT INTO message_fts(message_fts, rowid, subject, body)
          VALUES ('delete', old.id, old.subject, old.body);
      END;
      CREATE TRIGGER message_au AFTER UPDATE ON message BEGIN
        INSERT INTO message_fts(message_fts, rowid, subject, body)
          VALUES ('delete', old.id, old.subject, old.body);
        INSERT INTO message_fts(rowid, subject, body) VALUES (new.id, new.subject, new.body);
      END;
      INSERT INTO message VALUES(1,'Invoice for March','the total amount is due',1),
        (2,'Re: Invoice','amount paid in total',2),(3,'Holiday','sun and sand',3),
        (4,NULL,'an invoice, again',4),(5,'Grüße','aus München',5);)");
  }
};

TEST_F(FullTextTest, ExternalContentIsSearchedAlikeAfterLiveWritesAndTheCutover) {
  make_messages();
  const auto plan = inspected();
  EXPECT_FALSE(plan.at("blocked"));
  EXPECT_THAT(finding(plan, "full_text_rewritten", "remedy"), HasSubstr("websearch_to_tsquery"));
  EXPECT_EQ(finding(plan, "trigger_not_carried"), "");
  EXPECT_THAT(finding(plan, "trigger_covered"), HasSubstr("message_a"));
  follow();
  EXPECT_EQ(columns_of("message"),
            "id bigint,subject text,body text,sent bigint,message_fts tsvector");
  EXPECT_THAT(index_of("message_fts_idx"), HasSubstr("USING gin (message_fts)"));
  app("INSERT INTO message VALUES(6,'Invoice','in total confusion',6);"
      "UPDATE message SET body='sun and invoices and sand' WHERE id=3;"
      "DELETE FROM message WHERE id=2;"
      "INSERT OR REPLACE INTO message VALUES(4,'Again','the invoice total',7)");
  expect_becomes_equal();
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  expect_finds("message_fts", "message", "id",
               {{"invoice", "websearch_to_tsquery('simple', 'invoice')"},
                {"invoice total", "websearch_to_tsquery('simple', 'invoice total')"},
                {"holiday OR again", "websearch_to_tsquery('simple', 'holiday or again')"},
                {"invoice NOT again", "websearch_to_tsquery('simple', 'invoice -again')"},
                {"\"total amount\"", "phraseto_tsquery('simple', 'total amount')"},
                {"invoic*", "to_tsquery('simple', 'invoic:*')"},
                {"subject : invoice", "to_tsquery('simple', 'invoice:A')"},
                {"body : invoice", "to_tsquery('simple', 'invoice:B')"},
                {"\xC3\xBC* OR gr\xC3\xBC*", "to_tsquery('simple', 'gr\xC3\xBC:*')"}});
  // PostgreSQL is on its own now.
  target_exec("UPDATE public.message SET subject='Closing' WHERE id=6");
  EXPECT_EQ(in_postgres("message", "id", "message_fts @@ to_tsquery('simple','closing')"), "6");
}

TEST_F(FullTextTest, ARebuildOrAVacuumCopiesNothingAnewAndANewTableDoes) {
  make_messages();
  follow();
  const std::string made = target_value("SELECT 'public.message'::regclass::oid::text");
  app("INSERT INTO message_fts(message_fts) VALUES('rebuild'); VACUUM;"
      "INSERT INTO message VALUES(9,'after','vacuum',9)");
  expect_becomes_equal();
  EXPECT_EQ(target_value("SELECT 'public.message'::regclass::oid::text"), made);
  app("CREATE VIRTUAL TABLE bodies USING fts4(body, content=\"message\", tokenize=porter);"
      "INSERT INTO bodies(bodies) VALUES('rebuild')");
  ASSERT_TRUE(wait_until(
      [&] {
        return columns_of("message").find(",bodies tsvector") != std::string::npos &&
               index_of("bodies_idx") != "";
      },
      seconds(20)));
  expect_becomes_equal();
  expect_finds("bodies", "message", "id", {{"vacuuming", "to_tsquery('english', 'vacuuming')"}});
  app("DROP TABLE bodies");
  ASSERT_TRUE(wait_until([&] { return columns_of("message").find("bodies") == std::string::npos; },
                         seconds(20)));
  expect_becomes_equal();
  EXPECT_EQ(stop_engine(), 0);
}

TEST_F(FullTextTest, RowsThatATriggerMirrorsAreTheOrdinaryTables) {
  app(R"(
    CREATE TABLE note(id INTEGER PRIMARY KEY, title TEXT, text TEXT);
    CREATE VIRTUAL TABLE found USING fts4(head, body, notindexed=head, tokenize=porter);
    CREATE TRIGGER note_ai AFTER INSERT ON note BEGIN
      INSERT INTO found(docid, head, body) VALUES (new.id, new.title, new.text); END;
    CREATE TRIGGER note_bd BEFORE DELETE ON note BEGIN DELETE FROM found WHERE docid=old.id; END;
    INSERT INTO note VALUES(1,'running','the cats run'),(2,'cat','dogs ran'),(3,'x','connected');)");
  follow();
  app("INSERT INTO note VALUES(4,'cats','connecting dogs'); DELETE FROM note WHERE id=2");
  expect_becomes_equal();
  expect_finds("found", "note", "id",
               {{"cat", "to_tsquery('english','cat')"},
                {"running", "to_tsquery('english','running')"},
                {"connection", "to_tsquery('english','connection')"},
                {"dogs", "to_tsquery('english','dogs')"}});
  EXPECT_EQ(stop_engine(), 0);
}

TEST_F(FullTextTest, AnOnlyCopyStopsTheRunUntilARuleDecides) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY); CREATE VIRTUAL TABLE memo USING fts5(body);"
      "INSERT INTO memo VALUES('nowhere else'),('nor this')");
  const Finished refused = run_until_verified();
  EXPECT_EQ(refused.code, 3) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("memo"));
  EXPECT_THAT(refused.err, HasSubstr("fts_only_copy"));
  EXPECT_EQ(traces_in_source(), "");
  write_bytes(dir_.path() + "/rules.toml", "[tables.memo]\nexclude = true\n");
  const Finished allowed = crossfade({"run", db_, "--target", url_, "--until", "verified",
                                      "--rules", dir_.path() + "/rules.toml"});
  EXPECT_EQ(allowed.code, 0) << allowed.err;
}

TEST_F(FullTextTest, ALanguageThatNoOrdinaryTableHasIsAnOnlyCopy) {
  app("CREATE TABLE note(id INTEGER PRIMARY KEY, t TEXT); INSERT INTO note "
      "VALUES(1,'hallo'),(2,'x');"
      "CREATE VIRTUAL TABLE plain USING fts4(t, languageid=\"lid\");"
      "INSERT INTO plain(docid,t) SELECT id,t FROM note;"
      "CREATE VIRTUAL TABLE spoken USING fts4(t, languageid=\"lid\");"
      "INSERT INTO spoken(docid,t,lid) SELECT id,t,49 FROM note");
  const Finished refused = run_until_verified();
  EXPECT_EQ(refused.code, 3) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("spoken"));
  EXPECT_THAT(refused.err, Not(HasSubstr("plain")));
  const Finished seen = crossfade({"inspect", db_});
  EXPECT_THAT(seen.out, HasSubstr("\"lid\""));
}

TEST_F(FullTextTest, RowsWrittenIntoOneLaterKeepTheCutoverBack) {
  app("PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY);"
      "CREATE VIRTUAL TABLE memo USING fts5(body); CREATE VIRTUAL TABLE draft USING fts4(text)");
  follow();
  app("INSERT INTO memo VALUES('nowhere else'); INSERT INTO draft VALUES('nor this')");
  const Finished refused = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(refused.code, 8) << refused.err;
  for (const char* each : {"memo: a table of fts5", "draft: a table of fts4",
                           R"(CREATE TABLE "memo_rows")", R"(CREATE TABLE "draft_rows")"}) {
    EXPECT_THAT(refused.err, HasSubstr(each)) << "all of them are named, each with its remedy";
  }
  app("DELETE FROM memo; DELETE FROM draft");
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(done.code, 0) << done.err;
}

TEST_F(FullTextTest, TrigramsBecomeAnIndexWhereTheExtensionIs) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY, body TEXT); INSERT INTO t VALUES(1,'Substrings'),"
      "(2,'other');"
      "CREATE VIRTUAL TABLE tri USING fts5(body, content='t', tokenize='trigram');"
      "INSERT INTO tri(tri) VALUES('rebuild')");
  const auto without = inspected({"--target", url_});
  EXPECT_THAT(finding(without, "full_text_not_carried", "remedy"),
              HasSubstr("CREATE EXTENSION pg_trgm"));
  {
    auto connection = connect_or_die(url_);
    const auto made =
        connection.exec("CREATE SCHEMA \"Ext\"; CREATE EXTENSION pg_trgm SCHEMA \"Ext\"");
    if (!made) GTEST_SKIP() << "SKIPPED: no pg_trgm on this machine: " << describe(made.error());
  }
  EXPECT_EQ(finding(inspected({"--target", url_}), "full_text_not_carried"), "");
  ASSERT_EQ(run_until_verified().code, 0);
  EXPECT_THAT(index_of("tri_idx"), HasSubstr("gin_trgm_ops"));
  EXPECT_EQ(in_postgres("t", "id", "body ILIKE '%bstri%'"), in_sqlite("tri", "bstri"));
}

TEST_F(FullTextTest, WithoutTheExtensionTrigramsAreLeftOutAndTheRestGoesOn) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY, body TEXT); INSERT INTO t VALUES(1,'x');"
      "CREATE VIRTUAL TABLE tri USING fts5(body, content='t', tokenize='trigram')");
  EXPECT_EQ(run_until_verified().code, 0);
  EXPECT_EQ(index_of("tri_idx"), "");
}

TEST_F(FullTextTest, NamesThatNeedQuotesAndColumnsOfOtherTypes) {
  app(R"(
    CREATE TABLE "Odd ""table"(id INTEGER PRIMARY KEY, "a b" TEXT, "select" TEXT, n INTEGER,
      d DECIMAL(10,2), flag BOOLEAN, doc JSON, mixed);
    INSERT INTO "Odd ""table" VALUES(1,'it''s red','blue',42,1.25,1,'{"k":"green"}','word'),
      (2,NULL,NULL,NULL,NULL,NULL,NULL,7);
    CREATE VIRTUAL TABLE "odd fts" USING fts5("a b", "select", n, d, flag, doc, mixed,
      content='Odd "table', content_rowid='id');
    INSERT INTO "odd fts"("odd fts") VALUES('rebuild');)");
  EXPECT_THAT(finding(inspected(), "full_text_differs"), HasSubstr("mixed (it is jsonb"));
  const Finished run = run_until_verified();
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err.find("refuse"), std::string::npos) << run.err;
  for (const char* word : {"red", "blue", "42", "green"}) {
    EXPECT_EQ(in_postgres("\"Odd \"\"table\"", "id",
                          fmt::format("\"odd fts\" @@ to_tsquery('simple','{}')", word)),
              in_sqlite("\"odd fts\"", word))
        << word;
  }
  EXPECT_EQ(compare_databases(db_, url_), "");
}

// PostgreSQL takes 1600 columns, and this would be one more.
TEST_F(FullTextTest, AColumnThatTheTargetRefusesIsLeftOutAndNamed) {
  std::string columns;
  for (int i = 1; i < 1600; ++i) columns += fmt::format(", c{} TEXT", i);
  app("CREATE TABLE wide(id INTEGER PRIMARY KEY" + columns +
      "); INSERT INTO wide(id, c1) VALUES(1,'x');"
      "CREATE VIRTUAL TABLE wide_fts USING fts5(c1, content='wide');"
      "CREATE TABLE t(id INTEGER PRIMARY KEY, c1 TEXT); INSERT INTO t VALUES(1,'x');"
      "CREATE VIRTUAL TABLE t_fts USING fts5(c1, content='t')");
  const Finished run = run_until_verified();
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("the full-text table is not carried: the target refuses it"));
  EXPECT_EQ(index_of("wide_fts_idx"), "");
  EXPECT_NE(index_of("t_fts_idx"), "");
  EXPECT_EQ(compare_databases(db_, url_), "");
}

// What would not fit into a tsvector is not searched, and no row is refused for it.
TEST_F(FullTextTest, NoTextIsTooMuch) {
  app(R"(
    PRAGMA journal_mode=WAL;
    CREATE TABLE page(id INTEGER PRIMARY KEY, kind TEXT, a TEXT, b TEXT);
    CREATE VIRTUAL TABLE one USING fts5(a, content='page');
    CREATE VIRTUAL TABLE two USING fts4(content="page", a, b, tokenize=porter);
    INSERT INTO page VALUES(0,'first','start','start');)");
  follow();
  const auto add = [&](const std::string& kind, const std::string& unit) {
    app(
        fmt::format("WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM c WHERE i<149999),"
                    " t(s) AS (SELECT group_concat({1}, '') FROM c)"
                    " INSERT INTO page(kind, a, b) SELECT '{0}', s, s FROM t",
                    kind, unit));
  };
  add("letters", "char(97 + i % 26) || ' '");
  add("numbers", "i || ' '");
  add("signed", "'-' || (i % 10)");
  add("ideographs", "char(131072 + i % 42000) || ' '");
  add("hyphened", "char(131072 + i % 25000) || '-' || char(156072 + i % 17000) || ' '");
  add("long hyphened", "char(131072 + i, 131072 + i % 977, 45, 131072 + i, 131073 + i, 32)");
  add("addresses", "char(131072 + i % 42000) || '.' || char(131072 + i / 7) || '/' || i || ' '");
  add("emails", "'a' || i || '@b' || i || '.org '");
  add("words", "'word '");
  add("one word", "'x'");
  add("wide", "char(570) || i || ' '");
  expect_becomes_equal(seconds(60));
  EXPECT_EQ(target_value("SELECT count(*)::text FROM crossfade.quarantine"), "0");
  EXPECT_EQ(target_value("SELECT count(*)::text FROM public.page WHERE one IS NULL OR two IS NULL"),
            "0");
  auto connection = connect_or_die(url_);
  for (const char* kind : {"numbers", "hyphened", "long hyphened", "emails"}) {
    const auto whole = connection.exec(fmt::format(
        "SELECT to_tsvector('simple', a) IS NULL FROM public.page WHERE kind = '{}'", kind));
    ASSERT_FALSE(whole) << kind << " are no hard case";
    EXPECT_EQ(whole.error().sqlstate, "54000") << kind;
  }
  // The bound is not far from what the worst of them needs.
  EXPECT_GT(std::stoi(target_value(
                "SELECT max(pg_column_size(setweight(one, 'B')))::text FROM public.page")),
            600'000);
  EXPECT_EQ(stop_engine(), 0);
}

TEST_F(FullTextTest, AContentlessTableOfNobodysIsNamedWithWhatCanBeDone) {
  CROSSFADE_NEEDS_REAL_DBS();
  db_ = copy_real_db("screen_memory", dir_);
  const auto plan = inspected();
  EXPECT_FALSE(plan.at("blocked"));
  EXPECT_THAT(finding(plan, "full_text_not_carried", "remedy"),
              HasSubstr("ADD COLUMN \\\"entities_fts\\\" tsvector"));
}

TEST_F(FullTextTest, DatasettesSearchesFindTheSameRows) {
  CROSSFADE_NEEDS_REAL_DBS();
  db_ = copy_real_db("datasette_fixtures", dir_);
  const Finished run = run_until_verified();
  ASSERT_EQ(run.code, 0) << run.err;
  expect_finds("searchable_fts", "searchable", "pk",
               {{"dog", "to_tsquery('simple','dog')"},
                {"barry", "to_tsquery('simple','barry')"},
                {"cat dog", "websearch_to_tsquery('simple','cat dog')"},
                {"panther OR puma", "websearch_to_tsquery('simple','panther or puma')"},
                {"te*", "to_tsquery('simple','te:*')"}});
}

}  // namespace
}  // namespace crossfade::testing
