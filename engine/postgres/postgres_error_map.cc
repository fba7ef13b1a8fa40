#include "engine/postgres/postgres_error_map.h"

#include <fmt/core.h>
#include <libpq-fe.h>

#include <string_view>
#include <utility>

namespace crossfade::postgres {
namespace {

std::string field(const pg_result* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string() : std::string(text);
}

Remedy remedy_for(std::string_view state) {
  const std::string_view cls = state.substr(0, 2);
  if (state == kSqlstateFenced) return Remedy::kFenced;
  if (cls == "08" || cls == "57") return state == "57014" ? Remedy::kRetry : Remedy::kReconnect;
  if (cls == "40" || state == "55P03" || state == "53300") return Remedy::kRetry;
  // Data that the target's type or a limit of its storage refuses: one row's problem.
  if (cls == "22" || cls == "23" || cls == "54") return Remedy::kQuarantine;
  return Remedy::kStop;
}

std::string hint_for(std::string_view state) {
  if (state == "42501") {
    return "the role lacks a right; grant it CREATE on the database and on the schema, or use the "
           "owner";
  }
  if (state == "28P01" || state == "28000") {
    return "check user and password (PGPASSWORD, ~/.pgpass or the URL) and the server's "
           "pg_hba.conf";
  }
  if (state == "3D000") return "create the database first: createdb NAME";
  if (state == "53100") {
    return "the target's disk is full. What was committed there stays, and nothing is lost: make "
           "room on the server's disk, and run again";
  }
  if (state == "53200") {
    return "the server has no memory left for this, or no locks (\"out of shared memory\"): raise "
           "its max_locks_per_transaction, restart it, and run again. What was committed there "
           "stays";
  }
  if (state == "53300") return "the server has no free connection; raise max_connections";
  return {};
}

}  // namespace

Error make_error(const pg_result* result, const pg_conn* connection, std::string op,
                 std::string object) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = std::move(op);
  error.object = std::move(object);
  error.sqlstate = field(result, PG_DIAG_SQLSTATE);
  if (error.sqlstate.empty()) {
    return make_connection_error(connection == nullptr ? "" : PQerrorMessage(connection), error.op,
                                 error.object, false);
  }
  error.remedy = remedy_for(error.sqlstate);
  if (error.remedy == Remedy::kFenced) error.code = ErrorCode::kFenced;
  error.native =
      fmt::format("SQLSTATE {}: {}", error.sqlstate, field(result, PG_DIAG_MESSAGE_PRIMARY));
  if (const std::string detail = field(result, PG_DIAG_MESSAGE_DETAIL); !detail.empty()) {
    error.native += fmt::format(" ({})", detail);
  }
  error.hint = hint_for(error.sqlstate);
  return error;
}

Error make_connection_error(std::string message, std::string op, std::string object,
                            bool in_commit) {
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.pop_back();
  Error error;
  error.code = ErrorCode::kTargetUnreachable;
  error.remedy = in_commit ? Remedy::kResolveInDoubt : Remedy::kReconnect;
  error.op = std::move(op);
  error.object = std::move(object);
  error.native = message.empty() ? "the connection was lost" : std::move(message);
  error.hint =
      "check that the server runs and can be reached; nothing is lost, run the command "
      "again";
  return error;
}

}  // namespace crossfade::postgres
