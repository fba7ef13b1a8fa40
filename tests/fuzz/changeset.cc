// Promise: whatever bytes are given for a changeset, the recorder's log writer refuses them or
// writes entries that the reader takes for changes; it reads and writes nowhere else.
//
// Input: a byte; 0: the rest is the changeset. Else it chooses one that SQLite made, and the rest
// says which of its bytes become what.
#include <sqlite3.h>

#include <memory>
#include <vector>

#include "capture/change_log.h"
#include "capture/log_reader.h"
#include "capture/session_log.h"
#include "engine/schema/catalog.h"
#include "engine/sqlite/connection.h"
#include "tests/fuzz/input.h"

using namespace crossfade;

namespace {

constexpr size_t kPatchesMax = 16;
constexpr size_t kHeaderBytes = 8;  // T, 4, the key's flags, t and its end

template <typename T>
T must_have(Result<T> result) {
  if (!result) fuzz::require(false, "the database is set up", describe(result.error()));
  return std::move(result).value();
}

class Source {
 public:
  Source()
      : connection_(must_have(
            sqlite::Connection::open({.path = ":memory:", .access = sqlite::Access::kCreate}))) {
    run("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, r REAL, b BLOB);"
        "CREATE TABLE w(k TEXT NOT NULL, n INTEGER NOT NULL, v TEXT, PRIMARY KEY(k, n))"
        " WITHOUT ROWID;"
        "INSERT INTO t VALUES (1,'a',1.5,x'00'),(2,'b',NULL,NULL); INSERT INTO w VALUES "
        "('k',7,'v')");
    changesets_.push_back(
        changeset_of("INSERT INTO t VALUES (9,'text',2.5,x'00ff'),(8,'',0,NULL)"));
    changesets_.push_back(changeset_of("UPDATE t SET a='c', r=7"));
    changesets_.push_back(changeset_of("DELETE FROM t"));
    must_have(capture::ensure_identity(connection_));
    const schema::Catalog catalog = must_have(schema::read_catalog(connection_));
    const auto installed =
        must_have(capture::install(connection_, catalog.tables, {}, catalog.schema_version));
    for (size_t i = 0; i < catalog.tables.size(); ++i) {
      const capture::Captured& captured = installed.captured[i];
      shapes_[captured.id] = {std::make_shared<const Table>(catalog.tables[i]), captured.base_lsn};
    }
    run("BEGIN");
    fuzz::require(capture::read_session_tables(connection_.handle(), &tables_).ok(),
                  "the tables are read");
    run("COMMIT");
  }

  void take(std::string bytes) {
    run("BEGIN IMMEDIATE; DELETE FROM _crossfade_log");
    uint64_t count = 0;
    {
      capture::SessionLog log(connection_.handle());
      // A copy of the very size, so that a byte read beyond it is noticed.
      std::vector<char> exact(bytes.begin(), bytes.end());
      const auto done = log.append_changeset(exact.data(), static_cast<int>(exact.size()),
                                             tables_.tables, &count);
      if (!done.ok()) {
        run("ROLLBACK");
        return;
      }
    }
    run("COMMIT");
    capture::LogReader reader(connection_, shapes_);
    must_have(reader.begin_snapshot());
    const auto batch = must_have(reader.read(Lsn{}, size_t{1} << 30U));
    fuzz::require(batch.changes.size() == count, "each change is one entry");
    for (const Change& change : batch.changes) {
      fuzz::require(change.before.size() + change.after.size() >= change.table->columns.size(),
                    "images have the table's width");
    }
  }
  [[nodiscard]] const std::vector<std::string>& changesets() const { return changesets_; }

 private:
  void run(const std::string& sql) {
    const Status done = connection_.exec(sql);
    if (!done) fuzz::require(false, "the database is set up", describe(done.error()));
  }

  std::string changeset_of(const std::string& sql) {
    sqlite3_session* session = nullptr;
    sqlite3session_create(connection_.handle(), "main", &session);
    sqlite3session_attach(session, nullptr);
    run("BEGIN; " + sql);
    int size = 0;
    void* bytes = nullptr;
    const int rc = sqlite3session_changeset(session, &size, &bytes);
    fuzz::require(rc == SQLITE_OK && size > 0, "SQLite makes a changeset");
    std::string out(static_cast<const char*>(bytes), static_cast<size_t>(size));
    sqlite3_free(bytes);
    sqlite3session_delete(session);
    run("ROLLBACK");
    return out;
  }

  sqlite::Connection connection_;
  capture::Shapes shapes_;
  capture::SessionTables tables_;
  std::vector<std::string> changesets_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* source = new Source;  // for the life of the program
  fuzz::Input input(data, size);
  const std::vector<std::string>& made = source->changesets();
  std::string bytes = made[input.byte() % made.size()];
  for (size_t i = 0; i < kPatchesMax && !input.done(); ++i) {
    const size_t at = kHeaderBytes + input.byte() % (bytes.size() - kHeaderBytes);
    bytes[at] = static_cast<char>(input.byte());
  }
  source->take(std::move(bytes));
  return 0;
}
