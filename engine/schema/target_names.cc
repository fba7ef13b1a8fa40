#include "engine/schema/target_names.h"

#include <fmt/core.h>

#include <algorithm>
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

bool can_be_name(const std::string& name) {
  const TextFlaws flaws = find_flaws(name);
  return !name.empty() && !flaws.nul && !flaws.invalid;
}

// What the CREATE TABLE calls a table's keys; empty: nothing, or nothing that can be a name.
struct DeclaredNames {
  std::string primary_key;
  std::vector<std::string> indexes;  // beside Table::indexes
};

DeclaredNames declared_names(const Table& table) {
  DeclaredNames out;
  std::vector<KeyClause> clauses = parse_clauses(table.source_sql).keys;
  for (KeyClause& clause : clauses) {
    if (!can_be_name(clause.name)) clause.name.clear();
    if (clause.primary) out.primary_key = clause.name;
  }
  for (const Index& index : table.indexes) {
    const auto same = [&](const KeyClause& clause) {
      return clause.primary == index.primary &&
             std::equal(clause.columns.begin(), clause.columns.end(), index.parts.begin(),
                        index.parts.end(), [&](const std::string& name, const Index::Part& part) {
                          return same_name(name, table.columns[part.column].name);
                        });
    };
    const auto clause = std::find_if(clauses.begin(), clauses.end(), same);
    out.indexes.emplace_back();
    if (!index.constraint || clause == clauses.end()) continue;
    out.indexes.back() = clause->name;
    clauses.erase(clause);  // another may differ from it in collations
  }
  return out;
}

void give_declared(const DeclaredNames& own, const Table& table, NameSpace* names,
                   TableNames* made) {
  if (!own.primary_key.empty()) made->primary_key = names->give(own.primary_key);
  for (size_t i = 0; i < table.indexes.size(); ++i) {
    if (own.indexes[i].empty()) continue;
    made->indexes[i] = table.indexes[i].primary ? made->primary_key : names->give(own.indexes[i]);
  }
}

void give_derived(const Table& table, NameSpace* names, TableNames* made) {
  made->rowid_key = names->give(table.target_name + "_pkey");
  if (made->primary_key.empty()) made->primary_key = made->rowid_key;
  for (size_t i = 0; i < table.indexes.size(); ++i) {
    if (!made->indexes[i].empty()) continue;
    made->indexes[i] =
        names->give(table.target_name + column_list(table, table.indexes[i]) + "_key");
  }
}

// Their own where PostgreSQL can have it: it keeps constraints apart per table.
std::vector<std::string> foreign_key_names(const Table& table, const TableNames& made,
                                           NameSpace* names) {
  std::set<std::string> taken = key_names(table, made);
  std::vector<std::string> out;
  for (const ForeignKey& key : table.foreign_keys) {
    std::string own = foreign_key_clause(table, key).name;
    const bool can_be = can_be_name(own) && own.size() <= limits::kPgIdentifierBytesMax;
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

std::set<std::string> key_names(const Table& table, const TableNames& names) {
  std::set<std::string> out = {names.primary_key, names.rowid_key};
  for (size_t i = 0; i < table.indexes.size(); ++i) {
    if (table.indexes[i].constraint) out.insert(names.indexes[i]);
  }
  return out;
}

std::map<std::string, TableNames> make_target_names(const Catalog& catalog, Naming naming) {
  std::map<std::string, TableNames> out;
  NameSpace names;
  for (const Table& table : catalog.tables) {
    names.reserve(table.target_name);
  }
  for (const View& view : catalog.views) names.reserve(target_name(naming, view.name));
  // What has a name of its own comes first, so that it keeps it.
  for (const Table& table : catalog.tables) {
    for (const Index& index : table.indexes) {
      out[table.name].indexes.push_back(index.constraint ? std::string() : names.give(index.name));
    }
  }
  for (const Table& table : catalog.tables) {
    give_declared(declared_names(table), table, &names, &out[table.name]);
  }
  for (const Table& table : catalog.tables) {
    TableNames& made = out[table.name];
    give_derived(table, &names, &made);
    made.foreign_keys = foreign_key_names(table, made, &names);
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
