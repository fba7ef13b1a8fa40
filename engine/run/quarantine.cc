#include "engine/run/quarantine.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "capture/change_log.h"
#include "capture/refresh.h"
#include "engine/sqlite/connection.h"

namespace crossfade::run {
namespace {

constexpr const char* kColumns =
    "id,table_name,key,column_name,reason,lsn,to_char(at AT TIME ZONE 'UTC',"
    "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),accepted,source_row::text,encode(key_bytes,'hex')";

std::string from_hex(const std::string& hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return out;
}

Error damaged(const std::string& table, int64_t id) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "quarantine.read";
  error.object = fmt::format("entry {} of table {}", id, table);
  error.native = "its key is not what crossfade wrote";
  error.hint =
      "somebody altered crossfade.quarantine; `crossfade verify` names the row if it differs";
  return error;
}

std::string id_array(const std::vector<int64_t>& ids) {
  return fmt::format("{{{}}}", fmt::join(ids, ","));
}

Status release(TargetStore& store, const std::vector<int64_t>& ids) {
  if (ids.empty()) return ok();
  const std::string list = id_array(ids);
  CROSSFADE_TRY(store.connection().query(
      "DELETE FROM crossfade.quarantine WHERE id=ANY($1::bigint[])", {postgres::text_param(list)}));
  return ok();
}

Error not_captured(const std::string& table) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "quarantine.retry";
  error.object = "table " + table;
  error.native = "the table's shape on the source is not the one that was copied";
  error.hint = "let `crossfade run` take the change up first; it copies the table anew";
  return error;
}

// A value of source_row as a person reads it: the class follows from the JSON, and is said where
// the text alone would not tell.
std::string shown(const nlohmann::json& value) {
  if (value.is_null()) return "NULL";
  if (value.is_object() && value.contains("$blob")) {
    return fmt::format("x'{}'", value.at("$blob").get<std::string>());
  }
  if (value.is_object() && value.contains("$text")) {
    return fmt::format("x'{}' as text", value.at("$text").get<std::string>());
  }
  if (value.is_object() && value.contains("$real")) return value.at("$real").get<std::string>();
  if (value.is_string())
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return value.dump();
}

}  // namespace

Result<QuarantineCounts> quarantine_counts(TargetStore& store) {
  CROSSFADE_TRY(const auto row, store.connection().exec(
                                    "SELECT count(*) FILTER (WHERE NOT accepted),"
                                    "count(*) FILTER (WHERE accepted) FROM crossfade.quarantine"));
  return QuarantineCounts{row.integer(0, 0), row.integer(0, 1)};
}

Result<std::vector<QuarantineEntry>> quarantine_entries(TargetStore& store,
                                                        const QuarantineFilter& filter) {
  const std::string ids = id_array(filter.ids);
  const std::string limit =
      filter.rows_max > 0 ? fmt::format(" LIMIT {}", filter.rows_max) : std::string();
  CROSSFADE_TRY(const auto rows,
                store.connection().query(
                    fmt::format("SELECT {} FROM crossfade.quarantine WHERE ($1='{{}}' OR "
                                "id=ANY($1::bigint[])) AND ($2='' OR table_name=$2) "
                                "ORDER BY table_name,lsn,id{}",
                                kColumns, limit),
                    {postgres::text_param(ids), postgres::text_param(filter.table)}));
  std::vector<QuarantineEntry> out;
  for (int i = 0; i < rows.rows(); ++i) {
    QuarantineEntry entry;
    entry.id = rows.integer(i, 0);
    entry.table = rows.text(i, 1);
    entry.key = rows.text(i, 2);
    entry.column = rows.text(i, 3);
    entry.reason = rows.text(i, 4);
    entry.lsn = Lsn{rows.integer(i, 5)};
    entry.at = rows.text(i, 6);
    entry.accepted = rows.boolean(i, 7);
    entry.row = rows.text(i, 8);
    auto key = parse_identity(from_hex(rows.text(i, 9)));
    if (!key) return fail(damaged(entry.table, entry.id));
    entry.key_values = std::move(*key);
    out.push_back(std::move(entry));
  }
  return out;
}

