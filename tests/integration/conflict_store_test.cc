// Promise: a conflict is on record with every row, value for value, and a key waits once.
#include "engine/run/conflict_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "engine/run/conflict_rows.h"
#include "engine/run/move.h"
#include "engine/run/target_store.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"

namespace crossfade::testing {
namespace {

using apply::Taken;
using ::testing::HasSubstr;

Column column_of(const char* name) {
  Column column;
  column.name = name;
  column.target_name = name;
  return column;
}

class ConflictStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    url_ = TestCluster::create_database();
    postgres::ConnectOptions options;
    options.params = postgres::ConnectionParams::parse(url_).value();
    auto store = run::TargetStore::open(std::move(options)).value();
    const auto made = store.ensure("test", {});
    ASSERT_TRUE(made) << describe(made.error());
    target_.emplace(connect_or_die(url_));
    table_.name = "person";
    table_.columns = {column_of("id"), column_of("part"), column_of("v")};
    table_.key = {0, 1};
  }

  [[nodiscard]] static Row row(const Value& value, int64_t id = 1) {
    return {Value(id), Value(Text{"p"}), value};
  }
  [[nodiscard]] run::ConflictRecord waiting(int64_t id = 1) const {
    run::ConflictRecord out;
    out.table = &table_;
    out.key = {Value(id), Value(Text{"p"})};
    out.kind = ConflictKind::kUpdateOriginDiffers;
    out.base = row(Value(), id);
    out.source = row(Value(int64_t{5}), id);
    out.target = row(Value(Text{"five"}), id);
    out.why = "the policy is manual";
    out.source_lsn = Lsn{17};
    return out;
  }
  void record(const run::ConflictRecord& conflict) {
    const auto done = run::record_conflict(*target_, conflict);
    ASSERT_TRUE(done) << describe(done.error());
  }
  [[nodiscard]] std::vector<run::WaitingConflict> waiting_now() {
    auto found = run::waiting_conflicts(*target_);
    EXPECT_TRUE(found) << describe(found.error());
    return found ? std::move(found).value() : std::vector<run::WaitingConflict>{};
  }
  [[nodiscard]] std::string value(const std::string& sql) {
    const auto done = target_->exec(sql);
    EXPECT_TRUE(done) << describe(done.error());
    return done && done.value().rows() > 0 ? done.value().text(0, 0) : "";
  }
  [[nodiscard]] nlohmann::json stored(const std::string& column) {
    return nlohmann::json::parse(value("SELECT " + column + "::text FROM crossfade.conflicts"));
  }

  std::string url_;
  std::optional<postgres::Connection> target_;
  Table table_;
};

TEST_F(ConflictStoreTest, RowsAreKeptValueForValue) {
  constexpr double kEndless = std::numeric_limits<double>::infinity();
  std::string big(2 << 20, '\0');
  for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 7 % 251);
  const Value values[] = {
      Value(),
      Value(std::numeric_limits<int64_t>::min()),
      Value(std::numeric_limits<int64_t>::max()),
      Value(int64_t{1}),
      Value(1.0),
      Value(-0.0),
      Value(0.1),
      Value(5e-324),
      Value(std::numeric_limits<double>::max()),
      Value(kEndless),
      Value(-kEndless),
      Value(Text{""}),
      Value(Text{"1"}),
      Value(Text{"it's \"quoted\"\\ \n\x01 {\"$blob\":\"00\"}"}),
      Value(Text{"\xf0\x9f\x98\x80"}),
      Value(Text{std::string("a\0b", 3)}),
      Value(Text{"\xff\xfe no text"}),
      Value(Blob{""}),
      Value(Blob{std::string("\0\xff", 2)}),
      Value(Blob{std::move(big)}),
  };
  for (const Value& each : values) {
    ASSERT_TRUE(target_->exec("TRUNCATE crossfade.conflicts"));
    run::ConflictRecord conflict = waiting();
    conflict.base = row(each);
    conflict.source = row(each);
    conflict.target = row(each);
    conflict.result = row(each);
    conflict.taken = Taken::kMerged;
    record(conflict);
    for (const char* column : {"base_row", "source_row", "target_row", "result_row"}) {
      const auto back = run::row_from_jsonb(table_, stored(column));
      ASSERT_TRUE(back) << column << " " << to_literal(each);
      EXPECT_TRUE(*back == row(each)) << column << " " << to_literal(each);
    }
  }
}

