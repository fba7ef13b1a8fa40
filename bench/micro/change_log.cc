// The tail's inner loop: rows of the change log to changes. Of ten five are inserts, four updates,
// one a delete.
#include "capture/change_log.h"
#include "bench/micro/kernels.h"
#include "capture/log_reader.h"
#include "engine/schema/catalog.h"

namespace crossfade::bench {
namespace {

constexpr size_t kBytesMax = size_t{64} << 20;  // all in one part

struct Log {
  std::shared_ptr<Sample> sample;
  std::unique_ptr<capture::LogReader> reader;
  Lsn before;
};

}  // namespace

Kernel change_log_kernel() {
  auto log = std::make_shared<Log>();
  log->sample = make_sample();
  sqlite::Connection& source = log->sample->source;
  must(capture::ensure_identity(source));
  const schema::Catalog catalog = must(schema::read_catalog(source));
  const capture::Installed installed =
      must(capture::install(source, catalog.tables, {}, catalog.schema_version));
  capture::Shapes shapes;
  for (size_t i = 0; i < catalog.tables.size(); ++i) {
    shapes[installed.captured[i].id] = {std::make_shared<const Table>(catalog.tables[i]),
                                        installed.captured[i].base_lsn};
    log->before = installed.captured[i].base_lsn;
  }
  must(source.exec(
      "INSERT INTO segments SELECT id+1000, thought_id, title, content, kind, weight, created_at,"
      " embedding FROM segments WHERE id<=500;"
      "UPDATE segments SET title='another title', weight=0.5 WHERE id<=400;"
      "DELETE FROM segments WHERE id>400 AND id<=500"));
  log->reader = std::make_unique<capture::LogReader>(source, std::move(shapes));
  return {"change_log_decode", 1000, "change", true, [log] {
            must(log->reader->begin_snapshot());
            const ChangeBatch batch = must(log->reader->read(log->before, kBytesMax));
            log->reader->end_snapshot();
            if (batch.changes.size() != 1000 || !batch.closes_watermark) give_up("not the log");
          }};
}

}  // namespace crossfade::bench
