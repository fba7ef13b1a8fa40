#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/postgres/quote.h"
#include "engine/run/lock_wait.h"
#include "engine/run/put_aside.h"
#include "engine/run/target_ddl.h"

namespace crossfade::run {
namespace {

using postgres::quote;
using postgres::quote_literal;
using postgres::text_param;

// Somebody made it anew: under its name stands what would be made. $1: its table; $2: its name;
// $3: the statements.
constexpr const char* kIsThere = R"(
SELECT EXISTS(SELECT 1 FROM pg_constraint k
              WHERE k.conrelid = to_regclass($1) AND k.conname = $2
                AND starts_with($3, format('ALTER TABLE %s ADD CONSTRAINT %I %s',
                                           k.conrelid::regclass, k.conname,
                                           pg_get_constraintdef(k.oid))))
    OR EXISTS(SELECT 1 FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
              WHERE i.indrelid = to_regclass($1) AND x.relname = $2 AND i.indisvalid
                AND starts_with($3, pg_get_indexdef(i.indexrelid))))";

const char* letter(AsideKind kind) {
  return kind == AsideKind::kForeignKey ? "f" : "u";
}

Result<std::vector<Aside>> select_aside(postgres::Connection& target, const std::string& where) {
  CROSSFADE_TRY(const auto rows,
                target.exec(fmt::format("SELECT id,table_name,relation,name,ddl,cause FROM "
                                        "crossfade.put_aside WHERE {} ORDER BY kind DESC,ddl LIKE "
                                        "'CREATE %',id",
                                        where)));
  std::vector<Aside> out;
  for (int i = 0; i < rows.rows(); ++i) {
    out.push_back({rows.integer(i, 0), rows.text(i, 1), rows.text(i, 2), rows.text(i, 3),
                   rows.text(i, 4), rows.text(i, 5)});
  }
  return out;
}

Status note_cause(postgres::Connection& target, const Aside& aside, const std::string& cause) {
  CROSSFADE_TRY(target.exec(fmt::format("UPDATE crossfade.put_aside SET cause={} WHERE id={}",
                                        quote_literal(cause), aside.id)));
  return ok();
}

Status forget(postgres::Connection& target, const Aside& aside) {
  CROSSFADE_TRY(target.exec(fmt::format("DELETE FROM crossfade.put_aside WHERE id={}", aside.id)));
  return ok();
}

// SQLSTATE class 23, integrity constraint violation.
bool rows_break(const Error& refusal) {
  return refusal.sqlstate.starts_with("23");
}

Result<bool> is_there(postgres::Connection& target, const Aside& aside) {
  CROSSFADE_TRY(const auto found,
                target.query(kIsThere, {text_param(aside.relation), text_param(aside.name),
                                        text_param(aside.ddl)}));
  return found.boolean(0, 0);
}

// `remedy`: where it is rows that break it.
void tell_refused(
    Move& move, const Aside& aside, const Error& refusal,
    const char* remedy = "mend the rows on the source; there is no cutover without it") {
  schema::Finding finding;
  finding.severity = schema::Severity::kWarning;
  finding.code = "target_constraint_refused";
  finding.table = aside.table;
  finding.message =
      fmt::format("{} {} of {}: {} ({})", rows_break(refusal) ? "rows break" : "the target refuses",
                  aside.name, aside.relation, aside.ddl, refusal.native);
  finding.remedy =
      rows_break(refusal)
          ? remedy
          : "change on the target what it has against it; there is no cutover without it";
  if (aside.cause == refusal.native) return;  // said before
  log::warn(fmt::format("{}: {}", aside.table, finding.message));
  move.audit.record("constraint_refused", {{"table", aside.table},
                                           {"constraint", aside.name},
                                           {"ddl", aside.ddl},
                                           {"cause", refusal.native}});
  move.findings.push_back(std::move(finding));
}

// Its table was dropped on the target, or has another name now.
Result<bool> is_homeless(postgres::Connection& target, const Aside& aside) {
  CROSSFADE_TRY(const auto found,
                target.query("SELECT to_regclass($1) IS NULL", {text_param(aside.relation)}));
  return found.boolean(0, 0);
}

// It is in nobody's way any more, until `finish` tries it once again and tells it with its DDL.
Status keep_homeless(Move& move, const Aside& aside) {
  log::warn(fmt::format("{} of {} is not put back, as there is no such table any more: {}",
                        aside.name, aside.relation, aside.ddl));
  move.audit.record("constraint_without_table", {{"relation", aside.relation}, {"ddl", aside.ddl}});
  CROSSFADE_TRY(move.target.connection().exec(fmt::format(
      "UPDATE crossfade.put_aside SET kind='h',unvalidated=false WHERE id={}", aside.id)));
  return ok();
}

// What needs the most of a lock goes first, so that one that is not to be had costs no index.
Status put_each_back(Move& move, const std::vector<Aside>& items) {
  postgres::Connection& target = move.target.connection();
  std::vector<std::pair<const Aside*, Error>> refused;
  std::vector<const Aside*> homeless;
  for (const Aside& aside : items) {
    CROSSFADE_TRY(const bool gone, is_homeless(target, aside));
    if (gone) {
      homeless.push_back(&aside);
      continue;
    }
    CROSSFADE_TRY(const bool there, is_there(target, aside));
    Attempt attempt;
    if (!there) {
      CROSSFADE_TRY(attempt, attempt_ddl(target, aside.ddl, Outcome::kKept));
    }
    if (attempt.refusal) {
      refused.emplace_back(&aside, std::move(*attempt.refusal));
    } else {
      CROSSFADE_TRY(forget(target, aside));
    }
  }
  for (const Aside* aside : homeless) {
    CROSSFADE_TRY(keep_homeless(move, *aside));
  }
  for (const auto& [aside, refusal] : refused) {
    tell_refused(move, *aside, refusal);
    CROSSFADE_TRY(note_cause(target, *aside, refusal.native));
  }
  return ok();
}

constexpr std::string_view kNotValid = " NOT VALID";
constexpr std::string_view kNotEnforced = " NOT ENFORCED";  // 18: it is never looked at

// "ALTER TABLE c ADD CONSTRAINT n FOREIGN KEY ...", without the comment that may follow.
std::string_view definition(const Aside& aside) {
  const std::string_view ddl = aside.ddl;
  return ddl.substr(0, ddl.find("; COMMENT ON CONSTRAINT "));
}

bool was_valid(const Aside& aside) {
  return !definition(aside).ends_with(kNotValid) && !definition(aside).ends_with(kNotEnforced);
}

// Made without looking at the rows.
std::string unvalidated(const Aside& aside) {
  std::string out(definition(aside));
  const size_t end = out.size();
  if (was_valid(aside)) out += kNotValid;
  return out + aside.ddl.substr(end);
}

std::string alter(const Aside& aside, const char* what) {
  return fmt::format("ALTER TABLE IF EXISTS {} {} {}", aside.relation, what, quote(aside.name));
}

Result<bool> has_constraint(postgres::Connection& target, const Aside& aside) {
  CROSSFADE_TRY(const auto found,
                target.query("SELECT EXISTS(SELECT 1 FROM pg_constraint WHERE conrelid = "
                             "to_regclass($1) AND conname = $2)",
                             {text_param(aside.relation), text_param(aside.name)}));
  return found.boolean(0, 0);
}

// Whether they would be valid; none is kept.
Status try_each_key(Move& move, const LockWait& wait, const std::vector<Aside>& items,
                    std::vector<std::pair<const Aside*, Error>>* refused) {
  postgres::Connection& target = move.target.connection();
  refused->clear();
  CROSSFADE_TRY(target.exec("BEGIN"));
  CROSSFADE_TRY(wait.bound(target));
  for (const Aside& aside : items) {
    CROSSFADE_TRY(const bool homeless, is_homeless(target, aside));
    CROSSFADE_TRY(const bool there, is_there(target, aside));
    if (homeless || there) continue;
    CROSSFADE_TRY(auto attempt, attempt_ddl(target, aside.ddl, Outcome::kUndone));
    if (attempt.refusal) refused->emplace_back(&aside, std::move(*attempt.refusal));
  }
  target.rollback();
  return ok();
}

// A refusal is in Aside::cause.
Result<std::vector<Aside>> try_foreign_keys(Move& move) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(const auto items, select_aside(target, "kind='f' AND NOT unvalidated"));
  std::vector<Aside> out;
  if (items.empty()) return out;
  std::vector<std::pair<const Aside*, Error>> refused;
  {
    const PatientStatements patient(target);
    auto tried = until_unlocked(
        target, move.options.target_schema, limits::kLockPatience,
        [&](const LockWait& wait) { return try_each_key(move, wait, items, &refused); });
    target.rollback();
    CROSSFADE_TRY(std::move(tried));
  }
  if (refused.empty()) return out;
  for (const auto& [aside, refusal] : refused) {
    tell_refused(move, *aside, refusal);
    out.push_back(*aside);
    out.back().cause = refusal.native;
  }
  CROSSFADE_TRY(change_target(move, [&]() -> Status {
    for (const Aside& aside : out) {
      CROSSFADE_TRY(note_cause(target, aside, aside.cause));
    }
    return ok();
  }));
  return out;
}

}  // namespace

