#include "tests/support/random_rows.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "engine/core/error.h"
#include "engine/sqlite/statement.h"

namespace crossfade::testing {
namespace {

Value number(int64_t value) {
  return Value(value);
}
Value text(std::string bytes) {
  return Value(Text{std::move(bytes)});
}

struct Shape {
  const char* create;
  std::vector<const char*> columns;  // that are written
  std::vector<const char*> bulk;     // statements of many rows; some fail
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> kShapes = {
      {"CREATE TABLE t(a INTEGER, b TEXT, c UNIQUE)",
       {"a", "b", "c"},
       {"UPDATE t SET rowid=rowid+3", "UPDATE t SET c=c||'x'", "DELETE FROM t"}},
      {"CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, c CHECK(c IS NULL OR c<>5))",
       {"id", "u", "c"},
       {"UPDATE t SET id=-id", "UPDATE t SET id=id+1", "UPDATE OR REPLACE t SET u=3 WHERE id>3",
        "INSERT OR REPLACE INTO t SELECT id+1,u,c FROM t"}},
      {"CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u INT UNIQUE)",
       {"id", "u"},
       {"UPDATE t SET u=-u", "DELETE FROM t"}},
      {"CREATE TABLE t(a TEXT NOT NULL, b TEXT NOT NULL, v UNIQUE, PRIMARY KEY(a,b))",
       {"a", "b", "v"},
       {"UPDATE t SET a=b, b=a", "UPDATE OR IGNORE t SET a='a'"}},
      {"CREATE TABLE t(k PRIMARY KEY NOT NULL, u INTEGER UNIQUE) WITHOUT ROWID",
       {"k", "u"},
       {"UPDATE t SET k=k||'y'", "UPDATE t SET k=CAST(k AS BLOB)", "UPDATE t SET u=u+1"}},
      {"CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, u COLLATE NOCASE UNIQUE)",
       {"k", "u"},
       {"UPDATE t SET k=upper(k)", "UPDATE t SET u=k,k=coalesce(u,k)"}},
      {"CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT UNIQUE, n INT, r REAL, x ANY) STRICT",
       {"id", "s", "n", "r", "x"},
       {"UPDATE t SET s=id, id=id+50", "UPDATE t SET x=s"}},
      {"CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT, g AS (a%4) UNIQUE,"
       " s TEXT AS (b||'x') STORED)",
       {"id", "a", "b"},
       {"UPDATE t SET a=a+1", "UPDATE t SET b=a"}},
      {"CREATE TABLE t(id INTEGER PRIMARY KEY, n TEXT, gone); CREATE UNIQUE INDEX p ON t(n)"
       " WHERE gone IS NULL; CREATE UNIQUE INDEX e ON t(lower(n), gone)",
       {"id", "n", "gone"},
       {"UPDATE t SET gone=id", "UPDATE t SET n=upper(n)"}},
      {"CREATE TABLE t(id INT PRIMARY KEY ON CONFLICT REPLACE NOT NULL, u UNIQUE ON CONFLICT "
       "IGNORE,"
       " n NOT NULL ON CONFLICT REPLACE DEFAULT 7)",
       {"id", "u", "n"},
       {"UPDATE t SET u=id", "UPDATE t SET id=id/2"}},
      {"CREATE TABLE t(a TEXT COLLATE RTRIM, b INT, v, PRIMARY KEY(a,b DESC)) WITHOUT ROWID",
       {"a", "b", "v"},
       {"UPDATE t SET a=a||' '", "UPDATE t SET b=b+1"}},
      {"CREATE TABLE t(k TEXT COLLATE NOCASE, v UNIQUE, PRIMARY KEY(k COLLATE BINARY))"
       " WITHOUT ROWID",
       {"k", "v"},
       {"UPDATE t SET k=lower(k)", "UPDATE t SET k=k||k"}},
      {"CREATE TABLE t(id INTEGER PRIMARY KEY DESC NOT NULL, v NUMERIC UNIQUE)",
       {"id", "v"},
       {"UPDATE t SET id=v", "UPDATE t SET v=id"}}};
  return kShapes;
}

const std::vector<Value>& pool() {
  static const std::vector<Value> kPool = {number(0),
                                           number(1),
                                           number(2),
                                           number(3),
                                           number(4),
                                           number(6),
                                           number(7),
                                           number(-1),
                                           number(40),
                                           Value(1.5),
                                           Value(1e300),
                                           text("a"),
                                           text("A"),
                                           text("b"),
                                           text("B"),
                                           text("a "),
                                           text(""),
                                           text("é"),
                                           text("zz"),
                                           text(std::string("x\0y", 3)),
                                           Value(Blob{"a"}),
                                           Value(),
                                           Value(Blob{std::string("\0\xff", 2)})};
  return kPool;
}

const Shape& shape(uint64_t kind) {
  return shapes()[kind % shapes().size()];
}

sqlite::Connection in_memory() {
  return std::move(sqlite::Connection::open({":memory:", sqlite::Access::kCreate})).value();
}

}  // namespace

std::string canonical_key(const Row& key) {
  Row out = key;
  for (Value& value : out) {
    if (value.storage() == StorageClass::kReal && value.real() == std::floor(value.real()) &&
        std::fabs(value.real()) < 1e15) {
      value = Value(static_cast<int64_t>(value.real()));
    }
  }
  std::string identity;
  for (const Value& value : out) append_identity(value, &identity);
  return identity;
}

Row key_in_row(const Table& table, const Row& row) {
  Row key;
  for (const size_t column : table.key) key.push_back(row[column]);
  return key;
}

KeyedRows read_keyed_rows(sqlite::Connection& from, const Table& table) {
  std::string list;
  for (const Column& column : table.columns) {
    list += (list.empty() ? "" : ",") + column.source_sql;
  }
  auto row = sqlite::Statement::prepare(from, fmt::format("SELECT {} FROM t", list));
  KeyedRows out;
  while (row.value().step().value()) {
    Row values = row.value().row();
    std::string key = canonical_key(key_in_row(table, values));
    out.emplace(std::move(key), std::move(values));
  }
  return out;
}

const char* keyed_table_sql(uint64_t kind) {
  return shape(kind).create;
}

RandomRows::RandomRows(Random& random, uint64_t kind, std::shared_ptr<const Table> table)
    : random_(random), kind_(kind), table_(std::move(table)), twin_(in_memory()) {
  const Status made = twin_.exec(keyed_table_sql(kind));
  EXPECT_TRUE(made) << describe(made.error());
}

bool RandomRows::execute(const std::string& sql, const std::vector<Value>& values) {
  auto statement = sqlite::Statement::prepare(twin_, sql);
  EXPECT_TRUE(statement) << sql << describe(statement.error());
  for (size_t i = 0; i < values.size(); ++i) {
    statement.value().bind(static_cast<int>(i) + 1, values[i]);
  }
  return static_cast<bool>(statement.value().run());
}

std::string RandomRows::where(const Row& row, std::vector<Value>* values) {
  std::string out;
  for (const size_t k : table_->key) {
    values->push_back(row[k]);
    out += fmt::format("{}{} IS ?{}", out.empty() ? " WHERE " : " AND ",
                       table_->columns[k].source_sql, values->size());
  }
  return out;
}

void RandomRows::insert_random() {
  std::vector<Value> values;
  std::string places;
  std::string names;
  for (const char* column : shape(kind_).columns) {
    values.push_back(random_.pick(pool()));
    places += fmt::format("{}?{}", places.empty() ? "" : ",", values.size());
    names += (names.empty() ? "" : ",") + std::string(column);
  }
  execute(fmt::format("INSERT INTO t({}) VALUES({})", names, places), values);
}

void RandomRows::change_one(const Row& row) {
  std::vector<Value> values;
  std::string sets;
  for (const char* column : shape(kind_).columns) {
    if (random_.one_in(2)) continue;
    values.push_back(random_.pick(pool()));
    sets += fmt::format("{}{}=?{}", sets.empty() ? "" : ",", column, values.size());
  }
  if (!sets.empty()) {
    const std::string condition = where(row, &values);
    execute("UPDATE t SET " + sets + condition, values);
  }
}

bool RandomRows::insert_row(const Row& row) {
  std::vector<Value> values;
  std::string names;
  std::string places;
  for (size_t i = 0; i < row.size(); ++i) {
    if (table_->columns[i].generated) continue;
    values.push_back(row[i]);
    names += (names.empty() ? "" : ",") + table_->columns[i].source_sql;
    places += fmt::format("{}?{}", places.empty() ? "" : ",", values.size());
  }
  return execute(fmt::format("INSERT OR ABORT INTO t({}) VALUES({})", names, places), values);
}

// The values of one column change places among all rows.
void RandomRows::rotate(const KeyedRows& rows) {
  const char* const column = random_.pick(shape(kind_).columns);
  size_t at = 0;
  while (table_->columns[at].name != column) ++at;
  execute("SAVEPOINT s");
  bool done = execute("DELETE FROM t");
  const Row* before = &rows.rbegin()->second;
  for (const auto& [key, row] : rows) {
    Row rotated = row;
    rotated[at] = (*before)[at];
    done = insert_row(rotated) && done;
    before = &row;
  }
  if (!done) execute("ROLLBACK TO s");
  execute("RELEASE s");
}

void RandomRows::remove_one(const Row& row) {
  std::vector<Value> values;
  const std::string condition = where(row, &values);
  execute("DELETE FROM t" + condition, values);
}

void RandomRows::transaction() {
  execute("BEGIN");
  for (size_t i = 1 + random_.below(8); i > 0; --i) {
    const KeyedRows now = rows();
    const size_t what = random_.below(10);
    if (what < 4 || now.empty()) {
      insert_random();
      continue;
    }
    auto at = now.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(now.size())));
    if (what < 6) {
      change_one(at->second);
    } else if (what == 6) {
      remove_one(at->second);
    } else if (what == 7) {
      execute(random_.pick(shape(kind_).bulk));
    } else {
      rotate(now);
    }
  }
  execute("COMMIT");
}

}  // namespace crossfade::testing
