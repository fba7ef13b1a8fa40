#include "engine/run/target_checks.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/postgres/quote.h"
#include "engine/run/target_ddl.h"
#include "engine/schema/check_plan.h"

namespace crossfade::run {
namespace {

using postgres::quote;

struct CheckPlace {
  const Table* table;
  const Check* check;
};

std::vector<CheckPlace> carried_checks(const Move& move) {
  std::vector<CheckPlace> out;
  for (const TargetTable& entry : move.tables) {
    for (const Check& check : entry.table->checks) {
      if (check.target_ddl) out.push_back({entry.table.get(), &check});
    }
  }
  return out;
}

using TableAndName = std::pair<std::string, std::string>;

Result<std::set<TableAndName>> checks_there(Move& move, bool validated_too) {
  CROSSFADE_TRY(
      const auto rows,
      move.target.connection().query(
          fmt::format("SELECT t.relname, c.conname FROM pg_constraint c JOIN pg_class t ON "
                      "t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace "
                      "WHERE c.contype = 'c' AND n.nspname = $1{}",
                      validated_too ? "" : " AND NOT c.convalidated"),
          {postgres::text_param(move.options.target_schema)}));
  std::set<TableAndName> out;
  for (int i = 0; i < rows.rows(); ++i) out.emplace(rows.text(i, 0), rows.text(i, 1));
  return out;
}

// Those of ours that are there, or those that are not.
Result<std::vector<CheckPlace>> select_checks(Move& move, bool there, bool validated_too = true) {
  std::vector<CheckPlace> places = carried_checks(move);
  if (places.empty()) return places;
  CROSSFADE_TRY(const auto found, checks_there(move, validated_too));
  std::erase_if(places, [&](const CheckPlace& place) {
    return found.contains({place.table->target_name, place.check->name}) != there;
  });
  return places;
}

std::string alter(const Move& move, const CheckPlace& place, const char* what) {
  return fmt::format("ALTER TABLE {} {} CONSTRAINT {}",
                     quote(move.options.target_schema, place.table->target_name), what,
                     quote(place.check->name));
}

void tell(Move& move, const CheckPlace& place, const char* event, const std::string& what,
          const Error& error) {
  log::warn(fmt::format("{}: {} {}: {}", place.table->name, place.check->name, what, error.native));
  move.audit.record(
      event,
      {{"table", place.table->name}, {"constraint", place.check->name}, {"cause", error.native}});
}

Status add_each(Move& move, const std::vector<CheckPlace>& places, Deadline deadline) {
  for (const CheckPlace& place : places) {
    if (deadline.expired()) return ok();  // the pause is over, and the cutover steps back
    CROSSFADE_TRY(const auto attempt,
                  attempt_ddl(move.target.connection(), bounded(*place.check->target_ddl, deadline),
                              Outcome::kKept));
    if (!attempt.refusal) continue;
    tell(move, place, "check_refused", "is refused by the target, which goes without it",
         *attempt.refusal);
  }
  return ok();
}

Status drop_each(Move& move, const std::vector<CheckPlace>& places) {
  for (const CheckPlace& place : places) {
    CROSSFADE_TRY(move.target.connection().exec(alter(move, place, "DROP")));
  }
  return ok();
}

}  // namespace

Result<std::vector<schema::Finding>> try_checks(postgres::Connection& target, Table* table) {
  std::vector<schema::Finding> findings;
  for (Check& check : table->checks) {
    if (!check.target_ddl) continue;
    CROSSFADE_TRY(const auto attempt, attempt_ddl(target, *check.target_ddl, Outcome::kUndone));
    if (!attempt.refusal) continue;
    const std::string why =
        fmt::format("the target refuses {} ({})", *check.target_ddl, attempt.refusal->native);
    check.target_ddl.reset();
    findings.push_back(schema::check_finding(*table, "", check, why));
    log::warn(fmt::format("{}: {}", table->name, findings.back().message));
  }
  return findings;
}

Status add_checks(Move& move, Deadline deadline) {
  CROSSFADE_TRY(const auto missing, select_checks(move, /*there=*/false));
  if (missing.empty()) return ok();
  return change_target(move, [&] { return add_each(move, missing, deadline); });
}

Status drop_checks(Move& move) {
  CROSSFADE_TRY(const auto there, select_checks(move, /*there=*/true));
  if (there.empty()) return ok();
  auto done = change_unlocked(move, [&] { return drop_each(move, there); });
  if (!done) end_session(move.target.connection());
  return done;
}

Status validate_checks(Move& move) {
  CROSSFADE_TRY(const auto open, select_checks(move, /*there=*/true, /*validated_too=*/false));
  postgres::Connection& target = move.target.connection();
  const PatientStatements patient(target);
  for (const CheckPlace& place : open) {
    const auto done = target.exec(alter(move, place, "VALIDATE"));
    if (done) continue;
    if (!is_refusal(done.error())) return fail(done.error());
    tell(move, place, "check_not_valid",
         "is not met by rows from before; it stays NOT VALID and holds for what is written",
         done.error());
  }
  return ok();
}

}  // namespace crossfade::run
