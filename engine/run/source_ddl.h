// Changes the source's schema where SQLite refuses because of the capture triggers.
//
// ALTER TABLE ... DROP COLUMN fails while a trigger names the column, whoever asks. Here our
// triggers step aside within the transaction that changes the schema.
#pragma once

#include <string>
#include <vector>

#include "engine/core/result.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::run {

struct DdlReport {
  std::vector<std::string> changed;  // tables that were altered: the engine copies them anew
};

// Runs `sql`, one or more statements without BEGIN and COMMIT, in one write transaction, and puts
// the triggers of every table back whose shape is the same afterwards. Nothing has happened when it
// fails. Works beside a running engine, which takes the change up by itself.
Result<DdlReport> change_source_schema(sqlite::Connection& source, const std::string& sql);

}  // namespace crossfade::run
