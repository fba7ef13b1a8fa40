// A private key in a PEM file, and what it signs.
//
// Signatures are such as `openssl pkeyutl -verify -rawin` and `openssl dgst -sha256 -verify` check:
// Ed25519 and Ed448 sign the bytes themselves, RSA, EC and DSA their SHA-256. The key stays in this
// process's memory.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/core/result.h"

struct evp_pkey_st;

namespace crossfade::cli {

class SigningKey {
 public:
  // kUsage: there is none in the file, it is protected by a passphrase, or it cannot sign.
  static Result<SigningKey> load(const std::string& pem_file);

  [[nodiscard]] Result<std::string> sign(std::string_view bytes) const;
  // SHA-256 of the public key as DER (SubjectPublicKeyInfo), in hexadecimal.
  [[nodiscard]] Result<std::string> fingerprint() const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  SigningKey(std::string file, evp_pkey_st* key) : file_(std::move(file)), key_(key) {}

  std::string file_;
  std::unique_ptr<evp_pkey_st, Free> key_;
};

}  // namespace crossfade::cli
