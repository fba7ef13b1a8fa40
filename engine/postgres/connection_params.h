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

 private:
  std::string secret_;
  std::string safe_;
};

}  // namespace crossfade::postgres
