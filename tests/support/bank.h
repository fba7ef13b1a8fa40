// An application of both sides, for histories: accounts whose balances are constant together.
//
// Each write is one transaction of several rows in four tables; a read takes the whole state in one
// snapshot. The same SQL on both sides, by raw sqlite3 and raw libpq: nothing of crossfade's is in
// it but the route file's format, read as docs/cutover.md describes it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/history.h"
#include "tests/support/wait.h"

namespace crossfade::testing {

inline constexpr int kBankClientsMax = 4;
inline constexpr int64_t kBankBalance = 8'000;
// As much slower as what they test: clients that are faster than a sanitized engine end no life,
// and read more and more rows.
inline const std::chrono::milliseconds kBankPace = std::chrono::milliseconds(12) * patience();

// Makes the tables and accounts in a new SQLite file.
void make_bank(const std::string& path);

struct KnownRoute {
  Side primary = Side::kSqlite;
  int64_t epoch = 0;
};
// As a client that maps the file would see it; before a move SQLite is the primary. Nothing when
// the file cannot be read as a whole just now.
[[nodiscard]] std::optional<KnownRoute> read_known_route(const std::string& path);

// The state of one side. Nothing when it could not be had, or is none that clients may read: of
// PostgreSQL while it is not the primary, before the move follows.
[[nodiscard]] std::optional<ReadOp> read_sqlite_bank(const std::string& path);
[[nodiscard]] std::optional<ReadOp> read_postgres_bank(const std::string& url, bool as_copy);

struct BankClientsOptions {
  std::string path;
  std::string url;
  std::string route;  // the route file
  uint64_t seed = 1;
  int clients = 2;
  std::chrono::milliseconds pace = kBankPace;  // of each client between two operations
};

// Clients that write to, and read, the side that the route names, and one that reads the other
// side; until stop().
class BankClients {
 public:
  BankClients(BankClientsOptions options, HistoryRecorder* recorder);
  ~BankClients();  // stops
  BankClients(const BankClients&) = delete;
  BankClients& operator=(const BankClients&) = delete;
  void stop();

 private:
  void work(int client);
  void observe();

  const BankClientsOptions options_;
  HistoryRecorder* const recorder_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace crossfade::testing
