#include "engine/run/target_snapshot.h"

#include <algorithm>
#include <charconv>

namespace crossfade::run {
namespace {

// The digits up to `end`, which is taken off too.
std::optional<uint64_t> take_xid(std::string_view* text, char end) {
  const std::string_view digits = text->substr(0, text->find(end));
  uint64_t out = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (error != std::errc() || stop != digits.data() + digits.size()) return std::nullopt;
  text->remove_prefix(std::min(digits.size() + 1, text->size()));
  return out;
}

}  // namespace

std::optional<TargetSnapshot> TargetSnapshot::parse(std::string_view text) {
  TargetSnapshot out;
  if (std::count(text.begin(), text.end(), ':') != 2) return std::nullopt;
  const auto xmin = take_xid(&text, ':');
  const auto xmax = take_xid(&text, ':');
  if (!xmin || !xmax || *xmin > *xmax) return std::nullopt;
  out.xmin_ = *xmin;
  out.xmax_ = *xmax;
  while (!text.empty()) {
    const auto xid = take_xid(&text, ',');
    if (!xid || *xid < out.xmin_ || *xid >= out.xmax_) return std::nullopt;
    out.in_flight_.push_back(*xid);
  }
  return out;
}

bool TargetSnapshot::sees(uint32_t xid) const {
  // The nearest number to xmax that ends in these 32 bits.
  const auto behind = static_cast<int32_t>(static_cast<uint32_t>(xmax_) - xid);
  const uint64_t whole = xmax_ - static_cast<uint64_t>(static_cast<int64_t>(behind));
  if (whole >= xmax_) return false;
  if (whole < xmin_) return true;
  return std::find(in_flight_.begin(), in_flight_.end(), whole) == in_flight_.end();
}

}  // namespace crossfade::run
