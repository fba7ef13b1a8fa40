#include "engine/schema/conflict_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/schema/catalog.h"
#include "engine/schema/find_column.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

bool is_key_column(const Table& table, size_t column) {
  return std::find(table.key.begin(), table.key.end(), column) != table.key.end();
}

bool is_unique_column(const Table& table, size_t column) {
  const auto has = [column](const auto& parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [column](const auto& part) { return part.column == column; });
  };
  return std::any_of(table.unique_keys.begin(), table.unique_keys.end(),
                     [&](const UniqueKey& key) { return has(key.parts); }) ||
         std::any_of(table.indexes.begin(), table.indexes.end(),
                     [&](const Index& index) { return index.unique && has(index.parts); });
}

bool is_reference(const Table& table, size_t column) {
  const std::string& name = table.columns[column].name;
  return std::any_of(table.foreign_keys.begin(), table.foreign_keys.end(),
                     [&](const ForeignKey& key) {
                       return std::any_of(key.columns.begin(), key.columns.end(),
                                          [&](const auto& each) { return same_name(each, name); });
                     });
}

bool looks_numeric(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.+-eE ") == std::string_view::npos &&
         text.find_first_of("0123456789") != std::string_view::npos;
}

bool is_summable(TargetType type) {
  return type == TargetType::kBigint || type == TargetType::kDouble ||
         type == TargetType::kNumeric || type == TargetType::kVariant;
}

// Empty: increments of it can be added up.
std::string why_no_delta(const Table& table, size_t column, const ColumnRule& rule) {
  const Column& c = table.columns[column];
  if (is_unique_column(table, column)) {
    return "it is in a unique index, and a sum of two values could be another row's";
  }
  if (is_reference(table, column)) return "it refers to another table, and has no sums";
  if (c.affinity == Affinity::kText) {
    return fmt::format("delta adds numbers, and {} makes it TEXT", c.declared_type);
  }
  if (c.affinity == Affinity::kBlob && !c.declared_type.empty()) {
    return fmt::format("delta adds numbers, and it is declared {}", c.declared_type);
  }
  if (rule.type && !is_summable(rule.type->base)) {
    return fmt::format("delta adds numbers, and a rule makes it {}", to_string(*rule.type));
  }
  return "";
}

class ConflictChecker {
 public:
  ConflictChecker(const Rules& rules, const Table& table, bool strict, Problems* problems)
      : rules_(rules), table_(table), strict_(strict), problems_(*problems) {}

  void check(const TableRule& rule) {
    const std::string name = fmt::format("table '{}'", printable(table_.name));
    if (rule.conflict) check_newest(name, *rule.conflict);
    if (rule.owner_column) {
      const auto column = carried(rule.owner_line, name, "owner_column", *rule.owner_column);
      if (column && rule.target_owns) check_owners(rule, *column);
    }
    for (const ColumnRule& each : rule.columns) {
      const auto column = find_column(table_, each.column);
      if (each.conflict && column) check(each, *column);
    }
  }

 private:
  void problem(int64_t line, const std::string& what) {
    problems_.push_back(fmt::format("{}:{}: {}", rules_.file, line, what));
  }

  void check(const ColumnRule& rule, size_t column) {
    const ConflictRule& conflict = *rule.conflict;
    const std::string name = fmt::format("column '{}'", printable(table_.name + "." + rule.column));
    const auto refuse = [&](const std::string& why) {
      problem(conflict.line, fmt::format("{}: {}", name, why));
    };
    if (is_key_column(table_, column)) {
      refuse("it is in the primary key, which has no policy of its own");
    } else if (table_.columns[column].generated) {
      refuse("it is generated: it follows from the other columns");
    } else if (conflict.policy == ConflictPolicy::kDelta) {
      const std::string why = why_no_delta(table_, column, rule);
      if (!why.empty()) refuse(why);
    }
    check_newest(name, conflict);
  }

  void check_newest(const std::string& where, const ConflictRule& conflict) {
    if (conflict.policy != ConflictPolicy::kNewestWins) return;
    (void)carried(conflict.line, where, "newest_wins", conflict.newest);
  }

