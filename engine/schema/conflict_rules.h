// What the rules say of one table in dual writes (docs/dual_writes.md).
//
// They are no part of what a table was copied under: a change of them copies nothing anew.
// Plain data; no threads.
#pragma once

#include <optional>
#include <string>

#include "engine/core/conflict.h"
#include "engine/core/schema.h"
#include "engine/schema/rules.h"

namespace crossfade::schema {

// The table's policy, else the default's, else manual. `rules` may be null. Of a table as it is
// carried: a rule whose columns it has not got (any more) decides nothing, so that a row policy or
// an ownership that needs one is manual, and a column without its own comes with the row.
[[nodiscard]] TableConflicts conflict_policies(const Rules* rules, const Table& table);

// `ids = "shared"`: PostgreSQL's sequence and SQLite's numbers are left where they are. False, the
// default: the engine keeps them apart.
[[nodiscard]] bool shares_ids(const Rules* rules, const Table& table);

// Why the table cannot be written to on both sides, as a sentence that names the column; nothing:
// it can. Told from the plan alone: what the database lacks, capture::find_obstacles() and
// SourceWriter::check() tell.
[[nodiscard]] std::optional<std::string> dual_obstacle(const Table& table);

// Part of check_rules(): the rules of a table that is in the catalog.
void check_conflict_rules(const Rules& rules, const TableRule& rule, const Table& table,
                          bool strict, Problems* problems);

}  // namespace crossfade::schema
