#include "bench/load/capture_tables.h"

#include <string>
#include <vector>

#include "capture/change_log.h"
#include "engine/schema/catalog.h"
#include "engine/sqlite/connection.h"

namespace crossfade::bench {
namespace {

constexpr int kWideColumns = 40;
constexpr size_t kBlobBytes = 8192;
constexpr const char* kUsualText = "some text of a usual length, not long";

enum class Cell : uint8_t { kInteger, kReal, kText, kBlob };

// The columns behind the key; the first is the one that an update sets.
std::vector<Cell> cells_of(CaptureShape shape) {
  switch (shape) {
    case CaptureShape::kNarrow:
      return {Cell::kText, Cell::kInteger, Cell::kReal};
    case CaptureShape::kWide: {
      std::vector<Cell> out;
      for (int i = 0; i < kWideColumns; ++i) out.push_back(static_cast<Cell>(i % 3));
      return out;
    }
    case CaptureShape::kBlobs:
      return {Cell::kText, Cell::kBlob};
  }
  return {};
}

const char* declared(Cell cell) {
  constexpr const char* kTypes[] = {"INTEGER", "REAL", "TEXT", "BLOB"};
  return kTypes[static_cast<size_t>(cell)];
}

std::string column(size_t i) {
  return "c" + std::to_string(i);
}

std::string schema_sql(CaptureShape shape) {
  std::string sql = "CREATE TABLE t(id INTEGER PRIMARY KEY";
  const std::vector<Cell> cells = cells_of(shape);
  for (size_t i = 0; i < cells.size(); ++i) {
    sql += ", " + column(i) + " " + declared(cells[i]);
  }
  return sql + "); CREATE INDEX t_c0 ON t(c0)";
}

std::string json_image(CaptureShape shape, const std::string& row) {
  std::string sql = "json_object('id'," + row + ".id";
  const std::vector<Cell> cells = cells_of(shape);
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string value = row + "." + column(i);
    // JSON holds no bytes.
    sql += ",'" + column(i) + "'," + (cells[i] == Cell::kBlob ? "hex(" + value + ")" : value);
  }
  return sql + ")";
}

std::string least_triggers() {
  std::string sql = "CREATE TABLE least(id INTEGER PRIMARY KEY, n);";
  for (const char* event : {"INSERT", "UPDATE", "DELETE"}) {
    sql += std::string("CREATE TRIGGER t_") + event + " AFTER " + event +
           " ON t BEGIN INSERT INTO least(n) VALUES(1); END;";
  }
  return sql;
}

// As tools write them that keep an audit table of row images.
std::string json_triggers(CaptureShape shape) {
  const std::string after = json_image(shape, "NEW");
  const std::string before = json_image(shape, "OLD");
  const std::string log = "INSERT INTO audit(tbl,op,old,new) VALUES('t',";
  return "CREATE TABLE audit(id INTEGER PRIMARY KEY, tbl TEXT, op TEXT, old TEXT, new TEXT);"
         "CREATE TRIGGER t_i AFTER INSERT ON t BEGIN " +
         log + "'I',NULL," + after + "); END;" + "CREATE TRIGGER t_u AFTER UPDATE ON t BEGIN " +
         log + "'U'," + before + "," + after + "); END;" +
         "CREATE TRIGGER t_d AFTER DELETE ON t BEGIN " + log + "'D'," + before + ",NULL); END";
}

std::string insert_sql(CaptureShape shape) {
  std::string sql = "INSERT INTO t VALUES(?";
  for (size_t i = 0; i < cells_of(shape).size(); ++i) sql += ",?";
  return sql + ")";
}

void install_capture(const std::string& path) {
  auto opened = sqlite::Connection::open({.path = path, .access = sqlite::Access::kReadWrite});
  if (!opened) give_up(describe(opened.error()));
  sqlite::Connection& source = opened.value();
  if (auto known = capture::ensure_identity(source); !known) give_up(describe(known.error()));
  const auto catalog = schema::read_catalog(source);
  if (!catalog) give_up(describe(catalog.error()));
  const auto installed =
      capture::install(source, catalog.value().tables, {}, catalog.value().schema_version);
  if (!installed) give_up(describe(installed.error()));
}

const std::string& blob_bytes() {
  static const std::string bytes = [] {
    std::string out;
    for (size_t i = 0; i < kBlobBytes; ++i) out += static_cast<char>(i * 131 >> 3);
    return out;
  }();
  return bytes;
}

}  // namespace

