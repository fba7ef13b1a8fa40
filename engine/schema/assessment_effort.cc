#include "engine/schema/assessment_effort.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace crossfade::schema {
namespace {

struct Entry {
  std::string_view code;
  Effort effort;
  const char* reason;
};

constexpr const char* kRename = "a rename changes every statement that uses the name";
constexpr const char* kUpdate = "one UPDATE of the named rows";
constexpr const char* kOneStatement = "one statement on the target";
constexpr const char* kForms =
    "decide whether the odd values are mended or the column stays as it is";

constexpr Entry kEfforts[] = {
    // Blockers.
    {"text_nul", Effort::kMinutes, "one UPDATE of the named rows, or --quarantine"},
    {"rule_misfit", Effort::kMinutes,
     "another rule, one UPDATE of the named rows, or --quarantine"},
    {"text_invalid_utf8", Effort::kHours, "somebody has to find out what encoding the bytes are"},
    {"value_too_large", Effort::kHours, "the application has to store the value in another way"},
    {"key_too_long", Effort::kHours, "whatever refers to the key changes with it"},
    {"no_usable_key", Effort::kHours, kRename},
    {"too_many_columns", Effort::kHours, "the table and what uses it have to be split"},
    {"name_invalid", Effort::kHours, kRename},
    {"name_reserved", Effort::kHours, kRename},
    {"name_collision", Effort::kHours, kRename},
    {"target_dependents", Effort::kMinutes, "one statement before the move, and one after it"},
    {"fts_only_copy", Effort::kMinutes, "one statement, or one rule"},
    // Warnings about stored values.
    {"mixed_storage", Effort::kMinutes, "accept jsonb, or one UPDATE per column"},
    {"null_in_primary_key", Effort::kMinutes, kUpdate},
    {"null_in_not_null", Effort::kMinutes, kUpdate},
    {"boolean_beyond_0_1", Effort::kMinutes, kUpdate},
    {"boolean_words", Effort::kMinutes, kForms},
    {"dates_invalid", Effort::kMinutes, kForms},
    {"dates_mixed", Effort::kMinutes, kForms},
    {"json_invalid", Effort::kMinutes, kForms},
    {"json_duplicate_keys", Effort::kMinutes, kForms},
    {"json_nul_escape", Effort::kMinutes, kForms},
    {"uuid_mixed", Effort::kMinutes, kForms},
    {"decimal_beyond_declared", Effort::kMinutes, kForms},
    {"foreign_key_orphans", Effort::kHours,
     "each orphan is either deleted or gets its parent back"},
    // Warnings about the schema.
    {"default_not_carried", Effort::kMinutes, kOneStatement},
    {"check_not_carried", Effort::kMinutes, kOneStatement},
    {"conflict_clause_not_carried", Effort::kHours, "the application's INSERTs have to say it"},
    {"collation_differs", Effort::kHours, "queries that compare or sort the column are reviewed"},
    {"index_not_carried", Effort::kMinutes, kOneStatement},
    {"foreign_key_not_carried", Effort::kMinutes, "one statement, once the columns allow it"},
    {"trigger_not_carried", Effort::kHours, "it is rewritten in PL/pgSQL and tested"},
    {"generated_as_plain", Effort::kMinutes, "the application or a trigger fills it in the end"},
    {"view_differs", Effort::kMinutes, "what the view shows is compared"},
    {"view_not_carried", Effort::kMinutes, "its query is rewritten"},
    {"virtual_table", Effort::kHours, "somebody has to find out what it holds"},
    {"full_text_rewritten", Effort::kHours, "the search queries of the application change"},
    {"full_text_not_carried", Effort::kHours, "the search queries of the application change"},
    {"rtree_not_moved", Effort::kHours, "the spatial queries of the application change"},
    {"spatial_as_bytes", Effort::kHours, "the geometries are converted once"},
    // About the target.
    {"target_unreachable", Effort::kMinutes, "an address, a password or a firewall rule"},
    {"no_way_back", Effort::kMinutes, "a setting of the server or a right of the role"},
    {"target_not_utf8", Effort::kMinutes, "a new, empty database"},
    {"target_may_not_create", Effort::kMinutes, "one GRANT"},
    {"table_not_on_target", Effort::kMinutes, "one migration, or one rule"},
    {"column_not_on_target", Effort::kMinutes, "one migration, or one rule"},
    {"target_column_required", Effort::kMinutes, kOneStatement},
    {"target_column_generated", Effort::kMinutes, "one rule"},
    {"target_type_unsupported", Effort::kMinutes, kOneStatement},
    {"target_type_not_as_ruled", Effort::kMinutes, "another rule"},
    {"target_misfit", Effort::kMinutes,
     "another type on the target, one UPDATE of the named rows, or --quarantine"},
    {"target_key_differs", Effort::kMinutes, kOneStatement},
    {"target_not_empty", Effort::kMinutes, "one TRUNCATE"},
    {"target_not_a_table", Effort::kMinutes, "one rule"},
    {"target_referrers", Effort::kMinutes, "a few statements, or another role"},
    {"target_not_owned", Effort::kMinutes, "one GRANT, or another role"},
    {"target_row_security", Effort::kMinutes, kOneStatement},
    {"target_triggers", Effort::kMinutes, "another role, or one statement per trigger"},
    {"target_disk_short", Effort::kHours, "somebody has to provide disk"},
    // Nothing has to be done.
    {"extension_lacking", Effort::kNone, "the move does without it"},
    {"enumeration", Effort::kNone, "the texts are carried"},
    {"name_shortened", Effort::kMinutes, "queries that name it are changed"},
    {"utf16_source", Effort::kNone, "it is read as UTF-8"},
    {"full_text_differs", Effort::kNone, "searches find nearly the same rows"},
    {"trigger_covered", Effort::kNone, "PostgreSQL keeps the column current"},
    {"longer_than_declared", Effort::kNone, "the values are carried whole"},
    {"foreign_key_unindexed", Effort::kNone, "it is as fast as in SQLite"},
    {"epoch_numbers", Effort::kNone, "the numbers are carried"},
    {"float_array", Effort::kNone, "the values are carried"},
    {"sqlite_jsonb", Effort::kNone, "the bytes are carried"},
};

}  // namespace

