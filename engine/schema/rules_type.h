// A column's type as the keys of a rule say it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/column_type.h"

namespace crossfade::schema {

// What a rule says of a column's type: type, format, form, zone, words, on_nul, on_invalid_utf8.
struct TypeKeys {
  // By key. Nothing: it is there and could not be read, which somebody has been told. A key that
  // nobody knows is here too, as it may be another one misspelt.
  std::map<std::string, std::optional<std::string>> given;
  bool masked = false;
};

struct TypeProblem {
  std::string key;  // the one to mend, or the one that asks for another
  std::string what;
};

struct ResolvedType {
  std::optional<ColumnType> type;  // nothing: the keys leave it open, or there are problems
  // All of them. What is only the consequence of another one is not told.
  std::vector<TypeProblem> problems;
};

[[nodiscard]] ResolvedType resolve_type(const TypeKeys& keys);

}  // namespace crossfade::schema
