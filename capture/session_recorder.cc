#include "capture/session_recorder.h"

#include <algorithm>
#include <utility>

#include "capture/names.h"

namespace crossfade::capture {
namespace {

// The schema may move between looking and beginning; more often than this in a row, it is at work.
constexpr int kLooksMax = 20;
constexpr const char* kOpenAppend = "SAVEPOINT _crossfade_append";
constexpr const char* kUndoAppend = "ROLLBACK TO _crossfade_append;RELEASE _crossfade_append";

}  // namespace

void SessionRecorder::EndSession::operator()(sqlite3_session* session) const {
  sqlite3session_delete(session);
}

SessionRecorder::SessionRecorder(sqlite3* db, const RecorderHooks& hooks)
    : db_(db), hooks_(hooks), silence_(db), log_(db) {}

SessionRecorder::~SessionRecorder() {
  (void)rollback();
  end();
}

RecorderStatus SessionRecorder::attach(sqlite3* db, const RecorderHooks& hooks,
                                       std::unique_ptr<SessionRecorder>* out) {
  for (const char* option : {"ENABLE_SESSION", "ENABLE_PREUPDATE_HOOK"}) {
    if (sqlite3_compileoption_used(option) != 0) continue;
    return refused(RecorderCode::kUnsupported,
                   std::string("this SQLite was built without SQLITE_") + option);
  }
  if (sqlite3_get_autocommit(db) == 0) {
    return refused(RecorderCode::kMisuse,
                   "a transaction is open: attach the recorder before it or after it");
  }
  PreparedStatement encoding;
  int64_t utf8 = 0;
  CROSSFADE_RECORDER_TRY(
      query_integer(db, "SELECT encoding='UTF-8' FROM pragma_encoding", &encoding, &utf8));
  if (utf8 == 0) {
    return refused(RecorderCode::kUnsupported,
                   "the database's text is UTF-16, of which a session keeps a UTF-8 copy that may "
                   "differ; the triggers go on capturing it");
  }
  std::unique_ptr<SessionRecorder> made(new SessionRecorder(db, hooks));
  CROSSFADE_RECORDER_TRY(made->silence_.install());
  CROSSFADE_RECORDER_TRY(made->refresh());
  *out = std::move(made);
  return {};
}

RecorderStatus SessionRecorder::refresh() {
  if (sqlite3_get_autocommit(db_) == 0) {
    return refused(RecorderCode::kMisuse, "a transaction is open");
  }
  CROSSFADE_RECORDER_TRY(run_sql(db_, "BEGIN"));
  const auto read = read_tables();
  (void)run_sql(db_, "ROLLBACK");
  CROSSFADE_RECORDER_TRY(read);
  return tables_.has_log ? silence_.ensure_trigger() : RecorderStatus{};
}

RecorderStatus SessionRecorder::read_tables() {
  CROSSFADE_RECORDER_TRY(read_session_tables(db_, &tables_));
  log_.forget();
  newest_.reset();
  silence_.set_tables(tables_.tables);
  attached_.clear();
  PreparedStatement names;
  CROSSFADE_RECORDER_TRY(
      prepare_once(db_, "SELECT name FROM pragma_database_list WHERE seq>1", &names));
  while (sqlite3_step(names.get()) == SQLITE_ROW) {
    attached_.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(names.get(), 0)));
  }
  return {};
}

// Inside the transaction, so that it stays so.
RecorderStatus SessionRecorder::is_current(bool* current) {
  int64_t version = 0;
  CROSSFADE_RECORDER_TRY(query_integer(db_, "PRAGMA main.schema_version", &version_, &version));
  bool silencing = true;
  if (tables_.has_log) {
    // `PRAGMA temp_store` drops whatever is in TEMP.
    CROSSFADE_RECORDER_TRY(silence_.has_trigger(&silencing));
  }
  *current = version == tables_.schema_version && silencing;
  return {};
}

RecorderStatus SessionRecorder::begin_current() {
  for (int look = 0; look < kLooksMax; ++look) {
    CROSSFADE_RECORDER_TRY(run_sql(db_, "BEGIN IMMEDIATE"));
    bool current = false;
    const auto looked = is_current(&current);
    if (looked.ok() && current) return {};
    (void)run_sql(db_, "ROLLBACK");
    CROSSFADE_RECORDER_TRY(looked);
    CROSSFADE_RECORDER_TRY(refresh());
  }
  return refused(RecorderCode::kBusy, "the schema is being changed all the while");
}

