#include "engine/run/reachable_target.h"

#include <utility>

#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/sqlite/connection.h"

namespace crossfade::run {

Result<ReachableTarget> ReachableTarget::find(const EngineOptions& options,
                                              const StateFolder& state) {
  ReachableTarget out;
  out.database_ = state.database();
  out.url_ = options.target;
  if (out.url_.empty()) {
    CROSSFADE_TRY(out.url_, state.remembered_target());
  }
  if (out.url_ != "embedded") return out;
  out.url_.clear();
  const postgres::EmbeddedOptions embedded{state.cluster(), "crossfade", {}};
  if (postgres::EmbeddedCluster::url_of(embedded).empty()) return out;
  CROSSFADE_TRY(out.cluster_, postgres::EmbeddedCluster::start(embedded));
  out.url_ = out.cluster_->url();
  return out;
}

Result<TargetStore> ReachableTarget::open(const std::string& application_name) const {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "target.open";
  error.object = database_;
  error.native = "no move of this database has begun";
  error.hint = "begin one with `crossfade run`";
  if (url_.empty()) return fail(std::move(error));
  postgres::ConnectOptions connect;
  CROSSFADE_TRY(connect.params, postgres::ConnectionParams::parse(url_));
  connect.connect_timeout = limits::kConnectTimeout;
  connect.application_name = application_name;
  CROSSFADE_TRY(auto store, TargetStore::open(std::move(connect)));
  CROSSFADE_TRY(const bool present, store.exists());
  if (!present) return fail(std::move(error));
  // Two moves may share an environment that names one target.
  CROSSFADE_TRY(auto source, sqlite::Connection::open({database_, sqlite::Access::kReadOnly,
                                                       limits::kSourceBusyTimeout}));
  CROSSFADE_TRY(const auto identity, capture::read_identity(source));
  CROSSFADE_TRY(const auto progress, store.progress());
  if (!identity || identity->source_id != progress.source_id) return fail(store.of_another());
  return store;
}

Status ReachableTarget::close(bool keep_running) {
  if (!cluster_ || keep_running) return ok();
  return cluster_->stop();
}

}  // namespace crossfade::run
