#include "engine/run/dual_marks.h"

#include <utility>

namespace crossfade::run {
namespace {

constexpr std::string_view kOwn = "own ";
constexpr std::string_view kSettled = "settled ";
constexpr std::string_view kHex = "0123456789abcdef";

}  // namespace

std::string own_mark(std::string_view name) {
  return std::string(kOwn) + std::string(name);
}

bool is_own_mark(std::string_view nonce) {
  return nonce.starts_with(kOwn);
}

std::string settled_mark(const std::vector<KeyId>& keys) {
  std::string out(kSettled);
  for (const KeyId& key : keys) {
    for (const char c : key) {
      out += kHex[static_cast<unsigned char>(c) >> 4U];
      out += kHex[static_cast<unsigned char>(c) & 15U];
    }
    out += ',';
  }
  return out;
}

bool parse_settled_mark(std::string_view nonce, std::vector<KeyId>* keys) {
  if (!nonce.starts_with(kSettled)) return false;
  KeyId key;
  for (size_t at = kSettled.size(); at < nonce.size();) {
    if (nonce[at] == ',') {
      keys->push_back(std::exchange(key, {}));
      ++at;
      continue;
    }
    if (at + 1 >= nonce.size()) return false;
    const size_t high = kHex.find(nonce[at]);
    const size_t low = kHex.find(nonce[at + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    key += static_cast<char>(high << 4U | low);
    at += 2;
  }
  return true;
}

}  // namespace crossfade::run
