#include "engine/schema/evidence_uuid.h"

#include "engine/schema/evidence_interest.h"

namespace crossfade::schema {
namespace {

constexpr size_t kDashedSize = 36;
constexpr size_t kHexSize = 32;
constexpr size_t kBytesSize = 16;
constexpr size_t kSamplesMax = 3;
constexpr int64_t kUnnamedUuidsMin = 2;  // a single digest has a UUID's layout in one case of eight

}  // namespace

UuidText read_uuid(std::string_view text) {
  const bool dashed = text.size() == kDashedSize;
  if (!dashed && text.size() != kHexSize) return UuidText::kNone;
  bool lower = false;
  bool upper = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (dashed && (i == 8 || i == 13 || i == 18 || i == 23)) {
      if (c != '-') return UuidText::kNone;
    } else if (c >= 'a' && c <= 'f') {
      lower = true;
    } else if (c >= 'A' && c <= 'F') {
      upper = true;
    } else if (c < '0' || c > '9') {
      return UuidText::kNone;
    }
  }
  if (!dashed) return upper ? UuidText::kUpperHex : UuidText::kHex;
  if (lower && upper) return UuidText::kMixedCase;
  if (lower) return UuidText::kLower;
  return upper ? UuidText::kUpper : UuidText::kDigits;
}

int uuid_version(std::string_view sixteen_bytes) {
  const int version = static_cast<unsigned char>(sixteen_bytes[6]) >> 4;
  const int variant = static_cast<unsigned char>(sixteen_bytes[8]) >> 6;
  return variant == 2 && version <= 8 ? version : 0;
}

int uuid_hex_version(std::string_view thirty_two_digits) {
  const int version = thirty_two_digits[12] - '0';
  const bool variant =
      std::string_view("89ab").find(thirty_two_digits[16]) != std::string_view::npos;
  return variant && version >= 1 && version <= 8 ? version : 0;
}

bool UuidEvidence::add_version(int version) {
  if (version_ == 0) version_ = version;
  if (version == 0 || version != version_) return false;
  ++versioned_;
  return true;
}

void UuidEvidence::add_text(std::string_view text, const Cell& cell, bool stubborn) {
  if (abandoned_) return;
  switch (read_uuid(text)) {
    case UuidText::kDigits:
      ++digits_;
      return;
    case UuidText::kLower:
      return cell.tally(&lower, kSamplesMax);
    case UuidText::kUpper:
      return cell.tally(&upper, kSamplesMax);
    case UuidText::kHex:
      add_version(uuid_hex_version(text));
      return cell.tally(&hex, kSamplesMax);
    case UuidText::kUpperHex:
    case UuidText::kMixedCase:
    case UuidText::kNone:
      cell.tally(&others);
      abandoned_ = !stubborn && lost_interest(uuids(), others.rows);
  }
}

void UuidEvidence::add_blob(std::string_view bytes, const Cell& cell, bool stubborn) {
  if (abandoned_) return;
  if (bytes.size() != kBytesSize) {
    abandoned_ = !stubborn;
    return cell.tally(&others);
  }
  ++blobs_;
  add_version(uuid_version(bytes));
}

std::optional<SourceForm> UuidEvidence::form(int64_t texts, int64_t blobs, bool named) const {
  if (abandoned_) return std::nullopt;
  const auto all_versioned = [&](int64_t count) {
    return named || (count >= kUnnamedUuidsMin && versioned_ == count);
  };
  if (blobs > 0) {
    return texts == 0 && blobs_ == blobs && all_versioned(blobs)
               ? std::optional(SourceForm::kUuidBytes)
               : std::nullopt;
  }
  if (texts == 0) return std::nullopt;
  if (lower.rows + digits_ == texts) return SourceForm::kUuidLower;
  if (upper.rows + digits_ == texts) return SourceForm::kUuidUpper;
  if (hex.rows == texts && all_versioned(texts)) return SourceForm::kUuidHex;
  return std::nullopt;
}

}  // namespace crossfade::schema
