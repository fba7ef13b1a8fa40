#include "engine/core/sha256.h"

#include <fmt/core.h>
#include <openssl/evp.h>

#include "engine/core/assert.h"

namespace crossfade {

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  CROSSFADE_ASSERT(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1,
                   "libcrypto has no SHA-256");
}

Sha256::Sha256(const Sha256& other) : context_(EVP_MD_CTX_new()) {
  CROSSFADE_ASSERT(context_ && EVP_MD_CTX_copy_ex(context_.get(), other.context_.get()) == 1,
                   "a SHA-256 cannot be copied");
}

Sha256& Sha256::operator=(const Sha256& other) {
  if (this != &other) *this = Sha256(other);
  return *this;
}

void Sha256::add(std::string_view bytes) {
  CROSSFADE_ASSERT(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1,
                   "SHA-256 of {} bytes", bytes.size());
}

void Sha256::add(const Sha256Bytes& bytes) {
  CROSSFADE_ASSERT(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1,
                   "SHA-256 of {} bytes", bytes.size());
}

Sha256Bytes Sha256::take() {
  Sha256Bytes digest{};
  unsigned int size = 0;
  CROSSFADE_ASSERT(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1 &&
                       size == digest.size() &&
                       EVP_DigestInit_ex(context_.get(), nullptr, nullptr) == 1,
                   "SHA-256");
  return digest;
}

std::string Sha256::hex() {
  std::string out;
  for (const unsigned char byte : take()) out += fmt::format("{:02x}", byte);
  return out;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

}  // namespace crossfade
