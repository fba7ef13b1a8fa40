// Recognises UUIDs: as text in three spellings, and as blobs of 16 bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/core/column_type.h"
#include "engine/schema/evidence_rows.h"

namespace crossfade::schema {

enum class UuidText : uint8_t {
  kNone,
  kDigits,  // 8-4-4-4-12 without a letter: lower case and upper case alike
  kLower,
  kUpper,
  kMixedCase,
  kHex,       // 32 lower case digits
  kUpperHex,  // 32 digits, upper case letters among them
};
[[nodiscard]] UuidText read_uuid(std::string_view text);

// The version that RFC 9562 puts into the bytes, 1 to 8; 0: they are not laid out as it says.
[[nodiscard]] int uuid_version(std::string_view sixteen_bytes);
[[nodiscard]] int uuid_hex_version(std::string_view thirty_two_digits);

// What one column holds.
class UuidEvidence {
 public:
  // `stubborn`: the column is declared a UUID, so its values are read to the end.
  void add_text(std::string_view text, const Cell& cell, bool stubborn);
  void add_blob(std::string_view bytes, const Cell& cell, bool stubborn);

  // The form all of `texts` and `blobs` values have. Digests are as long as UUIDs without dashes:
  // without `named`, a name or declaration that says UUID, those need one version in all values.
  [[nodiscard]] std::optional<SourceForm> form(int64_t texts, int64_t blobs, bool named) const;

  [[nodiscard]] bool abandoned() const { return abandoned_; }
  [[nodiscard]] int64_t dashed() const { return lower.rows + upper.rows + digits_; }
  [[nodiscard]] int64_t uuids() const { return dashed() + hex.rows + blobs_; }

  RowTally lower;
  RowTally upper;
  RowTally hex;
  RowTally others;  // other spellings included

 private:
  bool add_version(int version);

  bool abandoned_ = false;
  int64_t digits_ = 0;  // fit lower and upper
  int64_t blobs_ = 0;
  int version_ = 0;        // of the first value without dashes
  int64_t versioned_ = 0;  // how many values have that version
};

}  // namespace crossfade::schema
