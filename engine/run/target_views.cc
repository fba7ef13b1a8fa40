#include "engine/run/target_views.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "engine/observe/log.h"
#include "engine/postgres/quote.h"
#include "engine/run/target_ddl.h"
#include "engine/schema/view_plan.h"

namespace crossfade::run {
namespace {

using schema::ViewPlan;

constexpr const char* kDuplicateTable = "42P07";

void leave_out(Move& move, const ViewPlan& view, const Error& refused) {
  const bool taken = refused.sqlstate == kDuplicateTable;
  log::warn(fmt::format("view {}: {}", view.name,
                        taken ? "the target has one of this name already, which stays as it is"
                              : "is refused by the target: " + refused.native));
  if (taken) return;
  const std::string why =
      fmt::format("the target refuses {} ({})", view.target_ddl, refused.native);
  move.findings.push_back(schema::view_finding(view.name, view.source_sql, why));
}

// A view that reads one that was left out is refused in its turn.
Status try_each(Move& move, std::vector<ViewPlan> views) {
  postgres::Connection& target = move.target.connection();
  std::vector<ViewPlan> accepted;
  for (ViewPlan& view : views) {
    CROSSFADE_TRY(const auto attempt, attempt_ddl(target, view.target_ddl, Outcome::kKept));
    if (attempt.refusal) {
      leave_out(move, view, *attempt.refusal);
    } else {
      accepted.push_back(std::move(view));
    }
  }
  move.views = std::move(accepted);
  return ok();
}

std::string make(const Move& move, const ViewPlan& view) {
  const std::string name = postgres::quote(move.options.target_schema, view.target_name);
  return fmt::format(
      "{}; {}; INSERT INTO crossfade.views(target_name, made) VALUES({}, {}::regclass::oid)",
      view.target_ddl, schema::comment_ddl(view, move.options.target_schema),
      postgres::quote_literal(view.target_name), postgres::quote_literal(name));
}

// All of them in one go, as each was tried; where the target has changed since, one by one, for as
// long as there is time.
Status add_all(Move& move, Deadline deadline) {
  postgres::Connection& target = move.target.connection();
  std::string all;
  for (const ViewPlan& view : *move.views) all += (all.empty() ? "" : "; ") + make(move, view);
  CROSSFADE_TRY(const auto together, attempt_ddl(target, bounded(all, deadline), Outcome::kKept));
  if (!together.refusal) return ok();
  for (const ViewPlan& view : *move.views) {
    if (deadline.expired()) return ok();  // the pause is over, and the cutover steps back
    CROSSFADE_TRY(const auto attempt,
                  attempt_ddl(target, bounded(make(move, view), deadline), Outcome::kKept));
    if (!attempt.refusal) continue;
    leave_out(move, view, *attempt.refusal);
    move.audit.record("view_refused", {{"view", view.name}, {"cause", attempt.refusal->native}});
  }
  return ok();
}

}  // namespace

Status try_views(Move& move) {
  std::vector<const Table*> tables;
  for (const TargetTable& entry : move.tables) tables.push_back(entry.table.get());
  std::vector<schema::Finding> known;  // from the plan, or as inspect has them
  std::vector<ViewPlan> views = schema::plan_views(
      move.source_views, tables,
      {move.options.target_schema, move.options.naming, move.options.rules.get()}, &known);
  if (views.empty()) {
    move.views.emplace();
    return ok();
  }
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(target.exec("BEGIN"));
  auto tried = try_each(move, std::move(views));
  target.rollback();
  return tried;
}

Status add_views(Move& move, Deadline deadline) {
  if (!move.views) {
    CROSSFADE_TRY(try_views(move));
  }
  if (move.views->empty()) return ok();
  return change_target(move, [&] { return add_all(move, deadline); });
}

// What somebody put in the place of one of ours is theirs.
Status drop_views(Move& move) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(const auto there, target.exec("SELECT count(*) FROM crossfade.views"));
  if (there.integer(0, 0) == 0) return ok();
  return change_target(move, [&]() -> Status {
    CROSSFADE_TRY(
        const auto ours,
        target.exec("SELECT v.target_name, n.nspname FROM crossfade.views v JOIN pg_class c"
                    " ON c.oid = v.made AND c.relkind = 'v' AND c.relname = v.target_name"
                    " JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY v.id DESC"));
    for (int i = 0; i < ours.rows(); ++i) {
      const std::string name = postgres::quote(ours.text(i, 1), ours.text(i, 0));
      CROSSFADE_TRY(const auto attempt,
                    attempt_ddl(target, "DROP VIEW IF EXISTS " + name, Outcome::kKept));
      if (!attempt.refusal) continue;
      log::warn(fmt::format("{} stays on the target, from a cutover that stepped back: {}", name,
                            attempt.refusal->native));
      move.audit.record("view_stays",
                        {{"view", ours.text(i, 0)}, {"cause", attempt.refusal->native}});
    }
    CROSSFADE_TRY(target.exec("DELETE FROM crossfade.views"));
    return ok();
  });
}

}  // namespace crossfade::run
