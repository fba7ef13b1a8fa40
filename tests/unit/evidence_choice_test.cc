#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "engine/schema/type_choice.h"
#include "tests/unit/schema_fixture.h"

namespace crossfade::schema {
namespace {

constexpr const char* kUuidA = "'123e4567-e89b-42d3-a456-426614174000'";
constexpr const char* kUuidB = "'00000000-e89b-42d3-a456-426614174001'";

class EvidenceChoiceTest : public SchemaTest {
 protected:
  void SetUp() override {
    if (!kChooseForms) GTEST_SKIP() << "forms are not chosen yet";
  }

  // The type of a column `v` with these values, as to_string() and what the form adds.
  std::string choose(const std::string& declared, const std::vector<std::string>& values) {
    exec("DROP TABLE IF EXISTS t");
    exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v " + declared + ")");
    for (const std::string& value : values) exec("INSERT INTO t(v) VALUES (" + value + ")");
    made_ = plan();
    return describe_type(column(table(made_, "t").table, "v").type);
  }

  static std::string describe_type(const ColumnType& type) {
    std::string out = to_string(type);
    if (!type.pattern.empty()) out += " " + type.pattern;
    if (!type.words.empty()) out += " " + type.words;
    return out;
  }

  std::string type_of(const std::string& table_name, const std::string& name) {
    return describe_type(column(table(made_, table_name).table, name).type);
  }

  static std::string floats(size_t count) {
    std::string out = "x'";
    for (size_t i = 0; i < count; ++i) out += i % 2 == 0 ? "0000003f" : "cdcccc3d";  // 0.5, 0.1
    return out + "'";
  }

  Plan made_;
};

TEST_F(EvidenceChoiceTest, TextByForm) {
  EXPECT_EQ(choose("DATE", {"'2024-01-01'", "NULL"}), "date %Y-%m-%d");
  EXPECT_EQ(choose("TEXT", {"'2024-01-01'"}), "date %Y-%m-%d");
  EXPECT_EQ(choose("TEXT", {"'2024-01-01T10:00:00Z'"}), "timestamptz %Y-%m-%dT%H:%M:%SZ");
  EXPECT_EQ(choose("DATETIME", {"'2024-01-01 10:00:00'"}), "timestamp %Y-%m-%d %H:%M:%S");
  EXPECT_EQ(choose("TEXT", {kUuidA, kUuidB}), "uuid");
  EXPECT_EQ(choose("BOOLEAN", {"'t'", "'f'", "NULL"}), "boolean t/f");
  EXPECT_EQ(choose("bool", {"'True'"}), "boolean True/False");
  EXPECT_EQ(choose("TEXT", {"'yes'", "'no'"}), "text") << "nothing declares a boolean";
  EXPECT_EQ(choose("JSON", {"'{\"a\":1}'", "'12x'"}), "text");
  EXPECT_EQ(choose("TEXT", {"'{\"a\":1}'", "'[]'"}), "json");
  EXPECT_EQ(choose("TEXT", {"'{\"a\": 1, \"b\": 2}'", "'[]'"}), "jsonb");
  EXPECT_EQ(choose("VARCHAR(3)", {"'abc'"}), "text");
  EXPECT_EQ(choose("TEXT COLLATE NOCASE", {kUuidA}), "text");
}

// Promise: no time of day that is written later is dropped where the declaration allows for one.
TEST_F(EvidenceChoiceTest, WholeDaysWhereATimeOfDayMayCome) {
  for (const char* declared :
       {"DATETIME", "datetime(6)", "TIMESTAMP", "timestamp without time zone"}) {
    EXPECT_EQ(choose(declared, {"'2024-01-01'", "'2024-01-02'"}), "timestamp %Y-%m-%d") << declared;
  }
  EXPECT_EQ(column(table(made_, "t").table, "v").on_misfit, OnMisfit::kWiden);
  EXPECT_EQ(choose("DATETIME", {"'2024-01-01'", "'2024-01-02 00:00:00'"}), "text");
  exec("CREATE TABLE k(day TIMESTAMP PRIMARY KEY)");
  exec("INSERT INTO k VALUES ('2024-01-01')");
  made_ = plan();
  EXPECT_EQ(type_of("k", "day"), "timestamp %Y-%m-%d");
}

TEST_F(EvidenceChoiceTest, DigestsAreNoUuids) {
  const std::string digest = "'d41d8cd98f00b204e9800998ecf8427e'";  // the version would be 11
  const std::string uuid_hex = "'123e4567e89b42d3a456426614174000'";
  EXPECT_EQ(choose("CHAR(32)", {digest, uuid_hex}), "text");
  EXPECT_EQ(choose("CHAR(32)", {uuid_hex}), "text") << "one may be chance";
  EXPECT_EQ(choose("UUID", {uuid_hex}), "uuid");
  EXPECT_EQ(choose("CHAR(32)", {uuid_hex, "'023e4567e89b42d3a456426614174000'"}), "uuid");
  EXPECT_EQ(choose("BLOB", {"x'123e4567e89b42d3a456426614174000'"}), "bytea");
  EXPECT_EQ(choose("UUID", {"x'123e4567e89b42d3a456426614174000'"}), "uuid");
}

TEST_F(EvidenceChoiceTest, NumbersAndBlobs) {
  EXPECT_EQ(choose("DECIMAL(5,2)", {"3.10", "-999.99", "7"}), "numeric(5,2)");
  EXPECT_EQ(choose("DECIMAL(5,2)", {"3.10", "3.141"}), "numeric");
  EXPECT_EQ(choose("DECIMAL(5,2)", {}), "numeric(5,2)");
  EXPECT_EQ(choose("BLOB", {floats(32), floats(32)}), "real[]");
  EXPECT_EQ(choose("BLOB", {floats(32), floats(31)}), "bytea");
}

TEST_F(EvidenceChoiceTest, VectorWhereTheTargetHasIt) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB)");
  exec("INSERT INTO t(v) VALUES (" + floats(32) + ")");
  auto made = make_plan(source_, catalog(), {.has_pgvector = true});
  ASSERT_TRUE(made);
  EXPECT_EQ(to_string(column(table(made.value(), "t").table, "v").type), "vector(32)");
}

