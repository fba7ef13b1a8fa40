#include "engine/run/misfit_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/observe/log.h"

namespace crossfade::run {
namespace {

const Column* find_column(const Move& move, const std::string& table, const std::string& name) {
  for (const TargetTable& t : move.tables) {
    if (t.table->name != table) continue;
    for (const Column& column : t.table->columns) {
      if (column.name == name) return &column;
    }
  }
  return nullptr;
}

using Place = std::pair<std::string, std::string>;  // table and column

std::vector<std::string> parent_columns(const Move& move, const ForeignKey& key) {
  if (!key.parent_columns.empty()) return key.parent_columns;
  std::vector<std::string> out;
  for (const TargetTable& t : move.tables) {
    if (t.table->name != key.parent_table) continue;
    for (const size_t k : t.table->key) out.push_back(t.table->columns[k].name);
  }
  return out;
}

// The column and those that foreign keys tie to it, both ways and onwards: they have one type.
std::set<Place> tied_together(const Move& move, const Place& first) {
  std::set<Place> out{first};
  for (bool grown = true; grown;) {
    grown = false;
    for (const TargetTable& t : move.tables) {
      for (const ForeignKey& key : t.table->foreign_keys) {
        const std::vector<std::string> parents = parent_columns(move, key);
        for (size_t i = 0; i < std::min(key.columns.size(), parents.size()); ++i) {
          const Place child{t.table->name, key.columns[i]};
          const Place parent{key.parent_table, parents[i]};
          if (out.contains(child)) grown = out.insert(parent).second || grown;
          if (out.contains(parent)) grown = out.insert(child).second || grown;
        }
      }
    }
  }
  return out;
}

// Then its types were declared and not stored, and what is stored now decides anew.
bool was_empty(const Move& move, const std::string& table) {
  return std::any_of(move.tables.begin(), move.tables.end(), [&](const TargetTable& t) {
    return t.table->name == table && t.rows_total == 0;
  });
}

Error told_to_stop(const std::string& table, const Column& column) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "apply.misfit";
  error.object = fmt::format("{}.{}", table, column.name);
  error.native = fmt::format(
      "a value came that does not fit {}; its row was set aside, exact, and the rules say to stop",
      to_string(column.type));
  error.hint =
      "`crossfade quarantine list` names it; mend it on the source or change the column's rule";
  return error;
}

}  // namespace

Result<bool> follow_misfit_policy(Move& move) {
  CROSSFADE_TRY(const auto misfits, move.target.misfit_columns());
  bool widened = false;
  for (const auto& [table, name] : misfits) {
    const Column* column = find_column(move, table, name);
    if (column == nullptr || column->on_misfit == OnMisfit::kQuarantine) continue;
    if (column->on_misfit == OnMisfit::kStop) return fail(told_to_stop(table, *column));
    // Once widened, what still does not fit (a NUL in text) is for a person.
    if (move.plain_columns.contains({table, name})) continue;
    if (column->target_generated) {
      log::warn(
          fmt::format("{}.{}: a row came for which the target cannot compute what SQLite did: "
                      "the table is copied anew with a plain column",
                      table, name));
      move.audit.record(
          "column_made_plain",
          {{"table", table}, {"column", name}, {"computed_by", *column->target_generated}});
    } else {
      log::warn(fmt::format(
          "{}.{}: a value came that does not fit {}: the table is copied anew with a wider type",
          table, name, to_string(column->type)));
      move.audit.record("column_widened",
                        {{"table", table}, {"column", name}, {"from", to_string(column->type)}});
    }
    // A generated column is made plain at once: its values cannot tell that it has to be.
    const bool guessed = !column->target_generated && was_empty(move, table);
    for (const Place& place : tied_together(move, {table, name})) {
      if (!guessed) move.plain_columns.insert(place);
      move.to_rebuild.insert(place.first);
    }
    widened = true;
  }
  return widened;
}

}  // namespace crossfade::run
