// The SQL of a tsvector column.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/fts_declaration.h"

namespace crossfade::schema {

// The text of a column, as an expression that never fails and depends on the row alone; with a
// reason instead when there is none.
struct SearchText {
  std::string sql;
  std::string obstacle;
};
[[nodiscard]] SearchText search_text(const Column& column);

// "simple", or "english" for porter.
[[nodiscard]] const char* text_configuration(const FtsDeclaration& declared);

// How many characters of each of `columns` columns are searched.
[[nodiscard]] int64_t searched_characters(size_t columns);

// The tsvector of the texts, in the order of their weight.
[[nodiscard]] std::string tsvector_sql(const std::vector<std::string>& texts,
                                       const FtsDeclaration& declared);

}  // namespace crossfade::schema
