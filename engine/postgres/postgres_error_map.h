// From SQLSTATEs and connection failures to Error, decided once. Messages are never searched.
#pragma once

#include <string>

#include "engine/core/error.h"

struct pg_conn;
struct pg_result;

namespace crossfade::postgres {

// Our own SQLSTATEs, raised by the functions in the crossfade schema (class CF is ours).
inline constexpr const char* kSqlstateFenced = "CF001";    // the lease token is stale
inline constexpr const char* kSqlstatePosition = "CF002";  // progress is not where it should be

[[nodiscard]] Error make_error(const pg_result* result, const pg_conn* connection, std::string op,
                               std::string object);

// The connection itself failed. `in_commit`: a COMMIT may or may not have happened.
[[nodiscard]] Error make_connection_error(std::string message, std::string op, std::string object,
                                          bool in_commit);

}  // namespace crossfade::postgres
