#include "engine/schema/foreign_key_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/core/limits.h"
#include "engine/postgres/quote.h"
#include "engine/schema/create_table_clauses.h"
#include "engine/schema/find_column.h"
#include "engine/schema/index_ddl.h"
#include "engine/schema/sample.h"
#include "engine/schema/table_ddl.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::schema {
namespace {

// The columns a foreign key without a parent column list refers to.
std::vector<size_t> declared_key(const Table& table) {
  if (table.identity != Identity::kSurrogate) return table.key;
  std::vector<size_t> out;
  for (const Index& index : table.indexes) {
    if (!index.primary) continue;
    for (const Index::Part& part : index.parts) out.push_back(part.column);
  }
  return out;
}

// PostgreSQL takes the columns in any order.
bool same_set(std::vector<size_t> a, std::vector<size_t> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

bool unique_on_target(const Table& table, const std::vector<size_t>& columns) {
  if (same_set(table.key, columns)) return true;
  return std::any_of(table.indexes.begin(), table.indexes.end(), [&](const Index& index) {
    if (!index.unique || !index.target_ddl || !is_plain_on_target(table, index)) return false;
    std::vector<size_t> indexed;
    for (const Index::Part& part : index.parts) indexed.push_back(part.column);
    return same_set(indexed, columns);
  });
}

struct Reference {
  const Table* parent = nullptr;
  std::vector<size_t> columns;
  std::vector<size_t> parent_columns;
  std::string obstacle;  // why it cannot be carried; empty: it can, as far as declarations go
};

// Whether equal values of the source are equal on the target and the other way round: one type, and
// written in one form. A numeric's limits do not matter.
bool same_values(const ColumnType& child, const ColumnType& parent) {
  return child.base == parent.base && child.form == parent.form &&
         child.pattern == parent.pattern && child.words == parent.words;
}

Reference resolve(const Table& table, const ForeignKey& key,
                  const std::vector<const Table*>& parents) {
  Reference out;
  const auto refuse = [&out](std::string why) {
    out.obstacle = std::move(why);
    return out;
  };
  for (const Table* parent : parents) {
    if (same_name(parent->name, key.parent_table)) out.parent = parent;
  }
  if (same_name(table.name, key.parent_table)) out.parent = &table;
  if (out.parent == nullptr) return refuse("the parent table is not carried or does not exist");
  for (const std::string& name : key.columns) {
    const auto column = find_column(table, name);
    if (!column) return refuse("it names a column that does not exist");
    out.columns.push_back(*column);
  }
  if (key.parent_columns.empty()) out.parent_columns = declared_key(*out.parent);
  for (const std::string& name : key.parent_columns) {
    const auto column = find_column(*out.parent, name);
    if (!column) return refuse("the parent column " + printable(name) + " does not exist");
    out.parent_columns.push_back(*column);
  }
  if (out.parent_columns.size() != out.columns.size()) {
    return refuse("it has another number of columns than the parent's key");
  }
  for (size_t i = 0; i < out.columns.size(); ++i) {
    const ColumnType& child_type = table.columns[out.columns[i]].type;
    const ColumnType& parent_type = out.parent->columns[out.parent_columns[i]].type;
    if (!same_values(child_type, parent_type)) {
      return refuse(fmt::format("{} is {}{} on the target and the parent's {} is {}{}",
                                printable(key.columns[i]), to_string(child_type),
                                describe_form(child_type),
                                printable(out.parent->columns[out.parent_columns[i]].name),
                                to_string(parent_type), describe_form(parent_type)));
    }
  }
  if (!unique_on_target(*out.parent, out.parent_columns)) {
    return refuse("nothing makes the parent's columns unique on the target");
  }
  return out;
}

std::string describe_key(const Table& table, const ForeignKey& key) {
  const auto list = [](const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + printable(name);
    return out;
  };
  std::string out =
      fmt::format("FOREIGN KEY ({}) REFERENCES {}", list(key.columns), printable(key.parent_table));
  if (!key.parent_columns.empty()) out += " (" + list(key.parent_columns) + ")";
  return out + " of " + printable(table.name);
}

// Equal byte by byte, as on the target. The source's own comparison is added where it may use an
// index; a collation of the application's is unknown here and would fail the statement.
std::string same_value(const Column& parent, const Column& child) {
  const auto built_in = [](const Column& column) {
    return column.collation == "BINARY" || column.collation == "NOCASE" ||
           column.collation == "RTRIM";
  };
  std::string plain = fmt::format("p.{} = c.{}", parent.source_sql, child.source_sql);
  if (parent.collation == "BINARY" && child.collation == "BINARY") return plain;
  const std::string exact = plain + " COLLATE BINARY";
  return built_in(parent) && built_in(child) ? plain + " AND " + exact : exact;
}

// Under NOCASE or RTRIM SQLite may see a parent where the target does not.
const char* compared_how(const Reference& reference) {
  const auto folded = [&reference](size_t i) {
    return reference.parent->columns[i].collation != "BINARY";
  };
  return std::any_of(reference.parent_columns.begin(), reference.parent_columns.end(), folded)
             ? ", compared byte by byte as on the target"
             : "";
}

// Rows whose reference leads nowhere in PostgreSQL's terms: BINARY equality, any NULL lets it pass.
Result<Finding> find_orphans(sqlite::Connection& connection, const Table& table,
                             const Reference& reference) {
  std::vector<std::string> names;
  std::vector<int> positions;
  std::string select;
  const auto add = [&](const std::string& sql) { select += (select.empty() ? "" : ", ") + sql; };
  for (const size_t column : table.key) {
    names.push_back(table.columns[column].synthetic ? "rowid" : table.columns[column].name);
    positions.push_back(static_cast<int>(positions.size()));
    add("c." + table.columns[column].source_sql);
  }
  std::vector<std::string> child_names;
  std::vector<int> child_positions;
  std::string present;
  std::string match;
  for (size_t i = 0; i < reference.columns.size(); ++i) {
    const Column& child = table.columns[reference.columns[i]];
    const Column& parent = reference.parent->columns[reference.parent_columns[i]];
    child_names.push_back(child.name);
    child_positions.push_back(static_cast<int>(positions.size() + i));
    add("c." + child.source_sql);
    present += fmt::format("{}c.{} IS NOT NULL", i == 0 ? "" : " AND ", child.source_sql);
    match += (i == 0 ? "" : " AND ") + same_value(parent, child);
  }
  CROSSFADE_TRY(auto row,
                sqlite::Statement::prepare(
                    connection, fmt::format("SELECT {} FROM main.{} c WHERE {} AND NOT EXISTS"
                                            " (SELECT 1 FROM main.{} p WHERE {})",
                                            select, sqlite::quote(table.name), present,
                                            sqlite::quote(reference.parent->name), match)));
  Finding finding;
  while (true) {
    CROSSFADE_TRY(const bool there, row.step());
    if (!there) return finding;
    ++finding.rows;
    if (finding.samples.size() < limits::kSamplesMax) {
      finding.samples.push_back(sample_key(names, positions, row) + ": " +
                                sample_key(child_names, child_positions, row));
    }
  }
}

std::string foreign_key_ddl(const Table& table, const ForeignKey& key, const Reference& reference,
                            const std::string& target_schema) {
  std::vector<std::string> columns;
  std::vector<std::string> parent_columns;
  for (const size_t i : reference.columns) columns.push_back(table.columns[i].target_name);
  for (const size_t i : reference.parent_columns) {
    parent_columns.push_back(reference.parent->columns[i].target_name);
  }
  // Deferrable always: PRAGMA defer_foreign_keys can defer every one of SQLite's.
  return fmt::format(
      "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY {} REFERENCES {} {} ON UPDATE {} ON DELETE {}"
      " DEFERRABLE INITIALLY {} NOT VALID",
      postgres::quote(target_schema, table.target_name), postgres::quote(key.target_constraint),
      column_list(columns), postgres::quote(target_schema, reference.parent->target_name),
      column_list(parent_columns), key.on_update, key.on_delete,
      foreign_key_clause(table, key).deferred ? "DEFERRED" : "IMMEDIATE");
}

// Whether the first columns of an index or of the key, in any order, are these: then the children
// of a row are found without reading the table.
bool is_indexed(const Table& table, const std::vector<size_t>& columns) {
  const auto leads = [&columns](const std::vector<size_t>& parts) {
    if (parts.size() < columns.size()) return false;
    return same_set({parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(columns.size())},
                    columns);
  };
  if (leads(table.key)) return true;
  return std::any_of(table.indexes.begin(), table.indexes.end(), [&](const Index& index) {
    if (index.partial || index.expression || !(index.target_ddl || index.primary)) return false;
    std::vector<size_t> parts;
    for (const Index::Part& part : index.parts) parts.push_back(part.column);
    return leads(parts);
  });
}

Finding unindexed_finding(const Table& table, const ForeignKey& key, const Reference& reference,
                          const std::string& target_schema) {
  std::vector<std::string> columns;
  for (const size_t i : reference.columns) columns.push_back(table.columns[i].target_name);
  Finding finding;
  finding.severity = Severity::kInfo;
  finding.code = "foreign_key_unindexed";
  finding.table = table.name;
  if (key.columns.size() == 1) finding.column = key.columns.front();
  finding.message = fmt::format(
      "no index begins with the columns of {}: each delete in {} reads all of this table, as it"
      " does in SQLite",
      describe_key(table, key), printable(key.parent_table));
  finding.remedy =
      fmt::format("where parents are deleted often: CREATE INDEX ON {} {}",
                  postgres::quote(target_schema, table.target_name), column_list(columns));
  return finding;
}

}  // namespace

Status plan_foreign_keys(sqlite::Connection& connection, const std::vector<const Table*>& parents,
                         const TableNames& names, const std::string& target_schema, Table* table,
                         std::vector<Finding>* findings) {
  for (size_t i = 0; i < table->foreign_keys.size(); ++i) {
    ForeignKey& key = table->foreign_keys[i];
    key.target_constraint = names.foreign_keys[i];
    const Reference reference = resolve(*table, key, parents);
    Finding finding;
    if (reference.obstacle.empty()) {
      CROSSFADE_TRY(finding, find_orphans(connection, *table, reference));
      if (finding.rows == 0) {
        key.target_ddl = foreign_key_ddl(*table, key, reference, target_schema);
        if (!is_indexed(*table, reference.columns)) {
          findings->push_back(unindexed_finding(*table, key, reference, target_schema));
        }
        continue;
      }
      finding.code = "foreign_key_orphans";
      finding.message = fmt::format("{} is not carried: {} rows refer to no row of {}{}",
                                    describe_key(*table, key), finding.rows,
                                    printable(key.parent_table), compared_how(reference));
      finding.remedy =
          "delete or repair the rows and inspect again, or add the constraint on the"
          " target later";
    } else {
      finding.code = "foreign_key_not_carried";
      finding.message =
          fmt::format("{} is not carried: {}", describe_key(*table, key), reference.obstacle);
      finding.remedy = "add the constraint on the target by hand once its columns allow it";
    }
    finding.severity = Severity::kWarning;
    finding.table = table->name;
    if (key.columns.size() == 1) finding.column = key.columns.front();
    findings->push_back(std::move(finding));
  }
  return ok();
}

}  // namespace crossfade::schema
