#include "engine/schema/rules_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

constexpr const char* kHead =
    "# Rules for crossfade: `crossfade run DATABASE --rules THIS_FILE`. What is commented out is\n"
    "# what happens anyway; take away the # in front of what you decide, and change it.\n"
    "# Every key is described in docs/rules.md.\n\n";

const char* word_of(OnMisfit policy) {
  switch (policy) {
    case OnMisfit::kQuarantine:
      return "quarantine";
    case OnMisfit::kWiden:
      return "widen";
    case OnMisfit::kStop:
      return "stop";
  }
  return "";
}

// Each line of `text` as a comment; nothing in it can end the comment.
void comment(const std::string& text, std::string* out) {
  *out += "# " + printable(text) + "\n";
}

// TOML is UTF-8, and names need not be.
bool is_writable(const std::string& name) {
  const TextFlaws flaws = find_flaws(name);
  return !flaws.nul && !flaws.invalid;
}

void write_findings(const Plan& plan, const std::string& table, const std::string& column,
                    std::string* out) {
  for (const Finding& finding : plan.findings) {
    if (finding.table != table || finding.column != column) continue;
    comment(finding.code + ": " + finding.message, out);
    if (!finding.remedy.empty()) comment("  remedy: " + finding.remedy, out);
  }
}

// "type = ..., form = ..." on lines of their own, each after `before`.
void write_keys(const ColumnType& type, const char* before, std::string* out) {
  const std::string keys = rule_keys(type);
  bool quoted = false;
  *out += before;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == '"' && (i == 0 || keys[i - 1] != '\\')) quoted = !quoted;
    if (!quoted && keys[i] == ',') {
      *out += "\n" + std::string(before);
      ++i;
      continue;
    }
    out->push_back(keys[i]);
  }
  *out += "\n";
}

void write_column(const Plan& plan, const Table& table, const Column& column, const Rules* rules,
                  std::string* out) {
  const ColumnRule* rule = rules == nullptr ? nullptr : rules->find(table.name, column.name);
  *out +=
      fmt::format("[tables.{}.columns.{}]\n", toml_string(table.name), toml_string(column.name));
  comment(
      fmt::format("{}{}: {}", to_string(column.type), describe_form(column.type), column.reason),
      out);
  if (column.target_generated) {
    comment("computed by the target, as " + *column.target_generated, out);
    comment("  a type makes it a plain column, with the values that SQLite computes", out);
  }
  write_findings(plan, table.name, column.name, out);
  if (rule != nullptr && !rule->text.empty()) {
    *out += rule->text;
  } else {
    write_keys(column.type, "# ", out);
    *out += fmt::format("# on_misfit = \"{}\"\n", word_of(column.on_misfit));
  }
  if (rule != nullptr) *out += rule->dual_text;
  *out += "\n";
}

// Of dual writes: by a column that looks as if it told when the row was last changed.
std::string example_policy(const Table& table) {
  for (const Column& column : table.columns) {
    const std::string name = ascii_upper(column.name);
    if (!name.starts_with("UPDATED") && !name.starts_with("MODIFIED")) continue;
    if (is_writable(column.name)) return "newest_wins(" + column.name + ")";
  }
  return to_string(ConflictPolicy::kManual);
}

void write_table(const Plan& plan, const TablePlan& each, const Rules* rules, std::string* out) {
  const Table& table = each.table;
  if (!is_writable(table.name)) {
    comment("the table " + table.name + " has a name that no rule can spell", out);
    return;
  }
  const TableRule* rule = rules == nullptr ? nullptr : rules->find(table.name);
  *out += fmt::format("[tables.{}]\n", toml_string(table.name));
  comment(fmt::format("{} rows", each.rows), out);
  write_findings(plan, table.name, "", out);
  if (rule != nullptr && !rule->text.empty()) {
    *out += rule->text;
  } else {
    *out += "# exclude = true\n# rename = " + toml_string(printable(table.target_name)) + "\n";
  }
  if (rule != nullptr && !rule->dual_text.empty()) {
    *out += rule->dual_text;
  } else {
    *out += "# conflict = " + toml_string(example_policy(table)) + "\n";
  }
  *out += "\n";
  for (const Column& column : table.columns) {
    if (column.synthetic) continue;
    if (is_writable(column.name)) {
      write_column(plan, table, column, rules, out);
    } else {
      comment("the column " + column.name + " has a name that no rule can spell", out);
    }
  }
  if (rule == nullptr) return;
  for (const ColumnRule& gone : rule->columns) {
    if (!gone.exclude) continue;
    *out += fmt::format("[tables.{}.columns.{}]\n{}\n", toml_string(table.name),
                        toml_string(gone.column), gone.text);
  }
}

}  // namespace

std::string write_rules(const Plan& plan, const Rules* rules) {
  std::string out = kHead;
  const bool ruled = rules != nullptr && rules->on_misfit.has_value();
  out += fmt::format("[defaults]\n{}on_misfit = \"{}\"\n", ruled ? "" : "# ",
                     word_of(ruled ? *rules->on_misfit : OnMisfit::kQuarantine));
  const bool decides = rules != nullptr && rules->conflict.has_value();
  out += fmt::format("{}conflict = \"{}\"\n\n", decides ? "" : "# ",
                     to_string(decides ? rules->conflict->policy : ConflictPolicy::kManual));
  for (const TablePlan& table : plan.tables) write_table(plan, table, rules, &out);
  if (rules == nullptr) return out;
  const auto is_planned = [&plan](const TableRule& rule) {
    return std::any_of(plan.tables.begin(), plan.tables.end(), [&rule](const TablePlan& each) {
      return same_name(each.table.name, rule.table);
    });
  };
  for (const TableRule& table : rules->tables) {
    const std::string text = table.text + table.dual_text;
    if (!text.empty() && !is_planned(table)) {  // excluded, virtual, or not there yet
      out += fmt::format("[tables.{}]\n{}\n", toml_string(table.table), text);
    }
  }
  return out;
}

}  // namespace crossfade::schema
