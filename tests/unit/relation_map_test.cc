// Promise: a relation's rows become the source's by the columns' names; what is not as it was
// planned is told, and nothing that stands for no value of the source passes for one.
#include "capture/relation_map.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace crossfade::capture {
namespace {

using pgoutput::Field;
using pgoutput::FieldKind;
using pgoutput::Old;
using pgoutput::Tuple;
using Strings = std::vector<std::string>;

constexpr Field kNothing{FieldKind::kNull, {}};
constexpr Field kKept{FieldKind::kUnchanged, {}};
Field text(std::string_view bytes) {
  return {FieldKind::kText, bytes};
}

// id bigint, name text, at timestamp as %Y-%m-%d; the key is id.
Table planned() {
  Table table;
  table.name = "t";
  table.target_name = "t";
  table.key = {0};
  ColumnType day = TargetType::kTimestamp;
  day.form = SourceForm::kPattern;
  day.pattern = "%Y-%m-%d %H:%M:%S";
  for (const auto& [name, type] : std::vector<std::pair<std::string, ColumnType>>{
           {"id", TargetType::kBigint}, {"name", TargetType::kText}, {"at", day}}) {
    Column column;
    column.name = name;
    column.target_name = name;
    column.type = type;
    table.columns.push_back(std::move(column));
  }
  return table;
}

struct Announced {
  std::string name;
  std::string type;
  bool key = false;
};
const std::vector<Announced> kAsPlanned{
    {"id", "bigint", true}, {"name", "text"}, {"at", "timestamp without time zone"}};

RelationMap map_of(const Table& table, const std::vector<Announced>& columns = kAsPlanned) {
  pgoutput::Relation relation;
  relation.schema = "public";
  relation.name = table.target_name;
  Strings types;
  for (const Announced& each : columns) {
    relation.columns.push_back({each.key, each.name});
    types.push_back(each.type);
  }
  return {std::make_shared<const Table>(table), relation, types};
}

Strings differences(const RelationMap& map) {
  Strings out;
  for (const RelationDifference& each : map.differences()) {
    out.push_back((each.fatal ? "fatal: " : "") + each.what);
  }
  return out;
}

Value text_value(const std::string& bytes) {
  return Value(Text{bytes});
}

TEST(RelationMapTest, ColumnsAreFoundByName) {
  const RelationMap map = map_of(
      planned(), {{"at", "timestamp without time zone"}, {"id", "bigint", true}, {"name", "text"}});
  EXPECT_TRUE(map.differences().empty());
  const auto change =
      map.read(pgoutput::Insert{1, {text("2026-01-02 03:04:05"), text("7"), kNothing}});
  ASSERT_TRUE(change) << describe(change.error());
  ASSERT_EQ(change.value().after.size(), 3U);
  EXPECT_EQ(change.value().after[0], Value(int64_t{7}));
  EXPECT_EQ(change.value().after[1], Value());
  EXPECT_EQ(change.value().after[2], text_value("2026-01-02 03:04:05"));
  EXPECT_FALSE(change.value().misfit);
  EXPECT_TRUE(change.value().key.empty());
}

TEST(RelationMapTest, TheKeyIsThatOfTheRowBefore) {
  const RelationMap map = map_of(planned());
  const Tuple after{text("8"), text("x"), kNothing};
  const auto same = map.read(pgoutput::Update{1, Old::kNone, {}, after});
  ASSERT_TRUE(same);
  EXPECT_EQ(same.value().key, (Row{Value(int64_t{8})}));
  const auto moved =
      map.read(pgoutput::Update{1, Old::kKey, {text("7"), kNothing, kNothing}, after});
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved.value().key, (Row{Value(int64_t{7})}));
  EXPECT_EQ(moved.value().after[0], Value(int64_t{8}));
  const auto full = map.read(pgoutput::Delete{1, Old::kRow, {text("7"), text("x"), kNothing}});
  ASSERT_TRUE(full);
  EXPECT_EQ(full.value().key, (Row{Value(int64_t{7})}));
  EXPECT_TRUE(full.value().after.empty());
}