TEST_F(ConflictStoreTest, AResolvedOneIsOnRecordAndDoesNotWait) {
  run::ConflictRecord conflict = waiting();
  conflict.kind = ConflictKind::kDeleteOriginDiffers;
  conflict.source.reset();
  conflict.taken = Taken::kSource;
  conflict.why = "newest_wins(updated): a deletion wins";
  conflict.source_us = 1'700'000'000'123'456;
  record(conflict);
  EXPECT_TRUE(waiting_now().empty());
  EXPECT_EQ(value("SELECT concat_ws('|', table_name, kind, state, resolution, why, key, lsn, "
                  "source_row IS NULL, result_row IS NULL, target_row->>'v', target_at IS NULL, "
                  "by_person, resolved_at IS NOT NULL) FROM crossfade.conflicts"),
            "person|delete_origin_differs|resolved|source|newest_wins(updated): a deletion wins|"
            "(id, part)=(1, 'p')|17|t|t|five|t|f|t");
  EXPECT_EQ(value("SELECT extract(epoch FROM source_at) FROM crossfade.conflicts"),
            "1700000000.123456");
  record(conflict);
  EXPECT_EQ(value("SELECT count(*) FROM crossfade.conflicts"), "2") << "each is on record";
}

TEST_F(ConflictStoreTest, KeysOfEveryKindComeBack) {
  run::ConflictRecord conflict = waiting();
  conflict.key = {Value(Text{std::string("\0\xff", 2)}), Value(Blob{"x"})};
  conflict.target_key = Row{Value(2.5), Value(std::numeric_limits<int64_t>::min())};
  conflict.kind = ConflictKind::kUpdateExists;
  record(conflict);
  conflict.key = {Value(Text{std::string(50'000, 'k')}), Value()};
  record(conflict);
  const auto found = waiting_now();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].table, "person");
  EXPECT_EQ(found[0].key, (Row{Value(Text{std::string("\0\xff", 2)}), Value(Blob{"x"})}));
  EXPECT_EQ(found[0].target_key, conflict.target_key);
  EXPECT_EQ(found[0].decision, run::Decision::kNone);
  EXPECT_EQ(found[1].key, conflict.key);
  EXPECT_EQ(run::waiting_conflict_count(*target_).value(), 2);
}

TEST_F(ConflictStoreTest, AKeyWaitsOnce) {
  record(waiting());
  record(waiting(2));
  run::ConflictRecord later = waiting();
  later.target = row(Value(2.5));
  later.base.reset();
  later.kind = ConflictKind::kInsertExists;
  later.source_lsn = Lsn{18};
  record(later);
  ASSERT_EQ(waiting_now().size(), 2U);
  EXPECT_EQ(value("SELECT concat_ws('|', kind, lsn, target_row->'v', base_row IS NULL) FROM "
                  "crossfade.conflicts WHERE key LIKE '%(1,%'"),
            "insert_exists|18|2.5|t");
}

// A decision is about the rows that its maker saw.
TEST_F(ConflictStoreTest, ADecisionFallsWithOtherRows) {
  record(waiting());
  ASSERT_TRUE(target_->exec("UPDATE crossfade.conflicts SET decision='target'"));
  ASSERT_EQ(waiting_now().size(), 1U);
  EXPECT_EQ(waiting_now()[0].decision, run::Decision::kTarget);
  record(waiting());
  EXPECT_EQ(waiting_now()[0].decision, run::Decision::kTarget) << "nothing new";
  run::ConflictRecord later = waiting();
  later.source.reset();
  record(later);
  EXPECT_EQ(waiting_now()[0].decision, run::Decision::kNone);
}

TEST_F(ConflictStoreTest, WhatAPersonDecidedIsMarkedOnce) {
  record(waiting());
  std::string bytes;
  const Row decided = row(Value(Text{std::string("\0", 1)}));
  for (const Value& each : decided) append_identity(each, &bytes);
  ASSERT_TRUE(target_->query(
      "UPDATE crossfade.conflicts SET decision='row',decision_bytes=$1::bytea", {{17, bytes}}));
  const auto found = waiting_now();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].decision, run::Decision::kRow);
  EXPECT_EQ(found[0].row, decided);
  ASSERT_TRUE(run::mark_resolved(*target_, found[0].id, Taken::kMerged, table_, found[0].row));
  EXPECT_TRUE(waiting_now().empty());
  EXPECT_EQ(value("SELECT concat_ws('|', state, resolution, by_person, result_row->'v') FROM "
                  "crossfade.conflicts"),
            "resolved|merged|t|{\"$text\": \"00\"}");
  const auto again = run::mark_resolved(*target_, found[0].id, Taken::kSource, table_, {});
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().native, HasSubstr("does not wait"));
}

TEST_F(ConflictStoreTest, AnEntryThatSomebodyAlteredIsNamed) {
  record(waiting());
  ASSERT_TRUE(target_->exec("UPDATE crossfade.conflicts SET key_bytes='\\x61'"));
  const auto found = run::waiting_conflicts(*target_);
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().object, HasSubstr("of table person"));
}

// It is part of the caller's transaction.
TEST_F(ConflictStoreTest, WhatIsRolledBackIsNotOnRecord) {
  ASSERT_TRUE(target_->exec("BEGIN"));
  record(waiting());
  target_->rollback();
  EXPECT_EQ(run::waiting_conflict_count(*target_).value(), 0);
}

}  // namespace
}  // namespace crossfade::testing
