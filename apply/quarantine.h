// Rows that cannot be represented on the target, set aside there with their exact values.
//
// The row's later versions chain behind it: each version of the key replaces the entry, or takes it
// away when it fits or is deleted. Part of the same transaction as the rows and the progress.
#pragma once

#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/strong.h"
#include "engine/core/value.h"
#include "engine/postgres/connection.h"

namespace crossfade::apply {

struct Misfit {
  Row row;
  std::string column;  // empty when the server refused the row as a whole
  std::string reason;
};

// "id=42", "(a, b)=(1, 'x')".
[[nodiscard]] std::string key_literal(const Table& table, const Row& key);

// Without a column, the one that the target cannot compute is named, if that is why.
Status quarantine_row(postgres::Connection& target, const Table& table, const Misfit& misfit,
                      Lsn lsn);

// Takes away the entries of these keys, if there are any.
Status release_keys(postgres::Connection& target, const Table& table,
                    const std::vector<const Row*>& keys);

Result<int64_t> quarantined_count(postgres::Connection& target);

}  // namespace crossfade::apply
