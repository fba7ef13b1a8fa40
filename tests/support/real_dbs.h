// Databases made by others, for tests. They are not part of the project: CROSSFADE_REAL_DBS names
// their folder (default: shared/data beside the source folder), and without it tests skip loudly.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace crossfade::testing {

// Those that tests know one by one: tests/golden and tests/queries have a file for each.
inline constexpr const char* kRealDbs[] = {
    "chinook",        "datasette_fixtures", "django_contrib",       "flux_rag",
    "memory_history", "northwind",          "pgloader_sqlite",      "ragtime_schema",
    "sakila_jooq",    "screen_memory",      "suite_without_rowid5", "thoughts"};

// The folder, or nothing.
[[nodiscard]] std::optional<std::string> real_dbs_folder();

// The names without ".db", sorted; empty when there is no folder.
[[nodiscard]] std::vector<std::string> real_db_names();

// The few, or all that are known where CROSSFADE_ALL_REAL_DBS is set: for tests that take long.
[[nodiscard]] std::vector<std::string> few_real_dbs(std::vector<std::string> few);

// Copies one database into `dir` with write permission; its path. Fails the test if it is not
// there.
[[nodiscard]] std::string copy_real_db(const std::string& name, const TempDir& dir);

}  // namespace crossfade::testing

// First line of a test that needs them.
#define CROSSFADE_NEEDS_REAL_DBS()              \
  if (!::crossfade::testing::real_dbs_folder()) \
  GTEST_SKIP() << "SKIPPED: no real databases (CROSSFADE_REAL_DBS names no folder with *.db)"
