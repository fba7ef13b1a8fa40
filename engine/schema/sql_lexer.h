// Splits SQLite's SQL into tokens, so that words inside strings, comments and quoted names are not
// taken for SQL. No grammar.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace crossfade::schema {

enum class TokenKind : uint8_t {
  kWord,    // a keyword or a bare name
  kQuoted,  // "name", [name] or `name`
  kString,  // 'text'
  kBlob,    // x'00ff'
  kNumber,
  kSymbol,  // one character of anything else
};

struct Token {
  TokenKind kind;
  std::string_view text;  // into the SQL, quotes included
};

// Views into `sql`, which must outlive them. An unterminated quote runs to the end.
[[nodiscard]] std::vector<Token> tokenize(std::string_view sql);

[[nodiscard]] bool is_word(const Token& token, std::string_view upper_case_word);
[[nodiscard]] bool is_symbol(const Token& token, char symbol);

// The name or text that a word, quoted name or string stands for.
[[nodiscard]] std::string meaning(const Token& token);

// The index of the ')' that closes the '(' at `open`, or tokens.size().
[[nodiscard]] size_t closing(const std::vector<Token>& tokens, size_t open);

}  // namespace crossfade::schema
