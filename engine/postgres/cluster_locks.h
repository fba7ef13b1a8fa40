// Who may start and stop an embedded cluster, among processes of one machine. Part of embedded.h.
#pragma once

#include <string>

#include "engine/core/deadline.h"
#include "engine/core/result.h"

namespace crossfade::postgres {

[[nodiscard]] Error cluster_error(const std::string& folder, std::string native, std::string hint);
[[nodiscard]] Error system_error(const std::string& path, const char* what, int number);

// One start, stop or destroy at a time per wanted folder, in any process.
class FolderLock {
 public:
  static Result<FolderLock> take(const std::string& folder, Deadline deadline);
  FolderLock(FolderLock&& other) noexcept;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

// Says that this process uses the cluster: it is not to be stopped under it. Ends with the object,
// or with the process. Both calls under the FolderLock only.
class ClusterUse {
 public:
  static Result<ClusterUse> take(const std::string& folder);
  ClusterUse(ClusterUse&& other) noexcept;
  ClusterUse(const ClusterUse&) = delete;
  ClusterUse& operator=(const ClusterUse&) = delete;
  ClusterUse& operator=(ClusterUse&&) = delete;
  ~ClusterUse();

  // True: nobody else uses it. This use has ended, whatever the answer.
  [[nodiscard]] bool end_and_see_if_last();

 private:
  explicit ClusterUse(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace crossfade::postgres
