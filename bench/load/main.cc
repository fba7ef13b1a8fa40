// The loads that bench/run measures with; each prints one JSON document.
//
//   crossfade_bench_load lag DB URL [--back] --rate N --seconds N --writers N --base N
//   crossfade_bench_load pause DB --rate N --writers N --base N     until SIGTERM
//   crossfade_bench_load capture FOLDER --rounds N --milliseconds N
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/load/loads.h"

namespace crossfade::bench {
namespace {

int run(int argc, char** argv) {
  CLI::App app("loads to measure with");
  app.require_subcommand(1);
  LagOptions lag;
  CLI::App* lag_verb = app.add_subcommand("lag", "from COMMIT to visible on the other side");
  lag_verb->add_option("database", lag.database)->required();
  lag_verb->add_option("url", lag.url)->required();
  lag_verb->add_flag("--back", lag.back, "from PostgreSQL to SQLite");
  lag_verb->add_option("--rate", lag.rate, "transactions/s")->check(CLI::PositiveNumber);
  lag_verb->add_option("--seconds", lag.seconds)->check(CLI::PositiveNumber);
  lag_verb->add_option("--writers", lag.writers)->check(CLI::PositiveNumber);
  lag_verb->add_option("--base", lag.base, "first number of the keys");
  PauseOptions pause;
  CLI::App* pause_verb = app.add_subcommand("pause", "writers that follow the route");
  pause_verb->add_option("database", pause.database)->required();
  pause_verb->add_option("--rate", pause.rate, "writes/s")->check(CLI::PositiveNumber);
  pause_verb->add_option("--writers", pause.writers)->check(CLI::PositiveNumber);
  pause_verb->add_option("--base", pause.base, "first number of the keys");
  CaptureOptions capture;
  CLI::App* capture_verb = app.add_subcommand("capture", "what capture costs an application");
  capture_verb->add_option("folder", capture.folder)->required();
  capture_verb->add_option("--rounds", capture.rounds)->check(CLI::PositiveNumber);
  capture_verb->add_option("--milliseconds", capture.milliseconds, "of each case")
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  nlohmann::json out;
  if (lag_verb->parsed()) out = measure_lag(lag);
  if (pause_verb->parsed()) out = measure_pause(pause);
  if (capture_verb->parsed()) out = measure_capture(capture);
  std::printf("%s\n", out.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace crossfade::bench

int main(int argc, char** argv) {
  try {
    return crossfade::bench::run(argc, argv);
  } catch (const std::exception& error) {  // of the standard library or of CLI11
    std::fprintf(stderr, "crossfade_bench_load: %s\n", error.what());
    return 1;
  }
}
