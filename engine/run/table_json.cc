#include "engine/run/table_json.h"

#include <nlohmann/json.hpp>
#include <optional>

namespace crossfade {
namespace {

using nlohmann::json;

template <typename T>
json optional_json(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

template <typename T>
std::optional<T> optional_from(const json& j) {
  return j.is_null() ? std::nullopt : std::optional<T>(j.get<T>());
}

}  // namespace

// Found by nlohmann through argument-dependent lookup, so they live beside the types.
// The base is an integer, as it was before types had forms; the rest is there only where it says
// something.
static json type_json(const ColumnType& type) {
  if (type == ColumnType(type.base)) return static_cast<int>(type.base);
  json out = {{"base", static_cast<int>(type.base)},
              {"form", static_cast<int>(type.form)},
              {"pattern", type.pattern},
              {"words", type.words},
              {"precision", type.precision},
              {"scale", type.scale},
              {"dimensions", type.dimensions}};
  if (type.spelling.empty()) return out;
  out["bytes"] = type.bytes;
  out["length"] = type.length;
  out["padded"] = type.padded;
  out["digits"] = type.digits;
  out["labels"] = type.labels;
  out["spelling"] = type.spelling;
  return out;
}

static ColumnType type_from(const json& j) {
  if (j.is_number()) return static_cast<TargetType>(j.get<int>());
  ColumnType type(static_cast<TargetType>(j.at("base").get<int>()));
  type.form = static_cast<SourceForm>(j.at("form").get<int>());
  j.at("pattern").get_to(type.pattern);
  j.at("words").get_to(type.words);
  j.at("precision").get_to(type.precision);
  j.at("scale").get_to(type.scale);
  j.at("dimensions").get_to(type.dimensions);
  if (!j.contains("spelling")) return type;
  j.at("bytes").get_to(type.bytes);
  j.at("length").get_to(type.length);
  j.at("padded").get_to(type.padded);
  j.at("digits").get_to(type.digits);
  j.at("labels").get_to(type.labels);
  j.at("spelling").get_to(type.spelling);
  return type;
}

static void to_json(json& j, const Column& c) {
  j = {{"name", c.name},
       {"source_sql", c.source_sql},
       {"target_name", c.target_name},
       {"declared_type", c.declared_type},
       {"affinity", static_cast<int>(c.affinity)},
       {"type", type_json(c.type)},
       {"on_misfit", static_cast<int>(c.on_misfit)},
       {"reason", c.reason},
       {"not_null", c.not_null},
       {"synthetic", c.synthetic},
       {"generated", c.generated},
       {"generated_sql", c.generated_sql},
       {"target_generated", optional_json(c.target_generated)},
       {"collation", c.collation},
       {"default_sql", optional_json(c.default_sql)},
       {"target_default", optional_json(c.target_default)}};
}

static void from_json(const json& j, Column& c) {
  j.at("name").get_to(c.name);
  j.at("source_sql").get_to(c.source_sql);
  j.at("target_name").get_to(c.target_name);
  j.at("declared_type").get_to(c.declared_type);
  c.affinity = static_cast<Affinity>(j.at("affinity").get<int>());
  c.type = type_from(j.at("type"));
  c.on_misfit = static_cast<OnMisfit>(j.value("on_misfit", 0));
  j.at("reason").get_to(c.reason);
  j.at("not_null").get_to(c.not_null);
  j.at("synthetic").get_to(c.synthetic);
  j.at("generated").get_to(c.generated);
  j.at("generated_sql").get_to(c.generated_sql);
  c.target_generated = optional_from<std::string>(j.at("target_generated"));
  j.at("collation").get_to(c.collation);
  c.default_sql = optional_from<std::string>(j.at("default_sql"));
  c.target_default = optional_from<std::string>(j.at("target_default"));
}

static void to_json(json& j, const UniqueKey::Part& p) {
  j = {{"column", p.column}, {"collation", p.collation}};
}
static void from_json(const json& j, UniqueKey::Part& p) {
  j.at("column").get_to(p.column);
  j.at("collation").get_to(p.collation);
}
static void to_json(json& j, const UniqueKey& k) {
  j = {{"parts", k.parts}, {"where_sql", k.where_sql}};
}
static void from_json(const json& j, UniqueKey& k) {
  j.at("parts").get_to(k.parts);
  j.at("where_sql").get_to(k.where_sql);
}

static void to_json(json& j, const Index::Part& p) {
  j = {{"column", p.column}, {"descending", p.descending}, {"collation", p.collation}};
}
static void from_json(const json& j, Index::Part& p) {
  j.at("column").get_to(p.column);
  j.at("descending").get_to(p.descending);
  j.at("collation").get_to(p.collation);
}
static void to_json(json& j, const Index& i) {
  j = {{"name", i.name},
       {"unique", i.unique},
       {"constraint", i.constraint},
       {"primary", i.primary},
       {"partial", i.partial},
       {"expression", i.expression},
       {"source_sql", i.source_sql},
       {"parts", i.parts},
       {"target_ddl", optional_json(i.target_ddl)}};
}
static void from_json(const json& j, Index& i) {
  j.at("name").get_to(i.name);
  j.at("unique").get_to(i.unique);
  j.at("constraint").get_to(i.constraint);
  j.at("primary").get_to(i.primary);
  j.at("partial").get_to(i.partial);
  j.at("expression").get_to(i.expression);
  j.at("source_sql").get_to(i.source_sql);
  j.at("parts").get_to(i.parts);
  i.target_ddl = optional_from<std::string>(j.at("target_ddl"));
}

static void to_json(json& j, const ForeignKey& f) {
  j = {{"id", f.id},
       {"parent_table", f.parent_table},
       {"columns", f.columns},
       {"parent_columns", f.parent_columns},
       {"on_update", f.on_update},
       {"on_delete", f.on_delete},
       {"target_ddl", optional_json(f.target_ddl)},
       {"target_constraint", f.target_constraint}};
}
static void from_json(const json& j, ForeignKey& f) {
  j.at("id").get_to(f.id);
  j.at("parent_table").get_to(f.parent_table);
  j.at("columns").get_to(f.columns);
  j.at("parent_columns").get_to(f.parent_columns);
  j.at("on_update").get_to(f.on_update);
  j.at("on_delete").get_to(f.on_delete);
  f.target_ddl = optional_from<std::string>(j.at("target_ddl"));
  j.at("target_constraint").get_to(f.target_constraint);
}

static void to_json(json& j, const Check& c) {
  j = {{"name", c.name}, {"source_sql", c.source_sql}, {"target_ddl", optional_json(c.target_ddl)}};
}
static void from_json(const json& j, Check& c) {
  j.at("name").get_to(c.name);
  j.at("source_sql").get_to(c.source_sql);
  c.target_ddl = optional_from<std::string>(j.at("target_ddl"));
}

static void to_json(json& j, const Search& s) {
  j = {{"source", s.source},
       {"target_name", s.target_name},
       {"add_ddl", s.add_ddl},
       {"index_ddl", s.index_ddl}};
}
static void from_json(const json& j, Search& s) {
  j.at("source").get_to(s.source);
  j.at("target_name").get_to(s.target_name);
  j.at("add_ddl").get_to(s.add_ddl);
  j.at("index_ddl").get_to(s.index_ddl);
}

static void to_json(json& j, const Table& t) {
  j = {{"name", t.name},
       {"target_name", t.target_name},
       {"without_rowid", t.without_rowid},
       {"autoincrement", t.autoincrement},
       {"rowid_name", t.rowid_name},
       {"identity", static_cast<int>(t.identity)},
       {"columns", t.columns},
       {"key", t.key},
       {"unique_keys", t.unique_keys},
       {"indexes", t.indexes},
       {"foreign_keys", t.foreign_keys},
       {"checks", t.checks},
       {"searches", t.searches},
       {"sequence", t.sequence},
       {"create_table_ddl", t.create_table_ddl},
       {"primary_key_ddl", t.primary_key_ddl},
       {"shape", t.shape},
       {"rules", t.rules},
       {"source_sql", t.source_sql},
       {"rows_estimate", t.rows_estimate},
       {"adopted", t.adopted}};
}
static void from_json(const json& j, Table& t) {
  j.at("name").get_to(t.name);
  j.at("target_name").get_to(t.target_name);
  j.at("without_rowid").get_to(t.without_rowid);
  j.at("autoincrement").get_to(t.autoincrement);
  j.at("rowid_name").get_to(t.rowid_name);
  t.identity = static_cast<Identity>(j.at("identity").get<int>());
  j.at("columns").get_to(t.columns);
  j.at("key").get_to(t.key);
  j.at("unique_keys").get_to(t.unique_keys);
  j.at("indexes").get_to(t.indexes);
  j.at("foreign_keys").get_to(t.foreign_keys);
  j.at("checks").get_to(t.checks);
  j.at("searches").get_to(t.searches);
  j.at("sequence").get_to(t.sequence);
  j.at("create_table_ddl").get_to(t.create_table_ddl);
  j.at("primary_key_ddl").get_to(t.primary_key_ddl);
  j.at("shape").get_to(t.shape);
  j.at("rules").get_to(t.rules);
  j.at("source_sql").get_to(t.source_sql);
  j.at("rows_estimate").get_to(t.rows_estimate);
  j.at("adopted").get_to(t.adopted);
}

namespace run {

std::string table_to_json(const Table& table) {
  // Text that is not UTF-8 (a default, a comment in the source's SQL) must not end the move.
  return json(table).dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Table> table_from_json(const std::string& text) {
  try {
    return json::parse(text).get<Table>();
  } catch (const json::exception& e) {
    Error error;
    error.code = ErrorCode::kTarget;
    error.op = "target.read_plan";
    error.object = "crossfade.tables";
    error.native = e.what();
    error.hint = "another version of crossfade wrote this plan; finish the move with that version";
    return fail(std::move(error));
  }
}

}  // namespace run
}  // namespace crossfade
