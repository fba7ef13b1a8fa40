#include <fmt/core.h>
#include <libpq-fe.h>

#include <string_view>
#include <utility>

#include "tools/demo/side.h"

namespace crossfade::demo {
namespace {

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, Finish>;
using Answer = std::unique_ptr<PGresult, Clear>;

// Every parameter goes as text of a type that the server infers from its place.
struct ToText {
  std::string operator()(int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return fmt::format("{}", value); }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const Blob& value) const {
    std::string hex = "\\x";
    for (const char c : value.bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return hex;
  }
};

class PostgresSide final : public Side {
 public:
  explicit PostgresSide(const std::string& url) : connection_(PQconnectdb(url.c_str())) {}

  [[nodiscard]] const char* name() const override { return "postgres"; }
  [[nodiscard]] bool is_sqlite() const override { return false; }
  [[nodiscard]] const std::string& message() const override { return message_; }

  Outcome begin() override {
    if (lost_ || PQstatus(connection_.get()) != CONNECTION_OK) PQreset(connection_.get());
    lost_ = false;
    return run("BEGIN", {}, nullptr);
  }

  Outcome commit() override {
    const Outcome outcome = run("COMMIT", {}, nullptr);
    return lost_ ? Outcome::kInDoubt : outcome;
  }

  void rollback() override {
    if (PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) {
      const Answer ignored(PQexec(connection_.get(), "ROLLBACK"));
    }
  }

  Outcome run(const std::string& sql, const Params& params, Rows* rows) override {
    std::vector<std::string> texts;
    std::vector<const char*> values;
    texts.reserve(params.size());
    for (const Param& param : params) {
      values.push_back(texts.emplace_back(std::visit(ToText{}, param)).c_str());
    }
    const Answer answer(PQexecParams(connection_.get(), sql.c_str(),
                                     static_cast<int>(params.size()), nullptr, values.data(),
                                     nullptr, nullptr, 0));
    const ExecStatusType status = PQresultStatus(answer.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) return failed(answer.get());
    if (rows == nullptr) return Outcome::kDone;
    for (int r = 0; r < PQntuples(answer.get()); ++r) {
      std::vector<std::string>& row = rows->emplace_back();
      for (int c = 0; c < PQnfields(answer.get()); ++c) {
        row.emplace_back(PQgetvalue(answer.get(), r, c));
      }
    }
    return Outcome::kDone;
  }

 private:
  Outcome failed(const PGresult* answer) {
    message_ = PQerrorMessage(connection_.get());
    const char* field = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
    const std::string_view state = field == nullptr ? "" : field;
    // Without a SQLSTATE it is libpq that failed, which may notice a lost connection only later.
    // Class 57P is the server saying that it ends this connection.
    lost_ = state.empty() || state.starts_with("57P");
    if (lost_) return Outcome::kRetry;
    if (state == "25006") return Outcome::kMoved;  // read_only_sql_transaction: PostgreSQL's fence
    // serialization_failure, deadlock_detected: writers that met on a row in different order.
    if (state == "40001" || state == "40P01") return Outcome::kRetry;
    return Outcome::kFailed;
  }

  const Connection connection_;
  bool lost_ = false;
  std::string message_;
};

}  // namespace

std::unique_ptr<Side> open_postgres(const std::string& url) {
  return std::make_unique<PostgresSide>(url);
}

}  // namespace crossfade::demo
