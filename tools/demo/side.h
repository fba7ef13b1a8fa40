// One side of the move as the demo application sees it: a connection that runs transactions.
//
// The application's SQL is the same on both sides where the dialects agree: parameters are written
// $1, $2, ... and appear in that order, which PostgreSQL and SQLite both number so.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace crossfade::demo {

// What a transaction's step came to, and so what the application does next.
enum class Outcome : uint8_t {
  kDone,
  kMoved,    // refused: another side is, or is about to be, primary. Roll back, ask the route
  kRetry,    // passing: roll back and run the transaction again
  kInDoubt,  // the connection went during COMMIT: look for the transaction's journal row
  kFailed,   // the application is wrong; message() says how
};

struct Blob {
  std::string bytes;
};
using Param = std::variant<int64_t, double, std::string, Blob>;
using Params = std::vector<Param>;
using Rows = std::vector<std::vector<std::string>>;  // values as text, NULL as ""

class Side {
 public:
  Side() = default;
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  virtual ~Side() = default;

  [[nodiscard]] virtual const char* name() const = 0;
  virtual Outcome begin() = 0;
  virtual Outcome run(const std::string& sql, const Params& params, Rows* rows) = 0;
  virtual Outcome commit() = 0;
  virtual void rollback() = 0;
  // Of the last outcome that was not kDone.
  [[nodiscard]] virtual const std::string& message() const = 0;
  [[nodiscard]] virtual bool is_sqlite() const = 0;

  Outcome run(const std::string& sql, const Params& params) { return run(sql, params, nullptr); }
};

// Never creates the file. `message` says why there is no result.
std::unique_ptr<Side> open_sqlite(const std::string& path, std::string* message);
// A server that does not answer yet shows as kRetry at begin(), which connects again.
std::unique_ptr<Side> open_postgres(const std::string& url);

}  // namespace crossfade::demo
