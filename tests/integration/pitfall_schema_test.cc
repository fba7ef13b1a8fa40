// Promise: what a schema says is carried with its meaning, or a finding quotes it; rows that break
// what it says arrive all the same (docs/pitfalls.md).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/pitfall_test.h"

namespace crossfade::testing {
namespace {

using ::testing::HasSubstr;

constexpr const char* kSchema = R"(
  CREATE TABLE quoted(id INTEGER PRIMARY KEY, s TEXT DEFAULT "hello", c TEXT CHECK(c <> "never"));
  INSERT INTO quoted(id,c) VALUES(1,'x');
  CREATE TABLE filled(id INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP,
    month TEXT DEFAULT (strftime('%Y/%m','now')), chance INTEGER DEFAULT (random()),
    token TEXT DEFAULT (hex(randomblob(16))), word TEXT DEFAULT 'null', n INTEGER DEFAULT '7');
  INSERT INTO filled(id,at) VALUES(1,'not a time');
  CREATE TABLE orphan(id INTEGER PRIMARY KEY, p INTEGER REFERENCES circle_a(id),
    t TEXT REFERENCES circle_a(id), g INTEGER REFERENCES gone(id),
    self INTEGER REFERENCES orphan(id));
  CREATE TABLE circle_a(id INTEGER PRIMARY KEY, b INTEGER REFERENCES circle_b(id));
  CREATE TABLE circle_b(id INTEGER PRIMARY KEY, a INTEGER REFERENCES circle_a(id));
  INSERT INTO orphan VALUES(1,999,'1',5,2),(2,1,NULL,NULL,1);
  INSERT INTO circle_a VALUES(1,1);
  INSERT INTO circle_b VALUES(1,1);
  PRAGMA ignore_check_constraints=ON;
  CREATE TABLE checked(id INTEGER PRIMARY KEY, n INTEGER CHECK(n > 0),
    g TEXT CHECK(g GLOB '[a-z]*'));
  INSERT INTO checked VALUES(1,5,'ok'),(2,-5,'UPPER');
  CREATE TABLE required(id INTEGER PRIMARY KEY, n INTEGER);
  INSERT INTO required VALUES(1,NULL),(2,2);
  PRAGMA writable_schema=ON;
  UPDATE sqlite_schema SET sql=replace(sql,'n INTEGER)','n INTEGER NOT NULL)')
    WHERE name='required';
  PRAGMA writable_schema=RESET;
  CREATE TABLE computed(id INTEGER PRIMARY KEY, a INTEGER, v INTEGER AS (a*2) VIRTUAL,
    s INTEGER AS (a+1) STORED);
  INSERT INTO computed(id,a) VALUES(1,4),(2,NULL);
  CREATE TABLE strict(id INTEGER PRIMARY KEY, i INT, x ANY) STRICT;
  INSERT INTO strict VALUES(1,5,'5'),(2,6,5),(3,7,5.0),(4,8,x'05');
  CREATE TABLE indexed(id INTEGER PRIMARY KEY, a TEXT, b INTEGER, live INTEGER, u TEXT UNIQUE);
  INSERT INTO indexed VALUES(1,'x',1,1,'u1'),(2,'x',2,0,'u2'),(3,'X',3,0,'u3');
  CREATE UNIQUE INDEX indexed_partial ON indexed(a) WHERE live=1;
  CREATE INDEX indexed_expression ON indexed(b+1);
  CREATE INDEX indexed_down ON indexed(b DESC, a);
  CREATE INDEX indexed_nocase ON indexed(a COLLATE NOCASE);
  CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT);
  INSERT INTO note VALUES(1,'words to find'),(2,'others');
  CREATE VIRTUAL TABLE search USING fts5(body);
  INSERT INTO search(rowid, body) SELECT id, body FROM note;
  CREATE VIRTUAL TABLE box USING rtree(id, low, high);
  INSERT INTO box VALUES(1,0,1);
  CREATE TABLE "references"("order" INTEGER PRIMARY KEY, "select" TEXT, "Mixed Case" TEXT,
    "a$b" TEXT, [user] TEXT UNIQUE, "per%cent" TEXT, "quo""te" TEXT, "grün" TEXT);
  INSERT INTO "references" VALUES(1,'s','m','d','u','p','q','g');
  CREATE TABLE Users(Id INTEGER PRIMARY KEY, userName TEXT);
  INSERT INTO users(ID,USERNAME) VALUES(1,'ann');
  INSERT INTO USERS VALUES(2,'bob');)";

