#include "engine/schema/data_findings.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "engine/core/limits.h"
#include "engine/core/value.h"
#include "engine/schema/type_choice.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

// Rows of the rarer classes first: those are the ones a person looks for.
std::vector<std::string> rarest_first(const ColumnEvidence& evidence) {
  const StorageCounts& storage = evidence.storage;
  std::array<std::pair<int64_t, StorageClass>, 4> classes{
      {{storage.integer, StorageClass::kInteger},
       {storage.real, StorageClass::kReal},
       {storage.text, StorageClass::kText},
       {storage.blob, StorageClass::kBlob}}};
  std::sort(classes.begin(), classes.end());
  std::vector<std::string> out;
  for (const auto& [count, storage_class] : classes) {
    for (const std::string& sample : evidence.samples[static_cast<size_t>(storage_class)]) {
      if (out.size() < limits::kSamplesMax) out.push_back(sample);
    }
  }
  return out;
}

void find_mixture(const Table& table, const Column& column, const ColumnEvidence& evidence,
                  std::vector<Finding>* findings) {
  const StorageCounts& storage = evidence.storage;
  const std::array<int64_t, 4> counts{storage.integer, storage.real, storage.text, storage.blob};
  const auto classes =
      std::count_if(counts.begin(), counts.end(), [](int64_t count) { return count > 0; });
  if (column.type.base != TargetType::kVariant || classes < 2) return;
  Finding finding = about(table, column, Severity::kWarning, "mixed_storage");
  const int64_t all = storage.integer + storage.real + storage.text + storage.blob;
  finding.rows = all - *std::max_element(counts.begin(), counts.end());
  finding.message = fmt::format("{}; the column becomes jsonb, in which each value keeps its class",
                                column.reason);
  finding.samples = rarest_first(evidence);
  finding.remedy =
      "to get a plain column type, make the rows named here the same class as the"
      " others and inspect again";
  findings->push_back(std::move(finding));
}

void find_text_flaws(const Table& table, const Column& column, const ColumnEvidence& evidence,
                     std::vector<Finding>* findings) {
  if (column.type.base != TargetType::kText) return;
  const char* remedy =
      "fix the rows, or run with --quarantine to set those rows aside on the"
      " target with their exact bytes";
  const auto add = [&](const RowTally& tally, const char* code, const char* what) {
    if (tally.rows == 0) return;
    Finding finding = about(table, column, Severity::kBlocker, code);
    finding.rows = tally.rows;
    finding.message =
        fmt::format("{} text values {}, which PostgreSQL's text cannot hold", tally.rows, what);
    finding.samples = tally.samples;
    finding.remedy = remedy;
    findings->push_back(std::move(finding));
  };
  add(evidence.text_nul, "text_nul", "contain a NUL byte");
  add(evidence.text_invalid, "text_invalid_utf8", "are not valid UTF-8");
}

// Hex doubles a blob inside jsonb.
void find_size(const Table& table, const Column& column, const ColumnEvidence& evidence,
               std::vector<Finding>* findings) {
  const bool variant = column.type.base == TargetType::kVariant;
  const size_t bytes_max = variant ? limits::kPgJsonbStringBytesMax : limits::kPgFieldBytesMax;
  const size_t bytes =
      std::max(evidence.text_bytes_max, evidence.blob_bytes_max * (variant ? 2 : 1));
  if (bytes <= bytes_max) return;
  Finding finding = about(table, column, Severity::kBlocker, "value_too_large");
  finding.message = fmt::format("a value takes {} bytes as {}, and PostgreSQL allows {}", bytes,
                                to_string(column.type), bytes_max);
  finding.remedy = "shorten or split the value, or run with --quarantine to set its row aside";
  findings->push_back(std::move(finding));
}

void find_declaration_breaks(const Table& table, size_t i, const ColumnEvidence& evidence,
                             std::vector<Finding>* findings) {
  const Column& column = table.columns[i];
  if (column.not_null && evidence.storage.null > 0) {
    Finding finding = about(table, column, Severity::kWarning, "null_in_not_null");
    finding.rows = evidence.storage.null;
    finding.message = "declared NOT NULL, yet NULLs are stored; the target column allows NULL";
    finding.samples = evidence.samples[static_cast<size_t>(StorageClass::kNull)];
    finding.remedy = "fill the rows and inspect again to have NOT NULL on the target";
    findings->push_back(std::move(finding));
  }
  if (declared_boolean(column) && column.type.base == TargetType::kBigint) {
    Finding finding = about(table, column, Severity::kWarning, "boolean_beyond_0_1");
    finding.rows = evidence.beyond_boolean.rows;
    finding.samples = evidence.beyond_boolean.samples;
    finding.message =
        fmt::format("declared {}, but the values run from {} to {}; it becomes bigint",
                    printable(column.declared_type), evidence.integer_min, evidence.integer_max);
    finding.remedy = "set the rows to 0 or 1 and inspect again to have boolean on the target";
    findings->push_back(std::move(finding));
  }
}

}  // namespace

void find_in_data(const Table& table, const TableEvidence& evidence,
                  std::vector<Finding>* findings) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    find_mixture(table, column, evidence.columns[i], findings);
    find_text_flaws(table, column, evidence.columns[i], findings);
    find_size(table, column, evidence.columns[i], findings);
    find_declaration_breaks(table, i, evidence.columns[i], findings);
  }
  if (table.key.size() > kIndexColumnsMax) {
    Finding finding;
    finding.severity = Severity::kBlocker;
    finding.code = "key_too_long";
    finding.table = table.name;
    finding.message = fmt::format("a key of {} columns; a PostgreSQL primary key has {} at most",
                                  table.key.size(), kIndexColumnsMax);
    finding.remedy = "give the table a key of fewer columns";
    findings->push_back(std::move(finding));
  }
  if (table.identity == Identity::kPrimaryKey && evidence.long_keys.rows > 0) {
    Finding finding;
    finding.severity = Severity::kBlocker;
    finding.code = "key_too_long";
    finding.table = table.name;
    finding.rows = evidence.long_keys.rows;
    finding.message = fmt::format("keys of up to {} bytes; a PostgreSQL primary key holds {}",
                                  evidence.key_bytes_max, kKeyBytesMax);
    finding.samples = evidence.long_keys.samples;
    finding.remedy = "shorten the keys of these rows";
    findings->push_back(std::move(finding));
  }
}

Finding null_key_finding(const Table& table, const RowTally& null_keys) {
  Finding finding;
  finding.severity = Severity::kWarning;
  finding.code = "null_in_primary_key";
  finding.table = table.name;
  finding.rows = null_keys.rows;
  finding.message =
      "the declared primary key holds NULLs, which SQLite allows and PostgreSQL does not; rows are"
      " told apart by their rowid, carried in _crossfade_rowid, and the declared key becomes "
      "UNIQUE";
  finding.samples = null_keys.samples;
  finding.remedy = "give the rows a key and inspect again to have it as the primary key";
  return finding;
}

}  // namespace crossfade::schema
