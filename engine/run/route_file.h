// The route file: which side is primary, in a small memory-mapped file that clients read without
// locks or system calls. The row in PostgreSQL (crossfade.route) is the authority; this file is its
// copy, written by the engine and repaired from the row at every start.
//
// Layout (little-endian, 1024 bytes) in docs/cutover.md. Any number of readers, in any process: a
// seqlock, so a reader never takes half a write for a whole one. Writers take turns by flock().
#pragma once

#include <cstdint>
#include <string>

#include "engine/core/result.h"
#include "engine/core/strong.h"

namespace crossfade::run {

enum class Primary : uint8_t { kNone = 0, kSqlite = 1, kPostgres = 2 };

[[nodiscard]] const char* to_string(Primary primary);  // "none", "sqlite", "postgres"

inline constexpr size_t kRouteUrlBytesMax = 960;

struct Route {
  Primary primary = Primary::kNone;
  Epoch epoch;
  std::string url;  // of the primary, without password; at most kRouteUrlBytesMax
};

// Creates the file (mode 0644) if it is absent, else changes it in place, where mapped readers see
// it at once. Refuses to move the epoch backwards; writing the same epoch again is a repair.
// A torn or foreign file has no epoch to keep, and is overwritten.
Status write_route_file(const std::string& path, const Route& route);

// kNone with epoch 0 when there is no file. A torn or foreign file is an error (kStateFolder).
Result<Route> read_route_file(const std::string& path);

}  // namespace crossfade::run
