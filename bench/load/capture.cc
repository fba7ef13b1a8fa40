// What capture costs an application's writes: none, the triggers, triggers that write JSON images
// as other tools do, and a session.
//
// Each case makes its database anew, on the disk of the folder, and writes for about the time asked
// for; the modes take turns, so that each is compared with a neighbour in time. WAL,
// synchronous=NORMAL, prepared statements.

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/load/capture_tables.h"
#include "bench/load/loads.h"
#include "bench/load/sides.h"
#include "capture/session_recorder.h"

namespace crossfade::bench {
namespace {

using capture::SessionRecorder;

constexpr int64_t kRowsPerBatch[] = {1, 1000};
constexpr int64_t kCheckEvery = 16;  // transactions between two looks at the clock

struct Case {
  CaptureShape shape;
  CaptureOp op;
  int64_t rows;  // in a transaction
};

double cpu_now_us() {
  timespec now = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// How many rows there are to begin with: as many as updates or deletes may want in that time.
int64_t rows_before(const Case& c, int64_t milliseconds) {
  if (c.op == CaptureOp::kInsert) return 1000;
  const int64_t per_second = c.rows == 1 ? 40'000 : 150'000;
  const int64_t wanted = per_second * milliseconds / 1000;
  return c.shape == CaptureShape::kBlobs ? std::min<int64_t>(wanted, 20'000) : wanted;
}

void commit(SessionRecorder* recorder, sqlite3_stmt* statement) {
  if (recorder == nullptr) {
    step(statement);
    return;
  }
  if (const auto done = recorder->commit(); !done.ok()) give_up(done.message);
}

void begin(SessionRecorder* recorder, sqlite3_stmt* statement) {
  if (recorder == nullptr) {
    step(statement);
    return;
  }
  if (const auto begun = recorder->begin(); !begun.ok()) give_up(begun.message);
}

nlohmann::json measure(const std::string& path, const Case& c, CaptureMode mode, int64_t wall_ms) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  const int64_t before = rows_before(c, wall_ms);
  make_capture_database(path, c.shape, mode, before);
  const SqliteHandle db = open_sqlite(path);
  std::unique_ptr<SessionRecorder> recorder;
  if (mode == CaptureMode::kSession) {
    if (const auto done = SessionRecorder::attach(db.get(), {}, &recorder); !done.ok()) {
      give_up(done.message);
    }
  }
  const SqliteStatement begins = prepare(db.get(), "BEGIN IMMEDIATE");
  const SqliteStatement commits = prepare(db.get(), "COMMIT");
  CaptureWrites writes(db.get(), c.shape, before);
  const double cpu = cpu_now_us();
  const auto from = Clock::now();
  const auto until = from + std::chrono::milliseconds(wall_ms);
  int64_t rows = 0;
  for (int64_t t = 0; writes.has(c.op, c.rows); ++t) {
    if ((c.rows > 1 || t % kCheckEvery == 0) && Clock::now() >= until) break;
    begin(recorder.get(), begins.get());
    for (int64_t r = 0; r < c.rows; ++r) writes.next(c.op);
    commit(recorder.get(), commits.get());
    rows += c.rows;
  }
  const double wall_us = milliseconds(Clock::now() - from) * 1000;
  const double cpu_us = cpu_now_us() - cpu;
  const auto n = static_cast<double>(std::max<int64_t>(rows, 1));
  return {{"rows_per_s", n * 1e6 / wall_us}, {"cpu_us_per_row", cpu_us / n}};
}

}  // namespace

nlohmann::json measure_capture(const CaptureOptions& options) {
  const std::string path = options.folder + "/capture.db";
  nlohmann::json out = nlohmann::json::array();
  for (const CaptureShape shape : kCaptureShapes) {
    for (const CaptureOp op : kCaptureOps) {
      for (const int64_t rows : kRowsPerBatch) {
        const Case c{shape, op, rows};
        nlohmann::json modes = nlohmann::json::object();
        for (int round = 0; round < options.rounds; ++round) {
          for (const CaptureMode mode : kCaptureModes) {
            modes[to_string(mode)].push_back(measure(path, c, mode, options.milliseconds));
          }
        }
        out.push_back({{"shape", to_string(shape)},
                       {"op", to_string(op)},
                       {"rows_per_transaction", rows},
                       {"modes", modes}});
      }
    }
  }
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  return out;
}

}  // namespace crossfade::bench
