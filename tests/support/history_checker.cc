#include "tests/support/history_checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace crossfade::testing {
namespace {

constexpr size_t kShownOfKind = 3;

const char* name_of(Side side) {
  return side == Side::kSqlite ? "SQLite" : "PostgreSQL";
}
const char* name_of(Outcome outcome) {
  return outcome == Outcome::kOk ? "ok" : outcome == Outcome::kRefused ? "refused" : "unknown";
}

std::string name_of(const WriteOp& op) {
  return fmt::format("write {}.{} ({} on {}, epochs {}-{}, {}..{} us)", op.id.first, op.id.second,
                     name_of(op.outcome), name_of(op.side), op.route.epoch_before,
                     op.route.epoch_after, op.invoked_us, op.completed_us);
}
std::string name_of(const ReadOp& op) {
  return fmt::format("read of {} {} (epochs {}-{}, {}..{} us)",
                     op.of_primary ? "the primary" : "the copy", name_of(op.side),
                     op.route.epoch_before, op.route.epoch_after, op.invoked_us, op.completed_us);
}

class HistoryChecker {
 public:
  explicit HistoryChecker(const History& history) : history_(history) {
    for (const WriteOp& op : history.writes) writes_[op.id] = &op;
  }

  std::vector<Violation> check() {
    check_final();
    note_known();
    for (const ReadOp& read : history_.reads) {
      check_state(read);
      check_prefix(read);
      if (read.of_primary && read.route.steady()) check_primary_read(read);
    }
    check_state(history_.final_state);
    check_epochs();
    check_alternations();
    return std::move(violations_);
  }

 private:
  void note(ViolationKind kind, std::string what) {
    violations_.push_back({kind, std::move(what)});
  }

  [[nodiscard]] Side side_of(int64_t epoch) const {
    return (epoch - history_.first_epoch) % 2 == 0 ? Side::kSqlite : Side::kPostgres;
  }

  void check_final() {
    std::map<WriteId, int> times;
    for (const WriteId& id : history_.final_state.found) ++times[id];
    for (const WriteOp& op : history_.writes) {
      const auto at = times.find(op.id);
      const int n = at == times.end() ? 0 : at->second;
      if (n > 1) note(ViolationKind::kDoubled, fmt::format("{} is there {} times", name_of(op), n));
      if (n == 0 && op.outcome == Outcome::kOk) {
        note(ViolationKind::kLost, name_of(op) + " is not there at the end");
      }
      if (n > 0 && op.outcome == Outcome::kRefused) {
        note(ViolationKind::kResurrected, name_of(op) + " is there at the end");
      }
    }
    for (const auto& [id, n] : times) {
      if (!writes_.contains(id)) {
        note(ViolationKind::kPhantom,
             fmt::format("write {}.{} is there, and nobody made it", id.first, id.second));
      }
    }
  }

  // From when on each write must be seen: its acknowledgment, or the end of a read of the primary
  // that found it. Not of writes that went by a route that changed meanwhile: whoever follows the
  // route may not have been told yet.
  void note_known() {
    for (const WriteOp& op : history_.writes) {
      if (op.outcome == Outcome::kOk && op.route.steady()) known_[op.id] = op.completed_us;
    }
    for (const ReadOp& read : history_.reads) {
      if (!read.of_primary || !read.route.steady()) continue;
      for (const WriteId& id : read.found) {
        const auto made = writes_.find(id);
        if (made == writes_.end() || !made->second->route.steady()) continue;
        const auto at = known_.try_emplace(id, read.completed_us).first;
        at->second = std::min(at->second, read.completed_us);
      }
    }
  }

  // What holds in any state that the primary ever had.
  void check_state(const ReadOp& read) {
    if (read.balance != history_.balance) {
      note(ViolationKind::kInvariant, fmt::format("{}: the balances are {} together, not {}",
                                                  name_of(read), read.balance, history_.balance));
    }
    if (read.orphans != 0 || read.unbalanced != 0) {
      note(ViolationKind::kInvariant,
           fmt::format("{}: {} rows without a parent, {} accounts that do not add up",
                       name_of(read), read.orphans, read.unbalanced));
    }
    if (read.torn != 0) {
      note(ViolationKind::kTorn,
           fmt::format("{}: {} writes without all their rows", name_of(read), read.torn));
    }
    std::map<int, int64_t> newest;
    std::set<WriteId> once;
    for (const WriteId& id : read.found) {
      newest[id.first] = std::max(newest[id.first], id.second);
      if (!once.insert(id).second) {
        note(ViolationKind::kDoubled,
             fmt::format("{}: write {}.{} twice", name_of(read), id.first, id.second));
      }
    }
    for (const auto& [client, last] : read.last_number) {
      if (newest[client] == last) continue;
      note(ViolationKind::kTorn,
           fmt::format("{}: client {} is at {}, and the newest of its writes is {}", name_of(read),
                       client, last, newest[client]));
    }
  }

