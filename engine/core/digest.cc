#include "engine/core/digest.h"

#include <fmt/core.h>
#include <xxhash.h>

#include "engine/core/assert.h"

namespace crossfade {

Digest128& Digest128::operator+=(const Digest128& other) {
  const uint64_t sum = low + other.low;
  high += other.high + (sum < low ? 1 : 0);
  low = sum;
  return *this;
}

Digest128& Digest128::operator-=(const Digest128& other) {
  const uint64_t borrow = low < other.low ? 1 : 0;
  low -= other.low;
  high -= other.high + borrow;
  return *this;
}

Digest128 digest_bytes(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

DigestStream::DigestStream() : state_(XXH3_createState()) {
  CROSSFADE_ASSERT(state_ != nullptr, "no memory for a digest's state");
  XXH3_128bits_reset(state_.get());
}

void DigestStream::add(std::string_view bytes) {
  XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
}

Digest128 DigestStream::digest() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
  return {hash.high64, hash.low64};
}

void DigestStream::Free::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

std::string to_hex(const Digest128& digest) {
  return fmt::format("{:016x}{:016x}", digest.high, digest.low);
}

}  // namespace crossfade
