#include "engine/schema/adopt_type.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/core/source_time.h"
#include "engine/schema/evidence_epoch.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

constexpr const char* kAsUtc = "%{+00:00}";

bool has_no_values(const StorageCounts& storage) {
  return storage.integer + storage.real + storage.text + storage.blob == 0;
}

// As Python, Django, Rails and SQLAlchemy write them.
std::string usual_pattern(const Column& column, TargetType base) {
  if (base == TargetType::kDate) return "%Y-%m-%d";
  return claims_of(column).micros ? "%Y-%m-%d %H:%M:%S.%6f" : "%Y-%m-%d %H:%M:%S%if";
}

// The pattern as the target's type reads it: an instant needs a zone.
bool set_pattern(std::string pattern, AdoptedType* out) {
  out->type.form = SourceForm::kPattern;
  out->type.pattern = std::move(pattern);
  if (TimePattern::compile(out->type).valid()) return true;
  if (out->type.base == TargetType::kTimestamptz) {
    out->type.pattern += kAsUtc;
    out->as_utc = true;
    if (TimePattern::compile(out->type).valid()) return true;
  }
  out->type.form = SourceForm::kValue;
  out->type.pattern.clear();
  out->as_utc = false;
  return false;
}

// That of most of the values, where no pattern is all values'.
std::optional<std::string> commonest_pattern(const DateEvidence& dates) {
  const auto& shapes = dates.shapes();
  const auto most =
      std::max_element(shapes.begin(), shapes.end(),
                       [](const auto& a, const auto& b) { return a.rows.rows < b.rows.rows; });
  if (most == shapes.end()) return std::nullopt;
  bool several = false;
  bool iso = true;
  for (const DateEvidence::Shape& each : shapes) {
    if (!each.as.has_layout(most->as)) continue;
    several = several || each.as.fraction_digits != most->as.fraction_digits;
    iso = iso && (each.as.fraction_digits == 0 || each.as.fraction_digits == 6);
  }
  if (!several) return most->pattern();
  return date_pattern(most->as, iso ? kFractionIso : kFractionTrimmed);
}

void choose_time(const Column& column, const ColumnEvidence& evidence, AdoptedType* out) {
  const StorageCounts& storage = evidence.storage;
  if (has_no_values(storage)) {
    out->guessed = set_pattern(usual_pattern(column, out->type.base), out);
    return;
  }
  if (storage.text > 0) {
    const auto form = evidence.forms.dates.form(storage.text, claims_of(column).micros);
    const auto pattern = form ? form->pattern : commonest_pattern(evidence.forms.dates);
    if (pattern) set_pattern(*pattern, out);
    return;
  }
  if (storage.blob > 0 || out->type.base == TargetType::kDate) return;
  const NumberRange range{storage.integer + storage.real, evidence.number_min, evidence.number_max,
                          storage.real > 0};
  if (const auto guess = guess_epoch(column, range, /*referring=*/false)) {
    out->type.form = guess->form;
  }
}

void choose_uuid(const Column& column, const ColumnEvidence& evidence, AdoptedType* out) {
  const StorageCounts& storage = evidence.storage;
  if (has_no_values(storage)) {
    const auto length = claims_of(column).length;
    out->type.form = column.affinity == Affinity::kBlob ? SourceForm::kUuidBytes
                     : length.value_or(0) == 32         ? SourceForm::kUuidHex
                                                        : SourceForm::kUuidLower;
    out->guessed = true;
    return;
  }
  const UuidEvidence& uuid = evidence.forms.uuid;
  if (const auto form = uuid.form(storage.text, storage.blob, /*named=*/true)) {
    out->type.form = *form;
  } else if (storage.blob > storage.text) {
    out->type.form = SourceForm::kUuidBytes;
  } else if (uuid.hex.rows > uuid.dashed()) {
    out->type.form = SourceForm::kUuidHex;
  } else {
    out->type.form =
        uuid.upper.rows > uuid.lower.rows ? SourceForm::kUuidUpper : SourceForm::kUuidLower;
  }
}

}  // namespace

AdoptedType adopt_type(const Column& column, const ColumnEvidence& evidence,
                       const ColumnType& there) {
  AdoptedType out;
  out.type = there;
  switch (there.base) {
    case TargetType::kBoolean:
      if (evidence.storage.text == 0) break;
      if (const auto words = evidence.forms.words.boolean_words()) {
        out.type.form = SourceForm::kWords;
        out.type.words = *words;
      }
      break;
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate:
      choose_time(column, evidence, &out);
      break;
    case TargetType::kUuid:
      choose_uuid(column, evidence, &out);
      break;
    case TargetType::kReals:
    case TargetType::kVector:
      out.type.form = SourceForm::kFloat32Bytes;
      break;
    case TargetType::kDoubles:
      out.type.form = SourceForm::kFloat64Bytes;
      break;
    case TargetType::kBigint:
    case TargetType::kDouble:
    case TargetType::kNumeric:
    case TargetType::kText:
    case TargetType::kBytea:
    case TargetType::kVariant:
    case TargetType::kJson:
    case TargetType::kJsonb:
      break;
  }
  out.reason = "as the target has it";
  if (out.guessed) out.reason += "; nothing is stored yet, and what comes is expected as usual";
  return out;
}

}  // namespace crossfade::schema
