// All recognisers of one column together. Each sees every value until it gives the column up.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/core/schema.h"
#include "engine/schema/evidence_dates.h"
#include "engine/schema/evidence_decimal.h"
#include "engine/schema/evidence_floats.h"
#include "engine/schema/evidence_json.h"
#include "engine/schema/evidence_uuid.h"
#include "engine/schema/evidence_words.h"

namespace crossfade::schema {

// What the declared type claims, as far as a recogniser is concerned.
struct Claims {
  bool date = false;   // DATE, DATETIME, TIMESTAMP, but not TIME
  bool clock = false;  // of these, the ones that have a time of day
  // Rails (datetime(6)) and SQLAlchemy (DATETIME) write all six digits of a fraction even when they
  // are zero; Python's isoformat and Django do not.
  bool micros = false;
  bool json = false;
  bool uuid = false;
  bool boolean = false;
  std::optional<DecimalLimits> decimal;
  std::optional<int64_t> length;  // of VARCHAR(n), CHAR(n)
};
[[nodiscard]] Claims claims_of(const Column& column);

class FormEvidence {
 public:
  void set_claims(const Claims& claims) { claims_ = claims; }
  [[nodiscard]] const Claims& claims() const { return claims_; }

  // `broken`: the text holds NULs or is not UTF-8.
  void add_text(std::string_view text, bool broken, const Cell& cell, JsonReader* reader);
  void add_blob(std::string_view bytes, const Cell& cell);
  void add_integer(int64_t value, const Cell& cell);
  void add_real(double value, const Cell& cell);

  DateEvidence dates;
  JsonEvidence json;
  UuidEvidence uuid;
  WordEvidence words;
  FloatEvidence floats;
  RowTally beyond_decimal;   // numbers that do not fit the declared DECIMAL(p,s)
  RowTally beyond_length;    // texts longer than the declared VARCHAR(n)
  RowTally beyond_boolean;   // texts in a column declared BOOL that no pair of words explains
  bool sqlite_jsonb = true;  // every blob is SQLite's JSONB

 private:
  Claims claims_;
};

}  // namespace crossfade::schema
