#include "engine/run/audit_trail.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/core/limits.h"
#include "engine/core/sha256.h"
#include "engine/run/audit_line.h"

namespace crossfade::run {
namespace {

using nlohmann::json;

json parse_entry(const std::string& text) {
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

int64_t integer_of(const json& object, const char* name) {
  if (!object.is_object()) return 0;
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

std::string text_of(const json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// `line` says that `torn`, before it, is what a crash left.
bool accounts_for(const json& entry, const std::string& torn) {
  if (text_of(entry, "what") != "torn_line") return false;
  const auto details = entry.find("details");
  return details != entry.end() &&
         integer_of(*details, "bytes") == static_cast<int64_t>(torn.size()) &&
         text_of(*details, "sha256") == sha256_hex(torn);
}

class Checker {
 public:
  explicit Checker(const std::optional<AuditHead>& head) : head_(head) {}

  void take(const std::string& line, bool ended) {
    ++number_;
    if (!ended) return take_unfinished(line);
    const auto parsed = parse_audit_line(line);
    const json entry = parsed ? parse_entry(parsed->body) : json();
    // A torn one is known only by the line after it.
    if (pending_) {
      const bool accounted = parsed && follows(before_, *parsed) && accounts_for(entry, *pending_);
      if (accounted) {
        ++report_.torn_lines;
      } else {
        note(number_ - 1, 0, "not a line of an audit trail: it was changed or put there");
        before_ = sha256_hex(*pending_);
        ++seq_;
      }
      pending_.reset();
    }
    if (!parsed || !entry.is_object()) {
      pending_ = line;
      return;
    }
    take_entry(*parsed, entry);
  }

  AuditReport finish(bool asked, int64_t bytes) {
    if (pending_) note(number_, 0, "not a line of an audit trail: it was changed or put there");
    compare_head(asked, bytes);
    return std::move(report_);
  }

 private:
  void note(int64_t line, int64_t seq, std::string reason) {
    report_.verdict = AuditVerdict::kBroken;
    ++report_.problem_count;
    if (report_.problems.size() < limits::kSamplesMax) {
      report_.problems.push_back({line, seq, std::move(reason)});
    }
  }

  void take_entry(const AuditLine& line, const json& entry) {
    const int64_t seq = integer_of(entry, "seq");
    if (!follows(before_, line)) {
      note(number_, seq,
           seq == seq_ + 1
               ? "its hash does not belong to it and what is before it: one of them was changed"
               : fmt::format("it follows entry {}: entries were removed, moved or put in", seq_));
    } else if (seq != seq_ + 1) {
      note(number_, seq, fmt::format("it follows entry {}, and is numbered {}", seq_, seq));
    }
    before_ = line.hash;
    seq_ = seq;
    ++report_.entries;
    report_.last_seq = seq;
    report_.last_hash = line.hash;
    report_.last_at = text_of(entry, "at");
    if (head_ && head_->seq == seq) found_ = line.hash;
  }

  void take_unfinished(const std::string& tail) {
    const auto parsed = parse_audit_line(tail);
    if (parsed && !pending_ && follows(before_, *parsed)) {
      return take_entry(*parsed, parse_entry(parsed->body));
    }
    if (may_be_torn(tail)) {
      report_.unfinished = true;
    } else {
      note(number_, 0, "not a line of an audit trail: it was changed or put there");
    }
  }

  void compare_head(bool asked, int64_t bytes) {
    if (!asked) return;
    report_.head_state = HeadState::kNone;
    if (!head_) return;
    report_.head = *head_;
    report_.head_state = HeadState::kMatches;
    if (found_ == head_->hash && bytes >= head_->bytes) return;
    const bool missing = !found_ && report_.last_seq < head_->seq;
    report_.head_state = missing ? HeadState::kMissing : HeadState::kDiffers;
    if (missing && report_.verdict == AuditVerdict::kIntact) {
      report_.verdict = AuditVerdict::kTruncated;
    } else if (!missing) {
      note(number_, head_->seq,
           fmt::format("entry {} is not the one that the target has on record since {}", head_->seq,
                       head_->at));
    }
  }

  const std::optional<AuditHead>& head_;
  AuditReport report_;
  std::string before_{kAuditBeginning};
  int64_t seq_ = 0;
  int64_t number_ = 0;
  std::optional<std::string> pending_;  // a line without the form of one
  std::optional<std::string> found_;    // the hash of the entry that the target knows
};

Error not_readable(const std::string& path) {
  Error error;
  error.code = ErrorCode::kStateFolder;
  error.op = "audit.read";
  error.object = path;
  error.native = std::strerror(errno);
  error.hint = "the trail belongs to whoever ran crossfade: run this as the same user";
  return error;
}

// Lines as they stand there; `ended` is false for one without a line feed.
template <typename Use>
Status each_line(const std::string& path, Use use) {
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return ok();
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(not_readable(path));
  for (std::string line; std::getline(in, line);) use(line, !in.eof());
  if (in.bad()) return fail(not_readable(path));
  return ok();
}

const char* to_string(AuditVerdict verdict) {
  switch (verdict) {
    case AuditVerdict::kIntact:
      return "intact";
    case AuditVerdict::kBroken:
      return "broken";
    case AuditVerdict::kTruncated:
      return "truncated";
  }
  return "broken";
}

const char* to_string(HeadState state) {
  switch (state) {
    case HeadState::kMatches:
      return "matches";
    case HeadState::kNone:
      return "none";
    case HeadState::kNotAsked:
      return "not_asked";
    case HeadState::kMissing:
      return "missing";
    case HeadState::kDiffers:
      return "differs";
  }
  return "differs";
}

}  // namespace

Result<AuditReport> check_audit_trail(const std::string& path, bool asked,
                                      const std::optional<AuditHead>& head) {
  Checker checker(head);
  int64_t bytes = 0;
  CROSSFADE_TRY(each_line(path, [&](const std::string& line, bool ended) {
    bytes += static_cast<int64_t>(line.size()) + (ended ? 1 : 0);
    checker.take(line, ended);
  }));
  return checker.finish(asked, bytes);
}

json to_json(const AuditReport& r) {
  json out = {{"verdict", to_string(r.verdict)},
              {"entries", r.entries},
              {"torn_lines", r.torn_lines},
              {"unfinished", r.unfinished},
              {"last", {{"seq", r.last_seq}, {"hash", r.last_hash}, {"at", r.last_at}}},
              {"head", {{"state", to_string(r.head_state)}}},
              {"problem_count", r.problem_count},
              {"problems", json::array()}};
  if (r.head.seq != 0) {
    out["head"]["seq"] = r.head.seq;
    out["head"]["hash"] = r.head.hash;
    out["head"]["at"] = r.head.at;
  }
  for (const AuditProblem& p : r.problems) {
    out["problems"].push_back({{"line", p.line}, {"seq", p.seq}, {"reason", p.reason}});
  }
  return out;
}

std::string to_text(const AuditReport& r) {
  std::string out;
  for (const AuditProblem& p : r.problems) {
    out += p.seq == 0 ? fmt::format("line {}: {}\n", p.line, p.reason)
                      : fmt::format("line {} (entry {}): {}\n", p.line, p.seq, p.reason);
  }
  if (r.head_state == HeadState::kMissing) {
    out += fmt::format(
        "the trail ends with entry {}, and the target has entry {} on record since {}\n",
        r.last_seq, r.head.seq, r.head.at);
  }
  if (r.torn_lines > 0) {
    out += fmt::format("{} lines were left unfinished by a crash, and are accounted for\n",
                       r.torn_lines);
  }
  if (r.unfinished) out += "the last line is unfinished: a crash left it, or it is being written\n";
  if (r.head_state == HeadState::kNone) {
    out += "the target has no entry on record: a missing end would not show\n";
  } else if (r.head_state == HeadState::kNotAsked) {
    out += "the target was not asked: a missing end would not show\n";
  }
  return out + fmt::format("{}: {} entries, the last at {}\n", to_string(r.verdict), r.entries,
                           r.last_at.empty() ? "no time" : r.last_at);
}

Status each_audit_entry(const std::string& path, const std::string& since,
                        const std::function<void(const json&)>& use) {
  return each_line(path, [&](const std::string& line, bool /*ended*/) {
    const auto parsed = parse_audit_line(line);
    json entry = parsed ? parse_entry(parsed->body) : json();
    if (!entry.is_object() || text_of(entry, "at") < since) return;
    entry["hash"] = parsed->hash;
    use(entry);
  });
}

}  // namespace crossfade::run
