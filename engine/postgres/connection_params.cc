#include "engine/postgres/connection_params.h"

#include <fmt/core.h>
#include <libpq-fe.h>

#include <memory>
#include <string_view>
#include <utility>

namespace crossfade::postgres {
namespace {

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    const bool plain = (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') ||
                       u == '-' || u == '_' || u == '.' || u == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", u);
    }
  }
  return out;
}

bool is_secret(std::string_view keyword) {
  return keyword == "password" || keyword == "sslpassword" || keyword == "passfile";
}

// A password with a bare '@' or '/' in it: libpq reads the rest as host or database, which are
// shown.
bool may_split_a_password(std::string_view text) {
  const size_t scheme = text.find("://");
  if (!text.starts_with("postgres") || scheme == std::string_view::npos) return false;
  text.remove_prefix(scheme + 3);
  const std::string_view authority = text.substr(0, text.find('/'));
  std::string_view path = text.substr(authority.size());
  path = path.substr(0, path.find('?'));
  return authority.find('@') != authority.rfind('@') || path.find('@') != std::string_view::npos;
}

// As a connection string's value.
std::string quoted_value(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\\' || c == '\'') out += '\\';
    out += c;
  }
  return out + "'";
}

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

}  // namespace

Result<ConnectionParams> ConnectionParams::parse(const std::string& text) {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(
      PQconninfoParse(text.c_str(), &message));
  if (!options || may_split_a_password(text)) {
    // libpq's message can quote the text, and with it a password: say only that it is wrong.
    PQfreemem(message);
    Error error;
    error.code = ErrorCode::kUsage;
    error.op = "target.parse";
    error.native = "the target is not a PostgreSQL URL or connection string";
    error.hint = "use postgresql://user@host:5432/database; percent-encode special characters";
    return fail(std::move(error));
  }
  std::string user;
  std::string host;
  std::string port;
  std::string database;
  std::string rest;
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
    if (o->val == nullptr || *o->val == '\0') continue;
    const std::string_view keyword = o->keyword;
    if (is_secret(keyword)) continue;
    if (keyword == "user") {
      user = o->val;
    } else if (keyword == "host") {
      host = o->val;
    } else if (keyword == "port") {
      port = o->val;
    } else if (keyword == "dbname") {
      database = o->val;
    } else {
      rest += fmt::format("{}{}={}", rest.empty() ? "?" : "&", keyword, percent_encode(o->val));
    }
  }
  ConnectionParams params;
  params.secret_ = text;
  params.safe_ = "postgresql://";
  if (!user.empty()) params.safe_ += percent_encode(user) + "@";
  params.safe_ += host.find(',') == std::string::npos ? percent_encode(host) : host;
  if (!port.empty() && port.find(',') == std::string::npos) params.safe_ += ":" + port;
  params.safe_ += "/" + percent_encode(database) + rest;
  params.user_ = std::move(user);
  params.database_ = std::move(database);
  return params;
}

Result<ConnectionParams> ConnectionParams::with_database(const std::string& name) const {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(
      PQconninfoParse(secret_.c_str(), &message));
  PQfreemem(message);
  std::string text = "dbname=" + quoted_value(name);
  for (const PQconninfoOption* o = options.get(); o != nullptr && o->keyword != nullptr; ++o) {
    if (o->val == nullptr || *o->val == '\0' || std::string_view(o->keyword) == "dbname") continue;
    text += fmt::format(" {}={}", o->keyword, quoted_value(o->val));
  }
  return parse(text);
}

}  // namespace crossfade::postgres
