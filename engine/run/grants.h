// The least that a role on the target needs for a whole move: run, verify, cutover with a way back,
// rollback, finish; and what makes one better. tests/integration/grants_test.cc makes one under
// exactly these.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace crossfade::run {

struct GrantOptions {
  std::string role;
  std::string database;
  std::string schema;               // that the tables go to
  bool schema_from_target = false;  // they are there, and belong to the application's role
};

enum class GrantNeed : uint8_t {
  kNeeded,
  kFillIn,  // needed, with a name that only a person knows
  kBetter,  // a move is whole without it
};

struct Grant {
  std::string sql;
  std::string why;
  GrantNeed need = GrantNeed::kNeeded;
  int since = 0;  // the first PostgreSQL that has it (15); 0: all of them
};

[[nodiscard]] std::vector<Grant> grants_for(const GrantOptions& options);
[[nodiscard]] nlohmann::json to_json(const GrantOptions& options, const std::vector<Grant>& grants);
// SQL, with comments; what is not needed, or has a name to be filled in, is a comment too.
[[nodiscard]] std::string to_text(const GrantOptions& options, const std::vector<Grant>& grants);

}  // namespace crossfade::run
