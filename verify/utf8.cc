#include "verify/utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace crossfade::verify {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080ULL;
constexpr uint64_t kOnes = 0x0101010101010101ULL;

// True when all eight bytes are in 0x01..0x7f.
bool is_plain_word(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  // Without a high bit anywhere, subtracting one borrows into a high bit only from a zero byte.
  return (word & kHighBits) == 0 && ((word - kOnes) & kHighBits) == 0;
}

// The length of the character at `at`, or 0. RFC 3629, section 4.
size_t character_size(const unsigned char* at, size_t rest) {
  const unsigned lead = at[0];
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const size_t size = lead < 0xE0 ? 2 : (lead < 0xF0 ? 3 : 4);
  if (size > rest) return 0;
  const unsigned low = lead == 0xE0 ? 0xA0U : (lead == 0xF0 ? 0x90U : 0x80U);
  const unsigned high = lead == 0xED ? 0x9FU : (lead == 0xF4 ? 0x8FU : 0xBFU);
  if (at[1] < low || at[1] > high) return 0;
  for (size_t i = 2; i < size; ++i) {
    if ((at[i] & 0xC0U) != 0x80U) return 0;
  }
  return size;
}

}  // namespace

bool is_storable_text(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    if (bytes.size() - at >= sizeof(uint64_t) && is_plain_word(bytes.data() + at)) {
      at += sizeof(uint64_t);
      continue;
    }
    const size_t size = character_size(reinterpret_cast<const unsigned char*>(bytes.data()) + at,
                                       bytes.size() - at);
    if (size == 0) return false;
    at += size;
  }
  return true;
}

}  // namespace crossfade::verify