TEST(RelationMapTest, WhatWasNotSentIsLeftAsItIs) {
  const RelationMap map = map_of(planned());
  const auto update = map.read(
      pgoutput::Update{1, Old::kNone, {}, {text("8"), kKept, text("2026-01-02 00:00:00")}});
  ASSERT_TRUE(update);
  EXPECT_EQ(update.value().after[1], std::nullopt);
  // A key that was stored out of line comes with the row before, or the row is not known.
  const auto lost = map.read(pgoutput::Update{1, Old::kNone, {}, {kKept, text("x"), kNothing}});
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().object, "t");
  const auto kept = map.read(pgoutput::Update{
      1, Old::kKey, {text("8"), kNothing, kNothing}, {kKept, text("x"), kNothing}});
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept.value().key, (Row{Value(int64_t{8})}));
  EXPECT_EQ(kept.value().after[0], std::nullopt);
  EXPECT_FALSE(map.read(pgoutput::Insert{1, {text("8"), kKept, kNothing}}));
}

TEST(RelationMapTest, WhatStandsForNoValueIsAMisfit) {
  const RelationMap map = map_of(planned());
  const auto insert = map.read(pgoutput::Insert{1, {text("8"), text("x"), text("infinity")}});
  ASSERT_TRUE(insert);
  ASSERT_TRUE(insert.value().misfit);
  EXPECT_EQ(insert.value().misfit->column, 2U);
  EXPECT_EQ(insert.value().misfit->field, "infinity");
  EXPECT_EQ(insert.value().after[2], std::nullopt);
  EXPECT_EQ(insert.value().after[0], Value(int64_t{8}));
  // Only its beginning is kept, and no half of a character.
  std::string many;
  for (int i = 0; i < 101; ++i) many += "é";
  const auto longer = map.read(pgoutput::Insert{1, {text("8"), kNothing, text("x" + many)}});
  ASSERT_TRUE(longer && longer.value().misfit);
  EXPECT_EQ(longer.value().misfit->field.size(), 199U);
}

// So that the row can be named, and its later changes be told to be its own.
TEST(RelationMapTest, AKeyThatIsAMisfitStandsForItself) {
  Table table = planned();
  table.key = {2, 0};
  const RelationMap map = map_of(
      table,
      {{"id", "bigint", true}, {"name", "text"}, {"at", "timestamp without time zone", true}});
  const Row key{text_value("infinity"), Value(int64_t{8})};
  const auto insert = map.read(pgoutput::Insert{1, {text("8"), text("x"), text("infinity")}});
  ASSERT_TRUE(insert && insert.value().misfit);
  EXPECT_EQ(insert.value().after[2], key[0]);
  const auto update = map.read(pgoutput::Update{
      1, Old::kKey, {text("8"), kNothing, text("infinity")}, {text("8"), kNothing, kNothing}});
  ASSERT_TRUE(update && update.value().misfit);
  EXPECT_EQ(update.value().key, key);
  EXPECT_EQ(update.value().misfit->field, "infinity") << "the first one of both rows";
  const auto removed =
      map.read(pgoutput::Delete{1, Old::kKey, {text("8"), kNothing, text("infinity")}});
  ASSERT_TRUE(removed && removed.value().misfit);
  EXPECT_EQ(removed.value().key, key);
  const auto none = map.read(pgoutput::Insert{1, {text("8"), text("x"), kNothing}});
  ASSERT_TRUE(none && none.value().misfit);
  EXPECT_EQ(none.value().misfit->field, "NULL");
}

TEST(RelationMapTest, WhatTheSourceComputesIsNotTaken) {
  Table table = planned();
  table.columns[1].generated = true;
  const RelationMap plain = map_of(table);
  const auto insert = plain.read(pgoutput::Insert{1, {text("8"), text("x"), kNothing}});
  ASSERT_TRUE(insert);
  EXPECT_EQ(insert.value().after[1], std::nullopt);
  table.columns[1].target_generated = "lower('x')";
  const RelationMap computed =
      map_of(table, {{"id", "bigint", true}, {"at", "timestamp without time zone"}});
  EXPECT_TRUE(computed.differences().empty()) << "the server does not send what it computes";
  EXPECT_TRUE(computed.read(pgoutput::Insert{1, {text("8"), kNothing}}));
}

