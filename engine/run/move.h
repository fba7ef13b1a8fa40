// What the parts of the engine share while one move runs. Engine thread only, but for the members
// that say otherwise.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/stop.h"
#include "engine/run/audit.h"
#include "engine/run/lock_wait.h"
#include "engine/run/log_bound.h"
#include "engine/run/source_file.h"
#include "engine/run/state_folder.h"
#include "engine/run/status.h"
#include "engine/run/target_store.h"
#include "engine/schema/plan.h"
#include "engine/schema/rules.h"

namespace crossfade::run {

// What `run` was told to do once the tables have caught up.
enum class RunMode : uint8_t {
  kAsItIs,  // goes on with what the target says
  kFollow,  // SQLite is written to; both sides' being written to ends
  kDual,    // both are
};

// TargetStore::set_phase() while both sides are written to.
inline constexpr const char* kDualPhase = "dual";

struct EngineOptions {
  std::string database;
  std::string
      target;  // a URL or connection string, "embedded", or empty: remembered, then embedded
  std::string target_schema = "public";
  schema::Naming naming = schema::Naming::kExact;
  bool schema_from_target = false;  // the tables are there: load into them, and make none
  bool quarantine =
      false;  // set rows aside that cannot be represented, instead of refusing to start
  bool keep_journal_mode = false;
  std::shared_ptr<const schema::Rules> rules;  // null: none
  RunMode mode = RunMode::kAsItIs;
  bool no_backup = false;        // make none before anything is changed
  bool must_have_begun = false;  // refuse to begin a move; only go on with one
  int64_t keep_log = 0;  // positions of the change log that stay behind what is applied, for undo
  LogLimits log_limits;  // beyond them capture is given up
};

struct Move {
  const EngineOptions& options;
  const StateFolder& state;
  StopSource& stop;    // any thread
  StatusBoard& board;  // any thread
  AuditLog& audit;     // any thread
  SourceFile& source;
  TargetStore& target;
  const postgres::ConnectionParams& params;  // of the target
  LeaseToken token;
  std::vector<TargetTable> tables;
  int64_t schema_version = 0;  // the source's, that `tables` belong to
  bool utf8 = true;            // the source's encoding
  std::vector<schema::Finding> findings;
  std::vector<schema::TablePlan> prepared;  // plans made before anything was written
  std::set<std::string> to_rebuild;         // tables that must be planned and copied anew
  // Table and column: planned with the plain type of what is stored, since a value came that was
  // not of the form all others had.
  std::set<std::pair<std::string, std::string>> plain_columns;

  // Starts an embedded server again that has died; else nothing.
  std::function<Status()> revive_target = [] { return ok(); };

  LockWait locks;  // of tables that have caught up, for what they get then

  std::vector<schema::View> source_views;  // of the schema that `tables` belong to
  // Those that the target takes. Nothing: they were not tried yet.
  std::optional<std::vector<schema::ViewPlan>> views;

  void set_phase(const std::string& phase);
};

[[nodiscard]] std::vector<std::shared_ptr<const Table>> tables_of(const Move& move);

}  // namespace crossfade::run
