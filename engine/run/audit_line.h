// One line of the audit trail (docs/audit.md): a JSON object whose last member, `hash`, is the
// SHA-256 of the hash before it, a line feed, and the object without that member. So a line stands
// for all before it. No I/O; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace crossfade::run {

// What stands for the hash before the first line.
inline constexpr std::string_view kAuditBeginning =
    "0000000000000000000000000000000000000000000000000000000000000000";

struct AuditLine {
  std::string body;  // the object without `hash`, byte for byte
  std::string hash;  // as the line claims it
};

// Without a line feed at its end. `entry` is an object without `hash`.
[[nodiscard]] std::string seal_audit_line(std::string_view before, const nlohmann::json& entry);
// Nothing: it has not the form of a line, whatever its hash would be.
[[nodiscard]] std::optional<AuditLine> parse_audit_line(std::string_view line);
[[nodiscard]] bool follows(std::string_view before, const AuditLine& line);
// What the next line's hash is made with: what `line` claims, or the SHA-256 of one that has no
// form.
[[nodiscard]] std::string audit_hash_after(std::string_view line);
// What a crash may leave of a line: it has not come to its hash's end.
[[nodiscard]] bool may_be_torn(std::string_view tail);

}  // namespace crossfade::run
