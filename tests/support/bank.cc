#include "tests/support/bank.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "tests/support/oracle_sides.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using Rows = std::vector<std::vector<std::string>>;

constexpr int kAccounts = 8;
constexpr milliseconds kBusy{2'000};
constexpr int kPacesPerLook = 5;  // of the observer

int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// What a transaction came to.
struct Done {
  Outcome outcome = Outcome::kRefused;
  std::string native;
};

// One connection to either side.
class BankSide {
 public:
  BankSide() = default;
  virtual ~BankSide() = default;
  BankSide(const BankSide&) = delete;
  BankSide& operator=(const BankSide&) = delete;
  virtual Done write(const std::string& sql) = 0;
  virtual bool begin_read() = 0;
  virtual bool query(const std::string& sql, Rows* rows) = 0;
  virtual void end_read() = 0;
};

class SqliteSide final : public BankSide {
 public:
  explicit SqliteSide(const std::string& path) : path_(path) {}

  Done write(const std::string& sql) override {
    if (!open()) return {Outcome::kRefused, "cannot be opened"};
    std::string why;
    if (!run("BEGIN IMMEDIATE", &why)) return {Outcome::kRefused, why};
    if (run(sql, &why) && run("COMMIT", &why)) return {Outcome::kOk, ""};
    // Whatever refused it, while the transaction is open nothing of it is done.
    const bool open_still = sqlite3_get_autocommit(db_.get()) == 0;
    db_.reset();  // which rolls back; a connection that met the fence keeps its schema
    return {open_still ? Outcome::kRefused : Outcome::kUnknown, why};
  }
  bool begin_read() override {
    std::string why;
    return open() && run("BEGIN", &why);
  }
  bool query(const std::string& sql, Rows* rows) override {
    rows->clear();
    const auto add = [](void* to, int n, char** values, char**) {
      auto& row = static_cast<Rows*>(to)->emplace_back();
      for (int i = 0; i < n; ++i) row.emplace_back(values[i] == nullptr ? "" : values[i]);
      return 0;
    };
    return sqlite3_exec(db_.get(), sql.c_str(), add, rows, nullptr) == SQLITE_OK;
  }
  void end_read() override { db_.reset(); }

 private:
  bool open() {
    if (db_) return true;
    std::string error;
    sqlite3* raw = nullptr;
    const int rc = sqlite3_open_v2(path_.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
    db_.reset(raw);
    if (rc != SQLITE_OK) {
      db_.reset();
      return false;
    }
    sqlite3_busy_timeout(raw, static_cast<int>(kBusy.count()));
    return true;
  }
  bool run(const std::string& sql, std::string* why) {
    char* message = nullptr;
    if (sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, &message) == SQLITE_OK) return true;
    *why = message == nullptr ? "?" : message;
    sqlite3_free(message);
    return false;
  }

  const std::string path_;
  oracle::SqliteDb db_;
};

struct ClearPgResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PgAnswer = std::unique_ptr<PGresult, ClearPgResult>;

class PostgresSide final : public BankSide {
 public:
  explicit PostgresSide(const std::string& url) : url_(url) {}

  Done write(const std::string& sql) override {
    if (!open()) return {Outcome::kRefused, "cannot be reached"};
    std::string why;
    if (!run("BEGIN", &why) || !run(sql, &why)) {
      connection_.reset();
      return {Outcome::kRefused, why};
    }
    const PgAnswer answer(PQexec(connection_.get(), "COMMIT"));
    const bool answered = PQresultStatus(answer.get()) == PGRES_COMMAND_OK;
    if (answered && std::strcmp(PQcmdStatus(answer.get()), "COMMIT") == 0) {
      return {Outcome::kOk, ""};
    }
    why = PQerrorMessage(connection_.get());
    connection_.reset();
    return {answered ? Outcome::kRefused : Outcome::kUnknown, why};
  }
  bool begin_read() override {
    std::string why;
    return open() && run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", &why);
  }
  bool query(const std::string& sql, Rows* rows) override {
    rows->clear();
    const PgAnswer answer(PQexec(connection_.get(), sql.c_str()));
    if (PQresultStatus(answer.get()) != PGRES_TUPLES_OK) return false;
    for (int i = 0; i < PQntuples(answer.get()); ++i) {
      auto& row = rows->emplace_back();
      for (int k = 0; k < PQnfields(answer.get()); ++k) {
        row.emplace_back(PQgetvalue(answer.get(), i, k));
      }
    }
    return true;
  }
  void end_read() override {
    std::string why;
    if (connection_ && !run("COMMIT", &why)) connection_.reset();
  }

 private:
  bool open() {
    if (connection_) return true;
    connection_.reset(PQconnectdb((url_ + "&connect_timeout=5").c_str()));
    std::string why;
    // What it is told is committed must be, whatever the server's setting is.
    if (PQstatus(connection_.get()) == CONNECTION_OK &&
        run("SET synchronous_commit=on; SET statement_timeout='10s'; SET lock_timeout='3s'; SET "
            "client_min_messages=error",
            &why)) {
      return true;
    }
    connection_.reset();
    return false;
  }
  bool run(const std::string& sql, std::string* why) {
    const PgAnswer answer(PQexec(connection_.get(), sql.c_str()));
    if (PQresultStatus(answer.get()) == PGRES_COMMAND_OK) return true;
    *why = PQerrorMessage(connection_.get());
    return false;
  }

  const std::string url_;
  oracle::PostgresDb connection_;
};

std::string write_sql(WriteId id, uint64_t draw) {
  const int from = static_cast<int>(draw % kAccounts) + 1;
  const int to = (from + static_cast<int>(draw / kAccounts % (kAccounts - 1))) % kAccounts + 1;
  const int amount = static_cast<int>(draw / 64 % 9) + 1;
  // In the order of their numbers, so that clients do not wait for each other in a circle.
  const int first = std::min(from, to);
  const int second = std::max(from, to);
  return fmt::format(
      "INSERT INTO entry(client,n) VALUES({0},{1});"
      "UPDATE account SET balance=balance{5:+} WHERE id={3};"
      "UPDATE account SET balance=balance{6:+} WHERE id={4};"
      "INSERT INTO leg(entry_id,account,amount) SELECT id,{3},{5} FROM entry WHERE client={0} AND "
      "n={1} UNION ALL SELECT id,{4},{6} FROM entry WHERE client={0} AND n={1};"
      "UPDATE mark SET n={1} WHERE client={0}{2}",
      id.first, id.second, "", first, second, first == from ? -amount : amount,
      first == from ? amount : -amount);
}

int64_t number(const Rows& rows) {
  return rows.empty() ? 0 : std::strtoll(rows[0][0].c_str(), nullptr, 10);
}

bool read_state(BankSide& side, ReadOp* op) {
  const auto to_int = [](const std::string& text) {
    return std::strtoll(text.c_str(), nullptr, 10);
  };
  Rows rows;
  if (!side.query("SELECT client,n FROM entry", &rows)) return false;
  for (const auto& row : rows)
    op->found.emplace_back(static_cast<int>(to_int(row[0])), to_int(row[1]));
  if (!side.query("SELECT client,n FROM mark", &rows)) return false;
  for (const auto& row : rows) op->last_number[static_cast<int>(to_int(row[0]))] = to_int(row[1]);
  const std::pair<const char*, int64_t*> counts[] = {
      {"SELECT sum(balance) FROM account", &op->balance},
      {"SELECT count(*) FROM entry e WHERE (SELECT count(*) FROM leg WHERE entry_id=e.id)<>2",
       &op->torn},
      {"SELECT count(*) FROM leg l WHERE NOT EXISTS(SELECT 1 FROM entry e WHERE e.id=l.entry_id)",
       &op->orphans},
      {"SELECT count(*) FROM account a WHERE balance<>1000+(SELECT coalesce(sum(amount),0) FROM "
       "leg "
       "WHERE account=a.id)",
       &op->unbalanced}};
  for (const auto& [sql, to] : counts) {
    if (!side.query(sql, &rows)) return false;
    *to = number(rows);
  }
  return true;
}

// `gate`: a query whose one value must be 1 in the same snapshot; empty: none.
std::optional<ReadOp> read_side(BankSide& side, const std::string& gate) {
  ReadOp op;
  op.invoked_us = now_us();
  Rows rows;
  bool got = side.begin_read();
  if (got && !gate.empty()) got = side.query(gate, &rows) && number(rows) == 1;
  got = got && read_state(side, &op);
  side.end_read();
  op.completed_us = now_us();
  if (!got) return std::nullopt;
  return op;
}

// Before that the target is in the making (docs/guarantees.md).
constexpr const char* kFollowing =
    "SELECT (SELECT count(*) FROM crossfade.progress WHERE phase IN "
    "('following','cutting_over','reversed','rolling_back'))*(SELECT (count(*)>0 AND "
    "bool_and(state='live'))::int FROM crossfade.tables)";

}  // namespace

