#include <algorithm>
#include <utility>

#include "engine/core/limits.h"
#include "engine/schema/expression/parser_impl.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

void raise(int* height, const ExprPtr& expr) {
  if (expr) *height = std::max(*height, expr->height + 1);
}
void raise(int* height, const std::unique_ptr<Select>& select) {
  if (select) *height = std::max(*height, select->height + 1);
}

int height_of(const SelectCore& core) {
  int height = 1;
  for (const ResultColumn& column : core.columns) raise(&height, column.expr);
  for (const Source& source : core.from) {
    raise(&height, source.select);
    raise(&height, source.on);
  }
  raise(&height, core.where);
  raise(&height, core.having);
  for (const ExprPtr& each : core.group_by) raise(&height, each);
  for (const auto& row : core.values) {
    for (const ExprPtr& each : row) raise(&height, each);
  }
  return height;
}

int height_of(const Select& select) {
  int height = 1;
  for (const CommonTable& each : select.with) raise(&height, each.select);
  for (const SelectCore& core : select.cores) height = std::max(height, height_of(core));
  for (const OrderTerm& term : select.order_by) raise(&height, term.expr);
  raise(&height, select.limit);
  raise(&height, select.skip);
  return height;
}

}  // namespace

Outcome<std::unique_ptr<Select>> Parser::select() {
  if (++depth_ > limits::kExpressionHeightMax) {
    return refuse(peek().offset, peek().text.size(), "it is nested too deep");
  }
  auto out = std::make_unique<Select>();
  out->offset = peek().offset;
  if (accept_word("WITH")) {
    CROSSFADE_TRY(with(out.get()));
  }
  CROSSFADE_TRY(auto first, core());
  out->cores.push_back(std::move(first));
  while (at_word("UNION") || at_word("EXCEPT") || at_word("INTERSECT")) {
    std::string op = ascii_upper(take().text);
    if (op == "UNION" && accept_word("ALL")) op = "UNION ALL";
    out->operators.push_back(std::move(op));
    CROSSFADE_TRY(auto next, core());
    out->cores.push_back(std::move(next));
    if (out->cores.size() > static_cast<size_t>(limits::kExpressionHeightMax)) {
      return refuse(out->offset, 0, "it joins too many SELECTs");
    }
  }
  CROSSFADE_TRY(tail(out.get()));
  const Lexeme& last = lexemes_[next_ == 0 ? 0 : next_ - 1];
  out->length = last.offset + last.text.size() - out->offset;
  out->height = height_of(*out);
  --depth_;
  return out;
}

Outcome<bool> Parser::with(Select* out) {
  out->recursive = accept_word("RECURSIVE");
  do {
    CommonTable table;
    CROSSFADE_TRY(table.name, name("a table"));
    if (accept("(")) {
      do {
        CROSSFADE_TRY(auto column, name("a column"));
        table.columns.push_back(std::move(column));
      } while (accept(","));
      CROSSFADE_TRY(expect(")"));
    }
    CROSSFADE_TRY(expect_word("AS"));
    if (accept_word("NOT") || at_word("MATERIALIZED")) {
      CROSSFADE_TRY(expect_word("MATERIALIZED"));
    }
    CROSSFADE_TRY(expect("("));
    CROSSFADE_TRY(table.select, select());
    CROSSFADE_TRY(expect(")"));
    out->with.push_back(std::move(table));
  } while (accept(","));
  return true;
}

Outcome<SelectCore> Parser::core() {
  SelectCore out;
  out.offset = peek().offset;
  if (accept_word("VALUES")) {
    do {
      CROSSFADE_TRY(expect("("));
      out.values.emplace_back();
      CROSSFADE_TRY(list(&out.values.back()));
      CROSSFADE_TRY(expect(")"));
    } while (accept(","));
    return out;
  }
  CROSSFADE_TRY(expect_word("SELECT"));
  out.distinct = accept_word("DISTINCT");
  if (!out.distinct) accept_word("ALL");
  do {
    CROSSFADE_TRY(result_column(&out));
  } while (accept(","));
  if (accept_word("FROM")) {
    CROSSFADE_TRY(from(&out));
  }
  if (accept_word("WHERE")) {
    CROSSFADE_TRY(out.where, expression());
  }
  if (accept_word("GROUP")) {
    CROSSFADE_TRY(expect_word("BY"));
    CROSSFADE_TRY(list(&out.group_by));
  }
  if (accept_word("HAVING")) {
    CROSSFADE_TRY(out.having, expression());
  }
  if (at_word("WINDOW") && !at(".", 1)) {
    return refuse(peek().offset, peek().text.size(),
                  "named windows are not translated: write the view again on the target");
  }
  const Lexeme& last = lexemes_[next_ - 1];
  out.length = last.offset + last.text.size() - out.offset;
  return out;
}

// [AS] name, also as a string.
Outcome<std::string> Parser::alias(bool* there) {
  *there = true;
  if (accept_word("AS")) return name("a name");
  // Words that may follow instead and are names elsewhere.
  const bool word = peek().kind == LexemeKind::kWord;
  for (const char* next : {"CROSS", "FULL", "INNER", "LEFT", "NATURAL", "OUTER", "RIGHT", "WINDOW",
                           "INDEXED", "EXCEPT", "UNION", "INTERSECT"}) {
    if (word && at_word(next)) *there = false;
  }
  if (*there && at_name()) return take().meaning;
  *there = false;
  return std::string();
}

