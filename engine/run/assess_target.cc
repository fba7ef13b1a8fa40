#include "engine/run/assess_target.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "capture/target_slot.h"
#include "engine/core/limits.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/embedded.h"
#include "engine/run/target_reader.h"
#include "engine/schema/assessment_target.h"

namespace crossfade::run {
namespace {

using schema::TargetFacts;

// inet_server_addr() is NULL over a Unix socket. Behind a forwarded port the two addresses differ.
constexpr const char* kServerSql = R"(
SELECT current_setting('server_version'), current_setting('server_encoding'),
       current_setting('wal_level'), pg_size_bytes(current_setting('max_wal_size')),
       pg_database_size(current_database()),
       has_database_privilege(current_database(), 'CREATE'),
       inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr(),
       (SELECT setting FROM pg_settings WHERE name = 'data_directory'))";

constexpr const char* kSchemaSql = R"(
SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1)";

constexpr const char* kExtensionsSql = R"(
SELECT a.name, coalesce(a.installed_version, ''), coalesce(a.default_version, ''),
       coalesce(n.nspname, '')
FROM pg_available_extensions a LEFT JOIN pg_extension e ON e.extname = a.name
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace)";

void read_free_disk(const std::string& folder, const std::string& what, TargetFacts* facts) {
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) != 0) {
    facts->disk_basis = fmt::format("not known: {} cannot be looked at from here ({})", folder,
                                    std::strerror(errno));
    return;
  }
  facts->disk_free_bytes =
      static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
  facts->disk_basis = fmt::format("on the file system of {} {}", what, folder);
}

Status read_server(postgres::Connection& connection, const std::string& target_schema,
                   TargetFacts* facts) {
  CROSSFADE_TRY(const auto server, connection.exec(kServerSql));
  facts->server_version = server.text(0, 0);
  facts->encoding = server.text(0, 1);
  facts->wal_level = server.text(0, 2);
  facts->max_wal_bytes = server.integer(0, 3);
  facts->database_bytes = server.integer(0, 4);
  facts->may_create_schema = server.boolean(0, 5);
  const bool local = server.boolean(0, 6);
  const std::string data_folder = server.is_null(0, 7) ? "" : server.text(0, 7);
  CROSSFADE_TRY(const auto schema,
                connection.query(kSchemaSql, {postgres::text_param(target_schema)}));
  facts->schema_exists = schema.rows() > 0;
  facts->may_create_tables = facts->schema_exists ? schema.boolean(0, 0) : facts->may_create_schema;
  if (!local) {
    facts->disk_basis = "not known: the server is on another machine";
  } else if (data_folder.empty()) {
    facts->disk_basis = "not known: the role may not see where the server keeps its data";
  } else {
    read_free_disk(data_folder, "the server's folder", facts);
  }
  CROSSFADE_TRY(const auto extensions, connection.exec(kExtensionsSql));
  for (const std::string& name : schema::known_extensions()) facts->extensions[name] = {};
  for (int i = 0; i < extensions.rows(); ++i) {
    const auto at = facts->extensions.find(extensions.text(i, 0));
    if (at != facts->extensions.end()) {
      at->second = {extensions.text(i, 1), extensions.text(i, 2), extensions.text(i, 3)};
    }
  }
  return ok();
}

Status look(const std::string& url, const std::string& target_schema, TargetFacts* facts) {
  postgres::ConnectOptions options;
  CROSSFADE_TRY(options.params, postgres::ConnectionParams::parse(url));
  facts->url = options.params.safe();
  options.connect_timeout = limits::kConnectTimeout;
  options.statement_timeout = limits::kInspectTargetMax;
  options.application_name = "crossfade inspect";
  CROSSFADE_TRY(auto connection, postgres::Connection::open(options));
  CROSSFADE_TRY(connection.exec("BEGIN READ ONLY"));
  CROSSFADE_TRY(read_server(connection, target_schema, facts));
  CROSSFADE_TRY(auto obstacles, capture::find_obstacles(connection, target_schema, {}));
  if (obstacles.empty()) {
    // That none is free just now is no property of the server.
    const auto of_stream = capture::find_stream_obstacle(std::move(options));
    if (of_stream && of_stream.value()) obstacles.push_back(*of_stream.value());
  }
  for (const capture::Obstacle& obstacle : obstacles) {
    facts->no_way_back.push_back(fmt::format("{} ({})", obstacle.what, obstacle.remedy));
  }
  CROSSFADE_TRY(const auto of_outbox,
                capture::find_outbox_obstacles(connection, target_schema, {}));
  facts->outbox = of_outbox.empty();
  connection.rollback();
  return ok();
}

// Where the embedded cluster is, or would be.
void look_beside_source(const StateFolder& state, TargetFacts* facts) {
  const std::filesystem::path database(state.database());
  read_free_disk(database.parent_path().string(), "the database's folder", facts);
}

}  // namespace

Result<schema::TargetSchema> look_at_target_schema(const EngineOptions& options,
                                                   const StateFolder& state) {
  std::string url = options.target;
  if (url.empty()) {
    CROSSFADE_TRY(url, state.remembered_target());
  }
  if (url == "embedded")
    url = postgres::EmbeddedCluster::url_of({state.cluster(), "crossfade", {}});
  if (url.empty()) {
    Error error;
    error.code = ErrorCode::kUsage;
    error.op = "inspect.target_schema";
    error.native = "--schema-from-target asks for the tables of a target, and there is none";
    error.hint = "name it with --target";
    return fail(std::move(error));
  }
  postgres::ConnectOptions connect;
  CROSSFADE_TRY(connect.params, postgres::ConnectionParams::parse(url));
  connect.connect_timeout = limits::kConnectTimeout;
  connect.application_name = "crossfade inspect";
  CROSSFADE_TRY(auto connection, postgres::Connection::open(std::move(connect)));
  CROSSFADE_TRY(connection.exec("BEGIN READ ONLY"));
  std::set<std::string> known;
  CROSSFADE_TRY(const auto begun,
                connection.exec("SELECT to_regclass('crossfade.tables') IS NOT NULL"));
  if (begun.boolean(0, 0)) {
    CROSSFADE_TRY(const auto names, connection.exec("SELECT target_name FROM crossfade.tables"));
    for (int i = 0; i < names.rows(); ++i) known.insert(names.text(i, 0));
  }
  CROSSFADE_TRY(auto out, read_target_schema(connection, options.target_schema, known));
  connection.rollback();
  return out;
}

TargetFacts assess_target(const EngineOptions& options, const StateFolder& state) {
  TargetFacts facts;
  std::string url = options.target;
  if (url.empty()) {
    const auto remembered = state.remembered_target();
    if (remembered) url = remembered.value();
  }
  facts.origin = !options.target.empty() ? "given" : url.empty() ? "none" : "remembered";
  if (url.empty() || url == "embedded") {
    look_beside_source(state, &facts);
    if (url.empty()) return facts;
    facts.url = "embedded";
    url = postgres::EmbeddedCluster::url_of({state.cluster(), "crossfade", {}});
    if (url.empty()) return facts;  // `run` will make it
  }
  const bool embedded = facts.url == "embedded";
  if (const auto looked = look(url, options.target_schema, &facts); !looked) {
    // `run` starts it: that it does not run is no problem.
    if (!embedded) facts.problem = describe(looked.error());
  } else {
    facts.reachable = true;
  }
  return facts;
}

}  // namespace crossfade::run
