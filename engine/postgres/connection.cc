#include "engine/postgres/connection.h"

#include <fmt/core.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <optional>
#include <utility>

#include "engine/core/assert.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/postgres/cancel_request.h"
#include "engine/postgres/connect_error.h"
#include "engine/postgres/pooler.h"
#include "engine/postgres/postgres_error_map.h"
#include "engine/postgres/session_look.h"

namespace crossfade::postgres {
namespace {

// How late a stop request may be seen inside a wait.
constexpr std::chrono::milliseconds kStopTick{50};
constexpr std::chrono::seconds kCancelWait{1};

// A call that begins at the end of all calls: a statement that times out costs the connection.
constexpr std::chrono::milliseconds kShortAnswer{250};

constexpr const char* kCopyOp = "target.copy";
constexpr std::string_view kNotInPrerequisiteState = "55000";

constexpr const char* kSessionSettings =
    "SET client_encoding = 'UTF8'; SET timezone = 'UTC'; SET datestyle = 'ISO, YMD';"
    "SET standard_conforming_strings = on; SET extra_float_digits = 3; SET bytea_output = 'hex';"
    "SET default_transaction_isolation = 'read committed';"
    "SET default_transaction_read_only = off; SET search_path = pg_catalog;"
    "SET statement_timeout = 0; SET lock_timeout = 0;"
    "SET idle_in_transaction_session_timeout = 0; SET client_min_messages = warning;"
    // A client that a firewall cut off must not keep its locks for the two hours of Linux' default.
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;"
    // Those that only newer servers have: an idle engine and a long copy are no mistake.
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE setting <> '0' AND "
    "name IN ('idle_session_timeout', 'transaction_timeout');"
    // What was committed is deleted from the change log: a crash of the server must not lose it.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE "
    "current_setting('synchronous_commit') = 'off'";

struct FinishConn {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
struct FreeMem {
  void operator()(char* memory) const { PQfreemem(memory); }
};
using ResultPtr = std::unique_ptr<PGresult, ClearResult>;

enum class Wait : uint8_t { kReady, kTimeout, kStopped };

Error timeout_error(std::string op, std::string object, std::chrono::milliseconds waited) {
  Error error;
  error.code = ErrorCode::kTargetUnreachable;
  error.remedy = Remedy::kReconnect;
  error.op = std::move(op);
  error.object = std::move(object);
  error.native = fmt::format("no answer within {} ms", waited.count());
  error.hint = "check that the server runs, can be reached, and is not waiting for a lock";
  return error;
}

Error other_half_error(std::string op, std::string object) {
  Error error;
  error.code = ErrorCode::kTargetUnreachable;
  error.remedy = Remedy::kReconnect;
  error.op = std::move(op);
  error.object = std::move(object);
  error.native =
      "the server does not work on the statement any more, and its answer did not come: the "
      "connection was lost between here and there";
  error.hint =
      "check what is between crossfade and the server: a proxy, a load balancer, a firewall";
  return error;
}

Error stopped_error(std::string op) {
  Error error;
  error.code = ErrorCode::kInterrupted;
  error.remedy = Remedy::kStop;
  error.op = std::move(op);
  error.native = "stopped on request";
  return error;
}

// A text-format parameter would end at its first NUL, and lose what follows.
Error nul_error(std::string op, const std::string& sql) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.remedy = Remedy::kQuarantine;
  error.op = std::move(op);
  error.object = sql.substr(0, 200);
  error.native = "SQLSTATE 22021: a text parameter holds a NUL byte";
  error.sqlstate = "22021";
  return error;
}

}  // namespace

struct Connection::Impl {
  std::unique_ptr<PGconn, FinishConn> conn;
  std::string safe;
  std::chrono::milliseconds statement_timeout{0};
  std::optional<Deadline> end_of_calls;
  Deadline::Clock::time_point heard = Deadline::Clock::now();
  StopSource* stop = nullptr;
  bool stop_ignored = false;
  std::unique_ptr<char, FreeMem> copy_row;
  std::optional<ConnectOptions> another;  // to ask about a call that takes long
  std::optional<SessionId> id;
  std::optional<Error> left_out;  // of a replication connection: what the server goes on without

  [[nodiscard]] bool must_stop() const {
    return stop != nullptr && !stop_ignored && stop->requested();
  }

