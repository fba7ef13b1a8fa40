// Numbers that look like points in time: by their range, where the column's name or declaration
// says that it holds one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/core/column_type.h"
#include "engine/core/schema.h"

namespace crossfade::schema {

struct NumberRange {
  int64_t count = 0;
  double min = 0;
  double max = 0;
  bool real = false;  // any of them
};

struct EpochGuess {
  SourceForm form = SourceForm::kEpochSeconds;
  std::string unit;   // "milliseconds since 1970"
  std::string rule;   // the form as rules name it: "epoch_ms"
  std::string first;  // "2020-01-01 00:00:00"
  std::string last;
  std::string doubt;       // ", or as seconds since 2001 (Cocoa), from ... to ..."; empty: none
  std::string other_rule;  // of the doubt
};

// `referring`: the column is part of a key or a foreign key, so that a range alone says nothing.
[[nodiscard]] std::optional<EpochGuess> guess_epoch(const Column& column, const NumberRange& range,
                                                    bool referring);

// The name says that the column holds a point in time: "created_at", "startTime", "date", "ts".
[[nodiscard]] bool named_like_time(const std::string& name);

}  // namespace crossfade::schema
