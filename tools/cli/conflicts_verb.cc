#include "tools/cli/conflicts_verb.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "apply/source_writer.h"
#include "engine/core/limits.h"
#include "engine/run/audit.h"
#include "engine/run/conflicts.h"
#include "engine/run/reachable_target.h"
#include "engine/sqlite/connection.h"
#include "tools/cli/task.h"

namespace crossfade::cli {
namespace {

using Conflicts = std::vector<run::ConflictEntry>;

Error conflicts_usage(std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "conflicts";
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

nlohmann::json conflict_documents(const Conflicts& entries, bool with_rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const run::ConflictEntry& entry : entries) out.push_back(to_json(entry, with_rows));
  return out;
}

class ConflictsVerb {
 public:
  ConflictsVerb(const Common& common, const ConflictsArguments& arguments)
      : common_(common), arguments_(arguments) {}

  Result<run::TaskResult> run() {
    CROSSFADE_TRY(const auto state, run::StateFolder::of(common_.engine.database));
    CROSSFADE_TRY(auto target, run::ReachableTarget::find(common_.engine, state));
    auto done = act(state, target);
    const bool primary = done && primary_is_postgres_;
    CROSSFADE_TRY(target.close(primary));
    return done;
  }

 private:
  Result<run::TaskResult> act(const run::StateFolder& state, const run::ReachableTarget& target) {
    CROSSFADE_TRY(auto store, target.open("crossfade conflicts"));
    CROSSFADE_TRY(const auto route, store.route());
    primary_is_postgres_ = route.primary == run::Primary::kPostgres;
    CROSSFADE_TRY(const auto entries, chosen(store));
    switch (arguments_.action) {
      case ConflictsAction::kList:
        return list(state, store, entries);
      case ConflictsAction::kShow:
        return show_entries(entries);
      case ConflictsAction::kResolve:
        return resolve(state, store, entries);
    }
    return run::TaskResult{};
  }

  Result<Conflicts> chosen(run::TargetStore& store) const {
    run::ConflictFilter filter;
    filter.ids = arguments_.ids;
    filter.table = arguments_.table;
    const bool resolves = arguments_.action == ConflictsAction::kResolve;
    filter.waiting_only = filter.ids.empty() && (resolves || !arguments_.all);
    if (arguments_.action == ConflictsAction::kList) {
      filter.rows_max = arguments_.limit;
    } else if (filter.ids.empty() && filter.table.empty() && !arguments_.all &&
               !arguments_.waiting) {
      return fail(conflicts_usage("which conflicts?",
                                  "give their numbers from `crossfade conflicts list`, or "
                                  "--table NAME, or --all"));
    }
    CROSSFADE_TRY(auto entries, run::conflict_entries(store, filter));
    for (const int64_t id : filter.ids) {
      const auto found = std::find_if(entries.begin(), entries.end(),
                                      [id](const auto& entry) { return entry.id == id; });
      if (found == entries.end()) {
        return fail(conflicts_usage(fmt::format("there is no conflict with the number {}", id),
                                    "`crossfade conflicts list --all` shows what there is"));
      }
      if (resolves && !found->waits) {
        return fail(conflicts_usage(
            fmt::format("conflict {} is resolved: {}", id, found->resolution),
            "write the row on either side as it is to be; that is a change like any other"));
      }
    }
    return entries;
  }

  Result<run::TaskResult> list(const run::StateFolder& state, run::TargetStore& store,
                               const Conflicts& entries) const {
    CROSSFADE_TRY(const auto counts, run::conflict_counts(store));
    CROSSFADE_TRY(auto source,
                  sqlite::Connection::open(
                      {state.database(), sqlite::Access::kReadOnly, limits::kSourceBusyTimeout}));
    CROSSFADE_TRY(const int64_t aside, apply::set_aside_count(source));
    run::TaskResult out;
    out.document = {{"waiting", counts.waiting},
                    {"decided", counts.decided},
                    {"resolved", counts.resolved},
                    {"set_aside", aside},
                    {"conflicts", conflict_documents(entries, false)}};
    for (const run::ConflictEntry& entry : entries) out.text += to_text(entry, false);
    out.text += fmt::format("{} wait ({} of them decided), {} are resolved; {} shown\n",
                            counts.waiting, counts.decided, counts.resolved, entries.size());
    if (aside == 0) return out;
    out.text += fmt::format(
        "{} rows of PostgreSQL's are set aside, because SQLite refuses them: {}\n", aside,
        primary_is_postgres_
            ? "`crossfade verify` names them; mend them on PostgreSQL"
            : "the running engine, or the next, lists them here as source_refuses. Changed on "
              "either side so that they fit, they go on by themselves; `crossfade conflicts "
              "resolve N --take source` gives PostgreSQL what SQLite has");
    return out;
  }

