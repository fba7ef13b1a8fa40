// The audit trail: one JSON line per operator action, phase change, verification and decision, in
// the state folder, appended and synced.
//
// Each line holds the digest (XXH3-128) of the line before it, so a line that is changed or
// taken out by accident shows. It is no protection against somebody who can write the file.
// Threads and processes: any; appending takes a lock on the file.
#pragma once

#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace crossfade::run {

class AuditLog {
 public:
  explicit AuditLog(std::string path) : path_(std::move(path)) {}
  // Failing to write is logged and does not stop a move: the databases hold the truth.
  void record(const std::string& what, nlohmann::json details);

 private:
  const std::string path_;
  std::mutex mutex_;
};

}  // namespace crossfade::run