class Relations {
 public:
  explicit Relations(const Moved& moved) : moved_(moved) {}
  [[nodiscard]] bool exists(const std::string& name) const {
    return moved_.target(fmt::format("SELECT to_regclass('public.\"{}\"') IS NOT NULL", name)) ==
           "t";
  }
  // Whether the target has it, or a finding names it.
  [[nodiscard]] std::string constraints(const std::string& table, char kind) const {
    return moved_.target(fmt::format(
        "SELECT string_agg(pg_get_constraintdef(oid),'; ' ORDER BY conname) FROM pg_constraint "
        "WHERE conrelid='public.\"{}\"'::regclass AND contype='{}'",
        table, kind));
  }

 private:
  const Moved& moved_;
};

// 19
TEST_F(PitfallTest, DoubleQuotedTextIsText) {
  const Moved& schema = moved("schema", kSchema);
  EXPECT_EQ(schema.default_of("quoted", "s"), "'hello'::text");
  EXPECT_TRUE(schema.planned("'never'"));
  EXPECT_EQ(schema.difference({"quoted"}), "");
}

// 20
TEST_F(PitfallTest, DefaultsKeepTheirMeaningOrAreNamed) {
  const Moved& schema = moved("schema", kSchema);
  EXPECT_EQ(schema.default_of("filled", "word"), "'null'::text");
  EXPECT_THAT(schema.default_of("filled", "n"), ::testing::AnyOf("7", "'7'::bigint"));
  const std::string evaluate = "SELECT ({}) ~ '{}'";
  EXPECT_EQ(schema.target(fmt::format(fmt::runtime(evaluate), schema.default_of("filled", "at"),
                                      "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}$")),
            "t");
  EXPECT_EQ(schema.target(fmt::format(fmt::runtime(evaluate), schema.default_of("filled", "month"),
                                      "^[0-9]{4}/[0-9]{2}$")),
            "t");
  EXPECT_TRUE(schema.named("random()") || !schema.default_of("filled", "chance").empty());
  if (!schema.named("hex(randomblob(16))")) {
    EXPECT_EQ(schema.target(fmt::format(fmt::runtime(evaluate),
                                        schema.default_of("filled", "token"), "^[0-9A-F]{32}$")),
              "t");
  }
  EXPECT_EQ(schema.difference({"filled"}), "");
}

// 29
TEST_F(PitfallTest, ForeignKeysThatWereNeverEnforced) {
  const Moved& schema = moved("schema", kSchema);
  EXPECT_THAT(schema.finding("foreign_key_orphans", "orphan", "p").dump(), HasSubstr("p=999"));
  EXPECT_FALSE(schema.finding("foreign_key_not_carried", "orphan", "t").is_null());  // TEXT, bigint
  EXPECT_FALSE(schema.finding("foreign_key_not_carried", "orphan", "g").is_null());  // no parent
  const Relations relations(schema);
  EXPECT_THAT(relations.constraints("orphan", 'f'), HasSubstr("FOREIGN KEY (self)"));
  for (const char* table : {"circle_a", "circle_b"}) {
    EXPECT_THAT(relations.constraints(table, 'f'), HasSubstr("DEFERRABLE")) << table;
  }
  EXPECT_EQ(schema.difference({"orphan", "circle_a", "circle_b"}), "");
}

// 30
TEST_F(PitfallTest, ACheckThatRowsBreakStopsNobody) {
  const Moved& schema = moved("schema", kSchema);
  EXPECT_EQ(schema.target("SELECT string_agg(n||g,' ' ORDER BY id) FROM checked"), "5ok -5UPPER");
  // Not before the cutover, and then NOT VALID: SchemaCarriedTest.
  EXPECT_EQ(Relations(schema).constraints("checked", 'c'), "");
  const std::string plan =
      schema.target("SELECT plan::json->>'checks' FROM crossfade.tables WHERE name='checked'");
  EXPECT_THAT(plan, HasSubstr(R"(CHECK (\"n\" > 0) NOT VALID)"));
  EXPECT_TRUE(plan.find(R"(\"g\")") != std::string::npos) << plan;
  EXPECT_FALSE(schema.finding("null_in_not_null", "required", "n").is_null());
  EXPECT_EQ(schema.difference({"checked", "required"}), "");
}

