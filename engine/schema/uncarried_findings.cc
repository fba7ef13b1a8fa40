#include "engine/schema/uncarried_findings.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "engine/core/limits.h"
#include "engine/schema/create_table_clauses.h"
#include "engine/schema/naming.h"
#include "engine/schema/search_plan.h"
#include "engine/schema/table_reader.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

Finding make(Severity severity, const char* code, const std::string& table,
             const std::string& column, std::string message, const char* remedy) {
  Finding finding;
  finding.severity = severity;
  finding.code = code;
  finding.table = table;
  finding.column = column;
  finding.message = std::move(message);
  finding.remedy = remedy;
  return finding;
}

void find_in_name(const Table& table, const std::string& column, const std::string& on_target,
                  std::vector<Finding>* findings) {
  const std::string& name = column.empty() ? table.name : column;
  const char* what = column.empty() ? "table" : "column";
  if (name.size() > limits::kPgIdentifierBytesMax && on_target != name) {
    findings->push_back(
        make(Severity::kInfo, "name_shortened", table.name, column,
             fmt::format("the {} name has {} bytes and PostgreSQL keeps {}: it is"
                         " {} on the target",
                         what, name.size(), limits::kPgIdentifierBytesMax, on_target),
             "use that name in queries, or choose one with a rule (rename)"));
  }
  const TextFlaws flaws = find_flaws(name);
  if (name.empty() || flaws.nul || flaws.invalid) {
    findings->push_back(make(Severity::kBlocker, "name_invalid", table.name, column,
                             fmt::format("the {} name is {}, which PostgreSQL does not allow", what,
                                         name.empty() ? "empty" : "not valid UTF-8"),
                             "rename it in the source"));
  }
}

void find_in_names(const Table& table, std::vector<Finding>* findings) {
  find_in_name(table, "", table.target_name, findings);
  std::set<std::string> taken;
  for (const Column& column : table.columns) {
    if (column.name.empty()) {
      findings->push_back(make(Severity::kBlocker, "name_invalid", table.name, "",
                               "a column has an empty name, which PostgreSQL does not allow",
                               "rename it in the source"));
    } else {
      find_in_name(table, column.name, column.target_name, findings);
    }
    if (is_system_column(column.target_name)) {
      findings->push_back(make(Severity::kBlocker, "name_reserved", table.name, column.name,
                               "PostgreSQL gives every table a column of this name",
                               "choose another with a rule (rename)"));
    }
    if (column.synthetic) continue;  // whoever has its name is told
    const bool fresh = taken.insert(column.target_name).second;
    if (!fresh || same_name(column.target_name, kSurrogateColumn)) {
      findings->push_back(make(Severity::kBlocker, "name_collision", table.name, column.name,
                               "another column has the same name on the target",
                               "choose another with a rule (rename)"));
    }
  }
  if (table.columns.size() > limits::kPgColumnsMax) {
    findings->push_back(make(Severity::kBlocker, "too_many_columns", table.name, "",
                             fmt::format("{} columns; PostgreSQL allows {}", table.columns.size(),
                                         limits::kPgColumnsMax),
                             "split the table"));
  }
}

void find_same_name(const Catalog& catalog, const Table& table, std::vector<Finding>* findings) {
  for (const Table& other : catalog.tables) {
    if (other.name == table.name || other.target_name != table.target_name) continue;
    findings->push_back(make(Severity::kBlocker, "name_collision", table.name, "",
                             fmt::format("it and {} would both be {} on the target",
                                         printable(other.name), printable(table.target_name)),
                             "choose another with a rule (rename)"));
  }
}

void find_in_clauses(const Table& table, std::vector<Finding>* findings) {
  const CreateTableClauses clauses = parse_clauses(table.source_sql);
  for (const Clause& clause : clauses.conflicts) {
    findings->push_back(make(Severity::kWarning, "conflict_clause_not_carried", table.name,
                             clause.column, "not carried: " + printable(clause.text),
                             "PostgreSQL has it per statement only: write ON CONFLICT in the"
                             " application's INSERTs"));
  }
}

void find_in_columns(const Table& table, std::vector<Finding>* findings) {
  for (const Column& column : table.columns) {
    const bool text =
        column.type.base == TargetType::kText || column.type.base == TargetType::kVariant;
    if (column.collation == "BINARY" || !text) continue;
    findings->push_back(make(
        Severity::kWarning, "collation_differs", table.name, column.name,
        fmt::format("compared under COLLATE {} in SQLite and byte by byte on the target",
                    printable(column.collation)),
        column.collation == "NOCASE"
            ? "compare lower(column) in the application's queries, or use citext after the cutover"
            : "compare explicitly in the application's queries"));
  }
  if (table.identity == Identity::kSurrogate && table.rowid_name.empty()) {
    findings->push_back(make(Severity::kBlocker, "no_usable_key", table.name, "",
                             "no key tells the rows apart, and columns hide all three names of the"
                             " rowid",
                             "rename one of the columns rowid, _rowid_ and oid, or add a primary"
                             " key without NULLs"));
  }
}

}  // namespace

void find_uncarried(const Catalog& catalog, const Table& table, std::vector<Finding>* findings) {
  find_in_names(table, findings);
  find_same_name(catalog, table, findings);
  find_in_clauses(table, findings);
  find_in_columns(table, findings);
  for (const Trigger& trigger : catalog.triggers) {
    if (!same_name(trigger.table, table.name)) continue;
    if (same_name(trigger.name.substr(0, 11), "_crossfade_")) continue;
    if (is_covered(table, trigger)) {
      findings->push_back(make(Severity::kInfo, "trigger_covered", table.name, "",
                               "it keeps full-text tables current, which PostgreSQL does itself: " +
                                   printable(trigger.sql, false),
                               "nothing to do"));
      continue;
    }
    findings->push_back(make(Severity::kWarning, "trigger_not_carried", table.name, "",
                             "not carried: " + printable(trigger.sql, false),
                             "its effects on rows are copied while SQLite is the primary; write its"
                             " equal for PostgreSQL before the cutover"));
  }
}

void find_reserved_names(const Catalog& catalog, std::vector<Finding>* findings) {
  for (const std::string& name : catalog.reserved) {
    findings->push_back(make(Severity::kBlocker, "name_reserved", name, "",
                             "names that begin with _crossfade_ are those of the change log, which"
                             " `finish` removes",
                             "rename it in the source"));
  }
}

void find_uncarried(const Catalog& catalog, std::vector<Finding>* findings) {
  find_reserved_names(catalog, findings);
  for (const View& view : catalog.views) {
    for (const Trigger& trigger : catalog.triggers) {
      if (!same_name(trigger.table, view.name)) continue;
      findings->push_back(make(Severity::kWarning, "trigger_not_carried", view.name, "",
                               "not carried: " + printable(trigger.sql, false),
                               "write an INSTEAD OF trigger for the target's view"));
    }
  }
  if (catalog.encoding != "UTF-8") {
    findings->push_back(
        make(Severity::kInfo, "utf16_source", "", "",
             "the database stores text as " + catalog.encoding + "; it is read as UTF-8",
             "nothing to do: the characters are the same"));
  }
}

Finding default_finding(const Table& table, const Column& column, const std::string& why) {
  return make(Severity::kWarning, "default_not_carried", table.name, column.name,
              fmt::format("DEFAULT {} has no equal as {}: {}", printable(*column.default_sql),
                          to_string(column.type), why),
              "set a default on the target by hand, or have the application give the value");
}

}  // namespace crossfade::schema
