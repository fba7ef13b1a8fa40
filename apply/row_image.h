// What is known of a row on its way back, as changes come. Threads: any.
#pragma once

#include <optional>
#include <string>

#include "apply/source_statements.h"
#include "engine/core/schema.h"
#include "engine/core/target_change.h"
#include "engine/core/value.h"

namespace crossfade::apply {

// Why a row cannot be in SQLite as it is.
struct Unfit {
  std::string column;  // empty: not of one column
  std::string reason;
};

[[nodiscard]] Unfit unfit_of(const Table& table, const TargetMisfit& misfit);

// Of the row as it is after an insert or update. An error: an insert did not tell it.
Result<Row> key_after(const TargetChange& change);

// Changes `image` as the insert or update does. A misfit hides which of the columns without a value
// were left as they were: they are not known from here on.
void change_image(const TargetChange& change, Image* image);

// Every column that the source does not compute has a value.
[[nodiscard]] bool is_complete(const Table& table, const Image& image);
// The first value that SQLite would not keep as it is.
[[nodiscard]] std::optional<Unfit> find_not_kept(const Table& table, const Image& image);

}  // namespace crossfade::apply
