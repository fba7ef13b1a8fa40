#include "engine/run/target_reader.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "engine/postgres/quote.h"

namespace crossfade::run {
namespace {

using postgres::QueryResult;
using schema::TargetColumn;
using schema::TargetRelation;

constexpr const char* kRelations = R"(
SELECT c.oid, c.relname,
       c.relkind = 'r' AND NOT c.relispartition AND NOT EXISTS(
         SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid OR i.inhrelid = c.oid),
       pg_has_role(c.relowner, 'USAGE'),
       c.relkind <> 'r' OR NOT row_security_active(c.oid),
       EXISTS(SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.relname)";

// Domains are followed to what they are of; their limits and NOT NULLs hold on the way.
constexpr const char* kTargetColumns = R"(
WITH RECURSIVE kind(relation, number, type, modifier, not_null, filled) AS (
  SELECT a.attrelid, a.attnum, a.atttypid, a.atttypmod, a.attnotnull,
         a.atthasdef OR a.attidentity <> ''
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT k.relation, k.number, t.typbasetype, t.typtypmod, k.not_null OR t.typnotnull,
         k.filled OR t.typdefault IS NOT NULL
  FROM kind k JOIN pg_type t ON t.oid = k.type WHERE t.typtype = 'd')
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), k.not_null, k.filled,
       a.attgenerated <> '', coalesce(l.collisdeterministic, true),
       CASE WHEN s.nspname = 'pg_catalog' OR t.typname IN ('citext', 'vector') OR t.typtype = 'e'
            THEN t.typname ELSE '' END, t.typtype = 'e', k.modifier,
       (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e
        WHERE e.enumtypid = t.oid)::text
FROM kind k JOIN pg_type t ON t.oid = k.type AND t.typtype <> 'd'
     JOIN pg_namespace s ON s.oid = t.typnamespace
     JOIN pg_attribute a ON a.attrelid = k.relation AND a.attnum = k.number
     LEFT JOIN pg_collation l ON l.oid = a.attcollation
ORDER BY a.attrelid, a.attnum)";

constexpr const char* kKeys = R"(
SELECT i.indrelid, x.relname,
       (SELECT json_agg(a.attname ORDER BY k.place)
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE k.place <= i.indnkeyatts)::text,
       i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL, i.indisprimary
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
     JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND i.indisvalid AND i.indisready)";

constexpr const char* kReferences = R"(
SELECT k.conrelid, p.relname,
       (SELECT json_agg(a.attname ORDER BY u.place)
        FROM unnest(k.conkey) WITH ORDINALITY u(number, place)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number)::text,
       k.conname, p.relnamespace = c.relnamespace, p.oid::regclass::text,
       (SELECT json_agg(a.attname ORDER BY u.place)
        FROM unnest(k.confkey) WITH ORDINALITY u(number, place)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number)::text
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class p ON p.oid = k.confrelid
WHERE n.nspname = $1 AND k.contype = 'f')";

// PostgreSQL adds no NOT VALID foreign key to a partitioned table before version 18.
constexpr const char* kReferrers = R"(
SELECT k.confrelid, format('%s of %s (%s)', k.conname, k.conrelid::regclass,
                           CASE c.relkind WHEN 'p' THEN 'partitioned' ELSE 'of another role' END)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
     JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace n ON n.oid = p.relnamespace
WHERE n.nspname = $1 AND k.contype = 'f' AND k.conparentid = 0
  AND (c.relkind = 'p' OR NOT pg_has_role(c.relowner, 'USAGE'))
ORDER BY k.conname)";

// Of columns that a unique index or a foreign key is about.
constexpr const char* kDefaults = R"(
SELECT a.attrelid, a.attname, format('(%s)::%s', pg_get_expr(d.adbin, d.adrelid),
                                     format_type(a.atttypid, a.atttypmod))
FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
     JOIN pg_class c ON c.oid = d.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attgenerated = ''
  AND (EXISTS(SELECT 1 FROM pg_index i
              WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY (i.indkey))
       OR EXISTS(SELECT 1 FROM pg_constraint k
                 WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey))))";

// Foreign keys hang on the index, and are put aside before it.
constexpr const char* kDependents = R"(
SELECT k.conrelid, k.conname,
       coalesce((SELECT CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END
                        || v.oid::regclass
                 FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class
                 WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
                   AND v.relkind IN ('v', 'm')),
                pg_describe_object(d.classid, d.objid, 0))
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_depend d ON d.refclassid = 'pg_constraint'::regclass AND d.refobjid = k.oid
WHERE n.nspname = $1 AND k.contype IN ('p', 'u', 'x') AND d.deptype = 'n'
GROUP BY 1, 2, 3 ORDER BY 2, 3)";

constexpr const char* kTriggers = R"(
SELECT t.tgrelid, t.tgname, t.tgenabled
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND NOT t.tgisinternal AND t.tgenabled <> 'D'
UNION ALL
SELECT r.ev_class, format('the rule %s', r.rulename), r.ev_enabled
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r' AND r.ev_enabled <> 'D')";

std::vector<std::string> names_from(const QueryResult& rows, int row, int column) {
  if (rows.is_null(row, column)) return {};
  const auto json = nlohmann::json::parse(rows.text(row, column), nullptr, false);
  std::vector<std::string> out;
  for (const auto& each : json) out.push_back(each.get<std::string>());
  return out;
}

// numeric's modifier is precision and scale, those of characters a length, each with a 4 added.
constexpr int64_t kModifierHead = 4;

bool set_numeric(int64_t modifier, ColumnType* type) {
  type->base = TargetType::kNumeric;
  if (modifier < kModifierHead) return true;
  type->precision = static_cast<int>(((modifier - kModifierHead) >> 16) & 0xFFFF);
  const int64_t scale = (modifier - kModifierHead) & 0x7FF;  // eleven bits, signed
  type->scale = static_cast<int>(scale >= 1024 ? scale - 2048 : scale);
  return type->scale >= 0 && type->scale <= type->precision;
}

bool set_type(const std::string& name, int64_t modifier, ColumnType* type) {
  static const std::map<std::string, TargetType> kPlain = {
      {"bool", TargetType::kBoolean},    {"int2", TargetType::kBigint},
      {"int4", TargetType::kBigint},     {"int8", TargetType::kBigint},
      {"float4", TargetType::kDouble},   {"float8", TargetType::kDouble},
      {"text", TargetType::kText},       {"varchar", TargetType::kText},
      {"citext", TargetType::kText},     {"bpchar", TargetType::kText},
      {"bytea", TargetType::kBytea},     {"timestamp", TargetType::kTimestamp},
      {"uuid", TargetType::kUuid},       {"timestamptz", TargetType::kTimestamptz},
      {"date", TargetType::kDate},       {"json", TargetType::kJson},
      {"jsonb", TargetType::kJsonb},     {"_float4", TargetType::kReals},
      {"_float8", TargetType::kDoubles}, {"vector", TargetType::kVector}};
  if (name == "numeric") return set_numeric(modifier, type);
  const auto plain = kPlain.find(name);
  if (plain == kPlain.end()) return false;
  type->base = plain->second;
  if (name == "int2") type->bytes = 2;
  if (name == "int4" || name == "float4") type->bytes = 4;
  if (name == "varchar" || name == "bpchar") {
    type->length = modifier < kModifierHead ? 0 : static_cast<int>(modifier - kModifierHead);
  }
  type->padded = name == "bpchar";
  if (type->padded && type->length == 0) return false;  // compares without its spaces, keeps them
  if (name.starts_with("timestamp") && modifier >= 0) type->digits = static_cast<int>(modifier);
  if (name == "vector") type->dimensions = static_cast<int>(modifier);
  return name != "vector" || modifier > 0;
}

