// The SQL of the capture triggers.
//
// It runs inside the application's SQLite, whatever its version: core SQL of 3.8, no functions, no
// JSON, nothing that trusted_schema=OFF forbids, nothing that can fail. Values go into untyped
// columns, so INTEGER, REAL, TEXT, BLOB and NULL stay what they are.
#pragma once

#include <string>
#include <vector>

#include "engine/core/schema.h"
#include "engine/core/strong.h"

namespace crossfade::capture {

struct TriggerSql {
  std::string name;
  std::string table;
  std::string sql;  // exactly as sqlite_schema will hold it
};

// CREATE TABLE statements for the log, the shapes and the control row; each IF NOT EXISTS.
[[nodiscard]] std::vector<std::string> capture_tables_sql();

// The triggers that record `table`'s changes under `id`.
[[nodiscard]] std::vector<TriggerSql> capture_triggers(const Table& table, CaptureId id);

// A recheck holds the row as it is, but NULL for generated columns, which could fail to be
// computed. False: the key alone. An entry of several log rows is written by one INSERT each, which
// must find one row only; in such a table a condition may find many.
[[nodiscard]] bool recheck_has_row(const Table& table);

// The triggers that refuse every write to the table by a connection without kMovedFunction.
[[nodiscard]] std::vector<TriggerSql> fence_triggers(const std::string& table, CaptureId id);

}  // namespace crossfade::capture
