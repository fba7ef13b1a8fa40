#include "engine/schema/assessment_source.h"

#include <sys/stat.h>

#include "engine/schema/assessment_writes.h"
#include "engine/sqlite/connection.h"

namespace crossfade::schema {
namespace {

int64_t bytes_of(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 ? int64_t{st.st_size} : 0;
}

const char* auto_vacuum_name(int64_t value) {
  return value == 0 ? "none" : value == 1 ? "full" : "incremental";
}

}  // namespace

Result<DatabaseFacts> read_database_facts(sqlite::Connection& connection, const Catalog& catalog) {
  DatabaseFacts out;
  out.path = connection.path();
  out.file_bytes = bytes_of(out.path);
  out.wal_bytes = bytes_of(out.path + "-wal");
  out.journal_bytes = bytes_of(out.path + "-journal");
  CROSSFADE_TRY(out.page_bytes, connection.query_int("PRAGMA page_size"));
  CROSSFADE_TRY(out.pages, connection.query_int("PRAGMA page_count"));
  CROSSFADE_TRY(out.free_pages, connection.query_int("PRAGMA freelist_count"));
  CROSSFADE_TRY(out.journal_mode, connection.query_text("PRAGMA journal_mode"));
  CROSSFADE_TRY(const auto auto_vacuum, connection.query_int("PRAGMA auto_vacuum"));
  out.auto_vacuum = auto_vacuum_name(auto_vacuum);
  out.encoding = catalog.encoding;
  CROSSFADE_TRY(out.application_id, connection.query_int("PRAGMA application_id"));
  CROSSFADE_TRY(out.user_version, connection.query_int("PRAGMA user_version"));
  out.schema_version = catalog.schema_version;
  out.triggers = 0;
  for (const Trigger& trigger : catalog.triggers) {
    if (!trigger.name.starts_with("_crossfade_")) ++out.triggers;
  }
  out.views = static_cast<int64_t>(catalog.views.size());
  out.virtual_tables = catalog.virtual_tables;
  if (const auto index = read_wal_index(connection)) {
    out.wal_frames = index->frames;
    out.wal_frames_pending = index->frames - index->frames_written_back;
  }
  return out;
}

}  // namespace crossfade::schema
