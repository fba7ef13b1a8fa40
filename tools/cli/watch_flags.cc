#include "tools/cli/watch_flags.h"

namespace crossfade::cli {

CLI::Option* add_watch_options(CLI::App* verb, WatchArguments* arguments) {
  CLI::Option* watch = verb->add_option(
      "--watch", arguments->window,
      "for this long (90s, 10m, 2h) roll back by itself when the command below fails, PostgreSQL "
      "was out of reach and answers again, or the two sides differ; waits for the window's end");
  verb->add_option("--rollback-if", arguments->command,
                   "a command for /bin/sh that fails when the cutover was a bad idea: exits with "
                   "other than 0, or takes longer than 10 s")
      ->needs(watch);
  verb->add_option("--watch-every", arguments->every, "between two checks (default: 5s)")
      ->needs(watch);
  verb->add_option("--watch-failures", arguments->failures,
                   "so many failed checks in a row (default: 2)")
      ->check(CLI::PositiveNumber)
      ->needs(watch);
  verb->add_option("--watch-target-lost", arguments->target_lost_after,
                   "when nobody answers at PostgreSQL's place for this long: have SQLite go on "
                   "without it, which loses what had not reached it (default: never)")
      ->needs(watch);
  return watch;
}

}  // namespace crossfade::cli
