#include "tests/support/fault_life.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include "tests/support/app_db.h"
#include "tests/support/history_checker.h"
#include "tests/support/oracle_sides.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kDied = 70;       // what a fault ends a process with
constexpr int kKilled = 137;    // SIGKILL
constexpr int kTriesMax = 120;  // of one command
constexpr seconds kCommandMax{60};
constexpr seconds kStepMax{90};
// So many processes of a life have faults; the rest goes through by itself.
constexpr int kFaultedMax = 60;

// The first cell; nothing when it could not be asked.
std::optional<std::string> ask(const std::string& url, const char* sql) {
  const oracle::PostgresDb connection(PQconnectdb((url + "&connect_timeout=5").c_str()));
  PGresult* const answer = PQexec(connection.get(), sql);
  std::optional<std::string> out;
  if (PQresultStatus(answer) == PGRES_TUPLES_OK && PQntuples(answer) == 1) {
    out = PQgetvalue(answer, 0, 0);
  }
  PQclear(answer);
  return out;
}

// What a command may end with when something failed under it; then it is given again.
bool may_be_repeated(int code) {
  constexpr int kStoppedEarly = 143;  // SIGTERM before it listens to it
  constexpr int kPassing[] = {5, 6, 7, 8, 9, kDied, kKilled, kStoppedEarly};
  return std::find(std::begin(kPassing), std::end(kPassing), code) != std::end(kPassing);
}

}  // namespace

void FaultTrace::read(const std::string& path) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string kind;
    PointInPhase where;
    std::string action;
    words >> kind >> where.first >> where.second >> action;
    passed.insert(where);
    if (kind == "fails" || kind == "moves") can_fail.insert(where);
    if (kind == "moves") moves_bytes.insert(where);
    if (kind != "fired") continue;
    if (action == "die") deaths.push_back(where);
    if (action == "error") failed_at.insert(where);
    ++fired[action.substr(0, action.find('='))];
  }
}

void FaultTrace::add(const FaultTrace& other) {
  passed.insert(other.passed.begin(), other.passed.end());
  can_fail.insert(other.can_fail.begin(), other.can_fail.end());
  moves_bytes.insert(other.moves_bytes.begin(), other.moves_bytes.end());
  deaths.insert(deaths.end(), other.deaths.begin(), other.deaths.end());
  failed_at.insert(other.failed_at.begin(), other.failed_at.end());
  for (const auto& [action, n] : other.fired) fired[action] += n;
}

int FaultTrace::fired_in_all() const {
  int out = 0;
  for (const auto& [action, n] : fired) out += n;
  return out;
}

FaultLife::FaultLife(std::string url, FaultLifeOptions options)
    : url_(std::move(url)), options_(std::move(options)), db_(dir_.file("app.db")) {}

FaultLife::~FaultLife() = default;

std::string FaultLife::run() {
  make_bank(db_);
  {
    BankClients clients({db_, url_, db_ + ".crossfade/route", options_.seed, 2, options_.pace},
                        &recorder_);
    (void)live();
  }
  stop_engine();
  if (problems_.empty() && !command("finish")) problem("finish did not come to its end");
  return judge();
}

bool FaultLife::live() {
  if (!wait_for_phase("following")) return false;
  if (!options_.engine_beside) stop_engine();
  if (!command("verify")) return false;
  for (int turn = 0; turn < options_.turns; ++turn) {
    if (!command("cutover") || !wait_for_writes(Side::kPostgres)) return false;
    if (!options_.engine_beside) stop_engine();
    if (!command("rollback") || !wait_for_writes(Side::kSqlite)) return false;
    if (!options_.engine_beside) stop_engine();
  }
  return command("cutover") && wait_for_writes(Side::kPostgres);
}

Process::Options FaultLife::prepared(std::vector<std::string> arguments) {
  const std::string verb = arguments.front();
  Process::Options options = crossfade_command(std::move(arguments));
  options.env_removed = {"DATABASE_URL", "CROSSFADE_TARGET"};
  options.env = options_.env;
  options.env["CROSSFADE_FAULT_TRACE"] = dir_.file("trace");
  ++processes_;
  if (options_.faults && faulted_ < kFaultedMax) {
    FaultTrace so_far;
    so_far.read(dir_.file("trace"));
    const std::string spec = options_.faults(verb, so_far);
    if (!spec.empty()) {
      ++faulted_;
      options.env["CROSSFADE_FAULT"] = spec;
    }
  }
  return options;
}

void FaultLife::note_end(const std::string& verb, int code, const std::string& err) {
  deaths_.push_back(fmt::format("{}: {}", verb, code));
  // A state folder that cannot be read or written has no exit code of its own.
  bool of_folder = false;
  for (const char* what :
       {"route.read:", "route.write:", "state.read:", "state.write:", "backup:"}) {
    of_folder |= code == 1 && err.find(std::string("crossfade: ") + what) != std::string::npos;
  }
  // Nor has a command whose engine died while it was asked.
  const bool unanswered = code == 1 && err.find("crossfade: control.ask:") != std::string::npos;
  if (code == 0 || may_be_repeated(code) || of_folder || unanswered) return;
  problem(fmt::format("`{}` ended with {}:\n{}", verb, code,
                      err.substr(err.size() > 4'000 ? err.size() - 4'000 : 0)));
}

// What it says is read when it has ended: before, its last words may not be there.
void FaultLife::note_engines_end(std::chrono::milliseconds within) {
  const int code = engine_->wait(within).value_or(-1);
  note_end("run", code, engine_->err());
}

