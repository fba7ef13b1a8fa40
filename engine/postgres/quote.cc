#include "engine/postgres/quote.h"

namespace crossfade::postgres {

std::string quote(std::string_view identifier) {
  std::string out = "\"";
  for (const char c : identifier) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string quote(std::string_view schema, std::string_view name) {
  return quote(schema) + "." + quote(name);
}

std::string quote_literal(std::string_view text) {
  std::string out;
  bool escaped = false;
  for (const char c : text) {
    if (c == '\\') {
      escaped = true;
      out += '\\';
    }
    if (c == '\'') out += '\'';
    out += c;
  }
  return (escaped ? " E'" : "'") + out + "'";
}

}  // namespace crossfade::postgres
