#include "engine/schema/expression/lexeme.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "engine/core/ascii.h"
#include "engine/schema/sql_lexer.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

// Longest first.
constexpr std::array<std::string_view, 10> kOperators = {
    "->>", "->", "||", "<<", "<=", "<>", ">>", ">=", "==", "!="};

bool is_hex(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0;
}

size_t digits(std::string_view text, size_t from) {
  while (from < text.size() && is_digit(text[from])) ++from;
  return from;
}

// kInteger, kReal, or kEnd for what is no number.
LexemeKind number_kind(std::string_view text) {
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    const auto rest = text.substr(2);
    return std::all_of(rest.begin(), rest.end(), is_hex) ? LexemeKind::kInteger : LexemeKind::kEnd;
  }
  size_t i = digits(text, 0);
  bool real = false;
  if (i < text.size() && text[i] == '.') {
    real = true;
    i = digits(text, i + 1);
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    real = true;
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    const size_t end = digits(text, i);
    if (end == i) return LexemeKind::kEnd;
    i = end;
  }
  if (i != text.size()) return LexemeKind::kEnd;
  return real ? LexemeKind::kReal : LexemeKind::kInteger;
}

bool whole_blob(std::string_view text) {
  if (text.size() < 3 || text.back() != '\'' || text.size() % 2 == 0) return false;
  const auto inside = text.substr(2, text.size() - 3);
  return std::all_of(inside.begin(), inside.end(), is_hex);
}

bool closed(const Token& token) {
  const char close = token.text.front() == '[' ? ']' : token.text.front();
  if (token.text.size() < 2 || token.text.back() != close) return false;
  if (close == ']') return true;
  // 'a'' ends in a doubled quote, which closes nothing.
  const auto inside = token.text.substr(1, token.text.size() - 2);
  return std::count(inside.begin(), inside.end(), close) % 2 == 0;
}

std::string_view operator_at(std::string_view sql, size_t offset) {
  for (const std::string_view each : kOperators) {
    if (sql.substr(offset, each.size()) == each) return each;
  }
  return sql.substr(offset, 1);
}

Outcome<Lexeme> lex_one(std::string_view sql, const Token& token) {
  Lexeme out{
      LexemeKind::kWord, token.text, static_cast<size_t>(token.text.data() - sql.data()), {}};
  const auto wrong = [&](const char* what) { return refuse(out.offset, out.text.size(), what); };
  switch (token.kind) {
    case TokenKind::kWord:
      if (token.text.front() == '$') return wrong("it holds a parameter");
      break;
    case TokenKind::kQuoted:
    case TokenKind::kString:
      if (!closed(token)) return wrong("a quote is not closed");
      out.kind = token.kind == TokenKind::kString ? LexemeKind::kString : LexemeKind::kQuoted;
      break;
    case TokenKind::kBlob:
      if (!whole_blob(token.text)) return wrong("it is no blob literal");
      out.kind = LexemeKind::kBlob;
      return out;
    case TokenKind::kNumber:
      out.kind = number_kind(token.text);
      if (out.kind == LexemeKind::kEnd) return wrong("it is no number");
      return out;
    case TokenKind::kSymbol:
      if (std::string_view("?:@#").find(token.text.front()) != std::string_view::npos) {
        return wrong("it holds a parameter");
      }
      if (std::string_view("()[],.;+-*/%&|<>=!~").find(token.text.front()) ==
          std::string_view::npos) {
        return wrong("SQLite has no such token");
      }
      out.kind = LexemeKind::kOperator;
      out.text = operator_at(sql, out.offset);
      if (out.text == "!") return wrong("SQLite has no such token");
      return out;
  }
  out.meaning = meaning(token);
  return out;
}

}  // namespace

Outcome<std::vector<Lexeme>> lex(std::string_view sql) {
  std::vector<Lexeme> out;
  size_t taken = 0;  // tokens that begin before this are parts of an operator
  for (const Token& token : tokenize(sql)) {
    if (static_cast<size_t>(token.text.data() - sql.data()) < taken) continue;
    CROSSFADE_TRY(auto lexeme, lex_one(sql, token));
    taken = lexeme.offset + lexeme.text.size();
    out.push_back(std::move(lexeme));
  }
  out.push_back(Lexeme{LexemeKind::kEnd, sql.substr(sql.size()), sql.size(), {}});
  return out;
}

bool is_reserved(std::string_view word) {
  static constexpr std::array<std::string_view, 58> kReserved = {
      "ADD",     "ALL",        "ALTER",       "AND",     "AS",       "AUTOINCREMENT",
      "BETWEEN", "CASE",       "CHECK",       "COLLATE", "COMMIT",   "CONSTRAINT",
      "CREATE",  "DEFAULT",    "DEFERRABLE",  "DELETE",  "DISTINCT", "DROP",
      "ELSE",    "ESCAPE",     "EXCEPT",      "EXISTS",  "FOREIGN",  "FROM",
      "GROUP",   "HAVING",     "IN",          "INDEX",   "INSERT",   "INTERSECT",
      "INTO",    "IS",         "ISNULL",      "JOIN",    "LIMIT",    "NOT",
      "NOTHING", "NOTNULL",    "NULL",        "ON",      "OR",       "ORDER",
      "PRIMARY", "REFERENCES", "RETURNING",   "SELECT",  "SET",      "TABLE",
      "THEN",    "TO",         "TRANSACTION", "UNION",   "UNIQUE",   "UPDATE",
      "USING",   "VALUES",     "WHEN",        "WHERE"};
  const std::string upper = ascii_upper(word);
  return std::find(kReserved.begin(), kReserved.end(), upper) != kReserved.end();
}

}  // namespace crossfade::schema::expression
