// What crossfade's own rows say that come along in the stream: the route and the probe. No I/O.
#pragma once

#include <string>
#include <vector>

#include "capture/pgoutput.h"
#include "capture/target_stream.h"
#include "engine/core/result.h"

namespace crossfade::capture {

// `columns`: the relation's names, in their order. Errors: it is not as this version writes it.
Result<RouteChanged> read_route(const std::vector<std::string>& columns,
                                const pgoutput::Tuple& after);
Result<ProbeSeen> read_probe(const std::vector<std::string>& columns, const pgoutput::Tuple& after);

}  // namespace crossfade::capture