  // A state of the primary's has, with each write, what was acknowledged before that one began.
  void check_prefix(const ReadOp& read) {
    const std::set<WriteId> found(read.found.begin(), read.found.end());
    int64_t began = std::numeric_limits<int64_t>::min();
    for (const WriteId& id : found) {
      const auto made = writes_.find(id);
      if (made != writes_.end()) began = std::max(began, made->second->invoked_us);
    }
    for (const WriteOp& op : history_.writes) {
      if (op.outcome != Outcome::kOk || op.completed_us >= began || found.contains(op.id)) continue;
      note(ViolationKind::kNoPrefix,
           name_of(read) + " has not what came before others that it has: " + name_of(op));
    }
  }

  void check_primary_read(const ReadOp& read) {
    const std::set<WriteId> found(read.found.begin(), read.found.end());
    for (const auto& [id, since] : known_) {
      if (since < read.invoked_us && !found.contains(id)) {
        note(ViolationKind::kStale, name_of(read) + " did not find " + name_of(*writes_.at(id)));
      }
    }
    for (const WriteId& id : found) {
      const auto made = writes_.find(id);
      const bool possible = made != writes_.end() && made->second->outcome != Outcome::kRefused &&
                            made->second->invoked_us <= read.completed_us;
      if (!possible) {
        note(ViolationKind::kPhantom, fmt::format("{} found {}.{}, which had not been made",
                                                  name_of(read), id.first, id.second));
      }
    }
  }

  void check_epochs() {
    for (const WriteOp& op : history_.writes) {
      if (op.outcome == Outcome::kOk && op.route.steady() &&
          op.side != side_of(op.route.epoch_before)) {
        note(ViolationKind::kTwoPrimaries, name_of(op) + " was accepted by the wrong side");
      }
    }
    std::map<int64_t, int64_t> first_end;  // by epoch: when the first of its writes was accepted
    for (const WriteOp& op : history_.writes) {
      if (op.outcome != Outcome::kOk || !op.route.steady()) continue;
      const auto at = first_end.try_emplace(op.route.epoch_before, op.completed_us).first;
      at->second = std::min(at->second, op.completed_us);
    }
    for (const WriteOp& op : history_.writes) {
      if (op.outcome != Outcome::kOk || !op.route.steady()) continue;
      const auto later = first_end.upper_bound(op.route.epoch_before);
      if (later != first_end.end() && later->second < op.invoked_us) {
        note(ViolationKind::kTwoPrimaries,
             fmt::format("{} began after one of epoch {} was accepted", name_of(op), later->first));
      }
    }
  }

  // Each accepted write took effect at one instant between its begin and its end. The fewest times
  // that the sides can have changed, greedily: a side stays the primary until the other one must
  // have accepted something.
  void check_alternations() {
    std::vector<const WriteOp*> open[2];
    for (const WriteOp& op : history_.writes) {
      if (op.outcome == Outcome::kOk) open[static_cast<size_t>(op.side)].push_back(&op);
    }
    constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
    const auto due = [&](size_t side) {
      int64_t first = kNever;
      for (const WriteOp* op : open[side]) first = std::min(first, op->completed_us);
      return first;
    };
    size_t side = 0;
    int64_t changes = 0;
    const int64_t allowed = history_.last_epoch - history_.first_epoch;
    while (!open[0].empty() || !open[1].empty()) {
      const int64_t until = due(1 - side);
      std::erase_if(open[side], [&](const WriteOp* op) { return op->invoked_us <= until; });
      if (open[0].empty() && open[1].empty()) break;
      side = 1 - side;
      if (++changes > allowed) {
        const auto& left = open[side];
        const auto at = std::min_element(
            left.begin(), left.end(),
            [](const auto* a, const auto* b) { return a->completed_us < b->completed_us; });
        note(ViolationKind::kTwoPrimaries,
             fmt::format("the sides took turns more often than the route's {} times: {}", allowed,
                         at == left.end() ? std::string("?") : name_of(**at)));
        return;
      }
    }
  }

  const History& history_;
  std::map<WriteId, const WriteOp*> writes_;
  std::map<WriteId, int64_t> known_;
  std::vector<Violation> violations_;
};

const char* name_of(ViolationKind kind) {
  switch (kind) {
    case ViolationKind::kLost:
      return "lost";
    case ViolationKind::kDoubled:
      return "doubled";
    case ViolationKind::kResurrected:
      return "refused, and done";
    case ViolationKind::kStale:
      return "stale";
    case ViolationKind::kPhantom:
      return "phantom";
    case ViolationKind::kTwoPrimaries:
      return "two primaries";
    case ViolationKind::kTorn:
      return "torn";
    case ViolationKind::kInvariant:
      return "invariant";
    case ViolationKind::kNoPrefix:
      return "no prefix";
  }
  return "";
}

}  // namespace

std::vector<Violation> check_history(const History& history) {
  return HistoryChecker(history).check();
}

std::string describe(const std::vector<Violation>& violations) {
  std::string out;
  std::map<ViolationKind, size_t> seen;
  for (const Violation& each : violations) {
    if (++seen[each.kind] <= kShownOfKind) {
      out += fmt::format("{}: {}\n", name_of(each.kind), each.what);
    }
  }
  for (const auto& [kind, n] : seen) {
    if (n > kShownOfKind) out += fmt::format("{}: {} in all\n", name_of(kind), n);
  }
  return out;
}

}  // namespace crossfade::testing
