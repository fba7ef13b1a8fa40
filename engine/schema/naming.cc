#include "engine/schema/naming.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "engine/core/digest.h"
#include "engine/core/limits.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

constexpr size_t kDigestShown = 8;  // hex digits that keep shortened names apart

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// A word begins at an upper case letter after a lower case one, and at the last one of several
// before a lower case one: HTTPServer2Go is http_server2_go.
bool begins_word(std::string_view name, size_t at) {
  if (!is_upper(name[at]) || at == 0) return false;
  if (is_lower_or_digit(name[at - 1])) return true;
  return is_upper(name[at - 1]) && at + 1 < name.size() && name[at + 1] >= 'a' &&
         name[at + 1] <= 'z';
}

// Letters beyond ASCII stay: what is upper case there is the collation's business.
std::string snake_case(std::string_view name) {
  std::string out;
  bool gap = false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool kept = is_upper(c) || is_lower_or_digit(c) || (c & 0x80) != 0 || c == '_';
    gap = gap || !kept || begins_word(name, i);
    if (!kept) continue;
    if (gap && !out.empty() && out.back() != '_' && c != '_') out += '_';
    gap = false;
    out += is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out.empty() ? std::string(name) : out;
}

bool is_possible(std::string_view name) {
  const TextFlaws flaws = find_flaws(name);
  return !name.empty() && !flaws.nul && !flaws.invalid;
}

}  // namespace

const char* to_string(Naming naming) {
  return naming == Naming::kSnakeCase ? "snake_case" : "exact";
}

std::optional<Naming> naming_from(std::string_view text) {
  for (const Naming naming : {Naming::kExact, Naming::kSnakeCase}) {
    if (text == to_string(naming)) return naming;
  }
  return std::nullopt;
}

bool is_system_column(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames{"ctid", "xmin", "xmax",
                                                   "cmin", "cmax", "tableoid"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

std::string fit_name(std::string_view name, size_t bytes_max) {
  if (name.size() <= bytes_max) return std::string(name);
  return std::string(prefix(name, bytes_max - kDigestShown - 1)) + "_" +
         to_hex(digest_bytes(name)).substr(0, kDigestShown);
}

std::string target_name(Naming naming, std::string_view name) {
  if (!is_possible(name)) return std::string(name);
  return fit_name(naming == Naming::kSnakeCase ? snake_case(name) : std::string(name),
                  limits::kPgIdentifierBytesMax);
}

void name_for_target(Naming naming, Catalog* catalog) {
  for (Table& table : catalog->tables) {
    table.target_name = target_name(naming, table.name);
    for (Column& column : table.columns) {
      if (!column.synthetic) column.target_name = target_name(naming, column.name);
    }
  }
  for (VirtualTable& table : catalog->virtual_tables) {
    table.target_name = target_name(naming, table.name);
  }
}

}  // namespace crossfade::schema