  [[nodiscard]] Wait wait(short events, Deadline deadline) const {
    while (true) {
      if (must_stop()) return Wait::kStopped;
      const auto rest = deadline.remaining();
      if (rest.count() == 0) return Wait::kTimeout;
      pollfd fd{PQsocket(conn.get()), events, 0};
      if (::poll(&fd, 1, static_cast<int>(std::min(rest, kStopTick).count())) > 0) {
        return Wait::kReady;
      }
    }
  }

  [[nodiscard]] Error lost(const std::string& op, bool in_commit = false) const {
    return make_connection_error(PQerrorMessage(conn.get()), op, safe, in_commit);
  }

  [[nodiscard]] Status not_ready(Wait wait, const std::string& op, bool in_commit) {
    // The connection is in the middle of something: it can only be thrown away.
    cancel();
    conn.reset();
    Error error =
        wait == Wait::kStopped ? stopped_error(op) : timeout_error(op, safe, statement_timeout);
    if (in_commit) error.remedy = Remedy::kResolveInDoubt;
    return fail(std::move(error));
  }

  [[nodiscard]] Status gone(const std::string& op) const {
    return fail(make_connection_error("not connected", op, safe, false));
  }

  Status flush(const std::string& op, Deadline deadline, bool in_commit = false) {
    while (true) {
      const int state = PQflush(conn.get());
      if (state == 0) return ok();
      if (state < 0) return fail(lost(op, in_commit));
      const Wait w = wait(POLLIN | POLLOUT, deadline);
      if (w != Wait::kReady) return not_ready(w, op, in_commit);
      // Reading while writing: the server may be blocked on sending to us.
      if (PQconsumeInput(conn.get()) == 0) return fail(lost(op, in_commit));
    }
  }

  // Null at the end of a command's results.
  Result<ResultPtr> next_result(const std::string& op, Deadline deadline, bool in_commit = false) {
    LongWait waiting = begin_long_wait();
    while (PQisBusy(conn.get()) != 0) {
      const Wait w = wait(POLLIN, id ? deadline.sooner(waiting.next_look) : deadline);
      if (w == Wait::kTimeout && !deadline.expired()) {
        CROSSFADE_TRY(look(waiting, op, in_commit));
        continue;
      }
      if (w != Wait::kReady) {
        CROSSFADE_TRY(not_ready(w, op, in_commit));
      }
      if (PQconsumeInput(conn.get()) == 0) return fail(lost(op, in_commit));
      waiting = begin_long_wait();
    }
    return ResultPtr(PQgetResult(conn.get()));
  }

