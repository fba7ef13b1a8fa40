#include "apply/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "apply/merge_values.h"

namespace crossfade::apply {
namespace {

struct Choice {
  Taken taken = Taken::kWaits;  // kSource, kTarget or kWaits
  std::string why;
};

std::string name_of(ConflictPolicy policy, const Table& table, size_t newest) {
  if (policy != ConflictPolicy::kNewestWins) return to_string(policy);
  return fmt::format("newest_wins({})", table.columns[newest].name);
}

Choice choose_newest(const Table& table, size_t newest, const Row& source, const Row& target) {
  const auto order = compare_newness(table.columns[newest], source[newest], target[newest]);
  if (!order) {
    return {Taken::kWaits,
            fmt::format("{} holds {} on the source and {} on the target: neither is newer",
                        table.columns[newest].name, to_string(source[newest].storage()),
                        to_string(target[newest].storage()))};
  }
  return {*order < 0 ? Taken::kTarget : Taken::kSource,
          name_of(ConflictPolicy::kNewestWins, table, newest)};
}

// Between two rows, or a row's two values: one side's wins, or a person decides.
Choice choose_by_policy(const Table& table, ConflictPolicy policy, size_t newest, const Row& source,
                        const Row& target) {
  switch (policy) {
    case ConflictPolicy::kSourceWins:
      return {Taken::kSource, to_string(policy)};
    case ConflictPolicy::kTargetWins:
      return {Taken::kTarget, to_string(policy)};
    case ConflictPolicy::kNewestWins:
      return choose_newest(table, newest, source, target);
    case ConflictPolicy::kManual:
    case ConflictPolicy::kDelta:
      break;
  }
  return {Taken::kWaits, "the policy is manual"};
}

Choice owner_of(const Table& table, const RowOwners& owners, const Row& row) {
  const Column& column = table.columns[owners.column];
  const Value& owner = row[owners.column];
  const bool of_target =
      std::any_of(owners.of_target.begin(), owners.of_target.end(),
                  [&](const Value& each) { return is_same(column, each, owner); });
  return {of_target ? Taken::kTarget : Taken::kSource,
          fmt::format("{} = {} is the {}'s", column.name, to_literal(owner, 80),
                      of_target ? "target" : "source")};
}

Choice choose_owner(const Table& table, const RowOwners& owners, const Row& source,
                    const Row& target) {
  Choice of_source = owner_of(table, owners, source);
  Choice of_target = owner_of(table, owners, target);
  if (of_source.taken == of_target.taken) return of_source;
  return {Taken::kWaits,
          fmt::format("the two rows have different owners: {}, {}", of_source.why, of_target.why)};
}

class Merger {
 public:
  Merger(const Table& table, const TableConflicts& policies, const Versions& versions)
      : table_(table), policies_(policies), v_(versions), own_(table.columns.size(), nullptr) {
    for (const ColumnConflicts& each : policies.columns) {
      const bool in_key =
          std::find(table.key.begin(), table.key.end(), each.column) != table.key.end();
      if (!in_key && !table.columns[each.column].generated) own_[each.column] = &each;
    }
  }

  Merged run() {
    if (v_.source == nullptr && v_.target == nullptr) {
      return {Taken::kSame, std::nullopt, "both sides deleted it"};
    }
    const bool source_kept = is_same_row(v_.base, v_.source);
    const bool target_kept = is_same_row(v_.base, v_.target);
    if (source_kept && target_kept) return take(Taken::kSame, "neither side changed it");
    if (source_kept) return take(Taken::kTarget, "only the target changed it");
    if (target_kept) return take(Taken::kSource, "only the source changed it");
    if (v_.source == nullptr || v_.target == nullptr) {
      Choice choice = choose_deletion();
      return take(choice.taken, std::move(choice.why));
    }
    return merge_rows();
  }

 private:
  // The columns that come from one row, whole.
  bool is_rest(size_t column) const { return !table_.columns[column].generated && !own_[column]; }

  bool is_same_at(size_t column, const Row& a, const Row& b) const {
    return is_same(table_.columns[column], a[column], b[column]);
  }

  // Generated columns follow from the others.
  bool is_same_row(const Row* a, const Row* b) const {
    if (a == nullptr || b == nullptr) return a == b;
    for (size_t i = 0; i < table_.columns.size(); ++i) {
      if (!table_.columns[i].generated && !is_same_at(i, *a, *b)) return false;
    }
    return true;
  }

  bool is_same_rest(const Row* a, const Row* b) const {
    if (a == nullptr || b == nullptr) return false;
    for (size_t i = 0; i < table_.columns.size(); ++i) {
      if (is_rest(i) && !is_same_at(i, *a, *b)) return false;
    }
    return true;
  }

  Merged take(Taken taken, std::string why) const {
    Merged out{taken, std::nullopt, std::move(why)};
    const Row* row = taken == Taken::kTarget ? v_.target : v_.source;
    if (taken != Taken::kWaits && row != nullptr) out.row = *row;
    return out;
  }

