// The rules held against a catalog, and applied to it.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/schema/conflict_rules.h"
#include "engine/schema/evidence_references.h"
#include "engine/schema/find_column.h"
#include "engine/schema/fts_source.h"
#include "engine/schema/rules.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

template <typename Tables>
auto find_table(Tables& tables, std::string_view name) {
  return std::find_if(tables.begin(), tables.end(),
                      [name](const auto& table) { return same_name(table.name, name); });
}

bool keeps_back(const TableRule& rule) {
  return rule.exclude || std::any_of(rule.columns.begin(), rule.columns.end(),
                                     [](const ColumnRule& c) { return c.exclude || c.mask; });
}

bool in_key(const Table& table, size_t column) {
  return std::find(table.key.begin(), table.key.end(), column) != table.key.end();
}

bool in_unique(const Table& table, size_t column) {
  return std::any_of(table.unique_keys.begin(), table.unique_keys.end(), [&](const UniqueKey& k) {
    return std::any_of(k.parts.begin(), k.parts.end(),
                       [column](const UniqueKey::Part& part) { return part.column == column; });
  });
}

bool compared(const Table& table, size_t column) {
  const auto has = [column](const Index& index) {
    return std::any_of(index.parts.begin(), index.parts.end(),
                       [column](const Index::Part& part) { return part.column == column; });
  };
  const auto refers = [&](const ForeignKey& key) {
    return std::any_of(key.columns.begin(), key.columns.end(), [&](const std::string& name) {
      return same_name(name, table.columns[column].name);
    });
  };
  return in_key(table, column) || in_unique(table, column) ||
         std::any_of(table.indexes.begin(), table.indexes.end(), has) ||
         std::any_of(table.foreign_keys.begin(), table.foreign_keys.end(), refers);
}

bool has_equality(TargetType type) {
  switch (type) {
    case TargetType::kJson:
    case TargetType::kJsonb:
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
      return false;
    default:
      return true;
  }
}

class Checker {
 public:
  Checker(const Rules& rules, const Catalog& catalog, bool strict, Problems* problems)
      : rules_(rules), catalog_(catalog), strict_(strict), problems_(*problems) {}

  void run() {
    for (const TableRule& rule : rules_.tables) check(rule);
    check_table_names();
  }

 private:
  void problem(int64_t line, const std::string& what) {
    problems_.push_back(fmt::format("{}:{}: {}", rules_.file, line, what));
  }

  void check(const TableRule& rule) {
    const auto table = find_table(catalog_.tables, rule.table);
    if (table == catalog_.tables.end()) {
      if (is_virtual(rule)) return;
      if (!strict_ && !keeps_back(rule)) return;
      std::vector<std::string> known;
      for (const Table& each : catalog_.tables) known.push_back(each.name);
      for (const VirtualTable& each : catalog_.virtual_tables) known.push_back(each.name);
      problem(rule.line, fmt::format("the source has no table '{}'{}", printable(rule.table),
                                     did_you_mean(rule.table, known)));
      return;
    }
    for (const ColumnRule& column : rule.columns) check(*table, column);
    check_conflict_rules(rules_, rule, *table, strict_, &problems_);
    if (!rule.exclude) check_column_names(*table, rule);
  }

  // What a virtual table becomes on the target has no columns to rule.
  bool is_virtual(const TableRule& rule) {
    const auto found = find_table(catalog_.virtual_tables, rule.table);
    if (found == catalog_.virtual_tables.end()) return false;
    if (!rule.columns.empty() || rule.on_misfit || !rule.dual_text.empty()) {
      problem(rule.line, fmt::format("'{}' is a virtual table, which takes exclude and rename only",
                                     printable(rule.table)));
    }
    return true;
  }

  void check(const Table& table, const ColumnRule& rule) {
    const std::string name = printable(table.name + "." + rule.column);
    const auto column = find_column(table, rule.column);
    if (!column) {
      if (!strict_ && !rule.exclude && !rule.mask) return;
      std::vector<std::string> known;
      for (const Column& each : table.columns) known.push_back(each.name);
      problem(rule.line, fmt::format("table '{}' has no column '{}'{}", printable(table.name),
                                     printable(rule.column), did_you_mean(rule.column, known)));
      return;
    }
    const auto refuse = [&](const char* why) {
      problem(rule.line, fmt::format("column '{}': {}", name, why));
    };
    const bool key = in_key(table, *column);
    if (rule.exclude && key) refuse("it is in the primary key, which tells the rows apart");
    if (rule.exclude && !key && in_unique(table, *column)) {
      refuse("it is in a unique index: a REPLACE removes rows by it, so it has to be carried");
    }
    if (rule.mask && key) {
      refuse(
          "it is in the primary key: rows are found on the target by it, so it cannot be masked");
    }
    if (rule.type) check_type(table, *column, *rule.type, refuse);
  }

  template <typename Refuse>
  static void check_type(const Table& table, size_t column, const ColumnType& type, Refuse refuse) {
    const bool rowid = table.identity == Identity::kRowidAlias && table.key.front() == column;
    if (rowid && type != ColumnType(TargetType::kBigint)) {
      refuse("it is the rowid, which is INTEGER and becomes bigint");
    } else if (!has_equality(type.base) && compared(table, column)) {
      refuse("it is in a key, an index or a foreign key, and the type has no equality or order");
    } else if (type.form >= SourceForm::kTextBytes && in_key(table, column)) {
      refuse("it is in the primary key: rows are found on the target by its very values");
    } else if (is_one_way(type.form) && type.form != SourceForm::kMasked &&
               in_unique(table, column)) {
      refuse("it is in a unique index, and two values could become one");
    }
  }

