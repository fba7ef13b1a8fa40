#include "engine/schema/fts_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/core/digest.h"
#include "engine/core/limits.h"
#include "engine/schema/find_column.h"
#include "engine/schema/fts_trigger.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::schema {
namespace {

// The application's triggers that name the full-text table. Capture's own name columns, which may
// be called as it is.
std::vector<const Trigger*> feeding_triggers(const Catalog& catalog, const VirtualTable& fts) {
  std::vector<const Trigger*> out;
  for (const Trigger& trigger : catalog.triggers) {
    if (trigger.name.starts_with("_crossfade_")) continue;
    if (mentions(trigger.sql, fts.name)) out.push_back(&trigger);
  }
  return out;
}

bool is_fed_by(const std::vector<const Trigger*>& triggers, const Table& table) {
  return std::any_of(triggers.begin(), triggers.end(),
                     [&](const Trigger* each) { return same_name(each->table, table.name); });
}

bool has_all_fields(const FtsDeclaration& declared, const Table& table) {
  return std::all_of(
      declared.columns.begin(), declared.columns.end(),
      [&](const FtsColumn& column) { return find_column(table, column.name).has_value(); });
}

// `feeding`: the triggers that name the full-text table.
bool may_search(const FtsDeclaration& declared, const std::vector<const Trigger*>& feeding,
                const Table& table) {
  if (declared.content && !declared.content->empty()) {
    return same_name(*declared.content, table.name);
  }
  if (is_fed_by(feeding, table)) return true;
  return !declared.content && has_all_fields(declared, table);
}

// What the triggers put into the full-text table, of a row of `table`; or what names suggest.
struct FtsMapping {
  std::string rowid;             // an expression; empty: rows cannot be told
  std::vector<FtsValue> values;  // beside the declared columns
  bool by_trigger = false;
};

bool tells_rows(const Table& table, const std::string& column) {
  for (const char* name : {"rowid", "_rowid_", "oid"}) {
    if (same_name(column, name)) return !table.rowid_name.empty();
  }
  const auto at = find_column(table, column);
  if (!at) return false;
  if (table.identity == Identity::kRowidAlias && table.key.front() == *at) return true;
  return std::any_of(table.unique_keys.begin(), table.unique_keys.end(), [&](const UniqueKey& key) {
    return key.parts.size() == 1 && key.parts.front().column == *at && key.where_sql.empty();
  });
}

FtsMapping mapping_of(const Catalog& catalog, const FtsSource& fts, const Table& table) {
  FtsMapping out;
  if (!table.rowid_name.empty()) out.rowid = "new." + sqlite::quote(table.rowid_name);
  std::vector<FtsValue> written;
  for (const Trigger* trigger : feeding_triggers(catalog, fts.table)) {
    if (!same_name(trigger->table, table.name)) continue;
    auto values = inserted_values(trigger->sql, fts.table.name, fts.declared);
    if (!values) continue;
    written = std::move(*values);
    out.by_trigger = true;
    break;
  }
  for (const FtsValue& value : written) {
    if (value.field != "rowid") continue;
    out.rowid = tells_rows(table, value.column) ? value.expression : std::string();
  }
  for (const FtsColumn& column : fts.declared.columns) {
    const auto at = std::find_if(written.begin(), written.end(), [&](const FtsValue& value) {
      return same_name(value.field, column.name);
    });
    if (at != written.end()) {
      out.values.push_back(*at);
    } else if (out.by_trigger) {
      out.values.push_back({column.name, "NULL", ""});
    } else {
      const bool there = find_column(table, column.name).has_value();
      out.values.push_back({column.name, there ? "new." + sqlite::quote(column.name) : "",
                            there ? column.name : ""});
    }
  }
  return out;
}

class SourceFinder {
 public:
  SourceFinder(sqlite::Connection& connection, const Catalog& catalog, StopSource* stop)
      : connection_(connection), catalog_(catalog), stop_(stop) {}

  Result<FtsSource> find(const VirtualTable& table, FtsDeclaration declared) {
    FtsSource out;
    out.table = table;
    out.declared = std::move(declared);
    if (!out.declared.content) {
      CROSSFADE_TRY(find_mirrored(&out));
    } else if (out.declared.content->empty()) {
      CROSSFADE_TRY(out.rows, count(table.name + "_docsize"));
      CROSSFADE_TRY(const int64_t kept, count(table.name + "_content"));
      if (kept > 0) {  // contentless_unindexed=1
        out.only_copy = true;
        out.obstacle = "no ordinary table has the values of its UNINDEXED columns";
      } else {
        find_contentless(&out);
      }
    } else {
      CROSSFADE_TRY(out.rows, count(table.name + "_docsize"));
      find_external(&out);
    }
    return out;
  }