Result<int64_t> accept_entries(TargetStore& store, const std::vector<QuarantineEntry>& entries) {
  std::vector<int64_t> ids;
  std::vector<int64_t> positions;
  for (const QuarantineEntry& entry : entries) {
    ids.push_back(entry.id);
    positions.push_back(entry.lsn.value);
  }
  const std::string id_list = id_array(ids);
  const std::string lsn_list = id_array(positions);
  CROSSFADE_TRY(
      const auto done,
      store.connection().query(
          "UPDATE crossfade.quarantine q SET accepted=true FROM "
          "unnest($1::bigint[],$2::bigint[]) AS v(id,lsn) WHERE q.id=v.id AND q.lsn=v.lsn",
          {postgres::text_param(id_list), postgres::text_param(lsn_list)}));
  return done.affected();
}

Result<Lsn> retry_entries(sqlite::Connection& source, TargetStore& store,
                          const std::vector<QuarantineEntry>& entries) {
  CROSSFADE_TRY(const auto tables, store.tables());
  CROSSFADE_TRY(const auto captured, capture::read_captured(source));
  CROSSFADE_TRY(Lsn through, capture::newest_lsn(source));
  std::map<std::string, std::vector<const QuarantineEntry*>> by_table;
  for (const QuarantineEntry& entry : entries) by_table[entry.table].push_back(&entry);
  for (const auto& each : by_table) {
    const std::string& name = each.first;
    const std::vector<const QuarantineEntry*>& of_table = each.second;
    const auto table = std::find_if(tables.begin(), tables.end(),
                                    [&](const TargetTable& t) { return t.table->name == name; });
    const auto known = std::any_of(captured.begin(), captured.end(), [&](const auto& c) {
      return table != tables.end() && c.id == table->capture_id && c.shape == table->table->shape;
    });
    if (!known) return fail(not_captured(name));
    std::vector<Row> keys;
    for (const QuarantineEntry* entry : of_table) keys.push_back(entry->key_values);
    CROSSFADE_TRY(const auto done,
                  capture::log_refresh(source, *table->table, table->capture_id, keys));
    through = std::max(through, done.through);
    std::vector<int64_t> gone;
    for (const size_t i : done.absent) gone.push_back(of_table[i]->id);
    CROSSFADE_TRY(release(store, gone));
  }
  return through;
}

Result<std::map<std::string, verify::KeySet>> accepted_keys(
    TargetStore& store, const std::vector<TargetTable>& tables) {
  CROSSFADE_TRY(const auto rows,
                store.connection().exec("SELECT id,table_name,encode(key_bytes,'hex') FROM "
                                        "crossfade.quarantine WHERE accepted"));
  std::map<std::string, verify::KeySet> out;
  for (int i = 0; i < rows.rows(); ++i) {
    const std::string name = rows.text(i, 1);
    const auto key = parse_identity(from_hex(rows.text(i, 2)));
    if (!key) return fail(damaged(name, rows.integer(i, 0)));
    const auto entry = std::find_if(tables.begin(), tables.end(),
                                    [&](const TargetTable& t) { return t.table->name == name; });
    if (entry != tables.end()) out[name].insert(verify::key_form(*entry->table, *key));
  }
  return out;
}

nlohmann::json to_json(const QuarantineEntry& entry, bool with_row) {
  nlohmann::json out = {{"id", entry.id},         {"table", entry.table},
                        {"key", entry.key},       {"column", entry.column},
                        {"reason", entry.reason}, {"lsn", entry.lsn.value},
                        {"at", entry.at},         {"accepted", entry.accepted}};
  if (with_row) out["row"] = nlohmann::json::parse(entry.row, nullptr, /*allow_exceptions=*/false);
  return out;
}

std::string to_text(const QuarantineEntry& entry, bool with_row) {
  std::string out = fmt::format("{:>6}  {} {}{}{}: {}{}\n", entry.id, entry.table, entry.key,
                                entry.column.empty() ? "" : " ", entry.column, entry.reason,
                                entry.accepted ? " (accepted)" : "");
  if (!with_row) return out;
  out += fmt::format("        set aside at {}, position {}\n", entry.at, entry.lsn.value);
  const auto row = nlohmann::json::parse(entry.row, nullptr, /*allow_exceptions=*/false);
  for (const auto& [name, value] : row.items()) {
    out += fmt::format("        {} = {}\n", name, shown(value));
  }
  return out;
}

}  // namespace crossfade::run
