#include "engine/schema/search_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/find_column.h"
#include "engine/schema/fts_trigger.h"
#include "engine/schema/naming.h"
#include "engine/schema/search_notes.h"
#include "engine/schema/search_text.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"

namespace crossfade::schema {
namespace {

constexpr const char* kByHand =
    "add a tsvector column with a GIN index by hand: docs/full_text.md shows how";

// One full-text table held against the planned table that it is about.
class SearchWriter {
 public:
  SearchWriter(const FtsSource& source, const std::vector<FtsField>& fields, const Table& table,
               const SearchOptions& options, const std::string& index)
      : source_(source), table_(table), options_(options), index_(postgres::quote(index)) {
    for (const FtsField& field : fields) add(field);
  }

  std::vector<size_t> columns;  // the searched ones
  std::vector<std::string> left_out;

  [[nodiscard]] Search tsvector() const {
    const std::string name = postgres::quote(source_.table.target_name);
    return {source_.table.name, source_.table.target_name,
            fmt::format("ALTER TABLE {} ADD COLUMN {} tsvector GENERATED ALWAYS AS ({}) STORED",
                        relation(), name, tsvector_sql(texts_, source_.declared)),
            fmt::format("CREATE INDEX {} ON {} USING gin ({})", index_, relation(), name)};
  }

  // On the columns themselves, where LIKE and regular expressions look.
  [[nodiscard]] Search trigrams() const {
    const std::string operators = options_.trgm_schema.empty()
                                      ? "gin_trgm_ops"
                                      : postgres::quote(options_.trgm_schema, "gin_trgm_ops");
    std::string keys;
    for (const std::string& text : texts_) {
      keys += fmt::format("{}({}) {}", keys.empty() ? "" : ", ", text, operators);
    }
    return {source_.table.name, "", "",
            fmt::format("CREATE INDEX {} ON {} USING gin ({})", index_, relation(), keys)};
  }

 private:
  [[nodiscard]] std::string relation() const {
    return postgres::quote(options_.target_schema, table_.target_name);
  }

  void add(const FtsField& field) {
    const auto at = find_column(table_, field.column);
    SearchText text;
    if (field.column.empty()) {
      text.obstacle = fmt::format("no column of {} is just this", printable(table_.name));
    } else if (!at) {
      text.obstacle = "it is not carried";
    } else if (table_.columns[*at].target_generated && source_.declared.tokenizer != "trigram") {
      text.obstacle = "PostgreSQL computes it, and computes no column from such a one";
    } else {
      text = search_text(table_.columns[*at]);
    }
    if (text.obstacle.empty()) {
      texts_.push_back(text.sql);
      columns.push_back(*at);
    } else {
      left_out.push_back(fmt::format("{} ({})", printable(field.name), text.obstacle));
    }
  }