Status put_back(Move& move, AsideKind kind, const std::string& table) {
  postgres::Connection& target = move.target.connection();
  std::string where = fmt::format("kind='{}' AND NOT unvalidated", letter(kind));
  if (!table.empty()) where += " AND table_name=" + quote_literal(table);
  CROSSFADE_TRY(const auto items, select_aside(target, where));
  if (items.empty()) return ok();
  if (target.in_transaction()) return put_each_back(move, items);  // as patient as the caller
  const PatientStatements patient(target);
  return change_unlocked(move, [&] { return put_each_back(move, items); });
}

Result<std::vector<Aside>> still_broken(Move& move) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(put_back(move, AsideKind::kUnique, ""));
  CROSSFADE_TRY(auto broken, try_foreign_keys(move));
  CROSSFADE_TRY(auto others, select_aside(target, "kind='u'"));
  std::move(others.begin(), others.end(), std::back_inserter(broken));
  return broken;
}

Status put_back_unvalidated(Move& move, Deadline deadline) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(const auto items, select_aside(target, "kind='f' AND NOT unvalidated"));
  if (items.empty()) return ok();
  return change_target(move, [&]() -> Status {
    for (const Aside& aside : items) {
      CROSSFADE_TRY(const bool homeless, is_homeless(target, aside));
      CROSSFADE_TRY(const bool there, is_there(target, aside));
      if (homeless || there) {
        CROSSFADE_TRY(there ? forget(target, aside) : keep_homeless(move, aside));
        continue;
      }
      CROSSFADE_TRY(target.exec(bounded(unvalidated(aside), deadline)));
      CROSSFADE_TRY(target.exec(
          fmt::format("UPDATE crossfade.put_aside SET unvalidated=true WHERE id={}", aside.id)));
    }
    return ok();
  });
}

