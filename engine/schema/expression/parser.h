// Parses SQLite's expressions and SELECT statements, with SQLite's precedences and quirks.
//
// Any bytes may be given. What is nested deeper than limits::kExpressionHeightMax is refused, so
// neither the parser nor who walks its trees can run out of stack. Offsets are bytes into `sql`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/schema/expression/outcome.h"
#include "engine/schema/expression/syntax.h"

namespace crossfade::schema::expression {

// `sql` is one expression and nothing else.
[[nodiscard]] Outcome<ExprPtr> parse_expression(std::string_view sql);

struct CreateView {
  std::string name;
  std::vector<std::string> columns;  // CREATE VIEW v(a, b); empty: the SELECT's names
  std::unique_ptr<Select> select;
};
[[nodiscard]] Outcome<CreateView> parse_create_view(std::string_view sql);

}  // namespace crossfade::schema::expression
