#include "engine/run/verify_round.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "engine/core/limits.h"

namespace crossfade::run {
namespace {

std::shared_ptr<const Table> make_table(const std::string& name) {
  auto table = std::make_shared<Table>();
  table->name = name;
  table->columns.resize(2);
  table->key = {0};
  return table;
}

verify::ChunkVerdict verdict(int64_t rows, int64_t missing = 0) {
  verify::ChunkVerdict out;
  out.rows_source = rows;
  out.rows_target = rows - missing;
  out.missing = missing;
  if (missing != 0) out.samples.push_back({verify::Difference::Kind::kMissing, "id=7"});
  return out;
}

Change change(const std::shared_ptr<const Table>& table, ChangeOp op, Row before, Row after) {
  Change out;
  out.table = table;
  out.op = op;
  out.before = std::move(before);
  out.after = std::move(after);
  return out;
}

Row row(int64_t key) {
  return {Value(key), Value(Text{"v"})};
}

TEST(VerifyRoundTest, IsDoneWhenEveryTablesLastChunkIsIn) {
  const auto a = make_table("a");
  const auto b = make_table("b");
  VerifyRound round({a, b});
  EXPECT_FALSE(round.done());
  round.add(*a, false, verdict(10), Lsn{5});
  round.add(*b, true, verdict(1), Lsn{9});
  EXPECT_FALSE(round.done());
  round.add(*a, true, verdict(3), Lsn{7});
  EXPECT_TRUE(round.done());
  EXPECT_TRUE(round.report().equal());
  EXPECT_EQ(round.report().rows, 14);
  EXPECT_EQ(round.report().through, Lsn{9});
  EXPECT_EQ(round.report().tables[0].verdict.rows_source, 13);
  EXPECT_TRUE(VerifyRound({}).done());
}

TEST(VerifyRoundTest, DigestsGoOnFromChunkToChunk) {
  const auto table = make_table("a");
  VerifyRound round({table}, verify::DigestKind::kSha256);
  const auto add = [&](const char* bytes, bool last, int64_t at, bool keep) {
    auto digests = round.digests(*table);
    ASSERT_TRUE(digests);
    digests->source.add(bytes);
    digests->target.add(bytes);
    if (keep) round.add(*table, last, verdict(1), Lsn{at}, std::move(digests));
  };
  add("one", false, 5, true);
  add("again", false, 6, false);  // and then the chunk had to be read once more
  add("two", true, 7, true);
  const VerifyReport& report = round.report();
  EXPECT_EQ(report.tables[0].sha256_source, sha256_hex("onetwo"));
  EXPECT_EQ(report.tables[0].sha256_target, sha256_hex("onetwo"));
  EXPECT_EQ(report.from, Lsn{5});
  EXPECT_EQ(report.through, Lsn{7});
  EXPECT_FALSE(VerifyRound({table}).digests(*table));
  EXPECT_FALSE(to_json(VerifyRound({table}).report())["tables"][0].contains("sha256_source"));
}

TEST(VerifyRoundTest, OneDifferentChunkMakesTheRoundDifferent) {
  const auto a = make_table("a");
  VerifyRound round({a});
  round.add(*a, false, verdict(10, 2), Lsn{1});
  round.add(*a, true, verdict(10), Lsn{2});
  EXPECT_FALSE(round.report().equal());
  const nlohmann::json json = to_json(round.report());
  EXPECT_EQ(json["verdict"], "different");
  EXPECT_EQ(json["rows"], 20);
  EXPECT_EQ(json["tables"][0]["name"], "a");
  EXPECT_EQ(json["tables"][0]["rows_source"], 20);
  EXPECT_EQ(json["tables"][0]["rows_target"], 18);
  EXPECT_EQ(json["tables"][0]["missing"], 2);
  EXPECT_EQ(json["tables"][0]["extra"], 0);
  EXPECT_EQ(json["tables"][0]["changed"], 0);
  EXPECT_EQ(json["tables"][0]["samples"][0]["kind"], "missing");
  const std::string text = to_text(round.report());
  EXPECT_NE(text.find("DIFFERENT"), std::string::npos);
  EXPECT_NE(text.find("a: 2 missing, 0 extra, 0 changed (of 20 rows)"), std::string::npos) << text;
  EXPECT_NE(text.find("missing id=7"), std::string::npos);
}

TEST(VerifyRoundDeathTest, AChunkOfAnotherTableAsserts) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  VerifyRound round({make_table("a")});
  EXPECT_DEATH(round.add(*make_table("b"), true, verdict(1), Lsn{1}), "in no round");
}

TEST(DirtyKeysTest, HoldsBothKeysOfAnUpdateOnce) {
  const auto a = make_table("a");
  const auto b = make_table("b");
  DirtyKeys keys;
  ChangeBatch batch;
  batch.changes.push_back(change(a, ChangeOp::kInsert, {}, row(1)));
  batch.changes.push_back(change(a, ChangeOp::kUpdate, row(1), row(2)));
  batch.changes.push_back(change(a, ChangeOp::kVanish, {Value(int64_t{3}), Value()}, {}));
  batch.changes.push_back(change(b, ChangeOp::kDelete, row(1), {}));
  keys.note(batch);
  EXPECT_EQ(keys.size(), 4U);
  size_t of_a = 0;
  const auto taken = keys.take();
  ASSERT_TRUE(taken);
  for (const DirtyKeys::OfTable& of_table : *taken) {
    if (of_table.table == a) of_a = of_table.keys.size();
    for (const Row& key : of_table.keys) EXPECT_EQ(key.size(), 1U);
  }
  EXPECT_EQ(of_a, 3U);
  EXPECT_EQ(keys.size(), 0U);
  EXPECT_TRUE(keys.take()->empty());
}

TEST(DirtyKeysTest, WhatIsPutBackIsHeldOnceBesideWhatCameMeanwhile) {
  const auto a = make_table("a");
  DirtyKeys keys;
  ChangeBatch batch;
  batch.changes.push_back(change(a, ChangeOp::kInsert, {}, row(1)));
  batch.changes.push_back(change(a, ChangeOp::kInsert, {}, row(2)));
  keys.note(batch);
  auto taken = keys.take();
  batch.changes = {change(a, ChangeOp::kDelete, row(2), {}),
                   change(a, ChangeOp::kInsert, {}, row(3))};
  keys.note(batch);
  keys.put_back(*std::move(taken));
  EXPECT_EQ(keys.size(), 3U);
  const auto all = keys.take();
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ(all->at(0).keys.size(), 3U);
}

// Too many to hold: none is, and that is said until a new round begins.
TEST(DirtyKeysTest, OverflowIsSaidUntilCleared) {
  const auto a = make_table("a");
  DirtyKeys keys;
  ChangeBatch batch;
  const auto held = static_cast<int64_t>(10 * limits::kDirtyKeysMax);
  for (int64_t i = 0; i < held; ++i) {
    batch.changes.push_back(change(a, ChangeOp::kInsert, {}, row(i)));
  }
  keys.note(batch);
  EXPECT_FALSE(keys.overflowed());
  EXPECT_EQ(keys.size(), static_cast<size_t>(held));
  batch.changes = {change(a, ChangeOp::kInsert, {}, row(held))};
  keys.note(batch);
  EXPECT_TRUE(keys.overflowed());
  EXPECT_EQ(keys.size(), 0U);
  EXPECT_FALSE(keys.take()) << "no key is not the same as none that is known";
  keys.note(batch);
  EXPECT_TRUE(keys.overflowed());
  EXPECT_EQ(keys.size(), 0U);
  keys.clear();
  EXPECT_FALSE(keys.overflowed());
  keys.note(batch);
  EXPECT_EQ(keys.size(), 1U);
}

}  // namespace
}  // namespace crossfade::run