RecorderStatus SessionRecorder::begin() {
  if (sqlite3_get_autocommit(db_) == 0) {
    return refused(RecorderCode::kMisuse,
                   recording()
                       ? "a recorded transaction is open already; use SAVEPOINT inside it"
                       : "a transaction is open that was not begun here; what it changes is "
                         "captured by the triggers");
  }
  end();
  CROSSFADE_RECORDER_TRY(begin_current());
  auto started = start_session();
  if (started.ok()) started = note_outside_rows();
  if (started.ok()) return {};
  end();
  (void)run_sql(db_, "ROLLBACK");
  return started;
}

RecorderStatus SessionRecorder::start_session() {
  sqlite3_session* raw = nullptr;
  int rc = sqlite3session_create(db_, "main", &raw);
  if (rc != SQLITE_OK) return sqlite_refused(db_, rc, "sqlite3session_create");
  session_.reset(raw);
  sqlite3session_table_filter(raw, &SessionRecorder::on_table, this);
  rc = sqlite3session_attach(raw, nullptr);
  if (rc != SQLITE_OK) return sqlite_refused(db_, rc, "sqlite3session_attach");
  touched_.clear();
  silence_.start();
  return take_hooks();
}

// SQLite tells what a hook's data was, and nothing of the hook itself.
RecorderStatus SessionRecorder::take_hooks() {
  const void* commit_data = sqlite3_commit_hook(db_, &SessionRecorder::on_commit, this);
  const void* rollback_data = sqlite3_rollback_hook(db_, &SessionRecorder::on_rollback, this);
  const bool known = (commit_data == nullptr || commit_data == hooks_.commit_data) &&
                     (rollback_data == nullptr || rollback_data == hooks_.rollback_data);
  if (known) return {};
  return refused(RecorderCode::kMisuse,
                 "the connection had a commit or rollback hook that the recorder was not told of, "
                 "and that is off now: give it to attach() and set it no more");
}

int SessionRecorder::on_commit(void* self) {
  auto* recorder = static_cast<SessionRecorder*>(self);
  // COMMIT by other means than commit() would lose what the triggers were silent about.
  if (!recorder->committing_ && recorder->recording() && recorder->has_changes()) return 1;
  const RecorderHooks& theirs = recorder->hooks_;
  return theirs.commit == nullptr ? 0 : theirs.commit(theirs.commit_data);
}

// Nothing may be done to the connection here: end() follows with the next call.
void SessionRecorder::on_rollback(void* self) {
  auto* recorder = static_cast<SessionRecorder*>(self);
  recorder->silence_.stop();
  if (recorder->session_) sqlite3session_enable(recorder->session_.get(), 0);
  const RecorderHooks& theirs = recorder->hooks_;
  if (theirs.rollback != nullptr) theirs.rollback(theirs.rollback_data);
}

int SessionRecorder::on_table(void* self, const char* table) {
  auto* recorder = static_cast<SessionRecorder*>(self);
  const std::vector<SessionTable>& tables = recorder->tables_.tables;
  for (size_t i = 0; i < tables.size(); ++i) {
    if (tables[i].by != CapturedBy::kSession || tables[i].name != table) continue;
    recorder->touched_.push_back(i);
    return 1;
  }
  return 0;
}

bool SessionRecorder::recording() const {
  return session_ != nullptr && silence_.on();
}

bool SessionRecorder::has_changes() const {
  return sqlite3session_isempty(session_.get()) == 0 || !silence_.silenced().empty();
}

RecorderStatus SessionRecorder::newest(int64_t* lsn) {
  *lsn = 0;
  if (!tables_.has_log) return {};
  return query_integer(db_, std::string("SELECT max(lsn) FROM main.") + kLogTable, &newest_, lsn);
}

RecorderStatus SessionRecorder::note_outside_rows() {
  int64_t lsn = 0;
  CROSSFADE_RECORDER_TRY(newest(&lsn));
  if (last_lsn_ >= 0 && lsn > last_lsn_) {
    counters_.outside_rows += static_cast<uint64_t>(lsn - last_lsn_);
  }
  last_lsn_ = lsn;
  return {};
}

