#include "capture/session_silence.h"

#include <algorithm>

#include "capture/names.h"
#include "engine/core/limits.h"

namespace crossfade::capture {
namespace {

constexpr const char* kSilencer = "_crossfade_recorder";
constexpr const char* kSilentFunction = "crossfade_recorded";

// RAISE(IGNORE) passes over one INSERT into the log and goes on in the trigger that made it.
std::string silencer_sql() {
  std::string values;
  for (size_t i = 0; i < limits::kLogValuesPerRow; ++i) values += ",NEW.c" + std::to_string(i);
  return std::string("CREATE TEMP TRIGGER ") + kSilencer + " BEFORE INSERT ON main." + kLogTable +
         " WHEN " + kSilentFunction + "(NEW.tbl,NEW.op" + values +
         ") BEGIN SELECT RAISE(IGNORE); END";
}

bool is_op(int64_t op, LogOp which) {
  return op == static_cast<int64_t>(which);
}

// A row whose key holds NULL is passed over by the session, so its trigger speaks.
bool has_null_key(const SessionTable& table, int64_t op, int count, sqlite3_value** values) {
  if (!is_op(op, LogOp::kInsert) && !is_op(op, LogOp::kUpdate)) return false;
  const size_t first = is_op(op, LogOp::kUpdate) ? table.image.size() : 0;
  return std::any_of(table.nullable_image.begin(), table.nullable_image.end(), [&](size_t part) {
    const size_t at = first + part;
    return at >= static_cast<size_t>(count) || sqlite3_value_type(values[at]) == SQLITE_NULL;
  });
}

}  // namespace

struct SessionSilence::Shared {
  struct Covered {
    SessionTable table;
    bool silenced = false;
  };
  sqlite3* db = nullptr;
  bool on = false;
  bool through = false;
  std::vector<Covered> tables;

  // For one row on its way into the log: the number of its table, its op, its values.
  bool passes_over(int count, sqlite3_value** values) {
    if (!on || through || sqlite3_get_autocommit(db) != 0 || count < 2) return false;
    const int64_t id = sqlite3_value_int64(values[0]);
    const int64_t op = sqlite3_value_int64(values[1]);
    const auto found = std::find_if(tables.begin(), tables.end(),
                                    [&](const Covered& c) { return c.table.capture_id == id; });
    if (found == tables.end() || has_null_key(found->table, op, count - 2, values + 2)) {
      return false;
    }
    if (!is_op(op, LogOp::kRecheck)) found->silenced = true;
    return true;
  }

  static void answer(sqlite3_context* context, int count, sqlite3_value** values) {
    auto* self = static_cast<std::shared_ptr<Shared>*>(sqlite3_user_data(context));
    sqlite3_result_int(context, (*self)->passes_over(count, values) ? 1 : 0);
  }
  static void release(void* self) { delete static_cast<std::shared_ptr<Shared>*>(self); }
};

SessionSilence::SessionSilence(sqlite3* db) : db_(db), shared_(std::make_shared<Shared>()) {
  shared_->db = db;
}

SessionSilence::~SessionSilence() {
  shared_->on = false;
  there_.reset();
  // A transaction of the application's could bring the trigger back, and it needs its function.
  if (!installed_ || sqlite3_get_autocommit(db_) == 0) return;
  const std::string drop = std::string("DROP TRIGGER IF EXISTS temp.") + kSilencer;
  if (!run_sql(db_, drop.c_str()).ok()) return;
  sqlite3_create_function_v2(db_, kSilentFunction, -1, SQLITE_UTF8, nullptr, nullptr, nullptr,
                             nullptr, nullptr);
}

RecorderStatus SessionSilence::install() {
  PreparedStatement other;
  if (prepare_once(db_, std::string("SELECT ") + kSilentFunction + "()", &other).ok()) {
    return refused(RecorderCode::kMisuse, "the connection has, or had, another recorder");
  }
  const int rc = sqlite3_create_function_v2(
      db_, kSilentFunction, -1, SQLITE_UTF8 | SQLITE_INNOCUOUS,
      new std::shared_ptr<Shared>(shared_), &Shared::answer, nullptr, nullptr, &Shared::release);
  installed_ = rc == SQLITE_OK;
  return installed_ ? RecorderStatus{} : sqlite_refused(db_, rc, kSilentFunction);
}

RecorderStatus SessionSilence::has_trigger(bool* there) {
  int64_t count = 0;
  const std::string sql =
      std::string("SELECT count(*) FROM temp.sqlite_master WHERE name='") + kSilencer + "'";
  CROSSFADE_RECORDER_TRY(query_integer(db_, sql, &there_, &count));
  *there = count != 0;
  return {};
}

RecorderStatus SessionSilence::ensure_trigger() {
  bool there = false;
  CROSSFADE_RECORDER_TRY(has_trigger(&there));
  return there ? RecorderStatus{} : run_sql(db_, silencer_sql().c_str());
}

void SessionSilence::set_tables(const std::vector<SessionTable>& tables) {
  shared_->tables.clear();
  for (const SessionTable& table : tables) {
    if (table.by == CapturedBy::kSession) shared_->tables.push_back({table, false});
  }
}

void SessionSilence::start() {
  for (Shared::Covered& covered : shared_->tables) covered.silenced = false;
  shared_->on = true;
}

void SessionSilence::stop() {
  shared_->on = false;
}

bool SessionSilence::on() const {
  return shared_->on;
}

void SessionSilence::let_through(bool through) {
  shared_->through = through;
}

std::vector<int64_t> SessionSilence::silenced() const {
  std::vector<int64_t> out;
  for (const Shared::Covered& covered : shared_->tables) {
    if (covered.silenced) out.push_back(covered.table.capture_id);
  }
  return out;
}

}  // namespace crossfade::capture