  // Reads to the end of the command; the last result that is not an error, or the first error.
  Result<QueryResult> finish(const std::string& op, const std::string& object, Deadline deadline,
                             bool in_commit = false) {
    ResultPtr last;
    std::optional<Error> error;
    while (true) {
      CROSSFADE_TRY(ResultPtr result, next_result(op, deadline, in_commit));
      if (!result) break;
      const ExecStatusType status = PQresultStatus(result.get());
      if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
        if (!error) error = make_error(result.get(), conn.get(), op, object);
      } else if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
        return QueryResult(result.release());
      } else {
        last = std::move(result);
      }
    }
    if (PQstatus(conn.get()) == CONNECTION_BAD) return fail(lost(op, in_commit));
    if (error) return fail(std::move(*error));
    return QueryResult(last.release());
  }

  Status send_params(const std::string& sql, const std::vector<Param>& params, Format format,
                     const std::string& op) {
    std::vector<Oid> types;
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
    std::vector<std::string> texts;  // text parameters must end with a NUL
    texts.reserve(params.size());
    for (const Param& p : params) {
      types.push_back(p.type);
      const bool is_text = p.type == 0;
      if (is_text && p.bytes.find('\0') != std::string_view::npos) return fail(nul_error(op, sql));
      if (is_text) texts.emplace_back(p.bytes);
      const char* data = is_text ? texts.back().c_str() : p.bytes.data();
      // An empty string_view may have no data; libpq takes a null pointer for SQL NULL.
      values.push_back(p.null ? nullptr : (data == nullptr ? "" : data));
      lengths.push_back(static_cast<int>(p.bytes.size()));
      formats.push_back(is_text ? 0 : 1);
    }
    if (PQsendQueryParams(conn.get(), sql.c_str(), static_cast<int>(params.size()), types.data(),
                          values.data(), lengths.data(), formats.data(),
                          format == Format::kBinary ? 1 : 0) == 0) {
      return fail(lost(op));
    }
    return ok();
  }

  // What has arrived of a COPY, without waiting for more.
  Result<CopyNext> copy_next(std::string_view* message) {
    if (!conn || PQstatus(conn.get()) != CONNECTION_OK) {
      CROSSFADE_TRY(gone(kCopyOp));
    }
    char* raw = nullptr;
    int size = PQgetCopyData(conn.get(), &raw, /*async=*/1);
    if (size == 0) {
      int waiting = 0;
      if (::ioctl(PQsocket(conn.get()), FIONREAD, &waiting) == 0 && waiting > 0) {
        heard = Deadline::Clock::now();
      }
      if (PQconsumeInput(conn.get()) == 0) return fail(lost(kCopyOp));
      size = PQgetCopyData(conn.get(), &raw, /*async=*/1);
    }
    // It is said before anything that comes after what was left out, a position least of all.
    if (left_out) {
      if (size > 0) PQfreemem(raw);
      return fail(*left_out);
    }
    if (size == 0) return CopyNext::kNoneYet;
    if (size == -2) return fail(lost(kCopyOp));
    if (size == -1) {
      CROSSFADE_TRY(finish(kCopyOp, "COPY", deadline()));
      return CopyNext::kEnd;
    }
    copy_row.reset(raw);
    *message = {raw, static_cast<size_t>(size)};
    return CopyNext::kMessage;
  }

  struct LongWait {
    Deadline next_look;
    bool owes_nothing = false;  // so it seemed at the last look
  };

  [[nodiscard]] LongWait begin_long_wait() const {
    return {Deadline::after(another ? another->look_after : statement_timeout)};
  }

  // Twice, as an answer may be on its way.
  Status look(LongWait& waiting, const std::string& op, bool in_commit) {
    ConnectOptions options = *another;
    options.look_after = std::chrono::milliseconds(0);
    options.statement_timeout = options.connect_timeout;
    if (stop_ignored) options.stop = nullptr;
    auto other = Connection::open(std::move(options));
    const bool owes_nothing = [&] {
      if (!other) return false;
      const auto seen = look_at_session(other.value(), *id);
      return seen && seen.value() == SessionSeen::kOwesNothing;
    }();
    if (!owes_nothing || !waiting.owes_nothing) {
      waiting = begin_long_wait();
      waiting.owes_nothing = owes_nothing;
      if (owes_nothing) {
        waiting.next_look = waiting.next_look.sooner(Deadline::after(limits::kAnswerPatience));
      }
      return ok();
    }
    (void)end_idle_session(other.value(), *id);
    conn.reset();
    Error error = other_half_error(op, safe);
    if (in_commit) error.remedy = Remedy::kResolveInDoubt;
    return fail(std::move(error));
  }

  void cancel() const {
    // Whoever waits for the end of all calls does not wait for this.
    const bool in_haste = end_of_calls && end_of_calls->expired();
    if (conn) request_cancel(conn.get(), in_haste ? std::chrono::milliseconds(0) : kCancelWait);
  }

  // What a server or network that goes looks like from here.
  void fault(const char* point) const {
    if (fault_fails(point) && conn) ::shutdown(PQsocket(conn.get()), SHUT_RDWR);
  }

  [[nodiscard]] Deadline deadline() const {
    const auto by_timeout = Deadline::after(statement_timeout);
    if (!end_of_calls) return by_timeout;
    return by_timeout.sooner(
        end_of_calls->remaining() > kShortAnswer ? *end_of_calls : Deadline::after(kShortAnswer));
  }

  static Result<Connection> shake_hands(const ConnectOptions& options, Deadline deadline);
  static Status refuse_lent_session(Connection& connection, const ConnectOptions& options,
                                    Deadline deadline);

  // From PostgreSQL 18 on a publication that is not there is no error of the decoder's: it warns
  // and sends nothing of what was published.
  static void note_left_out(void* of, const PGresult* notice) {
    auto* const impl = static_cast<Impl*>(of);
    const char* const state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
    if (impl->left_out || state == nullptr || kNotInPrerequisiteState != state) return;
    impl->left_out = make_error(notice, impl->conn.get(), kCopyOp, impl->safe);
  }
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

