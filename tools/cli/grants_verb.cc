#include "tools/cli/grants_verb.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "engine/postgres/connection_params.h"
#include "engine/run/grants.h"
#include "engine/run/state_folder.h"
#include "tools/cli/task.h"

namespace crossfade::cli {

CLI::App* add_grants(CLI::App* app, CommonFlags* common, std::string* role) {
  CLI::App* verb = app->add_subcommand(
      "grants", "the SQL that gives a role on the target what a move needs, and no more");
  add_common(verb, common, true);
  verb->add_option("--role", *role, "its name (default: the target's user, else crossfade)");
  return verb;
}

int grants(const Common& common, const std::string& role) {
  const auto made = [&]() -> Result<run::TaskResult> {
    CROSSFADE_TRY(const auto state, run::StateFolder::of(common.engine.database));
    std::string target = common.engine.target;
    if (target.empty()) {
      CROSSFADE_TRY(target, state.remembered_target());
    }
    if (target == "embedded") target.clear();
    CROSSFADE_TRY(const auto params, postgres::ConnectionParams::parse(target));
    run::GrantOptions options;
    options.role = !role.empty() ? role : !params.user().empty() ? params.user() : "crossfade";
    options.database = params.database();
    const char* const database = std::getenv("PGDATABASE");
    if (options.database.empty()) options.database = database != nullptr ? database : options.role;
    options.schema = common.engine.target_schema;
    options.schema_from_target = common.engine.schema_from_target;
    const auto list = run::grants_for(options);
    return run::TaskResult{0, run::to_json(options, list), run::to_text(options, list)};
  }();
  return show(common, made);
}

}  // namespace crossfade::cli