  const FtsSource& source_;
  const Table& table_;
  const SearchOptions& options_;
  const std::string index_;
  std::vector<std::string> texts_;
};

// Why there can be no column of this name.
std::string name_obstacle(const Table& table, const std::string& name) {
  const TextFlaws flaws = find_flaws(name);
  if (name.empty() || flaws.nul || flaws.invalid || is_system_column(name)) {
    return "PostgreSQL does not allow a column of its name";
  }
  const bool taken =
      std::any_of(table.columns.begin(), table.columns.end(),
                  [&](const Column& column) { return column.target_name == name; }) ||
      std::any_of(table.searches.begin(), table.searches.end(),
                  [&](const Search& search) { return search.target_name == name; });
  return taken ? fmt::format("{} has a column of this name", printable(table.name)) : std::string();
}

Finding made_finding(const FtsSource& source, const Table& table, const Search& search) {
  Finding finding;
  finding.severity = Severity::kWarning;
  finding.code = "full_text_rewritten";
  finding.table = source.table.name;
  finding.message =
      search.target_name.empty()
          ? fmt::format(
                "a table of {} (trigram) over {} becomes an index of pg_trgm on its columns",
                printable(source.table.module), printable(table.name))
          : fmt::format(
                "a table of {} over {} becomes the column {} of {}: a tsvector ({}) with a GIN"
                " index, which PostgreSQL keeps current itself",
                printable(source.table.module), printable(table.name),
                printable(search.target_name), printable(table.target_name),
                text_configuration(source.declared));
  finding.remedy = query_in_postgres(source, table, search);
  return finding;
}

void plan_one_search(const FtsSource& source, const TableEvidence& evidence,
                     const std::string& index, const SearchOptions& options, Table* table,
                     std::vector<Finding>* findings) {
  const SearchWriter writer(source, source.fields, *table, options, index);
  const std::string& name = source.table.name;
  const bool trigram = source.declared.tokenizer == "trigram";
  if (writer.columns.empty()) {
    findings->push_back(search_finding(
        name,
        fmt::format("none of its columns can be searched: {}", fmt::join(writer.left_out, ", ")),
        kByHand));
    return;
  }
  Search made = trigram ? writer.trigrams() : writer.tsvector();
  if (trigram && options.trgm_schema.empty()) {
    findings->push_back(search_finding(
        name, "its trigrams need the extension pg_trgm, which is not known to be in the target",
        fmt::format("CREATE EXTENSION pg_trgm in the target database before the first run; or "
                    "after it, and then {}",
                    made.index_ddl)));
    return;
  }
  if (const std::string why = name_obstacle(*table, source.table.target_name);
      !trigram && !why.empty()) {
    findings->push_back(
        search_finding(name, why,
                       fmt::format("choose another with the rule [tables.{}] rename = \"...\"",
                                   sqlite::quote(name))));
    return;
  }
  findings->push_back(made_finding(source, *table, made));
  std::vector<std::string> notes = search_differences(source, evidence, *table, writer.columns);
  if (!writer.left_out.empty()) {
    notes.insert(notes.begin(), fmt::format("not searched: {}", fmt::join(writer.left_out, ", ")));
  }
  Finding differs;
  differs.severity = Severity::kInfo;
  differs.code = "full_text_differs";
  differs.table = name;
  differs.message = fmt::format("{}", fmt::join(notes, "; "));
  differs.remedy = "docs/full_text.md says what to do about each where it matters";
  findings->push_back(std::move(differs));
  table->searches.push_back(std::move(made));
}

// The table with the most columns of the same names; one whose name the full-text table's begins
// with wins.
const Table* likely_table(const FtsSource& source, const std::vector<const Table*>& tables,
                          std::vector<FtsField>* fields) {
  const Table* best = nullptr;
  size_t best_score = 0;
  for (const Table* table : tables) {
    std::vector<FtsField> found;
    for (const FtsColumn& column : source.declared.columns) {
      if (column.indexed && find_column(*table, column.name)) {
        found.push_back({column.name, column.name});
      }
    }
    const bool named = ascii_upper(source.table.name).starts_with(ascii_upper(table->name));
    const size_t score = found.empty() ? 0 : 2 * found.size() + (named ? 1 : 0);
    if (score <= best_score) continue;
    best = table;
    best_score = score;
    *fields = std::move(found);
  }
  return best;
}

std::string by_hand(const FtsSource& source, const std::vector<const Table*>& tables,
                    const std::string& index, const SearchOptions& options) {
  std::vector<FtsField> fields;
  const Table* table = likely_table(source, tables, &fields);
  if (table == nullptr) return kByHand;
  const SearchWriter writer(source, fields, *table, options, index);
  if (writer.columns.empty() || !name_obstacle(*table, source.table.target_name).empty()) {
    return kByHand;
  }
  const Search made = writer.tsvector();
  const size_t lacking = source.declared.columns.size() - writer.columns.size();
  return fmt::format(
      "if it is about {}{}, run on the target after the cutover: {}; {}", printable(table->name),
      lacking == 0 ? "" : fmt::format(", which has not got {} of its columns", lacking),
      made.add_ddl, made.index_ddl);
}

}  // namespace

Finding search_finding(const std::string& source, const std::string& why, std::string remedy) {
  Finding finding;
  finding.severity = Severity::kWarning;
  finding.code = "full_text_not_carried";
  finding.table = source;
  finding.message = "the full-text table is not carried: " + why;
  finding.remedy = std::move(remedy);
  return finding;
}

Finding only_copy_finding(const FtsSource& source) {
  Finding finding;
  finding.severity = Severity::kBlocker;
  finding.code = "fts_only_copy";
  finding.table = source.table.name;
  finding.rows = std::max<int64_t>(0, source.rows);
  const std::string rows = source.rows < 0    ? "its rows"
                           : source.rows == 1 ? "1 row"
                                              : fmt::format("{} rows", source.rows);
  finding.message = fmt::format("a table of {} keeps {} itself, and {}: they would be left behind",
                                printable(source.table.module), rows, source.obstacle);
  std::string list = "rowid AS id";
  for (const FtsColumn& column : source.declared.columns) {
    list += ", " + sqlite::quote(column.name);
  }
  if (!source.declared.language_id.empty()) {
    list += ", " + sqlite::quote(source.declared.language_id);
  }
  finding.remedy = keep_rows_remedy(source.table.name, list);
  return finding;
}

void plan_searches(const std::vector<FtsSource>& sources, const TableEvidence& evidence,
                   const std::map<std::string, TableNames>& names, const SearchOptions& options,
                   Table* table, std::vector<Finding>* findings) {
  table->searches.clear();
  for (const FtsSource& source : sources) {
    if (!same_name(source.indexed, table->name)) continue;
    plan_one_search(source, evidence, names.at(source.table.name).search_index, options, table,
                    findings);
  }
}

void find_unplaced_searches(const std::vector<FtsSource>& sources,
                            const std::vector<const Table*>& tables,
                            const std::map<std::string, TableNames>& names,
                            const SearchOptions& options, std::vector<Finding>* findings) {
  for (const FtsSource& source : sources) {
    if (!source.indexed.empty()) continue;
    if (source.only_copy) {
      findings->push_back(only_copy_finding(source));
      continue;
    }
    findings->push_back(
        search_finding(source.table.name, source.obstacle,
                       by_hand(source, tables, names.at(source.table.name).search_index, options)));
    findings->back().rows = std::max<int64_t>(0, source.rows);
  }
}

bool is_covered(const Table& table, const Trigger& trigger) {
  const auto written = tables_written(trigger.sql);
  return written && std::all_of(written->begin(), written->end(), [&](const std::string& name) {
           return std::any_of(table.searches.begin(), table.searches.end(),
                              [&](const Search& search) { return same_name(search.source, name); });
         });
}

}  // namespace crossfade::schema
