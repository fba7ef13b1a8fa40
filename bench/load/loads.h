// The loads of crossfade_bench_load, each of which gives one JSON document.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace crossfade::bench {

struct LagOptions {
  std::string database;  // the SQLite file
  std::string url;
  bool back = false;    // from PostgreSQL to SQLite
  int64_t rate = 1000;  // transactions per second, of all writers together
  int64_t seconds = 10;
  int writers = 1;
  int64_t base = 0;  // sequences begin there: another one for each use of the same table
};
[[nodiscard]] nlohmann::json measure_lag(const LagOptions& options);

struct PauseOptions {
  std::string database;
  int64_t rate = 1000;
  int writers = 4;
  int64_t base = 0;
};
// Writes where the route says until SIGTERM, and tells how long each change of sides took.
[[nodiscard]] nlohmann::json measure_pause(const PauseOptions& options);

struct CaptureOptions {
  std::string folder;
  int rounds = 5;
  int64_t milliseconds = 300;  // about, for each case
};
[[nodiscard]] nlohmann::json measure_capture(const CaptureOptions& options);

}  // namespace crossfade::bench
