// What capture costs an application's writes: none, the triggers, a session.
//
//   crossfade_bench_sessions FOLDER [--rounds 7] [--json FILE]
//
// Each round writes the same rows into new databases in FOLDER, one after the other: without
// capture, with the triggers, with the triggers and an attached recorder that is not used, and in
// recorded transactions; first one row in a transaction, then a thousand. Of ten writes six are
// INSERTs, three UPDATEs of two columns, one a DELETE. Tables: 8 columns, a UNIQUE key, an index.
// WAL, synchronous=NORMAL, prepared statements. Printed: the median of the rounds, by the wall
// clock and by processor time, and the median of each round's ratio to its own run without capture.
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/utsname.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "capture/change_log.h"
#include "capture/session_recorder.h"
#include "engine/schema/catalog.h"
#include "engine/sqlite/connection.h"

namespace crossfade::bench {
namespace {

using capture::SessionRecorder;

constexpr const char* kSchema =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE person(id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, age INT, score REAL,"
    " at TEXT, note TEXT, data BLOB);"
    "CREATE INDEX person_name ON person(name)";

enum class Mode { kNone, kTriggers, kAttached, kSession };
constexpr const char* kModes[] = {"none", "triggers", "triggers, recorder attached", "session"};

struct Load {
  int transactions;
  int rows;  // in each
};

struct Spent {
  double wall_us = 0;  // per row
  double cpu_us = 0;
};

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

class Statement {
 public:
  Statement(sqlite3* db, const char* sql) {
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr) != 0) {
      give_up(sqlite3_errmsg(db));
    }
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  [[nodiscard]] sqlite3_stmt* get() const { return statement_; }
  void run() const {
    if (sqlite3_step(statement_) != SQLITE_DONE) {
      give_up(sqlite3_errmsg(sqlite3_db_handle(statement_)));
    }
    sqlite3_reset(statement_);
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

// The application's writes; the same ones each time.
class Writes {
 public:
  explicit Writes(sqlite3* db)
      : insert_(db, "INSERT INTO person(email,name,age,score,at,note,data) VALUES(?,?,?,?,?,?,?)"),
        update_(db, "UPDATE person SET age=?,note=? WHERE id=?"),
        remove_(db, "DELETE FROM person WHERE id=?") {}

  void next() {
    const int64_t kind = row_ % 10;
    if (kind < 6 || newest_ < 10) {
      insert();
    } else if (kind < 9) {
      sqlite3_bind_int64(update_.get(), 1, row_);
      sqlite3_bind_text(update_.get(), 2, "changed", -1, SQLITE_STATIC);
      sqlite3_bind_int64(update_.get(), 3, oldest_ + 1 + row_ * 7919 % (newest_ - oldest_));
      update_.run();
    } else {
      sqlite3_bind_int64(remove_.get(), 1, ++oldest_);
      remove_.run();
    }
    ++row_;
  }

 private:
  void insert() {
    const std::string email = fmt::format("user{}@example.org", ++newest_);
    sqlite3_bind_text(insert_.get(), 1, email.c_str(), -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(insert_.get(), 2, "Some Name", -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert_.get(), 3, row_);
    sqlite3_bind_double(insert_.get(), 4, static_cast<double>(row_) / 4);
    sqlite3_bind_text(insert_.get(), 5, "2024-01-02 03:04:05", -1, SQLITE_STATIC);
    sqlite3_bind_text(insert_.get(), 6, "a note of some length, not long", -1, SQLITE_STATIC);
    sqlite3_bind_zeroblob(insert_.get(), 7, 32);
    insert_.run();
  }

  Statement insert_;
  Statement update_;
  Statement remove_;
  int64_t row_ = 0;
  int64_t newest_ = 0;
  int64_t oldest_ = 0;
};

void make_database(const std::string& path, Mode mode) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  auto opened = sqlite::Connection::open({.path = path, .access = sqlite::Access::kCreate});
  if (!opened) give_up(describe(opened.error()));
  sqlite::Connection& source = opened.value();
  if (auto made = source.exec(kSchema); !made) give_up(describe(made.error()));
  if (mode == Mode::kNone) return;
  if (auto known = capture::ensure_identity(source); !known) give_up(describe(known.error()));
  const auto catalog = schema::read_catalog(source);
  if (!catalog) give_up(describe(catalog.error()));
  const auto installed =
      capture::install(source, catalog.value().tables, {}, catalog.value().schema_version);
  if (!installed) give_up(describe(installed.error()));
}

double cpu_now_us() {
  timespec now = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

Spent measure(const std::string& path, Mode mode, const Load& load) {
  make_database(path, mode);
  sqlite3* db = nullptr;
  if (sqlite3_open(path.c_str(), &db) != SQLITE_OK) give_up("cannot open " + path);
  sqlite3_exec(db, "PRAGMA synchronous=NORMAL", nullptr, nullptr, nullptr);
  Spent out;
  {
    std::unique_ptr<SessionRecorder> recorder;
    if (mode == Mode::kAttached || mode == Mode::kSession) {
      const auto attached = SessionRecorder::attach(db, {}, &recorder);
      if (!attached.ok()) give_up(attached.message);
    }
    const bool record = mode == Mode::kSession;
    const Statement begin(db, "BEGIN IMMEDIATE");
    const Statement commit(db, "COMMIT");
    Writes writes(db);
    const auto wall = std::chrono::steady_clock::now();
    const double cpu = cpu_now_us();
    for (int t = 0; t < load.transactions; ++t) {
      const auto begun = record ? recorder->begin() : (begin.run(), capture::RecorderStatus{});
      if (!begun.ok()) give_up(begun.message);
      for (int r = 0; r < load.rows; ++r) writes.next();
      const auto done = record ? recorder->commit() : (commit.run(), capture::RecorderStatus{});
      if (!done.ok()) give_up(done.message);
    }
    const double rows = static_cast<double>(load.transactions) * load.rows;
    out.cpu_us = (cpu_now_us() - cpu) / rows;
    out.wall_us =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - wall).count() /
        rows;
  }
  sqlite3_close(db);
  return out;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

nlohmann::json run_load(const std::string& path, const Load& load, int rounds) {
  std::vector<std::vector<Spent>> spent(std::size(kModes));
  for (int round = 0; round < rounds; ++round) {
    for (size_t mode = 0; mode < std::size(kModes); ++mode) {
      spent[mode].push_back(measure(path, static_cast<Mode>(mode), load));
    }
  }
  nlohmann::json out = {{"rows_per_transaction", load.rows}, {"transactions", load.transactions}};
  std::printf("%d row(s) in a transaction\n", load.rows);
  for (size_t mode = 0; mode < std::size(kModes); ++mode) {
    std::vector<double> wall;
    std::vector<double> cpu;
    std::vector<double> ratio;
    for (size_t round = 0; round < spent[mode].size(); ++round) {
      wall.push_back(spent[mode][round].wall_us);
      cpu.push_back(spent[mode][round].cpu_us);
      ratio.push_back(spent[mode][round].cpu_us / spent[0][round].cpu_us);
    }
    std::printf("  %-28s %8.0f rows/s  %6.2f us/row  cpu %6.2f us/row  %.2fx\n", kModes[mode],
                1e6 / median(wall), median(wall), median(cpu), median(ratio));
    out["modes"][kModes[mode]] = {{"rows_per_s", 1e6 / median(wall)},
                                  {"cpu_us_per_row", median(cpu)},
                                  {"cpu_ratio_to_none", median(ratio)}};
  }
  return out;
}

int run(int argc, char** argv) {
  if (argc < 2) give_up("usage: crossfade_bench_sessions FOLDER [--rounds 7] [--json FILE]");
  int rounds = 7;
  std::string json;
  for (int i = 2; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--rounds") rounds = std::max(1, std::atoi(argv[i + 1]));
    if (std::string(argv[i]) == "--json") json = argv[i + 1];
  }
  utsname machine = {};
  uname(&machine);
  nlohmann::json out = {{"machine", fmt::format("{} {}", machine.sysname, machine.machine)},
                        {"cpus", std::thread::hardware_concurrency()},
                        {"sqlite", sqlite3_libversion()},
                        {"rounds", rounds}};
  const std::string path = std::string(argv[1]) + "/bench.db";
  out["loads"].push_back(run_load(path, {20'000, 1}, rounds));
  out["loads"].push_back(run_load(path, {100, 1'000}, rounds));
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  if (!json.empty()) std::ofstream(json) << out.dump(2) << "\n";
  return 0;
}

}  // namespace
}  // namespace crossfade::bench

int main(int argc, char** argv) {
  return crossfade::bench::run(argc, argv);
}
