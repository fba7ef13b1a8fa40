#include "engine/schema/view_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "engine/core/limits.h"
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
    for (const View& view : views) views_[folded(view.name)] = &view;
    for (const Table* table : tables) {
      tables_[folded(table->name)] = table;
      taken_.insert(table->target_name);
    }
  }

  // Views read others, which come first; a view that reads itself in the end is refused by SQLite,
  // but only when it is used.
  std::optional<Relation> plan(const View& view) {
    const std::string key = folded(view.name);
    if (const auto known = done_.find(key); known != done_.end()) return known->second;
    done_[key] = std::nullopt;  // while it is being made, and where it has no equal
    if (depth_ == limits::kViewsNestedMax) {
      refuse(view, fmt::format("views are nested over {} deep", limits::kViewsNestedMax));
      return std::nullopt;
    }
    ++depth_;
    std::string kept_back;
    auto made = expression::translate_view(
        view.sql, [&](std::string_view name) { return resolve(name, view.sql, &kept_back); },
        {options_.target_schema,
         [this](std::string_view name) { return target_name(options_.naming, name); }});
    --depth_;
    if (!made) {
      refuse(view, describe(made.error(), view.sql));
    } else if (!kept_back.empty()) {
      refuse(view, fmt::format("a rule keeps back or changes {}", printable(kept_back)));
    } else if (const std::string why = obstacle(made.value().relation.target_name, view.name);
               !why.empty()) {
      refuse(view, why);
    } else {
      done_[key] = made.value().relation;
      accept(view, std::move(made.value()));
    }
    return done_[key];
  }

  std::vector<ViewPlan> take() { return std::move(out_); }

 private:
  std::optional<Relation> resolve(std::string_view name, std::string_view sql,
                                  std::string* kept_back) {
    if (const auto table = tables_.find(folded(name)); table != tables_.end()) {
      if (const auto named = find_named(sql, kept_back_columns(options_.rules, *table->second))) {
        *kept_back = *named;
      }
      return relation_of(*table->second, options_.target_schema);
    }
    const auto view = views_.find(folded(name));
    return view == views_.end() ? std::nullopt : plan(*view->second);
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
  std::map<std::string, const View*> views_;
  std::map<std::string, const Table*> tables_;
  std::map<std::string, std::optional<Relation>> done_;
  std::set<std::string> taken_;
  std::vector<ViewPlan> out_;
  size_t depth_ = 0;
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

std::vector<ViewPlan> plan_views(const std::vector<View>& views,
                                 const std::vector<const Table*>& tables,
                                 const ViewOptions& options, std::vector<Finding>* findings) {
  ViewPlanner planner(views, tables, options, findings);
  for (const View& view : views) (void)planner.plan(view);
  return planner.take();
}

}  // namespace crossfade::schema
