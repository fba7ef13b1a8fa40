// What each verb does, once the command line is understood. Each returns the exit code.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "engine/run/cutover.h"
#include "engine/run/move.h"
#include "engine/run/rollback.h"
#include "engine/run/undo.h"

namespace crossfade::cli {

class OperatorRecord;

struct Common {
  run::EngineOptions engine;
  bool json = false;
  OperatorRecord* record = nullptr;  // of a command that changes something; borrowed
};

int run_engine(const Common& common, bool until_verified);
int status(const Common& common);
int cutover(const Common& common, const run::CutoverOptions& options);
int rollback(const Common& common, const run::RollbackOptions& options);
int give_up_target(const Common& common);
int undo(const Common& common, const run::UndoOptions& options);
int ddl(const Common& common, const std::string& sql);
int finish(const Common& common, bool keep_fence);
int route(const Common& common, bool wait, std::chrono::milliseconds timeout);

}  // namespace crossfade::cli
