#include "engine/schema/utf8.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace crossfade::schema {
namespace {

uint8_t byte_at(std::string_view text, size_t i) {
  return static_cast<uint8_t>(text[i]);
}

// The length of the valid character that starts at `i`, or 0.
size_t character_length(std::string_view text, size_t i) {
  const uint8_t lead = byte_at(text, i);
  if (lead < 0x80) return 1;
  size_t length = 0;
  uint8_t second_min = 0x80;
  uint8_t second_max = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) second_min = 0xA0;  // shorter forms exist below
    if (lead == 0xED) second_max = 0x9F;  // surrogates lie above
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) second_min = 0x90;
    if (lead == 0xF4) second_max = 0x8F;  // U+10FFFF is the last
  } else {
    return 0;
  }
  if (i + length > text.size()) return 0;
  if (byte_at(text, i + 1) < second_min || byte_at(text, i + 1) > second_max) return 0;
  for (size_t k = 2; k < length; ++k) {
    if ((byte_at(text, i + k) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

TextFlaws find_flaws(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  constexpr uint64_t kLowBits = 0x0101010101010101;
  TextFlaws flaws;
  size_t i = 0;
  while (i < text.size()) {
    while (i + sizeof(uint64_t) <= text.size()) {
      uint64_t word = 0;
      std::memcpy(&word, text.data() + i, sizeof(word));
      // Either term is non-zero when a byte has its high bit set or is zero.
      if (((word | (word - kLowBits)) & kHighBits) != 0) break;
      i += sizeof(word);
    }
    const size_t stretch_end = std::min(text.size(), i + sizeof(uint64_t));
    while (i < stretch_end) {
      if (text[i] == '\0') flaws.nul = true;
      const size_t length = character_length(text, i);
      if (length == 0) flaws.invalid = true;
      i += std::max<size_t>(length, 1);
    }
  }
  return flaws;
}

std::string printable(std::string_view text, bool controls) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = character_length(text, i);
    const bool control = byte_at(text, i) < 0x20 || byte_at(text, i) == 0x7F;
    if (length == 0 || (control && controls)) {
      out += fmt::format("\\x{:02x}", byte_at(text, i));
      i += 1;
      continue;
    }
    out += text.substr(i, length);
    i += length;
  }
  return out;
}

std::string_view prefix(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  // At most three steps back: in text that is no UTF-8 there is no boundary to find.
  for (size_t k = 0; k < 3 && end > 0 && (byte_at(text, end) & 0xC0) == 0x80; ++k) --end;
  return text.substr(0, end);
}

std::string ascii_upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ascii_upper(a) == ascii_upper(b);
}

}  // namespace crossfade::schema