// Promise: what is compared on the target is never of a type without equality and order.
TEST_F(EvidenceChoiceTest, ComparedColumnsStayComparable) {
  exec("CREATE TABLE k(v TEXT PRIMARY KEY, u TEXT UNIQUE, w TEXT, e BLOB)");
  exec("CREATE INDEX kw ON k(w)");
  exec("CREATE INDEX ke ON k(e)");
  exec("INSERT INTO k VALUES ('{}', '[]', '[1, 2]', " + floats(16) + ")");
  made_ = plan();
  for (const char* name : {"v", "u", "w"}) EXPECT_EQ(type_of("k", name), "text");
  EXPECT_EQ(type_of("k", "e"), "bytea");
}

TEST_F(EvidenceChoiceTest, PlainColumnsStayPlain) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, w TEXT)");
  exec("INSERT INTO t(v, w) VALUES ('2024-01-01', '2024-01-01')");
  auto made = make_plan(source_, catalog(), {.plain_columns = {{"t", "v"}}});
  ASSERT_TRUE(made);
  EXPECT_EQ(to_string(column(table(made.value(), "t").table, "v").type), "text");
  EXPECT_EQ(to_string(column(table(made.value(), "t").table, "w").type), "date");
}

// Promise: both ends of a foreign key have one type.
TEST_F(EvidenceChoiceTest, ReferencesAgree) {
  exec("CREATE TABLE p(id TEXT PRIMARY KEY)");
  exec("CREATE TABLE same(id INTEGER PRIMARY KEY, p TEXT REFERENCES p)");
  exec("CREATE TABLE none(id INTEGER PRIMARY KEY, p TEXT REFERENCES p)");
  exec(std::string("INSERT INTO p VALUES (") + kUuidA + ")");
  exec(std::string("INSERT INTO same(p) VALUES (") + kUuidA + ")");
  made_ = plan();
  EXPECT_EQ(type_of("p", "id"), "uuid");
  EXPECT_EQ(type_of("same", "p"), "uuid");
  EXPECT_EQ(type_of("none", "p"), "uuid") << "no values, so it follows";
  exec("CREATE TABLE other(id INTEGER PRIMARY KEY, p TEXT REFERENCES p)");
  exec("INSERT INTO other(p) VALUES ('none')");
  made_ = plan();
  for (const char* child : {"same", "none", "other"}) EXPECT_EQ(type_of(child, "p"), "text");
  EXPECT_EQ(type_of("p", "id"), "text");
  const auto alone = [this](const char* name) {
    std::vector<Finding> found;
    auto planned = plan_table(source_, catalog(), name, {}, &found);
    EXPECT_TRUE(planned);
    return describe_type(planned.value().table.columns.back().type);
  };
  for (const char* name : {"p", "same", "none", "other"}) EXPECT_EQ(alone(name), "text") << name;
  exec("DROP TABLE other");
  for (const char* name : {"p", "same", "none"}) EXPECT_EQ(alone(name), "uuid") << name;
}

