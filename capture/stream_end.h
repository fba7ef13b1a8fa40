// Why a slot's stream ended, as far as the server can still say: an error with what to do about it,
// in place of the one that was seen. Threads: any.
#pragma once

#include "capture/target_stream.h"
#include "engine/core/result.h"
#include "engine/postgres/connection.h"

namespace crossfade::capture {

// `seen` itself when it was asked for, or the server cannot be reached, or has nothing to add.
[[nodiscard]] Error explain_stream_end(Error seen, const TargetStreamOptions& options);

// For the questions that a stream cannot answer.
[[nodiscard]] postgres::ConnectOptions side_connection(const TargetStreamOptions& options);

}  // namespace crossfade::capture