void make_bank(const std::string& path) {
  std::string error;
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK);
  const oracle::SqliteDb db(raw);
  const std::string sql = fmt::format(
      "PRAGMA journal_mode=WAL; BEGIN;"
      "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);"
      "CREATE TABLE mark(client INTEGER PRIMARY KEY, n INTEGER NOT NULL);"
      "CREATE TABLE entry(id INTEGER PRIMARY KEY AUTOINCREMENT, client INTEGER NOT NULL, n INTEGER "
      "NOT NULL);"
      "CREATE TABLE leg(id INTEGER PRIMARY KEY AUTOINCREMENT, entry_id INTEGER NOT NULL REFERENCES "
      "entry(id), account INTEGER NOT NULL REFERENCES account(id), amount INTEGER NOT NULL);"
      "CREATE INDEX entry_of ON entry(client,n); CREATE INDEX leg_of ON leg(entry_id);"
      "CREATE TABLE pad(id INTEGER PRIMARY KEY, what TEXT NOT NULL);"
      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<{0}) INSERT INTO "
      "account SELECT i,{1} FROM c;"
      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<{2}) INSERT INTO mark "
      "SELECT i,0 FROM c;"
      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<500) INSERT INTO pad "
      "SELECT i,hex(randomblob(40)) FROM c; COMMIT",
      kAccounts, kBankBalance / kAccounts, kBankClientsMax);
  ASSERT_EQ(sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(raw);
}

