// How long after its COMMIT a write is visible on the other side.
//
// Writers keep to a schedule, whatever the lag is; one watcher asks the other side again and again
// for the newest key of each writer. The resolution is the watcher's pause and one query.
#include <algorithm>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "bench/load/item_writer.h"
#include "bench/load/loads.h"
#include "bench/load/sides.h"

namespace crossfade::bench {
namespace {

constexpr std::chrono::microseconds kWatchPause{200};
constexpr std::chrono::seconds kFollowPatience{60};  // after the last write
constexpr double kQuantiles[] = {0.5, 0.99, 0.999, 1};
constexpr const char* kQuantileNames[] = {"p50_ms", "p99_ms", "p999_ms", "max_ms"};

// What one writer has done. Slots below `written` are set and do not change.
struct Acknowledged {
  std::vector<Clock::time_point> at;  // by sequence
  std::atomic<int64_t> written{0};
};

// The newest key of a writer that the other side shows, as a sequence + 1.
class Watch {
 public:
  Watch() = default;
  virtual ~Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  [[nodiscard]] virtual std::vector<int64_t> visible() = 0;
};

int64_t sequences_of(int64_t newest_key, int writer, int64_t base) {
  const int64_t first = key_of(writer, base);
  return newest_key < first ? 0 : newest_key - first + 1;
}

class WatchPostgres final : public Watch {
 public:
  WatchPostgres(const std::string& url, int writers, int64_t base)
      : connection_(open_postgres(url)), writers_(writers), base_(base) {
    std::string sql;
    for (int w = 0; w < writers; ++w) {
      sql += (w == 0 ? "SELECT " : ",") +
             ("(SELECT max(id) FROM items WHERE id<" + std::to_string(key_of(w + 1, 0)) +
              " AND id>=" + std::to_string(key_of(w, base)) + ")");
    }
    const PostgresResult prepared(PQprepare(connection_.get(), "v", sql.c_str(), 0, nullptr));
    if (PQresultStatus(prepared.get()) != PGRES_COMMAND_OK) {
      give_up(PQerrorMessage(connection_.get()));
    }
  }

  std::vector<int64_t> visible() override {
    const PostgresResult row(
        PQexecPrepared(connection_.get(), "v", 0, nullptr, nullptr, nullptr, 0));
    if (PQresultStatus(row.get()) != PGRES_TUPLES_OK) give_up(PQerrorMessage(connection_.get()));
    std::vector<int64_t> out;
    for (int w = 0; w < writers_; ++w) {
      out.push_back(PQgetisnull(row.get(), 0, w) != 0
                        ? 0
                        : sequences_of(std::stoll(PQgetvalue(row.get(), 0, w)), w, base_));
    }
    return out;
  }

 private:
  const PostgresHandle connection_;
  const int writers_;
  const int64_t base_;
};

class WatchSqlite final : public Watch {
 public:
  WatchSqlite(const std::string& path, int writers, int64_t base)
      : db_(open_sqlite(path, /*read_only=*/true)),
        newest_(prepare(db_.get(), "SELECT max(id) FROM items WHERE id<? AND id>=?")),
        writers_(writers),
        base_(base) {}

  std::vector<int64_t> visible() override {
    std::vector<int64_t> out;
    for (int w = 0; w < writers_; ++w) {
      sqlite3_bind_int64(newest_.get(), 1, key_of(w + 1, 0));
      sqlite3_bind_int64(newest_.get(), 2, key_of(w, base_));
      if (sqlite3_step(newest_.get()) != SQLITE_ROW) give_up(sqlite3_errmsg(db_.get()));
      out.push_back(sequences_of(sqlite3_column_int64(newest_.get(), 0), w, base_));
      sqlite3_reset(newest_.get());
    }
    return out;
  }

 private:
  const SqliteHandle db_;
  const SqliteStatement newest_;
  const int writers_;
  const int64_t base_;
};

void write_on_schedule(ItemWriter& writer, int number, const LagOptions& options,
                       Acknowledged* done) {
  const auto interval =
      std::chrono::nanoseconds(std::chrono::seconds(1)) * options.writers / options.rate;
  // Not all at the same instant.
  auto next = Clock::now() + interval * number / options.writers;
  for (size_t i = 0; i < done->at.size(); ++i) {
    std::this_thread::sleep_until(next);
    next += interval;
    const int64_t key = key_of(number, options.base + static_cast<int64_t>(i));
    while (writer.write(key) != Written::kDone) {
    }
    done->at[i] = Clock::now();
    done->written.store(static_cast<int64_t>(i) + 1);
  }
}

// Until all that the writers will write is visible.
std::vector<double> watch(Watch& other, const std::vector<std::unique_ptr<Acknowledged>>& writers,
                          Clock::duration patience) {
  std::vector<double> lags;
  std::vector<int64_t> seen(writers.size());
  auto give_up_at = Clock::now() + patience;
  for (bool all = false; !all;) {
    const std::vector<int64_t> visible = other.visible();
    const auto now = Clock::now();
    if (now > give_up_at) give_up("the other side does not follow");
    all = true;
    for (size_t w = 0; w < writers.size(); ++w) {
      // What is visible before its writer was told so has no lag yet: the next round takes it.
      const int64_t to = std::min(visible[w], writers[w]->written.load());
      for (int64_t& i = seen[w]; i < to; ++i) {
        const double lag = milliseconds(now - writers[w]->at[static_cast<size_t>(i)]);
        lags.push_back(std::max(0.0, lag));
        give_up_at = now + patience;
      }
      all = all && seen[w] == static_cast<int64_t>(writers[w]->at.size());
    }
    std::this_thread::sleep_for(kWatchPause);
  }
  return lags;
}

}  // namespace

nlohmann::json measure_lag(const LagOptions& options) {
  const bool back = options.back;
  const auto each = static_cast<size_t>(options.rate * options.seconds / options.writers);
  std::vector<std::unique_ptr<Acknowledged>> done;
  std::vector<std::unique_ptr<ItemWriter>> writers;
  for (int w = 0; w < options.writers; ++w) {
    done.push_back(std::make_unique<Acknowledged>());
    done.back()->at.resize(each);
    writers.push_back(back ? postgres_writer(options.url) : sqlite_writer(options.database));
  }
  std::unique_ptr<Watch> other;
  if (back) {
    other = std::make_unique<WatchSqlite>(options.database, options.writers, options.base);
  } else {
    other = std::make_unique<WatchPostgres>(options.url, options.writers, options.base);
  }
  const auto began = Clock::now();
  std::vector<std::thread> threads;
  for (int w = 0; w < options.writers; ++w) {
    threads.emplace_back([&, w] {
      const auto n = static_cast<size_t>(w);
      write_on_schedule(*writers[n], w, options, done[n].get());
    });
  }
  const std::vector<double> lags = watch(*other, done, kFollowPatience);
  for (std::thread& thread : threads) thread.join();
  Clock::time_point last = began;
  for (const auto& writer : done) last = std::max(last, writer->at.back());
  nlohmann::json out = {
      {"transactions", lags.size()},
      {"achieved_per_s", static_cast<double>(lags.size()) * 1000 / milliseconds(last - began)}};
  for (size_t q = 0; q < std::size(kQuantiles); ++q) {
    out[kQuantileNames[q]] = quantile(lags, kQuantiles[q]);
  }
  return out;
}

}  // namespace crossfade::bench
