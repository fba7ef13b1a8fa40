#include "engine/schema/sample.h"

#include <fmt/core.h>

#include <cmath>

#include "engine/schema/utf8.h"
#include "engine/sqlite/statement.h"

namespace crossfade::schema {
namespace {
constexpr size_t kShownBytesMax = 60;  // enough to recognise a value, and a line stays a line
}

std::string sample_literal(const ValueView& value) {
  if (value.storage == StorageClass::kReal && std::isfinite(value.real)) {
    const std::string digits = fmt::format("{}", value.real);  // the shortest that read back
    return digits.find_first_of(".e") == std::string::npos ? digits + ".0" : digits;
  }
  if (value.storage != StorageClass::kText) return to_literal(value, kShownBytesMax / 2);
  std::string quoted;
  for (const char c : prefix(value.bytes, kShownBytesMax)) {
    if (c == '\'') quoted += '\'';
    quoted += c;
  }
  return "'" + printable(quoted) + (value.bytes.size() > kShownBytesMax ? "...'" : "'");
}

std::string sample_key(const std::vector<std::string>& names, const std::vector<int>& positions,
                       const sqlite::Statement& row) {
  std::string left;
  std::string right;
  for (size_t i = 0; i < names.size(); ++i) {
    left += (i == 0 ? "" : ", ") + printable(names[i]);
    right += (i == 0 ? "" : ", ") + sample_literal(row.view(positions[i]));
  }
  if (names.size() == 1) return left + "=" + right;
  return "(" + left + ")=(" + right + ")";
}

}  // namespace crossfade::schema
