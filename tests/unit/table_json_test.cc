#include "engine/run/table_json.h"

#include <nlohmann/json.hpp>

#include "capture/trigger_sql.h"
#include "tests/unit/schema_fixture.h"

namespace crossfade::run {
namespace {

void expect_same(const Column& a, const Column& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.source_sql, b.source_sql);
  EXPECT_EQ(a.target_name, b.target_name);
  EXPECT_EQ(a.declared_type, b.declared_type);
  EXPECT_EQ(a.affinity, b.affinity);
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_EQ(a.not_null, b.not_null);
  EXPECT_EQ(a.synthetic, b.synthetic);
  EXPECT_EQ(a.generated, b.generated);
  EXPECT_EQ(a.generated_sql, b.generated_sql);
  EXPECT_EQ(a.target_generated, b.target_generated);
  EXPECT_EQ(a.collation, b.collation);
  EXPECT_EQ(a.default_sql, b.default_sql);
  EXPECT_EQ(a.target_default, b.target_default);
}

void expect_same(const Index& a, const Index& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.unique, b.unique);
  EXPECT_EQ(a.constraint, b.constraint);
  EXPECT_EQ(a.primary, b.primary);
  EXPECT_EQ(a.partial, b.partial);
  EXPECT_EQ(a.expression, b.expression);
  EXPECT_EQ(a.source_sql, b.source_sql);
  EXPECT_EQ(a.target_ddl, b.target_ddl);
  ASSERT_EQ(a.parts.size(), b.parts.size());
  for (size_t i = 0; i < a.parts.size(); ++i) {
    EXPECT_EQ(a.parts[i].column, b.parts[i].column);
    EXPECT_EQ(a.parts[i].descending, b.parts[i].descending);
    EXPECT_EQ(a.parts[i].collation, b.parts[i].collation);
  }
}

void expect_same(const UniqueKey& a, const UniqueKey& b) {
  ASSERT_EQ(a.parts.size(), b.parts.size());
  for (size_t i = 0; i < a.parts.size(); ++i) {
    EXPECT_EQ(a.parts[i].column, b.parts[i].column);
    EXPECT_EQ(a.parts[i].collation, b.parts[i].collation);
  }
}

void expect_same(const ForeignKey& a, const ForeignKey& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.parent_table, b.parent_table);
  EXPECT_EQ(a.columns, b.columns);
  EXPECT_EQ(a.parent_columns, b.parent_columns);
  EXPECT_EQ(a.on_update, b.on_update);
  EXPECT_EQ(a.on_delete, b.on_delete);
  EXPECT_EQ(a.target_ddl, b.target_ddl);
  EXPECT_EQ(a.target_constraint, b.target_constraint);
}

void expect_same(const Check& a, const Check& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.source_sql, b.source_sql);
  EXPECT_EQ(a.target_ddl, b.target_ddl);
}

template <typename T>
void expect_all_same(const std::vector<T>& a, const std::vector<T>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) expect_same(a[i], b[i]);
}

void expect_same(const Table& a, const Table& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.target_name, b.target_name);
  EXPECT_EQ(a.without_rowid, b.without_rowid);
  EXPECT_EQ(a.autoincrement, b.autoincrement);
  EXPECT_EQ(a.rowid_name, b.rowid_name);
  EXPECT_EQ(a.identity, b.identity);
  EXPECT_EQ(a.key, b.key);
  EXPECT_EQ(a.sequence, b.sequence);
  EXPECT_EQ(a.create_table_ddl, b.create_table_ddl);
  EXPECT_EQ(a.primary_key_ddl, b.primary_key_ddl);
  EXPECT_EQ(a.shape, b.shape);
  EXPECT_EQ(a.source_sql, b.source_sql);
  EXPECT_EQ(a.rows_estimate, b.rows_estimate);
  expect_all_same(a.columns, b.columns);
  expect_all_same(a.unique_keys, b.unique_keys);
  expect_all_same(a.indexes, b.indexes);
  expect_all_same(a.foreign_keys, b.foreign_keys);
  expect_all_same(a.checks, b.checks);
}

using TableJsonTest = schema::SchemaTest;