 private:
  void find_external(FtsSource* out) const {
    for (const Table& table : catalog_.tables) {
      if (!same_name(table.name, *out->declared.content)) continue;
      FtsMapping mapping;
      if (out->declared.columns.empty()) {
        for (const Column& column : table.columns) {
          if (!column.synthetic) out->declared.columns.push_back({column.name, true});
        }
      }
      for (const FtsColumn& column : out->declared.columns) {
        const auto at = find_column(table, column.name);
        mapping.values.push_back({column.name, "", at ? table.columns[*at].name : ""});
      }
      accept(table, mapping, out);
      return;
    }
    out->obstacle = fmt::format("it is about {}, which is no table that is carried",
                                printable(*out->declared.content));
  }

  void find_contentless(FtsSource* out) const {
    const auto feeding = feeding_triggers(catalog_, out->table);
    for (const Table& table : catalog_.tables) {
      if (!is_fed_by(feeding, table)) continue;
      const FtsMapping mapping = mapping_of(catalog_, *out, table);
      if (!mapping.by_trigger) continue;
      accept(table, mapping, out);
      return;
    }
    out->obstacle =
        "it keeps words but no texts, and no trigger says plainly which columns they are of";
  }

  Status find_mirrored(FtsSource* out) const {
    const std::string shadow = out->table.name + "_content";
    CROSSFADE_TRY(out->rows, count(shadow));
    CROSSFADE_TRY(const auto columns, columns_of(shadow));
    const bool readable = !out->declared.compressed && out->rows >= 0 &&
                          columns.size() > out->declared.columns.size();
    std::string tried;
    const auto feeding = feeding_triggers(catalog_, out->table);
    for (const bool fed : {true, false}) {
      for (const Table& table : catalog_.tables) {
        if (is_fed_by(feeding, table) != fed || !may_search(out->declared, feeding, table)) {
          continue;
        }
        // That names are the same says nothing yet.
        if (!readable || (!fed && out->rows == 0)) continue;
        const FtsMapping mapping = mapping_of(catalog_, *out, table);
        CROSSFADE_TRY(const bool same, mirrors(shadow, columns, table, mapping));
        if (same) {
          accept(table, mapping, out);
          return ok();
        }
        tried += (tried.empty() ? "" : ", ") + printable(table.name);
      }
    }
    out->only_copy = out->rows != 0;
    out->obstacle = tried.empty() ? "no ordinary table has its rows"
                                  : fmt::format("{} has not got all of its rows", tried);
    return ok();
  }

  static void accept(const Table& table, const FtsMapping& mapping, FtsSource* out) {
    out->indexed = table.name;
    for (size_t i = 0; i < out->declared.columns.size(); ++i) {
      if (!out->declared.columns[i].indexed) continue;
      out->fields.push_back({out->declared.columns[i].name, mapping.values[i].column});
    }
  }

  // Whether each row of the full-text table is a row of `table`. What a trigger makes of columns is
  // computed: the ordinary table is called `new`, as in the trigger.
  Result<bool> mirrors(const std::string& shadow, const std::vector<std::string>& columns,
                       const Table& table, const FtsMapping& mapping) const {
    if (mapping.rowid.empty()) return false;
    const std::string id = sqlite::quote(columns.front());
    std::string same = fmt::format("({}) = f.{}", mapping.rowid, id);
    for (size_t i = 0; i < mapping.values.size(); ++i) {
      if (mapping.values[i].expression.empty()) return false;
      same += fmt::format(" AND ({}) COLLATE BINARY IS f.{}", mapping.values[i].expression,
                          sqlite::quote(columns[i + 1]));
    }
    // A language, say: nothing that an ordinary table is known to have.
    for (size_t i = mapping.values.size() + 1; i < columns.size(); ++i) {
      same += fmt::format(" AND (f.{0} IS NULL OR f.{0} = 0)", sqlite::quote(columns[i]));
    }
    const std::string from = sqlite::quote(shadow);
    auto next = sqlite::Statement::prepare(
        connection_, fmt::format("SELECT max(i) FROM (SELECT {0} AS i FROM main.{1} WHERE"
                                 " {0} > ?1 ORDER BY {0} LIMIT {2})",
                                 id, from, limits::kChunkRowsMax));
    auto odd = sqlite::Statement::prepare(
        connection_, fmt::format("SELECT 1 FROM main.{1} AS f WHERE f.{0} > ?1 AND f.{0} <= ?2"
                                 " AND NOT EXISTS (SELECT 1 FROM main.{2} AS new WHERE {3})"
                                 " LIMIT 1",
                                 id, from, sqlite::quote(table.name), same));
    // A function of the application's, or a name that only a trigger has.
    if (!next || !odd) return false;
    return compare(next.value(), odd.value());
  }