TargetColumn column_from(const QueryResult& rows, int row) {
  TargetColumn out;
  out.name = rows.text(row, 1);
  out.type.spelling = rows.text(row, 2);
  out.not_null = rows.boolean(row, 3);
  out.filled = rows.boolean(row, 4);
  out.generated = rows.boolean(row, 5);
  out.exact = rows.boolean(row, 6);
  if (rows.boolean(row, 8)) {
    out.type.base = TargetType::kText;
    out.type.labels = names_from(rows, row, 10);
    out.supported = !out.type.labels.empty();
  } else {
    out.supported = set_type(rows.text(row, 7), rows.integer(row, 9), &out.type);
  }
  if (rows.text(row, 7) == "citext") out.exact = false;
  return out;
}

class TargetReader {
 public:
  TargetReader(postgres::Connection& target, const std::string& target_schema,
               const std::set<std::string>& known)
      : target_(target), known_(known) {
    out_.name = target_schema;
  }

  Result<schema::TargetSchema> run() {
    CROSSFADE_TRY(const auto relations, read(kRelations));
    for (int i = 0; i < relations.rows(); ++i) {
      TargetRelation relation;
      relation.name = relations.text(i, 1);
      relation.table = relations.boolean(i, 2);
      relation.owned = relations.boolean(i, 3);
      relation.all_visible = relations.boolean(i, 4);
      relation.has_checks = relations.boolean(i, 5);
      relation.known = known_.contains(relation.name);
      place_[relations.text(i, 0)] = out_.relations.size();
      out_.relations.push_back(std::move(relation));
    }
    CROSSFADE_TRY(const auto columns, read(kTargetColumns));
    for (int i = 0; i < columns.rows(); ++i) {
      if (auto* at = find(columns, i)) at->columns.push_back(column_from(columns, i));
    }
    CROSSFADE_TRY(const auto keys, read(kKeys));
    for (int i = 0; i < keys.rows(); ++i) {
      if (auto* at = find(keys, i)) {
        at->keys.push_back(
            {keys.text(i, 1), names_from(keys, i, 2), keys.boolean(i, 3), keys.boolean(i, 4)});
      }
    }
    CROSSFADE_TRY(read_defaults());
    CROSSFADE_TRY(read_references());
    CROSSFADE_TRY(const auto dependents, read(kDependents));
    for (int i = 0; i < dependents.rows(); ++i) {
      if (auto* at = find(dependents, i)) {
        at->dependents.push_back({dependents.text(i, 1), dependents.text(i, 2)});
      }
    }
    CROSSFADE_TRY(const auto referrers, read(kReferrers));
    for (int i = 0; i < referrers.rows(); ++i) {
      if (auto* at = find(referrers, i)) at->referrers.push_back(referrers.text(i, 1));
    }
    CROSSFADE_TRY(read_triggers());
    CROSSFADE_TRY(look_for_rows());
    return std::move(out_);
  }

 private:
  Result<QueryResult> read(const char* sql) {
    return target_.query(sql, {postgres::text_param(out_.name)});
  }

  TargetRelation* find(const QueryResult& rows, int row) {
    const auto at = place_.find(rows.text(row, 0));
    return at == place_.end() ? nullptr : &out_.relations[at->second];
  }

  // A query that changes nothing, whatever functions it calls. Nothing: it fails, as with a default
  // that counts.
  Result<std::optional<QueryResult>> look(const std::string& sql) {
    const bool inside = target_.in_transaction();
    CROSSFADE_TRY(target_.exec(inside ? "SAVEPOINT look; SET LOCAL transaction_read_only = on"
                                      : "BEGIN READ ONLY"));
    auto found = target_.exec(sql);
    if (!found && found.error().sqlstate.empty()) return fail(std::move(found).error());
    CROSSFADE_TRY(
        target_.exec(inside ? "ROLLBACK TO SAVEPOINT look; RELEASE SAVEPOINT look" : "ROLLBACK"));
    return found ? std::optional(std::move(found).value()) : std::nullopt;
  }

