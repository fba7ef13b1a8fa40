// Log lines on stderr. Callers format; this header stays light so that spdlog is compiled once.
//
// Threads: any. Secrets must be taken out before the call; see postgres/connection_params.h.
#pragma once

#include <cstdint>
#include <string_view>

namespace crossfade::log {

enum class Level : uint8_t { kDebug, kInfo, kWarn, kError, kOff };

// Call once, before threads start. Colours only when stderr is a terminal.
void init(Level level);

void debug(std::string_view line);
void info(std::string_view line);
void warn(std::string_view line);
void error(std::string_view line);

}  // namespace crossfade::log
