// A planned table as JSON and back: the plan is kept on the target, so that a restart uses the
// types that were chosen, not what the evidence would say today.
#pragma once

#include <string>

#include "engine/core/result.h"
#include "engine/core/schema.h"

namespace crossfade::run {

[[nodiscard]] std::string table_to_json(const Table& table);
Result<Table> table_from_json(const std::string& json);

}  // namespace crossfade::run
