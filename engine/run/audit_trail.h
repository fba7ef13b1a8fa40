// Reads the audit trail, and says whether it is what was written.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/run/audit.h"

namespace crossfade::run {

struct AuditProblem {
  int64_t line = 0;  // of the file, from 1
  int64_t seq = 0;   // as the entry says; 0: it has none
  std::string reason;
};

enum class AuditVerdict : uint8_t {
  kIntact,
  kBroken,     // an entry was changed, removed or moved
  kTruncated,  // what is there is as it was written, but the end is missing
};

// What became of the comparison with the line that is recorded on the target.
enum class HeadState : uint8_t { kMatches, kNone, kNotAsked, kMissing, kDiffers };

struct AuditReport {
  AuditVerdict verdict = AuditVerdict::kIntact;
  int64_t entries = 0;
  int64_t torn_lines = 0;   // left by a crash, and accounted for by the entry that follows
  bool unfinished = false;  // the last line is one that a crash left, or is being written
  std::string last_at;
  std::string last_hash;
  int64_t last_seq = 0;
  HeadState head_state = HeadState::kNotAsked;
  AuditHead head;
  std::vector<AuditProblem> problems;  // the first limits::kSamplesMax
  int64_t problem_count = 0;
};

// `asked` says whether `head` is what the target has, or nobody asked it. A file that is not there
// is an empty trail.
Result<AuditReport> check_audit_trail(const std::string& path, bool asked,
                                      const std::optional<AuditHead>& head);

[[nodiscard]] nlohmann::json to_json(const AuditReport& report);
[[nodiscard]] std::string to_text(const AuditReport& report);

// Entries in order, with their hash, for which `at` is not before `since` (as written in the trail;
// empty: all). Lines that are none are left out.
Status each_audit_entry(const std::string& path, const std::string& since,
                        const std::function<void(const nlohmann::json&)>& use);

}  // namespace crossfade::run
