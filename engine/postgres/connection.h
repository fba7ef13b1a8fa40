// A connection to PostgreSQL: every call blocks its thread, but never past its deadline, and ends
// early when stop is requested.
//
// libpq runs non-blocking underneath and each wait is one poll() (docs/decisions/0001):
// straight-line callers, bounded waits, and no thread ever stuck in recv(). Threads: one at a time.
// Owns its socket; borrows `stop`, which must outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/postgres/binary.h"
#include "engine/postgres/connection_params.h"
#include "engine/postgres/result.h"

namespace crossfade::postgres {

struct ConnectOptions {
  ConnectionParams params;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds statement_timeout{60'000};  // for each call below, on this side
  // A call that waits longer asks over another connection whether its statement is still at work,
  // again and again; 0: never. Where nobody can be asked it goes on waiting.
  std::chrono::milliseconds look_after{0};
  std::string application_name = "crossfade";
  StopSource* stop = nullptr;  // may be null
  bool replication = false;    // a session that may stream a slot: SQL without parameters only
};

// One parameter in binary format; `bytes` must stay until the call returns.
struct Param {
  Oid type;
  std::string_view bytes;
  bool null = false;
};
// A parameter in text format whose type the server infers.
[[nodiscard]] inline Param text_param(std::string_view bytes) {
  return {0, bytes, false};
}

enum class Format : uint8_t { kText, kBinary };

enum class CopyNext : uint8_t { kMessage, kNoneYet, kEnd };

// A statement waiting in a pipeline.
struct PipelineStep {
  std::string sql;
  std::vector<Param> params;
  std::string op;  // for errors
  bool is_commit = false;
};

class Connection {
 public:
  // Sets what must not be left to defaults: UTF-8, UTC, ISO dates, standard_conforming_strings,
  // extra_float_digits, READ COMMITTED, search_path pg_catalog only, no idle or statement timeout
  // on the server's side. Refuses servers older than PostgreSQL 13.
  static Result<Connection> open(ConnectOptions options);
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  // One statement without parameters, or several; the last one's result. Text format.
  Result<QueryResult> exec(const std::string& sql);
  // One statement with parameters.
  Result<QueryResult> query(const std::string& sql, const std::vector<Param>& params,
                            Format format = Format::kText);
  // COMMIT. When the connection goes before the answer, the error's remedy is kResolveInDoubt.
  Status commit();
  // ROLLBACK if a transaction is open; never fails louder than a lost connection does.
  void rollback();

  // COPY ... FROM STDIN: begin, any number of put()s, then end() with the rows copied, or abort().
  Status copy_in_begin(const std::string& sql);
  Status copy_in_put(std::string_view bytes);
  Result<int64_t> copy_in_end();
  void copy_in_abort();

  // COPY ... TO STDOUT: begin, then rows until the returned flag is false. The view lives until the
  // next call. One message is one row for binary COPY after the header.
  Status copy_out_begin(const std::string& sql);
  Result<bool> copy_out_next(std::string_view* message);
  // The same, but nothing when none has come by the deadline, and the connection stays as it is.
  Result<CopyNext> copy_out_next(std::string_view* message, Deadline deadline);

  // Sends all steps in one round trip. The first error is returned and the server has skipped what
  // followed it. Each step's affected-row count is returned.
  Result<std::vector<int64_t>> pipeline(const std::vector<PipelineStep>& steps);

  // Asks the server to cancel what runs, from any state; used when giving up.
  void cancel();

  [[nodiscard]] bool alive() const;
  [[nodiscard]] bool in_transaction() const;
  [[nodiscard]] int server_version() const;  // 150018
  [[nodiscard]] const std::string& safe_name() const;
  void set_statement_timeout(std::chrono::milliseconds timeout);
  [[nodiscard]] std::chrono::milliseconds statement_timeout() const;
  // Whatever the timeout is, no call goes on beyond this, or a short answer's time if it begins
  // later: for as long as somebody else waits for this connection. Nothing: no such bound.
  void set_end_of_calls(std::optional<Deadline> end);
  // When the last bytes of what is copied out came, of a message that is not whole yet, too.
  [[nodiscard]] Deadline::Clock::time_point last_heard() const;
  // A stop request no longer ends calls early: for the steps that must run to their end.
  void ignore_stop(bool ignore);

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace crossfade::postgres
