// What `inspect` measures and concludes beside the plan: a grade, the effort, sizes, write rate,
// how long a copy may take, and what the target offers.
//
// Plain data. Everything in it was read, never written; what is an estimate says on what it rests.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/schema/plan.h"

namespace crossfade::schema {

enum class Grade : uint8_t {
  kReady,               // nothing needs a decision
  kReadyWithDecisions,  // there are warnings
  kBlocked,             // there are blockers: `run` refuses
};

// The database as a whole: its header, its files, its catalog.
struct DatabaseFacts {
  std::string path;
  int64_t file_bytes = 0;
  int64_t wal_bytes = 0;      // of the -wal file
  int64_t journal_bytes = 0;  // of the rollback journal; left behind by a crash if nobody writes
  int64_t page_bytes = 0;
  int64_t pages = 0;
  int64_t free_pages = 0;
  int64_t wal_frames = 0;          // pages in the -wal file
  int64_t wal_frames_pending = 0;  // of them, not yet written back into the file
  std::string journal_mode;
  std::string auto_vacuum;  // "none", "full", "incremental"
  std::string encoding;
  int64_t application_id = 0;
  int64_t user_version = 0;
  int64_t schema_version = 0;
  int64_t triggers = 0;  // the application's
  int64_t views = 0;
  std::vector<VirtualTable> virtual_tables;
};

struct TableSize {
  int64_t table_bytes = 0;
  int64_t index_bytes = 0;
  bool measured = false;  // else estimated
};

struct Sizes {
  std::vector<TableSize> tables;  // beside Plan::tables
  int64_t other_bytes = 0;        // shadow tables of virtual tables, SQLite's own, crossfade's log
  std::string basis;              // one sentence
};

struct WriteRate {
  bool known = false;
  bool at_least = false;  // `commits` is only known to be at least this
  int64_t commits = 0;
  double seconds = 0;
  std::string basis;  // how it was seen, or why not

  [[nodiscard]] double commits_per_s() const { return seconds > 0 ? double(commits) / seconds : 0; }
};

struct CopyEstimate {
  double scan_seconds = 0;   // of the evidence pass that was just made
  double copy_seconds = 0;   // copy, indexes and constraints
  double total_seconds = 0;  // the same and the first verification
  int64_t target_bytes = 0;  // disk needed on the target
  std::string basis;
  std::string target_bytes_basis;
};

struct Extension {
  std::string installed;  // version; empty: not in this database
  std::string available;  // version the server could install; empty: none
  std::string schema;     // that it is in; empty: not in this database
};

struct TargetFacts {
  std::string origin;  // "given", "remembered", or "none"
  std::string url;     // without password; empty: none
  bool reachable = false;
  std::string problem;  // why not, for a person
  std::string server_version;
  std::string encoding;
  std::string wal_level;
  int64_t database_bytes = 0;
  int64_t max_wal_bytes = 0;
  bool may_create_schema = false;
  bool schema_exists = false;  // the one the tables go to
  bool may_create_tables = false;
  std::vector<std::string> no_way_back;         // what a slot would lack, each with its remedy
  bool outbox = false;                          // the way back would go by triggers then
  std::map<std::string, Extension> extensions;  // of those crossfade could use, by name
  std::optional<int64_t> disk_free_bytes;
  std::string disk_basis;  // where that was read, or why it is not known
};

struct Assessment {
  Grade grade = Grade::kReady;
  DatabaseFacts database;
  Sizes sizes;
  WriteRate writes;
  CopyEstimate copy;
  TargetFacts target;

  [[nodiscard]] int64_t table_bytes() const;
  [[nodiscard]] int64_t index_bytes() const;
};

struct PlanTotals {
  int64_t rows = 0;
  int64_t columns = 0;  // the source's
  int64_t indexes = 0;
  int64_t foreign_keys = 0;
};
[[nodiscard]] PlanTotals totals_of(const Plan& plan);
[[nodiscard]] int64_t count_findings(const Plan& plan, Severity severity);

[[nodiscard]] const char* to_string(Grade grade);  // "ready", "ready_with_decisions", "blocked"
[[nodiscard]] Grade grade_of(const Plan& plan);

// `max_wal_bytes` is the target's, or its default.
[[nodiscard]] CopyEstimate estimate_copy(const Plan& plan, const Sizes& sizes, double scan_seconds,
                                         int64_t max_wal_bytes);

}  // namespace crossfade::schema
