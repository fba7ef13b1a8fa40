#include "tools/cli/common_flags.h"

namespace crossfade::cli {

void add_common(CLI::App* verb, CommonFlags* a, bool with_target) {
  verb->add_option("database", a->common.engine.database, "the application's SQLite file")
      ->required();
  verb->add_flag("--json", a->common.json, "one JSON document on stdout");
  verb->add_option("--config", a->config_file, "settings file (default: crossfade.toml, if there)");
  verb->add_option("--log-level", a->settings.log_level,
                   "debug, info, warn, error or off (default: info; warn on a terminal)");
  if (!with_target) return;
  verb->add_option("--target", a->settings.target,
                   "a PostgreSQL URL or connection string, or `embedded`; remembered. Default: the "
                   "remembered one, else embedded");
  verb->add_option("--target-schema", a->settings.target_schema,
                   "the schema the tables go to (default: public)");
  verb->add_option("--naming", a->settings.naming,
                   "names on the target: exact (default) or snake_case; the same in every command");
  verb->add_flag("--schema-from-target", a->schema_from_target,
                 "load into the tables that the application's migrations made on the target; the "
                 "same in every command");
}

}  // namespace crossfade::cli
