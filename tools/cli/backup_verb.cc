#include "tools/cli/backup_verb.h"

#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/run/audit.h"
#include "engine/run/backup.h"
#include "engine/run/reachable_target.h"
#include "tools/cli/task.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;
using run::BackupManifest;
using run::BackupSide;
using run::BackupStore;

std::string line_of(const BackupManifest& m) {
  return fmt::format("{}  {:>10.1f} MiB  {}{}\n", m.name,
                     static_cast<double>(m.bytes) / static_cast<double>(limits::kMiB), m.of,
                     m.reason == run::kBackupBeforeRun ? ", before the move" : "");
}

Error no_target(const std::string& database) {
  return run::backup_failed(ErrorCode::kBlocked, database,
                            "no target is known, and so there is nothing of PostgreSQL to back up",
                            "give --target, or begin a move with `crossfade run`");
}

// Asks for a stop on SIGINT and SIGTERM, so that no half of a backup stays, nor a pg_dump.
class StopOnSignal {
 public:
  explicit StopOnSignal(StopSource& stop) {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    thread_ = std::thread([this, &stop] {
      const timespec tick{0, 50'000'000};
      while (!ended_) {
        if (sigtimedwait(&signals_, nullptr, &tick) > 0) stop.request();
      }
    });
  }
  ~StopOnSignal() {
    ended_ = true;
    thread_.join();
  }
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;

 private:
  sigset_t signals_{};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

class BackupVerb {
 public:
  BackupVerb(const Common& common, const BackupArguments& arguments)
      : common_(common), arguments_(arguments) {}

  Result<run::TaskResult> run() {
    CROSSFADE_TRY(const auto state, run::StateFolder::of(common_.engine.database));
    const BackupStore store(state);
    switch (arguments_.action) {
      case BackupAction::kList:
        return list(store);
      case BackupAction::kCreate:
        return arguments_.side == "sqlite" ? create_of_source(state) : create_of_target(state);
      case BackupAction::kVerify:
        return verify(store);
      case BackupAction::kRestore:
        return restore(state, store);
    }
    return run::TaskResult{};
  }

 private:
  static Result<run::TaskResult> list(const BackupStore& store) {
    CROSSFADE_TRY(const auto all, store.list());
    run::TaskResult out;
    out.document = {{"folder", store.folder()}, {"backups", json::array()}};
    for (const BackupManifest& each : all) {
      out.document["backups"].push_back(to_json(each));
      out.text += line_of(each);
    }
    if (all.empty()) out.text = "no backups\n";
    return out;
  }

  static run::TaskResult made(const run::StateFolder& state, const BackupManifest& manifest) {
    run::AuditLog(state.audit()).record("backup_made", to_json(manifest));
    return {0,
            {{"backup", to_json(manifest)}},
            fmt::format("made and verified: {}", line_of(manifest))};
  }

  Result<run::TaskResult> create_of_source(const run::StateFolder& state) {
    CROSSFADE_TRY(state.ensure());
    CROSSFADE_TRY(auto source,
                  sqlite::Connection::open(
                      {state.database(), sqlite::Access::kReadWrite, limits::kSourceBusyTimeout}));
    CROSSFADE_TRY(const auto identity, capture::read_identity(source));
    CROSSFADE_TRY(auto manifest, run::back_up_source(source, state, run::kBackupByHand, &stop_));
    if (identity) {
      manifest.move = identity->source_id;
      CROSSFADE_TRY(BackupStore(state).write_manifest(manifest));
    }
    return made(state, manifest);
  }

  // `use` gets the target's parameters while it can be reached.
  template <typename Use>
  Result<run::TaskResult> with_target(const run::StateFolder& state, Use use) {
    CROSSFADE_TRY(auto target, run::ReachableTarget::find(common_.engine, state));
    if (target.url().empty()) return fail(no_target(state.database()));
    CROSSFADE_TRY(const auto params, postgres::ConnectionParams::parse(target.url()));
    Result<run::TaskResult> done = use(params);
    const auto noted = run::read_route_file(state.route());
    CROSSFADE_TRY(target.close(!noted || noted.value().primary == run::Primary::kPostgres));
    return done;
  }

