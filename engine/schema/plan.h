// The plan of a move: for each table its columns' PostgreSQL types with the evidence for them, the
// DDL, and the findings.
//
// Types follow what is stored first and what is declared second. The plan reads; it never writes.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/stop.h"
#include "engine/schema/catalog.h"
#include "engine/schema/finding.h"
#include "engine/schema/naming.h"
#include "engine/schema/target_schema.h"
#include "engine/schema/view_plan.h"

namespace crossfade::schema {

struct Rules;

struct StorageCounts {
  int64_t null = 0;
  int64_t integer = 0;
  int64_t real = 0;
  int64_t text = 0;
  int64_t blob = 0;
};

[[nodiscard]] inline bool has_values(const StorageCounts& storage) {
  return storage.integer + storage.real + storage.text + storage.blob > 0;
}

struct TablePlan {
  Table table;
  std::vector<StorageCounts> storage;  // beside table.columns
  int64_t rows = 0;
};

struct Plan {
  std::vector<TablePlan> tables;  // by name
  std::vector<ViewPlan> views;    // each after those it reads
  std::vector<Finding> findings;  // blockers first, then by table
  std::vector<std::string> ddl;   // everything, in the order it is run, each statement without ';'

  [[nodiscard]] bool blocked() const;
};

struct PlanOptions {
  std::string target_schema = "public";
  StopSource* stop = nullptr;  // may be null; a scan of a large table ends early with kInterrupted
  bool has_pgvector = false;   // the target has the extension
  std::string trgm_schema;     // where the target has pg_trgm; empty: it has not
  // Table and column: gets the plain type of its storage classes, whatever form the values have.
  std::set<std::pair<std::string, std::string>> plain_columns;
  Naming naming = Naming::kExact;  // of views; the catalog's tables have their names
  const Rules* rules = nullptr;    // may be null; apply_rules() made the catalog
  // The tables on the target that are to be loaded into; null: tables are made there.
  const TargetSchema* adopt = nullptr;
};

// Plans every table of the catalog. Scans all stored values, in short read transactions.
Result<Plan> make_plan(sqlite::Connection& connection, const Catalog& catalog,
                       const PlanOptions& options);

// Plans one table anew, for a table that appeared, changed or was rebuilt while following.
// Findings about it are appended to `findings`.
Result<TablePlan> plan_table(sqlite::Connection& connection, const Catalog& catalog,
                             const std::string& table, const PlanOptions& options,
                             std::vector<Finding>* findings);

}  // namespace crossfade::schema
