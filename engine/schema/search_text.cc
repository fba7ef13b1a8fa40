#include "engine/schema/search_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/limits.h"
#include "engine/postgres/quote.h"

namespace crossfade::schema {

// Whatever SQLite would have searched: numbers as they are written, too. What is written otherwise
// on the target, or by the session's settings, is not the same text.
SearchText search_text(const Column& column) {
  const std::string name = postgres::quote(column.target_name);
  const SourceForm form = column.type.form;
  switch (column.type.base) {
    case TargetType::kText:
      if (form == SourceForm::kValue || form == SourceForm::kTextStripped ||
          form == SourceForm::kTextLatin1) {
        return {name, ""};
      }
      return {"", "a rule changes its texts"};
    case TargetType::kBigint:
      if (form == SourceForm::kMasked) return {"", "a rule masks it"};
      return {name + "::pg_catalog.text", ""};
    case TargetType::kNumeric:
    case TargetType::kJson:
      return {name + "::pg_catalog.text", ""};
    case TargetType::kBoolean:
      if (form != SourceForm::kValue) break;
      return {name + "::pg_catalog.int4::pg_catalog.text", ""};
    case TargetType::kUuid:
      if (form != SourceForm::kUuidLower && form != SourceForm::kUuidUpper) break;
      return {name + "::pg_catalog.text", ""};
    default:
      break;
  }
  return {"", fmt::format("it is {} on the target, which has not got the same text",
                          to_string(column.type))};
}

const char* text_configuration(const FtsDeclaration& declared) {
  return declared.porter ? "english" : "simple";
}

int64_t searched_characters(size_t columns) {
  return limits::kSearchedCharactersMax / static_cast<int64_t>(std::max<size_t>(1, columns));
}

std::string tsvector_sql(const std::vector<std::string>& texts, const FtsDeclaration& declared) {
  constexpr const char* kWeights = "ABCD";
  std::string out;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string part = fmt::format(
        "pg_catalog.to_tsvector('pg_catalog.{}'::pg_catalog.regconfig,"
        " pg_catalog.\"left\"(COALESCE({}, ''), {}))",
        text_configuration(declared), texts[i], searched_characters(texts.size()));
    if (i > 0) out += " OPERATOR(pg_catalog.||) ";
    out += texts.size() == 1 ? part
                             : fmt::format("pg_catalog.setweight({}, '{}')", part,
                                           kWeights[std::min<size_t>(i, 3)]);
  }
  return out;
}

}  // namespace crossfade::schema
