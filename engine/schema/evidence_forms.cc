#include "engine/schema/evidence_forms.h"

#include <fmt/core.h>

#include <string>

#include "engine/core/limits.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

constexpr size_t kVectorDimensionsMax = 16000;  // pgvector's

std::string all(int64_t count, const std::string& what) {
  return count == 1 ? "its only value is " + what
                    : fmt::format("all {} values are {}", count, what);
}

ColumnType typed(TargetType base, SourceForm form) {
  ColumnType out;
  out.base = base;
  out.form = form;
  return out;
}

const char* spelling(SourceForm form) {
  switch (form) {
    case SourceForm::kUuidUpper:
      return "UUIDs in upper case";
    case SourceForm::kUuidHex:
      return "UUIDs without dashes";
    case SourceForm::kUuidBytes:
      return "UUIDs of 16 bytes";
    default:
      return "UUIDs";
  }
}

// Whole days where the declaration has a time of day: PostgreSQL would drop the one of a later
// value from a date, without a word. Returns what to add to the reason.
std::string add_clock(const Column& column, const FormEvidence& forms, ColumnType* type) {
  if (type->base != TargetType::kDate || !forms.claims().clock) return "";
  type->base = TargetType::kTimestamp;
  return fmt::format(", and it is declared {}, so a time of day may come",
                     printable(column.declared_type));
}

bool named_uuid(const Column& column, const Claims& claims) {
  const std::string upper = ascii_upper(column.name);
  return claims.uuid || upper.find("UUID") != std::string::npos ||
         upper.find("GUID") != std::string::npos;
}

std::optional<TypeChoice> choose_json(const ColumnEvidence& evidence) {
  if (!is_all_json(evidence)) return std::nullopt;
  const int64_t count = evidence.storage.text;
  const JsonEvidence& json = evidence.forms.json;
  const bool fits = evidence.text_bytes_max <= limits::kPgJsonbStringBytesMax;
  if (json.normal == count && json.telling > 0 && fits) {
    return TypeChoice{TargetType::kJsonb, all(count, "JSON, spelled as jsonb does")};
  }
  std::string reason = all(count, "JSON");
  if (json.normal < count) {
    reason += fmt::format(", and jsonb would spell {} of them differently", count - json.normal);
  } else {
    reason += ", and they do not tell how longer ones will be spelled";
  }
  return TypeChoice{TargetType::kJson, std::move(reason)};
}

std::optional<TypeChoice> choose_for_text(const Column& column, const ColumnEvidence& evidence,
                                          const ColumnPlace& place) {
  if (column.collation != "BINARY") return std::nullopt;
  const int64_t count = evidence.storage.text;
  const FormEvidence& forms = evidence.forms;
  if (auto type = forms.dates.form(count, forms.claims().micros)) {
    std::string reason = all(count, "written as " + type->pattern);
    reason += add_clock(column, forms, &*type);
    return TypeChoice{*type, std::move(reason)};
  }
  if (const auto form = forms.uuid.form(count, 0, named_uuid(column, forms.claims()))) {
    return TypeChoice{typed(TargetType::kUuid, *form), all(count, spelling(*form))};
  }
  if (const auto words = forms.words.boolean_words(); words && forms.claims().boolean) {
    ColumnType type = typed(TargetType::kBoolean, SourceForm::kWords);
    type.words = *words;
    return TypeChoice{type, fmt::format("it is declared {} and {}", printable(column.declared_type),
                                        all(count, "one of " + *words))};
  }
  return place.compared ? std::nullopt : choose_json(evidence);
}

std::optional<TypeChoice> choose_for_blobs(const Column& column, const ColumnEvidence& evidence,
                                           const ColumnPlace& place) {
  const int64_t count = evidence.storage.blob;
  const FormEvidence& forms = evidence.forms;
  if (const auto form = forms.uuid.form(0, count, named_uuid(column, forms.claims()))) {
    return TypeChoice{typed(TargetType::kUuid, *form), all(count, spelling(*form))};
  }
  const auto form = forms.floats.form(count);
  if (!form || place.compared) return std::nullopt;
  const bool floats = *form == SourceForm::kFloat32Bytes;
  const size_t elements = forms.floats.bytes() / (floats ? sizeof(float) : sizeof(double));
  const std::string what =
      fmt::format("arrays of {} {}-byte floats", elements, floats ? sizeof(float) : sizeof(double));
  ColumnType type = typed(floats ? TargetType::kReals : TargetType::kDoubles, *form);
  if (floats && place.has_pgvector && elements <= kVectorDimensionsMax) {
    type.base = TargetType::kVector;
    type.dimensions = static_cast<int>(elements);
  }
  return TypeChoice{type, all(count, what)};
}

std::optional<TypeChoice> choose_for_numbers(const ColumnEvidence& evidence,
                                             const TypeChoice& plain) {
  const auto& limits = evidence.forms.claims().decimal;
  if (!limits || plain.type.base != TargetType::kNumeric) return std::nullopt;
  if (evidence.forms.beyond_decimal.rows > 0) return std::nullopt;
  ColumnType type = plain.type;
  type.precision = limits->precision;
  type.scale = limits->scale;
  return TypeChoice{type, fmt::format("{}, and every value fits it", plain.reason)};
}

}  // namespace

bool is_all_json(const ColumnEvidence& evidence) {
  const JsonEvidence& json = evidence.forms.json;
  const bool scalars = evidence.forms.claims().json;
  const int64_t fitting = json.documents + (scalars ? json.scalars : 0);
  return !json.abandoned && evidence.storage.text > 0 && fitting == evidence.storage.text;
}

std::optional<TypeChoice> choose_form(const Column& column, const ColumnEvidence& evidence,
                                      const ColumnPlace& place, const TypeChoice& plain) {
  const StorageCounts& storage = evidence.storage;
  const bool numbers = storage.integer > 0 || storage.real > 0;
  if (numbers && storage.text == 0 && storage.blob == 0) return choose_for_numbers(evidence, plain);
  if (numbers) return std::nullopt;
  if (storage.text > 0 && storage.blob == 0) return choose_for_text(column, evidence, place);
  if (storage.blob > 0 && storage.text == 0) return choose_for_blobs(column, evidence, place);
  return std::nullopt;
}

}  // namespace crossfade::schema
