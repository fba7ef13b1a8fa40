// What PostgreSQL calls the types of a relation's columns: the stream has numbers only.
//
// Asked of the server as it is now, where a type has had its number and its meaning all along; one
// that was dropped since is "???", which no column was planned as.
// Threads: one at a time. Holds no connection: they are few types, and each is asked for once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "capture/pgoutput.h"
#include "engine/core/result.h"
#include "engine/postgres/connection.h"

namespace crossfade::capture {

class TypeNames {
 public:
  explicit TypeNames(postgres::ConnectOptions options) : options_(std::move(options)) {}

  // format_type() of each column, in their order.
  Result<std::vector<std::string>> of(const pgoutput::Relation& relation);

 private:
  using Key = std::pair<pgoutput::Oid, int32_t>;
  Status ask(const std::vector<Key>& keys);

  postgres::ConnectOptions options_;
  std::map<Key, std::string> names_;
};

}  // namespace crossfade::capture
