#include "apply/json_text.h"

#include <cstddef>
#include <string>

#include "apply/variant.h"
#include "engine/core/ascii.h"
#include "engine/core/limits.h"

namespace crossfade::apply {
namespace {

constexpr int kDepthMax = 256;
// numeric.c's: digits before and after the point.
constexpr size_t kWholeDigitsMax = 131'072;
constexpr size_t kScaleMax = 16'383;

bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Recursive descent, one pass, over text that is known to be UTF-8 without NUL.
class Reader {
 public:
  // `exact`: in jsonb's spelling only.
  Reader(std::string_view text, bool exact) : text_(text), exact_(exact) {}

  bool read() {
    skip_space();
    if (!value()) return false;
    skip_space();
    return at_ == text_.size();
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void skip_space() {
    if (exact_) return;
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
  }
  // What stands between two members, and between a key and its value.
  bool comma() { return exact_ ? take(", ") : take(','); }
  bool colon() { return exact_ ? take(": ") : take(':'); }

  bool value() {
    switch (peek()) {
      case '{':
        return nested('}', [this] { return object(); });
      case '[':
        return nested(']', [this] { return array(); });
      case '"':
        return string(nullptr);
      case 't':
        return take("true");
      case 'f':
        return take("false");
      case 'n':
        return take("null");
      default:
        return number();
    }
  }

  template <typename Members>
  bool nested(char closing, Members members) {
    ++at_;
    if (++depth_ > kDepthMax) return false;
    skip_space();
    if (!take(closing) && !(members() && take(closing))) return false;
    --depth_;
    return true;
  }

  bool array() {
    do {
      skip_space();
      if (!value()) return false;
      skip_space();
    } while (comma());
    return true;
  }

  bool object() {
    std::string before;
    std::string key;
    for (bool first = true; first || comma(); first = false) {
      skip_space();
      key.clear();
      if (!string(exact_ ? &key : nullptr)) return false;
      if (exact_ && !first && !in_order(before, key)) return false;
      before.swap(key);
      skip_space();
      if (!colon()) return false;
      skip_space();
      if (!value()) return false;
      skip_space();
    }
    return true;
  }

  static bool in_order(const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  }

  // `decoded`: gets what the string says, which is only asked for in the exact spelling.
  bool string(std::string* decoded) {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        if (decoded != nullptr) decoded->push_back(c);
      } else if (!escape(decoded)) {
        return false;
      }
    }
    return false;
  }

  bool escape(std::string* decoded) {
    constexpr std::string_view kNames = "\"\\bfnrt";
    constexpr std::string_view kMeant = "\"\\\b\f\n\r\t";
    const char c = peek();
    ++at_;
    if (const size_t i = kNames.find(c); i != std::string_view::npos) {
      if (decoded != nullptr) decoded->push_back(kMeant[i]);
      return true;
    }
    if (c == '/') return !exact_;
    if (c != 'u' || text_.size() - at_ < 4) return false;
    const std::string_view digits = text_.substr(at_, 4);
    at_ += 4;
    for (const char digit : digits) {
      if (!is_hex(digit)) return false;
    }
    return !exact_ || exact_control(digits, decoded);
  }

  // "001f": a control character without a name, in lower case; and not NUL.
  static bool exact_control(std::string_view digits, std::string* decoded) {
    if (digits[0] != '0' || digits[1] != '0' || (digits[2] != '0' && digits[2] != '1'))
      return false;
    if (!is_digit(digits[3]) && !(digits[3] >= 'a' && digits[3] <= 'f')) return false;
    const int low = is_digit(digits[3]) ? digits[3] - '0' : digits[3] - 'a' + 10;
    const auto c = static_cast<char>((digits[2] - '0') * 16 + low);
    if (std::string_view("\b\f\n\r\t").find(c) != std::string_view::npos || c == 0) return false;
    if (decoded != nullptr) decoded->push_back(c);
    return true;
  }

  size_t digits() {
    const size_t begin = at_;
    while (is_digit(peek())) ++at_;
    return at_ - begin;
  }

  bool number() {
    const size_t begin = at_;
    const bool negative = take('-');
    const bool leading_zero = peek() == '0';
    const size_t whole = digits();
    if (whole == 0 || (leading_zero && whole > 1)) return false;
    size_t scale = 0;
    if (take('.')) {
      scale = digits();
      if (scale == 0) return false;
    }
    if (exact_) {
      const std::string_view said = text_.substr(begin, at_ - begin);
      if (negative && said.find_first_of("123456789") == std::string_view::npos) return false;
      return whole <= kWholeDigitsMax && scale <= kScaleMax;
    }
    if (take('e') || take('E')) {
      if (!take('+')) (void)take('-');
      if (digits() == 0) return false;
    }
    return true;
  }

  std::string_view text_;
  bool exact_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

bool is_json(std::string_view text) {
  return text.size() <= limits::kPgFieldBytesMax && is_target_text(text) &&
         Reader(text, false).read();
}

bool is_jsonb_spelling(std::string_view text) {
  return text.size() <= limits::kPgJsonbStringBytesMax && is_target_text(text) &&
         Reader(text, true).read();
}

}  // namespace crossfade::apply
