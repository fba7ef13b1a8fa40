#include "engine/run/put_aside.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/observe/log.h"
#include "engine/postgres/quote.h"
#include "engine/run/target_ddl.h"

namespace crossfade::run {
namespace {

using postgres::quote;
using postgres::quote_literal;
using postgres::text_param;

// Foreign keys first: unique constraints hang on them. What makes a constraint what it is beside
// its definition is written out too: comments, clustering, replica identity, tablespace.
// $1: the relation; $2: the name of the index that tells its rows apart.
constexpr const char* kInTheWay = R"(
WITH constraints AS (
  SELECT k.contype, k.conrelid::regclass::text AS relation, k.conname AS name,
         format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname,
                pg_get_constraintdef(k.oid)) AS ddl,
         CASE WHEN k.contype <> 'f' THEN k.conindid END AS index,
         format('COMMENT ON CONSTRAINT %I ON %s IS %L', k.conname, k.conrelid::regclass,
                obj_description(k.oid, 'pg_constraint')) AS comment,
         obj_description(k.oid, 'pg_constraint') IS NOT NULL AS has_comment,
         format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname) AS drop
  FROM pg_constraint k
  WHERE (k.contype = 'f' AND k.conparentid = 0 AND $1::regclass IN (k.conrelid, k.confrelid))
     OR (k.contype IN ('p', 'u', 'x') AND k.conrelid = $1::regclass AND k.conname <> $2)
  UNION ALL
  SELECT 'i', i.indrelid::regclass::text, x.relname, pg_get_indexdef(i.indexrelid), i.indexrelid,
         '', false, format('DROP INDEX %s', i.indexrelid::regclass)
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
  WHERE i.indrelid = $1::regclass AND i.indisunique AND x.relname <> $2
    AND NOT EXISTS(SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid
                   AND k.contype IN ('p', 'u', 'x')))
SELECT CASE c.contype WHEN 'f' THEN 'f' ELSE 'u' END, c.relation, c.name, c.drop,
       c.ddl
       || CASE WHEN c.has_comment THEN '; ' || c.comment ELSE '' END
       || coalesce((SELECT
            CASE WHEN obj_description(x.oid, 'pg_class') IS NULL THEN ''
                 ELSE format('; COMMENT ON INDEX %s IS %L', x.oid::regclass,
                             obj_description(x.oid, 'pg_class')) END
            || CASE WHEN s.spcname IS NULL THEN ''
                    ELSE format('; ALTER INDEX %s SET TABLESPACE %I', x.oid::regclass, s.spcname)
                    END
            || CASE WHEN i.indisclustered
                    THEN format('; ALTER TABLE %s CLUSTER ON %I', c.relation, x.relname)
                    ELSE '' END
            || CASE WHEN i.indisreplident
                    THEN format('; ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', c.relation,
                                x.relname) ELSE '' END
            FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
                 LEFT JOIN pg_tablespace s ON s.oid = x.reltablespace
            WHERE i.indexrelid = c.index), '')
FROM constraints c ORDER BY c.contype <> 'f', c.relation, c.name)";

// Of the unique indexes over the key's columns the primary key's comes first.
constexpr const char* kKeyIndex = R"(
SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
WHERE i.indrelid = $1::regclass AND i.indisunique AND i.indisvalid AND i.indisready
  AND i.indpred IS NULL AND i.indexprs IS NULL
  AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE "C")
       FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
       WHERE k.place <= i.indnkeyatts)
    = (SELECT array_agg(name ORDER BY name COLLATE "C")
       FROM json_array_elements_text($2::json) e(name))
ORDER BY i.indisprimary DESC, x.relname COLLATE "C" LIMIT 1)";

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

Error is_not_empty(const std::string& name) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "target.adopt_table";
  error.object = name;
  error.native = "it holds rows that crossfade did not bring";
  error.hint = fmt::format(
      "TRUNCATE {} CASCADE once nothing in there is needed, or leave the table out by a rule "
      "(exclude = true)",
      name);
  return error;
}

Error cannot_put_aside(const std::string& relation, const std::string& name, Error error) {
  if (!is_refusal(error)) return error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "target.put_aside";
  error.object = fmt::format("{} of {}", name, relation);
  constexpr const char* kNotPermitted = "42501";
  error.hint =
      error.sqlstate == kNotPermitted
          ? "it must be put aside while rows are loaded; connect with a role that owns its "
            "table"
          : "it must be put aside while rows are loaded, and something on the target hangs "
            "on it; take that away until the cutover is done";
  return error;
}

