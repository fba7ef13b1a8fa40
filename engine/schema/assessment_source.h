// Reads what the source says of itself, and how large its tables are. Writes nothing.
//
// Opens no file itself: closing a descriptor of a database file would drop the locks that SQLite
// holds on it in this process (howtocorrupt.html, 2.2).
#pragma once

#include "engine/core/result.h"
#include "engine/schema/assessment.h"
#include "engine/schema/catalog.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::schema {

Result<DatabaseFacts> read_database_facts(sqlite::Connection& connection, const Catalog& catalog);

// Bytes per table and its indexes, of the plan's tables. With SQLite's dbstat where it is compiled
// in, each table and index in a read transaction of its own and of at most limits::kSizeReadMax;
// what that does not reach is estimated from some rows. `use_dbstat` is false in tests only.
Result<Sizes> measure_sizes(sqlite::Connection& connection, const Plan& plan,
                            const DatabaseFacts& facts, bool use_dbstat = true);

}  // namespace crossfade::schema
