// What a trigger of the application's does to a full-text table, as far as its text says it
// plainly.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace crossfade::schema {

struct FtsDeclaration;

struct FtsValue {
  std::string field;       // of the full-text table; its rowid by any name is "rowid"
  std::string expression;  // "new.title", as written
  std::string column;      // "title", when it is nothing more than that; else empty
};

// Whether the trigger's text has the name anywhere, in any quotes.
[[nodiscard]] bool mentions(const std::string& trigger_sql, const std::string& name);

// The values of INSERT INTO fts(...) VALUES (...), when the trigger has one that puts a row in.
[[nodiscard]] std::optional<std::vector<FtsValue>> inserted_values(const std::string& trigger_sql,
                                                                   const std::string& fts,
                                                                   const FtsDeclaration& declared);

// The tables that the trigger writes. Nothing: it does something else too, or cannot be read.
[[nodiscard]] std::optional<std::vector<std::string>> tables_written(
    const std::string& trigger_sql);

}  // namespace crossfade::schema
