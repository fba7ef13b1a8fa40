#include "engine/schema/evidence_json.h"

#include <algorithm>

#include "engine/core/ascii.h"
#include "engine/schema/evidence_interest.h"

namespace crossfade::schema {
namespace {

constexpr size_t kNumberBytesMax = 1000;  // far below what numeric holds

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_json_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

// jsonb's order of keys: the shorter first.
bool key_before(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

void append_utf8(uint32_t code, std::string* out) {
  const auto put = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

uint32_t four_hex(std::string_view raw, size_t at) {
  uint32_t code = 0;
  for (size_t i = at; i < at + 4; ++i) code = code * 16 + static_cast<uint32_t>(hex_digit(raw[i]));
  return code;
}

// `raw` has been read as a JSON string.
std::string decode(std::string_view raw) {
  std::string out;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      out += raw[i];
      continue;
    }
    const char c = raw[++i];
    if (c != 'u') {
      const size_t control = std::string_view("bfnrt").find(c);
      out += control == std::string_view::npos ? c : "\b\f\n\r\t"[control];
      continue;
    }
    uint32_t code = four_hex(raw, i + 1);
    i += 4;
    const bool high = code >= 0xD800 && code < 0xDC00;
    if (high && i + 6 < raw.size() && raw[i + 1] == '\\' && raw[i + 2] == 'u') {
      const uint32_t low = four_hex(raw, i + 3);
      if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        i += 6;
      }
    }
    append_utf8(code, &out);
  }
  return out;
}

}  // namespace

JsonText JsonReader::read(std::string_view text) {
  lenient_ = false;
  out_ = JsonText{};
  out_.normal = true;
  if (!read_all(text)) return JsonText{};
  out_.valid = true;
  return out_;
}

bool JsonReader::is_json5(std::string_view text) {
  lenient_ = true;
  out_ = JsonText{};
  return read_all(text) && out_.document;
}

bool JsonReader::read_all(std::string_view text) {
  text_ = text;
  at_ = 0;
  depth_ = 0;
  keys_.clear();
  decoded_.clear();
  skip_spaces(false);
  out_.document = peek() == '{' || peek() == '[';
  if (!read_value()) return false;
  skip_spaces(false);
  return at_ == text_.size();
}

bool JsonReader::read_value() {
  std::string_view raw;
  bool escaped = false;
  switch (peek()) {
    case '{':
      return read_object();
    case '[':
      return read_array();
    case '"':
      return read_string('"', &raw, &escaped);
    case '\'':
      return lenient_ && read_string('\'', &raw, &escaped);
    case 't':
      return read_word("true");
    case 'f':
      return read_word("false");
    case 'n':
      return read_word("null");
    default:
      return lenient_ ? read_json5_number() : read_number();
  }
}

bool JsonReader::read_object() {
  if (++depth_ > kDepthMax) return false;
  ++at_;
  const size_t first_key = keys_.size();
  bool sorted = true;
  skip_spaces(false);
  while (peek() != '}') {
    if (!read_member()) return false;
    const size_t count = keys_.size() - first_key;
    if (count > 1) {
      out_.telling = true;
      sorted = sorted && !keys_.back().escaped &&
               key_before(keys_[keys_.size() - 2].raw, keys_.back().raw);
    } else if (keys_.back().escaped) {
      sorted = false;
    }
    skip_spaces(false);
    if (!take(',')) break;
    skip_spaces(true);
    if (peek() == '}' && !lenient_) return false;
  }
  if (!take('}')) return false;
  if (!sorted) {
    out_.normal = false;
    if (!lenient_) find_duplicates(first_key);
  }
  keys_.resize(first_key);
  --depth_;
  return true;
}

bool JsonReader::read_member() {
  Key key{};
  if (lenient_ && peek() == '\'') {
    if (!read_string('\'', &key.raw, &key.escaped)) return false;
  } else if (lenient_ && peek() != '"') {
    if (!read_bare_key()) return false;
  } else if (!read_string('"', &key.raw, &key.escaped)) {
    return false;
  }
  keys_.push_back(key);
  skip_spaces(false);
  if (!take(':')) return false;
  skip_spaces(true);
  return read_value();
}

bool JsonReader::read_array() {
  if (++depth_ > kDepthMax) return false;
  ++at_;
  skip_spaces(false);
  while (peek() != ']') {
    if (!read_value()) return false;
    skip_spaces(false);
    if (!take(',')) break;
    out_.telling = true;
    skip_spaces(true);
    if (peek() == ']' && !lenient_) return false;
  }
  if (!take(']')) return false;
  --depth_;
  return true;
}

bool JsonReader::read_string(char quote, std::string_view* raw, bool* escaped) {
  if (!take(quote)) return false;
  const size_t start = at_;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == quote) {
      *raw = text_.substr(start, at_ - start);
      ++at_;
      return true;
    }
    if (c == '\\') {
      *escaped = true;
      if (!read_escape()) return false;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      return false;
    } else {
      ++at_;
    }
  }
  return false;
}

