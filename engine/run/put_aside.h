// What of the application's own schema on the target would be in the way while its tables are
// loaded and followed: unique and exclusion constraints, unique indexes, foreign keys. For a moment
// a value may stand in two rows, and a child before its parent.
//
// They are put aside and put back. `crossfade.put_aside` holds, from the transaction that drops one
// to the transaction that has it back, the statements that make it as it was: a crash at any
// instant, a step back and `finish` leave each of them either in its place or there; those of a
// table that is dropped or renamed meanwhile, too, until `finish` tells them. The key that
// tells the rows apart stays, as do CHECKs, NOT NULLs and plain indexes: they are about one row, or
// refuse none.
#pragma once

#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/run/move.h"

namespace crossfade::run {

enum class AsideKind : uint8_t { kUnique, kForeignKey };

// Inside a transaction: makes an adopted table ready for the copy. What is in its way is put aside,
// the foreign keys of both ends too. Its rows are taken away if they are `ours`; any others are an
// error.
Status make_room(postgres::Connection& target, const std::string& target_schema, const Table& table,
                 bool ours);

// Has back what is aside: of one table, or of all when `table` is empty. One that rows break stays
// aside, with a finding. The connection may be in a transaction, which then stays open, and which
// says how long locks are waited for; else nobody is kept waiting behind us (lock_wait.h).
Status put_back(Move& move, AsideKind kind, const std::string& table);

// Has back what may be back before a cutover, and tries what has to wait for it. Returns what rows
// break.
Result<std::vector<Aside>> still_broken(Move& move);

// At a cutover: has the foreign keys back NOT VALID, in one transaction under the lease; and
// afterwards has the rows looked at. Not before, as nothing looks at the rows that are followed.
Status put_back_unvalidated(Move& move, Deadline deadline);
Status validate_put_back(Move& move);
// Takes those away again that were made NOT VALID for a cutover that did not come to its end.
Status put_unvalidated_aside(Move& move);

// Inside a transaction: has everything back, or is an error that names what rows break. Returns
// what cannot come back, as a table that it names was dropped or renamed, with the cause.
Result<std::vector<Aside>> put_all_back(postgres::Connection& target);

}  // namespace crossfade::run
