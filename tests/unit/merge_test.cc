// Promise: what becomes of a row that both sides changed follows from its three versions and the
// operator's policies, and from nothing else.
#include "apply/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <compare>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "apply/merge_values.h"

namespace crossfade::apply {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

Value integer(int64_t v) {
  return Value(v);
}
Value text(const char* v) {
  return Value(Text{v});
}

enum At : size_t { kId, kName, kTenant, kBalance, kScore, kUpdated, kTwice };

// account(id, name, tenant, balance, score, updated, twice AS (balance * 2))
Table account() {
  Table table;
  table.name = "account";
  const std::pair<const char*, Affinity> columns[] = {
      {"id", Affinity::kInteger},      {"name", Affinity::kText},  {"tenant", Affinity::kText},
      {"balance", Affinity::kInteger}, {"score", Affinity::kReal}, {"updated", Affinity::kNumeric},
      {"twice", Affinity::kInteger}};
  for (const auto& [name, affinity] : columns) {
    Column column;
    column.name = name;
    column.affinity = affinity;
    table.columns.push_back(std::move(column));
  }
  table.columns[kTwice].generated = true;
  table.key = {kId};
  return table;
}

const Table& table() {
  static const Table kTable = account();
  return kTable;
}

Row row(const char* name, int64_t balance, int64_t updated, const char* tenant = "acme",
        double score = 1.5) {
  return {integer(7),   text(name),       text(tenant),        integer(balance),
          Value(score), integer(updated), integer(balance * 2)};
}

using MaybeRow = std::optional<Row>;

Merged merged(const TableConflicts& policies, const MaybeRow& base, const MaybeRow& source,
              const MaybeRow& target) {
  const auto at = [](const MaybeRow& r) { return r ? &*r : nullptr; };
  return merge(table(), policies, {at(base), at(source), at(target)});
}

TableConflicts whole_row(ConflictPolicy policy) {
  TableConflicts out;
  out.policy = policy;
  out.newest = kUpdated;
  return out;
}

TableConflicts with_column(size_t column, ConflictPolicy policy,
                           ConflictPolicy of_row = ConflictPolicy::kManual) {
  TableConflicts out = whole_row(of_row);
  out.columns.push_back({column, policy, kUpdated});
  return out;
}

constexpr std::array kRowPolicies = {ConflictPolicy::kManual, ConflictPolicy::kSourceWins,
                                     ConflictPolicy::kTargetWins, ConflictPolicy::kNewestWins};

TEST(MergeTest, ASideThatChangedNothingHasNoSay) {
  const Row base = row("a", 1, 1);
  const Row changed = row("b", 2, 2);
  for (const ConflictPolicy policy : kRowPolicies) {
    const TableConflicts policies = whole_row(policy);
    EXPECT_EQ(merged(policies, base, changed, base).taken, Taken::kSource);
    EXPECT_EQ(merged(policies, base, base, changed).taken, Taken::kTarget);
    EXPECT_EQ(merged(policies, base, base, changed).row, changed);
    EXPECT_EQ(merged(policies, base, base, base).taken, Taken::kSame);
    const Merged gone = merged(policies, base, base, {});
    EXPECT_EQ(gone.taken, Taken::kTarget);
    EXPECT_FALSE(gone.row);
    EXPECT_EQ(merged(policies, {}, {}, changed).row, changed) << "inserted and deleted again";
    EXPECT_EQ(merged(policies, {}, changed, {}).taken, Taken::kSource);
  }
}

TEST(MergeTest, WhatBothSidesMadeTheSameNeedsNoDecision) {
  const Row same = row("b", 2, 2);
  EXPECT_EQ(merged({}, row("a", 1, 1), same, same).taken, Taken::kSame);
  EXPECT_EQ(merged({}, row("a", 1, 1), same, same).row, same);
  EXPECT_EQ(merged({}, {}, same, same).taken, Taken::kSame);
  const Merged deleted = merged({}, row("a", 1, 1), {}, {});
  EXPECT_EQ(deleted.taken, Taken::kSame);
  EXPECT_FALSE(deleted.row);
  // SQLite stores 2.0 in an INTEGER column as 2.
  Row spelled = same;
  spelled[kBalance] = Value(2.0);
  EXPECT_EQ(merged({}, row("a", 1, 1), same, spelled).taken, Taken::kSame);
  EXPECT_EQ(merged({}, row("a", 1, 1), same, spelled).row, same);
}

TEST(MergeTest, ThePolicyOfTheRowTakesOneRowWhole) {
  const Row base = row("a", 1, 1);
  const Row source = row("s", 1, 5);
  const Row target = row("a", 9, 4);
  EXPECT_EQ(merged(whole_row(ConflictPolicy::kSourceWins), base, source, target).row, source);
  EXPECT_EQ(merged(whole_row(ConflictPolicy::kTargetWins), base, source, target).row, target);
  const Merged newest = merged(whole_row(ConflictPolicy::kNewestWins), base, source, target);
  EXPECT_EQ(newest.taken, Taken::kSource);
  EXPECT_EQ(newest.row, source);
  EXPECT_EQ(newest.why, "newest_wins(updated)");
  const Merged waits = merged({}, base, source, target);
  EXPECT_EQ(waits.taken, Taken::kWaits);
  EXPECT_FALSE(waits.row);
  EXPECT_EQ(waits.why, "the policy is manual");
  EXPECT_EQ(merged({}, {}, source, target).taken, Taken::kWaits) << "both inserted";
}

struct Age {
  Value source;
  Value target;
  Taken taken;
};

TEST(MergeTest, NewestIsByValueAndATieIsTheSources) {
  const Age ages[] = {
      {integer(5), integer(4), Taken::kSource},
      {integer(4), integer(5), Taken::kTarget},
      {integer(5), integer(5), Taken::kSource},
      {Value(), integer(kMin), Taken::kTarget},
      {text(""), Value(), Taken::kSource},
      {Value(), Value(), Taken::kSource},
      {text("2024-05-06 10:00"), text("2024-05-06 09:59"), Taken::kSource},
      {text("2024-05-06"), text("2024-05-06 00:00"), Taken::kTarget},
      {text("a"), text("\xff"), Taken::kTarget},
      {Value(Blob{std::string("\x00\x01", 2)}), Value(Blob{std::string("\x00", 1)}),
       Taken::kSource},
      {integer(1), Value(1.5), Taken::kTarget},
      {integer(2), Value(1.5), Taken::kSource},
      {integer(kMax), Value(9223372036854775808.0), Taken::kTarget},
      {Value(-9223372036854775808.0), integer(kMin), Taken::kSource},
      {integer((int64_t{1} << 53) + 1), Value(9007199254740992.0), Taken::kSource},
      {Value(std::numeric_limits<double>::infinity()), integer(kMax), Taken::kSource},
      {integer(5), text("5"), Taken::kWaits},
      {Value(Blob{"5"}), text("5"), Taken::kWaits},
  };
  for (const Age& age : ages) {
    Row source = row("s", 1, 0);
    Row target = row("t", 1, 0);
    source[kUpdated] = age.source;
    target[kUpdated] = age.target;
    const TableConflicts newest = whole_row(ConflictPolicy::kNewestWins);
    const Merged done = merged(newest, row("a", 1, 1), source, target);
    const std::string which = to_literal(age.source) + " against " + to_literal(age.target);
    EXPECT_EQ(done.taken, age.taken) << which;
    EXPECT_EQ(choose(table(), newest, source, target), age.taken) << which;
    if (age.taken == Taken::kWaits) {
      EXPECT_THAT(done.why, HasSubstr("updated holds")) << which;
    }
  }
}

// Bytes would have December before May, and a whole second after its own half.
TEST(MergeTest, TextsOfAPatternAreAsNewAsTheySay) {
  Column column;
  column.type = TargetType::kTimestamp;
  column.type.form = SourceForm::kPattern;
  column.type.pattern = "%d.%m.%Y %H:%M:%S";
  EXPECT_EQ(compare_newness(column, text("06.05.2024 10:00:00"), text("01.12.2024 09:00:00")),
            std::weak_ordering::less);
  column.type.base = TargetType::kTimestamptz;
  column.type.pattern = "%Y-%m-%dT%H:%M:%S%tfZ";
  EXPECT_EQ(compare_newness(column, text("2024-05-06T10:00:00Z"), text("2024-05-06T10:00:00.5Z")),
            std::weak_ordering::less);
  EXPECT_EQ(compare_newness(column, text("soon"), text("2024-05-06T10:00:00.5Z")),
            std::weak_ordering::greater)
      << "what is no instant, by its bytes";
}

TEST(MergeTest, DeletionsAgainstChanges) {
  const Row base = row("a", 1, 1);
  const Row changed = row("b", 1, 9);
  for (const ConflictPolicy policy : kRowPolicies) {
    const Merged by_source = merged(whole_row(policy), base, {}, changed);
    const Merged by_target = merged(whole_row(policy), base, changed, {});
    const bool source_wins = policy == ConflictPolicy::kSourceWins;
    const bool target_wins = policy == ConflictPolicy::kTargetWins;
    if (policy == ConflictPolicy::kManual) {
      EXPECT_EQ(by_source.taken, Taken::kWaits);
      EXPECT_EQ(by_target.taken, Taken::kWaits);
      continue;
    }
    EXPECT_EQ(by_source.row, target_wins ? MaybeRow(changed) : MaybeRow()) << to_string(policy);
    EXPECT_EQ(by_target.row, source_wins ? MaybeRow(changed) : MaybeRow()) << to_string(policy);
    EXPECT_EQ(by_source.taken, target_wins ? Taken::kTarget : Taken::kSource);
    EXPECT_EQ(by_target.taken, source_wins ? Taken::kSource : Taken::kTarget);
  }
  const Merged counted =
      merged(with_column(kBalance, ConflictPolicy::kDelta), base, {}, row("a", 2, 1));
  EXPECT_EQ(counted.taken, Taken::kWaits) << "a counter says nothing about a deletion";
}

TableConflicts owned(std::vector<Value> of_target) {
  TableConflicts out = whole_row(ConflictPolicy::kManual);
  out.owners = RowOwners{kTenant, std::move(of_target)};
  return out;
}

TEST(MergeTest, TheOwnerComesBeforeThePolicy) {
  const TableConflicts policies = owned({text("acme"), text("beta")});
  const Row source = row("s", 1, 1);
  const Row target = row("t", 1, 1);
  EXPECT_EQ(merged(policies, row("a", 1, 1), source, target).row, target);
  EXPECT_THAT(merged(policies, row("a", 1, 1), source, target).why,
              HasSubstr("tenant = 'acme' is the target's"));
  const Row ours = row("s", 1, 1, "zeta");
  EXPECT_EQ(merged(policies, row("a", 1, 1, "zeta"), ours, row("t", 1, 1, "zeta")).row, ours);
  // Whose it was before both changes: the target may give its row away, the source cannot take it.
  EXPECT_EQ(merged(policies, row("a", 1, 1), ours, target).row, target);
  EXPECT_EQ(merged(policies, row("a", 1, 1), source, row("t", 1, 1, "zeta")).row,
            row("t", 1, 1, "zeta"));
  EXPECT_FALSE(merged(policies, row("a", 1, 1), source, {}).row) << "the owner deleted it";
  EXPECT_FALSE(merged(policies, row("a", 1, 1), ours, {}).row) << "and it was not the source's";
  EXPECT_EQ(merged(policies, row("a", 1, 1), {}, target).row, target);
  EXPECT_EQ(merged(policies, {}, source, target).row, target);
  const Merged apart = merged(policies, {}, ours, target);
  EXPECT_EQ(apart.taken, Taken::kWaits);
  EXPECT_THAT(apart.why, HasSubstr("different owners"));
  EXPECT_EQ(choose(table(), policies, source, target), Taken::kTarget);
  EXPECT_EQ(choose(table(), policies, ours, target), Taken::kWaits);
  EXPECT_EQ(choose(table(), policies, ours, row("t", 1, 1, "zeta")), Taken::kSource);
}

TEST(MergeTest, ChooseFollowsThePolicyOfTheRow) {
  const Row source = row("s", 1, 1);
  const Row target = row("t", 1, 2);
  EXPECT_EQ(choose(table(), whole_row(ConflictPolicy::kManual), source, target), Taken::kWaits);
  EXPECT_EQ(choose(table(), whole_row(ConflictPolicy::kDelta), source, target), Taken::kWaits);
  EXPECT_EQ(choose(table(), whole_row(ConflictPolicy::kSourceWins), source, target),
            Taken::kSource);
  EXPECT_EQ(choose(table(), whole_row(ConflictPolicy::kTargetWins), source, target),
            Taken::kTarget);
}

struct Counted {
  Value base;
  Value source;
  Value target;
  std::optional<Value> sum;
};

TEST(MergeTest, DeltaAddsBothIncrements) {
  const Counted counts[] = {
      {integer(10), integer(15), integer(7), integer(12)},
      {integer(1), integer(2), integer(2), integer(3)},  // not the same: both counted one
      {integer(10), integer(4), integer(3), integer(-3)},
      {integer(kMax), integer(0), integer(0), integer(-kMax)},
      {integer(kMax), integer(-1), integer(-1), std::nullopt},
      {integer(kMax), integer(1), integer(kMax - 1), integer(0)},
      {integer(kMax), integer(-2), integer(kMax - 1), integer(-3)},
      {integer(kMin), integer(kMin + 1), integer(kMax), std::nullopt},
      {integer(kMin), integer(5), integer(kMin + 1), integer(6)},
      {integer(-5), integer(kMax), integer(-6), integer(kMax - 1)},
      {integer(0), integer(kMax), integer(1), std::nullopt},
      {integer(0), Value(0.5), integer(2), Value(2.5)},
      {Value(0.5), Value(1.0), Value(1.5), integer(2)},  // as an INTEGER column stores 2.0
      {integer(1), text("x"), integer(2), std::nullopt},
      {integer(1), text("2"), integer(2), std::nullopt},
      {integer(1), Value(), integer(2), std::nullopt},
      {Value(), integer(1), integer(2), std::nullopt},
      {integer(1), Value(), Value(), Value()},  // both say NULL
      {integer(0), integer(kMax), Value(0.5), std::nullopt},
  };
  const TableConflicts delta = with_column(kBalance, ConflictPolicy::kDelta);
  for (const Counted& each : counts) {
    Row base = row("a", 0, 1);
    Row source = base;
    Row target = base;
    base[kBalance] = each.base;
    source[kBalance] = each.source;
    target[kBalance] = each.target;
    const std::string which =
        to_literal(each.base) + ": " + to_literal(each.source) + ", " + to_literal(each.target);
    for (const bool exchanged : {false, true}) {
      const Merged done =
          exchanged ? merged(delta, base, target, source) : merged(delta, base, source, target);
      ASSERT_EQ(done.row.has_value(), each.sum.has_value()) << which << "; " << done.why;
      if (each.sum) {
        EXPECT_EQ((*done.row)[kBalance], *each.sum) << which;
      } else {
        EXPECT_EQ(done.taken, Taken::kWaits) << which;
        EXPECT_THAT(done.why, HasSubstr("balance ")) << which;
      }
    }
  }
}

TEST(MergeTest, DeltaOfReals) {
  const TableConflicts delta = with_column(kScore, ConflictPolicy::kDelta);
  const auto sum = [&](double base, double source, double target) {
    return merged(delta, row("a", 1, 1, "acme", base), row("a", 1, 1, "acme", source),
                  row("a", 1, 1, "acme", target));
  };
  EXPECT_EQ((*sum(1.5, 2.0, 2.5).row)[kScore], Value(3.0)) << "a REAL column keeps the point";
  EXPECT_EQ((*sum(0.2, 0.3, 0.4).row)[kScore], Value(0.5));
  // What is lost of the small one in the first sum comes back.
  EXPECT_EQ((*sum(1e16, 1e16 + 2, 1.0).row)[kScore], Value(3.0));
  constexpr double kHuge = std::numeric_limits<double>::max();
  EXPECT_EQ(sum(-1, kHuge, kHuge).taken, Taken::kWaits);
  EXPECT_EQ(sum(1, std::numeric_limits<double>::infinity(), 2).taken, Taken::kWaits);
}

TEST(MergeTest, TruthsAndInstantsHaveNoSum) {
  Column column;
  column.affinity = Affinity::kInteger;
  for (const TargetType type : {TargetType::kBoolean, TargetType::kTimestamptz}) {
    column.type = type;
    EXPECT_FALSE(add_increments(column, integer(0), integer(1), integer(1)).value);
  }
  column.type = TargetType::kNumeric;
  EXPECT_TRUE(add_increments(column, integer(0), integer(1), integer(1)).value);
}

TEST(MergeTest, ACounterNeedsNoDecisionAboutItsRow) {
  const TableConflicts policies = with_column(kBalance, ConflictPolicy::kDelta);
  const Merged counted = merged(policies, row("a", 1, 1), row("a", 4, 1), row("a", 6, 1));
  EXPECT_EQ(counted.taken, Taken::kMerged);
  EXPECT_EQ((*counted.row)[kBalance], integer(9));
  EXPECT_EQ(counted.why, "balance: delta");
  // Only the target changed another column: no conflict over the row either.
  const Merged named = merged(policies, row("a", 1, 1), row("a", 4, 1), row("t", 6, 2));
  ASSERT_EQ(named.taken, Taken::kMerged) << named.why;
  EXPECT_EQ((*named.row)[kName], text("t"));
  EXPECT_EQ((*named.row)[kUpdated], integer(2));
  EXPECT_EQ((*named.row)[kBalance], integer(9));
  // Both did: the row's policy, which is manual.
  EXPECT_EQ(merged(policies, row("a", 1, 1), row("s", 4, 1), row("t", 6, 1)).taken, Taken::kWaits);
  const TableConflicts newest =
      with_column(kBalance, ConflictPolicy::kDelta, ConflictPolicy::kNewestWins);
  const Merged both = merged(newest, row("a", 1, 1), row("s", 4, 3), row("t", 6, 2));
  EXPECT_EQ((*both.row)[kName], text("s"));
  EXPECT_EQ((*both.row)[kBalance], integer(9));
  EXPECT_EQ(both.why, "newest_wins(updated); balance: delta");
  // Two inserts count from nothing.
  const Merged inserted = merged(policies, {}, row("a", 4, 1), row("a", 4, 1));
  ASSERT_EQ(inserted.taken, Taken::kMerged);
  EXPECT_EQ((*inserted.row)[kBalance], integer(8));
}

TEST(MergeTest, AColumnsPolicyIsForWhatBothChanged) {
  const Row base = row("a", 1, 1);
  const struct {
    ConflictPolicy policy;
    std::optional<int64_t> balance;
  } cases[] = {{ConflictPolicy::kSourceWins, 4},
               {ConflictPolicy::kTargetWins, 6},
               {ConflictPolicy::kNewestWins, 6},
               {ConflictPolicy::kManual, std::nullopt}};
  for (const auto& each : cases) {
    const TableConflicts policies = with_column(kBalance, each.policy, ConflictPolicy::kSourceWins);
    const Merged differs = merged(policies, base, row("s", 4, 2), row("t", 6, 3));
    ASSERT_EQ(differs.row.has_value(), each.balance.has_value()) << differs.why;
    if (each.balance) {
      EXPECT_EQ((*differs.row)[kBalance], integer(*each.balance));
      EXPECT_EQ((*differs.row)[kName], text("s"));
    }
    const Merged one = merged(policies, base, row("s", 1, 2), row("t", 6, 3));
    EXPECT_EQ((*one.row)[kBalance], integer(6)) << "only the target changed it";
    const Merged other = merged(policies, base, row("s", 4, 2), row("t", 1, 3));
    EXPECT_EQ(other.row, row("s", 4, 2));
    EXPECT_EQ(other.taken, Taken::kSource);
    const Merged same = merged(policies, base, row("s", 5, 2), row("t", 5, 3));
    EXPECT_EQ(same.row, row("s", 5, 2)) << "both changed it to the same";
  }
  // A column's policy is no row's: the deletion waits.
  EXPECT_EQ(
      merged(with_column(kBalance, ConflictPolicy::kSourceWins), base, row("a", 4, 1), {}).taken,
      Taken::kWaits);
}

TEST(MergeTest, KeysAndGeneratedColumnsHaveNoPolicyOfTheirOwn) {
  const Row base = row("a", 1, 1);
  for (const size_t column : {size_t{kId}, size_t{kTwice}}) {
    const Merged done =
        merged(with_column(column, ConflictPolicy::kDelta, ConflictPolicy::kTargetWins), base,
               row("s", 4, 1), row("t", 6, 1));
    EXPECT_EQ(done.row, row("t", 6, 1));
    EXPECT_EQ(done.taken, Taken::kTarget);
  }
  const TableConflicts key = with_column(kId, ConflictPolicy::kDelta, ConflictPolicy::kTargetWins);
  EXPECT_EQ(merged(key, {}, row("s", 4, 1), row("t", 6, 1)).row, row("t", 6, 1));
  TableConflicts both = with_column(kTwice, ConflictPolicy::kDelta);
  both.columns.push_back({kBalance, ConflictPolicy::kDelta, kUpdated});
  const Merged counted = merged(both, base, row("a", 4, 1), row("a", 6, 1));
  ASSERT_EQ(counted.taken, Taken::kMerged);
  EXPECT_EQ((*counted.row)[kTwice], integer(8)) << "as old as the row it came with";
  // Not computed yet, or otherwise: no change of the application's.
  Row source = row("a", 1, 1);
  source[kTwice] = Value();
  EXPECT_EQ(merged({}, base, source, row("t", 2, 1)).taken, Taken::kTarget);
}

TEST(MergeTest, ConflictsHaveTheirNames) {
  const Row a = row("a", 1, 1);
  EXPECT_EQ(classify({nullptr, &a, &a}), ConflictKind::kInsertExists);
  EXPECT_EQ(classify({&a, &a, &a}), ConflictKind::kUpdateOriginDiffers);
  EXPECT_EQ(classify({&a, &a, nullptr}), ConflictKind::kUpdateMissing);
  EXPECT_EQ(classify({&a, nullptr, &a}), ConflictKind::kDeleteOriginDiffers);
  EXPECT_EQ(classify({&a, nullptr, nullptr}), ConflictKind::kDeleteMissing);
  EXPECT_STREQ(to_string(ConflictKind::kMultipleUniqueConflicts), "multiple_unique_conflicts");
  EXPECT_STREQ(to_string(ConflictPolicy::kNewestWins), "newest_wins");
  EXPECT_STREQ(to_string(Taken::kMerged), "merged");
}

// Random versions and policies, few values so that they meet.
class RandomMerge {
 public:
  explicit RandomMerge(uint64_t seed) : random_(seed) {}