bool JsonReader::read_escape() {
  ++at_;
  const char c = peek();
  if (at_ >= text_.size()) return false;
  if (c == 'u') return read_unicode_escape();
  ++at_;
  if (std::string_view("\"\\bfnrt").find(c) != std::string_view::npos) return true;
  out_.normal = false;
  return c == '/' || lenient_;
}

bool JsonReader::read_unicode_escape() {
  if (at_ + 5 > text_.size()) return false;
  const std::string_view digits = text_.substr(at_ + 1, 4);
  for (const char c : digits) {
    if (hex_digit(c) < 0) return false;
  }
  at_ += 5;
  const uint32_t code = four_hex(digits, 0);
  if (code == 0) out_.nul_escape = true;
  const bool short_form =
      code == '\b' || code == '\f' || code == '\n' || code == '\r' || code == '\t';
  const bool lower =
      std::none_of(digits.begin(), digits.end(), [](char c) { return c >= 'A' && c <= 'F'; });
  if (code == 0 || code >= 0x20 || short_form || !lower) out_.normal = false;
  return true;
}

bool JsonReader::read_digits() {
  const size_t start = at_;
  while (is_digit(peek())) ++at_;
  return at_ > start;
}

bool JsonReader::read_number() {
  const size_t start = at_;
  const bool negative = take('-');
  if (peek() == '0') {
    ++at_;
  } else if (!read_digits()) {
    return false;
  }
  if (take('.') && !read_digits()) return false;
  if (peek() == 'e' || peek() == 'E') {
    ++at_;
    if (peek() == '+' || peek() == '-') ++at_;
    if (!read_digits()) return false;
    out_.normal = false;  // numeric writes the zeros out
  }
  const std::string_view number = text_.substr(start, at_ - start);
  const bool zero = number.find_first_of("123456789") == std::string_view::npos;
  if ((negative && zero) || number.size() > kNumberBytesMax) out_.normal = false;
  return true;
}

bool JsonReader::read_json5_number() {
  if (peek() == '+' || peek() == '-') ++at_;
  if (peek() == 'I') return read_word("Infinity");
  if (peek() == 'N') return read_word("NaN");
  const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  if (peek() == '0' && (next == 'x' || next == 'X')) {
    at_ += 2;
    const size_t start = at_;
    while (hex_digit(peek()) >= 0) ++at_;
    return at_ > start;
  }
  const bool whole = read_digits();
  const bool fraction = take('.') && read_digits();
  if (!whole && !fraction) return false;
  if (peek() == 'e' || peek() == 'E') {
    ++at_;
    if (peek() == '+' || peek() == '-') ++at_;
    return read_digits();
  }
  return true;
}

bool JsonReader::read_word(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) return false;
  at_ += word.size();
  return at_ == text_.size() || !is_name_byte(text_[at_]);
}

bool JsonReader::read_bare_key() {
  const size_t start = at_;
  while (at_ < text_.size() && is_name_byte(text_[at_])) ++at_;
  return at_ > start && !is_digit(text_[start]);
}

bool JsonReader::skip_comment() {
  const std::string_view start = text_.substr(at_, 2);
  if (start != "//" && start != "/*") return false;
  const std::string_view end = start == "//" ? "\n" : "*/";
  const size_t found = text_.find(end, at_ + 2);
  at_ = found == std::string_view::npos ? text_.size() : found + end.size();
  return true;
}

void JsonReader::skip_spaces(bool one_expected) {
  const size_t start = at_;
  while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
  const size_t count = at_ - start;
  if (one_expected ? count != 1 || text_[start] != ' ' : count != 0) out_.normal = false;
  if (!lenient_) return;
  while (skip_comment()) {
    while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
  }
}

void JsonReader::find_duplicates(size_t first_key) {
  sorted_.clear();
  for (size_t i = first_key; i < keys_.size(); ++i) {
    std::string_view key = keys_[i].raw;
    if (keys_[i].escaped) key = decoded_.emplace_back(decode(key));
    sorted_.push_back(key);
  }
  std::sort(sorted_.begin(), sorted_.end());
  if (std::adjacent_find(sorted_.begin(), sorted_.end()) != sorted_.end()) {
    out_.duplicate_keys = true;
  }
}

void JsonEvidence::add(std::string_view text, bool broken, const Cell& cell, bool stubborn,
                       JsonReader* reader) {
  if (abandoned) return;
  const size_t first = text.find_first_not_of(" \t\r\n");
  const char lead = first == std::string_view::npos ? '\0' : text[first];
  // Only declared JSON may hold JSON's scalars: any number is one.
  if (!stubborn && lead != '{' && lead != '[') {
    cell.tally(&invalid);
    abandoned = lost_interest(documents, invalid.rows);
    return;
  }
  const JsonText json = broken ? JsonText{} : reader->read(text);
  if (!json.valid) {
    const bool lenient = !broken && reader->is_json5(text);
    cell.tally(lenient ? &json5 : &invalid);
    abandoned = !stubborn && lost_interest(documents, invalid.rows);
    return;
  }
  ++(json.document ? documents : scalars);
  normal += json.normal ? 1 : 0;
  telling += json.telling ? 1 : 0;
  if (json.duplicate_keys) cell.tally(&duplicate_keys);
  if (json.nul_escape) cell.tally(&nul_escapes);
}

}  // namespace crossfade::schema
