#include "engine/schema/create_table_clauses.h"

#include <algorithm>
#include <string_view>

#include "engine/schema/sql_lexer.h"

namespace crossfade::schema {
namespace {

bool begins_table_constraint(const Token& token) {
  for (const char* word : {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}) {
    if (is_word(token, word)) return true;
  }
  return false;
}

std::string text_between(const Token& first, const Token& last) {
  const char* end = last.text.data() + last.text.size();
  return std::string(first.text.data(), static_cast<size_t>(end - first.text.data()));
}

}  // namespace

CreateTableClauses parse_clauses(const std::string& create_table_sql) {
  CreateTableClauses out;
  const std::vector<Token> tokens = tokenize(create_table_sql);
  size_t i = 0;
  while (i < tokens.size() && !is_symbol(tokens[i], '(')) ++i;
  const size_t body_end = i < tokens.size() ? closing(tokens, i) : i;
  std::string column;
  bool item_start = true;
  for (++i; i < body_end; ++i) {
    if (item_start) {
      column = begins_table_constraint(tokens[i]) ? std::string() : meaning(tokens[i]);
      item_start = false;
      if (!column.empty()) continue;
    }
    const bool opens = i + 1 < body_end && is_symbol(tokens[i + 1], '(');
    if (opens && (is_word(tokens[i], "CHECK") || is_word(tokens[i], "AS"))) {
      const size_t end = std::min(closing(tokens, i + 1), body_end - 1);
      auto& clauses = is_word(tokens[i], "CHECK") ? out.checks : out.generated;
      clauses.push_back(Clause{column, text_between(tokens[i], tokens[end])});
      i = end;
    } else if (is_symbol(tokens[i], '(')) {
      i = closing(tokens, i);
    } else if (is_symbol(tokens[i], ',')) {
      item_start = true;
    } else if (is_word(tokens[i], "ON") && i + 2 < body_end && is_word(tokens[i + 1], "CONFLICT")) {
      out.conflicts.push_back(Clause{column, text_between(tokens[i], tokens[i + 2])});
      i += 2;
    }
  }
  return out;
}

std::string virtual_table_module(const std::string& create_sql) {
  const std::vector<Token> tokens = tokenize(create_sql);
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (is_word(tokens[i], "USING")) return meaning(tokens[i + 1]);
  }
  return {};
}

}  // namespace crossfade::schema