  // In short reads, as the application goes on writing; each sees the two tables at one time.
  Result<bool> compare(sqlite::Statement& next, sqlite::Statement& odd) const {
    int64_t done = INT64_MIN;
    while (true) {
      if (stop_ != nullptr && stop_->requested()) return fail(stopped());
      next.reset();
      next.bind(1, done);
      CROSSFADE_TRY(const bool any, next.step());
      if (!any || next.storage(0) == StorageClass::kNull) return true;
      const int64_t last = next.integer(0);
      next.reset();
      odd.reset();
      odd.bind(1, done);
      odd.bind(2, last);
      const auto found = odd.step();
      odd.reset();
      if (!found) {
        // What the expressions make of stored values may be an error, malformed JSON for one.
        if (found.error().remedy == Remedy::kRetry) return fail(found.error());
        return false;
      }
      if (found.value()) return false;
      done = last;
    }
  }

  // -1: there is no such table.
  Result<int64_t> count(const std::string& table) const {
    CROSSFADE_TRY(const auto columns, columns_of(table));
    if (columns.empty()) return -1;
    return connection_.query_int("SELECT count(*) FROM main." + sqlite::quote(table));
  }

  Result<std::vector<std::string>> columns_of(const std::string& table) const {
    std::vector<std::string> out;
    CROSSFADE_TRY(auto row,
                  sqlite::Statement::prepare(
                      connection_, "SELECT name FROM pragma_table_info(?1, 'main') ORDER BY cid"));
    row.bind_text(1, table);
    while (true) {
      CROSSFADE_TRY(const bool there, row.step());
      if (!there) return out;
      out.emplace_back(row.bytes(0));
    }
  }

  static Error stopped() {
    Error error;
    error.code = ErrorCode::kInterrupted;
    error.op = "schema.full_text";
    return error;
  }

  sqlite::Connection& connection_;
  const Catalog& catalog_;
  StopSource* stop_;
};

}  // namespace

Result<std::vector<FtsSource>> find_fts_sources(sqlite::Connection& connection,
                                                const Catalog& catalog, const Table* about,
                                                StopSource* stop) {
  SourceFinder finder(connection, catalog, stop);
  std::vector<FtsSource> out;
  for (const VirtualTable& table : catalog.virtual_tables) {
    auto declared = parse_fts(table);
    if (!declared) continue;
    if (about != nullptr && !may_search(*declared, feeding_triggers(catalog, table), *about)) {
      continue;
    }
    CROSSFADE_TRY(auto found, finder.find(table, std::move(*declared)));
    out.push_back(std::move(found));
  }
  return out;
}

void add_fts_to_shapes(Catalog* catalog) {
  std::vector<std::string> texts(catalog->tables.size());
  for (const VirtualTable& fts : catalog->virtual_tables) {
    const auto declared = parse_fts(fts);
    if (!declared) continue;
    const bool external = declared->content && !declared->content->empty();
    const auto feeding = external ? std::vector<const Trigger*>() : feeding_triggers(*catalog, fts);
    for (size_t i = 0; i < texts.size(); ++i) {
      const Table& table = catalog->tables[i];
      if (!may_search(*declared, feeding, table)) continue;
      const auto add = [&](const std::string& field) {
        texts[i] += fmt::format("|{}:{}", field.size(), field);
      };
      add(fts.sql);
      add(fts.target_name);
      for (const Trigger* trigger : feeding) {
        if (same_name(trigger->table, table.name)) add(trigger->sql);
      }
    }
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    Table& table = catalog->tables[i];
    if (!texts[i].empty()) table.shape = to_hex(digest_bytes(table.shape + texts[i]));
  }
}

}  // namespace crossfade::schema
