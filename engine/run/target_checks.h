// The CHECKs of the source's tables on the target.
//
// They are not there while rows are copied and followed: SQLite holds rows that violate one
// (written under PRAGMA ignore_check_constraints, or before it), and those must arrive all the
// same. They are added just before PostgreSQL becomes the primary, for what is written from then
// on.
#pragma once

#include <vector>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// Inside the transaction that has just made the table: each CHECK is added and taken away again.
// One that PostgreSQL refuses loses its DDL, and is a finding.
Result<std::vector<schema::Finding>> try_checks(postgres::Connection& target, Table* table);

// Adds those that are missing, NOT VALID, in one transaction under the lease: all, or on an error
// none. Rows are not looked at. Nobody's lock on a table is waited for beyond the deadline.
Status add_checks(Move& move, Deadline deadline);

// Takes away those that are there, under the lease.
Status drop_checks(Move& move);

// Looks at the rows. A CHECK that some violate stays NOT VALID, as in SQLite, with a warning.
Status validate_checks(Move& move);

}  // namespace crossfade::run