const char* to_string(CaptureMode mode) {
  constexpr const char* kNames[] = {"none", "triggers", "least triggers", "json triggers",
                                    "session"};
  return kNames[static_cast<size_t>(mode)];
}

const char* to_string(CaptureShape shape) {
  constexpr const char* kNames[] = {"narrow", "wide", "blobs"};
  return kNames[static_cast<size_t>(shape)];
}

const char* to_string(CaptureOp op) {
  constexpr const char* kNames[] = {"insert", "update", "delete", "mixed"};
  return kNames[static_cast<size_t>(op)];
}

void step(sqlite3_stmt* statement) {
  if (sqlite3_step(statement) != SQLITE_DONE) {
    give_up(sqlite3_errmsg(sqlite3_db_handle(statement)));
  }
  sqlite3_reset(statement);
}

void make_capture_database(const std::string& path, CaptureShape shape, CaptureMode mode,
                           int64_t rows) {
  {
    const SqliteHandle db = open_sqlite(path);
    execute(db.get(), "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF");
    execute(db.get(), schema_sql(shape));
    CaptureWrites writes(db.get(), shape, 0);
    execute(db.get(), "BEGIN");
    for (int64_t i = 0; i < rows; ++i) writes.next(CaptureOp::kInsert);
    execute(db.get(), "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    if (mode == CaptureMode::kLeast) execute(db.get(), least_triggers());
    if (mode == CaptureMode::kJson) execute(db.get(), json_triggers(shape));
  }
  if (mode == CaptureMode::kTriggers || mode == CaptureMode::kSession) install_capture(path);
}

CaptureWrites::CaptureWrites(sqlite3* db, CaptureShape shape, int64_t rows)
    : shape_(shape),
      insert_(prepare(db, insert_sql(shape))),
      update_(prepare(db, "UPDATE t SET c0=? WHERE id=?")),
      remove_(prepare(db, "DELETE FROM t WHERE id=?")),
      newest_(rows) {}

bool CaptureWrites::has(CaptureOp op, int64_t rows) const {
  return op != CaptureOp::kDelete || newest_ - oldest_ > rows;
}

void CaptureWrites::next(CaptureOp op) {
  const int64_t turn = turn_++ % 10;
  switch (op) {
    case CaptureOp::kInsert:
      return insert();
    case CaptureOp::kUpdate:
      return update();
    case CaptureOp::kDelete:
      return remove();
    case CaptureOp::kMixed:
      if (turn < 5) return insert();
      if (turn < 9) return update();
      return remove();
  }
}

void CaptureWrites::insert() {
  sqlite3_stmt* s = insert_.get();
  sqlite3_bind_int64(s, 1, ++newest_);
  int at = 2;
  for (const Cell cell : cells_of(shape_)) {
    switch (cell) {
      case Cell::kInteger:
        sqlite3_bind_int64(s, at, newest_ * 7);
        break;
      case Cell::kReal:
        sqlite3_bind_double(s, at, static_cast<double>(newest_) / 8);
        break;
      case Cell::kText:
        sqlite3_bind_text(s, at, kUsualText, -1, SQLITE_STATIC);
        break;
      case Cell::kBlob:
        sqlite3_bind_blob(s, at, blob_bytes().data(), static_cast<int>(kBlobBytes), SQLITE_STATIC);
        break;
    }
    ++at;
  }
  step(s);
}

void CaptureWrites::update() {
  sqlite3_stmt* s = update_.get();
  sqlite3_bind_int64(s, 1, turn_);
  sqlite3_bind_int64(s, 2, oldest_ + 1 + turn_ * 7919 % (newest_ - oldest_));
  step(s);
}

void CaptureWrites::remove() {
  sqlite3_bind_int64(remove_.get(), 1, ++oldest_);
  step(remove_.get());
}

}  // namespace crossfade::bench
