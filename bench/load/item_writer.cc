#include "bench/load/item_writer.h"

#include <cstring>
#include <string_view>

#include "bench/load/sides.h"
#include "tools/client/crossfade_client.h"

namespace crossfade::bench {
namespace {

constexpr const char* kName = "sixteen letters.";

class SqliteWriter final : public ItemWriter {
 public:
  explicit SqliteWriter(const std::string& path)
      : db_(open_sqlite(path)),
        insert_(prepare(db_.get(), "INSERT INTO items(id,ref,name,amount) VALUES(?,?,?,?)")) {}

  Written write(int64_t key) override {
    sqlite3_stmt* insert = insert_.get();
    sqlite3_bind_int64(insert, 1, key);
    sqlite3_bind_int64(insert, 2, key % 1000);
    sqlite3_bind_text(insert, 3, kName, -1, SQLITE_STATIC);
    sqlite3_bind_double(insert, 4, 0.5);
    const int rc = sqlite3_step(insert);
    const std::string message = sqlite3_errmsg(db_.get());
    sqlite3_reset(insert);
    if (rc == SQLITE_DONE) return Written::kDone;
    if (crossfade_is_moved_error(message.c_str()) != 0) return Written::kMoved;
    const int kind = rc & 0xff;
    // SQLITE_CONSTRAINT: the fence of the moment, before it is known whether the primary changes.
    if (kind == SQLITE_BUSY || kind == SQLITE_CONSTRAINT) return Written::kAgain;
    give_up("write on SQLite: " + message);
  }

 private:
  const SqliteHandle db_;
  const SqliteStatement insert_;
};

class PostgresWriter final : public ItemWriter {
 public:
  explicit PostgresWriter(const std::string& url) : connection_(open_postgres(url)) {
    const PostgresResult prepared(PQprepare(
        connection_.get(), "w",
        "INSERT INTO items(id,ref,name,amount) VALUES($1::bigint,$1::bigint % 1000,$2,0.5)"
        " ON CONFLICT DO NOTHING",
        0, nullptr));
    if (PQresultStatus(prepared.get()) != PGRES_COMMAND_OK) {
      give_up(PQerrorMessage(connection_.get()));
    }
  }

  Written write(int64_t key) override {
    const std::string id = std::to_string(key);
    const char* values[] = {id.c_str(), kName};
    const PostgresResult result(
        PQexecPrepared(connection_.get(), "w", 2, values, nullptr, nullptr, 0));
    if (PQresultStatus(result.get()) == PGRES_COMMAND_OK) return Written::kDone;
    const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
    const std::string_view code = state == nullptr ? "" : state;
    if (code == "25006") return Written::kMoved;
    if (code == "55P03" || code == "40P01" || code == "57014") return Written::kAgain;
    give_up(std::string("write on PostgreSQL: ") + PQerrorMessage(connection_.get()));
  }

 private:
  const PostgresHandle connection_;
};

}  // namespace

std::unique_ptr<ItemWriter> sqlite_writer(const std::string& path) {
  return std::make_unique<SqliteWriter>(path);
}

std::unique_ptr<ItemWriter> postgres_writer(const std::string& url) {
  return std::make_unique<PostgresWriter>(url);
}

}  // namespace crossfade::bench
