#include "engine/schema/sql_lexer.h"

#include <algorithm>

#include "engine/core/ascii.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
// SQLite takes every byte above ASCII for a letter.
bool is_word_byte(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

// The end of a quoted stretch that starts at `begin`; a doubled quote does not end it.
size_t quoted_end(std::string_view sql, size_t begin) {
  const char close = sql[begin] == '[' ? ']' : sql[begin];
  for (size_t i = begin + 1; i < sql.size(); ++i) {
    if (sql[i] != close) continue;
    if (close != ']' && i + 1 < sql.size() && sql[i + 1] == close) {
      ++i;
      continue;
    }
    return i + 1;
  }
  return sql.size();
}

// The end of white space and comments.
size_t skip_blank(std::string_view sql, size_t i) {
  while (i < sql.size()) {
    if (is_space(sql[i])) {
      ++i;
    } else if (sql.substr(i, 2) == "--") {
      i = std::min(sql.size(), sql.find('\n', i));
    } else if (sql.substr(i, 2) == "/*") {
      const size_t end = sql.find("*/", i + 2);
      i = end == std::string_view::npos ? sql.size() : end + 2;
    } else {
      break;
    }
  }
  return i;
}

size_t number_end(std::string_view sql, size_t i) {
  const bool hexadecimal = i < sql.size() && (sql[i] == 'x' || sql[i] == 'X');  // 0xe+1 is a sum
  while (i < sql.size() && (is_word_byte(sql[i]) || sql[i] == '.' ||
                            (!hexadecimal && (sql[i] == '+' || sql[i] == '-') &&
                             (sql[i - 1] == 'e' || sql[i - 1] == 'E') && i + 1 < sql.size() &&
                             is_digit(sql[i + 1])))) {
    ++i;
  }
  return i;
}

}  // namespace

std::vector<Token> tokenize(std::string_view sql) {
  std::vector<Token> tokens;
  for (size_t i = skip_blank(sql, 0); i < sql.size(); i = skip_blank(sql, i)) {
    const char c = sql[i];
    const char next = i + 1 < sql.size() ? sql[i + 1] : '\0';
    TokenKind kind = TokenKind::kSymbol;
    size_t end = i + 1;
    if (c == '\'') {
      kind = TokenKind::kString;
      end = quoted_end(sql, i);
    } else if (c == '"' || c == '`' || c == '[') {
      kind = TokenKind::kQuoted;
      end = quoted_end(sql, i);
    } else if ((c == 'x' || c == 'X') && next == '\'') {
      kind = TokenKind::kBlob;
      end = quoted_end(sql, i + 1);
    } else if (is_digit(c) || (c == '.' && is_digit(next))) {
      kind = TokenKind::kNumber;
      end = number_end(sql, i + 1);
    } else if (is_word_byte(c)) {
      kind = TokenKind::kWord;
      while (end < sql.size() && is_word_byte(sql[end])) ++end;
    }
    tokens.push_back(Token{kind, sql.substr(i, end - i)});
    i = end;
  }
  return tokens;
}

bool is_word(const Token& token, std::string_view upper_case_word) {
  return token.kind == TokenKind::kWord && same_name(token.text, upper_case_word);
}

bool is_symbol(const Token& token, char symbol) {
  return token.kind == TokenKind::kSymbol && token.text.front() == symbol;
}

std::string meaning(const Token& token) {
  if (token.kind != TokenKind::kQuoted && token.kind != TokenKind::kString) {
    return std::string(token.text);
  }
  const char close = token.text.front() == '[' ? ']' : token.text.front();
  std::string out;
  for (size_t i = 1; i < token.text.size(); ++i) {
    if (token.text[i] == close) {
      if (i + 1 >= token.text.size()) break;
      ++i;  // the second of a doubled quote
    }
    out += token.text[i];
  }
  return out;
}

size_t closing(const std::vector<Token>& tokens, size_t open) {
  int depth = 0;
  for (size_t i = open; i < tokens.size(); ++i) {
    if (is_symbol(tokens[i], '(')) ++depth;
    if (is_symbol(tokens[i], ')') && --depth == 0) return i;
  }
  return tokens.size();
}

}  // namespace crossfade::schema