// 31
TEST_F(PitfallTest, GeneratedColumnsHoldWhatSqliteComputes) {
  const Moved& schema = moved("schema", kSchema);
  EXPECT_EQ(schema.target("SELECT string_agg(concat(a,'|',v,'|',s),' ' ORDER BY id) FROM computed"),
            "4|8|5 ||");
  EXPECT_EQ(schema.target("SELECT string_agg(attname,' ' ORDER BY attnum) FROM pg_attribute WHERE "
                          "attrelid='computed'::regclass AND attgenerated='s'"),
            "v s");
  EXPECT_EQ(schema.difference({"computed"}), "");
}

// 32
TEST_F(PitfallTest, StrictTypesAreTrustedAndAnyKeepsEveryClass) {
  const Moved& schema = moved("schema", kSchema);
  EXPECT_EQ(schema.type("strict", "i"), "bigint");
  EXPECT_EQ(schema.type("strict", "x"), "jsonb");
  EXPECT_EQ(schema.target("SELECT string_agg(x::text,' ' ORDER BY id) FROM strict"),
            R"("5" 5 5.0 {"$blob": "05"})");
  EXPECT_EQ(schema.difference({"strict"}), "");
}

// 33
TEST_F(PitfallTest, EveryIndexIsCarriedOrNamed) {
  const Moved& schema = moved("schema", kSchema);
  const Relations relations(schema);
  for (const char* index : {"indexed_partial", "indexed_expression", "indexed_nocase"}) {
    EXPECT_TRUE(relations.exists(index)) << index;
  }
  EXPECT_EQ(schema.target("SELECT pg_get_indexdef('indexed_down'::regclass)"),
            "CREATE INDEX indexed_down ON public.indexed USING btree (b DESC, a)");
  // sqlite_autoindex_indexed_1
  EXPECT_EQ(schema.target("SELECT count(*) FROM pg_index WHERE indisunique AND NOT indisprimary "
                          "AND indpred IS NULL AND indrelid='indexed'::regclass"),
            "1");
  EXPECT_EQ(schema.difference({"indexed"}), "");
}

// 34
TEST_F(PitfallTest, VirtualTablesAreNamedAndTheirShadowsStayBehind) {
  const Moved& schema = moved("schema", kSchema);
  EXPECT_THAT(schema.finding("full_text_rewritten", "search").at("remedy").dump(),
              HasSubstr("websearch_to_tsquery"));
  EXPECT_EQ(schema.target("SELECT id FROM note WHERE search @@ to_tsquery('simple', 'find')"), "1");
  EXPECT_THAT(schema.finding("rtree_not_moved", "box").at("remedy").dump(), HasSubstr("GiST"));
  EXPECT_EQ(
      schema.target("SELECT count(*) FROM pg_class WHERE relnamespace='public'::regnamespace "
                    "AND ((relname LIKE 'search\\_%' AND relkind='r') OR relname LIKE 'box\\_%')"),
      "0");
}

// 37
TEST_F(PitfallTest, NamesAreKeptToTheLetter) {
  const Moved& schema = moved("schema", kSchema);
  EXPECT_EQ(schema.target("SELECT concat_ws(' ',\"order\",\"select\",\"Mixed Case\",\"a$b\","
                          "\"user\",\"per%cent\",\"quo\"\"te\",\"grün\") FROM \"references\""),
            "1 s m d u p q g");
  EXPECT_EQ(schema.difference({"references"}), "");
}

// 38
TEST_F(PitfallTest, ATableThatTheApplicationSpellsManyWaysIsOne) {
  const Moved& schema = moved("schema", kSchema);
  EXPECT_EQ(schema.target("SELECT string_agg(\"userName\",' ' ORDER BY \"Id\") FROM \"Users\""),
            "ann bob");
  EXPECT_EQ(schema.target("SELECT count(*) FROM pg_class WHERE lower(relname)='users'"), "1");
  EXPECT_EQ(schema.difference({"Users"}), "");
}

}  // namespace
}  // namespace crossfade::testing
