// Loading into tables that somebody else made on the target: which of its tables and columns a
// source table's are, and what stands in the way.
//
// A name is matched exactly, else as snake_case, else without regard to case where that leaves one;
// a rule's `rename` is taken at its word. The types are the target's; how the source writes their
// values is what the evidence says.
#pragma once

#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/finding.h"
#include "engine/schema/rules.h"
#include "engine/schema/scan.h"
#include "engine/schema/target_schema.h"

namespace crossfade::schema {

// Makes `table`, whose types were chosen from the evidence and the rules, one that is adopted: the
// target's names and types, no DDL of ours. What cannot be matched is a blocker. `rules` may be
// null.
void adopt_table(const TargetSchema& target, const Rules* rules, const TableEvidence& evidence,
                 Table* table, std::vector<Finding>* findings);

// What the source has beside columns and the target has not: told, and left to the application's
// own schema. Once keys and indexes are planned. Takes their DDL away.
void leave_to_target(const TargetSchema& target, Table* table, std::vector<Finding>* findings);

// Full-text tables, likewise: `planned` is what was found when table->searches was filled.
void leave_searches(std::vector<Finding> planned, Table* table, std::vector<Finding>* findings);

// Takes out of `findings`, from `first` on, what the target's types have decided.
void drop_decided(const Table& table, size_t first, std::vector<Finding>* findings);

// What of the target no source table was matched with.
void find_only_on_target(const TargetSchema& target, const std::vector<const Table*>& tables,
                         std::vector<Finding>* findings);

}  // namespace crossfade::schema
