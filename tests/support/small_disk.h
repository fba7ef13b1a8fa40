// A file system with little room, for what happens when a disk is full. Mounting one needs root.
#pragma once

#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

namespace crossfade::testing {

class SmallDisk {
 public:
  SmallDisk() = default;
  ~SmallDisk() {
    if (!folder_.empty()) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  // Makes the folder if it is not there. `room`: tmpfs's own options, "size=8m". False: it cannot
  // be had here, so that the test is skipped with why().
  [[nodiscard]] bool mount(const std::string& folder, const std::string& room) {
    std::filesystem::create_directory(folder);
    if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, room.c_str()) != 0) {
      why_ = std::string("SKIPPED: no small disk can be mounted: ") + std::strerror(errno);
      return false;
    }
    folder_ = folder;
    return true;
  }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  std::string folder_;
  std::string why_;
};

}  // namespace crossfade::testing
