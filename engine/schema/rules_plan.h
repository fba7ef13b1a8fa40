// The rules' part in planning one table: types, policies, and what they mean for stored values.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/finding.h"
#include "engine/schema/rules.h"
#include "engine/schema/scan.h"

namespace crossfade::schema {

using PlainColumns = std::set<std::pair<std::string, std::string>>;

// A rule's type wins over the evidence, unless the column was widened (`plain`). `rules` may be
// null in all of these.
void choose_ruled_types(const Rules* rules, const PlainColumns& plain, Table* table);

// Column::on_misfit: the column's rule, the table's, the default, what the plan says.
void set_misfit_policies(const Rules* rules, Table* table);

// `rule_misfit` where stored values cannot fit a rule's type, `rule_one_way` where a policy changes
// some; and takes out of `findings`, from `first` on, what a rule has answered.
void find_in_rules(const Rules* rules, const Table& table, const TableEvidence& evidence,
                   size_t first, std::vector<Finding>* findings);

}  // namespace crossfade::schema
