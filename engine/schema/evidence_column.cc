#include "engine/schema/evidence_column.h"

#include <algorithm>
#include <string>

#include "engine/schema/evidence_jsonb_blob.h"
#include "engine/schema/type_choice.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

// Characters, as VARCHAR(n) counts them; bytes when they are not UTF-8.
int64_t length_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace

Claims claims_of(const Column& column) {
  Claims out;
  const std::string upper = ascii_upper(column.declared_type);
  const auto says = [&upper](std::string_view word) {
    return upper.find(word) != std::string::npos;
  };
  out.date = says("DATE") || says("TIMESTAMP");
  out.clock = says("DATETIME") || says("TIMESTAMP");
  out.micros = column.declared_type == "DATETIME" || upper.ends_with("(6)");
  out.json = says("JSON");
  out.uuid = says("UUID") || says("GUID") || says("UNIQUEIDENTIFIER");
  out.boolean = declared_boolean(column);
  if (declared_decimal(column)) out.decimal = decimal_limits(upper);
  if (says("CHAR")) out.length = declared_length(upper);
  return out;
}

void FormEvidence::add_text(std::string_view text, bool broken, const Cell& cell,
                            JsonReader* reader) {
  dates.add(text, cell, claims_.date);
  uuid.add_text(text, cell, claims_.uuid);
  json.add(text, broken, cell, claims_.json, reader);
  words.add(text, cell);
  if (claims_.boolean && !is_boolean_word(text)) cell.tally(&beyond_boolean);
  if (claims_.length && static_cast<int64_t>(text.size()) > *claims_.length &&
      length_of(text) > *claims_.length) {
    cell.tally(&beyond_length);
  }
}

void FormEvidence::add_blob(std::string_view bytes, const Cell& cell) {
  uuid.add_blob(bytes, cell, claims_.uuid);
  floats.add(bytes);
  sqlite_jsonb = sqlite_jsonb && is_sqlite_jsonb(bytes);
}

void FormEvidence::add_integer(int64_t value, const Cell& cell) {
  if (claims_.decimal && !fits(value, *claims_.decimal)) cell.tally(&beyond_decimal);
}

void FormEvidence::add_real(double value, const Cell& cell) {
  if (claims_.decimal && !fits(value, *claims_.decimal)) cell.tally(&beyond_decimal);
}

}  // namespace crossfade::schema
