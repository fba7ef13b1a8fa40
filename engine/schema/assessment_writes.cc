#include "engine/schema/assessment_writes.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "engine/core/limits.h"
#include "engine/sqlite/connection.h"

namespace crossfade::schema {
namespace {

constexpr int kWalIndexBlockBytes = 32768;

sqlite3_file* main_file(sqlite::Connection& connection) {
  sqlite3_file* file = nullptr;
  const int rc =
      sqlite3_file_control(connection.handle(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  return rc == SQLITE_OK && file != nullptr && file->pMethods != nullptr ? file : nullptr;
}

uint32_t read_u32(const volatile void* block, size_t at) {
  return static_cast<const volatile uint32_t*>(block)[at / sizeof(uint32_t)];
}

// Bytes 24 to 27 of the file, big-endian (fileformat2.html, 1.3.7).
std::optional<uint32_t> read_change_counter(sqlite::Connection& connection) {
  sqlite3_file* const file = main_file(connection);
  if (file == nullptr) return std::nullopt;
  std::array<unsigned char, 4> bytes{};
  if (file->pMethods->xRead(file, bytes.data(), bytes.size(), 24) != SQLITE_OK) return std::nullopt;
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

}  // namespace

std::optional<WalIndex> read_wal_index(sqlite::Connection& connection) {
  const auto mode = connection.query_text("PRAGMA journal_mode");
  // The read maps the index, if nothing has yet.
  if (!mode || mode.value() != "wal" || !connection.query_int("PRAGMA schema_version")) {
    return std::nullopt;
  }
  sqlite3_file* const file = main_file(connection);
  if (file == nullptr || file->pMethods->iVersion < 2) return std::nullopt;
  volatile void* block = nullptr;
  const int rc = file->pMethods->xShmMap(file, 0, kWalIndexBlockBytes, 0, &block);
  if ((rc != SQLITE_OK && rc != SQLITE_READONLY) || block == nullptr) return std::nullopt;
  WalIndex out;
  out.commits = read_u32(block, 8);
  out.frames = read_u32(block, 16);
  out.frames_written_back = std::min<int64_t>(out.frames, read_u32(block, 96));
  return out;
}

Result<WriteWatch::Look> WriteWatch::look(sqlite::Connection& connection) {
  Look out;
  // Also brings the connection's view up to date.
  CROSSFADE_TRY(out.data_version, connection.query_int("PRAGMA data_version"));
  if (const auto index = read_wal_index(connection)) {
    out.wal_commits = index->commits;
  } else {
    out.file_changes = read_change_counter(connection);
  }
  out.at = Deadline::Clock::now();
  return out;
}

Result<WriteWatch> WriteWatch::begin(sqlite::Connection& connection) {
  CROSSFADE_TRY(const Look first, look(connection));
  return WriteWatch(connection, first);
}

Result<WriteRate> WriteWatch::end() {
  std::this_thread::sleep_until(first_.at + limits::kWriteWatchMin);
  CROSSFADE_TRY(const Look second, look(*connection_));
  WriteRate out;
  out.known = true;
  out.seconds = std::chrono::duration<double>(second.at - first_.at).count();
  const char* counter = nullptr;
  if (first_.wal_commits && second.wal_commits) {
    out.commits = int64_t{*second.wal_commits - *first_.wal_commits};
    counter = "the WAL index counts commits";
  } else if (first_.file_changes && second.file_changes) {
    out.commits = int64_t{*second.file_changes - *first_.file_changes};
    counter = "the file's header counts changes";
  } else {
    out.at_least = true;
    out.commits = second.data_version != first_.data_version ? 1 : 0;
    counter = "only that something was committed can be seen";
  }
  out.basis = fmt::format(
      "seen during the {:.2f} s of this inspection ({}); a busier hour is "
      "not in it",
      out.seconds, counter);
  return out;
}

}  // namespace crossfade::schema
