#include "apply/variant.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "engine/schema/utf8.h"

namespace crossfade::apply {
namespace {

void append_hex(std::string_view bytes, std::string* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    out->push_back(kDigits[u >> 4]);
    out->push_back(kDigits[u & 15]);
  }
}

}  // namespace

bool is_target_text(std::string_view bytes) {
  const schema::TextFlaws flaws = schema::find_flaws(bytes);
  return !flaws.nul && !flaws.invalid;
}

void append_variant_integer(int64_t value, std::string* out) {
  *out += fmt::format("{}", value);
}

void append_variant_real(double value, std::string* out) {
  if (std::isinf(value)) {
    *out += value > 0 ? R"({"$real":"Infinity"})" : R"({"$real":"-Infinity"})";
    return;
  }
  if (value == 0 && std::signbit(value)) {
    *out += R"({"$real":"-0.0"})";  // jsonb's numbers have no negative zero
    return;
  }
  // The longest is 5e-324 or so: 1 sign, 2 before, 767 after the point.
  std::array<char, 1100> buffer{};
  const auto [end, ec] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  const std::string_view digits(buffer.data(), static_cast<size_t>(end - buffer.data()));
  *out += digits;
  if (ec == std::errc() && digits.find('.') == std::string_view::npos) *out += ".0";
}

void append_variant_text(std::string_view value, std::string* out) {
  if (!is_target_text(value)) {
    *out += R"({"$text":")";
    append_hex(value, out);
    *out += "\"}";
    return;
  }
  out->push_back('"');
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      *out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

void append_variant_blob(std::string_view value, std::string* out) {
  *out += R"({"$blob":")";
  append_hex(value, out);
  *out += "\"}";
}

void append_variant(const Value& value, std::string* out) {
  switch (value.storage()) {
    case StorageClass::kNull:
      *out += "null";
      return;
    case StorageClass::kInteger:
      return append_variant_integer(value.integer(), out);
    case StorageClass::kReal:
      return append_variant_real(value.real(), out);
    case StorageClass::kText:
      return append_variant_text(value.text(), out);
    case StorageClass::kBlob:
      return append_variant_blob(value.blob(), out);
  }
}

}  // namespace crossfade::apply
