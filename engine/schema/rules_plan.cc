#include "engine/schema/rules_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/core/limits.h"
#include "engine/core/value.h"
#include "engine/schema/type_choice.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

const ColumnRule* rule_of(const Rules* rules, const Table& table, const Column& column) {
  if (rules == nullptr || column.synthetic) return nullptr;
  return rules->find(table.name, column.name);
}

bool is_ruled(const ColumnRule* rule) {
  return rule != nullptr && (rule->type || rule->mask);
}

// The classes that may fit; whether each value does is seen while copying.
bool may_hold(const ColumnType& type, StorageClass storage) {
  const bool text = storage == StorageClass::kText;
  const bool blob = storage == StorageClass::kBlob;
  const bool integer = storage == StorageClass::kInteger;
  const bool real = storage == StorageClass::kReal;
  switch (type.form) {
    case SourceForm::kEpochSeconds:
    case SourceForm::kEpochMillis:
    case SourceForm::kEpochMicros:
    case SourceForm::kEpochNanos:
    case SourceForm::kWebkitMicros:
    case SourceForm::kFiletime:
      return integer;
    case SourceForm::kEpochReal:
    case SourceForm::kJulianDay:
      return real;
    case SourceForm::kCocoaSeconds:
      return integer || real;
    case SourceForm::kUuidBytes:
    case SourceForm::kFloat32Bytes:
    case SourceForm::kFloat64Bytes:
      return blob;
    case SourceForm::kMasked:
      return type.base == TargetType::kBigint ? integer : true;
    case SourceForm::kValue:
      break;
    default:
      return text;
  }
  switch (type.base) {
    case TargetType::kVariant:
      return true;
    case TargetType::kBoolean:
    case TargetType::kBigint:
      return integer;
    case TargetType::kDouble:
      return real;
    case TargetType::kNumeric:
      return integer || real;
    case TargetType::kBytea:
      return blob;
    default:
      return text;
  }
}

void find_misfits(const Table& table, const Column& column, const ColumnEvidence& evidence,
                  std::vector<Finding>* findings) {
  const StorageCounts& storage = evidence.storage;
  const std::array<std::pair<int64_t, StorageClass>, 4> classes{
      {{storage.integer, StorageClass::kInteger},
       {storage.real, StorageClass::kReal},
       {storage.text, StorageClass::kText},
       {storage.blob, StorageClass::kBlob}}};
  Finding finding = about(table, column, Severity::kBlocker, "rule_misfit");
  const auto add = [&finding](int64_t rows, const std::vector<std::string>& samples) {
    finding.rows += rows;
    for (const std::string& sample : samples) {
      if (finding.samples.size() < limits::kSamplesMax) finding.samples.push_back(sample);
    }
  };
  for (const auto& [count, storage_class] : classes) {
    if (count == 0 || may_hold(column.type, storage_class)) continue;
    add(count, evidence.samples[static_cast<size_t>(storage_class)]);
  }
  if (column.type == ColumnType(TargetType::kBoolean)) {
    add(evidence.beyond_boolean.rows, evidence.beyond_boolean.samples);
  }
  if (finding.rows == 0) return;
  finding.message = fmt::format("{} values do not fit {}{}, which a rule gives the column",
                                finding.rows, to_string(column.type), describe_form(column.type));
  finding.remedy =
      "change the rule or the rows, or run with --quarantine to set those rows aside on the"
      " target with their exact values";
  findings->push_back(std::move(finding));
}

void find_one_way(const Table& table, const Column& column, const ColumnEvidence& evidence,
                  std::vector<Finding>* findings) {
  if (!is_one_way(column.type.form)) return;
  Finding finding = about(table, column, Severity::kInfo, "rule_one_way");
  const StorageCounts& storage = evidence.storage;
  finding.rows = storage.integer + storage.real + storage.text + storage.blob;
  const char* what = "values are masked by a keyed hash";
  if (column.type.form == SourceForm::kTextStripped) {
    finding.rows = evidence.text_nul.rows;
    finding.samples = evidence.text_nul.samples;
    what = "texts lose their NUL bytes";
  } else if (column.type.form == SourceForm::kTextLatin1) {
    finding.rows = evidence.text_invalid.rows;
    finding.samples = evidence.text_invalid.samples;
    what = "texts that are not UTF-8 are read as Latin-1";
  }
  finding.message =
      fmt::format("{} {}, by a rule: the target does not tell what they were", finding.rows, what);
  finding.remedy = "keep the SQLite file for as long as the original values may be asked for";
  findings->push_back(std::move(finding));
}

