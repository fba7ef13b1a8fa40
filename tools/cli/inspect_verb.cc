#include "tools/cli/inspect_verb.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <utility>

#include "engine/core/limits.h"
#include "engine/run/assess_target.h"
#include "engine/run/own_defaults.h"
#include "engine/run/state_folder.h"
#include "engine/run/target_misfits.h"
#include "engine/schema/assessment_source.h"
#include "engine/schema/assessment_target.h"
#include "engine/schema/assessment_writes.h"
#include "engine/schema/inspect_html.h"
#include "engine/schema/inspect_report.h"
#include "engine/schema/rules_writer.h"
#include "engine/sqlite/connection.h"
#include "tools/cli/report_file.h"
#include "tools/cli/task.h"

namespace crossfade::cli {
namespace {

constexpr int64_t kMaxWalDefault = int64_t{1} << 30;  // PostgreSQL's max_wal_size

struct Inspection {
  schema::Plan plan;
  schema::Assessment assessment;
};

Result<Inspection> look(const Common& common) {
  using Clock = std::chrono::steady_clock;
  CROSSFADE_TRY(auto source,
                sqlite::Connection::open({common.engine.database, sqlite::Access::kReadOnly,
                                          limits::kSourceBusyTimeout}));
  CROSSFADE_TRY(const auto state, run::StateFolder::of(common.engine.database));
  CROSSFADE_TRY(auto watch, schema::WriteWatch::begin(source));
  Inspection out;
  schema::Assessment& assessment = out.assessment;
  assessment.target = run::assess_target(common.engine, state);
  schema::PlanOptions options;
  options.target_schema = common.engine.target_schema;
  const auto vector = assessment.target.extensions.find("vector");
  options.has_pgvector =
      vector != assessment.target.extensions.end() && !vector->second.installed.empty();
  const auto trigrams = assessment.target.extensions.find("pg_trgm");
  if (trigrams != assessment.target.extensions.end()) {
    options.trgm_schema = trigrams->second.schema;
  }
  options.naming = common.engine.naming;
  options.rules = common.engine.rules.get();
  std::optional<schema::TargetSchema> there;
  if (common.engine.schema_from_target) {
    CROSSFADE_TRY(there, run::look_at_target_schema(common.engine, state));
    options.adopt = &*there;
  }
  CROSSFADE_TRY(auto catalog, schema::read_carried_catalog(source, options.naming, options.rules));
  const auto began = Clock::now();
  CROSSFADE_TRY(out.plan, schema::make_plan(source, catalog, options));
  CROSSFADE_TRY(run::find_target_misfits(source, out.plan.tables, nullptr, &out.plan.findings));
  if (there) {
    CROSSFADE_TRY(
        run::find_broken_by_defaults(source, out.plan.tables, *there, &out.plan.findings));
  }
  const double scan_seconds = std::chrono::duration<double>(Clock::now() - began).count();
  CROSSFADE_TRY(assessment.database, schema::read_database_facts(source, catalog));
  CROSSFADE_TRY(assessment.sizes, schema::measure_sizes(source, out.plan, assessment.database));
  const int64_t max_wal =
      assessment.target.reachable ? assessment.target.max_wal_bytes : kMaxWalDefault;
  assessment.copy = schema::estimate_copy(out.plan, assessment.sizes, scan_seconds, max_wal);
  for (schema::Finding& finding :
       schema::find_in_target(assessment, out.plan, catalog, common.engine.target_schema)) {
    out.plan.findings.push_back(std::move(finding));
  }
  assessment.grade = schema::grade_of(out.plan);
  CROSSFADE_TRY(assessment.writes, watch.end());
  return out;
}

schema::TextOptions text_options() {
  schema::TextOptions out;
  if (::isatty(STDOUT_FILENO) == 0) return out;
  const char* no_colour = std::getenv("NO_COLOR");
  out.colour = no_colour == nullptr || *no_colour == '\0';
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) out.width = size.ws_col;
  return out;
}

// Somebody's decisions may be in it.
Status check_is_new(const std::string& file) {
  if (::access(file.c_str(), F_OK) != 0) return ok();
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "inspect";
  error.object = file;
  error.native = "this file is there already, and may hold rules";
  error.hint = "give --write-rules the name of a new file";
  return fail(std::move(error));
}

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32] = "";
  const size_t size = std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &utc);
  return std::string(text, size);
}

}  // namespace

int inspect(const Common& common, const std::string& html_file, const std::string& rules_file) {
  const auto inspected = [&]() -> Result<run::TaskResult> {
    if (!html_file.empty()) {
      CROSSFADE_TRY(check_report_file(html_file, "--html", common.engine.database));
    }
    if (!rules_file.empty()) {
      CROSSFADE_TRY(check_report_file(rules_file, "--write-rules", common.engine.database));
      CROSSFADE_TRY(check_is_new(rules_file));
    }
    CROSSFADE_TRY(const auto looked, look(common));
    run::TaskResult result;
    result.exit_code = looked.plan.blocked() ? exit_code(ErrorCode::kBlocked) : 0;
    result.document = schema::to_json(looked.plan, looked.assessment);
    result.text = schema::to_text(looked.plan, looked.assessment, text_options());
    if (!html_file.empty()) {
      CROSSFADE_TRY(
          write_report_file(html_file, schema::to_html(looked.plan, looked.assessment, now())));
      result.document["html"] = html_file;
      result.text += fmt::format("the report is in {}\n", html_file);
    }
    if (!rules_file.empty()) {
      CROSSFADE_TRY(write_report_file(rules_file,
                                      schema::write_rules(looked.plan, common.engine.rules.get())));
      result.document["rules"] = rules_file;
      result.text += fmt::format("rules to begin with are in {}\n", rules_file);
    }
    return result;
  }();
  return show(common, inspected);
}

}  // namespace crossfade::cli
