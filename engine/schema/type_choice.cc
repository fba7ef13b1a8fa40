#include "engine/schema/type_choice.h"

#include <fmt/core.h>

#include <string_view>
#include <utility>
#include <vector>

#include "engine/schema/catalog.h"
#include "engine/schema/evidence_forms.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

bool contains(const std::string& upper, std::string_view word) {
  return upper.find(word) != std::string::npos;
}

bool whole_number_affinity(const Column& column) {
  return column.affinity == Affinity::kInteger || column.affinity == Affinity::kNumeric;
}

std::string declaration(const Column& column) {
  return column.declared_type.empty() ? "it has no declared type"
                                      : "it is declared " + printable(column.declared_type);
}

std::string all_values(int64_t count, const char* what) {
  return count == 1 ? fmt::format("its only value is {}", what)
                    : fmt::format("all {} values are {}", count, what);
}

TypeChoice choose_by_declaration(const Column& column) {
  const std::string upper = ascii_upper(column.declared_type);
  const std::string why = "no values are stored and " + declaration(column);
  if (declared_boolean(column)) return {TargetType::kBoolean, why};
  if (upper.empty() || upper == "ANY") return {TargetType::kVariant, why + ", so any may come"};
  switch (column.affinity) {
    case Affinity::kInteger:
      return {TargetType::kBigint, why};
    case Affinity::kText:
      return {TargetType::kText, why};
    case Affinity::kBlob:
      return {TargetType::kBytea, why};
    case Affinity::kReal:
      return {TargetType::kDouble, why};
    case Affinity::kNumeric:
      break;
  }
  if (declared_decimal(column)) return {TargetType::kNumeric, why};
  return {TargetType::kText, why + ", which names no number"};
}

TypeChoice choose_for_integers(const Column& column, const ColumnEvidence& evidence) {
  const int64_t count = evidence.storage.integer;
  if (declared_boolean(column) && evidence.beyond_boolean.rows == 0) {
    return {TargetType::kBoolean,
            fmt::format("{} and {}", declaration(column), all_values(count, "0 or 1"))};
  }
  if (declared_decimal(column)) {
    return {TargetType::kNumeric,
            fmt::format("{} and {}", all_values(count, "INTEGER"), declaration(column))};
  }
  return {TargetType::kBigint, all_values(count, "INTEGER")};
}

// Reals, with or without integers among them.
TypeChoice choose_for_reals(const Column& column, const ColumnEvidence& evidence) {
  const StorageCounts& storage = evidence.storage;
  if (storage.integer == 0) {
    if (evidence.infinities > 0 && whole_number_affinity(column)) {
      return {TargetType::kDouble, all_values(storage.real, "REAL") + ", infinities among them"};
    }
    return {whole_number_affinity(column) ? TargetType::kNumeric : TargetType::kDouble,
            fmt::format("{} and {}", all_values(storage.real, "REAL"), declaration(column))};
  }
  const std::string counts =
      fmt::format("{} values are INTEGER and {} REAL", storage.integer, storage.real);
  if (!whole_number_affinity(column)) {
    return {TargetType::kVariant, counts + ", and nothing but the value tells which"};
  }
  if (evidence.infinities > 0) {
    return {TargetType::kVariant, counts + ", infinities among them"};
  }
  return {TargetType::kNumeric,
          counts + ", and the column's affinity tells from the value which is which"};
}

}  // namespace

Affinity affinity_of(const std::string& declared_type) {
  const std::string upper = ascii_upper(declared_type);
  if (contains(upper, "INT")) return Affinity::kInteger;
  if (contains(upper, "CHAR") || contains(upper, "CLOB") || contains(upper, "TEXT")) {
    return Affinity::kText;
  }
  if (upper.empty() || contains(upper, "BLOB")) return Affinity::kBlob;
  if (contains(upper, "REAL") || contains(upper, "FLOA") || contains(upper, "DOUB")) {
    return Affinity::kReal;
  }
  return Affinity::kNumeric;
}

bool declared_boolean(const Column& column) {
  return ascii_upper(column.declared_type).starts_with("BOOL");
}

bool declared_decimal(const Column& column) {
  const std::string upper = ascii_upper(column.declared_type);
  return column.affinity == Affinity::kNumeric &&
         (contains(upper, "NUM") || contains(upper, "DEC") || contains(upper, "MONEY"));
}

bool has_form(const ColumnType& type) {
  return type.form != SourceForm::kValue || type.base == TargetType::kJson ||
         type.base == TargetType::kJsonb || type.precision > 0;
}

TypeChoice choose_type(const Column& column, const ColumnEvidence& evidence,
                       const ColumnPlace& place) {
  TypeChoice plain = choose_plain_type(column, evidence, place.rowid_key);
  if (!kChooseForms || place.rowid_key || column.synthetic) return plain;
  if (place.plain) {
    plain.reason += ", and it is kept plain";
    return plain;
  }
  if (auto form = choose_form(column, evidence, place, plain)) return std::move(*form);
  return plain;
}

TypeChoice choose_plain_type(const Column& column, const ColumnEvidence& evidence, bool rowid_key) {
  if (column.synthetic) {
    return {TargetType::kBigint, "the rowid, carried because no declared key tells the rows apart"};
  }
  if (rowid_key) return {TargetType::kBigint, "it is the rowid, which SQLite keeps INTEGER"};
  const StorageCounts& storage = evidence.storage;
  const bool numbers = storage.integer > 0 || storage.real > 0;
  if (!numbers && storage.text == 0 && storage.blob == 0) return choose_by_declaration(column);
  if (!numbers && storage.blob == 0) {
    return {TargetType::kText, all_values(storage.text, "TEXT")};
  }
  if (!numbers && storage.text == 0) {
    return {TargetType::kBytea, all_values(storage.blob, "BLOB")};
  }
  if (storage.text == 0 && storage.blob == 0) {
    return storage.real == 0 ? choose_for_integers(column, evidence)
                             : choose_for_reals(column, evidence);
  }
  std::string mixture;
  for (const auto& [count, name] :
       std::vector<std::pair<int64_t, const char*>>{{storage.integer, "INTEGER"},
                                                    {storage.real, "REAL"},
                                                    {storage.text, "TEXT"},
                                                    {storage.blob, "BLOB"}}) {
    if (count > 0) mixture += fmt::format("{}{} {}", mixture.empty() ? "" : ", ", count, name);
  }
  return {TargetType::kVariant, "the values are mixed: " + mixture};
}

}  // namespace crossfade::schema