void FaultLife::keep_engine() {
  if (engine_ && engine_->running()) {
    if (options_.torment) options_.torment(engine_->pid(), db_, url_);
    return;
  }
  if (engine_) note_engines_end(seconds(1));
  const std::string& engine_url = options_.engine_url.empty() ? url_ : options_.engine_url;
  engine_ = std::make_unique<Process>(prepared({"run", db_, "--target", engine_url}));
}

void FaultLife::stop_engine() {
  if (!engine_) return;
  engine_->signal(SIGTERM);
  note_engines_end(seconds(20));
  engine_.reset();
}

// True once it has ended with 0.
bool FaultLife::command(const std::string& verb) {
  for (int i = 0; i < kTriesMax && problems_.empty(); ++i) {
    if (options_.engine_beside && verb != "finish") keep_engine();
    std::vector<std::string> arguments = {verb, db_};
    if (verb == "cutover" || verb == "rollback")
      arguments.insert(arguments.end(), {"--max-pause", "5000"});
    if (verb == "cutover" && options_.outbox) {
      arguments.insert(arguments.end(), {"--way-back", "outbox"});
    }
    Process process(prepared(std::move(arguments)));
    const Deadline deadline = Deadline::after(kCommandMax * patience());
    while (process.running() && !deadline.expired()) {
      const bool beside = engine_ && engine_->running();
      if (options_.torment) options_.torment(beside ? engine_->pid() : process.pid(), db_, url_);
      (void)process.wait(milliseconds(30));
    }
    const int code = process.wait(milliseconds(1)).value_or(-1);
    note_end(verb, code, process.err());
    if (code == 0) return true;
  }
  if (problems_.empty()) problem(fmt::format("`{}` did not succeed in {} tries", verb, kTriesMax));
  return false;
}

bool FaultLife::until(const std::string& what, const std::function<bool()>& reached) {
  const Deadline deadline = Deadline::after(kStepMax * patience());
  while (problems_.empty() && !reached()) {
    if (deadline.expired()) problem("waited in vain for " + what);
    keep_engine();
    (void)wait_until([] { return false; }, milliseconds(30), milliseconds(30));
  }
  return problems_.empty();
}

bool FaultLife::wait_for_phase(const std::string& phase) {
  return until("phase " + phase, [&] {
    const auto there = ask(url_, "SELECT to_regclass('crossfade.progress') IS NOT NULL");
    return there == "t" && ask(url_, "SELECT phase FROM crossfade.progress") == phase;
  });
}

bool FaultLife::wait_for_writes(Side side) {
  const int64_t wanted = recorder_.acknowledged(side) + options_.writes_per_turn;
  return until("writes", [&] { return recorder_.acknowledged(side) >= wanted; });
}

void FaultLife::check_nothing_is_left() {
  const auto schema = ask(url_, "SELECT count(*) FROM pg_namespace WHERE nspname='crossfade'");
  const auto slots = ask(url_,
                         "SELECT count(*) FROM pg_replication_slots WHERE "
                         "database=current_database()");
  const auto triggers =
      ask(url_, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '\\_crossfade%'");
  const std::string source = AppDb(db_).value(
      "SELECT count(*) FROM sqlite_master WHERE name LIKE '\\_crossfade%' ESCAPE '\\'");
  if (schema != "0" || slots != "0" || triggers != "0" || source != "0") {
    problem(fmt::format("finish left behind: schema {}, slots {}, triggers {}, on the source {}",
                        schema.value_or("?"), slots.value_or("?"), triggers.value_or("?"), source));
  }
}

std::string FaultLife::judge() {
  trace_.read(dir_.file("trace"));
  if (problems_.empty()) check_nothing_is_left();
  History history = recorder_.take();
  history.seed = options_.seed;
  history.balance = kBankBalance;
  operations_ = history.writes.size() + history.reads.size();
  const auto route = read_known_route(db_ + ".crossfade/route");
  auto last = route && route->primary == Side::kSqlite ? read_sqlite_bank(db_)
                                                       : read_postgres_bank(url_, false);
  if (!route || !last) {
    problem("the last state could not be read");
  } else {
    history.last_epoch = route->epoch;
    history.final_state = std::move(*last);
    if (problems_.empty() && route->epoch != 2 * options_.turns + 1) {
      problem(fmt::format("the route is at epoch {}", route->epoch));
    }
    if (const auto violations = check_history(history); !violations.empty()) {
      problem(describe(violations));
    }
  }
  if (problems_.empty()) return "";
  const char* folder = std::getenv("CROSSFADE_HISTORY_DIR");
  const std::string file = fmt::format("{}/crossfade-history-{}.jsonl",
                                       folder == nullptr ? "/tmp" : folder, options_.seed);
  write_history(file, history);
  std::string out = fmt::format(
      "seed {}: {}\nthe history is in {}; to judge it again: ", options_.seed, problems_, file);
  out += fmt::format("CROSSFADE_HISTORY={} fault_tests --gtest_filter='HistoryFile*'\n", file);
  for (const std::string& death : deaths_) out += "  " + death + "\n";
  out += "what was done to it:\n";
  std::ifstream trace(dir_.file("trace"));
  for (std::string line; std::getline(trace, line);) {
    if (line.starts_with("fired")) out += "  " + line + "\n";
  }
  return out;
}

void FaultLife::problem(std::string what) {
  problems_ += (problems_.empty() ? "" : "\n") + std::move(what);
}

}  // namespace crossfade::testing