// Up to where statements can be sent; the statement timeout is what the deadline leaves.
Result<Connection> Connection::Impl::shake_hands(const ConnectOptions& options, Deadline deadline) {
  auto impl = std::make_unique<Impl>();
  if (options.look_after.count() > 0) impl->another = options;
  const ConnectionParams& params = options.params;
  impl->safe = params.safe();
  if (fault_fails("target.connect")) {
    return fail(make_connection_error("no answer (fault)", "target.connect", impl->safe, false));
  }
  impl->statement_timeout = options.statement_timeout;
  impl->stop = options.stop;
  // Without a value it is as if it were not there; what stands before dbname gives way to what the
  // URL says. Linux would ask after two hours whether a server is still there.
  const char* const keywords[] = {"keepalives_idle",
                                  "keepalives_interval",
                                  "keepalives_count",
                                  "dbname",
                                  "fallback_application_name",
                                  "replication",
                                  nullptr};
  const char* const values[] = {"30",
                                "10",
                                "3",
                                params.secret().c_str(),
                                options.application_name.c_str(),
                                options.replication ? "database" : nullptr,
                                nullptr};
  impl->conn.reset(PQconnectStartParams(keywords, values, /*expand_dbname=*/1));
  if (!impl->conn || PQstatus(impl->conn.get()) == CONNECTION_BAD) {
    return fail(make_connect_error(impl->conn.get(), impl->safe, false));
  }
  ask_for_sqlstate(impl->conn.get());
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    const Wait w = impl->wait(state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
    if (w == Wait::kStopped) return fail(stopped_error("target.connect"));
    if (w == Wait::kTimeout) {
      Error error = timeout_error("target.connect", impl->safe, options.connect_timeout);
      error.native = "the target is not reachable: " + error.native;
      return fail(std::move(error));
    }
    const bool in_tls =
        PQstatus(impl->conn.get()) == CONNECTION_SSL_STARTUP && has_answered(impl->conn.get());
    state = PQconnectPoll(impl->conn.get());
    if (state == PGRES_POLLING_FAILED) {
      return fail(make_connect_error(impl->conn.get(), impl->safe, in_tls));
    }
  }
  PQsetErrorVerbosity(impl->conn.get(), PQERRORS_DEFAULT);
  PQsetnonblocking(impl->conn.get(), 1);
  // Warnings go nowhere: what matters comes back as an error.
  PQsetNoticeProcessor(
      impl->conn.get(), [](void*, const char*) {}, nullptr);
  if (options.replication) PQsetNoticeReceiver(impl->conn.get(), Impl::note_left_out, impl.get());
  if (PQserverVersion(impl->conn.get()) < limits::kPgVersionMin) {
    return fail(make_too_old_error(PQserverVersion(impl->conn.get()), impl->safe));
  }
  // A server that hangs right after the handshake is as good as unreachable.
  impl->statement_timeout = deadline.remaining();
  return Connection(std::move(impl));
}

// Before anything is set in the session, which may be the application's next.
Status Connection::Impl::refuse_lent_session(Connection& connection, const ConnectOptions& options,
                                             Deadline deadline) {
  CROSSFADE_TRY(const std::string process, own_process(connection));
  if (process == fmt::format("{}", PQbackendPID(connection.impl_->conn.get()))) return ok();
  CROSSFADE_TRY(auto second, shake_hands(options, deadline));
  const auto lent = are_lent(connection, second);
  const bool by_statement =
      !lent && lent.error().native.find("statement pooling mode") != std::string::npos;
  if (!lent && !connection.alive() && !by_statement) return fail(lent.error());
  // Where there is one session only, the second waits in vain for as long as the first has it.
  if (!lent || lent.value()) return fail(make_lent_error(connection.safe_name()));
  return ok();
}

Result<Connection> Connection::open(ConnectOptions options) {
  const ConnectOptions wanted = std::move(options);
  const Deadline deadline = Deadline::after(wanted.connect_timeout);
  CROSSFADE_TRY(auto connection, Impl::shake_hands(wanted, deadline));
  if (!wanted.replication) {
    CROSSFADE_TRY(Impl::refuse_lent_session(connection, wanted, deadline));
  }
  CROSSFADE_TRY(connection.exec(kSessionSettings));
  if (connection.impl_->another) {
    auto id = session_id(connection);
    if (!id && !connection.alive()) return fail(std::move(id).error());
    if (id) connection.impl_->id = std::move(id).value();
  }
  connection.set_statement_timeout(wanted.statement_timeout);
  return connection;
}

