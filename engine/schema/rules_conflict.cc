#include "engine/schema/rules_conflict.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

constexpr std::string_view kNewest = "newest_wins";

enum class Where : uint8_t { kDefaults, kTable, kColumn };

std::string_view trimmed(std::string_view text) {
  const size_t from = text.find_first_not_of(' ');
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(' ') - from + 1);
}

std::vector<std::string> policy_names(Where where) {
  std::vector<std::string> out = {"manual", "source_wins", "target_wins"};
  if (where != Where::kDefaults) out.emplace_back("newest_wins(COLUMN)");
  if (where == Where::kColumn) out.emplace_back("delta");
  return out;
}

std::optional<ConflictPolicy> policy_from(std::string_view word) {
  for (const ConflictPolicy policy :
       {ConflictPolicy::kManual, ConflictPolicy::kSourceWins, ConflictPolicy::kTargetWins,
        ConflictPolicy::kNewestWins, ConflictPolicy::kDelta}) {
    if (word == to_string(policy)) return policy;
  }
  return std::nullopt;
}

// Empty: it is one.
std::string why_no_policy(Where where, const ConflictRule& rule, bool has_column) {
  const bool newest = rule.policy == ConflictPolicy::kNewestWins;
  if (newest && where == Where::kDefaults) {
    return "newest_wins names a column, so it is for tables and columns";
  }
  if (newest && rule.newest.empty()) {
    return "newest_wins needs the column that tells: newest_wins(updated_at)";
  }
  if (!newest && has_column) return fmt::format("{} takes no column", to_string(rule.policy));
  if (rule.policy == ConflictPolicy::kDelta && where != Where::kColumn) {
    return "delta is for columns: [tables.T.columns.C]";
  }
  return "";
}

std::optional<ConflictRule> read_conflict(const toml::key& key, const toml::node& node, Where where,
                                          const SayProblem& problem) {
  const int64_t line = key.source().begin.line;
  const auto text = node.value_exact<std::string>();
  if (!text) {
    problem(line, "'conflict' must be a text in quotes");
    return std::nullopt;
  }
  const size_t bracket = text->find('(');
  const bool closed = bracket != std::string::npos && text->back() == ')';
  const std::string_view word = trimmed(std::string_view(*text).substr(0, bracket));
  const auto policy = policy_from(word);
  if (!policy || (bracket != std::string::npos && !closed)) {
    const std::vector<std::string> known = policy_names(where);
    problem(line, fmt::format("conflict = '{}' is none of {}{}", printable(*text),
                              fmt::join(known, ", "), policy ? "" : did_you_mean(word, known)));
    return std::nullopt;
  }
  ConflictRule rule{line, *policy, ""};
  if (closed) {
    const std::string_view inside(*text);
    rule.newest = trimmed(inside.substr(bracket + 1, text->size() - bracket - 2));
  }
  const std::string why = why_no_policy(where, rule, bracket != std::string::npos);
  if (why.empty()) return rule;
  problem(line, fmt::format("conflict = '{}': {}", printable(*text), why));
  return std::nullopt;
}

std::optional<Value> read_owner(const toml::node& node) {
  if (auto text = node.value_exact<std::string>()) return Value(Text{std::move(*text)});
  if (const auto number = node.value_exact<int64_t>()) return Value(*number);
  return std::nullopt;
}

void read_owners(const toml::key& key, const toml::node& node, const SayProblem& problem,
                 TableRule* rule) {
  rule->target_owns.emplace();
  const toml::array* array = node.as_array();
  if (array == nullptr) {
    problem(key.source().begin.line,
            "'target_owns' must be a list of texts and integers: [\"acme\", 7]");
    return;
  }
  std::string shown;
  for (const toml::node& each : *array) {
    auto owner = read_owner(each);
    if (!owner) {
      problem(each.source().begin.line, "'target_owns' takes texts and integers only");
      continue;
    }
    const bool text = owner->storage() == StorageClass::kText;
    shown += (shown.empty() ? "" : ", ") +
             (text ? toml_string(owner->text()) : fmt::format("{}", owner->integer()));
    rule->target_owns->push_back(std::move(*owner));
  }
  rule->dual_text += fmt::format("target_owns = [{}]\n", shown);
}

void read_ids(const toml::key& key, const toml::node& node, const SayProblem& problem,
              TableRule* rule) {
  const auto text = node.value_exact<std::string>();
  if (text == "shared" || text == "apart") {
    rule->shared_ids = text == "shared";
    rule->dual_text += fmt::format("ids = \"{}\"\n", *text);
    return;
  }
  problem(key.source().begin.line,
          text ? fmt::format("ids = '{}' is none of apart, shared{}", printable(*text),
                             did_you_mean(*text, {"apart", "shared"}))
               : "'ids' must be a text in quotes");
}

std::string as_text(const toml::node& node) {
  return fmt::format("conflict = {}\n", toml_string(node.value_or(std::string())));
}

}  // namespace

bool read_dual_key(const toml::key& key, const toml::node& node, const SayProblem& problem,
                   Rules* defaults) {
  if (key != "conflict") return false;
  defaults->conflict = read_conflict(key, node, Where::kDefaults, problem);
  return true;
}

bool read_dual_key(const toml::key& key, const toml::node& node, const SayProblem& problem,
                   TableRule* rule) {
  if (key == "conflict") {
    rule->conflict = read_conflict(key, node, Where::kTable, problem);
    rule->dual_text += as_text(node);
  } else if (key == "owner_column") {
    rule->owner_column = node.value_exact<std::string>();
    rule->owner_line = key.source().begin.line;
    if (!rule->owner_column) problem(rule->owner_line, "'owner_column' must be a text in quotes");
    rule->dual_text +=
        fmt::format("owner_column = {}\n", toml_string(rule->owner_column.value_or("")));
  } else if (key == "target_owns") {
    rule->owner_line = rule->owner_column ? rule->owner_line : key.source().begin.line;
    read_owners(key, node, problem, rule);
  } else if (key == "ids") {
    read_ids(key, node, problem, rule);
  } else {
    return false;
  }
  return true;
}

bool read_dual_key(const toml::key& key, const toml::node& node, const SayProblem& problem,
                   ColumnRule* rule) {
  if (key != "conflict") return false;
  rule->conflict = read_conflict(key, node, Where::kColumn, problem);
  rule->dual_text += as_text(node);
  return true;
}

void check_dual_keys(const TableRule& rule, const SayProblem& problem) {
  if (rule.owner_column.has_value() == rule.target_owns.has_value()) return;
  problem(rule.owner_line,
          fmt::format("table '{}': owner_column and target_owns go together: the column, and which"
                      " of its values are PostgreSQL's",
                      printable(rule.table)));
}

}  // namespace crossfade::schema
