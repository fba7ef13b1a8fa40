#include "engine/schema/expression/syntax.h"

namespace crossfade::schema::expression {

Expr::Expr() = default;
Expr::~Expr() = default;
Expr::Expr(Expr&&) noexcept = default;
Expr& Expr::operator=(Expr&&) noexcept = default;

}  // namespace crossfade::schema::expression
