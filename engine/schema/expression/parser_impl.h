// The recursive descent behind parser.h; the methods are in parser_*.cc by what they parse.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/schema/expression/lexeme.h"
#include "engine/schema/expression/outcome.h"
#include "engine/schema/expression/parser.h"
#include "engine/schema/expression/syntax.h"

namespace crossfade::schema::expression {

// From loose to tight, as in SQLite's parse.y.
enum class Precedence : int {
  kOr,
  kAnd,
  kNot,
  kEquality,  // = <> IS IN LIKE BETWEEN ISNULL ...
  kOrder,     // < <= > >=
  kBits,      // & | << >>
  kSum,
  kProduct,
  kConcat,  // || -> ->>
  kCollate,
  kUnary,
};

class Parser {
 public:
  Parser(std::string_view sql, std::vector<Lexeme> lexemes)
      : sql_(sql), lexemes_(std::move(lexemes)) {}

  Outcome<ExprPtr> expression(Precedence least = Precedence::kOr);
  Outcome<std::unique_ptr<Select>> select();
  Outcome<CreateView> create_view();
  Outcome<bool> expect_end();

 private:
  // parser.cc: tokens and nodes.
  [[nodiscard]] const Lexeme& peek(size_t ahead = 0) const;
  const Lexeme& take();
  [[nodiscard]] bool at_word(std::string_view word, size_t ahead = 0) const;
  [[nodiscard]] bool at(std::string_view op, size_t ahead = 0) const;
  bool accept_word(std::string_view word);
  bool accept(std::string_view op);
  Outcome<bool> expect_word(std::string_view word);
  Outcome<bool> expect(std::string_view op);
  Outcome<std::string> name(const char* what);
  [[nodiscard]] bool at_name() const;
  ExprPtr node(ExprKind kind, size_t offset, std::string text = {}) const;
  // Sets length and height of a node whose parts have all been read.
  Outcome<ExprPtr> finish(ExprPtr expr) const;

  // parser_expression.cc
  Outcome<ExprPtr> infix(ExprPtr left, Precedence least, bool* more);
  Outcome<ExprPtr> binary(ExprPtr left, std::string op, Precedence right);
  Outcome<ExprPtr> equality(ExprPtr left);
  Outcome<ExprPtr> negatable(ExprPtr left);
  Outcome<ExprPtr> in_list(ExprPtr left, bool negated);
  Outcome<ExprPtr> is(ExprPtr left);
  Outcome<ExprPtr> primary();
  Outcome<ExprPtr> parenthesis();
  Outcome<ExprPtr> keyword_primary();
  Outcome<ExprPtr> case_expression();
  Outcome<ExprPtr> cast();
  Outcome<ExprPtr> named();
  Outcome<ExprPtr> call();
  Outcome<bool> call_tail(Expr* call);
  Outcome<bool> list(std::vector<ExprPtr>* out);
  Outcome<bool> skip_parentheses();

  // parser_select.cc
  Outcome<bool> with(Select* out);
  Outcome<SelectCore> core();
  Outcome<bool> result_column(SelectCore* out);
  Outcome<bool> from(SelectCore* out);
  Outcome<bool> source(Source* out);
  Outcome<bool> constraint(Source* out);
  Outcome<bool> join(Source* out, bool* more);
  Outcome<bool> order_by(std::vector<OrderTerm>* out);
  Outcome<bool> tail(Select* out);
  Outcome<std::string> alias(bool* there);

  std::string_view sql_;
  std::vector<Lexeme> lexemes_;
  size_t next_ = 0;
  int depth_ = 0;
};

}  // namespace crossfade::schema::expression
