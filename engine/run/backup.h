// Making, checking and restoring backups of either side (docs/backup.md).
//
// SQLite through its backup API, PostgreSQL through its own pg_dump and pg_restore. What was made
// is verified before it counts; what is restored goes to a new place. Threads: one at a time.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/postgres/connection_params.h"
#include "engine/run/audit.h"
#include "engine/run/backup_store.h"
#include "engine/run/state_folder.h"
#include "engine/sqlite/connection.h"

namespace crossfade::run {

// `source` must not be in a transaction. The application is not held up (engine/sqlite/backup.h).
// The log says beforehand how much it is and how much room there is.
Result<BackupManifest> back_up_source(sqlite::Connection& source, const StateFolder& state,
                                      const std::string& reason, const StopSource* stop);
// Before a move changes anything. One that was made for a move that then did not begin is
// replaced.
Result<BackupManifest> back_up_before_run(sqlite::Connection& source, const StateFolder& state,
                                          const StopSource* stop);
// The move has begun: the backup that was made before it is its own, and stays.
Status claim_backup(const StateFolder& state, const std::string& move);

Result<BackupManifest> back_up_target(const postgres::ConnectionParams& target,
                                      const StateFolder& state, const StopSource* stop);

// quick_check of a copied SQLite file. kDifferent: it is damaged.
Status check_source_backup(const std::string& path);
// Size and digest, and then what is in it: quick_check, or all of it read by pg_restore.
Status verify_backup(const BackupStore& store, const BackupManifest& manifest,
                     const StopSource* stop);

// To the file `path`, which is not there; with `force` it may be, unless somebody has it open.
Status restore_source(const StateFolder& state, const BackupManifest& manifest,
                      const std::string& path, bool force, const StopSource* stop);
// To a database that is not there, and is made; or is empty; with `force` what is in it is
// replaced. Owners and privileges are those of the role that restores.
Status restore_target(const StateFolder& state, const BackupManifest& manifest,
                      const postgres::ConnectionParams& to, const std::string& database, bool force,
                      const StopSource* stop);

}  // namespace crossfade::run
