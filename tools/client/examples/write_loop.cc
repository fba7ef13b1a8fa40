// The smallest application that lives through a cutover: it adds notes to a table, on whichever
// side is primary.
//
//   crossfade_example_write_loop app.db [number of notes]
//
// The table is `note(id TEXT PRIMARY KEY, body TEXT)`. The id is chosen by the application before
// the first attempt, so that an attempt whose outcome is unknown can be repeated: it finds its own
// note and is done.
#include <libpq-fe.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "tools/client/crossfade_client.h"

namespace {

enum class Outcome { kDone, kMoved, kFailed };

using Sqlite = std::unique_ptr<sqlite3, decltype(&sqlite3_close)>;
using Postgres = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Answer = std::unique_ptr<PGresult, decltype(&PQclear)>;

struct Note {
  std::string id;
  std::string body;
};

Outcome add_to_sqlite(sqlite3* db, const Note& note) {
  char* sql = sqlite3_mprintf(
      "BEGIN IMMEDIATE; INSERT INTO note VALUES (%Q, %Q) ON CONFLICT (id) DO NOTHING; COMMIT",
      note.id.c_str(), note.body.c_str());
  const int rc = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  sqlite3_free(sql);
  if (rc == SQLITE_OK) return Outcome::kDone;
  const std::string message = sqlite3_errmsg(db);
  sqlite3_exec(db, "ROLLBACK", nullptr, nullptr, nullptr);
  if (crossfade_is_moved_error(message.c_str()) != 0) return Outcome::kMoved;
  std::fprintf(stderr, "sqlite: %s\n", message.c_str());
  return Outcome::kFailed;
}

Outcome add_to_postgres(PGconn* connection, const Note& note) {
  const std::array<const char*, 2> values = {note.id.c_str(), note.body.c_str()};
  const Answer answer(
      PQexecParams(connection, "INSERT INTO note VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", 2,
                   nullptr, values.data(), nullptr, nullptr, 0),
      &PQclear);
  if (PQresultStatus(answer.get()) == PGRES_COMMAND_OK) return Outcome::kDone;
  const char* state = PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE);
  // 25006, read_only_sql_transaction: the data moved back to SQLite.
  if (state != nullptr && std::string(state) == "25006") return Outcome::kMoved;
  std::fprintf(stderr, "postgres: %s", PQerrorMessage(connection));
  PQreset(connection);
  return Outcome::kFailed;
}

// Ends when the note is stored once, on the side that was primary when it was.
bool add(crossfade_route* route, sqlite3* db, Postgres& connection, const Note& note) {
  constexpr int kAttemptsMax = 50;
  crossfade_route_info info = {};
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const int code = crossfade_route_read(route, &info);
    if (code != CROSSFADE_OK) {
      std::fprintf(stderr, "route: %s\n", crossfade_client_error(code));
      return false;
    }
    Outcome outcome = Outcome::kFailed;
    if (info.primary == CROSSFADE_PRIMARY_POSTGRES) {
      if (!connection) connection.reset(PQconnectdb(info.url));
      outcome = add_to_postgres(connection.get(), note);
    } else {
      outcome = add_to_sqlite(db, note);
    }
    if (outcome == Outcome::kDone) return true;
    // Refused and rolled back: the new side is named within moments. A cutover that stepped back
    // names none; then the old side takes the note again.
    if (outcome == Outcome::kMoved) crossfade_route_wait(route, info.epoch, 100, &info);
    if (outcome == Outcome::kFailed) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return false;
}

int write_notes(const char* path, int notes) {
  crossfade_route* route = nullptr;
  const int code = crossfade_route_open(path, &route);
  if (code != CROSSFADE_OK) {
    std::fprintf(stderr, "route: %s\n", crossfade_client_error(code));
    return 1;
  }
  const std::unique_ptr<crossfade_route, decltype(&crossfade_route_close)> owner(
      route, &crossfade_route_close);
  sqlite3* handle = nullptr;
  const int opened = sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, nullptr);
  const Sqlite db(handle, &sqlite3_close);
  if (opened != SQLITE_OK) {
    std::fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db.get()));
    return 1;
  }
  sqlite3_busy_timeout(db.get(), 30'000);  // longer than --max-pause of the cutover
  Postgres connection(nullptr, &PQfinish);
  for (int i = 0; i < notes; ++i) {
    const Note note = {std::to_string(::getpid()) + "-" + std::to_string(i),
                       "from the C++ example"};
    if (!add(route, db.get(), connection, note)) return 1;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::printf("%d notes written, the last to %s\n", notes, connection ? "postgres" : "sqlite");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s DATABASE [NOTES]\n", argv[0]);
    return 2;
  }
  return write_notes(argv[1], argc > 2 ? std::atoi(argv[2]) : 100);
}
