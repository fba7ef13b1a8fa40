#include "apply/text_policy.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <bit>
#include <optional>
#include <string_view>

#include "apply/variant.h"
#include "engine/core/limits.h"
#include "engine/core/mask_key.h"
#include "engine/core/value.h"
#include "engine/postgres/binary.h"

namespace crossfade::apply {
namespace {

using postgres::append_be;

constexpr std::string_view kNulPicture = "\xE2\x90\x80";  // U+2400

// The value's class and bytes: what is hashed.
std::string masked_input(const ValueView& value) {
  std::string out;
  switch (value.storage) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      out = "I";
      append_be<int64_t>(value.integer, &out);
      break;
    case StorageClass::kReal:
      out = "D";
      append_be<uint64_t>(std::bit_cast<uint64_t>(value.real), &out);
      break;
    case StorageClass::kText:
      out = "T";
      out += value.bytes;
      break;
    case StorageClass::kBlob:
      out = "B";
      out += value.bytes;
      break;
  }
  return out;
}

bool append_masked(const ValueView& value, const ColumnType& type, std::string* out) {
  const std::string_view key = mask_key();
  if (key.empty()) return false;
  if (type.base == TargetType::kBigint && value.storage != StorageClass::kInteger) return false;
  const std::string input = masked_input(value);
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(input.data()), input.size(), mac.data(),
           &size) == nullptr) {
    return false;
  }
  if (type.base == TargetType::kBigint) {
    append_be<int32_t>(8, out);
    out->append(reinterpret_cast<const char*>(mac.data()), 8);
    return true;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  append_be<int32_t>(32, out);
  for (size_t i = 0; i < 16; ++i) {
    out->push_back(kDigits[mac[i] >> 4U]);
    out->push_back(kDigits[mac[i] & 0xFU]);
  }
  return true;
}

std::optional<std::string> escaped(std::string_view text) {
  if (text.find(kNulPicture) != std::string_view::npos) return std::nullopt;
  std::string out;
  for (const char c : text) {
    if (c == '\0') {
      out += kNulPicture;
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string stripped(std::string_view text) {
  std::string out(text);
  std::erase(out, '\0');
  return out;
}

std::string from_latin1(std::string_view text) {
  if (is_target_text(text)) return std::string(text);
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xC0U | (byte >> 6U)));
      out.push_back(static_cast<char>(0x80U | (byte & 0x3FU)));
    }
  }
  return out;
}

}  // namespace

bool append_policy_field(const ValueView& value, const ColumnType& type, std::string* out) {
  if (type.form == SourceForm::kMasked) return append_masked(value, type, out);
  if (value.storage != StorageClass::kText) return false;
  if (value.bytes.size() > limits::kPgFieldBytesMax) return false;
  std::string made;
  if (type.form == SourceForm::kTextEscaped) {
    auto text = escaped(value.bytes);
    if (!text) return false;
    made = *std::move(text);
  } else if (type.form == SourceForm::kTextStripped) {
    made = stripped(value.bytes);
  } else if (type.form == SourceForm::kTextLatin1) {
    made = from_latin1(value.bytes);
  } else if (type.form == SourceForm::kTextBytes) {
    made = value.bytes;
  } else {
    return false;
  }
  if (type.base == TargetType::kText && !is_target_text(made)) return false;
  if (made.size() > limits::kPgFieldBytesMax) return false;
  append_be<int32_t>(static_cast<int32_t>(made.size()), out);
  *out += made;
  return true;
}

}  // namespace crossfade::apply