TEST_F(EvidenceChoiceTest, ReferencesInACircle) {
  exec("CREATE TABLE a(id TEXT PRIMARY KEY REFERENCES b)");
  exec("CREATE TABLE b(id TEXT PRIMARY KEY REFERENCES c)");
  exec("CREATE TABLE c(id TEXT PRIMARY KEY REFERENCES a, up TEXT REFERENCES c)");
  exec(std::string("INSERT INTO a VALUES (") + kUuidA + ")");
  exec("INSERT INTO c VALUES ('2024-01-01', NULL)");
  made_ = plan();
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(type_of(name, "id"), "text") << name;
}

// Promise: a rowid is bigint whatever refers to it.
TEST_F(EvidenceChoiceTest, ARowidFollowsNobody) {
  exec("CREATE TABLE p(id INTEGER PRIMARY KEY)");
  exec("CREATE TABLE c(id INTEGER PRIMARY KEY, p TEXT REFERENCES p)");
  exec("INSERT INTO c(p) VALUES ('2024-01-01')");
  made_ = plan();
  EXPECT_EQ(type_of("p", "id"), "bigint");
  EXPECT_EQ(type_of("c", "p"), "text");
}

struct FindingCase {
  const char* declared;
  std::vector<std::string> values;
  const char* code;
  int64_t rows;
  std::string sample;  // the first one; empty: none
};

// Promise: a type that is not taken because of some rows names them.
TEST_F(EvidenceChoiceTest, FindingsNameTheRows) {
  const std::vector<FindingCase> cases{
      {"DATETIME", {"'2024-01-01'", "'2021-02-30'"}, "dates_invalid", 1, "id=2: '2021-02-30'"},
      {"DATETIME", {"'2024-01-01'", "'24:00:00'", "''"}, "dates_invalid", 2, "id=3: ''"},
      {"DATE", {"'2024-01-01'", "'31/12/2020'"}, "dates_invalid", 1, "id=2: '31/12/2020'"},
      {"DATETIME",
       {"'2024-01-01 10:00:00'", "'2024-01-01 10:00:01'", "'2024-01-01T10:00:00Z'"},
       "dates_mixed",
       1,
       "id=3: '2024-01-01T10:00:00Z'"},
      {"JSON", {"'{}'", "'{a:1}'", "'word'"}, "json_invalid", 2, "id=3: 'word'"},
      {"TEXT", {R"('{"a":1,"a":2}')"}, "json_duplicate_keys", 1, R"(id=1: '{"a":1,"a":2}')"},
      {"TEXT", {R"('["\u0000"]')"}, "json_nul_escape", 1, R"(id=1: '["\u0000"]')"},
      {"UUID", {kUuidA, kUuidA, "'none'"}, "uuid_mixed", 1, "id=3: 'none'"},
      {"DECIMAL(5,2)", {"1.5", "1.234"}, "decimal_beyond_declared", 1, "id=2: 1.234"},
      {"BOOLEAN", {"1", "0", "2", "1"}, "boolean_beyond_0_1", 1, "id=3: 2"},
      {"BOOLEAN", {"'t'", "'f'", "'maybe'"}, "boolean_words", 1, "id=3: 'maybe'"},
      {"BOOLEAN", {"'t'", "'t'", "'yes'"}, "boolean_words", 1, "id=1: 't'"},
      {"VARCHAR(3)", {"'abc'", "'äöü'", "'long'"}, "longer_than_declared", 1, "id=3: 'long'"},
      {"BLOB", {"x'4b13311332'"}, "sqlite_jsonb", 1, ""},
      {"BLOB", {floats(16)}, "float_array", 0, ""},
      {"DATETIME", {"1577836800", "0"}, "epoch_numbers", 0, ""}};
  for (const FindingCase& each : cases) {
    choose(each.declared, each.values);
    const Finding found = finding(made_, each.code);
    EXPECT_EQ(found.rows, each.rows) << each.code << " " << found.message;
    EXPECT_EQ(found.samples.empty() ? "" : found.samples.front(), each.sample) << found.message;
    EXPECT_FALSE(found.message.empty());
  }
}

