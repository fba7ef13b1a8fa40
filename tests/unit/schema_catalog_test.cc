#include "engine/schema/catalog.h"

#include "engine/schema/create_table_clauses.h"
#include "engine/schema/sql_lexer.h"
#include "engine/sqlite/transaction.h"
#include "tests/unit/schema_fixture.h"

namespace crossfade::schema {
namespace {

// Promise: declared types mean what SQLite takes them for, misleading names included.
TEST(AffinityTest, FollowsSqlitesSubstringRules) {
  for (const auto& [declared, affinity] :
       std::vector<std::pair<const char*, Affinity>>{{"INTEGER", Affinity::kInteger},
                                                     {"bigint", Affinity::kInteger},
                                                     {"FLOATING POINT", Affinity::kInteger},
                                                     {"CHARINT", Affinity::kInteger},
                                                     {"intege", Affinity::kInteger},
                                                     {"varchar(30)", Affinity::kText},
                                                     {"CLOB", Affinity::kText},
                                                     {"text nocase", Affinity::kText},
                                                     {"", Affinity::kBlob},
                                                     {"BLOB", Affinity::kBlob},
                                                     {"BLOB SUB_TYPE TEXT", Affinity::kText},
                                                     {"REAL", Affinity::kReal},
                                                     {"double precision", Affinity::kReal},
                                                     {"float", Affinity::kReal},
                                                     {"STRING", Affinity::kNumeric},
                                                     {"DECIMAL(10,2)", Affinity::kNumeric},
                                                     {"DATETIME", Affinity::kNumeric},
                                                     {"BOOLEAN", Affinity::kNumeric},
                                                     {"unsigned short", Affinity::kNumeric}}) {
    EXPECT_EQ(affinity_of(declared), affinity) << declared;
  }
}

using CatalogTest = SchemaTest;

TEST_F(CatalogTest, ListsUserTablesOnly) {
  exec(
      "CREATE TABLE b(id INTEGER PRIMARY KEY AUTOINCREMENT);"
      "CREATE TABLE A(x); CREATE TABLE _crossfade_log(lsn INTEGER PRIMARY KEY);"
      "CREATE VIRTUAL TABLE f USING fts5(body); CREATE VIEW v AS SELECT 1;"
      "CREATE TRIGGER t1 AFTER INSERT ON b BEGIN SELECT 1; END;"
      "CREATE TRIGGER _crossfade_t AFTER INSERT ON b BEGIN SELECT 1; END;");
  const Catalog read = catalog();
  ASSERT_EQ(read.tables.size(), 2U);
  EXPECT_EQ(read.tables[0].name, "A");
  EXPECT_EQ(read.tables[1].name, "b");
  EXPECT_TRUE(read.tables[1].autoincrement);
  ASSERT_EQ(read.virtual_tables.size(), 1U);
  EXPECT_EQ(read.virtual_tables[0].module, "fts5");
  EXPECT_EQ(read.triggers.size(), 2U);
  EXPECT_EQ(read.views.size(), 1U);
  EXPECT_EQ(read.encoding, "UTF-8");
  EXPECT_GT(read.schema_version, 0);
}

TEST_F(CatalogTest, ReadsInsideATransactionAndLeavesItOpen) {
  exec("CREATE TABLE a(x)");
  auto transaction = sqlite::Transaction::begin(source_, sqlite::Begin::kDeferred);
  ASSERT_TRUE(transaction);
  EXPECT_EQ(catalog().tables.size(), 1U);
  EXPECT_TRUE(source_.in_transaction());
}

struct KeyCase {
  const char* sql;
  Identity identity;
  std::vector<std::string> key;
};

class KeyChoiceTest : public SchemaTest, public ::testing::WithParamInterface<KeyCase> {};

// Promise: only the true rowid alias is taken for the rowid.
TEST_P(KeyChoiceTest, FollowsTheDeclaration) {
  exec(GetParam().sql);
  const Table table = declared("t");
  EXPECT_EQ(table.identity, GetParam().identity);
  std::vector<std::string> key;
  for (const size_t i : table.key) key.push_back(table.columns[i].name);
  EXPECT_EQ(key, GetParam().key);
  ASSERT_FALSE(table.unique_keys.empty());
  std::vector<std::string> first;
  for (const auto& part : table.unique_keys.front().parts) {
    first.push_back(table.columns[part.column].name);
  }
  EXPECT_EQ(first, GetParam().key);
}

INSTANTIATE_TEST_SUITE_P(
    All, KeyChoiceTest,
    ::testing::Values(
        KeyCase{"CREATE TABLE t(a, id INTEGER PRIMARY KEY)", Identity::kRowidAlias, {"id"}},
        KeyCase{"CREATE TABLE t(id integer, PRIMARY KEY(id))", Identity::kRowidAlias, {"id"}},
        KeyCase{"CREATE TABLE t(id integer, PRIMARY KEY(id DESC))", Identity::kRowidAlias, {"id"}},
        KeyCase{"CREATE TABLE t(id INTEGER PRIMARY KEY DESC)", Identity::kPrimaryKey, {"id"}},
        KeyCase{"CREATE TABLE t(id INT PRIMARY KEY)", Identity::kPrimaryKey, {"id"}},
        KeyCase{"CREATE TABLE t(a, b, c, PRIMARY KEY(c, a))", Identity::kPrimaryKey, {"c", "a"}},
        KeyCase{
            "CREATE TABLE t(id INTEGER PRIMARY KEY) WITHOUT ROWID", Identity::kPrimaryKey, {"id"}},
        KeyCase{"CREATE TABLE t(a UNIQUE, b)", Identity::kSurrogate, {"_crossfade_rowid"}}));

TEST_F(CatalogTest, SurrogateReadsTheRowidUnderAFreeName) {
  exec(
      "CREATE TABLE a(x); CREATE TABLE b(ROWID, oid); CREATE TABLE c(rowid, _rowid_, OID);"
      "CREATE TABLE d(k PRIMARY KEY) WITHOUT ROWID");
  EXPECT_EQ(declared("a").columns.back().source_sql, "rowid");
  EXPECT_TRUE(declared("a").columns.back().synthetic);
  EXPECT_EQ(declared("b").columns.back().source_sql, "_rowid_");
  EXPECT_EQ(declared("c").rowid_name, "");
  EXPECT_EQ(declared("d").rowid_name, "");
}

TEST_F(CatalogTest, ListsUniqueKeysWithTheIndexsCollation) {
  exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE UNIQUE, b, c);"
      "CREATE UNIQUE INDEX i1 ON t(b COLLATE rtrim) WHERE c > 0;"
      "CREATE UNIQUE INDEX i2 ON t(lower(a)); CREATE INDEX i3 ON t(c)");
  const Table table = declared("t");
  ASSERT_EQ(table.unique_keys.size(), 3U);
  EXPECT_EQ(table.unique_keys[1].parts[0].collation, "NOCASE");
  EXPECT_EQ(table.unique_keys[2].parts[0].collation, "RTRIM");
  EXPECT_EQ(table.columns[table.unique_keys[2].parts[0].column].name, "b");
  EXPECT_EQ(table.indexes.size(), 4U);
}

