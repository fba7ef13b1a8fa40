#include "engine/schema/view_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "engine/core/limits.h"
#include "engine/postgres/quote.h"
#include "engine/schema/expression/translate.h"
#include "engine/schema/expression_scope.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

using expression::Relation;

Relation relation_of(const Table& table, const std::string& target_schema) {
  expression::Scope scope = expression_scope(table);
  Relation out;
  out.schema = target_schema;
  out.target_name = table.target_name;
  out.columns = std::move(scope.columns);
  out.rowid_column = std::move(scope.rowid_column);
  for (const size_t column : table.key) out.primary_key.push_back(table.columns[column].name);
  return out;
}

// Names are compared as SQLite compares them.
std::string folded(std::string_view name) {
  return ascii_upper(name);
}

class ViewPlanner {
 public:
  ViewPlanner(const std::vector<View>& views, const std::vector<const Table*>& tables,
              const ViewOptions& options, std::vector<Finding>* findings)
      : options_(options), findings_(findings) {
    for (const View& view : views) views_.insert(folded(view.name));
    for (const Table* table : tables) {
      tables_[folded(table->name)] = table;
      taken_.insert(table->target_name);
    }
  }

  // Views read others, which come first. In rounds and not by recursion, so that no schema of the
  // source's is too deep for the stack.
  void run(const std::vector<View>& views) {
    std::vector<const View*> open;
    for (const View& view : views) open.push_back(&view);
    for (size_t round = 0; round < limits::kViewsNestedMax && !open.empty(); ++round) {
      const size_t before = open.size();
      std::erase_if(open, [this](const View* view) { return settle(*view); });
      if (open.size() == before) break;
    }
    for (const View* view : open) {
      refuse(*view, fmt::format("it reads itself by way of other views, or through over {} of them",
                                limits::kViewsNestedMax));
    }
  }

  std::vector<ViewPlan> take() { return std::move(out_); }

 private:
  // False: it waits for a view that was not looked at yet.
  bool settle(const View& view) {
    bool waits = false;
    std::string kept_back;
    auto made = expression::translate_view(
        view.sql,
        [&](std::string_view name) -> std::optional<Relation> {
          const std::string key = folded(name);
          if (const auto table = tables_.find(key); table != tables_.end()) {
            if (kept_back.empty()) kept_back = kept_back_in(*table->second);
            return relation_of(*table->second, options_.target_schema);
          }
          const auto done = done_.find(key);
          waits = waits || (done == done_.end() && views_.contains(key));
          return done == done_.end() ? std::nullopt : done->second;
        },
        {options_.target_schema,
         [this](std::string_view name) { return target_name(options_.naming, name); }});
    if (waits) return false;
    std::optional<Relation>& relation = done_[folded(view.name)];
    if (!made) {
      refuse(view, describe(made.error(), view.sql));
    } else if (!kept_back.empty()) {
      refuse(view, fmt::format("a rule keeps back or changes {}", printable(kept_back)));
    } else if (const std::string why = obstacle(made.value().relation.target_name, view.name);
               !why.empty()) {
      refuse(view, why);
    } else {
      relation = made.value().relation;
      accept(view, std::move(made.value()));
    }
    return true;
  }

  // Whether the view names it or not: "*" and NATURAL do without.
  std::string kept_back_in(const Table& table) const {
    const std::vector<std::string> columns = kept_back_columns(options_.rules, table);
    return columns.empty() ? std::string() : table.name + "." + columns.front();
  }

  std::string obstacle(const std::string& on_target, const std::string& name) {
    const TextFlaws flaws = find_flaws(name);
    if (name.empty() || flaws.nul || flaws.invalid) {
      return "PostgreSQL does not allow its name";
    }
    if (!taken_.insert(on_target).second) return "another has its name on the target";
    return {};
  }

  void accept(const View& view, expression::TranslatedView made) {
    for (const std::string& note : made.notes) {
      Finding finding;
      finding.severity = Severity::kInfo;
      finding.code = "view_differs";
      finding.table = view.name;
      finding.message = note;
      finding.remedy = "compare what the view shows on both sides where it matters";
      findings_->push_back(std::move(finding));
    }
    out_.push_back({view.name, view.sql, made.relation.target_name, std::move(made.sql)});
  }

  void refuse(const View& view, const std::string& why) {
    findings_->push_back(view_finding(view.name, view.sql, why));
  }

  const ViewOptions& options_;
  std::vector<Finding>* findings_;
  std::set<std::string> views_;
  std::map<std::string, const Table*> tables_;
  std::map<std::string, std::optional<Relation>> done_;  // nothing: it has no equal
  std::set<std::string> taken_;
  std::vector<ViewPlan> out_;
};

}  // namespace

Finding view_finding(const std::string& name, const std::string& source_sql,
                     const std::string& why) {
  Finding finding;
  finding.severity = Severity::kWarning;
  finding.code = "view_not_carried";
  finding.table = name;
  finding.message = fmt::format("{} is not carried: {}", printable(source_sql, false), why);
  finding.remedy = "create its equal on the target in PostgreSQL's dialect before the cutover";
  return finding;
}

std::string comment_ddl(const ViewPlan& view, const std::string& target_schema) {
  return fmt::format(
      "COMMENT ON VIEW {} IS {}", postgres::quote(target_schema, view.target_name),
      postgres::quote_literal("In SQLite: " + printable(view.source_sql, /*controls=*/false)));
}

std::vector<ViewPlan> plan_views(const std::vector<View>& views,
                                 const std::vector<const Table*>& tables,
                                 const ViewOptions& options, std::vector<Finding>* findings) {
  ViewPlanner planner(views, tables, options, findings);
  planner.run(views);
  return planner.take();
}

}  // namespace crossfade::schema
