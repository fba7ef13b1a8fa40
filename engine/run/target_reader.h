// Reads the tables that somebody else made on the target.
#pragma once

#include <set>
#include <string>

#include "engine/core/result.h"
#include "engine/postgres/connection.h"
#include "engine/schema/target_schema.h"

namespace crossfade::run {

// Everything in the schema. `known`: names of tables that a move of ours is loading already. Tries
// what the role may do; changes nothing. In a transaction of the caller's, or in none.
Result<schema::TargetSchema> read_target_schema(postgres::Connection& target,
                                                const std::string& target_schema,
                                                const std::set<std::string>& known);

}  // namespace crossfade::run
