// The keys of the rules that are about dual writes, as TOML has them.
//
// For parse_rules() alone. What they come to is in engine/schema/conflict_rules.h.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <functional>
#include <string>

#include "engine/schema/rules.h"

namespace crossfade::schema {

using SayProblem = std::function<void(int64_t line, const std::string& what)>;

// False: the key is none of these. Otherwise it is in the rule, or a problem was said.
bool read_dual_key(const toml::key& key, const toml::node& node, const SayProblem& problem,
                   Rules* defaults);
bool read_dual_key(const toml::key& key, const toml::node& node, const SayProblem& problem,
                   TableRule* rule);
bool read_dual_key(const toml::key& key, const toml::node& node, const SayProblem& problem,
                   ColumnRule* rule);

// What the keys of one table have to say together.
void check_dual_keys(const TableRule& rule, const SayProblem& problem);

}  // namespace crossfade::schema
