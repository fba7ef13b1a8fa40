#include "engine/schema/expression/parser.h"

#include <algorithm>

#include "engine/core/limits.h"
#include "engine/schema/expression/parser_impl.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {

const Lexeme& Parser::peek(size_t ahead) const {
  return lexemes_[std::min(next_ + ahead, lexemes_.size() - 1)];
}

const Lexeme& Parser::take() {
  const Lexeme& lexeme = peek();
  if (next_ + 1 < lexemes_.size()) ++next_;
  return lexeme;
}

bool Parser::at_word(std::string_view word, size_t ahead) const {
  return peek(ahead).kind == LexemeKind::kWord && same_name(peek(ahead).text, word);
}

bool Parser::at(std::string_view op, size_t ahead) const {
  return peek(ahead).kind == LexemeKind::kOperator && peek(ahead).text == op;
}

bool Parser::accept_word(std::string_view word) {
  if (!at_word(word)) return false;
  take();
  return true;
}

bool Parser::accept(std::string_view op) {
  if (!at(op)) return false;
  take();
  return true;
}

Outcome<bool> Parser::expect_word(std::string_view word) {
  if (accept_word(word)) return true;
  return refuse(peek().offset, peek().text.size(),
                "a syntax error: " + std::string(word) + " is missing here");
}

Outcome<bool> Parser::expect(std::string_view op) {
  if (accept(op)) return true;
  return refuse(peek().offset, peek().text.size(),
                "a syntax error: " + std::string(op) + " is missing here");
}

Outcome<bool> Parser::expect_end() {
  accept(";");
  if (peek().kind == LexemeKind::kEnd) return true;
  return refuse(peek().offset, peek().text.size(), "a syntax error: the SQL should end here");
}

bool Parser::at_name() const {
  const Lexeme& lexeme = peek();
  return lexeme.kind == LexemeKind::kQuoted || lexeme.kind == LexemeKind::kString ||
         (lexeme.kind == LexemeKind::kWord && !is_reserved(lexeme.text));
}

Outcome<std::string> Parser::name(const char* what) {
  if (at_name()) return take().meaning;
  return refuse(peek().offset, peek().text.size(),
                std::string("a syntax error: ") + what + " is missing here");
}

ExprPtr Parser::node(ExprKind kind, size_t offset, std::string text) const {
  auto out = std::make_unique<Expr>();
  out->kind = kind;
  out->text = std::move(text);
  out->offset = offset;
  return out;
}

Outcome<ExprPtr> Parser::finish(ExprPtr expr) const {
  const Lexeme& last = lexemes_[next_ == 0 ? 0 : next_ - 1];
  expr->length = last.offset + last.text.size() - expr->offset;
  for (const ExprPtr& child : expr->children) {
    expr->height = std::max(expr->height, child->height + 1);
  }
  if (expr->filter) expr->height = std::max(expr->height, expr->filter->height + 1);
  if (expr->select) expr->height = std::max(expr->height, expr->select->height + 1);
  if (expr->height > limits::kExpressionHeightMax) {
    return refuse(expr->offset, expr->length, "it is nested too deep");
  }
  return expr;
}

Outcome<ExprPtr> parse_expression(std::string_view sql) {
  CROSSFADE_TRY(auto lexemes, lex(sql));
  Parser parser(sql, std::move(lexemes));
  CROSSFADE_TRY(auto out, parser.expression());
  CROSSFADE_TRY(parser.expect_end());
  return out;
}

Outcome<CreateView> parse_create_view(std::string_view sql) {
  CROSSFADE_TRY(auto lexemes, lex(sql));
  Parser parser(sql, std::move(lexemes));
  CROSSFADE_TRY(auto out, parser.create_view());
  CROSSFADE_TRY(parser.expect_end());
  return out;
}

}  // namespace crossfade::schema::expression
