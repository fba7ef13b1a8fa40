// Virtual tables other than full-text ones, and the catalogs of spatial extensions: what they hold
// is not carried, and is reported.
#pragma once

#include <vector>

#include "engine/core/result.h"
#include "engine/schema/catalog.h"
#include "engine/schema/finding.h"

namespace crossfade::schema {

Status find_virtual_tables(sqlite::Connection& connection, const Catalog& catalog,
                           std::vector<Finding>* findings);

}  // namespace crossfade::schema
