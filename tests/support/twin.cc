#include "tests/support/twin.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <utility>

namespace crossfade::testing {
namespace {

constexpr size_t kHistory = 400;

std::string cell(sqlite3_stmt* row, int column) {
  const auto size = [&] { return static_cast<size_t>(sqlite3_column_bytes(row, column)); };
  switch (sqlite3_column_type(row, column)) {
    case SQLITE_INTEGER:
      return std::to_string(sqlite3_column_int64(row, column));
    case SQLITE_FLOAT:
      return fmt::format("{:a}", sqlite3_column_double(row, column));
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(row, column));
      return "'" + std::string(text, size()) + "'";
    }
    case SQLITE_BLOB: {
      const auto* blob = static_cast<const char*>(sqlite3_column_blob(row, column));
      return "x'" + (blob == nullptr ? "" : std::string(blob, size())) + "'";
    }
    default:
      return "NULL";
  }
}

std::string first_difference(const std::vector<std::string>& source,
                             const std::vector<std::string>& shadow) {
  for (size_t i = 0; i < std::max(source.size(), shadow.size()); ++i) {
    const std::string left = i < source.size() ? source[i] : "(nothing)";
    const std::string right = i < shadow.size() ? shadow[i] : "(nothing)";
    if (left != right) {
      return fmt::format("with capture: {:.300}\nwithout: {:.300}", left, right);
    }
  }
  return "";
}

std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace

void PlainSqlite::Close::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}

PlainSqlite::PlainSqlite(const std::string& path) {
  sqlite3* raw = nullptr;
  const int rc = sqlite3_open(path.c_str(), &raw);
  db_.reset(raw);
  if (rc != SQLITE_OK) ADD_FAILURE() << path << ": " << sqlite3_errstr(rc);
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 30'000);
}

bool PlainSqlite::in_transaction() const {
  return sqlite3_get_autocommit(db_.get()) == 0;
}

void PlainSqlite::set_last_rowid(int64_t rowid) {
  sqlite3_set_last_insert_rowid(db_.get(), rowid);
}

Outcome PlainSqlite::run(const std::string& sql) {
  Outcome out;
  const int before = sqlite3_total_changes(db_.get());
  const char* rest = sql.c_str();
  int rc = SQLITE_OK;
  const bool done = instead_ && instead_(sql, &rc);
  while (!done && rc == SQLITE_OK && *rest != '\0') {
    sqlite3_stmt* statement = nullptr;
    rc = sqlite3_prepare_v2(db_.get(), rest, -1, &statement, &rest);
    if (rc != SQLITE_OK || statement == nullptr) break;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
      std::string row;
      for (int i = 0; i < sqlite3_column_count(statement); ++i) row += cell(statement, i) + "|";
      out.rows.push_back(std::move(row));
    }
    rc = sqlite3_finalize(statement);
  }
  out.code = rc;
  if (rc != SQLITE_OK) out.message = sqlite3_errmsg(db_.get());
  out.changes = sqlite3_changes(db_.get());
  out.last_rowid = sqlite3_last_insert_rowid(db_.get());
  out.total_changes = sqlite3_total_changes(db_.get()) - before;
  return out;
}

Twin::Twin(const std::string& source_path) : source_(source_path), shadow_(":memory:") {
  source_.run("CREATE TEMP TABLE emptiness(x)");
  shadow_.run("CREATE TEMP TABLE emptiness(x)");
}

// changes() stays until the next statement that writes.
void Twin::level_changes() {
  source_.run("DELETE FROM temp.emptiness");
  shadow_.run("DELETE FROM temp.emptiness");
}

Outcome Twin::run(const std::string& sql, bool with_rows) {
  const bool known = !difference_.empty();
  Outcome with = source_.run(sql);
  Outcome without = shadow_.run(sql);
  // VACUUM leaves the number of things in the schema there. An INSERT without any trigger that
  // breaks a foreign key is refused before it wrote a row, and with one after that.
  if (sql == "VACUUM" || without.code == SQLITE_CONSTRAINT_FOREIGNKEY) {
    with.last_rowid = without.last_rowid;
    source_.set_last_rowid(without.last_rowid);
  }
  history_.push_back(fmt::format("{:.2000}  -- {}{}{}", sql, with.code,
                                 with.message.empty() ? "" : " ", with.message));
  if (history_.size() > kHistory) history_.pop_front();
  if (sql == not_compared_) {
    level_changes();
    return without;
  }
  if (known) return without;
  if (with.code != without.code || with.message != without.message) {
    difference_ = fmt::format("{}\nwith capture: {} {}\nwithout: {} {}", sql, with.code,
                              with.message, without.code, without.message);
  } else if (with.changes != without.changes || with.last_rowid != without.last_rowid) {
    difference_ = fmt::format(
        "{}\nwith capture: changes() {}, last_insert_rowid() {}\nwithout: changes() {}, "
        "last_insert_rowid() {}",
        sql, with.changes, with.last_rowid, without.changes, without.last_rowid);
  } else if (with_rows && with.rows != without.rows) {
    difference_ = fmt::format("{}\n{}", sql, first_difference(with.rows, without.rows));
  }
  return without;
}

std::string Twin::compare() {
  const std::string ours = "NOT LIKE '\\_crossfade\\_%' ESCAPE '\\'";
  const std::string schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name " +
                             ours + " AND tbl_name " + ours + " ORDER BY 1, 2";
  const auto differ = [&](const std::string& sql) {
    auto left = source_.run(sql);
    auto right = shadow_.run(sql);
    std::sort(left.rows.begin(), left.rows.end());
    std::sort(right.rows.begin(), right.rows.end());
    const std::string found = first_difference(left.rows, right.rows);
    return found.empty() ? "" : sql + "\n" + found;
  };
  if (auto found = differ(schema); !found.empty()) return found;
  const auto tables = shadow_.run(
      "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
      " AND name NOT IN ('sqlite_schema', 'sqlite_stat1')");
  for (const std::string& row : tables.rows) {
    const std::string name = row.substr(1, row.size() - 5);  // 'name'|0|
    const bool has_rowid = row[row.size() - 2] == '0';
    const std::string sql =
        fmt::format("SELECT {}* FROM {}", has_rowid ? "rowid, " : "", quoted(name));
    if (auto found = differ(sql); !found.empty()) return found;
  }
  return "";
}

std::string Twin::history() const {
  return fmt::format("the last statements:\n{}", fmt::join(history_, "\n"));
}

}  // namespace crossfade::testing