RecorderStatus SessionRecorder::commit() {
  if (session_ == nullptr) {
    return refused(RecorderCode::kMisuse, "there is no recorded transaction: begin() opens one");
  }
  if (!recording() || sqlite3_get_autocommit(db_) != 0) {
    end();
    return refused(RecorderCode::kRolledBack,
                   "the transaction was ended before commit(): SQLite rolled it back for an error, "
                   "or a ROLLBACK or COMMIT was run beside the recorder");
  }
  const RecorderCounters before = counters_;
  const bool something = has_changes();
  if (something) {
    CROSSFADE_RECORDER_TRY(append());
  }
  int64_t lsn = 0;
  auto done = newest(&lsn);
  if (done.ok()) {
    committing_ = true;
    done = run_sql(db_, "COMMIT");
    committing_ = false;
  }
  if (!done.ok()) {
    counters_ = before;
    return undo_append(std::move(done), something);
  }
  last_lsn_ = lsn;
  if (counters_.changes != before.changes) ++counters_.transactions;
  end();
  return {};
}

RecorderStatus SessionRecorder::append() {
  const RecorderCounters before = counters_;
  const sqlite3_int64 rowid = sqlite3_last_insert_rowid(db_);
  CROSSFADE_RECORDER_TRY(run_sql(db_, kOpenAppend));
  silence_.let_through(true);
  auto written = append_or_give_up();
  silence_.let_through(false);
  sqlite3_set_last_insert_rowid(db_, rowid);
  if (written.ok()) return {};
  counters_ = before;
  return undo_append(std::move(written), true);
}

// The session has everything still, and a ROLLBACK TO of the application's may follow: the log must
// not hold what that takes back.
RecorderStatus SessionRecorder::undo_append(RecorderStatus why, bool appended) {
  if (sqlite3_get_autocommit(db_) == 0 && (!appended || run_sql(db_, kUndoAppend).ok())) {
    return why;
  }
  (void)rollback();
  end();
  why.code = RecorderCode::kRolledBack;
  return why;
}

// What the transaction wrote to tables that are as they were can be read from the session, whatever
// else it did to the schema. A session cannot be read once one of its tables has other columns.
RecorderStatus SessionRecorder::append_or_give_up() {
  bool current = false;
  CROSSFADE_RECORDER_TRY(is_current(&current));
  std::vector<int64_t> written = written_ids();
  bool readable = written.size() == touched_.size();
  if (!current) {
    SessionTables now;
    CROSSFADE_RECORDER_TRY(read_session_tables(db_, &now));
    log_.forget();
    readable = readable && std::all_of(touched_.begin(), touched_.end(), [&](size_t i) {
                 return std::find(now.tables.begin(), now.tables.end(), tables_.tables[i]) !=
                        now.tables.end();
               });
  }
  if (readable) {
    auto appended = log_.append(session_.get(), tables_.tables, &counters_.changes);
    if (appended.sqlite_code != SQLITE_SCHEMA || current) return appended;
  }
  return give_up(written);
}

// The captures of which the session has seen a change, or a trigger was silenced. More of the
// latter: a table was renamed within the transaction, and the session did not know it.
std::vector<int64_t> SessionRecorder::written_ids() const {
  std::vector<int64_t> out = silence_.silenced();
  for (const size_t i : touched_) out.push_back(tables_.tables[i].capture_id);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// Without its triggers, a table is captured and copied anew by the engine: that is what it does
// after a change of the schema, too.
RecorderStatus SessionRecorder::give_up(const std::vector<int64_t>& capture_ids) {
  for (const int64_t id : capture_ids) {
    PreparedStatement names;
    CROSSFADE_RECORDER_TRY(prepare_once(
        db_,
        std::string("SELECT name FROM main.sqlite_master WHERE type='trigger' AND name GLOB '") +
            kPrefix + std::to_string(id) + "_*'",
        &names));
    std::vector<std::string> triggers;
    while (sqlite3_step(names.get()) == SQLITE_ROW) {
      triggers.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(names.get(), 0)));
    }
    names.reset();
    for (const std::string& name : triggers) {
      CROSSFADE_RECORDER_TRY(run_sql(db_, ("DROP TRIGGER main." + name).c_str()));
    }
    ++counters_.tables_given_up;
  }
  return {};
}

RecorderStatus SessionRecorder::rollback() {
  const bool open = recording() && sqlite3_get_autocommit(db_) == 0;
  auto done = open ? run_sql(db_, "ROLLBACK") : RecorderStatus{};
  if (done.ok()) end();
  return done;
}

void SessionRecorder::end() {
  if (session_) {
    sqlite3_commit_hook(db_, hooks_.commit, hooks_.commit_data);
    sqlite3_rollback_hook(db_, hooks_.rollback, hooks_.rollback_data);
  }
  silence_.stop();
  session_.reset();
  touched_.clear();
}

}  // namespace crossfade::capture