// Promise: a restart works with the plan that was made, to the last field and the last trigger.
TEST_F(TableJsonTest, PlannedTablesComeBackWhole) {
  exec(R"(
    CREATE TABLE parent(id INTEGER PRIMARY KEY AUTOINCREMENT, n TEXT DEFAULT 'it''s "x"' UNIQUE);
    CREATE TABLE "a ""b"" é"("k 1" TEXT COLLATE NOCASE, n INT NOT NULL DEFAULT 5, r REAL,
      p INT REFERENCES parent(id) ON DELETE CASCADE ON UPDATE SET NULL, g INT AS (n+1) STORED UNIQUE,
      PRIMARY KEY("k 1", n DESC)) WITHOUT ROWID;
    CREATE TABLE keyless(a, b BLOB, d DECIMAL(10,2), CHECK (d > 0), CHECK (length(a) > 0));
    CREATE INDEX plain ON keyless(a DESC, b); CREATE UNIQUE INDEX part ON keyless(a) WHERE b > 1;
    CREATE UNIQUE INDEX expr ON keyless(lower(a));
    CREATE TABLE nullable(k TEXT PRIMARY KEY);
    INSERT INTO nullable VALUES (NULL); INSERT INTO keyless VALUES (1, x'00', 1.5), ('x', 2, 2);
    INSERT INTO parent VALUES (1, 'n'); INSERT INTO "a ""b"" é" VALUES ('k', 1, 1.5, 1);
  )");
  for (const schema::TablePlan& planned : plan().tables) {
    SCOPED_TRACE(planned.table.name);
    const auto read = table_from_json(table_to_json(planned.table));
    ASSERT_TRUE(read) << describe(read.error());
    expect_same(planned.table, read.value());
    for (const Column& column : read.value().columns) {
      EXPECT_EQ(column.target_generated.has_value(), column.name == "g");
    }
    EXPECT_EQ(read.value().checks.size(), planned.table.name == "keyless" ? 2U : 0U);
    const auto before = capture::capture_triggers(planned.table, CaptureId{3});
    const auto after = capture::capture_triggers(read.value(), CaptureId{3});
    ASSERT_EQ(before.size(), after.size());
    for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i].sql, after[i].sql);
  }
}

// Promise: types with a form come back whole; a plan of before there were forms is read too.
TEST_F(TableJsonTest, TypesComeBackWhole) {
  Table table;
  table.name = "t";
  table.adopted = true;
  table.columns.resize(5);
  table.columns[0].type = TargetType::kBigint;
  table.columns[1].type = TargetType::kTimestamptz;
  table.columns[1].type.form = SourceForm::kPattern;
  table.columns[1].type.pattern = "%Y-%m-%dT%H:%M:%S%ifZ";
  table.columns[2].type = TargetType::kNumeric;
  table.columns[2].type.precision = 10;
  table.columns[2].type.scale = 2;
  table.columns[3].type = TargetType::kBoolean;
  table.columns[3].type.form = SourceForm::kWords;
  table.columns[3].type.words = "yes/no";
  ColumnType& declared = table.columns[4].type;
  declared = TargetType::kText;
  declared.bytes = 2;
  declared.length = 4;
  declared.padded = true;
  declared.digits = 3;
  declared.labels = {"a", "b \" c"};
  declared.spelling = "public.mood";
  const std::string json = table_to_json(table);
  EXPECT_NE(json.find(R"("type":1})"), std::string::npos) << json;
  const auto read = table_from_json(json);
  ASSERT_TRUE(read) << describe(read.error());
  EXPECT_TRUE(read.value().adopted);
  expect_same(table, read.value());
}

TEST_F(TableJsonTest, TextThatIsNotUtf8DoesNotEndTheMove) {
  Table table;
  table.name = "t";
  table.source_sql = "CREATE TABLE t(a) -- \xff";
  const auto read = table_from_json(table_to_json(table));
  ASSERT_TRUE(read);
  EXPECT_EQ(read.value().name, "t");
}

// Cut anywhere, or with a field missing, it is an error that says so.
TEST_F(TableJsonTest, DamagedJsonIsAnError) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v UNIQUE)");
  const std::string json = table_to_json(plan().tables.at(0).table);
  for (size_t length = 0; length < json.size(); ++length) {
    ASSERT_FALSE(table_from_json(json.substr(0, length))) << length;
  }
  const auto read = table_from_json(R"({"name":"t"})");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kTarget);
  EXPECT_NE(read.error().hint.find("another version"), std::string::npos);
  EXPECT_FALSE(table_from_json("[]"));
  EXPECT_FALSE(table_from_json("7"));
}

}  // namespace
}  // namespace crossfade::run
