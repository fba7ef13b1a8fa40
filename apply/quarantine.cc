#include "apply/quarantine.h"

#include <fmt/format.h>

#include "apply/computed.h"
#include "apply/net_changes.h"
#include "apply/variant.h"
#include "engine/core/digest.h"
#include "engine/schema/utf8.h"

namespace crossfade::apply {
namespace {

std::string hex(const std::string& bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string key_id(const Row& key) {
  return to_hex(digest_bytes(identity_of(key)));
}

// {"column": value, ...} with every value's class kept.
std::string row_json(const Table& table, const Row& row) {
  std::string out = "{";
  for (size_t i = 0; i < row.size(); ++i) {
    if (i != 0) out += ',';
    append_variant_text(table.columns[i].name, &out);
    out += ':';
    append_variant(row[i], &out);
  }
  return out + "}";
}

}  // namespace

std::string key_literal(const Table& table, const Row& key) {
  if (key.size() == 1) {
    return fmt::format("{}={}", table.columns[table.key[0]].name, to_literal(key[0], 80));
  }
  std::string names;
  std::string values;
  for (size_t i = 0; i < key.size(); ++i) {
    names += (i == 0 ? "" : ", ") + table.columns[table.key[i]].name;
    values += (i == 0 ? "" : ", ") + to_literal(key[i], 80);
  }
  return fmt::format("({})=({})", names, values);
}

Status quarantine_row(postgres::Connection& target, const Table& table, const Misfit& misfit,
                      Lsn lsn) {
  std::string column = misfit.column;
  if (column.empty()) {
    CROSSFADE_TRY(column, find_not_computable(target, table, misfit.row));
  }
  const Row key = key_of(table, misfit.row);
  const std::string id = key_id(key);
  const std::string literal = schema::printable(key_literal(table, key));
  const std::string reason = schema::printable(misfit.reason);
  const std::string json = row_json(table, misfit.row);
  const std::string position = fmt::format("{}", lsn.value);
  const std::string key_hex = hex(identity_of(key));
  CROSSFADE_TRY(target.query(
      "INSERT INTO crossfade.quarantine(table_name,key_id,key,column_name,reason,lsn,source_row,"
      "key_bytes) VALUES($1,$2,$3,$4,$5,$6::bigint,$7::jsonb,decode($8,'hex')) "
      "ON CONFLICT(table_name,key_id) DO UPDATE SET "
      "column_name=excluded.column_name,reason=excluded.reason,lsn=excluded.lsn,"
      "source_row=excluded.source_row,accepted=false,at=clock_timestamp()",
      {postgres::text_param(table.name), postgres::text_param(id), postgres::text_param(literal),
       postgres::text_param(column), postgres::text_param(reason), postgres::text_param(position),
       postgres::text_param(json), postgres::text_param(key_hex)}));
  return ok();
}

Status release_keys(postgres::Connection& target, const Table& table,
                    const std::vector<const Row*>& keys) {
  std::string list = "{";
  for (const Row* key : keys) list += (list.size() == 1 ? "" : ",") + key_id(*key);
  list += "}";
  CROSSFADE_TRY(target.query(
      "DELETE FROM crossfade.quarantine WHERE table_name=$1 AND key_id=ANY($2::text[])",
      {postgres::text_param(table.name), postgres::text_param(list)}));
  return ok();
}

Result<int64_t> quarantined_count(postgres::Connection& target) {
  CROSSFADE_TRY(const auto result,
                target.exec("SELECT count(*) FROM crossfade.quarantine WHERE NOT accepted"));
  return result.integer(0, 0);
}

}  // namespace crossfade::apply
