#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/limits.h"
#include "engine/schema/expression/split.h"
#include "engine/schema/expression/translate.h"

namespace crossfade::schema::expression {
namespace {

ScopeColumn column(std::string name, ColumnType type, Affinity affinity,
                   std::string collation = "BINARY") {
  ScopeColumn out;
  out.name = name;
  out.target_name = std::move(name);
  out.type = std::move(type);
  out.affinity = affinity;
  out.collation = std::move(collation);
  return out;
}

ColumnType pattern(TargetType base, std::string text) {
  ColumnType type(base);
  type.form = SourceForm::kPattern;
  type.pattern = std::move(text);
  return type;
}

Scope scope() {
  ColumnType words(TargetType::kBoolean);
  words.form = SourceForm::kWords;
  words.words = "yes/no";
  ColumnType price(TargetType::kNumeric);
  price.precision = 10;
  price.scale = 2;
  Scope out;
  out.table = "t";
  out.columns = {
      column("id", TargetType::kBigint, Affinity::kInteger),
      column("n", TargetType::kBigint, Affinity::kInteger),
      column("r", TargetType::kDouble, Affinity::kReal),
      column("price", price, Affinity::kNumeric),
      column("name", TargetType::kText, Affinity::kText),
      column("tag", TargetType::kText, Affinity::kText, "NOCASE"),
      column("flag", TargetType::kBoolean, Affinity::kNumeric),
      column("word", words, Affinity::kText),
      column("made", pattern(TargetType::kTimestamp, "%Y-%m-%d %H:%M:%S"), Affinity::kNumeric),
      column("day", pattern(TargetType::kTimestamp, "%Y-%m-%d"), Affinity::kNumeric),
      column("data", TargetType::kJsonb, Affinity::kText),
      column("any", TargetType::kVariant, Affinity::kBlob),
      column("order", TargetType::kBigint, Affinity::kInteger),
  };
  out.rowid_column = "id";
  return out;
}

std::string check(const std::string& sql) {
  auto made = translate_expression(sql, scope(), Use::kCheck);
  return made ? made.value().sql : "refused: " + made.error().reason;
}

using Cases = std::vector<std::pair<std::string, std::string>>;

void expect_all(const Cases& cases) {
  for (const auto& [sql, expected] : cases) EXPECT_EQ(check(sql), expected) << sql;
}

TEST(ExpressionTranslateTest, ReadsLikeSqlThatSomebodyWrote) {
  expect_all({
      {"n >= 0", "\"n\" >= 0"},
      {"n BETWEEN 0 AND 10", "\"n\" BETWEEN 0 AND 10"},
      {"name IN ('a','b')", "\"name\" IN ('a', 'b')"},
      {"[price] > (0) and (n < 3 or n is null)", "\"price\" > 0 AND (\"n\" < 3 OR \"n\" IS NULL)"},
      {"flag = 1", "\"flag\""},
      {"flag IN (0, 1)", "NOT \"flag\" OR \"flag\""},
      {"flag != 1", "NOT \"flag\""},
      {"flag IS 1", "\"flag\" IS TRUE"},
      {"word = 'yes'", "\"word\""},
      {"name < 'b'", "\"name\" < 'b'"},
      {"n / 0 IS NULL", "NULL IS NULL"},
      {"n % n = 1", "\"n\" % NULLIF(\"n\", 0) = 1"},
      {"\"order\" = 1", "\"order\" = 1"},
      {"rowid > 3", "\"id\" > 3"},
      {"T.N > 3", "\"n\" > 3"},
      {"made > '2020-01-01'", "\"made\" >= '2020-01-01 00:00:00'::timestamp"},
      {"day > '2020-01-01 10:00:00'", "\"day\" > '2020-01-01 00:00:00'::timestamp"},
      {"day = '2020-01-01'", "\"day\" = '2020-01-01 00:00:00'::timestamp"},
      {"made <= '2020-01-01 10:00:00'", "\"made\" <= '2020-01-01 10:00:00'::timestamp"},
      {"nullif(n, id) % 2 = 1", "NULLIF(\"n\", \"id\") % 2 = 1"},
      {"json_extract(data, '$.a.b') = 'x'", "NULLIF(\"data\" #> '{a,b}', 'null') = '\"x\"'"},
  });
}

// PostgreSQL's NULLIF of an integer and a double is a double, which has no % and another division.
TEST(ExpressionTranslateTest, NullifOfAnIntegerStaysOne) {
  expect_all({
      {"nullif(CAST(flag AS NUMERIC), r) % 2 = 1",
       "CASE WHEN \"flag\"::integer = \"r\" THEN NULL ELSE \"flag\"::integer END % 2 = 1"},
      {"nullif(r, CAST(flag AS NUMERIC)) > 1", "NULLIF(\"r\", \"flag\"::integer) > 1"},
  });
}

// Row 16: LIKE and NOCASE fold ASCII letters only, on both sides.
TEST(ExpressionTranslateTest, Trap16CaseIsFoldedForAsciiOnly) {
  expect_all({
      {"name LIKE 'a%'", "\"name\" COLLATE \"C\" ILIKE 'a%'"},
      {"name LIKE '10%'", "\"name\" LIKE '10%'"},
      {"name LIKE 'a^%' ESCAPE '^'", "\"name\" COLLATE \"C\" ILIKE  E'a\\\\%'"},
      {"name LIKE 'a\\%'", "\"name\" COLLATE \"C\" ILIKE  E'a\\\\\\\\%'"},
      {"tag = 'ABC'", "lower(\"tag\" COLLATE \"C\") = 'abc'"},
      {"'É' = tag", "'É' = lower(\"tag\" COLLATE \"C\")"},
      {"tag IN ('A', 'b')", "lower(\"tag\" COLLATE \"C\") IN ('a', 'b')"},
      {"tag BETWEEN 'A' AND 'B'", "lower(\"tag\" COLLATE \"C\") BETWEEN 'a' AND 'b'"},
      {"lower(name) = name", "lower(\"name\" COLLATE \"C\") = \"name\""},
  });
}

// PostgreSQL computes what is constant in a generated column before it knows the collation of it,
// and refuses the column then.
TEST(ExpressionTranslateTest, NothingIsLeftToComputeWithConstantsAlone) {
  expect_all({
      {"'b' IN (name, 'c', 'a')", "'b' = \"name\" OR false OR false"},
      {"'b' BETWEEN 'a' AND name", "true AND 'b' <= \"name\""},
      {"CASE 'b' WHEN 'a' THEN name WHEN 'b' THEN 'x' ELSE name END = 'x'", "true"},
      {"coalesce('X', name) COLLATE NOCASE = 'x'", "true"},
      {"upper(coalesce(NULL, 'x', name)) LIKE 'y'", "false"},
      {"iif('a' > 'b' OR 1 = 2, name, 'q') || 'r' = name", "'qr' = \"name\""},
      {"coalesce(NULL, name) = 'x'", "\"name\" = 'x'"},
      {"coalesce(5, n) || '' = name", "'5' = \"name\""},
  });
}

// Row 17: collations of the application are told, RTRIM is kept.
TEST(ExpressionTranslateTest, Trap17CollationsAreKeptOrRefused) {
  EXPECT_EQ(check("name COLLATE RTRIM = 'a'"), "rtrim(\"name\", ' ') = 'a'");
  EXPECT_EQ(check("name COLLATE RTRIM = 'a b  '"), "rtrim(\"name\", ' ') = 'a b'");
  EXPECT_NE(check("name COLLATE german = 'a'").find("the application's own"), std::string::npos);
}

// Row 19: "x" is a column if one is called so, and else a text.
TEST(ExpressionTranslateTest, Trap19DoubleQuotedTextIsText) {
  EXPECT_EQ(check("name = \"draft\""), "\"name\" = 'draft'");
  EXPECT_EQ(check("name = \"tag\" COLLATE BINARY"), "\"name\" = \"tag\"");
  EXPECT_EQ(check("\"name\" IN (\"a\", 'b')"), "\"name\" IN ('a', 'b')");
  EXPECT_NE(check("name = draft").find("no column draft"), std::string::npos);
  EXPECT_NE(check("name = [draft]").find("no column draft"), std::string::npos);
}

// Row 30: GLOB in a CHECK.
TEST(ExpressionTranslateTest, Trap30GlobBecomesLikeOrARegularExpression) {
  expect_all({
      {"name GLOB 'A*_?'", "\"name\" LIKE  E'A%\\\\__'"},
      {"name NOT GLOB '*[^0-9]*'", "\"name\" COLLATE \"C\" !~ '^.*[^0-9].*$'"},
  });
  EXPECT_NE(check("name REGEXP 'a'").find("function of the application"), std::string::npos);
}

// Row 48: what looks the same and is not.
TEST(ExpressionTranslateTest, Trap48DialectDifferences) {
  expect_all({
      {"1.0 * n / n > 1", "1.0::double precision * \"n\" / NULLIF(\"n\", 0) > 1"},
      {"n = 'abc'", "CASE WHEN \"n\" IS NOT NULL THEN false END"},
      {"n = '5'", "\"n\" = 5"},
      {"name = 5", "\"name\" = '5'"},
      {"n < 'abc'", "CASE WHEN \"n\" IS NOT NULL THEN true END"},
      {"max(n, 1) = 1", "CASE WHEN \"n\" IS NULL THEN NULL ELSE greatest(\"n\", 1) END = 1"},
  });
}

TEST(ExpressionTranslateTest, RefusalsNameThePart) {
  const std::string sql = "n > 0 AND any = 1";
  auto made = translate_expression(sql, scope(), Use::kCheck);
  ASSERT_FALSE(made);
  EXPECT_EQ(sql.substr(made.error().offset, made.error().length), "any = 1");
  for (const std::string each :
       {"name + 1 > 0", "CAST(name AS INTEGER) > 0", "name", "r || '' = ''", "made = date('now')",
        "custom(n)", "n = (SELECT 1)", "n > ?1", "random() > 0", "round(r, 2) = 1", "price / n > 1",
        "sum(n) > 1", "substr(name, n) = 'x'", "typeof(price) = 'integer'", "n MATCH 'a'"}) {
    EXPECT_TRUE(check(each).starts_with("refused: ")) << each << " became " << check(each);
  }
}

// Row 31 and 33: PostgreSQL accepts only what is immutable there.
TEST(ExpressionTranslateTest, Trap31GeneratedColumnsAreImmutable) {
  ScopeColumn into = column("g", TargetType::kText, Affinity::kText);
  auto joined = translate_value("name || '-' || n", scope(), Use::kGenerated, into);
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined.value().sql, "\"name\" || '-' || \"n\"::text");
  EXPECT_FALSE(translate_value("date(made)", scope(), Use::kGenerated, into));
  EXPECT_FALSE(translate_value("r", scope(), Use::kGenerated, into));
  into = column("g", TargetType::kBigint, Affinity::kInteger);
  EXPECT_EQ(translate_value("n * 2 + flag", scope(), Use::kGenerated, into).value().sql,
            "\"n\" * 2 + \"flag\"::integer");
  into = column("g", TargetType::kDouble, Affinity::kReal);
  EXPECT_EQ(translate_value("price * 1.5", scope(), Use::kGenerated, into).value().sql,
            "\"price\"::double precision * 1.5 + 0");
}

TEST(ExpressionTranslateTest, Trap33IndexKeysAndPredicates) {
  const auto key = [](const std::string& sql) {
    auto made = translate_expression(sql, scope(), Use::kIndexKey);
    return made ? made.value().sql : "refused: " + made.error().reason;
  };
  EXPECT_EQ(key("lower(name)"), "lower(\"name\" COLLATE \"C\") COLLATE \"C\"");
  EXPECT_EQ(key("name COLLATE NOCASE"), "lower(\"name\" COLLATE \"C\")");
  EXPECT_EQ(key("tag"), "lower(\"tag\" COLLATE \"C\")");
  EXPECT_TRUE(key("strftime('%Y', made)").starts_with("refused"));
  EXPECT_EQ(translate_expression("name IS NOT NULL", scope(), Use::kIndexPredicate).value().sql,
            "\"name\" IS NOT NULL");
}

// Row 20: defaults keep their format and zone.
TEST(ExpressionTranslateTest, Trap20Defaults) {
  const auto value = [](const std::string& sql, const ScopeColumn& into) {
    auto made = translate_value(sql, Scope(), Use::kDefault, into);
    return made ? made.value().sql : "refused: " + made.error().reason;
  };
  const ScopeColumn text = column("x", TargetType::kText, Affinity::kText);
  const std::string now = "(statement_timestamp() AT TIME ZONE 'UTC')";
  EXPECT_EQ(value("CURRENT_TIMESTAMP", text), "to_char(" + now + ", 'YYYY-MM-DD HH24:MI:SS')");
  EXPECT_EQ(value("strftime('%Y-%m-%dT%H:%M:%fZ','now')", text),
            "to_char(" + now + ", 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')");
  EXPECT_EQ(value("date('now', '+7 days')", text),
            "to_char((" + now + " + interval '7 days'), 'YYYY-MM-DD')");
  EXPECT_EQ(value("datetime('now','localtime')", text).substr(0, 7), "refused");
  EXPECT_EQ(value("hex(randomblob(16))", text),
            "upper(encode(uuid_send(gen_random_uuid()), 'hex'))");
  EXPECT_EQ(value("\"0\"", text), "'0'");
  EXPECT_EQ(value("draft", text), "'draft'");
  EXPECT_EQ(value("NULL", text), "NULL");
  EXPECT_EQ(value("'5'", column("x", TargetType::kBigint, Affinity::kInteger)), "5");
  EXPECT_EQ(value("1", column("x", TargetType::kBoolean, Affinity::kNumeric)), "true");
  EXPECT_EQ(value("60 * 60", column("x", TargetType::kBigint, Affinity::kInteger)), "3600");
  EXPECT_EQ(
      value("CURRENT_TIMESTAMP",
            column("x", pattern(TargetType::kTimestamp, "%Y-%m-%d %H:%M:%S"), Affinity::kNumeric)),
      "date_trunc('second', " + now + ")");
  EXPECT_EQ(
      value("CURRENT_TIMESTAMP", column("x", TargetType::kBigint, Affinity::kInteger)).substr(0, 7),
      "refused");
}

std::optional<Relation> resolve(std::string_view name) {
  Relation out;
  out.schema = "app";
  out.target_name = std::string(name);
  out.columns = scope().columns;
  out.primary_key = {"id"};
  if (name == "t" || name == "u") return out;
  return std::nullopt;
}

std::string view(const std::string& select) {
  auto made = translate_view("CREATE VIEW v AS " + select, resolve, {});
  return made ? made.value().sql.substr(std::string("CREATE VIEW \"v\" AS\n").size())
              : "refused: " + made.error().reason;
}

// Row 35 and 48: views.
TEST(ExpressionTranslateTest, Trap35Views) {
  EXPECT_EQ(view("SELECT n AS a, 'x' b FROM t WHERE a > 1 ORDER BY a DESC LIMIT -1"),
            "SELECT \"t\".\"n\" AS \"a\",\n  'x' COLLATE \"C\" AS \"b\"\nFROM \"app\".\"t\"\nWHERE "
            "\"t\".\"n\" > 1"
            "\nORDER BY 1 DESC NULLS LAST");
  EXPECT_EQ(view("SELECT x.name, count(*) FROM t x, u ON x.id = u.id GROUP BY x.id"),
            "SELECT \"x\".\"name\" AS \"name\",\n  count(*) AS \"count(*)\"\n"
            "FROM \"app\".\"t\" AS \"x\"\n  JOIN \"app\".\"u\" ON \"x\".\"id\" = \"u\".\"id\"\n"
            "GROUP BY \"x\".\"id\"");
  EXPECT_NE(view("SELECT name, max(n) FROM t GROUP BY n").find("neither grouped by"),
            std::string::npos);
  EXPECT_EQ(view("SELECT n FROM t UNION SELECT n FROM u EXCEPT SELECT 3"),
            "(SELECT \"t\".\"n\" AS \"n\"\nFROM \"app\".\"t\"\nUNION\nSELECT \"u\".\"n\" AS \"n\"\n"
            "FROM \"app\".\"u\")\nEXCEPT\nSELECT 3::bigint AS \"3\"");
  EXPECT_EQ(view("WITH c AS (SELECT n FROM t) SELECT (SELECT n FROM c) AS x"),
            "WITH \"c\" AS (\nSELECT \"t\".\"n\" AS \"n\"\nFROM \"app\".\"t\")\n"
            "SELECT (SELECT \"c\".\"n\" AS \"n\"\nFROM \"c\"\nLIMIT 1) AS \"x\"");
  EXPECT_NE(view("SELECT * FROM missing").find("is not carried"), std::string::npos);
}

// Operands may double at each level; neither memory nor stack may run out.
TEST(ExpressionTranslateTest, DeepAndGrowingExpressionsEnd) {
  for (int depth : {10, 60, 190}) {
    for (const auto& [open, close] :
         std::vector<std::pair<std::string, std::string>>{{"max(n, ", ")"},
                                                          {"nullif(n, ", ")"},
                                                          {"round(", ")"},
                                                          {"(", " + n)"},
                                                          {"CASE WHEN ", " THEN n END"},
                                                          {"coalesce(n, ", ")"},
                                                          {"NOT ", ""},
                                                          {"(n = ", ")"}}) {
      std::string sql = "n";
      for (int i = 0; i < depth; ++i) sql = open + sql + close;
      for (const Use use : {Use::kCheck, Use::kView, Use::kIndexKey}) {
        auto made = translate_expression(sql, scope(), use);
        const size_t bytes = made ? made.value().sql.size() : 0;
        EXPECT_LE(bytes, limits::kTranslationBytesMax + 64) << sql;
      }
    }
  }
  std::string nested = "SELECT 1 AS n";
  for (int i = 0; i < 90; ++i) nested = "SELECT (" + nested + ") + 1 AS n";
  (void)view(nested);
}

TEST(ExpressionTranslateTest, CallsWithoutArgumentsAreRefused) {
  for (const char* name :
       {"abs",        "coalesce", "hex",     "ifnull", "iif",    "instr", "json_array_length",
        "json_valid", "length",   "likely",  "lower",  "ltrim",  "max",   "min",
        "nullif",     "quote",    "replace", "round",  "substr", "trim",  "typeof",
        "unicode",    "upper"}) {
    EXPECT_TRUE(check(std::string(name) + "()").starts_with("refused: ")) << name;
  }
}

TEST(ExpressionTranslateTest, AnyBytesMayBeGiven) {
  const std::string text =
      "SELECT DISTINCT a.n, max(name) FILTER (WHERE r % 2) FROM t a LEFT JOIN u USING (id) WHERE"
      " made > '2020' AND tag LIKE 'x%' ESCAPE '^' OR word IN (1, 'yes', x'00') GROUP BY 1 HAVING"
      " count(*) > 1e3 UNION SELECT json_extract(data, '$.a'), substr(name, -1) FROM u ORDER BY 1";
  const auto seed = static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed());
  std::mt19937 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = text;
    for (int k = 0; k < 6 && !bytes.empty(); ++k) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 12);
          break;
        case 2:
          bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 20));
          break;
        default:
          bytes[at] = bytes[random() % bytes.size()];
          break;
      }
    }
    (void)view(bytes);
    (void)check(bytes.substr(random() % (bytes.size() + 1), random() % 80));
    (void)split_create_table("CREATE TABLE t (" + bytes);
    (void)split_create_index("CREATE INDEX i ON t (" + bytes);
  }
}

