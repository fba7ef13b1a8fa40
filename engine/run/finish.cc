#include "engine/run/finish.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "apply/source_writer.h"
#include "capture/change_log.h"
#include "capture/target_outbox.h"
#include "capture/target_slot.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/run/audit.h"
#include "engine/run/reachable_target.h"
#include "engine/run/target_lost.h"
#include "engine/schema/catalog.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::run {
namespace {

class Finisher {
 public:
  Finisher(const EngineOptions& options, const FinishOptions& finish_options, StopSource& stop)
      : options_(options), finish_(finish_options), stop_(stop) {}

  Result<FinishReport> run() {
    fault_phase("finishing");
    CROSSFADE_TRY(auto state, StateFolder::of(options_.database));
    const bool had_folder = std::filesystem::exists(state.folder());
    if (had_folder) {
      CROSSFADE_TRY(state.lock());
    }
    CROSSFADE_TRY(auto source, SourceFile::open(state.database()));
    CROSSFADE_TRY(open_target(state));
    bool present = false;
    if (target_) {
      CROSSFADE_TRY(present, target_->exists());
    }
    const bool noted = is_cut_over(state);
    bool row_says_so = false;
    if (present) {
      CROSSFADE_TRY(check_whose(state, source));
      CROSSFADE_TRY(const auto route, target_->route());
      row_says_so = route.primary == Primary::kPostgres && !is_given_up(state, route);
      // The row is about to go; the file is what a repeated finish goes by.
      if (row_says_so && had_folder) {
        CROSSFADE_TRY(keep_route(state, route));
      }
      // A cluster of ours goes as a whole.
      const bool keeps = finish_.keep_fence && !row_says_so && !cluster_;
      CROSSFADE_TRY(remove_from_target(state, had_folder, keeps ? state.database() : ""));
      fault_point("finish.target.removed");
    }
    const bool is_primary = present ? row_says_so : noted;
    CROSSFADE_TRY(clean_source(source, is_primary));
    fault_point("finish.source.cleaned");
    if (had_folder) {
      CROSSFADE_TRY(clean_state(state, is_primary));
      AuditLog(state.audit()).record("finished", to_json(report_));
    }
    return report_;
  }

 private:
  Status open_target(const StateFolder& state) {
    CROSSFADE_TRY(auto target, ReachableTarget::find(options_, state));
    cluster_ = std::move(target.cluster());
    if (target.url().empty()) return ok();
    postgres::ConnectOptions connect;
    CROSSFADE_TRY(connect.params, postgres::ConnectionParams::parse(target.url()));
    connect.connect_timeout = limits::kConnectTimeout;
    connect.stop = &stop_;
    CROSSFADE_TRY(auto store, TargetStore::open(std::move(connect)));
    target_.emplace(std::move(store));
    return ok();
  }

  // What is known once the row is gone. A file that cannot be read is taken for the worse case: the
  // cluster may be the primary.
  static bool is_cut_over(const StateFolder& state) {
    const auto noted = read_route_file(state.route());
    return !noted || noted.value().primary == Primary::kPostgres;
  }

  Status keep_route(const StateFolder& state, Route route) {
    route.url = target_->connection().safe_name();
    return write_route_file(state.route(), route);
  }

  Status remove_from_target(const StateFolder& state, bool had_folder,
                            const std::string& fence_for) {
    CROSSFADE_TRY(const auto progress, target_->progress());
    CROSSFADE_TRY(
        report_.target,
        capture::remove_outbox(target_->connection(), Deadline::after(limits::kSlotReleaseWait)));
    CROSSFADE_TRY(auto of_slot, capture::remove_slot(target_->connection(), progress.source_id));
    std::move(of_slot.begin(), of_slot.end(), std::back_inserter(report_.target));
    fault_point("finish.slot.removed");
    const auto keep = [&](const std::vector<Aside>& left) -> Status {
      if (!had_folder) return ok();
      report_.put_aside_file = state.put_aside();
      return write_put_aside(state, left);
    };
    CROSSFADE_TRY(auto removal, target_->remove(keep, fence_for));
    report_.fence_lifted_by = std::move(removal.fence_lifted_by);
    if (!report_.fence_lifted_by.empty()) {
      report_.fence_kept = Primary::kPostgres;
      report_.state.push_back(
          "the fence was kept: PostgreSQL goes on refusing writes; on the target, " +
          report_.fence_lifted_by + " takes it away");
    }
    std::move(removal.removed.begin(), removal.removed.end(), std::back_inserter(report_.target));
    report_.not_put_back = std::move(removal.not_put_back);
    report_.not_valid = std::move(removal.not_valid);
    return ok();
  }

  // The statements that make what cannot come back. One file for all finishes of this database.
  static Status write_put_aside(const StateFolder& state, const std::vector<Aside>& left) {
    AuditLog audit(state.audit());
    std::string text;
    for (const Aside& aside : left) {
      audit.record("not_put_back", {{"relation", aside.relation},
                                    {"constraint", aside.name},
                                    {"ddl", aside.ddl},
                                    {"cause", aside.cause}});
      std::string cause = aside.cause;
      std::replace(cause.begin(), cause.end(), '\n', ' ');
      text += fmt::format("-- {} of {} was put aside, and is not back: {}\n{};\n", aside.name,
                          aside.relation, cause, aside.ddl);
    }
    return state.keep_put_aside(text);
  }

