#include "tools/cli/quarantine_verb.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "engine/core/limits.h"
#include "engine/run/audit.h"
#include "engine/run/quarantine.h"
#include "engine/run/reachable_target.h"
#include "engine/sqlite/connection.h"
#include "tools/cli/task.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;
using Entries = std::vector<run::QuarantineEntry>;

Error usage(std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "quarantine";
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

json documents(const Entries& entries, bool with_row) {
  json out = json::array();
  for (const run::QuarantineEntry& entry : entries) out.push_back(to_json(entry, with_row));
  return out;
}

class QuarantineVerb {
 public:
  QuarantineVerb(const Common& common, const QuarantineArguments& arguments)
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
    CROSSFADE_TRY(auto store, target.open("crossfade quarantine"));
    CROSSFADE_TRY(const auto route, store.route());
    primary_is_postgres_ = route.primary == run::Primary::kPostgres;
    CROSSFADE_TRY(const auto entries, chosen(store));
    switch (arguments_.action) {
      case QuarantineAction::kList:
        return list(store, entries);
      case QuarantineAction::kShow:
        return show_entries(entries);
      case QuarantineAction::kRetry:
        return retry(state, store, entries);
      case QuarantineAction::kAccept:
        return accept(state, store, entries);
    }
    return run::TaskResult{};
  }

  Result<Entries> chosen(run::TargetStore& store) const {
    run::QuarantineFilter filter;
    filter.ids = arguments_.ids;
    filter.table = arguments_.table;
    if (arguments_.action == QuarantineAction::kList) {
      filter.rows_max = arguments_.limit;
    } else if (filter.ids.empty() && filter.table.empty() && !arguments_.all) {
      return fail(usage("which rows?",
                        "give their numbers from `crossfade quarantine list`, or "
                        "--table NAME, or --all"));
    }
    CROSSFADE_TRY(auto entries, run::quarantine_entries(store, filter));
    for (const int64_t id : filter.ids) {
      if (std::any_of(entries.begin(), entries.end(), [id](const auto& e) { return e.id == id; })) {
        continue;
      }
      return fail(usage(fmt::format("no row is set aside under the number {}", id),
                        "`crossfade quarantine list` shows what there is; a row that was mended on "
                        "the source leaves by itself"));
    }
    return entries;
  }

  static Result<run::TaskResult> list(run::TargetStore& store, const Entries& entries) {
    CROSSFADE_TRY(const auto counts, run::quarantine_counts(store));
    run::TaskResult out;
    out.document = {{"waiting", counts.waiting},
                    {"accepted", counts.accepted},
                    {"entries", documents(entries, false)}};
    for (const run::QuarantineEntry& entry : entries) out.text += to_text(entry, false);
    out.text += fmt::format("{} rows wait, {} are accepted{}\n", counts.waiting, counts.accepted,
                            static_cast<int64_t>(entries.size()) < counts.waiting + counts.accepted
                                ? fmt::format("; {} shown", entries.size())
                                : "");
    return out;
  }

  static Result<run::TaskResult> show_entries(const Entries& entries) {
    run::TaskResult out;
    out.document = {{"entries", documents(entries, true)}};
    for (const run::QuarantineEntry& entry : entries) out.text += to_text(entry, true);
    return out;
  }

  static Result<run::TaskResult> accept(const run::StateFolder& state, run::TargetStore& store,
                                        const Entries& entries) {
    CROSSFADE_TRY(const int64_t accepted, run::accept_entries(store, entries));
    run::AuditLog(state.audit())
        .record("quarantine_accepted", {{"entries", documents(entries, false)}});
    CROSSFADE_TRY(const auto counts, run::quarantine_counts(store));
    run::TaskResult out;
    out.document = {
        {"accepted_now", accepted}, {"waiting", counts.waiting}, {"accepted", counts.accepted}};
    out.text = fmt::format(
        "{} rows accepted: the target goes without them. {} wait. Their exact values stay in "
        "crossfade.quarantine until `crossfade finish`\n",
        accepted, counts.waiting);
    return out;
  }

  Result<run::TaskResult> retry(const run::StateFolder& state, run::TargetStore& store,
                                const Entries& entries) {
    CROSSFADE_TRY(auto source,
                  sqlite::Connection::open(
                      {state.database(), sqlite::Access::kReadWrite, limits::kSourceBusyTimeout}));
    CROSSFADE_TRY(const Lsn through, run::retry_entries(source, store, entries));
    run::AuditLog(state.audit())
        .record("quarantine_retried", {{"entries", documents(entries, false)}});
    run::Task settle;
    settle.kind = run::TaskKind::kSettle;
    settle.settle_at = through;
    CROSSFADE_TRY(const auto settled,
                  do_task(common_, settle, {{"command", "settle"}, {"lsn", through.value}}));
    if (settled.exit_code != 0) return settled;
    // Set aside anew, a row has another number.
    std::set<std::pair<std::string, std::string>> tried;
    for (const run::QuarantineEntry& entry : entries) tried.emplace(entry.table, entry.key);
    CROSSFADE_TRY(auto left, run::quarantine_entries(store, {}));
    std::erase_if(left, [&](const auto& e) { return !tried.contains({e.table, e.key}); });
    run::TaskResult out;
    out.exit_code = left.empty() ? 0 : exit_code(ErrorCode::kBlocked);
    out.document = {{"retried", entries.size()}, {"entries", documents(left, false)}};
    for (const run::QuarantineEntry& entry : left) out.text += to_text(entry, false);
    out.text += fmt::format("{} of {} rows are out of quarantine\n", entries.size() - left.size(),
                            entries.size());
    return out;
  }

  const Common& common_;
  const QuarantineArguments& arguments_;
  bool primary_is_postgres_ = false;
};

}  // namespace

int quarantine(const Common& common, const QuarantineArguments& arguments) {
  return show(common, QuarantineVerb(common, arguments).run());
}

}  // namespace crossfade::cli
