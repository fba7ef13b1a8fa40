// The route file as a reader maps it: the layout and the seqlock, as docs/cutover.md describes
// them.
//
// Kept apart from the engine's writer (engine/run/route_file.cc) on purpose: applications link this
// without the engine, and tests hold the two against each other.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "tools/client/crossfade_client.h"

namespace crossfade::client {

class MappedRoute {
 public:
  MappedRoute() = default;
  MappedRoute(const MappedRoute&) = delete;
  MappedRoute& operator=(const MappedRoute&) = delete;
  ~MappedRoute();

  // Maps `path`, or the file that has taken its place since. False and errno when that cannot be
  // (EBADMSG: it is no route file by its size); what was mapped before otherwise stays mapped.
  bool refresh(const std::string& path);
  [[nodiscard]] bool mapped() const { return at_ != nullptr; }

  // CROSSFADE_OK or CROSSFADE_EDAMAGED.
  int read(crossfade_route_info* out);

 private:
  void unmap();

  void* at_ = nullptr;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  // The last whole record, good as long as the file's sequence is this one.
  bool cached_ = false;
  uint32_t cached_sequence_ = 0;
  crossfade_route_info cache_ = {};
};

}  // namespace crossfade::client
