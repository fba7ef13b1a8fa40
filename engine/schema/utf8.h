// What PostgreSQL's text can hold, and how to show what it cannot.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace crossfade::schema {

struct TextFlaws {
  bool nul = false;      // a zero byte, which PostgreSQL's text refuses
  bool invalid = false;  // not UTF-8: overlong forms, surrogates and stray bytes included
};

// One pass; text that is plain ASCII costs an eighth of a step per byte.
[[nodiscard]] TextFlaws find_flaws(std::string_view text);

// `text` with each byte that is not part of valid UTF-8 written as \xNN; with `controls`, control
// characters too. The result is always valid UTF-8.
[[nodiscard]] std::string printable(std::string_view text, bool controls = true);

// The longest prefix of at most `bytes_max` bytes that does not split a character.
[[nodiscard]] std::string_view prefix(std::string_view text, size_t bytes_max);

// ASCII only, as SQLite compares names.
[[nodiscard]] std::string ascii_upper(std::string_view text);
[[nodiscard]] bool same_name(std::string_view a, std::string_view b);

}  // namespace crossfade::schema
