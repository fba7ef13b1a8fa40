// The rules: what an operator decided about tables and columns, from a TOML file (docs/rules.md).
//
// parse_rules() reads the text, check_rules() holds it against a catalog: each tells all that is
// wrong at once, a line per problem, "file:line: what". apply_rules() makes a catalog the one that
// is carried. Plain data; no threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/conflict.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/schema/catalog.h"
#include "engine/schema/naming.h"

namespace crossfade::schema {

struct ConflictRule {
  int64_t line = 0;
  ConflictPolicy policy = ConflictPolicy::kManual;
  std::string newest;  // the column's name, for kNewestWins
};

// `dual_text` below is for dual writes, and apart from `text`: a change of it copies no table anew.
struct ColumnRule {
  std::string column;
  int64_t line = 0;
  bool exclude = false;
  bool mask = false;  // by keyed hash; `type` is bigint or text then, or open
  std::optional<std::string> rename;
  std::optional<OnMisfit> on_misfit;
  std::optional<ColumnType> type;  // from type, format, form, zone, words, on_nul, on_invalid_utf8
  std::string text;                // the keys as TOML, one per line, sorted
  std::optional<ConflictRule> conflict;
  std::string dual_text;  // its key likewise
};

struct TableRule {
  std::string table;
  int64_t line = 0;
  bool exclude = false;
  std::optional<std::string> rename;
  std::optional<OnMisfit> on_misfit;
  std::vector<ColumnRule> columns;
  std::string text;  // the table's own keys, as above
  std::optional<ConflictRule> conflict;
  std::optional<std::string> owner_column;
  std::optional<std::vector<Value>> target_owns;  // texts and integers
  int64_t owner_line = 0;
  std::optional<bool> shared_ids;
  std::string dual_text;  // their keys likewise
};

struct Rules {
  std::string source;  // the whole file
  std::string file;    // its name, for messages
  std::optional<OnMisfit> on_misfit;
  std::optional<ConflictRule> conflict;
  std::vector<TableRule> tables;

  // By name as SQLite compares names; null: there is none.
  [[nodiscard]] const TableRule* find(std::string_view table) const;
  [[nodiscard]] const ColumnRule* find(std::string_view table, std::string_view column) const;
  [[nodiscard]] bool masks() const;
};

using Problems = std::vector<std::string>;

// Rules with problems are not to be used.
[[nodiscard]] Rules parse_rules(std::string text, std::string file, Problems* problems);

// `strict`: a name that the catalog has not got is a problem, rather than a rule for later. A rule
// that keeps data back (exclude, mask) must name something in any case: what it was about may only
// have been renamed.
void check_rules(const Rules& rules, const Catalog& catalog, bool strict, Problems* problems);

// Takes excluded tables and columns out, gives the target's names and Table::rules. kBlocked when
// check_rules() would now object to names: the source's schema moved on.
Status apply_rules(const Rules& rules, Catalog* catalog);

// The source's catalog as it is carried: named for the target, and the rules applied. `rules` may
// be null.
Result<Catalog> read_carried_catalog(sqlite::Connection& connection, Naming naming,
                                     const Rules* rules);

// "timestamptz from TEXT": how a type is written in a rule, "type = ..., form = ...".
[[nodiscard]] std::string rule_keys(const ColumnType& type);
// As a TOML basic string, quotes included.
[[nodiscard]] std::string toml_string(std::string_view text);
// ", did you mean 'created_at'?", or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string>& known);

// Text that a rule changes: a value of the source has its like on the target, not itself.
[[nodiscard]] bool is_one_way(SourceForm form);

}  // namespace crossfade::schema
