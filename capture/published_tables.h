// Which tables the publication has, by their numbers, and what their replica identity was before:
// crossfade.published, kept as long as the slot is. Threads: the connection's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/postgres/binary.h"
#include "engine/postgres/connection.h"

namespace crossfade::capture {

// Inside the caller's transaction: makes crossfade.published, and has updates and deletes of each
// table tell its key. That is the table's own replica identity where it does; else the primary key,
// else a unique index that has the key, else the whole row.
Status publish_keys(postgres::Connection& target, const std::string& target_schema,
                    const std::vector<std::shared_ptr<const Table>>& tables);

// Inside the caller's transaction: notes the tables, and leaves their identities alone.
Status note_tables(postgres::Connection& target, const std::string& target_schema,
                   const std::vector<std::shared_ptr<const Table>>& tables);

// Inside the caller's transaction: gives tables back the identity they had, unless somebody has
// changed it meanwhile, and forgets them. The names of those that got theirs back. Idempotent.
Result<std::vector<std::string>> unpublish_keys(postgres::Connection& target);

// The name that each had when it was published.
Result<std::map<postgres::Oid, std::string>> read_published(postgres::Connection& target);

}  // namespace crossfade::capture
