#include "engine/schema/evidence_declaration.h"

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "engine/schema/evidence_column.h"
#include "engine/schema/evidence_dates.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

// "datetime(6)" is DATETIME and 6. Whatever says more than that is left alone.
struct Declaration {
  std::string word;  // in upper case; empty when there is more
  int digits = 0;
};

Declaration read_declaration(const Column& column) {
  std::string upper = ascii_upper(column.declared_type);
  Declaration out;
  const size_t open = upper.find('(');
  if (open != std::string::npos) {
    const std::string_view rest = std::string_view(upper).substr(open);
    if (rest.size() != 3 || rest[1] < '0' || rest[1] > '9' || rest[2] != ')') return out;
    out.digits = rest[1] - '0';
    upper.resize(open);
  }
  if (upper.find(' ') == std::string::npos) out.word = std::move(upper);
  return out;
}

bool has_default(const Column& column) {
  return column.default_sql && !DefaultTranslator::is_null_literal(*column.default_sql);
}

// The way most writers of such a declaration have: Rails pads the six digits of its datetime(6),
// Django leaves out a fraction of zero, and plain SQL writes what CURRENT_TIMESTAMP does.
DateText usual_text(const Column& column, const Declaration& declared) {
  if (declared.word == "DATE") return read_date("2021-03-04");
  if (declared.digits > 0) {
    return read_date("2021-03-04 05:06:07." +
                     std::string(static_cast<size_t>(declared.digits), '1'));
  }
  DateText out = read_date("2021-03-04 05:06:07");
  if (column.declared_type == "datetime") out.styles = kFractionIso;
  return out;
}

std::optional<ColumnType> declared_time(const Column& column, DefaultTranslator* defaults) {
  const Declaration declared = read_declaration(column);
  const bool clock = declared.word == "DATETIME" || declared.word == "TIMESTAMP";
  if (!clock && declared.word != "DATE") return std::nullopt;
  DateText text = usual_text(column, declared);
  if (has_default(column)) {
    const auto example = defaults->example(column);
    if (!example) return std::nullopt;
    text = read_date(*example);
  }
  if (text.flaw != DateFlaw::kNone) return std::nullopt;
  const bool iso = text.styles == kFractionIso;
  ColumnType out;
  out.base = text.separator == 0 && !clock ? TargetType::kDate
             : text.zone.empty()           ? TargetType::kTimestamp
                                           : TargetType::kTimestamptz;
  out.form = SourceForm::kPattern;
  out.pattern = iso ? date_pattern(text, kFractionIso) : DateEvidence::Shape{text, {}}.pattern();
  return out;
}

std::optional<ColumnType> declared_form(const Column& column, const ColumnPlace& place,
                                        const ColumnType& plain, DefaultTranslator* defaults) {
  if (plain.base == TargetType::kNumeric) {
    const auto limits = claims_of(column).decimal;
    if (!limits) return std::nullopt;
    ColumnType out = plain;
    out.precision = limits->precision;
    out.scale = limits->scale;
    return out;
  }
  if (plain.base != TargetType::kText || column.collation != "BINARY") return std::nullopt;
  // How jsonb would spell a value, only the value can tell.
  const std::string word = read_declaration(column).word;
  if (word == "JSON" || word == "JSONB") {
    return place.compared ? std::nullopt : std::optional(ColumnType(TargetType::kJson));
  }
  return declared_time(column, defaults);
}

}  // namespace

std::optional<TypeChoice> choose_declared_form(const Column& column, const ColumnPlace& place,
                                               const TypeChoice& plain,
                                               DefaultTranslator* defaults) {
  // What a generated column holds follows from other columns, not from its declaration.
  if (!kChooseForms || place.rowid_key || place.plain || column.synthetic || column.generated) {
    return std::nullopt;
  }
  auto type = declared_form(column, place, plain.type, defaults);
  if (!type) return std::nullopt;
  if (has_default(column)) {
    Column as = column;
    as.type = *type;
    if (!defaults->translate(as)) return std::nullopt;
  }
  std::string reason =
      fmt::format("no values are stored and it is declared {}", printable(column.declared_type));
  if (!type->pattern.empty()) reason += ", so they are taken to be written as " + type->pattern;
  return TypeChoice{std::move(*type), reason + "; a value of another form widens the column"};
}

}  // namespace crossfade::schema
