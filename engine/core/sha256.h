// SHA-256, of bytes and of what is too long to hold at once: for what must show that nobody has
// changed it, where the row digests (engine/core/digest.h) are for accidents.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace crossfade {

inline constexpr size_t kSha256HexBytes = 64;
using Sha256Bytes = std::array<unsigned char, 32>;

class Sha256 {
 public:
  Sha256();
  // Goes on by itself from what was added so far.
  Sha256(const Sha256& other);
  Sha256& operator=(const Sha256& other);
  Sha256(Sha256&&) noexcept = default;
  Sha256& operator=(Sha256&&) noexcept = default;
  ~Sha256() = default;

  void add(std::string_view bytes);
  void add(const Sha256Bytes& bytes);
  // Of what was added; afterwards nothing is.
  [[nodiscard]] Sha256Bytes take();
  // The same in lower-case hexadecimal, kSha256HexBytes long.
  [[nodiscard]] std::string hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace crossfade