EffortEstimate effort_of(const Finding& finding) {
  const auto* const entry =
      std::find_if(std::begin(kEfforts), std::end(kEfforts),
                   [&finding](const Entry& each) { return each.code == finding.code; });
  // Some codes are a note where nothing was declared, and a warning where it was.
  const bool note = finding.severity == Severity::kInfo;
  if (entry != std::end(kEfforts) && (!note || entry->effort == Effort::kNone)) {
    return {entry->effort, entry->reason};
  }
  switch (finding.severity) {
    case Severity::kInfo:
      return {Effort::kNone, "nothing has to be done"};
    case Severity::kWarning:
      return {Effort::kMinutes, "one decision"};
    case Severity::kBlocker:
      break;
  }
  return {Effort::kHours, "it has to be understood and decided first"};
}

EffortTotals effort_totals(const Plan& plan) {
  EffortTotals totals;
  for (const Finding& finding : plan.findings) {
    switch (effort_of(finding).effort) {
      case Effort::kNone:
        ++totals.none;
        break;
      case Effort::kMinutes:
        ++totals.minutes;
        break;
      case Effort::kHours:
        ++totals.hours;
        break;
    }
  }
  return totals;
}

const char* to_string(Effort effort) {
  switch (effort) {
    case Effort::kNone:
      return "none";
    case Effort::kMinutes:
      return "minutes";
    case Effort::kHours:
      return "hours";
  }
  return "none";
}

}  // namespace crossfade::schema