TEST_F(EvidenceChoiceTest, NoFindingsWithoutReason) {
  for (const auto& [declared, values] :
       std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"TEXT", {"'word'", "'[link](x)'", "''"}},
           {"DATETIME", {"'2024-01-01'", "NULL"}},
           {"TEXT", {"''", "''"}},
           {"VARCHAR(3)", {"'äöü'"}},
           {"INTEGER", {"1577836800"}},
           {"BLOB", {"x'00ff'"}},
           {"TEXT", {"'d41d8cd98f00b204e9800998ecf8427e'"}},
           {"TIME", {"'10:00:00'"}}}) {
    choose(declared, values);
    EXPECT_TRUE(made_.findings.empty()) << declared << " " << made_.findings.front().message;
  }
}

TEST_F(EvidenceChoiceTest, Enumerations) {
  std::vector<std::string> values;
  for (int i = 0; i < 40; ++i) values.emplace_back(i % 4 == 0 ? "'open'" : "'closed'");
  EXPECT_EQ(choose("TEXT", values), "text");
  EXPECT_EQ(finding(made_, "enumeration").message,
            "40 values are 2 distinct texts: 'open' (10), 'closed' (30)");
  EXPECT_EQ(choose("JSON", values), "text");
  EXPECT_TRUE(findings(made_, "enumeration").empty());
  for (std::string& value : values) value = value == "'open'" ? "'2024-02-30'" : "'2024-02-28'";
  EXPECT_EQ(choose("TEXT", values), "text");
  EXPECT_TRUE(findings(made_, "enumeration").empty());
  EXPECT_FALSE(findings(made_, "dates_invalid").empty());
}

// Promise: a default of a column with a form is of that form, or there is none.
TEST_F(EvidenceChoiceTest, Defaults) {
  const auto target_default = [this](const std::string& declared, const std::string& value) {
    choose(declared, {value});
    return column(table(made_, "t").table, "v").target_default.value_or("-");
  };
  EXPECT_EQ(target_default("DATETIME DEFAULT CURRENT_TIMESTAMP", "'2024-01-01 10:00:00'"),
            "date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC')");
  EXPECT_EQ(target_default("TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))",
                           "'2024-01-01T10:00:00.125Z'"),
            "date_trunc('milliseconds', statement_timestamp())");
  EXPECT_EQ(target_default("DATE DEFAULT (date('now'))", "'2024-01-01'"),
            "(statement_timestamp() AT TIME ZONE 'UTC')::date");
  EXPECT_EQ(target_default("DATETIME DEFAULT CURRENT_TIMESTAMP", "'2024-01-01T10:00:00Z'"), "-");
  EXPECT_EQ(target_default("DATETIME DEFAULT CURRENT_DATE", "'2024-01-01'"),
            "date_trunc('day', statement_timestamp() AT TIME ZONE 'UTC')");
  EXPECT_EQ(target_default("DATETIME DEFAULT (strftime('%Y-%m-%d', 'now'))", "'2024-01-01'"),
            "date_trunc('day', statement_timestamp() AT TIME ZONE 'UTC')");
  EXPECT_EQ(target_default("DATETIME DEFAULT CURRENT_TIMESTAMP", "'2024-01-01'"), "-");
  EXPECT_EQ(target_default("DATETIME DEFAULT '1970-01-01'", "'2024-01-01'"),
            "'1970-01-01'::timestamp");
  EXPECT_EQ(target_default("DATE DEFAULT '1970-01-01'", "'2024-01-01'"), "'1970-01-01'::date");
  EXPECT_EQ(target_default("DATE DEFAULT ''", "'2024-01-01'"), "-");
  EXPECT_EQ(target_default("TEXT DEFAULT '{}'", "'{\"a\":1}'"), "'{}'::json");
  EXPECT_EQ(target_default("TEXT DEFAULT ''", "'{\"a\":1}'"), "-");
  EXPECT_EQ(target_default("DECIMAL(5,2) DEFAULT 1.5", "2.25"), "1.5");
  EXPECT_EQ(target_default("DECIMAL(5,2) DEFAULT 1.555", "2.25"), "-");
  EXPECT_EQ(target_default("BOOLEAN DEFAULT 'yes'", "'no'"), "true");
  EXPECT_EQ(target_default("BOOLEAN DEFAULT 1", "'no'"), "-");
}

}  // namespace
}  // namespace crossfade::schema
