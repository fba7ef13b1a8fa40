// Promise: whatever rows stand in the change log, the reader gives changes of the table's width or
// says that the log was tampered with; and it comes to an end. So does undo.
//
// Input: the size of a part, then rows: table and op, a byte that says whether a position is left
// out and how many values follow, the values.
#include <fmt/format.h>

#include <memory>

#include "capture/change_log.h"
#include "capture/log_reader.h"
#include "capture/undo.h"
#include "engine/schema/catalog.h"
#include "engine/sqlite/connection.h"
#include "tests/fuzz/input.h"

using namespace crossfade;

namespace {

constexpr int kRowsMax = 24;
constexpr size_t kValuesMax = 32;

template <typename T>
T must(Result<T> result) {
  if (!result) fuzz::require(false, "the database is set up", describe(result.error()));
  return std::move(result).value();
}

struct Source {
  Source()
      : connection(must(
            sqlite::Connection::open({.path = ":memory:", .access = sqlite::Access::kCreate}))) {
    exec(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b UNIQUE);"
        "CREATE TABLE w(k TEXT, n INTEGER, v, PRIMARY KEY(k, n)) WITHOUT ROWID;"
        "INSERT INTO t VALUES (1, 'a', 2), (2, NULL, 3); INSERT INTO w VALUES ('k', 1, 1.5)");
    must(capture::ensure_identity(connection));
    const schema::Catalog catalog = must(schema::read_catalog(connection));
    const auto installed =
        must(capture::install(connection, catalog.tables, {}, catalog.schema_version));
    for (size_t i = 0; i < catalog.tables.size(); ++i) {
      const capture::Captured& captured = installed.captured[i];
      shapes[captured.id] = {std::make_shared<const Table>(catalog.tables[i]), captured.base_lsn};
      ids.push_back(captured.id);
    }
  }
  void exec(const std::string& sql) {
    const Status done = connection.exec(sql);
    if (!done) fuzz::require(false, "the database is set up", describe(done.error()));
  }

  sqlite::Connection connection;
  capture::Shapes shapes;
  std::vector<CaptureId> ids;
};

void fill(Source* source, fuzz::Input* input) {
  source->exec("DELETE FROM _crossfade_log");
  int64_t lsn = 0;
  for (int row = 0; row < kRowsMax && !input->done(); ++row) {
    const uint8_t head = input->byte();
    const uint8_t shape = input->byte();
    lsn += (shape & 0x80U) != 0 ? 2 : 1;
    const size_t which = head % (source->ids.size() + 1);
    std::string sql = fmt::format(
        "INSERT INTO _crossfade_log VALUES ({},{},{}", lsn,
        which < source->ids.size() ? static_cast<int64_t>(source->ids[which].value) : 99,
        static_cast<int>(head / 4 % 7));
    const size_t count = shape % (kValuesMax + 1);
    for (size_t i = 0; i < kValuesMax; ++i) {
      sql += i < count && !input->done()
                 ? "," + to_literal(input->value(input->byte(), 4), kValuesMax)
                 : ",NULL";
    }
    source->exec(sql + ")");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* source = new Source;  // for the life of the program
  fuzz::Input input(data, size);
  const size_t part_bytes = size_t{1} << (input.byte() % 16U);
  fill(source, &input);
  capture::LogReader reader(source->connection, source->shapes);
  const auto watermark = reader.begin_snapshot();
  fuzz::require(watermark.has_value(), "a snapshot can be opened");
  Lsn after;
  for (int part = 0;; ++part) {
    const auto batch = reader.read(after, part_bytes);
    if (!batch) break;
    for (const Change& change : batch.value().changes) {
      const size_t width = change.table->columns.size();
      const bool removes = change.op != ChangeOp::kInsert;
      const bool writes = change.op == ChangeOp::kInsert || change.op == ChangeOp::kUpdate;
      fuzz::require(
          (!removes || change.before.size() == width) && (!writes || change.after.size() == width),
          "images have the table's width");
    }
    if (batch.value().closes_watermark) break;
    fuzz::require(batch.value().through >= after && part < 1000, "parts come to an end");
    after = batch.value().through;
  }
  reader.end_snapshot();
  source->exec("BEGIN");
  (void)capture::undo_changes(source->connection, source->shapes, Lsn{0});
  source->exec("ROLLBACK");
  return 0;
}
