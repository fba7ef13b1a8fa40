// Backups of the PostgreSQL side, and the check of either.
#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/postgres/client_program.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/quote.h"
#include "engine/run/backup.h"

namespace crossfade::run {
namespace {

constexpr const char* kTablesSize =
    "SELECT coalesce(sum(pg_table_size(c.oid)),0)::bigint FROM pg_class c JOIN pg_namespace n ON "
    "n.oid=c.relnamespace WHERE c.relkind IN ('r','m') AND n.nspname NOT LIKE 'pg\\_%' AND "
    "n.nspname<>'information_schema'";
constexpr const char* kIsEmpty =
    "SELECT NOT EXISTS(SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE "
    "n.nspname NOT LIKE 'pg\\_%' AND n.nspname<>'information_schema')";

Result<postgres::Connection> connect_for_backup(const postgres::ConnectionParams& params) {
  postgres::ConnectOptions options;
  options.params = params;
  options.connect_timeout = limits::kConnectTimeout;
  options.application_name = "crossfade backup";
  return postgres::Connection::open(std::move(options));
}

// libpq reads a bare name with '=' in it as a connection string.
std::string as_database(const std::string& name) {
  std::string out = "--dbname=dbname='";
  for (const char c : name) {
    if (c == '\\' || c == '\'') out += '\\';
    out += c;
  }
  return out + "'";
}

// Reads all of it, and so everything that is compressed.
Status read_through(const std::string& path, int server_version, const StopSource* stop) {
  CROSSFADE_TRY(const auto program, postgres::find_client_program("pg_restore", server_version));
  return postgres::run_client_program({program, "--file=/dev/null", path}, {}, stop);
}

}  // namespace

Result<BackupManifest> back_up_target(const postgres::ConnectionParams& target,
                                      const StateFolder& state, const StopSource* stop) {
  CROSSFADE_TRY(auto connection, connect_for_backup(target));
  CROSSFADE_TRY(const auto size, connection.exec(kTablesSize));
  CROSSFADE_TRY(const auto program,
                postgres::find_client_program("pg_dump", connection.server_version()));
  CROSSFADE_TRY(const auto environment, postgres::client_environment(target));
  const BackupStore store(state);
  CROSSFADE_TRY(store.prepare());
  CROSSFADE_TRY(store.check_room(size.integer(0, 0)));
  CROSSFADE_TRY(auto manifest, store.begin(BackupSide::kPostgres, kBackupByHand));
  manifest.of = target.safe();
  manifest.server_version = connection.server_version();
  const std::string partial = store.partial_path(manifest);
  log::info(fmt::format("a backup of {}, {} MiB in tables, goes to {}; {} MiB are free there",
                        target.safe(), size.integer(0, 0) >> 20U, store.path_of(manifest),
                        store.free_bytes() >> 20U));
  auto made = [&]() -> Status {
    CROSSFADE_TRY(postgres::run_client_program(
        {program, "--format=custom", "--no-password", "--file=" + partial}, environment, stop));
    CROSSFADE_TRY(read_through(partial, manifest.server_version, stop));
    return store.complete(&manifest);
  }();
  if (!made) {
    ::unlink(partial.c_str());
    return fail(std::move(made).error());
  }
  return manifest;
}

Status verify_backup(const BackupStore& store, const BackupManifest& manifest,
                     const StopSource* stop) {
  CROSSFADE_TRY(store.check_digest(manifest));
  const std::string path = store.path_of(manifest);
  if (manifest.side == BackupSide::kPostgres) {
    return read_through(path, manifest.server_version, stop);
  }
  return check_source_backup(path);
}

Status restore_target(const StateFolder& state, const BackupManifest& manifest,
                      const postgres::ConnectionParams& to, const std::string& database, bool force,
                      const StopSource* stop) {
  const BackupStore store(state);
  CROSSFADE_TRY(store.check_digest(manifest));
  bool made_here = false;
  CROSSFADE_TRY(const auto into, database.empty() ? Result<postgres::ConnectionParams>(to)
                                                  : to.with_database(database));
  if (!database.empty()) {
    CROSSFADE_TRY(auto server, connect_for_backup(to));
    CROSSFADE_TRY(const auto there, server.query("SELECT 1 FROM pg_database WHERE datname=$1",
                                                 {postgres::text_param(database)}));
    if (there.rows() == 0) {
      CROSSFADE_TRY(server.exec(fmt::format("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'",
                                            postgres::quote(database))));
      made_here = true;
    }
  }
  CROSSFADE_TRY(auto connection, connect_for_backup(into));
  CROSSFADE_TRY(const auto empty, connection.exec(kIsEmpty));
  if (!empty.boolean(0, 0) && !force) {
    return fail(backup_failed(ErrorCode::kBlocked, into.safe(), "this database is not empty",
                              "give the name of a new database, or --force to replace what is in "
                              "this one"));
  }
  CROSSFADE_TRY(const auto name, connection.exec("SELECT current_database()"));
  CROSSFADE_TRY(const auto program,
                postgres::find_client_program("pg_restore", connection.server_version()));
  CROSSFADE_TRY(const auto environment, postgres::client_environment(into));
  std::vector<std::string> argv = {
      program,           "--exit-on-error", "--single-transaction",      "--no-owner",
      "--no-privileges", "--no-password",   as_database(name.text(0, 0))};
  if (!empty.boolean(0, 0)) {
    argv.emplace_back("--clean");
    argv.emplace_back("--if-exists");
  }
  argv.push_back(store.path_of(manifest));
  auto restored = postgres::run_client_program(argv, environment, stop);
  if (restored || !made_here) return restored;
  // Nobody has used what was made for it.
  auto server = connect_for_backup(to);
  if (!server) return restored;
  connection = std::move(server).value();
  (void)connection.exec(fmt::format("DROP DATABASE {} WITH (FORCE)", postgres::quote(database)));
  return restored;
}

}  // namespace crossfade::run
