// Promise: after a cutover, the queries of real applications give the answers that they gave in
// SQLite, with the rewrites that docs/queries.md tells of and no others.
//
// tests/queries/NAME.sql holds them. Lines that begin with "-- " and one of these words begin a
// part, which goes on to the next; the rest of the line says what it is.
//   -- before:      statements for SQLite alone, run before the move: rows that the file lacks
//   -- query:       one query, and its text for both databases
//   -- change:      one statement that writes, for both; it is rolled back
//   -- then:        a query asked after the change, before it is rolled back
//   -- postgresql:  what PostgreSQL gets instead of the text above, and why
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <sqlite3.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/answers.h"
#include "tests/support/cluster.h"
#include "tests/support/oracle_sides.h"
#include "tests/support/process.h"
#include "tests/support/real_dbs.h"

namespace crossfade::testing {
namespace {

struct Part {
  std::string kind;  // "query"
  std::string title;
  std::string sqlite;
  std::string postgresql;  // the same, unless it says otherwise
  bool rewritten = false;
};

std::vector<Part> read_queries(const std::string& name) {
  std::ifstream file(project_file("tests/queries/" + name + ".sql"));
  EXPECT_TRUE(file) << name;
  std::vector<Part> parts;
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    const std::string word = line.starts_with("-- ") && colon != std::string::npos
                                 ? line.substr(3, colon - 3)
                                 : std::string();
    if (word == "postgresql") {
      parts.back().rewritten = true;
      parts.back().postgresql.clear();
    } else if (word == "before" || word == "query" || word == "change" || word == "then") {
      parts.push_back({word, line.substr(colon + 2), {}, {}, false});
    } else if (!parts.empty()) {
      if (!parts.back().rewritten) parts.back().sqlite += line + "\n";
      parts.back().postgresql += line + "\n";
    }
  }
  return parts;
}

bool execute(sqlite3* db, const std::string& sql) {
  char* message = nullptr;
  sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &message);
  EXPECT_EQ(message, nullptr) << sql << ": " << message;
  const bool done = message == nullptr;
  sqlite3_free(message);
  return done;
}

// The answers of both, in order. A statement that writes asks a copy of the file, because the file
// itself takes no writes after a cutover.
void expect_same(const Part& part, sqlite3* source, pg_conn* target) {
  const Answer of_source = ask(source, part.sqlite);
  const Answer of_target = ask(target, part.postgresql);
  EXPECT_EQ(of_source.error, "");
  EXPECT_EQ(of_target.error, "");
  EXPECT_EQ(of_source.rows, of_target.rows);
  const bool found = !of_source.rows.empty() && of_source.rows.front() != "0 rows changed";
  EXPECT_TRUE(found) << "what finds nothing shows nothing: " << part.sqlite;
}

struct Moved {
  TempDir dir;
  std::string db;
  std::string untouched;  // a copy from before the move
  std::string url;
};

void move_database(const std::string& name, const std::vector<Part>& parts, Moved* moved) {
  moved->db = copy_real_db(name, moved->dir);
  std::string error;
  {
    const auto db = oracle::open_source(moved->db, &error);
    for (const Part& part : parts) {
      if (part.kind != "before") continue;
      ASSERT_TRUE(execute(db.get(), part.sqlite));
    }
    moved->untouched = moved->dir.file("untouched.db");
    ASSERT_TRUE(execute(db.get(), "VACUUM INTO '" + moved->untouched + "'"));
  }
  ASSERT_EQ(error, "");
  moved->url = TestCluster::create_database();
  const Finished run = run_process(crossfade_command(
      {"run", moved->db, "--target", moved->url, "--until", "verified", "--json"}));
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  const Finished cut = run_process(crossfade_command({"cutover", moved->db, "--no-rollback"}));
  ASSERT_EQ(cut.code, 0) << cut.err;
}

class ApplicationQueriesTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ApplicationQueriesTest, GiveTheSameAnswersOnBothSides) {
  CROSSFADE_NEEDS_POSTGRES();
  CROSSFADE_NEEDS_REAL_DBS();
  const std::vector<Part> parts = read_queries(GetParam());
  const auto queries =
      std::count_if(parts.begin(), parts.end(), [](const Part& p) { return p.kind != "before"; });
  EXPECT_GE(queries, 6);
  Moved moved;
  ASSERT_NO_FATAL_FAILURE(move_database(GetParam(), parts, &moved));

  std::string error;
  const auto copy = oracle::open_source(moved.untouched, &error);
  const auto target = oracle::open_target(moved.url, &error);
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open_v2(moved.db.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
  const oracle::SqliteDb source(raw);
  ASSERT_EQ(error, "");
  for (const Part& part : parts) {
    SCOPED_TRACE(part.title);
    if (part.kind == "before") continue;
    const bool changes = part.kind == "change";
    if (changes) {
      ASSERT_TRUE(execute(copy.get(), "BEGIN"));
      ASSERT_EQ(ask(target.get(), "BEGIN").error, "");
    }
    const bool in_change = changes || part.kind == "then";
    expect_same(part, in_change ? copy.get() : source.get(), target.get());
    const bool last = &part == &parts.back() || (&part + 1)->kind != "then";
    if (in_change && last) {
      ASSERT_TRUE(execute(copy.get(), "ROLLBACK"));
      ASSERT_EQ(ask(target.get(), "ROLLBACK").error, "");
    }
  }
  TestCluster::drop_database(moved.url);
}

INSTANTIATE_TEST_SUITE_P(Real, ApplicationQueriesTest, ::testing::ValuesIn(kRealDbs),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace crossfade::testing
