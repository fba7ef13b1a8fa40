// A private PostgreSQL cluster in a folder, made from the installed server binaries.
//
// It listens on a Unix socket only, in a folder that its owner alone may enter. PostgreSQL refuses
// to run as root, so root's cluster belongs to, and runs as, the `postgres` user (or else
// `nobody`). Threads: one at a time. Nothing is stopped by a destructor: the cluster outlives the
// process that started it, because after a cutover it is the primary. Processes that use it at the
// same time do not stop it under one another: the last one does.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/result.h"

namespace crossfade::postgres {

struct EmbeddedOptions {
  std::string folder;  // made if absent, with mode 0700
  std::string database = "crossfade";
  std::vector<std::string> settings;  // further "name=value" lines for postgresql.conf, at initdb
};

class ClusterUse;

class EmbeddedCluster {
 public:
  static constexpr std::chrono::seconds kStopPatience{60};

  // Makes the cluster if there is none, starts it if it does not run, creates the database if it is
  // not there. Idempotent, and safe to call after a crash or a reboot (a stale postmaster.pid is no
  // obstacle). Gives up after 60 s.
  static Result<EmbeddedCluster> start(const EmbeddedOptions& options);
  // The URL of a cluster that exists in `folder`, whether or not it runs; empty if there is none.
  static std::string url_of(const EmbeddedOptions& options);

  [[nodiscard]] const std::string& url() const { return url_; }
  // True when this call to start() started the server, false when it ran already.
  [[nodiscard]] bool started_here() const { return started_here_; }
  // Ends this process's use of it. When nobody else uses it: a fast shutdown, waited for until
  // `patience` is over; a server that still writes its checkpoint then ends by itself. OK when it
  // does not run.
  Status stop(std::chrono::milliseconds patience = kStopPatience);
  // Stops it and removes the folder with everything in it.
  Status destroy();

 private:
  EmbeddedCluster() = default;
  EmbeddedOptions options_;
  std::string url_;
  bool started_here_ = false;
  std::shared_ptr<ClusterUse> use_;
};

}  // namespace crossfade::postgres
