#include "tools/cli/signing_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <utility>
#include <vector>

#include "engine/core/sha256.h"

namespace crossfade::cli {
namespace {

Error key_refused(const std::string& file, std::string native, std::string hint) {
  ERR_clear_error();
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "sign";
  error.object = file;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

std::string last_reason() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
  return text.data();
}

// libcrypto would ask on the terminal.
int note_that_it_asks(char* /*into*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

// These take the bytes themselves; the others a digest of them.
bool signs_bytes(const EVP_PKEY* key) {
  const int kind = EVP_PKEY_get_base_id(key);
  return kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448;
}

}  // namespace

void SigningKey::Free::operator()(evp_pkey_st* key) const {
  EVP_PKEY_free(key);
}

Result<SigningKey> SigningKey::load(const std::string& pem_file) {
  struct FreeBio {
    void operator()(BIO* bio) const { BIO_free(bio); }
  };
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new_file(pem_file.c_str(), "r"));
  if (!bio) {
    return fail(key_refused(pem_file, "the file cannot be read: " + last_reason(),
                            "give --sign-key a PEM file with a private key"));
  }
  bool protected_by_passphrase = false;
  EVP_PKEY* const key =
      PEM_read_bio_PrivateKey(bio.get(), nullptr, note_that_it_asks, &protected_by_passphrase);
  if (key == nullptr) {
    if (protected_by_passphrase) {
      return fail(key_refused(pem_file, "the key is protected by a passphrase, and nobody is asked",
                              "leave --sign-key out and sign the report with openssl "
                              "(docs/verification.md), or give a key without one"));
    }
    return fail(key_refused(pem_file, "there is no private key in it: " + last_reason(),
                            "`openssl genpkey -algorithm ed25519 -out key.pem` makes one"));
  }
  SigningKey out(pem_file, key);
  // One that only exchanges secrets shows now, not after the comparison.
  CROSSFADE_TRY(out.sign(""));
  return out;
}

Result<std::string> SigningKey::sign(std::string_view bytes) const {
  struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  const EVP_MD* const digest = signs_bytes(key_.get()) ? nullptr : EVP_sha256();
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t size = 0;
  std::string out;
  bool done = context &&
              EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
              EVP_DigestSign(context.get(), nullptr, &size, data, bytes.size()) == 1;
  if (done) {
    out.resize(size);
    done = EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, data,
                          bytes.size()) == 1;
  }
  if (!done) {
    return fail(key_refused(file_, "the key cannot sign: " + last_reason(),
                            "give a key of Ed25519, EC or RSA"));
  }
  out.resize(size);
  return out;
}

Result<std::string> SigningKey::fingerprint() const {
  const int size = i2d_PUBKEY(key_.get(), nullptr);
  if (size <= 0) return fail(key_refused(file_, "it has no public part: " + last_reason(), ""));
  std::vector<unsigned char> der(static_cast<size_t>(size));
  unsigned char* at = der.data();
  i2d_PUBKEY(key_.get(), &at);
  return sha256_hex({reinterpret_cast<const char*>(der.data()), der.size()});
}

}  // namespace crossfade::cli
