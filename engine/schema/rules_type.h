// A column's type as the keys of a rule say it.
#pragma once

#include <optional>
#include <string>

#include "engine/core/column_type.h"

namespace crossfade::schema {

// The keys' values; absent ones empty.
struct TypeKeys {
  std::optional<std::string> type;
  std::optional<std::string> format;
  std::optional<std::string> form;
  std::optional<std::string> zone;
  std::optional<std::string> words;
  std::optional<std::string> on_nul;
  std::optional<std::string> on_invalid_utf8;
};

struct ResolvedType {
  std::optional<ColumnType> type;  // nothing: the keys leave it open
  std::string problem;             // not empty: what is wrong
};

[[nodiscard]] ResolvedType resolve_type(const TypeKeys& keys);

}  // namespace crossfade::schema