Result<QueryResult> Connection::exec(const std::string& sql) {
  const std::string op = "target.exec";
  if (!alive()) {
    CROSSFADE_TRY(impl_->gone(op));
  }
  impl_->fault("target.exec.send");
  if (PQsendQuery(impl_->conn.get(), sql.c_str()) == 0) return fail(impl_->lost(op));
  const Deadline deadline = impl_->deadline();
  CROSSFADE_TRY(impl_->flush(op, deadline));
  impl_->fault("target.exec.sent");
  return impl_->finish(op, sql.substr(0, 200), deadline);
}

Result<QueryResult> Connection::query(const std::string& sql, const std::vector<Param>& params,
                                      Format format) {
  const std::string op = "target.query";
  if (!alive()) {
    CROSSFADE_TRY(impl_->gone(op));
  }
  impl_->fault("target.query.send");
  CROSSFADE_TRY(impl_->send_params(sql, params, format, op));
  const Deadline deadline = impl_->deadline();
  CROSSFADE_TRY(impl_->flush(op, deadline));
  impl_->fault("target.query.sent");
  return impl_->finish(op, sql.substr(0, 200), deadline);
}

Status Connection::commit() {
  const std::string op = "target.commit";
  if (!alive()) return impl_->gone(op);
  impl_->fault("target.commit.send");
  if (PQsendQuery(impl_->conn.get(), "COMMIT") == 0) return fail(impl_->lost(op, true));
  const Deadline deadline = impl_->deadline();
  CROSSFADE_TRY(impl_->flush(op, deadline, true));
  impl_->fault("target.commit.sent");
  CROSSFADE_TRY(impl_->finish(op, "COMMIT", deadline, true));
  return ok();
}

void Connection::rollback() {
  if (!alive() || !in_transaction()) return;
  if (auto result = exec("ROLLBACK"); !result) impl_->conn.reset();
}

Status Connection::copy_in_begin(const std::string& sql) {
  CROSSFADE_TRY(auto result, exec(sql));
  CROSSFADE_ASSERT(result.columns() >= 0, "COPY returned no result");
  return ok();
}

Status Connection::copy_in_put(std::string_view bytes) {
  const std::string op = kCopyOp;
  if (!alive()) return impl_->gone(op);
  impl_->fault("target.copy.put");
  // libpq's buffer doubles; pieces keep it near one piece instead of near the whole.
  constexpr size_t kPiece = 256 * 1024;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kPiece);
    // 0: not queued, because the buffer could not grow.
    if (PQputCopyData(impl_->conn.get(), piece.data(), static_cast<int>(piece.size())) <= 0) {
      return fail(impl_->lost(op));
    }
    // Of each piece: a long row that comes on slowly is no server that does not answer.
    CROSSFADE_TRY(impl_->flush(op, impl_->deadline()));
    bytes.remove_prefix(piece.size());
  }
  return ok();
}

Result<int64_t> Connection::copy_in_end() {
  const std::string op = kCopyOp;
  if (!alive()) {
    CROSSFADE_TRY(impl_->gone(op));
  }
  if (PQputCopyEnd(impl_->conn.get(), nullptr) <= 0) return fail(impl_->lost(op));
  const Deadline deadline = impl_->deadline();
  CROSSFADE_TRY(impl_->flush(op, deadline));
  impl_->fault("target.copy.sent");
  CROSSFADE_TRY(auto result, impl_->finish(op, "COPY", deadline));
  return result.affected();
}

void Connection::copy_in_abort() {
  if (!alive()) return;
  PQputCopyEnd(impl_->conn.get(), "given up by crossfade");
  const Deadline deadline = impl_->deadline();
  if (!impl_->flush(kCopyOp, deadline)) return;
  // The error is ours: the server repeats it, and nobody needs to hear it.
  (void)impl_->finish(kCopyOp, "COPY", deadline);
}