  MaybeRow row() {
    if (below(6) == 0) return {};
    const auto balance = static_cast<int64_t>(below(3));
    Row out = {integer(7),
               text(below(2) != 0 ? "a" : "b"),
               text(below(2) != 0 ? "acme" : "beta"),
               value(),
               Value(0.25 * below(3)),
               value(),
               integer(2 * balance)};
    return out;
  }

  TableConflicts policies() {
    TableConflicts out = whole_row(kRowPolicies[below(4)]);
    if (below(3) == 0) out.owners = RowOwners{kTenant, {text("acme")}};
    for (const size_t column : {kName, kBalance, kScore}) {
      if (below(2) != 0) continue;
      const auto policy =
          column == kName ? kRowPolicies[below(4)] : static_cast<ConflictPolicy>(below(5));
      out.columns.push_back({column, policy, kUpdated});
    }
    return out;
  }

  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }

 private:
  Value value() {
    switch (below(6)) {
      case 0:
        return {};
      case 1:
        return text("x");
      case 2:
        return Value(0.5);
      default:
        return integer(static_cast<int64_t>(below(3)));
    }
  }

  std::mt19937_64 random_;
};

uint64_t fresh_seed() {
  return std::random_device()();
}

ConflictPolicy exchanged(ConflictPolicy policy) {
  if (policy == ConflictPolicy::kSourceWins) return ConflictPolicy::kTargetWins;
  return policy == ConflictPolicy::kTargetWins ? ConflictPolicy::kSourceWins : policy;
}

