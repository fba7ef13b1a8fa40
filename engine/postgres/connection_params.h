// Where the target is: a libpq connection string, and what of it may be shown.
#pragma once

#include <string>

#include "engine/core/result.h"

namespace crossfade::postgres {

class ConnectionParams {
 public:
  // Accepts a URL (postgresql://...) or keyword=value text; empty means libpq's environment.
  static Result<ConnectionParams> parse(const std::string& text);

  // The same server and role, another database.
  [[nodiscard]] Result<ConnectionParams> with_database(const std::string& name) const;

  // For PQconnect; holds the password if one was given.
  [[nodiscard]] const std::string& secret() const { return secret_; }
  // The same place as a URL without password: for logs, errors, JSON and the route file.
  [[nodiscard]] const std::string& safe() const { return safe_; }
  // As they are named there; empty where libpq's defaults say it.
  [[nodiscard]] const std::string& user() const { return user_; }
  [[nodiscard]] const std::string& database() const { return database_; }

 private:
  std::string user_;
  std::string database_;
  std::string secret_;
  std::string safe_;
};

}  // namespace crossfade::postgres