std::optional<KnownRoute> read_known_route(const std::string& path) {
  constexpr size_t kBytes = 1024;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return KnownRoute{};
  std::array<unsigned char, kBytes> first = {};
  std::array<unsigned char, kBytes> second = {};
  // Twice the same with an even sequence: nobody was writing in between.
  const bool whole = ::pread(fd, first.data(), kBytes, 0) == kBytes &&
                     ::pread(fd, second.data(), kBytes, 0) == kBytes;
  ::close(fd);
  uint32_t sequence = 0;
  uint32_t primary = 0;
  uint64_t epoch = 0;
  std::memcpy(&sequence, first.data() + 8, sizeof sequence);
  std::memcpy(&primary, first.data() + 12, sizeof primary);
  std::memcpy(&epoch, first.data() + 16, sizeof epoch);
  if (!whole || first != second || sequence % 2 != 0 || primary == 0) return std::nullopt;
  return KnownRoute{primary == 1 ? Side::kSqlite : Side::kPostgres, static_cast<int64_t>(epoch)};
}

std::optional<ReadOp> read_sqlite_bank(const std::string& path) {
  SqliteSide side(path);
  auto op = read_side(side, "");
  if (op) op->side = Side::kSqlite;
  return op;
}

std::optional<ReadOp> read_postgres_bank(const std::string& url, bool as_copy) {
  PostgresSide side(url);
  auto op = read_side(side, as_copy ? kFollowing : "");
  if (op) op->side = Side::kPostgres;
  return op;
}

BankClients::BankClients(BankClientsOptions options, HistoryRecorder* recorder)
    : options_(std::move(options)), recorder_(recorder) {
  for (int i = 1; i <= options_.clients; ++i) threads_.emplace_back([this, i] { work(i); });
  threads_.emplace_back([this] { observe(); });
}

BankClients::~BankClients() {
  stop();
}

void BankClients::stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void BankClients::work(int client) {
  std::mt19937_64 draw(options_.seed * 31 + static_cast<uint64_t>(client));
  SqliteSide sqlite(options_.path);
  PostgresSide postgres(options_.url);
  int64_t n = 0;
  while (!stopping_) {
    std::this_thread::sleep_for(options_.pace);
    const int64_t invoked = now_us();
    const auto before = read_known_route(options_.route);
    if (!before) continue;
    BankSide& side = before->primary == Side::kSqlite ? static_cast<BankSide&>(sqlite) : postgres;
    const auto epoch_after = [&] {
      const auto after = read_known_route(options_.route);
      return after ? after->epoch : -1;  // not steady
    };
    if (draw() % 5 != 0) {
      WriteOp op;
      op.id = {client, ++n};
      op.side = before->primary;
      op.invoked_us = invoked;
      Done done = side.write(write_sql(op.id, draw()));
      op.completed_us = now_us();
      op.outcome = done.outcome;
      op.native = std::move(done.native);
      op.route = {before->epoch, epoch_after()};
      recorder_->record(std::move(op));
    } else if (auto op = read_side(side, "")) {
      op->side = before->primary;
      op->of_primary = true;
      op->invoked_us = invoked;
      op->route = {before->epoch, epoch_after()};
      recorder_->record(std::move(*op));
    }
  }
}

void BankClients::observe() {
  SqliteSide sqlite(options_.path);
  PostgresSide postgres(options_.url);
  while (!stopping_) {
    std::this_thread::sleep_for(kPacesPerLook * options_.pace);
    const auto route = read_known_route(options_.route);
    if (!route) continue;
    const bool of_postgres = route->primary == Side::kSqlite;
    auto op = of_postgres ? read_side(postgres, kFollowing) : read_side(sqlite, "");
    if (!op) continue;
    op->side = of_postgres ? Side::kPostgres : Side::kSqlite;
    op->route = {route->epoch, route->epoch};
    recorder_->record(std::move(*op));
  }
}

}  // namespace crossfade::testing