Status validate_put_back(Move& move) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(const auto items, select_aside(target, "unvalidated"));
  if (items.empty()) return ok();
  const PatientStatements patient(target);
  for (const Aside& aside : items) {
    CROSSFADE_TRY(change_target(move, [&]() -> Status {
      CROSSFADE_TRY(const bool there, has_constraint(target, aside));
      if (there && was_valid(aside)) {
        CROSSFADE_TRY(const auto attempt,
                      attempt_ddl(target, alter(aside, "VALIDATE CONSTRAINT"), Outcome::kKept));
        if (attempt.refusal) {
          tell_refused(move, aside, *attempt.refusal,
                       "it holds for what is written, and is NOT VALID for rows from before: mend "
                       "them on the target, then VALIDATE it or run `crossfade finish`");
          return note_cause(target, aside, attempt.refusal->native);
        }
      }
      return forget(target, aside);
    }));
  }
  return ok();
}

Status put_unvalidated_aside(Move& move) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(const auto items, select_aside(target, "unvalidated"));
  if (items.empty()) return ok();
  auto done = change_unlocked(move, [&]() -> Status {
    for (const Aside& aside : items) {
      CROSSFADE_TRY(target.exec(alter(aside, "DROP CONSTRAINT IF EXISTS")));
      CROSSFADE_TRY(target.exec(
          fmt::format("UPDATE crossfade.put_aside SET unvalidated=false WHERE id={}", aside.id)));
    }
    return ok();
  });
  if (!done) end_session(target);
  return done;
}