  // A target with another mark belongs to another move. A file without a mark is finished already,
  // or its target was: then only a target that this move named is its own.
  Status check_whose(const StateFolder& state, SourceFile& source) {
    CROSSFADE_TRY(const auto identity, capture::read_identity(source.connection()));
    CROSSFADE_TRY(const std::string remembered, state.remembered_target());
    const bool named = options_.target.empty() || options_.target == remembered;
    if (!identity && named) return ok();
    CROSSFADE_TRY(const auto progress, target_->progress());
    if (identity && identity->source_id == progress.source_id) return ok();
    Error error;
    error.code = ErrorCode::kBlocked;
    error.remedy = Remedy::kDecide;
    error.op = "finish";
    error.object = source.path();
    error.native = "the target holds the move of another database";
    error.hint = "name the target of this database's own move, or none";
    return fail(std::move(error));
  }

  Status clean_source(SourceFile& source, bool cut_over) {
    sqlite::Connection& connection = source.connection();
    CROSSFADE_TRY(const auto identity, capture::read_identity(connection));
    std::vector<capture::Captured> to_fence;
    if (cut_over && finish_.keep_fence) {
      CROSSFADE_TRY(auto catalog, schema::read_catalog(connection));
      for (Table& table : catalog.tables) {
        const CaptureId id{static_cast<int64_t>(to_fence.size()) + 1};
        to_fence.push_back({id, std::move(table.name), "", {}});
      }
    }
    // In one transaction: between the old fence and the new one a write would be lost.
    CROSSFADE_TRY(auto transaction,
                  sqlite::Transaction::begin(connection, sqlite::Begin::kImmediate));
    CROSSFADE_TRY(const auto rest, capture::uninstall(connection));
    report_.source.insert(report_.source.end(), rest.begin(), rest.end());
    CROSSFADE_TRY(const auto kept, apply::remove_reverse_state(connection));
    report_.source.insert(report_.source.end(), kept.begin(), kept.end());
    CROSSFADE_TRY(capture::raise_fence(connection, to_fence));
    CROSSFADE_TRY(transaction.commit());
    fault_point("finish.source.committed");
    if (!to_fence.empty()) {
      report_.fence_kept = Primary::kSqlite;
      report_.state.emplace_back("the fence was kept: SQLite goes on refusing writes");
    }
    if (!identity || identity->journal_mode_before == "wal") return ok();
    const auto restored =
        connection.query_text("PRAGMA journal_mode=" + identity->journal_mode_before);
    if (restored && restored.value() == identity->journal_mode_before) {
      report_.source.push_back("journal mode wal (back to " + restored.value() + ")");
    }
    return ok();
  }

  // After a cutover the route file stays for the clients, and an embedded cluster is the primary.
  Status clean_state(const StateFolder& state, bool cut_over) {
    target_.reset();
    const auto drop = [&](const std::string& path) {
      std::error_code code;
      if (std::filesystem::remove(path, code)) report_.state.push_back(path);
      fault_point("finish.state.file");
    };
    if (!cut_over) {
      if (cluster_) {
        CROSSFADE_TRY(cluster_->destroy());
        report_.state.push_back("the embedded cluster in " + state.cluster());
      }
      drop(state.route());
    }
    // It may hold a password, and nobody needs it any more but to start an embedded cluster.
    if (!cut_over || !cluster_) drop(state.folder() + "/target");
    drop(state.rules());
    drop(state.watch());
    drop(state.control_socket());
    drop(state.folder() + "/engine.lock");
    return ok();
  }

  const EngineOptions& options_;
  const FinishOptions finish_;
  StopSource& stop_;
  std::optional<postgres::EmbeddedCluster> cluster_;
  std::optional<TargetStore> target_;
  FinishReport report_;
};

}  // namespace

nlohmann::json to_json(const FinishReport& r) {
  nlohmann::json out = {
      {"removed", {{"source", r.source}, {"target", r.target}, {"state", r.state}}},
      {"not_put_back", nlohmann::json::array()},
      {"not_valid", r.not_valid}};
  for (const Aside& aside : r.not_put_back) {
    out["not_put_back"].push_back({{"relation", aside.relation},
                                   {"name", aside.name},
                                   {"ddl", aside.ddl},
                                   {"cause", aside.cause}});
  }
  if (!r.put_aside_file.empty()) out["put_aside_file"] = r.put_aside_file;
  if (r.fence_kept != Primary::kNone) out["fence_kept"] = to_string(r.fence_kept);
  if (!r.fence_lifted_by.empty()) out["fence_lifted_by"] = r.fence_lifted_by;
  return out;
}

std::string to_text(const FinishReport& r) {
  std::string out;
  const auto list = [&out](const char* where, const std::vector<std::string>& items) {
    out += fmt::format("{}: {}\n", where, items.empty() ? "nothing to remove" : "removed");
    size_t triggers = 0;
    for (const std::string& item : items) {
      if (item.starts_with("trigger ")) {
        ++triggers;
      } else {
        out += fmt::format("  {}\n", item);
      }
    }
    if (triggers != 0) out += fmt::format("  {} triggers named _crossfade_*\n", triggers);
  };
  list("source", r.source);
  list("target", r.target);
  list("state folder", r.state);
  if (!r.not_put_back.empty()) {
    out += fmt::format("not put back{}:\n",
                       r.put_aside_file.empty() ? "" : ", and kept in " + r.put_aside_file);
  }
  for (const Aside& aside : r.not_put_back) {
    out += fmt::format("  {} of {} ({}):\n    {};\n", aside.name, aside.relation, aside.cause,
                       aside.ddl);
  }
  if (!r.not_valid.empty()) {
    out += "not valid for rows from before; mend them, then run on the target:\n";
  }
  for (const std::string& each : r.not_valid) out += fmt::format("  {};\n", each);
  return out;
}

Result<FinishReport> finish(const EngineOptions& options, const FinishOptions& finish_options,
                            StopSource& stop) {
  return Finisher(options, finish_options, stop).run();
}

}  // namespace crossfade::run