  Result<run::TaskResult> create_of_target(const run::StateFolder& state) {
    CROSSFADE_TRY(state.ensure());
    return with_target(state, [&](const auto& params) -> Result<run::TaskResult> {
      CROSSFADE_TRY(const auto manifest, run::back_up_target(params, state, &stop_));
      return made(state, manifest);
    });
  }

  Result<run::TaskResult> verify(const BackupStore& store) {
    std::vector<BackupManifest> chosen;
    if (arguments_.name.empty()) {
      CROSSFADE_TRY(chosen, store.list());
    } else {
      CROSSFADE_TRY(auto one, store.find(arguments_.name));
      chosen.push_back(std::move(one));
    }
    run::TaskResult out;
    out.document = {{"backups", json::array()}};
    for (const BackupManifest& each : chosen) {
      const auto good = run::verify_backup(store, each, &stop_);
      json entry = {{"name", each.name}, {"good", good.has_value()}};
      if (!good) {
        entry["cause"] = describe(good.error());
        out.exit_code = exit_code(ErrorCode::kDifferent);
      }
      out.text += fmt::format("{}: {}\n", each.name, good ? "good" : describe(good.error()));
      out.document["backups"].push_back(std::move(entry));
    }
    if (chosen.empty()) out.text = "no backups\n";
    return out;
  }

  Result<run::TaskResult> restore(const run::StateFolder& state, const BackupStore& store) {
    CROSSFADE_TRY(const auto manifest, store.find(arguments_.name));
    if (manifest.side == BackupSide::kSqlite) {
      CROSSFADE_TRY(run::restore_source(state, manifest, arguments_.to, arguments_.force, &stop_));
      return restored(state, manifest, arguments_.to);
    }
    if (arguments_.to.find("://") != std::string::npos) {
      CROSSFADE_TRY(const auto to, postgres::ConnectionParams::parse(arguments_.to));
      CROSSFADE_TRY(run::restore_target(state, manifest, to, "", arguments_.force, &stop_));
      return restored(state, manifest, to.safe());
    }
    return with_target(state, [&](const auto& params) -> Result<run::TaskResult> {
      CROSSFADE_TRY(
          run::restore_target(state, manifest, params, arguments_.to, arguments_.force, &stop_));
      CROSSFADE_TRY(const auto to, params.with_database(arguments_.to));
      return restored(state, manifest, to.safe());
    });
  }

  static Result<run::TaskResult> restored(const run::StateFolder& state,
                                          const BackupManifest& manifest, const std::string& to) {
    run::AuditLog(state.audit()).record("backup_restored", {{"name", manifest.name}, {"to", to}});
    return run::TaskResult{0,
                           {{"backup", to_json(manifest)}, {"to", to}},
                           fmt::format("{} is restored to {}\n", manifest.name, to)};
  }

  const Common& common_;
  const BackupArguments& arguments_;
  StopSource stop_;
  const StopOnSignal on_signal_{stop_};
};

}  // namespace

CLI::App* add_backup(CLI::App* app, CommonFlags* common, BackupArguments* arguments) {
  CLI::App* verb = app->add_subcommand(
      "backup", "backups of either side: create, list, verify, or restore to a new place");
  verb->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, BackupAction action) {
    CLI::App* sub = verb->add_subcommand(name, what);
    add_common(sub, common, true);
    sub->callback([arguments, action] { arguments->action = action; });
    return sub;
  };
  add("create", "SQLite by its backup API, PostgreSQL by pg_dump; verified before it counts",
      BackupAction::kCreate)
      ->add_option("--side", arguments->side, "sqlite (default) or postgres")
      ->check(CLI::IsMember({"sqlite", "postgres"}));
  add("list", "those there are", BackupAction::kList);
  add("verify", "size, digest and content; exit 4 when one is not what was made",
      BackupAction::kVerify)
      ->add_option("name", arguments->name, "as `list` shows it; default: all");
  CLI::App* restore = add("restore", "to a new file or database", BackupAction::kRestore);
  restore->add_option("name", arguments->name, "as `list` shows it")->required();
  restore
      ->add_option("--to", arguments->to,
                   "SQLite: a new file. PostgreSQL: a new database on the target's server, or the "
                   "URL of an empty one")
      ->required();
  restore->add_flag("--force", arguments->force, "replace what is there");
  return verb;
}

int backup(const Common& common, const BackupArguments& arguments) {
  return show(common, BackupVerb(common, arguments).run());
}

}  // namespace crossfade::cli
