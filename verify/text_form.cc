#include "verify/text_form.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <algorithm>

#include <bit>
#include <cstdint>
#include <memory>
#include <optional>

#include "engine/core/limits.h"
#include "engine/core/mask_key.h"
#include "engine/postgres/binary.h"
#include "verify/canonical_form.h"
#include "verify/utf8.h"

namespace crossfade::verify {
namespace {

constexpr std::string_view kPictureOfNul = "\u2400";

// By way of EVP_MAC, where the writing side takes HMAC().
std::optional<std::string> hash_of(std::string_view key, std::string_view input) {
  struct Free {
    void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  };
  const std::unique_ptr<EVP_MAC, Free> mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  if (!mac) return std::nullopt;
  const std::unique_ptr<EVP_MAC_CTX, Free> context(EVP_MAC_CTX_new(mac.get()));
  std::string digest = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), digest.size()),
      OSSL_PARAM_construct_end()};
  unsigned char bytes[32];
  size_t size = 0;
  const auto as_bytes = [](std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  if (!context || EVP_MAC_init(context.get(), as_bytes(key), key.size(), parameters) != 1 ||
      EVP_MAC_update(context.get(), as_bytes(input), input.size()) != 1 ||
      EVP_MAC_final(context.get(), bytes, &size, sizeof(bytes)) != 1 || size != sizeof(bytes)) {
    return std::nullopt;
  }
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

bool append_mask(const ValueView& value, const ColumnType& type, std::string* out) {
  std::string input;
  if (value.storage == StorageClass::kInteger) {
    input.push_back('I');
    postgres::append_be(value.integer, &input);
  } else if (value.storage == StorageClass::kReal) {
    input.push_back('D');
    postgres::append_be(std::bit_cast<uint64_t>(value.real), &input);
  } else {
    input.push_back(value.storage == StorageClass::kText ? 'T' : 'B');
    input.append(value.bytes);
  }
  if (type.base == TargetType::kBigint && value.storage != StorageClass::kInteger) return false;
  const auto hash = mask_key().empty() ? std::nullopt : hash_of(mask_key(), input);
  if (!hash) return false;
  if (type.base == TargetType::kBigint) {
    form::append_integer(postgres::read_be<int64_t>(*hash), out);
    return true;
  }
  std::string text;
  for (size_t i = 0; i < 16; ++i) {
    const auto byte = static_cast<unsigned char>((*hash)[i]);
    for (const unsigned nibble : {byte / 16U, byte % 16U}) {
      text.push_back(static_cast<char>(nibble < 10 ? '0' + nibble : 'a' + nibble - 10));
    }
  }
  form::append_sized(form::kText, text, out);
  return true;
}

std::string with_spaces_for_nuls(std::string text) {
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

std::string without_nuls(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text.find('\0');
    out += text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

std::string latin1_or_itself(std::string_view text) {
  if (is_storable_text(text)) return std::string(text);
  std::string out;
  for (const unsigned char byte : text) {
    if (byte >= 0xC0) {
      out += '\xC3';
      out += static_cast<char>(byte - 0x40);
    } else if (byte >= 0x80) {
      out += '\xC2';
      out += static_cast<char>(byte);
    } else {
      out += static_cast<char>(byte);
    }
  }
  return out;
}

std::string with_nuls(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const bool picture = text.substr(at, kPictureOfNul.size()) == kPictureOfNul;
    out.push_back(picture ? '\0' : text[at]);
    at += picture ? kPictureOfNul.size() : 1;
  }
  return out;
}

}  // namespace

bool is_policy(SourceForm form) {
  return form >= SourceForm::kTextBytes;
}

bool append_policy_source(const ValueView& value, const ColumnType& type, std::string* out) {
  if (type.form == SourceForm::kMasked) return append_mask(value, type, out);
  if (value.storage != StorageClass::kText) return false;
  if (value.bytes.size() > limits::kPgFieldBytesMax) return false;
  std::string text(value.bytes);
  switch (type.form) {
    case SourceForm::kTextBytes:
      break;
    case SourceForm::kTextEscaped:
      if (text.find(kPictureOfNul) != std::string::npos) return false;
      // Not without them: bytes on both sides of a NUL could make a character.
      if (!is_storable_text(with_spaces_for_nuls(text))) return false;
      break;
    case SourceForm::kTextStripped:
      text = without_nuls(text);
      if (!is_storable_text(text)) return false;
      break;
    case SourceForm::kTextLatin1:
      text = latin1_or_itself(text);
      if (!is_storable_text(text)) return false;
      break;
    default:
      return false;
  }
  form::append_sized(form::kText, text, out);
  return true;
}

bool append_policy_target(std::string_view field, const ColumnType& type, std::string* out) {
  if (type.base == TargetType::kBigint) {
    if (field.size() != sizeof(int64_t)) return false;
    form::append_integer(postgres::read_be<int64_t>(field), out);
    return true;
  }
  if (type.form == SourceForm::kTextEscaped) {
    form::append_sized(form::kText, with_nuls(field), out);
  } else {
    form::append_sized(form::kText, field, out);
  }
  return true;
}

}  // namespace crossfade::verify
