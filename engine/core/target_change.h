// Changes as they leave PostgreSQL on the way back: what becomes of a row of the source's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/schema.h"
#include "engine/core/value.h"

namespace crossfade {

enum class TargetOp : uint8_t {
  kInsert,    // `after` is the row
  kUpdate,    // the row of `key` becomes `after`; its key may differ
  kDelete,    // the row of `key` goes
  kTruncate,  // all rows of the table go
};

// A field that stands for no value of the source: its row cannot go back as it is.
struct TargetMisfit {
  size_t column = 0;  // into Table::columns
  std::string field;  // PostgreSQL's text of it, or the beginning
};

struct TargetChange {
  std::shared_ptr<const Table> table;
  TargetOp op = TargetOp::kInsert;
  Row key;  // of the row before, in Table::key's order; empty for kInsert and kTruncate
  // In Table::columns' order, for kInsert and kUpdate. Nothing: an update left it as it was, or the
  // source computes it.
  std::vector<std::optional<Value>> after;
  std::optional<TargetMisfit> misfit;  // the first of its row
};

}  // namespace crossfade