TEST(ExpressionTranslateTest, CreateStatementsAreSplitAsWritten) {
  auto table = split_create_table(
      "CREATE TABLE \"a(b\" (x TEXT COLLATE nocase CONSTRAINT c1 CHECK (x <> ')'), -- CHECK (no)\n"
      " [y z] AS (x || '(') STORED, w INT GENERATED ALWAYS AS (1) DEFAULT (2),"
      " UNIQUE (x), CONSTRAINT 'c 2' CHECK (w > 0 AND (x)), CHECK(1)) STRICT");
  ASSERT_TRUE(table);
  const auto& parts = table.value();
  ASSERT_EQ(parts.checks.size(), 3U);
  EXPECT_EQ(parts.checks[0].name, "c1");
  EXPECT_EQ(parts.checks[0].column, "x");
  EXPECT_EQ(parts.checks[0].expression, "x <> ')'");
  EXPECT_EQ(parts.checks[1].name, "c 2");
  EXPECT_EQ(parts.checks[1].column, "");
  EXPECT_EQ(parts.checks[1].expression, "w > 0 AND (x)");
  EXPECT_EQ(parts.checks[2].name, "");
  ASSERT_EQ(parts.generated.size(), 2U);
  EXPECT_EQ(parts.generated[0].column, "y z");
  EXPECT_EQ(parts.generated[0].expression, "x || '('");
  EXPECT_TRUE(parts.generated[0].stored);
  EXPECT_FALSE(parts.generated[1].stored);
  ASSERT_EQ(parts.collations.size(), 1U);
  EXPECT_EQ(parts.collations[0].collation, "nocase");

  auto index = split_create_index(
      "CREATE UNIQUE INDEX IF NOT EXISTS i ON t (lower(a, ','), b COLLATE nocase DESC, c ASC)"
      " WHERE a IS NOT NULL; -- end");
  ASSERT_TRUE(index);
  EXPECT_TRUE(index.value().unique);
  EXPECT_EQ(index.value().name, "i");
  EXPECT_EQ(index.value().table, "t");
  ASSERT_EQ(index.value().keys.size(), 3U);
  EXPECT_EQ(index.value().keys[0].expression, "lower(a, ',')");
  EXPECT_EQ(index.value().keys[1].expression, "b");
  EXPECT_EQ(index.value().keys[1].collation, "NOCASE");
  EXPECT_TRUE(index.value().keys[1].descending);
  EXPECT_FALSE(index.value().keys[2].descending);
  EXPECT_EQ(index.value().where, "a IS NOT NULL");
  EXPECT_FALSE(split_create_index("CREATE INDEX i ON t (a"));
  EXPECT_FALSE(split_create_table("CREATE TABLE t (a"));
}

}  // namespace
}  // namespace crossfade::schema::expression
