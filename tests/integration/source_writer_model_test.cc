// Promise: whatever PostgreSQL's transactions did to a table, and in whatever order their changes
// come, SQLite ends up with the same rows, bit by bit; only rows that had a value with no equal are
// set aside, and settling them makes both sides equal.
//
// Each seed makes tables, and transactions of an ordinary SQLite in memory, whose differences come
// to the writer as changes in a shuffled order with states in between that the schema forbids.
// CROSSFADE_SEED=n runs one seed, CROSSFADE_SEEDS=n that many.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "apply/net_changes.h"
#include "apply/source_writer.h"
#include "tests/support/random_schema.h"
#include "tests/support/source_file.h"

namespace crossfade::testing {
namespace {

constexpr uint64_t kSeeds = 150;
constexpr size_t kCommits = 12;

uint64_t seed_setting(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : std::strtoull(value, nullptr, 10);
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

// The same for two keys that one index takes for one.
std::string canonical(const Row& key) {
  Row out = key;
  for (Value& value : out) {
    if (value.storage() == StorageClass::kReal && value.real() == std::floor(value.real()) &&
        std::fabs(value.real()) < 1e15) {
      value = Value(static_cast<int64_t>(value.real()));
    }
  }
  return apply::identity_of(out);
}

using Rows = std::map<std::string, Row>;  // by canonical key

class WriterModel {
 public:
  explicit WriterModel(uint64_t seed)
      : random_(seed),
        shape_(shapes()[seed % shapes().size()]),
        file_(shape_.create),
        table_(file_.table("t")),
        misfits_(random_.one_in(2)) {
    EXPECT_TRUE(twin_.exec(shape_.create));
    open();
  }

  // Empty, or what went wrong.
  std::string run() {
    for (size_t i = 0; i < kCommits; ++i) {
      if (random_.one_in(5)) open();
      if (auto amiss = commit(); !amiss.empty()) return amiss;
      if (auto amiss = compare(); !amiss.empty()) return amiss;
      if (random_.one_in(4)) {
        if (auto amiss = settle_all(); !amiss.empty()) return amiss;
      }
    }
    return settle_all();
  }
  [[nodiscard]] const char* create() const { return shape_.create; }
  [[nodiscard]] size_t changes() const { return changes_; }
  [[nodiscard]] size_t set_aside() const { return set_aside_; }

 private:
  void open() {
    writer_.reset();
    auto opened = apply::SourceWriter::open(file_.path());
    ASSERT_TRUE(opened) << describe(opened.error());
    writer_.emplace(std::move(opened).value());
    EXPECT_TRUE(writer_->connection().exec("PRAGMA synchronous=OFF"));
  }

  Rows read(sqlite::Connection& from) {
    std::string list;
    for (const Column& column : table_->columns) {
      list += (list.empty() ? "" : ",") + column.source_sql;
    }
    auto row = sqlite::Statement::prepare(from, fmt::format("SELECT {} FROM t", list));
    Rows out;
    while (row.value().step().value()) {
      Row values = row.value().row();
      std::string key = canonical(apply::key_of(*table_, values));
      out.emplace(std::move(key), std::move(values));
    }
    return out;
  }

  // --- The truth. Statements that fail leave nothing. ---

  bool execute(const std::string& sql, const std::vector<Value>& values = {}) {
    auto statement = sqlite::Statement::prepare(twin_, sql);
    EXPECT_TRUE(statement) << sql << describe(statement.error());
    for (size_t i = 0; i < values.size(); ++i) {
      statement.value().bind(static_cast<int>(i) + 1, values[i]);
    }
    return static_cast<bool>(statement.value().run());
  }
  std::string where(const Row& row, std::vector<Value>* values) {
    std::string out;
    for (const size_t k : table_->key) {
      values->push_back(row[k]);
      out += fmt::format("{}{} IS ?{}", out.empty() ? " WHERE " : " AND ",
                         table_->columns[k].source_sql, values->size());
    }
    return out;
  }
  void insert_random() {
    std::vector<Value> values;
    std::string places;
    std::string names;
    for (const char* column : shape_.columns) {
      values.push_back(random_.pick(pool()));
      places += fmt::format("{}?{}", places.empty() ? "" : ",", values.size());
      names += (names.empty() ? "" : ",") + std::string(column);
    }
    execute(fmt::format("INSERT INTO t({}) VALUES({})", names, places), values);
  }
  void change_one(const Row& row) {
    std::vector<Value> values;
    std::string sets;
    for (const char* column : shape_.columns) {
      if (random_.one_in(2)) continue;
      values.push_back(random_.pick(pool()));
      sets += fmt::format("{}{}=?{}", sets.empty() ? "" : ",", column, values.size());
    }
    if (!sets.empty()) {
      const std::string condition = where(row, &values);
      execute("UPDATE t SET " + sets + condition, values);
    }
  }
  // The values of one column change places among all rows.
  void rotate(const Rows& rows) {
    const char* const column = random_.pick(shape_.columns);
    size_t at = 0;
    while (table_->columns[at].name != column) ++at;
    execute("SAVEPOINT s");
    bool done = execute("DELETE FROM t");
    const Row* before = &rows.rbegin()->second;
    for (const auto& [key, row] : rows) {
      std::vector<Value> values;
      std::string names;
      std::string places;
      for (size_t i = 0; i < row.size(); ++i) {
        if (table_->columns[i].generated) continue;
        values.push_back(i == at ? (*before)[i] : row[i]);
        names += (names.empty() ? "" : ",") + table_->columns[i].source_sql;
        places += fmt::format("{}?{}", places.empty() ? "" : ",", values.size());
      }
      done = execute(fmt::format("INSERT OR ABORT INTO t({}) VALUES({})", names, places), values) &&
             done;
      before = &row;
    }
    if (!done) execute("ROLLBACK TO s");
    execute("RELEASE s");
  }
  void twin_transaction() {
    execute("BEGIN");
    for (size_t i = 1 + random_.below(8); i > 0; --i) {
      const Rows rows = read(twin_);
      const size_t what = random_.below(10);
      if (what < 4 || rows.empty()) {
        insert_random();
        continue;
      }
      auto at = rows.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(random_.below(rows.size())));
      if (what < 6) {
        change_one(at->second);
      } else if (what == 6) {
        std::vector<Value> values;
        const std::string condition = where(at->second, &values);
        execute("DELETE FROM t" + condition, values);
      } else if (what == 7) {
        execute(random_.pick(shape_.bulk));
      } else {
        rotate(rows);
      }
    }
    execute("COMMIT");
  }

  // --- The stream. ---

  using Chain = std::deque<TargetChange>;  // of one row, in order

  Fields image(const Row& row) {
    Fields out(row.size());
    for (size_t i = 0; i < row.size(); ++i) {
      if (!table_->columns[i].generated) out[i] = row[i];
    }
    return out;
  }
  [[nodiscard]] bool is_key(size_t column) const {
    return std::find(table_->key.begin(), table_->key.end(), column) != table_->key.end();
  }
  // The row on its way: one value is that of another row.
  Row between(Row row, const Rows& others) {
    if (others.empty()) return row;
    const size_t column = random_.below(row.size());
    if (is_key(column)) return row;
    auto other = others.begin();
    std::advance(other, static_cast<std::ptrdiff_t>(random_.below(others.size())));
    row[column] = other->second[column];
    return row;
  }
  // Leaves out what is as it was.
  Fields leave_out(Fields after, const Row& before) {
    for (size_t i = 0; i < after.size(); ++i) {
      if (after[i] && *after[i] == before[i] && random_.one_in(3)) after[i].reset();
    }
    return after;
  }
  // A value of it has no equal, perhaps.
  TargetChange spoiled(TargetChange change) {
    if (!misfits_ || !random_.one_in(5)) return change;
    const size_t column = random_.below(change.after.size());
    if (is_key(column) || table_->columns[column].generated) return change;
    return misfitting(std::move(change), column, "NaN");
  }

  Chain chain_of(const Row* before, const Row* after, const Rows& others) {
    Chain out;
    Row now = before != nullptr ? *before : between(*after, others);
    if (before == nullptr) {
      out.push_back(spoiled(inserted(table_, image(now))));
    } else if (random_.one_in(3)) {
      const Row next = between(*before, others);
      out.push_back(
          spoiled(updated(table_, apply::key_of(*table_, now), leave_out(image(next), now))));
      now = next;
    }
    if (after == nullptr) {
      out.push_back(deleted(table_, apply::key_of(*table_, now)));
      return out;
    }
    if (before != nullptr || now != *after || random_.one_in(4)) {
      out.push_back(
          spoiled(updated(table_, apply::key_of(*table_, now), leave_out(image(*after), now))));
    }
    return out;
  }

  // What made `after` of `before`, in some order.
  std::vector<TargetChange> stream(const Rows& before, const Rows& after) {
    std::vector<TargetChange> out;
    std::vector<const Row*> gone;
    std::vector<const Row*> come;
    std::vector<Chain> chains;
    const bool truncate = random_.one_in(12);
    if (truncate) out.push_back(truncated(table_));
    for (const auto& [key, row] : before) {
      const auto now = after.find(key);
      if (truncate) continue;
      if (now == after.end()) {
        gone.push_back(&row);
      } else if (now->second != row || random_.one_in(10)) {
        chains.push_back(chain_of(&row, &now->second, after));
      }
    }
    for (const auto& [key, row] : after) {
      if (truncate || !before.contains(key)) come.push_back(&row);
    }
    while (!gone.empty() || !come.empty()) {
      const Row* from = nullptr;
      const Row* to = nullptr;
      const bool moves = !gone.empty() && !come.empty() && random_.one_in(2);
      if (moves || come.empty()) {
        from = gone.back();
        gone.pop_back();
      }
      if (moves || from == nullptr) {
        to = come.back();
        come.pop_back();
      }
      chains.push_back(chain_of(from, to, after));
    }
    while (!chains.empty()) {
      const size_t at = random_.below(chains.size());
      out.push_back(std::move(chains[at].front()));
      chains[at].pop_front();
      if (chains[at].empty()) chains.erase(chains.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return out;
  }

  // --- Both. ---

  // Which keys may be set aside: those of rows that had a misfit since they were told whole.
  void note(const TargetChange& change) {
    if (change.op == TargetOp::kTruncate) may_be_aside_.clear();
    bool tainted = change.misfit.has_value();
    if (change.op != TargetOp::kInsert)
      tainted = may_be_aside_.erase(canonical(change.key)) != 0 || tainted;
    if (change.after.empty() || !tainted) return;
    Row key = change.key;
    for (size_t i = 0; i < table_->key.size(); ++i) {
      const auto& value = change.after[table_->key[i]];
      if (value && i < key.size()) key[i] = *value;
      if (value && i >= key.size()) key.push_back(*value);
    }
    may_be_aside_.insert(canonical(key));
  }

  std::string commit() {
    const bool give_up = random_.one_in(6);
    std::vector<std::vector<TargetChange>> transactions;
    for (size_t i = 1 + random_.below(3); i > 0; --i) {
      const Rows before = read(twin_);
      twin_transaction();
      transactions.push_back(stream(before, read(twin_)));
    }
    for (const auto& transaction : transactions) {
      for (const auto& change : transaction) note(change);
    }
    for (int attempt = give_up ? 0 : 1; attempt < 2; ++attempt) {
      Status done = writer_->begin(Deadline::after(std::chrono::seconds(10)));
      for (const auto& transaction : transactions) {
        for (const TargetChange& change : transaction) {
          if (done) done = writer_->apply(change);
          ++changes_;
        }
        if (done) done = writer_->end_transaction();
      }
      if (!done) return describe(done.error());
      if (attempt == 0) {
        writer_->rollback();
      } else if (done = writer_->commit({}); !done) {
        return describe(done.error());
      }
    }
    return "";
  }

  std::string compare() {
    const Rows is = read(file_.connection());
    const Rows should = read(twin_);
    std::set<std::string> aside;
    const auto entries = writer_->set_aside(100'000);
    for (const apply::SetAside& each : entries.value()) {
      aside.insert(canonical(each.key));
      ++set_aside_;
      if (!may_be_aside_.contains(canonical(each.key))) {
        return fmt::format("{} was set aside: {}", to_literal(each.key.front()), each.reason);
      }
      if (!should.contains(canonical(each.key)))
        return "an entry of no row: " + to_literal(each.key[0]);
    }
    for (const auto& [key, row] : should) {
      if (aside.contains(key)) continue;
      const auto found = is.find(key);
      if (found == is.end()) return "missing: " + show(row);
      if (found->second != row) return show(found->second) + " instead of " + show(row);
    }
    for (const auto& [key, row] : is) {
      if (!should.contains(key)) return "left over: " + show(row);
    }
    return "";
  }

  std::string settle_all() {
    const Rows should = read(twin_);
    const auto entries = writer_->set_aside(100'000);
    for (const apply::SetAside& each : entries.value()) {
      const auto row = should.find(canonical(each.key));
      const auto settled = writer_->settle(
          *table_, each.key, row == should.end() ? std::optional<Row>() : row->second);
      if (!settled) return describe(settled.error());
      if (!settled.value()) {
        return "not settled: " + to_literal(each.key.front()) + " " +
               writer_->set_aside(1000).value().back().reason;
      }
    }
    may_be_aside_.clear();
    if (writer_->set_aside_count().value() != 0) return "something is left aside";
    return compare();
  }

  static std::string show(const Row& row) {
    std::string out;
    for (const Value& value : row) out += to_literal(value) + " ";
    return out;
  }

  Random random_;
  const Shape& shape_;
  SourceFile file_;
  const std::shared_ptr<const Table> table_;
  const bool misfits_;
  sqlite::Connection twin_ =
      std::move(sqlite::Connection::open({":memory:", sqlite::Access::kCreate})).value();
  std::optional<apply::SourceWriter> writer_;
  std::set<std::string> may_be_aside_;
  size_t changes_ = 0;
  size_t set_aside_ = 0;
};

TEST(SourceWriterModelTest, AnyHistoryInAnyOrder) {
  const uint64_t one = seed_setting("CROSSFADE_SEED", 0);
  const uint64_t last = one != 0 ? one : seed_setting("CROSSFADE_SEEDS", kSeeds);
  size_t changes = 0;
  size_t set_aside = 0;
  for (uint64_t seed = one != 0 ? one : 1; seed <= last; ++seed) {
    WriterModel model(seed);
    ASSERT_EQ(model.run(), "") << "CROSSFADE_SEED=" << seed << "\n" << model.create();
    changes += model.changes();
    set_aside += model.set_aside();
  }
  std::printf("%zu changes, %zu times set aside\n", changes, set_aside);
  // It did what it says.
  if (one == 0 && last >= kSeeds) {
    EXPECT_GT(changes, 10'000U);
    EXPECT_GT(set_aside, 200U);
  }
}

}  // namespace
}  // namespace crossfade::testing
