// Makes and removes many triggers at once, by the rows of sqlite_schema that CREATE TRIGGER and
// DROP TRIGGER would write and delete: the way of lang_altertable.html, "Making Other Kinds Of
// Table Schema Changes". SQLite reads the whole schema for each CREATE and each DROP, so that 5,000
// tables took it minutes in which nobody could write.
//
// Both are called inside a write transaction, and have SQLite compile the schema that comes of it.
// After an error it must be rolled back; the file is as it was then, and so is what this connection
// knows of it. A virtual table that was written to before must not be again in that transaction: it
// is connected to anew.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "capture/trigger_sql.h"
#include "engine/core/result.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::capture {

Status create_triggers(sqlite::Connection& source, const std::vector<TriggerSql>& triggers);

// Those whose names `goes` is true of. Returns the names, oldest first.
Result<std::vector<std::string>> remove_triggers(sqlite::Connection& source,
                                                 const std::function<bool(std::string_view)>& goes);

}  // namespace crossfade::capture
