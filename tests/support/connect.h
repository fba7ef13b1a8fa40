// A connection for tests, with short timeouts.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "engine/postgres/connection.h"

namespace crossfade::testing {

inline Result<postgres::Connection> connect(const std::string& url,
                                            postgres::ConnectOptions options = {}) {
  CROSSFADE_TRY(options.params, postgres::ConnectionParams::parse(url));
  return postgres::Connection::open(std::move(options));
}

// Ends the test when it fails (GoogleTest reports the exception): callers have a server.
inline postgres::Connection connect_or_die(const std::string& url,
                                           postgres::ConnectOptions options = {}) {
  auto connection = connect(url, std::move(options));
  if (!connection) throw std::runtime_error(describe(connection.error()));
  return std::move(connection).value();
}

}  // namespace crossfade::testing
