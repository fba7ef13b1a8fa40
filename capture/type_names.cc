#include "capture/type_names.h"

#include <fmt/format.h>

namespace crossfade::capture {

Result<std::vector<std::string>> TypeNames::of(const pgoutput::Relation& relation) {
  std::vector<Key> unknown;
  for (const pgoutput::RelationColumn& column : relation.columns) {
    const Key key(column.type, column.typmod);
    if (!names_.contains(key)) unknown.push_back(key);
  }
  if (!unknown.empty()) {
    CROSSFADE_TRY(ask(unknown));
  }
  std::vector<std::string> out;
  out.reserve(relation.columns.size());
  for (const pgoutput::RelationColumn& column : relation.columns) {
    out.push_back(names_[Key(column.type, column.typmod)]);
  }
  return out;
}

Status TypeNames::ask(const std::vector<Key>& keys) {
  std::string sql;
  for (const auto& [type, typmod] : keys) {
    sql += fmt::format("{}format_type({},{})", sql.empty() ? "SELECT " : ",", type, typmod);
  }
  CROSSFADE_TRY(auto connection, postgres::Connection::open(options_));
  CROSSFADE_TRY(const auto row, connection.exec(sql));
  for (size_t i = 0; i < keys.size(); ++i) names_[keys[i]] = row.text(0, static_cast<int>(i));
  return ok();
}

}  // namespace crossfade::capture
