#include "engine/observe/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace crossfade::log {
namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> kInstance = [] {
    auto made = spdlog::stderr_color_mt("crossfade");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *kInstance;
}

}  // namespace

void init(Level level) {
  switch (level) {
    case Level::kDebug:
      logger().set_level(spdlog::level::debug);
      return;
    case Level::kInfo:
      logger().set_level(spdlog::level::info);
      return;
    case Level::kWarn:
      logger().set_level(spdlog::level::warn);
      return;
    case Level::kError:
      logger().set_level(spdlog::level::err);
      return;
    case Level::kOff:
      logger().set_level(spdlog::level::off);
      return;
  }
}

void debug(std::string_view line) {
  logger().debug("{}", line);
}
void info(std::string_view line) {
  logger().info("{}", line);
}
void warn(std::string_view line) {
  logger().warn("{}", line);
}
void error(std::string_view line) {
  logger().error("{}", line);
}

}  // namespace crossfade::log