  static Result<run::TaskResult> show_entries(const Conflicts& entries) {
    run::TaskResult out;
    out.document = {{"conflicts", conflict_documents(entries, true)}};
    for (const run::ConflictEntry& entry : entries) out.text += to_text(entry, true);
    return out;
  }

  Result<run::TaskResult> resolve(const run::StateFolder& state, run::TargetStore& store,
                                  const Conflicts& entries) const {
    if (arguments_.take.empty() == arguments_.row.empty()) {
      return fail(conflicts_usage("which row?", "--take source, --take target, or --row '{...}'"));
    }
    std::optional<Row> row;
    std::shared_ptr<const Table> table;
    if (!arguments_.row.empty()) {
      if (entries.size() != 1) {
        return fail(conflicts_usage(
            fmt::format("--row is for one conflict, and these are {}", entries.size()),
            "give one number"));
      }
      CROSSFADE_TRY(table, table_of(store, entries[0]));
      CROSSFADE_TRY(row, run::row_with_changes(*table, entries[0], arguments_.row));
    }
    const run::Decision decision = row                           ? run::Decision::kRow
                                   : arguments_.take == "source" ? run::Decision::kSource
                                                                 : run::Decision::kTarget;
    CROSSFADE_TRY(const int64_t decided,
                  run::decide_conflicts(store, entries, decision, table.get(), row));
    run::AuditLog(state.audit())
        .record("conflicts_decided", {{"take", row ? "row" : arguments_.take},
                                      {"decided", decided},
                                      {"conflicts", conflict_documents(entries, false)}});
    return report(state, store, static_cast<int64_t>(entries.size()), decided);
  }

  static Result<std::shared_ptr<const Table>> table_of(run::TargetStore& store,
                                                       const run::ConflictEntry& entry) {
    CROSSFADE_TRY(const auto tables, store.tables());
    const auto found = std::find_if(tables.begin(), tables.end(), [&](const run::TargetTable& t) {
      return t.table->name == entry.table;
    });
    if (found != tables.end()) return found->table;
    return fail(conflicts_usage(fmt::format("table {} is not moved any more", entry.table),
                                "there is nothing to resolve"));
  }

  Result<run::TaskResult> report(const run::StateFolder& state, run::TargetStore& store,
                                 int64_t asked, int64_t decided) const {
    CROSSFADE_TRY(const auto counts, run::conflict_counts(store));
    const bool running = state.locked_by_another();
    run::TaskResult out;
    out.exit_code = decided == asked ? 0 : exit_code(ErrorCode::kBlocked);
    out.document = {{"decided_now", decided},
                    {"waiting", counts.waiting},
                    {"decided", counts.decided},
                    {"engine_runs", running}};
    out.text = fmt::format(
        "{} of {} decided. {}\n", decided, asked,
        running ? "The running engine carries it out"
                : "No engine runs: the next `crossfade run --mode dual` carries it out");
    if (decided != asked) {
      out.text +=
          "The others were changed or resolved meanwhile: look at them again with "
          "`crossfade conflicts show`\n";
    }
    return out;
  }

  const Common& common_;
  const ConflictsArguments& arguments_;
  bool primary_is_postgres_ = false;
};

}  // namespace

int conflicts(const Common& common, const ConflictsArguments& arguments) {
  return show(common, ConflictsVerb(common, arguments).run());
}

}  // namespace crossfade::cli