// Findings that ask for what the rule has decided.
bool is_answered(const Finding& finding, const ColumnType& type) {
  static const std::set<std::string> kAboutTheType = {
      "epoch_numbers", "dates_invalid",      "dates_mixed",   "boolean_words",
      "uuid_mixed",    "boolean_beyond_0_1", "mixed_storage", "decimal_beyond_declared",
      "json_invalid",  "enumeration",        "float_array"};
  if (kAboutTheType.contains(finding.code)) return true;
  if (finding.code == "text_nul") {
    return type.form == SourceForm::kTextStripped || type.form == SourceForm::kTextEscaped ||
           type.form == SourceForm::kMasked;
  }
  return finding.code == "text_invalid_utf8" &&
         (type.form == SourceForm::kTextLatin1 || type.form == SourceForm::kMasked);
}

}  // namespace

void choose_ruled_types(const Rules* rules, const PlainColumns& plain, Table* table) {
  for (Column& column : table->columns) {
    const ColumnRule* rule = rule_of(rules, *table, column);
    if (!is_ruled(rule)) continue;
    if (!rule->mask && plain.contains({table->name, column.name})) continue;
    if (rule->type) {
      column.type = *rule->type;
    } else {
      const bool integer = column.type.form == SourceForm::kMasked
                               ? column.type.base == TargetType::kBigint
                               : column.type == ColumnType(TargetType::kBigint) ||
                                     column.type == ColumnType(TargetType::kBoolean);
      column.type = integer ? TargetType::kBigint : TargetType::kText;
    }
    if (rule->mask) column.type.form = SourceForm::kMasked;
    column.reason = rule->mask ? "a rule masks it" : "a rule says so";
  }
}

void set_misfit_policies(const Rules* rules, Table* table) {
  if (rules == nullptr) return;
  const TableRule* of_table = rules->find(table->name);
  for (Column& column : table->columns) {
    const ColumnRule* rule = rule_of(rules, *table, column);
    // A type that somebody asked for is not given up by itself.
    if (is_ruled(rule) && column.reason.starts_with("a rule")) {
      column.on_misfit = OnMisfit::kQuarantine;
    }
    if (rules->on_misfit) column.on_misfit = *rules->on_misfit;
    if (of_table != nullptr && of_table->on_misfit) column.on_misfit = *of_table->on_misfit;
    if (rule != nullptr && rule->on_misfit) column.on_misfit = *rule->on_misfit;
    if (rule == nullptr || !rule->mask) continue;
    column.target_default.reset();  // it would stand there unmasked
    if (column.on_misfit == OnMisfit::kWiden) column.on_misfit = OnMisfit::kQuarantine;
  }
}

void find_in_rules(const Rules* rules, const Table& table, const TableEvidence& evidence,
                   size_t first, std::vector<Finding>* findings) {
  if (rules == nullptr) return;
  const auto is_done = [&](const Finding& finding) {
    const auto column =
        std::find_if(table.columns.begin(), table.columns.end(),
                     [&](const Column& each) { return each.name == finding.column; });
    return finding.table == table.name && column != table.columns.end() &&
           is_ruled(rule_of(rules, table, *column)) && column->reason.starts_with("a rule") &&
           is_answered(finding, column->type);
  };
  findings->erase(std::remove_if(findings->begin() + static_cast<std::ptrdiff_t>(first),
                                 findings->end(), is_done),
                  findings->end());
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    const ColumnRule* rule = rule_of(rules, table, column);
    if (!is_ruled(rule) || !column.reason.starts_with("a rule")) continue;
    find_misfits(table, column, evidence.columns[i], findings);
    find_one_way(table, column, evidence.columns[i], findings);
  }
}

}  // namespace crossfade::schema
