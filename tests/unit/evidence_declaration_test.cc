// Columns of which nothing is stored: what migrations have just made.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/schema_fixture.h"

namespace crossfade::schema {
namespace {

class EvidenceDeclarationTest : public SchemaTest {
 protected:
  // Of a column `v` in an empty table: its type with the pattern, and its default.
  std::string choose(const std::string& declared) {
    exec("DROP TABLE IF EXISTS t");
    exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v " + declared + ")");
    const Plan made = plan();
    const Column v = column(table(made, "t").table, "v");
    std::string out = to_string(v.type);
    if (!v.type.pattern.empty()) out += " " + v.type.pattern;
    return v.target_default ? out + " = " + *v.target_default : out;
  }
};

TEST_F(EvidenceDeclarationTest, TimesByTheUsualSpelling) {
  EXPECT_EQ(choose("DATE"), "date %Y-%m-%d");
  EXPECT_EQ(choose("DATETIME"), "timestamp %Y-%m-%d %H:%M:%S");
  EXPECT_EQ(choose("timestamp"), "timestamp %Y-%m-%d %H:%M:%S");
  EXPECT_EQ(choose("datetime"), "timestamp %Y-%m-%d %H:%M:%S%if") << "Django";
  EXPECT_EQ(choose("datetime(6)"), "timestamp %Y-%m-%d %H:%M:%S.%6f") << "Rails";
  EXPECT_EQ(choose("TIMESTAMP(3)"), "timestamp %Y-%m-%d %H:%M:%S.%3f");
  for (const char* other :
       {"TIME", "TIMESTAMP WITH TIME ZONE", "UPDATED", "DATETIME COLLATE NOCASE", "DATETIME(66)"}) {
    EXPECT_EQ(choose(other), "text") << other;
  }
}

TEST_F(EvidenceDeclarationTest, TimesByTheDefault) {
  const std::string now = "statement_timestamp() AT TIME ZONE 'UTC'";
  EXPECT_EQ(choose("DATETIME DEFAULT CURRENT_TIMESTAMP"),
            "timestamp %Y-%m-%d %H:%M:%S = date_trunc('second', " + now + ")");
  EXPECT_EQ(choose("datetime DEFAULT CURRENT_DATE"),
            "timestamp %Y-%m-%d = date_trunc('day', " + now + ")");
  EXPECT_EQ(choose("DATE DEFAULT CURRENT_DATE"), "date %Y-%m-%d = (" + now + ")::date");
  EXPECT_EQ(choose("DATE DEFAULT CURRENT_TIMESTAMP"),
            "timestamp %Y-%m-%d %H:%M:%S = date_trunc('second', " + now + ")");
  EXPECT_EQ(choose("TIMESTAMP DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"),
            "timestamptz %Y-%m-%dT%H:%M:%S.%3fZ = date_trunc('milliseconds',"
            " statement_timestamp())");
  EXPECT_EQ(choose("DATETIME DEFAULT '2000-01-01 00:00'"),
            "timestamp %Y-%m-%d %H:%M = '2000-01-01 00:00'::timestamp");
  EXPECT_EQ(choose("DATETIME DEFAULT NULL"), "timestamp %Y-%m-%d %H:%M:%S");
}

// Promise: a default that was carried is not lost to a type that nothing stored asks for.
TEST_F(EvidenceDeclarationTest, ADefaultOfAnotherFormKeepsItPlain) {
  EXPECT_EQ(choose("DATETIME DEFAULT ''"), "text = ''");
  EXPECT_EQ(choose("DATETIME DEFAULT 'never'"), "text = 'never'");
  EXPECT_EQ(choose("DATETIME DEFAULT 0").substr(0, 4), "text");
  EXPECT_EQ(choose("JSON DEFAULT ''"), "text = ''");
  EXPECT_EQ(choose("JSON DEFAULT '{}'"), "json = '{}'::json");
  EXPECT_EQ(choose("DECIMAL(5,2) DEFAULT 1.555"), "numeric = 1.555");
  EXPECT_EQ(choose("DECIMAL(5,2) DEFAULT 1.5"), "numeric(5,2) = 1.5");
}

TEST_F(EvidenceDeclarationTest, OtherForms) {
  EXPECT_EQ(choose("JSON"), "json");
  EXPECT_EQ(choose("jsonb"), "json") << "how jsonb would spell it, only a value can tell";
  EXPECT_EQ(choose("JSON UNIQUE"), "text");
  EXPECT_EQ(choose("UUID"), "text") << "spelled in four ways";
  EXPECT_EQ(choose("NUMERIC(20,6)"), "numeric(20,6)");
  EXPECT_EQ(choose("NUMERIC"), "numeric");
  EXPECT_EQ(choose("DATETIME AS (id || '') STORED"), "text");
}

TEST_F(EvidenceDeclarationTest, AnotherFormWidensAndTheReasonSaysSo) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, at DATETIME, price DECIMAL(5,2))");
  exec("INSERT INTO t VALUES (1, NULL, NULL)");
  const Plan made = plan();
  for (const char* name : {"at", "price"}) {
    const Column v = column(table(made, "t").table, name);
    EXPECT_EQ(v.on_misfit, OnMisfit::kWiden);
    EXPECT_TRUE(v.reason.starts_with("no values are stored and it is declared D")) << v.reason;
    EXPECT_TRUE(v.reason.ends_with("; a value of another form widens the column")) << v.reason;
  }
  auto plain = make_plan(source_, catalog(), {.plain_columns = {{"t", "at"}}});
  ASSERT_TRUE(plain);
  EXPECT_EQ(column(table(plain.value(), "t").table, "at").type, ColumnType(TargetType::kText));
}

// Promise: what a declaration promises gives way to what is stored at the other end of a key.
TEST_F(EvidenceDeclarationTest, ReferencesFollowWhatIsStored) {
  exec("CREATE TABLE p(at DATETIME PRIMARY KEY)");
  exec("CREATE TABLE c(id INTEGER PRIMARY KEY, at DATETIME REFERENCES p)");
  exec("CREATE TABLE word(id INTEGER PRIMARY KEY, at TEXT REFERENCES p)");
  const auto type_of = [this](const char* name) {
    return column(table(plan(), name).table, "at").type;
  };
  for (const char* name : {"p", "c", "word"}) {
    EXPECT_EQ(type_of(name), ColumnType(TargetType::kText)) << "two declarations: " << name;
  }
  exec("INSERT INTO p VALUES ('2024-01-01T10:00:00Z')");
  for (const char* name : {"p", "c", "word"}) {
    EXPECT_EQ(type_of(name).pattern, "%Y-%m-%dT%H:%M:%SZ") << name;
  }
}

}  // namespace
}  // namespace crossfade::schema
