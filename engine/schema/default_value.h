// Column defaults: from SQLite's text to an expression of the chosen PostgreSQL type.
//
// A literal default is given to SQLite itself, in a database in memory, so that affinity and
// quoting are SQLite's and not an imitation. CURRENT_TIMESTAMP and its like, and strftime of 'now',
// are rewritten for text columns. Everything else is refused, and a finding quotes it.
//
// Threads: one at a time.
#pragma once

#include <optional>
#include <string>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/sqlite/connection.h"

namespace crossfade::schema {

class DefaultTranslator {
 public:
  static Result<DefaultTranslator> open();

  // The target's DEFAULT expression; nothing when the source's has no equal there.
  std::optional<std::string> translate(const Column& column);

  // A text that the default stores: a constant's, or that of the present time at some moment.
  std::optional<std::string> example(const Column& column);

  // DEFAULT NULL says nothing, so dropping it loses nothing.
  [[nodiscard]] static bool is_null_literal(const std::string& default_sql);

 private:
  explicit DefaultTranslator(sqlite::Connection scratch) : scratch_(std::move(scratch)) {}
  // What the source stores for a constant default; nothing when it is not constant.
  std::optional<Value> evaluate(const Column& column);

  sqlite::Connection scratch_;
};

// `value` as a PostgreSQL expression of `type`; nothing when the type cannot hold it exactly.
[[nodiscard]] std::optional<std::string> to_target_literal(const Value& value,
                                                           const ColumnType& type);

}  // namespace crossfade::schema