TEST(RelationMapTest, WhatIsMaskedDoesNotGoBack) {
  Table table = planned();
  table.columns[1].type.form = SourceForm::kMasked;
  const RelationMap map = map_of(table);
  const auto update =
      map.read(pgoutput::Update{1, Old::kNone, {}, {text("8"), text("9f3c"), kNothing}});
  ASSERT_TRUE(update);
  EXPECT_EQ(update.value().after[1], std::nullopt);
  EXPECT_FALSE(update.value().misfit);
  const auto insert = map.read(pgoutput::Insert{1, {text("8"), text("9f3c"), kNothing}});
  ASSERT_TRUE(insert && insert.value().misfit);
  EXPECT_EQ(insert.value().misfit->column, 1U);
}

TEST(RelationMapTest, DifferencesAreNamed) {
  EXPECT_EQ(differences(map_of(planned(), {{"id", "bigint", true}, {"name", "text"}})),
            (Strings{"fatal: column at was dropped or renamed"}));
  EXPECT_EQ(differences(map_of(planned(), {{"id", "bigint", true},
                                           {"name", "character varying(20)"},
                                           {"at", "timestamp(3) without time zone"}})),
            (Strings{"fatal: column name is character varying(20) now, and was text",
                     "fatal: column at is timestamp(3) without time zone now, and was timestamp "
                     "without time zone"}));
  EXPECT_EQ(differences(map_of(planned(), {{"id", "bigint", true},
                                           {"name", "text"},
                                           {"at", "timestamp without time zone"},
                                           {"more", "text"}})),
            (Strings{"column more has no place in the source: its values do not go back"}));
  const auto untold = differences(map_of(
      planned(), {{"id", "bigint"}, {"name", "text"}, {"at", "timestamp without time zone"}}));
  ASSERT_EQ(untold.size(), 1U);
  EXPECT_TRUE(untold[0].starts_with("fatal: updates and deletes do not tell the key column id"));
}

TEST(RelationMapTest, NothingIsReadAfterAFatalOne) {
  const RelationMap map = map_of(planned(), {{"id", "bigint", true}, {"name", "text"}});
  const auto change = map.read(pgoutput::Insert{1, {text("8"), text("x")}});
  ASSERT_FALSE(change);
  EXPECT_EQ(change.error().remedy, Remedy::kDecide);
  EXPECT_EQ(change.error().object, "t");
  EXPECT_FALSE(map.read_truncate());
  EXPECT_FALSE(map.read(pgoutput::Delete{1, Old::kKey, {text("8"), kNothing}}));
}

// A tuple that is not the relation's would otherwise be read beyond its end.
TEST(RelationMapTest, ARowOfAnotherWidthIsRefused) {
  const RelationMap map = map_of(planned());
  EXPECT_FALSE(map.read(pgoutput::Insert{1, {text("8"), text("x")}}));
  EXPECT_FALSE(map.read(pgoutput::Update{1, Old::kKey, {}, {text("8"), text("x"), kNothing}}));
  EXPECT_FALSE(map.read(pgoutput::Delete{1, Old::kKey, {text("8")}}));
  EXPECT_FALSE(map.read(pgoutput::Insert{1, {{FieldKind::kBinary, "8"}, text("x"), kNothing}}));
}

TEST(RelationMapTest, TypesAreThoseOfThePlan) {
  ColumnType decimal = TargetType::kNumeric;
  EXPECT_TRUE(is_planned_type(decimal, "numeric"));
  decimal.precision = 10;
  decimal.scale = 2;
  EXPECT_TRUE(is_planned_type(decimal, "numeric(10,2)"));
  EXPECT_FALSE(is_planned_type(decimal, "numeric(10,3)"));
  ColumnType vector = TargetType::kVector;
  vector.dimensions = 3;
  EXPECT_TRUE(is_planned_type(vector, "vector(3)"));
  EXPECT_TRUE(is_planned_type(vector, "\"the ext\".vector(3)"));
  EXPECT_FALSE(is_planned_type(vector, "public.vector(4)"));
  EXPECT_TRUE(is_planned_type(TargetType::kTimestamptz, "timestamp with time zone"));
  EXPECT_TRUE(is_planned_type(TargetType::kReals, "real[]"));
  EXPECT_FALSE(is_planned_type(TargetType::kText, "???"));
  ColumnType adopted = TargetType::kTimestamp;
  adopted.spelling = "timestamp(3) without time zone";
  EXPECT_TRUE(is_planned_type(adopted, "timestamp(3) without time zone"));
  EXPECT_FALSE(is_planned_type(adopted, "timestamp without time zone"));
}

}  // namespace
}  // namespace crossfade::capture
