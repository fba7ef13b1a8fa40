#include "tests/support/postgres_writers.h"

#include <fmt/format.h>

#include <atomic>
#include <deque>

#include "tests/support/connect.h"

namespace crossfade::testing {

struct PostgresWriters::Shared {
  struct OfWriter {
    std::atomic<int64_t> acknowledged{0};
    std::string refusal;  // written by its thread, before refused
    std::atomic<bool> refused{false};
  };
  std::atomic<bool> stopping{false};
  std::deque<OfWriter> writers;
};

PostgresWriters::PostgresWriters(const std::string& url, int writers,
                                 std::chrono::milliseconds pace)
    : shared_(std::make_unique<Shared>()) {
  for (int i = 0; i < writers; ++i) shared_->writers.emplace_back();
  for (int i = 0; i < writers; ++i) {
    threads_.emplace_back([this, url, i, pace] {
      Shared::OfWriter& own = shared_->writers[static_cast<size_t>(i)];
      auto connection = connect_or_die(url);
      while (!shared_->stopping) {
        const int64_t n = own.acknowledged + 1;
        const auto done = connection.exec(
            fmt::format("INSERT INTO public.app_entry(writer,n) VALUES({},{})", i, n));
        if (!done) {
          own.refusal = done.error().sqlstate;
          own.refused = true;
          return;
        }
        own.acknowledged = n;
        std::this_thread::sleep_for(pace);
      }
    });
  }
}

PostgresWriters::~PostgresWriters() {
  stop();
}

void PostgresWriters::stop() {
  shared_->stopping = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::vector<PostgresWriters::Writer> PostgresWriters::result() const {
  std::vector<Writer> out;
  for (const Shared::OfWriter& each : shared_->writers) {
    out.push_back({each.acknowledged, each.refusal});
  }
  return out;
}

int64_t PostgresWriters::acknowledged() const {
  int64_t out = 0;
  for (const Shared::OfWriter& each : shared_->writers) out += each.acknowledged;
  return out;
}

int PostgresWriters::refused() const {
  int out = 0;
  for (const Shared::OfWriter& each : shared_->writers) out += each.refused ? 1 : 0;
  return out;
}

}  // namespace crossfade::testing
