// The two databases as an application under measurement has them: prepared statements, raw handles.
//
// Nothing here is the engine's. What goes wrong ends the program with a sentence: a measurement
// with errors in it is none. Threads: each object serves one.
#pragma once

#include <libpq-fe.h>
#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace crossfade::bench {

using Clock = std::chrono::steady_clock;

[[noreturn]] void give_up(const std::string& what);

[[nodiscard]] double milliseconds(Clock::duration d);

// Sorted or not; `share` from 0 to 1. 0 when there are none.
[[nodiscard]] double quantile(std::vector<double> values, double share);

struct CloseSqlite {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
struct FinalizeSqlite {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
struct ClosePostgres {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ClearPostgres {
  void operator()(PGresult* result) const { PQclear(result); }
};
using SqliteHandle = std::unique_ptr<sqlite3, CloseSqlite>;
using SqliteStatement = std::unique_ptr<sqlite3_stmt, FinalizeSqlite>;
using PostgresHandle = std::unique_ptr<PGconn, ClosePostgres>;
using PostgresResult = std::unique_ptr<PGresult, ClearPostgres>;

// With the settings of a usual application: WAL as it finds it, synchronous=NORMAL, 30 s of
// patience.
[[nodiscard]] SqliteHandle open_sqlite(const std::string& path, bool read_only = false);
[[nodiscard]] SqliteStatement prepare(sqlite3* db, const std::string& sql);
void execute(sqlite3* db, const std::string& sql);

[[nodiscard]] PostgresHandle open_postgres(const std::string& url);
[[nodiscard]] PostgresResult execute(PGconn* connection, const std::string& sql);

// The table `items` of the shape "narrow" (bench/harness/shapes.py): one row in a transaction.
// Each writer has a range of keys of its own, in which its rows come in order.
inline constexpr int kRangeBits = 40;
[[nodiscard]] inline int64_t key_of(int writer, int64_t sequence) {
  return (static_cast<int64_t>(writer) + 1) << kRangeBits | sequence;
}

}  // namespace crossfade::bench