namespace {

Error cannot_finish(const Aside& aside, Error error, const char* hint) {
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "finish.put_back";
  error.object = fmt::format("{} of {}", aside.name, aside.relation);
  error.native = fmt::format("{}: {}", aside.ddl, error.native);
  error.hint = hint;
  return error;
}

// What its definition names was dropped or renamed: a table, a column, a type or a function.
bool names_what_is_gone(const Error& refusal) {
  return refusal.sqlstate == "42P01" || refusal.sqlstate == "42703" ||
         refusal.sqlstate == "42704" || refusal.sqlstate == "42883";
}

// There since the cutover, for what is written; the rows of before were never looked at.
Status validate_last(postgres::Connection& target, const Aside& aside) {
  constexpr const char* kMend =
      "it holds for what is written, but rows from before break it: mend them on PostgreSQL, or "
      "drop the constraint there, and run `crossfade finish` again; nothing was removed";
  CROSSFADE_TRY(const bool there, has_constraint(target, aside));
  if (!there || !was_valid(aside)) return ok();
  CROSSFADE_TRY(auto attempt,
                attempt_ddl(target, alter(aside, "VALIDATE CONSTRAINT"), Outcome::kKept));
  if (!attempt.refusal) return ok();
  return fail(cannot_finish(aside, std::move(*attempt.refusal), kMend));
}

}  // namespace

Result<std::vector<Aside>> put_all_back(postgres::Connection& target) {
  const PatientStatements patient(target);
  CROSSFADE_TRY(const auto unvalidated_items, select_aside(target, "unvalidated"));
  CROSSFADE_TRY(const auto items, select_aside(target, "NOT unvalidated"));
  for (const Aside& aside : unvalidated_items) {
    CROSSFADE_TRY(validate_last(target, aside));
  }
  std::vector<Aside> left;
  for (const Aside& aside : items) {
    constexpr const char* kTruncate =
        "it would be lost. Its table was not loaded to the end: TRUNCATE it and those that refer "
        "to it, or mend the rows, and run `crossfade finish` again; nothing was removed";
    CROSSFADE_TRY(const bool homeless, is_homeless(target, aside));
    if (homeless) {
      left.push_back(aside);
      left.back().cause = "there is no such table any more";
      continue;
    }
    CROSSFADE_TRY(const bool there, is_there(target, aside));
    if (there) continue;
    CROSSFADE_TRY(auto attempt, attempt_ddl(target, aside.ddl, Outcome::kKept));
    if (!attempt.refusal) continue;
    if (!names_what_is_gone(*attempt.refusal)) {
      return fail(cannot_finish(aside, std::move(*attempt.refusal), kTruncate));
    }
    left.push_back(aside);
    left.back().cause = attempt.refusal->native;
  }
  return left;
}

}  // namespace crossfade::run
