// Conflicts as an operator reads them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/run/conflict_rows.h"
#include "engine/run/conflicts.h"
#include "engine/schema/utf8.h"

namespace crossfade::run {
namespace {

using nlohmann::json;

constexpr size_t kCellBytesMax = 36;

struct Side {
  const char* title;
  const std::string* row;
};

std::array<Side, 4> sides_of(const ConflictEntry& entry) {
  const bool decided = entry.result.empty() && !entry.decided_row.empty();
  return {{{"base", &entry.base},
           {"source", &entry.source},
           {"target", &entry.target},
           {decided ? "decided" : "result", decided ? &entry.decided_row : &entry.result}}};
}

json row_document(const std::string& row) {
  return row.empty() ? json() : json::parse(row, nullptr, /*allow_exceptions=*/false);
}

json or_null(const std::string& text) {
  return text.empty() ? json() : json(text);
}

std::string cell(const json& row, const std::string& column) {
  if (!row.is_object() || !row.contains(column)) return "-";
  std::string whole = schema::printable(shown_value(row.at(column)));
  if (whole.size() <= kCellBytesMax) return whole;
  return std::string(schema::prefix(whole, kCellBytesMax - 3)) + "...";
}

std::string outcome(const ConflictEntry& entry) {
  if (!entry.waits) {
    if (entry.key.empty()) return fmt::format("{} ({})", entry.resolution, entry.why);
    const std::string by = entry.by_person ? "a person" : entry.why;
    return fmt::format("{}{}{}", entry.resolution, by.empty() ? "" : ", by ", by);
  }
  const std::string decided =
      entry.decision.empty() ? "" : fmt::format("; decided: {}", entry.decision);
  return fmt::format("waits: {}{}", entry.why, decided);
}

// The columns that are not the same in all rows there are; of one row alone, all.
std::vector<std::string> differing(const std::vector<json>& rows) {
  std::set<std::string> names;
  size_t present = 0;
  for (const json& row : rows) {
    if (!row.is_object()) continue;
    ++present;
    for (const auto& each : row.items()) names.insert(each.key());
  }
  std::vector<std::string> out;
  for (const std::string& name : names) {
    const json* first = nullptr;
    bool differs = present == 1;
    for (const json& row : rows) {
      if (!row.is_object()) continue;
      const json* value = row.contains(name) ? &row.at(name) : nullptr;
      if (first == nullptr) first = value;
      // 1 and 1.0 are equal to JSON, and are not the same here.
      differs = differs || value == nullptr || first->dump() != value->dump();
    }
    if (differs) out.push_back(name);
  }
  return out;
}

std::string side_by_side(const ConflictEntry& entry) {
  std::vector<Side> shown;
  std::vector<json> rows;
  for (const Side& side : sides_of(entry)) {
    const bool last = side.row == &entry.result;
    if (last && entry.waits) continue;
    shown.push_back(side);
    rows.push_back(row_document(*side.row));
  }
  std::vector<std::vector<std::string>> lines(1);
  lines[0].emplace_back("");
  for (size_t i = 0; i < shown.size(); ++i) {
    lines[0].push_back(std::string(shown[i].title) + (rows[i].is_object() ? "" : " (no row)"));
  }
  for (const std::string& column : differing(rows)) {
    lines.push_back({column});
    for (const json& row : rows) lines.back().push_back(cell(row, column));
  }
  std::vector<size_t> widths(shown.size() + 1);
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string out;
  for (const auto& line : lines) {
    std::string text(8, ' ');
    for (size_t i = 0; i < line.size(); ++i) text += fmt::format("{:<{}}  ", line[i], widths[i]);
    out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

std::string when(const char* what, const std::string& at) {
  return at.empty() ? "" : fmt::format("        {} {}\n", what, at);
}

}  // namespace

json to_json(const ConflictEntry& entry, bool with_rows) {
  json out = {{"id", entry.id},
              {"table", entry.table},
              {"key", or_null(entry.key)},
              {"target_key", or_null(entry.target_key)},
              {"kind", entry.kind},
              {"state", entry.waits ? "waiting" : "resolved"},
              {"resolution", or_null(entry.resolution)},
              {"why", entry.why},
              {"by_person", entry.by_person},
              {"decision", or_null(entry.decision)},
              {"lsn", entry.lsn},
              {"at", entry.at},
              {"source_at", or_null(entry.source_at)},
              {"target_at", or_null(entry.target_at)},
              {"decided_at", or_null(entry.decided_at)},
              {"resolved_at", or_null(entry.resolved_at)}};
  if (!with_rows) return out;
  out["base"] = row_document(entry.base);
  out["source"] = row_document(entry.source);
  out["target"] = row_document(entry.target);
  out["result"] = row_document(entry.result);
  out["decided_row"] = row_document(entry.decided_row);
  return out;
}

std::string to_text(const ConflictEntry& entry, bool with_rows) {
  std::string out = fmt::format(
      "{:>6}  {}{}{}{}: {}: {}\n", entry.id, entry.table, entry.key.empty() ? "" : " ", entry.key,
      entry.target_key.empty() ? "" : " against " + entry.target_key, entry.kind, outcome(entry));
  if (!with_rows) return out;
  out += fmt::format("        found {}, position {} of the change log\n", entry.at, entry.lsn);
  out += when("the source's change was captured", entry.source_at);
  out += when("the target's change was committed", entry.target_at);
  out += when("decided", entry.decided_at);
  out += when("resolved", entry.resolved_at);
  return out + side_by_side(entry);
}

}  // namespace crossfade::run