bool ties(const MaybeRow& source, const MaybeRow& target) {
  return source && target &&
         compare_newness(table().columns[kUpdated], (*source)[kUpdated], (*target)[kUpdated]) ==
             std::weak_ordering::equivalent;
}

// Whatever comes out has each column from somewhere, and is what both sides can take for the new
// base: merged again, nothing moves. With the sides exchanged it is the same row.
TEST(MergeTest, TheResultDependsOnTheVersionsAlone) {
  const uint64_t seed = fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomMerge random(seed);
  for (int i = 0; i < 10'000; ++i) {
    const MaybeRow base = random.row();
    const MaybeRow source = random.row();
    const MaybeRow target = random.row();
    const TableConflicts policies = random.policies();
    const Merged once = merged(policies, base, source, target);
    const Merged again = merged(policies, base, source, target);
    ASSERT_EQ(once.row, again.row);
    ASSERT_EQ(once.taken, again.taken);
    ASSERT_TRUE(once.taken != Taken::kWaits || !once.row);
    ASSERT_FALSE(once.why.empty());
    if (once.taken == Taken::kSource) {
      ASSERT_EQ(once.row, source);
    }
    if (once.taken == Taken::kTarget) {
      ASSERT_EQ(once.row, target);
    }
    const Merged settled = merged(policies, once.row, once.row, once.row);
    ASSERT_EQ(settled.taken, Taken::kSame);
    ASSERT_EQ(settled.row, once.row);

    TableConflicts other = policies;
    other.policy = exchanged(other.policy);
    for (ColumnConflicts& column : other.columns) column.policy = exchanged(column.policy);
    if (policies.owners) other.owners->of_target = {text("beta")};
    if (ties(source, target)) continue;
    const Merged mirror = merged(other, base, target, source);
    ASSERT_EQ(mirror.taken == Taken::kWaits, once.taken == Taken::kWaits);
    ASSERT_EQ(mirror.row.has_value(), once.row.has_value());
    for (size_t column = 0; once.row && column < kTwice; ++column) {
      ASSERT_TRUE(is_same(table().columns[column], (*mirror.row)[column], (*once.row)[column]));
    }
  }
}

