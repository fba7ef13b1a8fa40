// Promise: any bytes are split into tokens that lie in the SQL one after the other, and read for
// the clauses of a CREATE TABLE.
#include "engine/schema/create_table_clauses.h"
#include "engine/schema/expression/lexeme.h"
#include "engine/schema/sql_lexer.h"
#include "tests/fuzz/input.h"

using namespace crossfade;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view sql = fuzz::Input(data, size).rest();
  const auto tokens = schema::tokenize(sql);
  const char* at = sql.data();
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view text = tokens[i].text;
    fuzz::require(
        !text.empty() && text.data() >= at && text.data() + text.size() <= sql.data() + sql.size(),
        "tokens lie in the SQL, in order");
    at = text.data() + text.size();
    fuzz::require(schema::meaning(tokens[i]).size() <= text.size(), "a meaning is no longer");
    const bool open = schema::is_symbol(tokens[i], '(');
    if (open && i < 64) {
      const size_t close = schema::closing(tokens, i);
      fuzz::require(close == tokens.size() || (close > i && schema::is_symbol(tokens[close], ')')),
                    "what closes a parenthesis is one");
    }
  }
  for (const auto& key : schema::parse_clauses(std::string(sql)).keys) {
    for (const std::string& column : key.columns) {
      fuzz::require(column.size() <= sql.size(), "a column's name is in the SQL");
    }
  }
  const auto lexemes = schema::expression::lex(sql);
  if (!lexemes) {
    fuzz::require(lexemes.error().offset <= sql.size() && !lexemes.error().reason.empty(),
                  "a refusal says where and why");
    return 0;
  }
  size_t offset = 0;
  for (const auto& lexeme : lexemes.value()) {
    fuzz::require(lexeme.offset >= offset && lexeme.offset + lexeme.text.size() <= sql.size(),
                  "lexemes lie in the SQL, in order");
    offset = lexeme.offset + lexeme.text.size();
  }
  fuzz::require(lexemes.value().back().kind == schema::expression::LexemeKind::kEnd,
                "the last lexeme is the end");
  return 0;
}
