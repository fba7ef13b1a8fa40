#include "engine/run/damage.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "engine/core/limits.h"
#include "engine/observe/log.h"

namespace crossfade::run {
namespace {

Error look_error(const std::string& path, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kSource;
  error.op = "source.open";
  error.object = path;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

// What quick_check says of rows that break their own table's CHECK, NOT NULL or STRICT types; they
// are carried (docs/findings.md). It looks at the file's structure first, and has no code for
// either: the texts are SQLite's pragma.c.
bool is_about_rows(std::string_view message) {
  constexpr std::string_view kCheck = "CHECK constraint failed in ";
  constexpr std::string_view kValue = " value in ";  // NULL value in, non-INT value in, ...
  const size_t word_end = std::min(message.find(' '), message.size());
  return message.substr(0, kCheck.size()) == kCheck ||
         message.substr(word_end, kValue.size()) == kValue;
}

// A page that the disk did not give says nothing of what is in it. The text is btree.c's, its code
// an extended one.
bool is_unread(std::string_view message) {
  constexpr std::string_view kUnread = "unable to get the page. error code=";
  const size_t at = message.find(kUnread);
  if (at == std::string_view::npos) return false;
  int code = 0;
  const char* const digits = message.data() + at + kUnread.size();
  std::from_chars(digits, message.data() + message.size(), code);
  return (code & 0xff) == SQLITE_IOERR;
}

enum class Look : uint8_t { kWhenOpened, kBeside, kInBackup };

Result<Look> how_to_look(sqlite::Connection& connection) {
  CROSSFADE_TRY(const int64_t pages, connection.query_int("PRAGMA page_count"));
  CROSSFADE_TRY(const int64_t page_size, connection.query_int("PRAGMA page_size"));
  if (pages * page_size <= limits::kLockedLookBytesMax) return Look::kWhenOpened;
  CROSSFADE_TRY(const auto mode, connection.query_text("PRAGMA journal_mode"));
  return mode == "wal" ? Look::kBeside : Look::kInBackup;
}

Status look_through(sqlite::Connection& connection) {
  CROSSFADE_TRY(const auto damage, find_damage(connection));
  if (damage.empty()) return ok();
  return fail(damaged_source(connection.path(), "damaged: " + damage));
}

}  // namespace

Error damaged_source(const std::string& path, std::string native) {
  return look_error(path, std::move(native),
                    "restore a backup or use `sqlite3 FILE .recover`, then run again");
}

Result<std::string> find_damage(sqlite::Connection& connection) {
  CROSSFADE_TRY(auto check, connection.query_text("PRAGMA quick_check(1)"));
  if (is_unread(check)) {
    return fail(look_error(connection.path(), fmt::format("not read: {}", check),
                           "the disk did not answer as it should: look at the system's log, then "
                           "run the command again"));
  }
  if (check == "ok" || is_about_rows(check)) check.clear();
  return check;
}

Status refuse_damaged(sqlite::Connection& connection) {
  CROSSFADE_TRY(const Look how, how_to_look(connection));
  return how == Look::kWhenOpened ? look_through(connection) : ok();
}

Result<std::unique_ptr<DamageCheck>> DamageCheck::begin(SourceFile& source) {
  CROSSFADE_TRY(const Look how, how_to_look(source.connection()));
  if (how == Look::kInBackup) {
    log::info(source.path() +
              ": not looked through for damage, since its application could not write meanwhile; "
              "the backup is, if one is made");
  }
  if (how != Look::kBeside) return std::unique_ptr<DamageCheck>();
  CROSSFADE_TRY(auto connection, source.connect(limits::kSourceBusyTimeout));
  return std::unique_ptr<DamageCheck>(new DamageCheck(std::move(connection)));
}

DamageCheck::DamageCheck(sqlite::Connection connection)
    : connection_(std::move(connection)),
      thread_([this] { result_ = look_through(connection_); }) {}

DamageCheck::~DamageCheck() {
  if (!thread_.joinable()) return;
  sqlite3_interrupt(connection_.handle());
  thread_.join();
}

Status DamageCheck::result() {
  if (thread_.joinable()) thread_.join();
  return result_;
}

}  // namespace crossfade::run
