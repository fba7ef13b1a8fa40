// The audit trail: one JSON line per operator action, phase change, verification and decision, in
// the state folder, appended and synced (docs/audit.md).
//
// Each line holds who wrote it and where, and a SHA-256 over all before it (audit_line.h). The
// newest of them is recorded on the target too (audit_head.h), so that a trail that was cut short
// or written anew as a whole shows. A line that a crash left unfinished stays as it is: the next
// one says so, and how many bytes it has.
// Threads and processes: any; appending takes a lock on the file.
#pragma once

#include <cstdint>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "engine/core/result.h"

namespace crossfade::run {

// The newest line at some moment.
struct AuditHead {
  int64_t seq = 0;
  std::string hash;
  int64_t bytes = 0;  // of the trail up to its end
  std::string at;     // when it was recorded; empty: it was not
};

class AuditLog {
 public:
  explicit AuditLog(std::string path) : path_(std::move(path)) {}
  // Failing to write is logged and does not stop a move: the databases hold the truth.
  void record(const std::string& what, nlohmann::json details);
  // The newest line; nothing when there is none of its form. An error: the file is there and cannot
  // be read, which says nothing of what is in it.
  [[nodiscard]] Result<std::optional<AuditHead>> head() const;
  // Whether a line with that hash ends where `head` says.
  [[nodiscard]] Result<bool> holds(const AuditHead& head) const;

 private:
  const std::string path_;
  std::mutex mutex_;
};

}  // namespace crossfade::run
