// From SQLite's extended result codes to Error, decided once.
#pragma once

#include <string>

#include "engine/core/error.h"

struct sqlite3;

namespace crossfade::sqlite {

// `db` may be null; its message is used when it belongs to `rc`.
[[nodiscard]] Error make_error(int rc, sqlite3* db, std::string op, std::string object);

// BUSY and LOCKED in all their extensions: another connection is in the way, for now.
[[nodiscard]] bool is_busy(const Error& error);
// The disk is full. Reading goes on all the same.
[[nodiscard]] bool is_full(const Error& error);

}  // namespace crossfade::sqlite
