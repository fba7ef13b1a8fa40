// What went wrong, as a value that tells the caller what to do about it.
//
// Callers branch on `remedy`, never on the text. The native code (SQLSTATE, extended SQLite code)
// is kept in `native`; no field ever holds a password.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/strong.h"

namespace crossfade {

enum class Remedy : uint8_t {
  kRetry,           // passing: the same call may succeed after a pause
  kReconnect,       // the connection is gone, and nothing was in flight that mattered
  kResolveInDoubt,  // the connection went while a COMMIT was under way: ask what became of it
  kQuarantine,      // one row cannot be represented on the target
  kFenced,          // another engine owns this source
  kStepBack,        // a cutover gave up before its point of no return: the old side is primary
  kDecide,          // blocked until a person decides
  kStop,            // nothing the engine can do by itself
};

// Stable names, in the JSON of every error; the process exit code follows from them.
enum class ErrorCode : uint8_t {
  kInternal,
  kUsage,
  kBlocked,
  kDifferent,
  kSource,
  kSourceReplaced,
  kTarget,
  kTargetUnreachable,
  kFenced,
  kSteppedBack,
  kInterrupted,
  kStateFolder,
  kMisfit,
};

struct Error {
  Remedy remedy = Remedy::kStop;
  ErrorCode code = ErrorCode::kInternal;
  std::string op;      // "apply.commit"
  std::string object;  // "orders pk=42", a chunk, a connection without its password
  std::string native;  // "SQLSTATE 40001: ...", "SQLITE_BUSY (5): ..."
  std::string hint;    // what to do, for a person
  std::optional<Lsn> lsn;
  std::string sqlstate;  // five characters when PostgreSQL said it, else empty
};

[[nodiscard]] std::string_view to_string(ErrorCode code);

// The documented exit code of a process that ends with this error.
[[nodiscard]] int exit_code(ErrorCode code);

// One to three lines for a person: what happened, to what, what to do.
[[nodiscard]] std::string describe(const Error& error);

}  // namespace crossfade
