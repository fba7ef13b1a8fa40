#include "engine/schema/adopt.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/adopt_type.h"
#include "engine/schema/naming.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

// The index of what is named so: exactly, as snake_case, or in another case if only one is.
template <typename Items>
std::optional<size_t> match_name(const Items& items, const std::string& name, bool renamed) {
  const auto find = [&](const std::string& wanted) -> std::optional<size_t> {
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].name == wanted) return i;
    }
    return std::nullopt;
  };
  if (const auto exact = find(name); exact || renamed) return exact;
  if (const auto exact = find(target_name(Naming::kExact, name))) return exact;
  if (const auto snake = find(target_name(Naming::kSnakeCase, name))) return snake;
  std::optional<size_t> out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!same_name(items[i].name, name)) continue;
    if (out) return std::nullopt;
    out = i;
  }
  return out;
}

std::set<std::string> names_of(const Table& table, const std::vector<size_t>& columns) {
  std::set<std::string> out;
  for (const size_t column : columns) out.insert(table.columns[column].target_name);
  return out;
}

std::string listed(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

class Adopter {
 public:
  Adopter(const TargetSchema& target, const Rules* rules, const TableEvidence& evidence,
          Table* table, std::vector<Finding>* findings)
      : target_(target), rules_(rules), evidence_(evidence), table_(*table), findings_(*findings) {}

  void run() {
    table_.adopted = true;
    const TableRule* rule = rules_ == nullptr ? nullptr : rules_->find(table_.name);
    const bool renamed = rule != nullptr && rule->rename.has_value();
    const auto at = match_name(target_.relations, renamed ? *rule->rename : table_.name, renamed);
    if (!at) {
      block(Severity::kBlocker, "table_not_on_target",
            fmt::format("the schema {} of the target has no table {}", printable(target_.name),
                        printable(renamed ? *rule->rename : table_.name)),
            "run the application's migrations on the target, give the table another name there by "
            "a rule (rename), or leave it out by a rule (exclude = true)");
      return;
    }
    relation_ = &target_.relations[*at];
    table_.target_name = relation_->name;
    check_relation();
    adopt_columns();
    check_unmatched();
    if (all_matched_) check_key();
  }

 private:
  void block(Severity severity, const char* code, std::string message, std::string remedy,
             const Column* column = nullptr) {
    Finding finding;
    finding.severity = severity;
    finding.code = code;
    finding.table = table_.name;
    if (column != nullptr) finding.column = column->name;
    finding.message = std::move(message);
    finding.remedy = std::move(remedy);
    findings_.push_back(std::move(finding));
  }

  [[nodiscard]] std::string there() const { return postgres::quote(target_.name, relation_->name); }

  void check_relation() {
    if (!relation_->table) {
      block(Severity::kBlocker, "target_not_a_table",
            fmt::format("{} is a view, partitioned or part of an inheritance", there()),
            "give the rows a plain table, or leave this one out by a rule (exclude = true)");
    }
    if (!relation_->owned) {
      block(Severity::kBlocker, "target_not_owned",
            fmt::format("the role does not own {}, and puts its constraints aside for the copy",
                        there()),
            "connect as the owner, or GRANT the owner's role to this one");
    }
    if (!relation_->all_visible) {
      block(Severity::kBlocker, "target_row_security",
            fmt::format("row security hides rows of {}", there()),
            fmt::format("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY until the cutover is done",
                        there()));
    }
    if (!relation_->empty && !relation_->known) {
      block(Severity::kBlocker, "target_not_empty", fmt::format("{} holds rows already", there()),
            fmt::format("TRUNCATE {} CASCADE, once nothing in there is needed; or leave the table "
                        "out by a rule (exclude = true)",
                        there()));
    }
    if (!relation_->referrers.empty()) {
      block(Severity::kBlocker, "target_referrers",
            fmt::format("foreign keys to {} cannot be put aside for the copy and put back: {}",
                        there(), listed(relation_->referrers)),
            "drop them until the cutover is done; for a table of another role, connect with one "
            "that may alter both");
    }
    if (!relation_->triggers.empty()) {
      block(Severity::kBlocker, "target_triggers",
            fmt::format("triggers of {} would fire for rows that are only carried: {}", there(),
                        listed(relation_->triggers)),
            "connect with a role that may SET session_replication_role (a superuser, or GRANT SET "
            "ON PARAMETER session_replication_role), or ALTER TABLE ... DISABLE TRIGGER until the "
            "cutover is done; one that is ENABLE ALWAYS or REPLICA must be disabled in any case");
    }
  }

  void adopt_columns() {
    for (size_t i = 0; i < table_.columns.size(); ++i) {
      Column& column = table_.columns[i];
      const ColumnRule* rule =
          rules_ == nullptr || column.synthetic ? nullptr : rules_->find(table_.name, column.name);
      const bool renamed = rule != nullptr && rule->rename.has_value();
      const std::string& name = renamed ? *rule->rename : column.name;
      column.target_default.reset();
      const auto at = match_name(relation_->columns, name, renamed || column.synthetic);
      if (!at || !matched_.insert(*at).second) {
        all_matched_ = false;
        report_unmatched(column, name, at.has_value());
        continue;
      }
      const TargetColumn& found = relation_->columns[*at];
      column.target_name = found.name;
      column.not_null = found.not_null;
      adopt_column(found, i);
    }
  }

  void report_unmatched(const Column& column, const std::string& name, bool taken) {
    const std::string remedy =
        column.synthetic
            ? fmt::format(
                  "give the source's table a primary key, ALTER TABLE {} ADD COLUMN {} "
                  "bigint PRIMARY KEY, or leave the table out by a rule (exclude = true)",
                  there(), postgres::quote(column.target_name))
            : fmt::format(
                  "add it to {} by a migration of the application's, name it by a rule "
                  "(rename), or leave it out by a rule (exclude = true)",
                  there());
    block(Severity::kBlocker, "column_not_on_target",
          column.synthetic
              ? fmt::format("no declared key tells the rows apart, and {} has no column {} for the "
                            "rowid",
                            there(), printable(column.target_name))
              : fmt::format("{} has no {}column {}", there(), taken ? "further " : "",
                            printable(name)),
          remedy, &column);
  }

  void adopt_column(const TargetColumn& found, size_t i) {
    Column& column = table_.columns[i];
    const std::string alter =
        fmt::format("ALTER TABLE {} ALTER COLUMN {} TYPE", there(), postgres::quote(found.name));
    if (found.generated) {
      return block(Severity::kBlocker, "target_column_generated",
                   fmt::format("{} computes {} itself", there(), printable(found.name)),
                   "leave the column out by a rule (exclude = true): the target has its own values",
                   &column);
    }
    if (!found.supported || unfit_for_key(found, i)) {
      const bool key = found.supported;
      return block(
          Severity::kBlocker, "target_type_unsupported",
          fmt::format("{} is {} on the target, which is not carried{}", printable(found.name),
                      found.type.spelling, key ? " in a primary key" : ""),
          fmt::format("{} {} for the move, and back after it; or leave the column out by a "
                      "rule (exclude = true)",
                      alter, is_rowid_key(table_, i) ? "bigint" : to_string(column.type)),
          &column);
    }
    if (column.reason.starts_with("a rule")) return adopt_ruled(found, alter, &column);
    const AdoptedType made = adopt_type(column, evidence_.columns[i], found.type);
    column.type = made.type;
    column.reason = made.reason;
    column.on_misfit = made.guessed ? OnMisfit::kWiden : OnMisfit::kQuarantine;
    if (made.as_utc) {
      Finding finding = about(table_, column, Severity::kInfo, "zone_assumed");
      finding.message = fmt::format(
          "{} on the target, and the source's texts name no zone: they "
          "are read as UTC",
          found.type.spelling);
      finding.remedy = "if they are another zone's, give a rule with format and zone";
      findings_.push_back(std::move(finding));
    }
  }

  // A rule's form goes with the target's type if the two are of one family.
  void adopt_ruled(const TargetColumn& found, const std::string& alter, Column* column) {
    ColumnType ruled = column->type;
    const bool both_jsonb =
        ruled.base == TargetType::kVariant && found.type.base == TargetType::kJsonb;
    if (ruled.base != found.type.base && !both_jsonb) {
      return block(Severity::kBlocker, "target_type_not_as_ruled",
                   fmt::format("a rule makes {} {}, and the target has {}", printable(column->name),
                               to_string(ruled), found.type.spelling),
                   fmt::format("change the rule, or {} {}", alter, to_string(ruled)), column);
    }
    ColumnType made = found.type;
    made.base = ruled.base;
    made.form = ruled.form;
    made.pattern = std::move(ruled.pattern);
    made.words = std::move(ruled.words);
    column->type = std::move(made);
    column->reason += ", and the target has it so";
  }

  // Rows are found by their key's very values, in an order that both sides share.
  [[nodiscard]] bool unfit_for_key(const TargetColumn& found, size_t i) const {
    const ColumnType& type = found.type;
    if (is_rowid_key(table_, i)) return type.base != TargetType::kBigint;
    if (std::find(table_.key.begin(), table_.key.end(), i) == table_.key.end()) return false;
    return !type.labels.empty() || type.padded || !found.exact || type.base == TargetType::kJson ||
           type.base == TargetType::kJsonb || type.base >= TargetType::kReals;
  }

  void check_unmatched() {
    for (size_t i = 0; i < relation_->columns.size(); ++i) {
      const TargetColumn& column = relation_->columns[i];
      if (matched_.contains(i) || column.filled || !column.not_null) continue;
      block(Severity::kBlocker, "target_column_required",
            fmt::format("{} needs a value for {}, and the source has no such column", there(),
                        printable(column.name)),
            fmt::format("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT ..., or DROP NOT NULL; or name "
                        "the source's column by a rule (rename)",
                        there(), postgres::quote(column.name)));
    }
  }

  // The source's rows are told apart by its key: so must the target's be.
  void check_key() {
    const std::set<std::string> wanted = names_of(table_, table_.key);
    const TargetKey* found = nullptr;
    for (const TargetKey& key : relation_->keys) {
      const bool same =
          key.unique && std::set<std::string>(key.columns.begin(), key.columns.end()) == wanted;
      // As engine/run/put_aside.cc chooses among several: all others are put aside.
      const bool before = found == nullptr || (key.primary && !found->primary) ||
                          (key.primary == found->primary && key.name < found->name);
      if (same && before) found = &key;
    }
    if (found != nullptr) return check_dependents(found->name);
    std::vector<std::string> quoted;
    for (const size_t k : table_.key)
      quoted.push_back(postgres::quote(table_.columns[k].target_name));
    block(
        Severity::kBlocker, "target_key_differs",
        fmt::format("the source's rows are told apart by ({}), and nothing makes that unique in {}",
                    listed(quoted), there()),
        fmt::format("CREATE UNIQUE INDEX ON {} ({})", there(), listed(quoted)));
  }

  // PostgreSQL drops no constraint that a view is made with.
  void check_dependents(const std::string& key) {
    if (relation_->known) return;  // they are put aside
    for (const TargetDependent& each : relation_->dependents) {
      if (each.constraint == key) continue;
      block(Severity::kBlocker, "target_dependents",
            fmt::format("{} hangs on {} of {}, which must be put aside for the copy",
                        printable(each.what), printable(each.constraint), there()),
            fmt::format("drop {} until the cutover is done, and make it again then",
                        printable(each.what)));
    }
  }

  const TargetSchema& target_;
  const Rules* rules_;
  const TableEvidence& evidence_;
  Table& table_;
  std::vector<Finding>& findings_;
  const TargetRelation* relation_ = nullptr;
  std::set<size_t> matched_;  // of the target's columns
  bool all_matched_ = true;
};

}  // namespace

void adopt_table(const TargetSchema& target, const Rules* rules, const TableEvidence& evidence,
                 Table* table, std::vector<Finding>* findings) {
  Adopter(target, rules, evidence, table, findings).run();
}

}  // namespace crossfade::schema
