#include "capture/undo_rows.h"

#include <string>
#include <utility>

#include "engine/core/assert.h"
#include "engine/sqlite/connection.h"

namespace crossfade::capture {
namespace {

constexpr const char* kMakeTables =
    "DROP TABLE IF EXISTS temp.undo_touched; DROP TABLE IF EXISTS temp.undo_to_write;"
    "CREATE TEMP TABLE undo_touched(id, key, was, was_at, left_as, left_at, noted,"
    " PRIMARY KEY(id, key)) WITHOUT ROWID;"
    "CREATE TEMP TABLE undo_to_write(n INTEGER PRIMARY KEY, id, row_at, before, hidden)";

// Of a key the first entry counts for what was, and the last for what is left. Where only the key
// was noted (2), the next entry with the row's values tells (1), unless another row came to be (0).
constexpr const char* kTouch =
    "INSERT INTO temp.undo_touched VALUES(?1,?2,?3,?4,?5,?6,?7) ON CONFLICT(id, key) DO UPDATE SET"
    " was=CASE WHEN was<>2 THEN was WHEN excluded.was=0 THEN 3 ELSE excluded.was END,"
    " was_at=CASE WHEN was<>2 THEN was_at ELSE excluded.was_at END,"
    " left_as=excluded.left_as, left_at=excluded.left_at, noted=max(noted, excluded.noted)";

std::string identity_of(const Row& row) {
  std::string out;
  for (const Value& value : row) append_identity(value, &out);
  return out;
}

Row row_of(std::string_view identity) {
  auto row = parse_identity(identity);
  CROSSFADE_ASSERT(row.has_value(), "a row of ours cannot be read");
  return std::move(*row);
}

}  // namespace

Result<UndoRows> UndoRows::make(sqlite::Connection& source) {
  CROSSFADE_TRY(source.exec(kMakeTables));
  CROSSFADE_TRY(auto touch, sqlite::Statement::prepare(source, kTouch));
  CROSSFADE_TRY(auto touched,
                sqlite::Statement::prepare(
                    source,
                    "SELECT id, key, was, was_at, left_as, left_at, noted FROM temp.undo_touched"
                    " ORDER BY id, key"));
  CROSSFADE_TRY(
      auto add,
      sqlite::Statement::prepare(
          source, "INSERT INTO temp.undo_to_write(id, row_at, before, hidden) VALUES(?,?,?,?)"));
  CROSSFADE_TRY(auto to_write, sqlite::Statement::prepare(
                                   source,
                                   "SELECT id, row_at, before, hidden FROM temp.undo_to_write"
                                   " ORDER BY before IS NULL, n"));
  return UndoRows(std::move(touch), std::move(touched), std::move(add), std::move(to_write));
}

Status UndoRows::touch(const TouchedRow& row) {
  touch_.bind(1, row.id.value);
  touch_.bind(2, Value(Blob{identity_of(row.key)}));
  touch_.bind(3, static_cast<int64_t>(row.was));
  touch_.bind(4, row.was_at.value);
  touch_.bind(5, static_cast<int64_t>(row.left));
  touch_.bind(6, row.left_at.value);
  touch_.bind(7, int64_t{row.noted});
  return touch_.run();
}

Result<std::optional<TouchedRow>> UndoRows::next_touched() {
  CROSSFADE_TRY(const bool there, touched_.step());
  if (!there) return std::optional<TouchedRow>();
  TouchedRow row;
  row.id = CaptureId{touched_.integer(0)};
  row.key = row_of(touched_.bytes(1));
  row.was = static_cast<Was>(touched_.integer(2));
  row.was_at = Lsn{touched_.integer(3)};
  row.left = static_cast<Left>(touched_.integer(4));
  row.left_at = Lsn{touched_.integer(5)};
  row.noted = touched_.integer(6) != 0;
  return std::optional(std::move(row));
}

Status UndoRows::add(const RowToWrite& row) {
  add_.clear();
  add_.bind(1, row.id.value);
  add_.bind(2, row.row_at.value);
  if (row.before) add_.bind(3, Value(Blob{identity_of(*row.before)}));
  if (row.rowid) add_.bind(4, *row.rowid);
  return add_.run();
}

Result<std::optional<RowToWrite>> UndoRows::next_to_write() {
  CROSSFADE_TRY(const bool there, to_write_.step());
  if (!there) return std::optional<RowToWrite>();
  RowToWrite row;
  row.id = CaptureId{to_write_.integer(0)};
  row.row_at = Lsn{to_write_.integer(1)};
  if (to_write_.storage(2) != StorageClass::kNull) row.before = row_of(to_write_.bytes(2));
  if (to_write_.storage(3) != StorageClass::kNull) row.rowid = to_write_.integer(3);
  return std::optional(std::move(row));
}

}  // namespace crossfade::capture
