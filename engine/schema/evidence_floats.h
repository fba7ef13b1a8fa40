// Recognises arrays of floats in blobs: the embeddings that applications keep with their rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/core/column_type.h"

namespace crossfade::schema {

// Counts over all values of a column, for one width of float.
class FloatReader {
 public:
  // False, for good: one is not finite or is of a magnitude no measurement has.
  bool add32(std::string_view bytes);
  bool add64(std::string_view bytes);
  // Few zeros and few tiny ones: zeroed pages and text have many.
  [[nodiscard]] bool plausible() const;
  [[nodiscard]] bool refuted() const { return refuted_; }

 private:
  bool add(double value);

  bool refuted_ = false;
  int64_t count_ = 0;
  int64_t zeros_ = 0;
  int64_t tiny_ = 0;
};

// What one column holds.
class FloatEvidence {
 public:
  void add(std::string_view bytes);

  // real[], or double precision[]; nothing unless every one of `blobs` values is such an array and
  // all have the same length.
  [[nodiscard]] std::optional<SourceForm> form(int64_t blobs) const;
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  bool abandoned_ = false;
  int64_t blobs_ = 0;
  size_t bytes_ = 0;
  FloatReader floats_;
  FloatReader doubles_;
  int64_t pairs_ = 0;        // of 32-bit words
  int64_t round_pairs_ = 0;  // whose first is zero: a double of few digits
};

}  // namespace crossfade::schema
