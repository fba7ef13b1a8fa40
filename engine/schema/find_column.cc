#include "engine/schema/find_column.h"

#include "engine/schema/utf8.h"

namespace crossfade::schema {

std::optional<size_t> find_column(const Table& table, std::string_view name) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (!table.columns[i].synthetic && same_name(table.columns[i].name, name)) return i;
  }
  return std::nullopt;
}

}  // namespace crossfade::schema
