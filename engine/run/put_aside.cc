#include "engine/run/put_aside.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/run/target_ddl.h"

namespace crossfade::run {
namespace {

using postgres::quote;
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

}  // namespace crossfade::run
