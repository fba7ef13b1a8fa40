#include "engine/core/sha256.h"

#include <fmt/core.h>
#include <openssl/evp.h>

#include <array>

#include "engine/core/assert.h"

namespace crossfade {

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  CROSSFADE_ASSERT(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1,
                   "libcrypto has no SHA-256");
}

void Sha256::add(std::string_view bytes) {
  CROSSFADE_ASSERT(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1,
                   "SHA-256 of {} bytes", bytes.size());
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  CROSSFADE_ASSERT(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1, "SHA-256");
  std::string out;
  for (unsigned int i = 0; i < size; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

}  // namespace crossfade