// Two sides count on their own, and meet now and then: nothing that was counted is lost or counted
// twice.
TEST(MergeTest, CountersSumToEverythingThatWasCounted) {
  const uint64_t seed = fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto draw = [&](int64_t from, int64_t to) {
    return std::uniform_int_distribution<int64_t>(from, to)(random);
  };
  const TableConflicts policies =
      with_column(kBalance, ConflictPolicy::kDelta, ConflictPolicy::kNewestWins);
  Row base = row("a", 0, 0);
  Row source = base;
  Row target = base;
  int64_t total = 0;
  for (int step = 1; step < 5'000; ++step) {
    Row& side = draw(0, 1) == 0 ? source : target;
    const int64_t counted = draw(-5, 9);
    total += counted;
    side[kBalance] = integer(side[kBalance].integer() + counted);
    if (draw(0, 3) == 0) {
      side[kName] = text(draw(0, 1) == 0 ? "x" : "y");
      side[kUpdated] = integer(step);
    }
    if (draw(0, 4) != 0) continue;
    const Merged done = merged(policies, base, source, target);
    ASSERT_TRUE(done.row) << done.why;
    base = source = target = *done.row;
    ASSERT_EQ(base[kBalance], integer(total));
  }
}

}  // namespace
}  // namespace crossfade::apply
