#include "verify/variant.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "verify/canonical_form.h"
#include "verify/utf8.h"

namespace crossfade::verify {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool decode_hex(std::string_view hex, std::string* out) {
  if (hex.size() % 2 != 0) return false;
  out->reserve(hex.size() / 2);
  for (size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_digit(hex[i]);
    const int low = hex_digit(hex[i + 1]);
    if (high < 0 || low < 0) return false;
    out->push_back(static_cast<char>(high * 16 + low));
  }
  return true;
}

std::string encode_hex(std::string_view bytes) {
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    hex.push_back(kHexDigits[static_cast<unsigned char>(c) >> 4U]);
    hex.push_back(kHexDigits[static_cast<unsigned char>(c) & 0xFU]);
  }
  return hex;
}

bool append_number(std::string_view json, std::string* out) {
  const char* end = json.data() + json.size();
  if (json.find('.') == std::string_view::npos) {
    int64_t value = 0;
    const auto [at, ec] = std::from_chars(json.data(), end, value);
    if (ec != std::errc() || at != end) return false;
    form::append_integer(value, out);
    return true;
  }
  double value = 0;
  const auto [at, ec] = std::from_chars(json.data(), end, value, std::chars_format::fixed);
  if (ec != std::errc() || at != end) return false;
  form::append_real(value, out);
  return true;
}

// The character an escape stands for, or -1. The server escapes control characters, the quote and
// the backslash, and nothing else: \u is never above \u001f.
int unescape(std::string_view* json) {
  const char c = json->front();
  json->remove_prefix(1);
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case '"':
    case '\\':
      return c;
    case 'u':
      break;
    default:
      return -1;
  }
  if (json->size() < 4 || json->substr(0, 2) != "00") return -1;
  const int high = hex_digit((*json)[2]);
  const int low = hex_digit((*json)[3]);
  if (high < 0 || low < 0 || high > 7) return -1;
  json->remove_prefix(4);
  return high * 16 + low;
}

// Reads a JSON string, whose opening quote is the first character, and moves behind it.
bool take_string(std::string_view* json, std::string* out) {
  if (json->empty() || json->front() != '"') return false;
  json->remove_prefix(1);
  while (true) {
    const size_t plain = json->find_first_of("\"\\");
    if (plain == std::string_view::npos) return false;
    out->append(json->substr(0, plain));
    const bool closing = (*json)[plain] == '"';
    json->remove_prefix(plain + 1);
    if (closing) return true;
    if (json->empty()) return false;
    const int c = unescape(json);
    if (c < 0) return false;
    out->push_back(static_cast<char>(c));
  }
}

// {"$blob": "00ff"}, {"$text": "6100"}, {"$real": "-Infinity"}, {"$real": "-0.0"}
bool append_object(std::string_view json, std::string* out) {
  std::string name;
  std::string value;
  json.remove_prefix(1);
  if (!take_string(&json, &name) || json.substr(0, 2) != ": ") return false;
  json.remove_prefix(2);
  if (!take_string(&json, &value) || json != "}") return false;
  if (name == "$real") {
    if (value == "-0.0") return form::append_real(-0.0, out), true;
    if (value != "Infinity" && value != "-Infinity") return false;
    const double infinity = std::numeric_limits<double>::infinity();
    form::append_real(value.front() == '-' ? -infinity : infinity, out);
    return true;
  }
  if (name != "$blob" && name != "$text") return false;
  std::string bytes;
  if (!decode_hex(value, &bytes)) return false;
  form::append_sized(name == "$blob" ? form::kBytes : form::kText, bytes, out);
  return true;
}

bool append_known(std::string_view json, std::string* out) {
  if (json.empty()) return false;
  if (json.front() == '{') return append_object(json, out);
  if (json.front() != '"') return append_number(json, out);
  std::string text;
  if (!take_string(&json, &text) || !json.empty()) return false;
  form::append_sized(form::kText, text, out);
  return true;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.append("\\").push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out.append("\\u00").append(encode_hex({&c, 1}));
    } else {
      out.push_back(c);
    }
  }
  return out + '"';
}

std::string real_json(double value) {
  if (std::isinf(value)) {
    return value > 0 ? R"({"$real": "Infinity"})" : R"({"$real": "-Infinity"})";
  }
  if (value == 0 && std::signbit(value)) return R"({"$real": "-0.0"})";
  std::array<char, 512> text{};  // 1.8e308 has 309 digits, 5e-324 has 326
  char* const end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed).ptr;
  std::string out(text.data(), end);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

}  // namespace

void append_variant(std::string_view json, std::string* out) {
  if (!append_known(json, out)) form::append_sized(form::kForeign, json, out);
}

std::string variant_json(const Value& value) {
  switch (value.storage()) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      return std::to_string(value.integer());
    case StorageClass::kReal:
      return real_json(value.real());
    case StorageClass::kText:
      return is_storable_text(value.text()) ? json_string(value.text())
                                            : R"({"$text": ")" + encode_hex(value.text()) + "\"}";
    case StorageClass::kBlob:
      return R"({"$blob": ")" + encode_hex(value.blob()) + "\"}";
  }
  return "null";
}

}  // namespace crossfade::verify