Status Connection::copy_out_begin(const std::string& sql) {
  CROSSFADE_TRY(exec(sql));
  return ok();
}

Result<bool> Connection::copy_out_next(std::string_view* message) {
  while (true) {
    CROSSFADE_TRY(const CopyNext next, impl_->copy_next(message));
    if (next != CopyNext::kNoneYet) return next == CopyNext::kMessage;
    // The clock is asked only where there is something to wait for: this runs once per row.
    const Wait w = impl_->wait(POLLIN, impl_->deadline());
    if (w != Wait::kReady) {
      CROSSFADE_TRY(impl_->not_ready(w, kCopyOp, false));
    }
  }
}

Result<CopyNext> Connection::copy_out_next(std::string_view* message, Deadline deadline) {
  while (true) {
    CROSSFADE_TRY(const CopyNext next, impl_->copy_next(message));
    if (next != CopyNext::kNoneYet) return next;
    const Wait w = impl_->wait(POLLIN, deadline);
    if (w == Wait::kTimeout) return next;
    if (w == Wait::kStopped) {
      CROSSFADE_TRY(impl_->not_ready(w, kCopyOp, false));
    }
  }
}

Result<std::vector<int64_t>> Connection::pipeline(const std::vector<PipelineStep>& steps) {
  const std::string op = "target.pipeline";
  if (!alive()) {
    CROSSFADE_TRY(impl_->gone(op));
  }
  PGconn* conn = impl_->conn.get();
  impl_->fault("target.pipeline.send");
  if (PQenterPipelineMode(conn) == 0) return fail(impl_->lost(op));
  for (const PipelineStep& step : steps) {
    if (auto sent = impl_->send_params(step.sql, step.params, Format::kText, step.op); !sent) {
      impl_->conn.reset();  // the steps before it may be on their way: nothing may follow them
      return fail(std::move(sent).error());
    }
  }
  if (PQpipelineSync(conn) == 0) return fail(impl_->lost(op));
  const bool has_commit = !steps.empty() && steps.back().is_commit;
  const Deadline deadline = impl_->deadline();
  CROSSFADE_TRY(impl_->flush(op, deadline, has_commit));
  impl_->fault("target.pipeline.sent");
  std::vector<int64_t> affected;
  std::optional<Error> error;
  for (const PipelineStep& step : steps) {
    while (true) {
      CROSSFADE_TRY(ResultPtr result, impl_->next_result(step.op, deadline, has_commit));
      if (!result) break;
      const ExecStatusType status = PQresultStatus(result.get());
      if (status == PGRES_FATAL_ERROR) {
        if (!error) error = make_error(result.get(), conn, step.op, step.sql.substr(0, 200));
      } else if (status != PGRES_PIPELINE_ABORTED) {
        affected.push_back(QueryResult(result.release()).affected());
      }
    }
    if (PQstatus(conn) == CONNECTION_BAD) return fail(impl_->lost(step.op, has_commit));
  }
  CROSSFADE_TRY(ResultPtr sync, impl_->next_result(op, deadline, has_commit));
  if (!sync || PQstatus(conn) == CONNECTION_BAD) return fail(impl_->lost(op, has_commit));
  PQexitPipelineMode(conn);
  if (error) return fail(std::move(*error));
  return affected;
}

void Connection::cancel() {
  impl_->cancel();
}

bool Connection::alive() const {
  return impl_ && impl_->conn && PQstatus(impl_->conn.get()) == CONNECTION_OK;
}

bool Connection::in_transaction() const {
  return alive() && PQtransactionStatus(impl_->conn.get()) != PQTRANS_IDLE;
}

int Connection::server_version() const {
  return PQserverVersion(impl_->conn.get());
}
const std::string& Connection::safe_name() const {
  return impl_->safe;
}

void Connection::set_statement_timeout(std::chrono::milliseconds timeout) {
  impl_->statement_timeout = timeout;
}

std::chrono::milliseconds Connection::statement_timeout() const {
  return impl_->statement_timeout;
}

void Connection::set_end_of_calls(std::optional<Deadline> end) {
  impl_->end_of_calls = end;
}

Deadline::Clock::time_point Connection::last_heard() const {
  return impl_->heard;
}

void Connection::ignore_stop(bool ignore) {
  impl_->stop_ignored = ignore;
}

}  // namespace crossfade::postgres
