#include "engine/postgres/pg_snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace crossfade::postgres {
namespace {

// The digits up to `end`, which is taken off too.
std::optional<Xid8> take_xid8(std::string_view* text, char end) {
  const std::string_view digits = text->substr(0, text->find(end));
  Xid8 out = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (error != std::errc() || stop != digits.data() + digits.size()) return std::nullopt;
  text->remove_prefix(std::min(digits.size() + 1, text->size()));
  return out;
}

}  // namespace

std::optional<PgSnapshot> PgSnapshot::parse(std::string_view text) {
  PgSnapshot out;
  if (std::count(text.begin(), text.end(), ':') != 2) return std::nullopt;
  const auto xmin = take_xid8(&text, ':');
  const auto xmax = take_xid8(&text, ':');
  if (!xmin || !xmax || *xmin > *xmax) return std::nullopt;
  out.xmin_ = *xmin;
  out.xmax_ = *xmax;
  while (!text.empty()) {
    const auto xid = take_xid8(&text, ',');
    if (!xid || *xid < out.xmin_ || *xid >= out.xmax_) return std::nullopt;
    out.running_.push_back(*xid);
  }
  std::sort(out.running_.begin(), out.running_.end());
  return out;
}

std::string PgSnapshot::text() const {
  return fmt::format("{}:{}:{}", xmin_, xmax_, fmt::join(running_, ","));
}

bool PgSnapshot::sees(Xid8 xid) const {
  if (xid >= xmax_) return false;
  return xid < xmin_ || !std::binary_search(running_.begin(), running_.end(), xid);
}

PgSnapshot PgSnapshot::with(Xid8 xid) const {
  PgSnapshot out = *this;
  for (; out.xmax_ <= xid; ++out.xmax_) out.running_.push_back(out.xmax_);
  out.running_.erase(std::remove(out.running_.begin(), out.running_.end(), xid),
                     out.running_.end());
  out.xmin_ = out.running_.empty() ? out.xmax_ : out.running_.front();
  return out;
}

std::vector<XidRange> ended_between(const PgSnapshot& before, const PgSnapshot& now) {
  std::vector<XidRange> out;
  const auto add = [&out](Xid8 from, Xid8 to) {
    if (from >= to) return;
    if (!out.empty() && out.back().to == from) {
      out.back().to = to;
    } else {
      out.push_back({from, to});
    }
  };
  // Those that ran then, and those that began since.
  for (const Xid8 xid : before.running()) {
    if (now.sees(xid)) add(xid, xid + 1);
  }
  Xid8 from = before.xmax();
  for (const Xid8 xid : now.running()) {
    if (xid < from) continue;
    add(from, xid);
    from = xid + 1;
  }
  add(from, now.xmax());
  return out;
}

}  // namespace crossfade::postgres
