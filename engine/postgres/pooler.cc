#include "engine/postgres/pooler.h"

#include <array>

namespace crossfade::postgres {
namespace {

// Of a transaction that stays open.
Result<std::string> process_of_transaction(Connection& connection) {
  CROSSFADE_TRY(connection.exec("BEGIN"));
  return own_process(connection);
}

}  // namespace

Result<std::string> own_process(Connection& connection) {
  CROSSFADE_TRY(const auto pid, connection.exec("SELECT pg_catalog.pg_backend_pid()"));
  return pid.text(0, 0);
}

// A pooler lends the session that came back last, or the one that came back first: whichever of the
// two begins after both have ended, in one of these orders it meets the other's.
Result<bool> are_lent(Connection& first, Connection& second) {
  const std::array<std::array<Connection*, 2>, 3> orders = {
      {{&first, &second}, {&first, &second}, {&second, &first}}};
  std::string of_first;
  std::string of_second;
  bool moved = false;
  for (const auto& order : orders) {
    for (Connection* each : order) {
      CROSSFADE_TRY(auto process, process_of_transaction(*each));
      std::string& before = each == &first ? of_first : of_second;
      moved = moved || (!before.empty() && before != process);
      before = std::move(process);
    }
    CROSSFADE_TRY(first.exec("COMMIT"));
    CROSSFADE_TRY(second.exec("COMMIT"));
  }
  return moved;
}

Error make_lent_error(const std::string& safe) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.remedy = Remedy::kStop;
  error.op = "target.connect";
  error.object = safe;
  error.native =
      "a connection pooler stands between that lends sessions of the server, one transaction at a "
      "time: locks and settings do not last there, and would be left to others";
  error.hint =
      "give the server's own address with --target, or a pool in session mode. The application may "
      "go on through its pooler";
  return error;
}

}  // namespace crossfade::postgres