  // A row that is there against none; both sides changed what both had.
  Choice choose_deletion() const {
    const Row& there = v_.source != nullptr ? *v_.source : *v_.target;
    if (policies_.owners) {
      return owner_of(table_, *policies_.owners, v_.base != nullptr ? *v_.base : there);
    }
    if (policies_.policy != ConflictPolicy::kNewestWins) {
      return choose_by_policy(table_, policies_.policy, policies_.newest, there, there);
    }
    return {v_.source == nullptr ? Taken::kSource : Taken::kTarget,
            name_of(policies_.policy, table_, policies_.newest) + ": a deletion wins"};
  }

  Choice choose_rest() const {
    if (is_same_rest(v_.source, v_.target)) return {Taken::kSource, ""};
    if (is_same_rest(v_.base, v_.source)) {
      return {Taken::kTarget, "the other columns only the target changed"};
    }
    if (is_same_rest(v_.base, v_.target)) {
      return {Taken::kSource, "the other columns only the source changed"};
    }
    if (policies_.owners) {
      if (v_.base != nullptr) return owner_of(table_, *policies_.owners, *v_.base);
      return choose_owner(table_, *policies_.owners, *v_.source, *v_.target);
    }
    return choose_by_policy(table_, policies_.policy, policies_.newest, *v_.source, *v_.target);
  }

  Merged merge_rows() {
    Choice rest = choose_rest();
    if (rest.taken == Taken::kWaits) return take(Taken::kWaits, std::move(rest.why));
    Row row = rest.taken == Taken::kSource ? *v_.source : *v_.target;
    std::string why = std::move(rest.why);
    for (size_t i = 0; i < row.size(); ++i) {
      if (own_[i] == nullptr) continue;
      std::string how;
      auto value = merge_value(*own_[i], &how);
      if (!value) return take(Taken::kWaits, std::move(how));
      row[i] = std::move(*value);
      if (how.empty()) continue;
      why += fmt::format("{}{}: {}", why.empty() ? "" : "; ", table_.columns[i].name, how);
    }
    if (why.empty()) why = "each column was changed by one side";
    return finish(std::move(row), std::move(why));
  }

  // Nothing: a person decides, and `how` says why. Else what decided, if it took a policy.
  std::optional<Value> merge_value(const ColumnConflicts& own, std::string* how) const {
    const Column& column = table_.columns[own.column];
    const Value& source = (*v_.source)[own.column];
    const Value& target = (*v_.target)[own.column];
    if (v_.base != nullptr) {
      if (is_same_at(own.column, *v_.base, *v_.source)) return target;
      if (is_same_at(own.column, *v_.base, *v_.target)) return source;
    }
    const bool same = is_same(column, source, target);
    if (own.policy == ConflictPolicy::kDelta && !(same && source.is_null())) {
      const Value base = v_.base != nullptr ? (*v_.base)[own.column] : Value(int64_t{0});
      Sum sum = add_increments(column, base, source, target);
      *how = sum.value ? to_string(own.policy) : fmt::format("{} {}", column.name, sum.why);
      return std::move(sum.value);
    }
    if (same) return source;
    Choice choice = choose_by_policy(table_, own.policy, own.newest, *v_.source, *v_.target);
    if (choice.taken == Taken::kWaits) {
      *how = own.policy == ConflictPolicy::kManual ? fmt::format("{}: {}", column.name, choice.why)
                                                   : std::move(choice.why);
      return std::nullopt;
    }
    *how = std::move(choice.why);
    return choice.taken == Taken::kSource ? source : target;
  }

  Merged finish(Row row, std::string why) const {
    const bool of_source = is_same_row(&row, v_.source);
    const bool of_target = is_same_row(&row, v_.target);
    if (of_source && of_target) return take(Taken::kSame, "both sides made the same of it");
    if (of_source) return take(Taken::kSource, std::move(why));
    if (of_target) return take(Taken::kTarget, std::move(why));
    return {Taken::kMerged, std::move(row), std::move(why)};
  }

  const Table& table_;
  const TableConflicts& policies_;
  const Versions& v_;
  std::vector<const ColumnConflicts*> own_;  // by column; null: it comes with the row
};

}  // namespace

const char* to_string(Taken taken) {
  switch (taken) {
    case Taken::kSource:
      return "source";
    case Taken::kTarget:
      return "target";
    case Taken::kMerged:
      return "merged";
    case Taken::kSame:
      return "same";
    case Taken::kWaits:
      return "waits";
  }
  return "waits";
}

Merged merge(const Table& table, const TableConflicts& policies, const Versions& versions) {
  return Merger(table, policies, versions).run();
}

Taken choose(const Table& table, const TableConflicts& policies, const Row& source,
             const Row& target) {
  if (policies.owners) return choose_owner(table, *policies.owners, source, target).taken;
  return choose_by_policy(table, policies.policy, policies.newest, source, target).taken;
}

ConflictKind classify(const Versions& versions) {
  if (versions.base == nullptr) return ConflictKind::kInsertExists;
  if (versions.source != nullptr) {
    return versions.target != nullptr ? ConflictKind::kUpdateOriginDiffers
                                      : ConflictKind::kUpdateMissing;
  }
  return versions.target != nullptr ? ConflictKind::kDeleteOriginDiffers
                                    : ConflictKind::kDeleteMissing;
}

}  // namespace crossfade::apply
