// Row digests and their order-independent sum.
//
// A row's digest is XXH3-128 of its canonical form; a chunk's or table's digest is the sum of its
// rows' digests modulo 2^128. The sum does not depend on order, and a change updates it by
// subtracting the old row and adding the new. It is a checksum against accidents, not against an
// adversary.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace crossfade {

struct Digest128 {
  uint64_t high = 0;
  uint64_t low = 0;

  friend bool operator==(const Digest128&, const Digest128&) = default;
  Digest128& operator+=(const Digest128& other);
  Digest128& operator-=(const Digest128& other);
};

[[nodiscard]] Digest128 digest_bytes(std::string_view bytes);

// digest_bytes() of what comes in pieces and is not held at once.
class DigestStream {
 public:
  DigestStream();
  void add(std::string_view bytes);
  // Of all that was added so far.
  [[nodiscard]] Digest128 digest() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

[[nodiscard]] std::string to_hex(const Digest128& digest);

}  // namespace crossfade
