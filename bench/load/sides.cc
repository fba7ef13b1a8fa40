#include "bench/load/sides.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace crossfade::bench {

namespace {
constexpr int kBusyTimeoutMs = 30'000;
}

void give_up(const std::string& what) {
  std::fprintf(stderr, "crossfade_bench_load: %s\n", what.c_str());
  std::exit(1);
}

double milliseconds(Clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = std::ceil(share * static_cast<double>(values.size()));
  return values[std::min(values.size() - 1, static_cast<size_t>(std::max(1.0, at)) - 1)];
}

SqliteHandle open_sqlite(const std::string& path, bool read_only) {
  sqlite3* raw = nullptr;
  const int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int rc = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  SqliteHandle db(raw);
  if (rc != SQLITE_OK) give_up(path + ": " + sqlite3_errmsg(raw));
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  if (!read_only) execute(raw, "PRAGMA synchronous=NORMAL");
  return db;
}

SqliteStatement prepare(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v3(db, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) !=
      SQLITE_OK) {
    give_up(sql + ": " + sqlite3_errmsg(db));
  }
  return SqliteStatement(raw);
}

void execute(sqlite3* db, const std::string& sql) {
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    give_up(sql.substr(0, 200) + ": " + sqlite3_errmsg(db));
  }
}

PostgresHandle open_postgres(const std::string& url) {
  PostgresHandle connection(PQconnectdb(url.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) give_up(PQerrorMessage(connection.get()));
  return connection;
}

PostgresResult execute(PGconn* connection, const std::string& sql) {
  PostgresResult result(PQexec(connection, sql.c_str()));
  const auto status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    give_up(sql.substr(0, 200) + ": " + PQerrorMessage(connection));
  }
  return result;
}

}  // namespace crossfade::bench
