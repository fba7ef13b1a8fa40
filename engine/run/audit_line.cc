#include "engine/run/audit_line.h"

#include <algorithm>

#include "engine/core/sha256.h"

namespace crossfade::run {
namespace {

constexpr std::string_view kHashMember = R"(,"hash":")";
constexpr std::string_view kLineEnd = "\"}";
constexpr size_t kSealBytes = kHashMember.size() + kSha256HexBytes + kLineEnd.size();

bool is_hash(std::string_view text) {
  return text.size() == kSha256HexBytes && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string hash_of(std::string_view before, std::string_view body) {
  Sha256 hash;
  hash.add(before);
  hash.add("\n");
  hash.add(body);
  return hash.hex();
}

}  // namespace

std::string seal_audit_line(std::string_view before, const nlohmann::json& entry) {
  std::string line = entry.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const std::string hash = hash_of(before, line);
  line.pop_back();
  return line.append(kHashMember).append(hash).append(kLineEnd);
}

std::optional<AuditLine> parse_audit_line(std::string_view line) {
  if (line.size() <= kSealBytes || line.front() != '{') return std::nullopt;
  const std::string_view seal = line.substr(line.size() - kSealBytes);
  const std::string_view hash = seal.substr(kHashMember.size(), kSha256HexBytes);
  if (!seal.starts_with(kHashMember) || !seal.ends_with(kLineEnd) || !is_hash(hash)) {
    return std::nullopt;
  }
  return AuditLine{std::string(line.substr(0, line.size() - kSealBytes)) + "}", std::string(hash)};
}

bool follows(std::string_view before, const AuditLine& line) {
  return hash_of(before, line.body) == line.hash;
}

std::string audit_hash_after(std::string_view line) {
  if (line.empty()) return std::string(kAuditBeginning);
  const auto parsed = parse_audit_line(line);
  return parsed ? parsed->hash : sha256_hex(line);
}

bool may_be_torn(std::string_view tail) {
  for (size_t at = tail.find(kHashMember); at != std::string_view::npos;
       at = tail.find(kHashMember, at + 1)) {
    if (at + kSealBytes < tail.size() && parse_audit_line(tail.substr(0, at + kSealBytes))) {
      return false;
    }
  }
  return true;
}

}  // namespace crossfade::run