Outcome<bool> Parser::result_column(SelectCore* out) {
  ResultColumn column;
  column.offset = peek().offset;
  if (accept("*")) {
    column.length = 1;
  } else if (at_name() && at(".", 1) && at("*", 2)) {
    column.star_of = take().meaning;
    take();
    column.length = take().offset + 1 - column.offset;
  } else {
    CROSSFADE_TRY(column.expr, expression());
    const Lexeme& last = lexemes_[next_ - 1];
    column.length = last.offset + last.text.size() - column.offset;
    bool there = false;
    CROSSFADE_TRY(column.alias, alias(&there));
  }
  out->columns.push_back(std::move(column));
  return true;
}

Outcome<bool> Parser::from(SelectCore* out) {
  Source first;
  CROSSFADE_TRY(source(&first));
  CROSSFADE_TRY(constraint(&first));
  out->from.push_back(std::move(first));
  for (bool more = true;;) {
    Source next;
    CROSSFADE_TRY(join(&next, &more));
    if (!more) return true;
    CROSSFADE_TRY(source(&next));
    CROSSFADE_TRY(constraint(&next));
    out->from.push_back(std::move(next));
  }
}

Outcome<bool> Parser::join(Source* out, bool* more) {
  out->join = Source::Join::kInner;
  if (accept(",")) return true;
  bool words = false;
  for (;; take(), words = true) {
    if (at_word("NATURAL")) {
      out->natural = true;
    } else if (at_word("LEFT")) {
      out->join = Source::Join::kLeft;
    } else if (at_word("RIGHT")) {
      out->join = Source::Join::kRight;
    } else if (at_word("FULL")) {
      out->join = Source::Join::kFull;
    } else if (!at_word("INNER") && !at_word("CROSS") && !at_word("OUTER")) {
      break;
    }
  }
  *more = words || at_word("JOIN");
  if (*more) return expect_word("JOIN");
  return true;
}

Outcome<bool> Parser::source(Source* out) {
  out->offset = peek().offset;
  if (accept("(")) {
    if (!at_word("SELECT") && !at_word("WITH") && !at_word("VALUES")) {
      return refuse(out->offset, 1,
                    "joins in parentheses are not translated: write the view again on the target");
    }
    CROSSFADE_TRY(out->select, select());
    CROSSFADE_TRY(expect(")"));
  } else {
    CROSSFADE_TRY(out->table, name("a table"));
    if (accept(".")) {
      CROSSFADE_TRY(out->table, name("a table"));
    }
    if (at("(")) {
      return refuse(out->offset, peek().offset - out->offset,
                    "table-valued functions have no equal: write the view again on the target");
    }
  }
  out->length = lexemes_[next_ - 1].offset + lexemes_[next_ - 1].text.size() - out->offset;
  bool there = false;
  CROSSFADE_TRY(out->alias, alias(&there));
  if (at_word("INDEXED")) {
    take();
    CROSSFADE_TRY(expect_word("BY"));
    CROSSFADE_TRY(name("an index"));
  } else if (at_word("NOT") && at_word("INDEXED", 1)) {
    take();
    take();
  }
  return true;
}

Outcome<bool> Parser::constraint(Source* out) {
  if (accept_word("ON")) {
    CROSSFADE_TRY(out->on, expression());
  } else if (accept_word("USING")) {
    CROSSFADE_TRY(expect("("));
    do {
      CROSSFADE_TRY(auto column, name("a column"));
      out->using_columns.push_back(std::move(column));
    } while (accept(","));
    CROSSFADE_TRY(expect(")"));
  }
  return true;
}

Outcome<bool> Parser::order_by(std::vector<OrderTerm>* out) {
  do {
    OrderTerm term;
    CROSSFADE_TRY(term.expr, expression());
    term.descending = accept_word("DESC");
    if (!term.descending) accept_word("ASC");
    if (accept_word("NULLS")) {
      term.nulls = at_word("FIRST") ? OrderTerm::Nulls::kFirst : OrderTerm::Nulls::kLast;
      if (!accept_word("FIRST")) {
        CROSSFADE_TRY(expect_word("LAST"));
      }
    }
    out->push_back(std::move(term));
  } while (accept(","));
  return true;
}

Outcome<bool> Parser::tail(Select* out) {
  if (accept_word("ORDER")) {
    CROSSFADE_TRY(expect_word("BY"));
    CROSSFADE_TRY(order_by(&out->order_by));
  }
  if (!accept_word("LIMIT")) return true;
  CROSSFADE_TRY(out->limit, expression());
  if (accept_word("OFFSET")) {
    CROSSFADE_TRY(out->skip, expression());
  } else if (accept(",")) {  // LIMIT offset, count
    out->skip = std::move(out->limit);
    CROSSFADE_TRY(out->limit, expression());
  }
  return true;
}

Outcome<CreateView> Parser::create_view() {
  CreateView out;
  CROSSFADE_TRY(expect_word("CREATE"));
  if (!accept_word("TEMP")) accept_word("TEMPORARY");
  CROSSFADE_TRY(expect_word("VIEW"));
  if (at_word("IF") && at_word("NOT", 1)) {
    take();
    take();
    CROSSFADE_TRY(expect_word("EXISTS"));
  }
  CROSSFADE_TRY(out.name, name("a name"));
  if (accept(".")) {
    CROSSFADE_TRY(out.name, name("a name"));
  }
  if (accept("(")) {
    do {
      CROSSFADE_TRY(auto column, name("a column"));
      out.columns.push_back(std::move(column));
    } while (accept(","));
    CROSSFADE_TRY(expect(")"));
  }
  CROSSFADE_TRY(expect_word("AS"));
  CROSSFADE_TRY(out.select, select());
  return out;
}

}  // namespace crossfade::schema::expression
