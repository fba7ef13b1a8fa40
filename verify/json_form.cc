#include "verify/json_form.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/limits.h"
#include "verify/utf8.h"

namespace crossfade::verify {
namespace {

constexpr size_t kLevelsMax = 256;
constexpr size_t kWholeDigitsMax = 131'072;  // numeric.c's limits
constexpr size_t kScaleMax = 16'383;

bool is_one_of(std::string_view set, char c) {
  return set.find(c) != std::string_view::npos;
}

// The length of the string that begins here, quotes included; 0: it is none.
size_t string_size(std::string_view text) {
  for (size_t at = 1; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') return at + 1;
    if (static_cast<unsigned char>(c) < 0x20) return 0;
    if (c != '\\') continue;
    if (++at == text.size()) return 0;
    if (is_one_of("\"\\/bfnrt", text[at])) continue;
    if (text[at] != 'u') return 0;
    for (int digit = 0; digit < 4; ++digit) {
      if (++at == text.size() || !is_one_of("0123456789abcdefABCDEF", text[at])) return 0;
    }
  }
  return 0;
}

size_t digits_size(std::string_view text) {
  const size_t end = text.find_first_not_of("0123456789");
  return end == std::string_view::npos ? text.size() : end;
}

size_t number_size(std::string_view text) {
  size_t at = text.front() == '-' ? 1 : 0;
  const size_t whole = digits_size(text.substr(at));
  if (whole == 0 || (whole > 1 && text[at] == '0')) return 0;
  at += whole;
  if (at < text.size() && text[at] == '.') {
    const size_t fraction = digits_size(text.substr(at + 1));
    if (fraction == 0) return 0;
    at += 1 + fraction;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const size_t power = digits_size(text.substr(at));
    if (power == 0) return 0;
    at += power;
  }
  return at;
}

size_t token_size(std::string_view text) {
  const char c = text.front();
  if (is_one_of("{}[],:", c)) return 1;
  if (c == '"') return string_size(text);
  for (const std::string_view word : {"true", "false", "null"}) {
    if (text.substr(0, word.size()) == word) return word.size();
  }
  return number_size(text);
}

// What a string token says, when jsonb would print it as this very token.
std::optional<std::string> printed_alike(std::string_view token) {
  constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
  constexpr std::string_view kShortNames = "\"\\bfnrt";
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string meaning;
  const std::string_view inside = token.substr(1, token.size() - 2);
  for (size_t at = 0; at < inside.size(); ++at) {
    if (inside[at] != '\\') {
      meaning.push_back(inside[at]);
    } else if (const size_t named = kShortNames.find(inside[++at]);
               named != std::string_view::npos) {
      meaning.push_back(kShort[named]);
    } else if (inside[at] == 'u' && inside.substr(at + 1, 2) == "00") {
      const size_t high = kHex.find(inside[at + 3]);
      const size_t low = kHex.find(inside[at + 4]);
      if (high > 1 || low == std::string_view::npos) return std::nullopt;
      meaning.push_back(static_cast<char>(high * 16 + low));
      if (meaning.back() == '\0' || is_one_of(kShort, meaning.back())) return std::nullopt;
      at += 4;
    } else {
      return std::nullopt;
    }
  }
  return meaning;
}

bool number_printed_alike(std::string_view token) {
  if (token.find_first_of("eE") != std::string_view::npos) return false;
  const bool zero = token.find_first_of("123456789") == std::string_view::npos;
  if (zero && token.front() == '-') return false;
  const size_t point = std::min(token.find('.'), token.size());
  return point <= kWholeDigitsMax && token.size() - point <= kScaleMax + 1;
}

// Takes one token after the other and knows what may come next. No recursion.
class Grammar {
 public:
  explicit Grammar(bool jsonb) : jsonb_(jsonb) {}

  bool take(std::string_view token) {
    const char c = token.front();
    if (c == ',' || c == ':') return take_separator(c);
    if (c == '}' || c == ']') return close(c);
    if (expect_ == Expect::kKey || expect_ == Expect::kKeyOrEnd) return c == '"' && take_key(token);
    if (expect_ != Expect::kValue && expect_ != Expect::kValueOrEnd) return false;
    if (c == '{' || c == '[') return open(c);
    expect_ = Expect::kSeparator;
    if (!jsonb_ || is_one_of("tfn", c)) return true;
    return c == '"' ? printed_alike(token).has_value() : number_printed_alike(token);
  }

  [[nodiscard]] bool done() const { return levels_.empty() && expect_ == Expect::kSeparator; }

 private:
  enum class Expect : uint8_t { kValue, kValueOrEnd, kKey, kKeyOrEnd, kColon, kSeparator };
  struct Level {
    bool object;
    std::optional<std::string> key;  // the last one
  };

  bool open(char c) {
    if (levels_.size() == kLevelsMax) return false;
    levels_.push_back({c == '{', std::nullopt});
    expect_ = c == '{' ? Expect::kKeyOrEnd : Expect::kValueOrEnd;
    return true;
  }

  bool close(char c) {
    if (levels_.empty() || levels_.back().object != (c == '}')) return false;
    const Expect empty = c == '}' ? Expect::kKeyOrEnd : Expect::kValueOrEnd;
    if (expect_ != Expect::kSeparator && expect_ != empty) return false;
    levels_.pop_back();
    expect_ = Expect::kSeparator;
    return true;
  }

  bool take_separator(char c) {
    if (c == ':') {
      if (expect_ != Expect::kColon) return false;
      expect_ = Expect::kValue;
      return true;
    }
    if (expect_ != Expect::kSeparator || levels_.empty()) return false;
    expect_ = levels_.back().object ? Expect::kKey : Expect::kValue;
    return true;
  }

  bool take_key(std::string_view token) {
    expect_ = Expect::kColon;
    if (!jsonb_) return true;
    auto key = printed_alike(token);
    if (!key) return false;
    std::optional<std::string>& last = levels_.back().key;
    if (last && std::pair(key->size(), *key) <= std::pair(last->size(), *last)) return false;
    last = std::move(key);
    return true;
  }

  const bool jsonb_;
  Expect expect_ = Expect::kValue;
  std::vector<Level> levels_;
};

bool follows(std::string_view text, bool jsonb) {
  Grammar grammar(jsonb);
  char before = '\0';
  while (true) {
    const size_t space = std::min(text.find_first_not_of(" \t\r\n"), text.size());
    const bool one = before == ',' || before == ':';
    if (jsonb && text.substr(0, space) != (one ? " " : "")) return false;
    text.remove_prefix(space);
    if (text.empty()) return grammar.done();
    const size_t size = token_size(text);
    if (size == 0 || !grammar.take(text.substr(0, size))) return false;
    before = text.front();
    text.remove_prefix(size);
  }
}

}  // namespace

bool is_json_text(std::string_view text) {
  return is_storable_text(text) && follows(text, false);
}

bool is_jsonb_text(std::string_view text) {
  return text.size() <= limits::kPgJsonbStringBytesMax && is_storable_text(text) &&
         follows(text, true);
}

}  // namespace crossfade::verify
