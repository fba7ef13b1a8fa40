// SHA-256, of bytes and of what is too long to hold at once: for what must show that nobody has
// changed it, where the row digests (engine/core/digest.h) are for accidents.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace crossfade {

inline constexpr size_t kSha256HexBytes = 64;

class Sha256 {
 public:
  Sha256();
  void add(std::string_view bytes);
  // Lower-case hexadecimal, kSha256HexBytes long. Once; nothing may be added afterwards.
  [[nodiscard]] std::string hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace crossfade
