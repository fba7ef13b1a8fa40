#include "engine/run/early_round.h"

#include <utility>

#include "engine/core/limits.h"
#include "engine/observe/log.h"

namespace crossfade::run {
namespace {

Result<postgres::Connection> connect(const Move& move) {
  postgres::ConnectOptions options;
  options.params = move.params;
  options.connect_timeout = limits::kConnectTimeout;
  options.statement_timeout = limits::kStatementTimeout;
  options.application_name = "crossfade verify";
  options.stop = &move.stop;
  CROSSFADE_TRY(auto connection, postgres::Connection::open(std::move(options)));
  // Of a table that was just copied the planner knows its size and nothing else, and would read all
  // of it for a chunk without a lower end.
  CROSSFADE_TRY(connection.exec("SET enable_seqscan = off"));
  return connection;
}

}  // namespace

std::unique_ptr<EarlyRound> EarlyRound::begin(const Move& move, Follower& follower) {
  auto connection = connect(move);
  if (!connection) {
    log::debug("nothing is compared while indexes are built: " + describe(connection.error()));
    return nullptr;
  }
  return std::unique_ptr<EarlyRound>(new EarlyRound(follower, std::move(connection).value()));
}

EarlyRound::EarlyRound(Follower& follower, postgres::Connection connection)
    : follower_(follower), connection_(std::move(connection)), thread_([this] { run(); }) {}

EarlyRound::~EarlyRound() {
  ending_.store(true);
  thread_.join();
}

void EarlyRound::run() {
  bool more = true;
  while (more && !ending_.load()) {
    more = follower_.compare_ahead(connection_, Deadline::after(limits::kPollInterval));
  }
}

}  // namespace crossfade::run
