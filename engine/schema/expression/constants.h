// Constants, computed by SQLite itself so that they are not imitated.
//
// Opens a database in memory at first use. Threads: one at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/schema/expression/syntax.h"
#include "engine/sqlite/connection.h"

namespace crossfade::schema::expression {

// Neither columns nor subqueries nor anything that differs from one run to the next.
[[nodiscard]] bool is_constant(const Expr& expr);

class Constants {
 public:
  // The value of a constant expression, in which ?1, ?2 ... stand for `parameters`; nothing when
  // SQLite refuses it or it is out of proportion.
  std::optional<Value> evaluate(std::string_view sql, const std::vector<Value>& parameters = {});
  // `value` after a column of this affinity stored it.
  std::optional<Value> stored(const Value& value, Affinity affinity);
  // left `op` right without affinities; op is "<", "=", ... Nothing: NULL.
  std::optional<bool> compare(const Value& left, const std::string& op, const Value& right,
                              const std::string& collation);

 private:
  sqlite::Connection* scratch();
  std::optional<sqlite::Connection> scratch_;
};

// As a PostgreSQL literal of the value's own class; nothing: no type there holds it.
[[nodiscard]] std::optional<std::string> literal(const Value& value);

}  // namespace crossfade::schema::expression
