#include "engine/schema/target_names.h"

#include <fmt/core.h>

#include <set>
#include <utility>

#include "engine/core/limits.h"
#include "engine/schema/create_table_clauses.h"
#include "engine/schema/naming.h"
#include "engine/schema/table_reader.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

class NameSpace {
 public:
  void reserve(const std::string& name) { taken_.insert(name); }

  std::string give(const std::string& wanted) {
    std::string name = fit_name(wanted, limits::kPgIdentifierBytesMax);
    for (int n = 2; !taken_.insert(name).second; ++n) {
      const std::string suffix = fmt::format("_{}", n);
      name = fit_name(wanted, limits::kPgIdentifierBytesMax - suffix.size()) + suffix;
    }
    return name;
  }

 private:
  std::set<std::string> taken_;
};

std::string column_list(const Table& table, const Index& index) {
  std::string out;
  for (const Index::Part& part : index.parts) out += "_" + table.columns[part.column].target_name;
  return out;
}

// Their own where PostgreSQL can have it: it keeps constraints apart per table.
std::vector<std::string> foreign_key_names(const Table& table, const std::string& primary_key,
                                           NameSpace* names) {
  std::set<std::string> taken = {primary_key};
  std::vector<std::string> out;
  for (const ForeignKey& key : table.foreign_keys) {
    std::string own = foreign_key_clause(table, key).name;
    const TextFlaws flaws = find_flaws(own);
    const bool can_be =
        !own.empty() && own.size() <= limits::kPgIdentifierBytesMax && !flaws.nul && !flaws.invalid;
    out.push_back(can_be && taken.insert(own).second ? std::move(own) : std::string());
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (!out[i].empty()) continue;
    std::string wanted = table.target_name;
    for (const std::string& column : table.foreign_keys[i].columns) wanted += "_" + column;
    do {
      out[i] = names->give(wanted + "_fkey");
    } while (!taken.insert(out[i]).second);
  }
  return out;
}

}  // namespace

std::map<std::string, TableNames> make_target_names(const Catalog& catalog, Naming naming) {
  std::map<std::string, TableNames> out;
  NameSpace names;
  for (const Table& table : catalog.tables) {
    names.reserve(table.target_name);
  }
  for (const View& view : catalog.views) names.reserve(target_name(naming, view.name));
  // Indexes that have a name of their own come first, so that they keep it.
  for (const Table& table : catalog.tables) {
    for (const Index& index : table.indexes) {
      out[table.name].indexes.push_back(index.constraint ? std::string() : names.give(index.name));
    }
  }
  for (const Table& table : catalog.tables) {
    TableNames& made = out[table.name];
    made.primary_key = names.give(table.target_name + "_pkey");
    for (size_t i = 0; i < table.indexes.size(); ++i) {
      if (!table.indexes[i].constraint) continue;
      made.indexes[i] =
          names.give(table.target_name + column_list(table, table.indexes[i]) + "_key");
    }
    made.foreign_keys = foreign_key_names(table, made.primary_key, &names);
  }
  for (const Table& table : catalog.tables) {
    const bool alias = table.identity == Identity::kRowidAlias;
    const std::string column = alias ? table.columns[table.key.front()].name : kSurrogateColumn;
    const std::string wanted = table.target_name + "_" + column + "_seq";
    const std::string given = names.give(wanted);
    if (given != wanted) out[table.name].sequence = given;
  }
  for (const VirtualTable& table : catalog.virtual_tables) {
    out[table.name].search_index = names.give(table.target_name + "_idx");
  }
  return out;
}

}  // namespace crossfade::schema
