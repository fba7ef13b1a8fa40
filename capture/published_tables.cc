#include "capture/published_tables.h"

#include <fmt/format.h>

#include <optional>

#include "engine/postgres/quote.h"

namespace crossfade::capture {
namespace {

using postgres::text_param;

// `was` and `made`: pg_class.relreplident before and after; both null where it was left alone.
constexpr const char* kCreatePublished = R"(
CREATE TABLE crossfade.published(
  relation oid PRIMARY KEY,
  target_name text NOT NULL,
  was text,
  was_index text,
  made text))";

// Indexes that may say which row it is; `tells`: they have all columns of the key, in {1}.
constexpr const char* kIdentitySql = R"(
WITH indexes AS (
  SELECT i.indisprimary AS main, i.indisreplident AS chosen, c.relname AS name, i.indnkeyatts AS n,
         NOT EXISTS(SELECT 1 FROM pg_attribute a
                    WHERE a.attrelid = i.indrelid AND a.attname IN ({1})
                      AND a.attnum <> ALL((i.indkey::int2[])[0:i.indnkeyatts - 1])) AS tells
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  WHERE i.indrelid = {0}::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL
    AND NOT EXISTS(SELECT 1 FROM pg_attribute a
                   WHERE a.attrelid = i.indrelid AND NOT a.attnotnull
                     AND a.attnum = ANY((i.indkey::int2[])[0:i.indnkeyatts - 1])))
SELECT c.oid, c.relreplident,
       coalesce((SELECT name FROM indexes WHERE chosen), ''),
       CASE c.relreplident WHEN 'f' THEN true
                           WHEN 'd' THEN EXISTS(SELECT 1 FROM indexes WHERE main AND tells)
                           WHEN 'i' THEN EXISTS(SELECT 1 FROM indexes WHERE chosen AND tells)
                           ELSE false END,
       EXISTS(SELECT 1 FROM indexes WHERE main AND tells),
       (SELECT name FROM indexes WHERE tells ORDER BY n, name LIMIT 1)
FROM pg_class c WHERE c.oid = {0}::regclass)";

std::string key_names(const Table& table) {
  std::string out;
  for (const size_t column : table.key) {
    out += (out.empty() ? "" : ",") + postgres::quote_literal(table.columns[column].target_name);
  }
  return out;
}

std::string identity_clause(const std::string& letter, const std::string& index) {
  if (letter == "f") return "FULL";
  if (letter == "n") return "NOTHING";
  return letter == "i" ? "USING INDEX " + postgres::quote(index) : "DEFAULT";
}

Status set_identity(postgres::Connection& target, const std::string& name,
                    const std::string& letter, const std::string& index) {
  CROSSFADE_TRY(target.exec(
      fmt::format("ALTER TABLE {} REPLICA IDENTITY {}", name, identity_clause(letter, index))));
  return ok();
}

Status publish_key(postgres::Connection& target, const std::string& target_schema,
                   const Table& table) {
  const std::string name = postgres::quote(target_schema, table.target_name);
  CROSSFADE_TRY(
      const auto found,
      target.exec(fmt::format(kIdentitySql, postgres::quote_literal(name), key_names(table))));
  const std::string oid = found.text(0, 0);
  if (found.boolean(0, 3)) {
    CROSSFADE_TRY(
        target.query("INSERT INTO crossfade.published(relation,target_name) VALUES($1::oid,$2)",
                     {text_param(oid), text_param(table.target_name)}));
    return ok();
  }
  const std::string index = found.text(0, 5);
  const std::string made = found.boolean(0, 4) ? "d" : found.is_null(0, 5) ? "f" : "i";
  CROSSFADE_TRY(set_identity(target, name, made, index));
  const std::string was = found.text(0, 1);
  const std::string was_index = found.text(0, 2);
  CROSSFADE_TRY(target.query("INSERT INTO crossfade.published VALUES($1::oid,$2,$3,$4,$5)",
                             {text_param(oid), text_param(table.target_name), text_param(was),
                              text_param(was_index), text_param(made)}));
  return ok();
}

Result<bool> has_published(postgres::Connection& target) {
  CROSSFADE_TRY(const auto found,
                target.exec("SELECT to_regclass('crossfade.published') IS NOT NULL"));
  return found.boolean(0, 0);
}

}  // namespace

Status publish_keys(postgres::Connection& target, const std::string& target_schema,
                    const std::vector<std::shared_ptr<const Table>>& tables) {
  CROSSFADE_TRY(target.exec(kCreatePublished));
  for (const auto& table : tables) {
    CROSSFADE_TRY(publish_key(target, target_schema, *table));
  }
  return ok();
}

Status note_tables(postgres::Connection& target, const std::string& target_schema,
                   const std::vector<std::shared_ptr<const Table>>& tables) {
  CROSSFADE_TRY(target.exec(kCreatePublished));
  for (const auto& table : tables) {
    const std::string name = postgres::quote(target_schema, table->target_name);
    CROSSFADE_TRY(target.query(
        "INSERT INTO crossfade.published(relation,target_name) VALUES($1::regclass,$2)",
        {text_param(name), text_param(table->target_name)}));
  }
  return ok();
}

Result<std::vector<std::string>> unpublish_keys(postgres::Connection& target) {
  std::vector<std::string> out;
  CROSSFADE_TRY(const bool present, has_published(target));
  if (!present) return out;
  // An index that is gone cannot be gone back to.
  CROSSFADE_TRY(const auto changed, target.exec(R"(
      SELECT format('%I.%I', n.nspname, c.relname), p.was, p.was_index
      FROM crossfade.published p JOIN pg_class c ON c.oid = p.relation
      JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE p.made = c.relreplident::text AND (p.was <> 'i' OR EXISTS(
        SELECT 1 FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
        WHERE i.indrelid = c.oid AND x.relname = p.was_index))
      ORDER BY 1)"));
  for (int i = 0; i < changed.rows(); ++i) {
    const std::string name = changed.text(i, 0);
    CROSSFADE_TRY(set_identity(target, name, changed.text(i, 1), changed.text(i, 2)));
    out.push_back(name);
  }
  CROSSFADE_TRY(target.exec("DROP TABLE crossfade.published"));
  return out;
}

Result<std::map<postgres::Oid, std::string>> read_published(postgres::Connection& target) {
  std::map<postgres::Oid, std::string> out;
  CROSSFADE_TRY(const bool present, has_published(target));
  if (!present) return out;
  CROSSFADE_TRY(const auto rows,
                target.exec("SELECT relation,target_name FROM crossfade.published"));
  for (int i = 0; i < rows.rows(); ++i) {
    out.emplace(static_cast<postgres::Oid>(rows.integer(i, 0)), rows.text(i, 1));
  }
  return out;
}

}  // namespace crossfade::capture
