// SQLite's tokens as its grammar sees them: operators whole, numbers and blobs checked.
//
// Built on engine/schema/sql_lexer, which only finds where strings, names and comments end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/schema/expression/outcome.h"

namespace crossfade::schema::expression {

enum class LexemeKind : uint8_t {
  kWord,    // a keyword or a bare name
  kQuoted,  // "name", [name] or `name`
  kString,
  kBlob,
  kInteger,  // also hexadecimal
  kReal,
  kOperator,  // "(", "->>", "||", ...
  kEnd,
};

struct Lexeme {
  LexemeKind kind = LexemeKind::kEnd;
  std::string_view text;  // quotes included
  size_t offset = 0;
  std::string meaning;  // the name or the text, without quotes
};

// All tokens and a kEnd. Views into `sql`, which must outlive them. Refused: what SQLite's
// tokenizer refuses, and parameters (?1, :a, @a, $a).
[[nodiscard]] Outcome<std::vector<Lexeme>> lex(std::string_view sql);

// Keywords that SQLite never takes for a name unless quoted.
[[nodiscard]] bool is_reserved(std::string_view word);

}  // namespace crossfade::schema::expression