TEST_F(CatalogTest, CarriesGeneratedColumns) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b AS (a * 2), c AS (a + 1) STORED)");
  const Table table = declared("t");
  ASSERT_EQ(table.columns.size(), 4U);
  EXPECT_FALSE(table.columns[1].generated);
  EXPECT_TRUE(table.columns[2].generated);
  EXPECT_TRUE(table.columns[3].generated);
  EXPECT_EQ(table.columns[1].generated_sql, "");
  EXPECT_EQ(table.columns[2].generated_sql, "AS (a * 2)");
}

TEST_F(CatalogTest, StrictAnyKeepsEveryClass) {
  exec("CREATE TABLE s(a ANY) STRICT; CREATE TABLE n(a ANY)");
  EXPECT_EQ(column(declared("s"), "a").affinity, Affinity::kBlob);
  EXPECT_EQ(column(declared("n"), "a").affinity, Affinity::kNumeric);
}

// Promise: the shape moves with what is carried, and with nothing else.
TEST_F(CatalogTest, ShapeFollowsWhatIsCarried) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)");
  const std::string shape = declared("t").shape;
  exec("CREATE INDEX i ON t(a); CREATE TABLE other(x); INSERT INTO t VALUES (1, 'x')");
  EXPECT_EQ(declared("t").shape, shape);
  exec("CREATE UNIQUE INDEX u ON t(a)");
  EXPECT_NE(declared("t").shape, shape);
  exec("DROP INDEX u");
  EXPECT_EQ(declared("t").shape, shape);
  exec("ALTER TABLE t ADD COLUMN b");
  EXPECT_NE(declared("t").shape, shape);
}

TEST_F(CatalogTest, ShapeFollowsTheExpressionOfAGeneratedColumn) {
  exec("CREATE TABLE t(a, g AS (a + 1))");
  const std::string shape = declared("t").shape;
  exec("DROP TABLE t; CREATE TABLE t(a, g AS (a + 1) STORED)");
  EXPECT_EQ(declared("t").shape, shape) << "the target knows STORED only";
  exec("DROP TABLE t; CREATE TABLE t(a, g AS (a + 2))");
  EXPECT_NE(declared("t").shape, shape);
}

TEST(SqlLexerTest, SkipsStringsCommentsAndQuotedNames) {
  const auto clauses = parse_clauses(
      "CREATE TABLE \"CHECK (a)\" ( -- CHECK (b)\n"
      " [a CHECK (c)] TEXT DEFAULT 'CHECK (d)' CHECK (x <> ')' /* ) */ AND (1)) ,\n"
      " b INT NOT NULL ON CONFLICT REPLACE, c AS (b + 1),\n"
      " CONSTRAINT k CHECK (b > 0))");
  ASSERT_EQ(clauses.checks.size(), 2U);
  EXPECT_EQ(clauses.checks[0].column, "a CHECK (c)");
  EXPECT_EQ(clauses.checks[0].text, "CHECK (x <> ')' /* ) */ AND (1))");
  EXPECT_EQ(clauses.checks[1].column, "");
  EXPECT_EQ(clauses.checks[1].text, "CHECK (b > 0)");
  ASSERT_EQ(clauses.conflicts.size(), 1U);
  EXPECT_EQ(clauses.conflicts[0].text, "ON CONFLICT REPLACE");
  ASSERT_EQ(clauses.generated.size(), 1U);
  EXPECT_EQ(clauses.generated[0].column, "c");
}

// A statement cut anywhere is still split without reading past its end.
TEST(SqlLexerTest, SurvivesTruncationAtEveryLength) {
  const std::string sql =
      "CREATE TABLE \"a\"\"b\"(x [y] `z` CHECK ('it''s' /* c */), x'00', 1e-5, y UNIQUE,"
      " CONSTRAINT p PRIMARY KEY(x, 'y' DESC) CONSTRAINT u UNIQUE([y] COLLATE nocase, x))";
  for (size_t n = 0; n <= sql.size(); ++n) {
    const std::string cut = sql.substr(0, n);
    for (const Token& token : tokenize(cut)) {
      EXPECT_FALSE(token.text.empty());
      (void)meaning(token);
    }
    (void)parse_clauses(cut);
  }
}

}  // namespace
}  // namespace crossfade::schema