  // The column, when it is there to be looked at.
  std::optional<size_t> carried(int64_t line, const std::string& where, const char* key,
                                const std::string& name) {
    const auto column = find_column(table_, name);
    if (!column) {
      if (!strict_) return std::nullopt;
      std::vector<std::string> known;
      for (const Column& each : table_.columns) known.push_back(each.name);
      problem(line, fmt::format("{}: {} names '{}', which is no column of the table{}", where, key,
                                printable(name), did_you_mean(name, known)));
      return std::nullopt;
    }
    const ColumnRule* rule = rules_.find(table_.name, name);
    if (rule == nullptr || (!rule->exclude && !rule->mask)) return column;
    problem(line, fmt::format("{}: {} names '{}', which is {}: the two sides cannot be compared"
                              " by it",
                              where, key, printable(name), rule->exclude ? "excluded" : "masked"));
    return std::nullopt;
  }

  // A value that SQLite never stores in the column would own nothing, and nobody would notice.
  void check_owners(const TableRule& rule, size_t column) {
    const Column& c = table_.columns[column];
    for (const Value& owner : *rule.target_owns) {
      const bool text = owner.storage() == StorageClass::kText;
      if (c.affinity == Affinity::kText && !text) {
        problem(rule.owner_line,
                fmt::format("target_owns has {0}, and column '{1}' holds texts: write \"{0}\"",
                            owner.integer(), printable(c.name)));
      } else if (is_numeric(c.affinity) && text && looks_numeric(owner.text())) {
        problem(rule.owner_line,
                fmt::format("target_owns has \"{0}\", and column '{1}' holds numbers: write {0}"
                            " without quotes",
                            printable(owner.text()), printable(c.name)));
      }
    }
  }

  const Rules& rules_;
  const Table& table_;
  const bool strict_;
  Problems& problems_;
};

// Nothing: the column that it needs is not there.
std::optional<std::pair<ConflictPolicy, size_t>> resolved(const Table& table,
                                                          const ConflictRule& rule) {
  if (rule.policy != ConflictPolicy::kNewestWins) return std::pair(rule.policy, size_t{0});
  const auto column = find_column(table, rule.newest);
  if (!column) return std::nullopt;
  return std::pair(rule.policy, *column);
}

}  // namespace

TableConflicts conflict_policies(const Rules* rules, const Table& table) {
  TableConflicts out;
  if (rules == nullptr) return out;
  const TableRule* rule = rules->find(table.name);
  const auto& of_row = rule != nullptr && rule->conflict ? rule->conflict : rules->conflict;
  const auto row = of_row ? resolved(table, *of_row) : std::nullopt;
  if (row) std::tie(out.policy, out.newest) = *row;
  if (rule == nullptr) return out;
  if (rule->owner_column && rule->target_owns) {
    const auto column = find_column(table, *rule->owner_column);
    if (column) {
      out.owners = RowOwners{*column, *rule->target_owns};
    } else {
      out.policy = ConflictPolicy::kManual;
    }
  }
  for (const ColumnRule& each : rule->columns) {
    const auto column = find_column(table, each.column);
    if (!each.conflict || !column) continue;
    const auto own = resolved(table, *each.conflict);
    if (own) out.columns.push_back({*column, own->first, own->second});
  }
  return out;
}

bool shares_ids(const Rules* rules, const Table& table) {
  const TableRule* rule = rules == nullptr ? nullptr : rules->find(table.name);
  return rule != nullptr && rule->shared_ids.value_or(false);
}

std::optional<std::string> dual_obstacle(const Table& table) {
  if (table.identity == Identity::kSurrogate) {
    return "it has no key of its own: a row that is inserted on one side has no name on the other";
  }
  for (const Column& column : table.columns) {
    const std::string name = printable(column.name);
    if (column.type.form == SourceForm::kMasked) {
      return fmt::format("column '{}' is masked: PostgreSQL has not got its values", name);
    }
    if (is_one_way(column.type.form)) {
      return fmt::format(
          "column '{}' holds on PostgreSQL what a rule made of its texts, which do"
          " not come back",
          name);
    }
  }
  return std::nullopt;
}

void check_conflict_rules(const Rules& rules, const TableRule& rule, const Table& table,
                          bool strict, Problems* problems) {
  ConflictChecker(rules, table, strict, problems).check(rule);
}

}  // namespace crossfade::schema
