#include <array>
#include <optional>
#include <utility>

#include "engine/core/limits.h"
#include "engine/schema/expression/parser_impl.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

struct Infix {
  std::string_view text;
  const char* means;
  Precedence precedence;
};
constexpr std::array<Infix, 20> kInfix = {{
    {"=", "=", Precedence::kEquality},   {"==", "=", Precedence::kEquality},
    {"<>", "<>", Precedence::kEquality}, {"!=", "<>", Precedence::kEquality},
    {"<", "<", Precedence::kOrder},      {"<=", "<=", Precedence::kOrder},
    {">", ">", Precedence::kOrder},      {">=", ">=", Precedence::kOrder},
    {"&", "&", Precedence::kBits},       {"|", "|", Precedence::kBits},
    {"<<", "<<", Precedence::kBits},     {">>", ">>", Precedence::kBits},
    {"+", "+", Precedence::kSum},        {"-", "-", Precedence::kSum},
    {"*", "*", Precedence::kProduct},    {"/", "/", Precedence::kProduct},
    {"%", "%", Precedence::kProduct},    {"||", "||", Precedence::kConcat},
    {"->", "->", Precedence::kConcat},   {"->>", "->>", Precedence::kConcat},
}};

Precedence above(Precedence precedence) {
  return static_cast<Precedence>(static_cast<int>(precedence) + 1);
}

bool is_like(const Lexeme& lexeme) {
  for (const char* word : {"LIKE", "GLOB", "REGEXP", "MATCH"}) {
    if (lexeme.kind == LexemeKind::kWord && same_name(lexeme.text, word)) return true;
  }
  return false;
}

}  // namespace

Outcome<ExprPtr> Parser::expression(Precedence least) {
  if (++depth_ > limits::kExpressionHeightMax) {
    return refuse(peek().offset, peek().text.size(), "it is nested too deep");
  }
  CROSSFADE_TRY(auto left, primary());
  for (bool more = true; more;) {
    CROSSFADE_TRY(left, infix(std::move(left), least, &more));
  }
  --depth_;
  return left;
}

Outcome<ExprPtr> Parser::infix(ExprPtr left, Precedence least, bool* more) {
  const Lexeme& token = peek();
  if (token.kind == LexemeKind::kOperator) {
    for (const Infix& each : kInfix) {
      if (each.text != token.text || each.precedence < least) continue;
      take();
      return binary(std::move(left), each.means, above(each.precedence));
    }
  } else if (at_word("OR") && least <= Precedence::kOr) {
    take();
    return binary(std::move(left), "OR", Precedence::kAnd);
  } else if (at_word("AND") && least <= Precedence::kAnd) {
    take();
    return binary(std::move(left), "AND", Precedence::kNot);
  } else if (at_word("COLLATE") && least <= Precedence::kCollate) {
    take();
    auto out = node(ExprKind::kCollate, left->offset);
    out->children.push_back(std::move(left));
    CROSSFADE_TRY(out->text, name("a collation"));
    return finish(std::move(out));
  } else if (least <= Precedence::kEquality) {
    const bool negatable_word = at_word("NOT") && (at_word("NULL", 1) || at_word("BETWEEN", 1) ||
                                                   at_word("IN", 1) || is_like(peek(1)));
    if (negatable_word || at_word("IS") || at_word("ISNULL") || at_word("NOTNULL") ||
        at_word("BETWEEN") || at_word("IN") || is_like(token)) {
      return equality(std::move(left));
    }
  }
  *more = false;
  return left;
}

Outcome<ExprPtr> Parser::binary(ExprPtr left, std::string op, Precedence right) {
  auto out = node(ExprKind::kBinary, left->offset, std::move(op));
  out->children.push_back(std::move(left));
  CROSSFADE_TRY(auto operand, expression(right));
  out->children.push_back(std::move(operand));
  return finish(std::move(out));
}

Outcome<ExprPtr> Parser::equality(ExprPtr left) {
  if (accept_word("IS")) return is(std::move(left));
  if (at_word("ISNULL") || at_word("NOTNULL")) {
    auto out = node(ExprKind::kIsNull, left->offset);
    out->negated = at_word("NOTNULL");
    take();
    out->children.push_back(std::move(left));
    return finish(std::move(out));
  }
  return negatable(std::move(left));
}

