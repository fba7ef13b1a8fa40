#include "engine/schema/check_plan.h"

#include <fmt/core.h>

#include <set>
#include <utility>

#include "engine/core/limits.h"
#include "engine/postgres/quote.h"
#include "engine/schema/create_table_clauses.h"
#include "engine/schema/expression/split.h"
#include "engine/schema/expression_scope.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

using expression::CheckClause;

// Names of one table's constraints, which PostgreSQL keeps apart per table.
class ConstraintNames {
 public:
  ConstraintNames(const TableNames& names, const Table& table)
      : table_(table.target_name), taken_(key_names(table, names)) {
    taken_.insert(names.foreign_keys.begin(), names.foreign_keys.end());
  }

  // Its own, if PostgreSQL can have it; else empty, and make() gives one.
  std::string keep(const std::string& own) {
    const TextFlaws flaws = find_flaws(own);
    const bool can_be =
        !own.empty() && own.size() <= limits::kPgIdentifierBytesMax && !flaws.nul && !flaws.invalid;
    return can_be && taken_.insert(own).second ? own : std::string();
  }

  std::string make() {
    for (int n = 0;; ++n) {
      const std::string suffix = n == 0 ? "_check" : fmt::format("_check{}", n);
      std::string name(prefix(table_, limits::kPgIdentifierBytesMax - suffix.size()));
      name += suffix;
      if (taken_.insert(name).second) return name;
    }
  }

 private:
  std::string table_;
  std::set<std::string> taken_;
};

}  // namespace

Finding check_finding(const Table& table, const std::string& column, const Check& check,
                      const std::string& why) {
  Finding finding;
  finding.severity = Severity::kWarning;
  finding.code = "check_not_carried";
  finding.table = table.name;
  finding.column = column;
  finding.message = fmt::format("{} is not carried: {}", printable(check.source_sql), why);
  finding.remedy =
      "add its equal to the target's table by hand after testing it on the data; SQLite never"
      " checked old rows";
  return finding;
}

void plan_checks(const Rules* rules, const TableNames& names, const std::string& target_schema,
                 Table* table, std::vector<Finding>* findings) {
  const std::vector<Clause> written = parse_clauses(table->source_sql).checks;
  std::vector<CheckClause> clauses;
  std::string unreadable;
  auto parts = expression::split_create_table(table->source_sql);
  if (!parts) {
    unreadable = describe(parts.error(), table->source_sql);
  } else if (parts.value().checks.size() == written.size()) {
    clauses = std::move(parts.value().checks);
  } else {
    unreadable = "the CREATE TABLE can be read in two ways";
  }
  const expression::Scope scope = expression_scope(*table);
  const std::vector<std::string> kept_back = kept_back_columns(rules, *table);
  ConstraintNames constraints(names, *table);
  table->checks.clear();
  for (size_t i = 0; i < written.size(); ++i) {
    Check check;
    check.source_sql = written[i].text;
    if (i < clauses.size()) check.name = constraints.keep(clauses[i].name);
    table->checks.push_back(std::move(check));
  }
  for (size_t i = 0; i < written.size(); ++i) {
    Check& check = table->checks[i];
    std::string why = unreadable;
    if (const auto named = find_named(written[i].text, kept_back); named && why.empty()) {
      why = fmt::format("a rule keeps back or changes {}", printable(*named));
    }
    if (why.empty()) {
      const std::string& sql = clauses[i].expression;
      const auto made = expression::translate_expression(sql, scope, expression::Use::kCheck);
      if (made) {
        if (check.name.empty()) check.name = constraints.make();
        check.target_ddl = fmt::format("ALTER TABLE {} ADD CONSTRAINT {} CHECK ({}) NOT VALID",
                                       postgres::quote(target_schema, table->target_name),
                                       postgres::quote(check.name), made.value().sql);
        continue;
      }
      why = describe(made.error(), sql);
    }
    findings->push_back(check_finding(*table, written[i].column, check, why));
  }
}

}  // namespace crossfade::schema