  Status read_defaults() {
    CROSSFADE_TRY(const auto defaults, read(kDefaults));
    for (int i = 0; i < defaults.rows(); ++i) {
      TargetRelation* const at = find(defaults, i);
      if (at == nullptr || at->known) continue;
      CROSSFADE_TRY(const auto found,
                    look(fmt::format("SELECT min(v::text), count(v) = 2 AND "
                                     "count(DISTINCT v::text) = 1 FROM (SELECT {} AS v FROM "
                                     "generate_series(1, 2)) q",
                                     defaults.text(i, 2))));
      if (!found || !found->boolean(0, 1)) continue;
      for (TargetColumn& column : at->columns) {
        if (column.name == defaults.text(i, 1)) column.constant = found->text(0, 0);
      }
    }
    return ok();
  }

  Status read_references() {
    CROSSFADE_TRY(const auto rows, read(kReferences));
    for (int i = 0; i < rows.rows(); ++i) {
      TargetRelation* const at = find(rows, i);
      if (at == nullptr) continue;
      schema::TargetReference made;
      made.parent = rows.text(i, 1);
      made.columns = names_from(rows, i, 2);
      made.name = rows.text(i, 3);
      made.same_schema = rows.boolean(i, 4);
      made.parent_columns = names_from(rows, i, 6);
      for (const TargetColumn& column : at->columns) {
        if (made.columns.size() != 1 || made.columns[0] != column.name || !column.constant)
          continue;
        CROSSFADE_TRY(const auto found,
                      look(fmt::format("SELECT EXISTS(SELECT 1 FROM {} WHERE {} = {})",
                                       rows.text(i, 5), postgres::quote(made.parent_columns[0]),
                                       postgres::quote_literal(*column.constant))));
        made.holds_for_default = !found || found->boolean(0, 0);
      }
      at->references.push_back(std::move(made));
    }
    return ok();
  }

  // Those that session_replication_role keeps quiet do not count, where the role may set it.
  Status read_triggers() {
    CROSSFADE_TRY(const auto role, target_.exec("SHOW session_replication_role"));
    bool quiet = role.text(0, 0) == "replica";
    if (!quiet) {
      const bool inside = target_.in_transaction();
      CROSSFADE_TRY(target_.exec(inside ? "SAVEPOINT quiet" : "BEGIN"));
      quiet = target_.exec("SET LOCAL session_replication_role = replica").has_value();
      CROSSFADE_TRY(target_.exec(inside ? "ROLLBACK TO SAVEPOINT quiet" : "ROLLBACK"));
    }
    CROSSFADE_TRY(const auto triggers, read(kTriggers));
    for (int i = 0; i < triggers.rows(); ++i) {
      auto* at = find(triggers, i);
      if (at == nullptr || (quiet && triggers.text(i, 2) == "O")) continue;
      at->triggers.push_back(triggers.text(i, 1));
    }
    return ok();
  }

  Status look_for_rows() {
    for (TargetRelation& each : out_.relations) {
      if (!each.table || !each.owned || each.known) continue;
      CROSSFADE_TRY(const auto found,
                    target_.exec(fmt::format("SELECT EXISTS(SELECT 1 FROM {})",
                                             postgres::quote(out_.name, each.name))));
      each.empty = !found.boolean(0, 0);
    }
    return ok();
  }

  postgres::Connection& target_;
  const std::set<std::string>& known_;
  schema::TargetSchema out_;
  std::map<std::string, size_t> place_;  // by OID
};

}  // namespace

Result<schema::TargetSchema> read_target_schema(postgres::Connection& target,
                                                const std::string& target_schema,
                                                const std::set<std::string>& known) {
  return TargetReader(target, target_schema, known).run();
}

}  // namespace crossfade::run