// [NOT] IN, BETWEEN, LIKE, and NOT NULL.
Outcome<ExprPtr> Parser::negatable(ExprPtr left) {
  const bool negated = accept_word("NOT");
  if (accept_word("NULL")) {
    auto out = node(ExprKind::kIsNull, left->offset);
    out->negated = true;
    out->children.push_back(std::move(left));
    return finish(std::move(out));
  }
  if (accept_word("IN")) return in_list(std::move(left), negated);
  const bool between = at_word("BETWEEN");
  auto out =
      node(between ? ExprKind::kBetween : ExprKind::kLike, left->offset, ascii_upper(take().text));
  out->negated = negated;
  out->children.push_back(std::move(left));
  CROSSFADE_TRY(auto second, expression(between ? Precedence::kNot : Precedence::kOrder));
  out->children.push_back(std::move(second));
  if (between) {
    CROSSFADE_TRY(expect_word("AND"));
  }
  if (between || accept_word("ESCAPE")) {
    CROSSFADE_TRY(auto third, expression(Precedence::kOrder));
    out->children.push_back(std::move(third));
  }
  return finish(std::move(out));
}

Outcome<ExprPtr> Parser::in_list(ExprPtr left, bool negated) {
  auto out = node(ExprKind::kIn, left->offset);
  out->negated = negated;
  out->children.push_back(std::move(left));
  if (!at("(")) {
    out->table_in = true;
    CROSSFADE_TRY(out->text, name("a table"));
    if (accept(".")) {
      CROSSFADE_TRY(out->text, name("a table"));
    }
    if (at("(")) {
      CROSSFADE_TRY(skip_parentheses());
    }
    return finish(std::move(out));
  }
  take();
  if (at_word("SELECT") || at_word("WITH") || at_word("VALUES")) {
    CROSSFADE_TRY(out->select, select());
  } else if (!at(")")) {
    CROSSFADE_TRY(list(&out->children));
  }
  CROSSFADE_TRY(expect(")"));
  return finish(std::move(out));
}

Outcome<ExprPtr> Parser::is(ExprPtr left) {
  bool negated = accept_word("NOT");
  if (at_word("DISTINCT") && at_word("FROM", 1)) {
    take();
    take();
    negated = !negated;
  }
  CROSSFADE_TRY(auto out, binary(std::move(left), negated ? "IS NOT" : "IS", Precedence::kOrder));
  return out;
}

Outcome<ExprPtr> Parser::primary() {
  const Lexeme& token = peek();
  const size_t offset = token.offset;
  if (token.kind == LexemeKind::kOperator) {
    if (token.text == "(") return parenthesis();
    if (token.text == "-" || token.text == "+" || token.text == "~") {
      auto out = node(ExprKind::kUnary, offset, std::string(take().text));
      CROSSFADE_TRY(auto operand, expression(Precedence::kUnary));
      out->children.push_back(std::move(operand));
      return finish(std::move(out));
    }
  }
  std::optional<ExprKind> literal;
  if (token.kind == LexemeKind::kInteger) literal = ExprKind::kInteger;
  if (token.kind == LexemeKind::kReal) literal = ExprKind::kReal;
  if (token.kind == LexemeKind::kBlob) literal = ExprKind::kBlob;
  if (literal) return finish(node(*literal, offset, std::string(take().text)));
  if (token.kind == LexemeKind::kString && !at(".", 1)) {
    return finish(node(ExprKind::kString, offset, take().meaning));
  }
  if (token.kind == LexemeKind::kWord) return keyword_primary();
  return named();
}

Outcome<ExprPtr> Parser::keyword_primary() {
  const size_t offset = peek().offset;
  if (accept_word("NOT")) {
    auto out = node(ExprKind::kUnary, offset, "NOT");
    CROSSFADE_TRY(auto operand, expression(Precedence::kNot));
    out->children.push_back(std::move(operand));
    return finish(std::move(out));
  }
  if (accept_word("NULL")) return finish(node(ExprKind::kNull, offset));
  if (at_word("CASE")) return case_expression();
  if (at_word("CAST") && at("(", 1)) return cast();
  if (accept_word("EXISTS")) {
    auto out = node(ExprKind::kExists, offset);
    CROSSFADE_TRY(expect("("));
    CROSSFADE_TRY(out->select, select());
    CROSSFADE_TRY(expect(")"));
    return finish(std::move(out));
  }
  if (at_word("RAISE") && at("(", 1)) {
    take();
    CROSSFADE_TRY(skip_parentheses());
    return finish(node(ExprKind::kRaise, offset));
  }
  for (const char* word : {"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"}) {
    if (accept_word(word)) return finish(node(ExprKind::kCurrent, offset, word));
  }
  return named();
}

