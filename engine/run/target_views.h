// The source's views on the target.
//
// They are not there while rows are followed: a table that changes on the source is made anew, and
// a view that reads it would be in the way. They are added just before PostgreSQL becomes the
// primary.
#pragma once

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// Fills move.views once all tables are there with their keys: each view is made and taken away
// again. One that PostgreSQL refuses is left out, with a finding; one that somebody made on the
// target already is left to them. The target's connection is in no transaction.
Status try_views(Move& move);

// Makes those of move.views, and remembers that they are ours, in one transaction under the lease:
// all, or on an error none. Nobody's lock is waited for beyond the deadline.
Status add_views(Move& move, Deadline deadline);

// Takes away those that are ours, under the lease. One that somebody's own view reads stays, with a
// warning.
Status drop_views(Move& move);

}  // namespace crossfade::run
