// Asks a running engine through its control socket.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "engine/core/result.h"
#include "engine/run/engine.h"

namespace crossfade::run {

// Nothing when no engine runs (nobody listens). Waits as long as the engine works, for a status 10
// s. Nothing, too, when it ended before it took the request; for a cutover or a rollback, that is
// an error once the request was sent.
Result<std::optional<TaskResult>> ask_engine(const std::string& folder,
                                             const nlohmann::json& request);

// A socket address may be 107 bytes long; a folder's path may be longer. The name under which this
// process reaches `folder` shortly: /proc/self/fd/N. The descriptor lives as long as the object.
class ShortFolder {
 public:
  explicit ShortFolder(const std::string& folder);
  ~ShortFolder();
  ShortFolder(const ShortFolder&) = delete;
  ShortFolder& operator=(const ShortFolder&) = delete;
  [[nodiscard]] std::string path(const std::string& file) const;

 private:
  std::string folder_;
  int fd_ = -1;
};

}  // namespace crossfade::run