  void check_column_names(const Table& table, const TableRule& rule) {
    std::set<std::string> taken;
    for (const Column& column : table.columns) {
      const ColumnRule* ruled = rules_.find(table.name, column.name);
      if (ruled == nullptr || (!ruled->rename && !ruled->exclude)) taken.insert(column.target_name);
    }
    for (const ColumnRule& column : rule.columns) {
      if (!column.rename) continue;
      if (is_system_column(*column.rename)) {
        problem(column.line,
                fmt::format("'{}' is a name PostgreSQL keeps for itself", *column.rename));
      }
      if (!taken.insert(*column.rename).second) {
        problem(column.line, fmt::format("table '{}' has another column that is called '{}' on the"
                                         " target",
                                         printable(table.name), *column.rename));
      }
    }
  }

  void check_table_names() {
    std::set<std::string> taken;
    for (const Table& table : catalog_.tables) {
      const TableRule* ruled = rules_.find(table.name);
      if (ruled == nullptr || (!ruled->rename && !ruled->exclude)) taken.insert(table.target_name);
    }
    for (const TableRule& rule : rules_.tables) {
      if (!rule.rename || find_table(catalog_.tables, rule.table) == catalog_.tables.end())
        continue;
      if (!taken.insert(*rule.rename).second) {
        problem(rule.line, fmt::format("another table is called '{}' on the target", *rule.rename));
      }
    }
  }

  const Rules& rules_;
  const Catalog& catalog_;
  const bool strict_;
  Problems& problems_;
};

// What bears on one table by itself, in the spelling of the file.
std::string text_of(const Rules& rules, const Table& table) {
  std::string out;
  const TableRule* rule = rules.find(table.name);
  if (rules.on_misfit) out += fmt::format("default {}\n", static_cast<int>(*rules.on_misfit));
  if (rule == nullptr) return out;
  out += rule->text;
  std::vector<std::string> columns;
  for (const ColumnRule& column : rule->columns) {
    if (!column.text.empty()) columns.push_back(toml_string(column.column) + ":\n" + column.text);
  }
  std::sort(columns.begin(), columns.end());
  return out + fmt::format("{}", fmt::join(columns, ""));
}

// Takes a column out; what stands after it moves down.
void remove_column(size_t gone, Table* table) {
  const auto shift = [gone](size_t* at) { *at -= *at > gone ? 1 : 0; };
  table->columns.erase(table->columns.begin() + static_cast<std::ptrdiff_t>(gone));
  for (size_t& part : table->key) shift(&part);
  for (UniqueKey& key : table->unique_keys) {
    for (UniqueKey::Part& part : key.parts) shift(&part.column);
  }
  for (Index& index : table->indexes) {
    const size_t before = index.parts.size();
    std::erase_if(index.parts, [gone](const Index::Part& part) { return part.column == gone; });
    // Of its columns one is not carried: as an expression, it is reported and left out.
    if (index.parts.size() != before) index.expression = true;
    for (Index::Part& part : index.parts) shift(&part.column);
  }
}

void apply_to_table(const TableRule& rule, Table* table) {
  if (rule.rename) table->target_name = *rule.rename;
  for (const ColumnRule& each : rule.columns) {
    const auto column = find_column(*table, each.column);
    if (!column) continue;
    if (each.rename) table->columns[*column].target_name = *each.rename;
    if (each.exclude) remove_column(*column, table);
  }
}

}  // namespace

void check_rules(const Rules& rules, const Catalog& catalog, bool strict, Problems* problems) {
  Checker(rules, catalog, strict, problems).run();
}

Status apply_rules(const Rules& rules, Catalog* catalog) {
  Problems problems;
  check_rules(rules, *catalog, false, &problems);
  if (!problems.empty()) {
    Error error;
    error.code = ErrorCode::kBlocked;
    error.remedy = Remedy::kDecide;
    error.op = "rules";
    error.object = rules.file;
    error.native = fmt::format("the rules do not go with the source any more:\n    {}",
                               fmt::join(problems, "\n    "));
    error.hint = "its schema changed; give rules for it as it is now with --rules";
    return fail(std::move(error));
  }
  // Types and names reach along foreign keys, so a table is made anew for its neighbours' too.
  std::map<std::string, std::string> texts;
  for (const Table& table : catalog->tables) {
    std::string& text = texts[table.name];
    for (const Table* each : connected_tables(*catalog, table)) {
      const std::string own = text_of(rules, *each);
      if (own.empty()) continue;
      text += each == &table ? own : toml_string(each->name) + "\n" + own;
    }
  }
  for (Table& table : catalog->tables) table.rules = texts[table.name];
  for (const TableRule& rule : rules.tables) {
    const auto fts = find_table(catalog->virtual_tables, rule.table);
    if (fts != catalog->virtual_tables.end()) {
      if (rule.rename) fts->target_name = *rule.rename;
      if (rule.exclude) catalog->virtual_tables.erase(fts);
      continue;
    }
    const auto table = find_table(catalog->tables, rule.table);
    if (table == catalog->tables.end()) continue;
    if (rule.exclude) {
      catalog->tables.erase(table);
    } else {
      apply_to_table(rule, &*table);
    }
  }
  return ok();
}

Result<Catalog> read_carried_catalog(sqlite::Connection& connection, Naming naming,
                                     const Rules* rules) {
  CROSSFADE_TRY(auto catalog, read_catalog(connection));
  name_for_target(naming, &catalog);
  if (rules != nullptr) {
    CROSSFADE_TRY(apply_rules(*rules, &catalog));
  }
  add_fts_to_shapes(&catalog);
  return catalog;
}

}  // namespace crossfade::schema