Result<std::string> key_index(postgres::Connection& target, const std::string& relation,
                              const Table& table) {
  nlohmann::json names = nlohmann::json::array();
  for (const size_t k : table.key) names.push_back(table.columns[k].target_name);
  const std::string text = names.dump();
  CROSSFADE_TRY(const auto found,
                target.query(kKeyIndex, {text_param(relation), text_param(text)}));
  return found.rows() == 0 ? std::string() : found.text(0, 0);
}

const char* letter(AsideKind kind) {
  return kind == AsideKind::kForeignKey ? "f" : "u";
}

Result<std::vector<Aside>> select_aside(postgres::Connection& target, const std::string& where) {
  CROSSFADE_TRY(const auto rows,
                target.exec(fmt::format("SELECT id,table_name,relation,name,ddl,cause FROM "
                                        "crossfade.put_aside WHERE {} ORDER BY kind DESC,id",
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
  if (!found.boolean(0, 0)) return false;
  log::warn(fmt::format("{} of {} is not put back, as there is no such table any more: {}",
                        aside.name, aside.relation, aside.ddl));
  return true;
}

Status put_each_back(Move& move, const std::vector<Aside>& items) {
  postgres::Connection& target = move.target.connection();
  for (const Aside& aside : items) {
    CROSSFADE_TRY(const bool homeless, is_homeless(target, aside));
    if (homeless) {
      move.audit.record("constraint_without_table",
                        {{"relation", aside.relation}, {"ddl", aside.ddl}});
      CROSSFADE_TRY(forget(target, aside));
      continue;
    }
    CROSSFADE_TRY(const bool there, is_there(target, aside));
    Attempt attempt;
    if (!there) {
      CROSSFADE_TRY(attempt, attempt_ddl(target, aside.ddl, Outcome::kKept));
    }
    if (!attempt.refusal) {
      CROSSFADE_TRY(forget(target, aside));
      continue;
    }
    tell_refused(move, aside, *attempt.refusal);
    CROSSFADE_TRY(note_cause(target, aside, attempt.refusal->native));
  }
  return ok();
}

constexpr std::string_view kNotValid = " NOT VALID";

// "ALTER TABLE c ADD CONSTRAINT n FOREIGN KEY ...", without the comment that may follow.
std::string_view definition(const Aside& aside) {
  const std::string_view ddl = aside.ddl;
  return ddl.substr(0, ddl.find("; COMMENT ON CONSTRAINT "));
}

// Made without looking at the rows.
std::string unvalidated(const Aside& aside) {
  std::string out(definition(aside));
  const size_t end = out.size();
  if (!out.ends_with(kNotValid)) out += kNotValid;
  return out + aside.ddl.substr(end);
}

bool was_valid(const Aside& aside) {
  return !definition(aside).ends_with(kNotValid);
}

std::string alter(const Aside& aside, const char* what) {
  return fmt::format("ALTER TABLE IF EXISTS {} {} {}", aside.relation, what, quote(aside.name));
}

Status put_aside(postgres::Connection& target, const std::string& relation, const Table& table) {
  CROSSFADE_TRY(const std::string key, key_index(target, relation, table));
  CROSSFADE_TRY(const auto found, target.query(kInTheWay, {text_param(relation), text_param(key)}));
  for (int i = 0; i < found.rows(); ++i) {
    const std::string kind = found.text(i, 0);
    const std::string where = found.text(i, 1);
    const std::string name = found.text(i, 2);
    const std::string ddl = found.text(i, 4);
    CROSSFADE_TRY(target.query(
        "INSERT INTO crossfade.put_aside(table_name,kind,relation,name,ddl) VALUES($1,$2,$3,$4,$5)",
        {text_param(table.name), text_param(kind), text_param(where), text_param(name),
         text_param(ddl)}));
    auto dropped = target.exec(found.text(i, 3));
    if (!dropped) return fail(cannot_put_aside(where, name, std::move(dropped).error()));
  }
  return ok();
}

Result<bool> has_constraint(postgres::Connection& target, const Aside& aside) {
  CROSSFADE_TRY(const auto found,
                target.query("SELECT EXISTS(SELECT 1 FROM pg_constraint WHERE conrelid = "
                             "to_regclass($1) AND conname = $2)",
                             {text_param(aside.relation), text_param(aside.name)}));
  return found.boolean(0, 0);
}

// Whether they would be valid; none is kept. A refusal is in Aside::cause.
Result<std::vector<Aside>> try_foreign_keys(Move& move) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(auto items, select_aside(target, "kind='f' AND NOT unvalidated"));
  std::vector<Aside> refused;
  if (items.empty()) return refused;
  const PatientStatements patient(target);
  CROSSFADE_TRY(target.exec("BEGIN"));
  for (Aside& aside : items) {
    CROSSFADE_TRY(const bool homeless, is_homeless(target, aside));
    CROSSFADE_TRY(const bool there, is_there(target, aside));
    if (homeless || there) continue;
    auto attempt = attempt_ddl(target, aside.ddl, Outcome::kUndone);
    if (!attempt) {
      target.rollback();
      return fail(std::move(attempt).error());
    }
    if (!attempt.value().refusal) continue;
    tell_refused(move, aside, *attempt.value().refusal);
    aside.cause = attempt.value().refusal->native;
    refused.push_back(std::move(aside));
  }
  target.rollback();
  if (refused.empty()) return refused;
  CROSSFADE_TRY(change_target(move, [&]() -> Status {
    for (const Aside& aside : refused) {
      CROSSFADE_TRY(note_cause(target, aside, aside.cause));
    }
    return ok();
  }));
  return refused;
}

}  // namespace

Status make_room(postgres::Connection& target, const std::string& target_schema, const Table& table,
                 bool ours) {
  const std::string relation = quote(target_schema, table.target_name);
  CROSSFADE_TRY(target.exec(fmt::format("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", relation)));
  CROSSFADE_TRY(put_aside(target, relation, table));
  if (ours) {
    CROSSFADE_TRY(target.exec("TRUNCATE " + relation));
    return ok();
  }
  CROSSFADE_TRY(const auto found,
                target.exec(fmt::format("SELECT EXISTS(SELECT 1 FROM {})", relation)));
  if (found.boolean(0, 0)) return fail(is_not_empty(relation));
  return ok();
}

Status put_back(Move& move, AsideKind kind, const std::string& table) {
  postgres::Connection& target = move.target.connection();
  std::string where = fmt::format("kind='{}' AND NOT unvalidated", letter(kind));
  if (!table.empty()) where += " AND table_name=" + quote_literal(table);
  CROSSFADE_TRY(const auto items, select_aside(target, where));
  if (items.empty()) return ok();
  if (target.in_transaction()) return put_each_back(move, items);  // as patient as the caller
  const PatientStatements patient(target);
  return change_target(move, [&] { return put_each_back(move, items); });
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
        CROSSFADE_TRY(forget(target, aside));
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
  return change_target(move, [&]() -> Status {
    for (const Aside& aside : items) {
      CROSSFADE_TRY(target.exec(alter(aside, "DROP CONSTRAINT IF EXISTS")));
      CROSSFADE_TRY(target.exec(
          fmt::format("UPDATE crossfade.put_aside SET unvalidated=false WHERE id={}", aside.id)));
    }
    return ok();
  });
}

Status put_all_back(postgres::Connection& target) {
  const PatientStatements patient(target);
  CROSSFADE_TRY(const auto unvalidated_items, select_aside(target, "unvalidated"));
  CROSSFADE_TRY(const auto items, select_aside(target, "NOT unvalidated"));
  const auto refused = [](const Aside& aside, Error error, const char* hint) {
    if (!is_refusal(error)) return error;
    error.code = ErrorCode::kBlocked;
    error.remedy = Remedy::kDecide;
    error.op = "finish.put_back";
    error.object = fmt::format("{} of {}", aside.name, aside.relation);
    error.native = fmt::format("{}: {}", aside.ddl, error.native);
    error.hint = hint;
    return error;
  };
  for (const Aside& aside : unvalidated_items) {
    // There since the cutover, for what is written; the rows of before were never looked at.
    constexpr const char* kMend =
        "it holds for what is written, but rows from before break it: mend them on PostgreSQL, or "
        "drop the constraint there, and run `crossfade finish` again; nothing was removed";
    CROSSFADE_TRY(const bool there, has_constraint(target, aside));
    if (!there || !was_valid(aside)) continue;
    auto done = target.exec(alter(aside, "VALIDATE CONSTRAINT"));
    if (!done) return fail(refused(aside, std::move(done).error(), kMend));
  }
  for (const Aside& aside : items) {
    constexpr const char* kTruncate =
        "it would be lost. Its table was not loaded to the end: TRUNCATE it and those that refer "
        "to "
        "it, or mend the rows, and run `crossfade finish` again; nothing was removed";
    CROSSFADE_TRY(const bool homeless, is_homeless(target, aside));
    if (homeless) continue;
    CROSSFADE_TRY(const bool there, is_there(target, aside));
    if (there) continue;
    auto done = target.exec(aside.ddl);
    if (!done) return fail(refused(aside, std::move(done).error(), kTruncate));
  }
  return ok();
}

}  // namespace crossfade::run
