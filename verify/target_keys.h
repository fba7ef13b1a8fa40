// Keys and their bounds as SQL for the target.
#pragma once

#include <string>

#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "verify/chunk.h"

namespace crossfade::verify {

// The canonical form of a key into `out`; false when the target cannot hold it.
[[nodiscard]] bool canonical_key(const Table& table, const Row& key, std::string* out);

// "SELECT every carried column FROM the table AS t".
[[nodiscard]] std::string select_target(const Table& table, const std::string& schema);

// "" or " WHERE ..." for the chunk's range. A row comparison seeks on all its columns in
// PostgreSQL. Chunks that are not by range have no condition: their rows are picked after reading.
[[nodiscard]] std::string where_in_range(const SourceChunk& chunk);

// " ORDER BY ..." the key, as the source orders it where chunks are by range.
[[nodiscard]] std::string order_by_key(const Table& table);

// The value as a quoted literal without its cast. It must be representable in `type`, not NULL.
[[nodiscard]] std::string key_literal(const Value& value, const ColumnType& type);
// "bigint", "jsonb": what key_literal() is to be cast to.
[[nodiscard]] const char* key_cast(const ColumnType& type);

}  // namespace crossfade::verify
