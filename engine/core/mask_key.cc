#include "engine/core/mask_key.h"

#include <cstdlib>
#include <string>

namespace crossfade {

std::string_view mask_key() {
  static const std::string kKey = [] {
    const char* const value = std::getenv(kMaskKeyVariable);
    std::string text = value == nullptr ? "" : value;
    if (text.size() < kMaskKeyBytesMin) text.clear();
    return text;
  }();
  return kKey;
}

}  // namespace crossfade