Outcome<ExprPtr> Parser::parenthesis() {
  const size_t offset = take().offset;
  if (at_word("SELECT") || at_word("WITH") || at_word("VALUES")) {
    auto out = node(ExprKind::kSubquery, offset);
    CROSSFADE_TRY(out->select, select());
    CROSSFADE_TRY(expect(")"));
    return finish(std::move(out));
  }
  auto out = node(ExprKind::kRow, offset);
  CROSSFADE_TRY(list(&out->children));
  CROSSFADE_TRY(expect(")"));
  if (out->children.size() == 1) return std::move(out->children.front());
  return finish(std::move(out));
}

Outcome<bool> Parser::list(std::vector<ExprPtr>* out) {
  do {
    CROSSFADE_TRY(auto item, expression());
    out->push_back(std::move(item));
  } while (accept(","));
  return true;
}

Outcome<bool> Parser::skip_parentheses() {
  int open = 0;
  do {
    if (peek().kind == LexemeKind::kEnd) return expect(")");
    if (at("(")) ++open;
    if (at(")")) --open;
    take();
  } while (open > 0);
  return true;
}

Outcome<ExprPtr> Parser::case_expression() {
  auto out = node(ExprKind::kCase, take().offset);
  if (!at_word("WHEN")) {
    out->has_base = true;
    CROSSFADE_TRY(auto base, expression());
    out->children.push_back(std::move(base));
  }
  if (!at_word("WHEN")) {
    CROSSFADE_TRY(expect_word("WHEN"));
  }
  while (accept_word("WHEN")) {
    CROSSFADE_TRY(auto when, expression());
    CROSSFADE_TRY(expect_word("THEN"));
    CROSSFADE_TRY(auto then, expression());
    out->children.push_back(std::move(when));
    out->children.push_back(std::move(then));
  }
  if (accept_word("ELSE")) {
    out->has_else = true;
    CROSSFADE_TRY(auto otherwise, expression());
    out->children.push_back(std::move(otherwise));
  }
  CROSSFADE_TRY(expect_word("END"));
  return finish(std::move(out));
}

Outcome<ExprPtr> Parser::cast() {
  auto out = node(ExprKind::kCast, take().offset);
  take();
  CROSSFADE_TRY(auto operand, expression());
  out->children.push_back(std::move(operand));
  CROSSFADE_TRY(expect_word("AS"));
  while (at_name()) out->text += (out->text.empty() ? "" : " ") + take().meaning;
  if (at("(")) {
    CROSSFADE_TRY(skip_parentheses());
  }
  CROSSFADE_TRY(expect(")"));
  return finish(std::move(out));
}

// A column, a qualified column or a function.
Outcome<ExprPtr> Parser::named() {
  if (at("(", 1) && peek().kind != LexemeKind::kString && at_name()) return call();
  auto out = node(ExprKind::kName, peek().offset);
  out->quoted = peek().kind == LexemeKind::kQuoted && peek().text.front() == '"';
  CROSSFADE_TRY(out->text, name("an expression"));
  while (at(".") && out->schema.empty()) {
    take();
    out->quoted = false;
    out->schema = std::exchange(out->qualifier, std::exchange(out->text, {}));
    CROSSFADE_TRY(out->text, name("a column"));
  }
  return finish(std::move(out));
}

Outcome<ExprPtr> Parser::call() {
  const Lexeme& function = take();
  auto out = node(ExprKind::kCall, function.offset, ascii_upper(function.meaning));
  take();
  if (accept("*")) {
    out->star = true;
  } else if (!at(")")) {
    out->distinct = accept_word("DISTINCT");
    if (!out->distinct) accept_word("ALL");
    CROSSFADE_TRY(list(&out->children));
  }
  CROSSFADE_TRY(expect(")"));
  CROSSFADE_TRY(call_tail(out.get()));
  return finish(std::move(out));
}

Outcome<bool> Parser::call_tail(Expr* call) {
  if (at_word("FILTER") && at("(", 1)) {
    take();
    take();
    CROSSFADE_TRY(expect_word("WHERE"));
    CROSSFADE_TRY(call->filter, expression());
    CROSSFADE_TRY(expect(")"));
  }
  if (!at_word("OVER")) return true;
  if (at("(", 1)) {
    take();
    call->over = true;
    return skip_parentheses();
  }
  if (peek(1).kind == LexemeKind::kWord && !is_reserved(peek(1).text)) {
    take();
    take();
    call->over = true;
  }
  return true;
}

}  // namespace crossfade::schema::expression
