// Where the target is, for a verb that works beside the engine: the one given, or the remembered
// one. An embedded cluster that does not run is started; close() stops it if nobody else uses it.
#pragma once

#include <optional>
#include <string>

#include "engine/core/result.h"
#include "engine/postgres/embedded.h"
#include "engine/run/move.h"
#include "engine/run/target_store.h"

namespace crossfade::run {

class ReachableTarget {
 public:
  static Result<ReachableTarget> find(const EngineOptions& options, const StateFolder& state);

  // Empty: none was ever named, or the embedded cluster was never made.
  [[nodiscard]] const std::string& url() const { return url_; }
  // An error when there is none, no move has begun there, or another file's has.
  Result<TargetStore> open(const std::string& application_name) const;
  [[nodiscard]] std::optional<postgres::EmbeddedCluster>& cluster() { return cluster_; }

  // `keep_running`: after a cutover it is the primary.
  Status close(bool keep_running);

 private:
  std::string database_;
  std::string url_;
  std::optional<postgres::EmbeddedCluster> cluster_;
};

}  // namespace crossfade::run
