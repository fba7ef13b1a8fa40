#include "apply/variant.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

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

// The length of the UTF-8 sequence at `p`, or 0 when it is none.
size_t sequence_length(const unsigned char* p, size_t left) {
  const auto tail = [&](size_t i) { return i < left && (p[i] & 0xC0) == 0x80; };
  if (p[0] < 0x80) return p[0] == 0 ? 0 : 1;
  if (p[0] >= 0xC2 && p[0] <= 0xDF) return tail(1) ? 2 : 0;
  if ((p[0] & 0xF0) == 0xE0) {
    if (!tail(1) || !tail(2)) return 0;
    if (p[0] == 0xE0 && p[1] < 0xA0) return 0;  // overlong
    if (p[0] == 0xED && p[1] > 0x9F) return 0;  // surrogates
    return 3;
  }
  if (p[0] >= 0xF0 && p[0] <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (p[0] == 0xF0 && p[1] < 0x90) return 0;  // overlong
    if (p[0] == 0xF4 && p[1] > 0x8F) return 0;  // above U+10FFFF
    return 4;
  }
  return 0;
}

}  // namespace

bool is_target_text(std::string_view bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());  // NOLINT: bytes are bytes
  size_t left = bytes.size();
  while (left > 0) {
    // Eight ASCII bytes at a time, none of them NUL: the high bits of (v - 0x01..01) & ~v tell.
    if (left >= 8) {
      uint64_t word = 0;
      std::memcpy(&word, p, 8);
      constexpr uint64_t kHigh = 0x8080808080808080ULL;
      constexpr uint64_t kOnes = 0x0101010101010101ULL;
      if ((word & kHigh) == 0 && ((word - kOnes) & kHigh) == 0) {
        p += 8;
        left -= 8;
        continue;
      }
    }
    const size_t length = sequence_length(p, left);
    if (length == 0) return false;
    p += length;
    left -= length;
  }
  return true;
}

void append_variant_integer(int64_t value, std::string* out) {
  *out += fmt::format("{}", value);
}

void append_variant_real(double value, std::string* out) {
  if (std::isinf(value)) {
    *out += value > 0 ? R"({"$real":"Infinity"})" : R"({"$real":"-Infinity"})";
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
