// Promise: whatever an application calls its tables, columns, indexes, constraints and views, they
// are copied, followed, cut over, written to on PostgreSQL, brought back and cut over again, and
// finish leaves nothing of ours behind.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/move_test.h"

namespace crossfade::testing {
namespace {

std::string times(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

std::string name_in(char quote, const std::string& name) {
  std::string out(1, quote);
  for (const char c : name) out += c == quote ? std::string(2, c) : std::string(1, c);
  return out + quote;
}

using Names = std::vector<std::string>;

// Each is a table's, and a column's of others.
Names of_every_kind() {
  return {"select", "Mixed", "UPPER", "with space", " leading and trailing ", R"(quo"te)", R"(""")",
          "'single'", "semi;colon", "per%cent %s", "do$llar", "$$", "$1", "?1", ":name", "@x", "#",
          "a.b", "public.t", "--", "/*", "*/", R"(\)", R"(back\slash\n)", "{}", "[brackets]",
          "`tick`", "(", "a,b", "=", "-1", "1digit", "\t", "new\nline", "cr\r\n", "\x01", "\x7f",
          "grün", "É", "é", "e\u0301", "日本語", "😀", "👨‍👩‍👧", "\u00a0",
          "\u202eright to left", "\ufeff", "ı", "İ",
          // PostgreSQL's own words and names.
          "user", "order", "table", "all", "new", "old", "current_user", "pg_class",
          "information_schema", "public", "int4", "text", "true", "null", "excluded", "with",
          "lateral", "window", "name",
          // SQLite's.
          "rowid_", "temp", "main", "sqlitex_master", "abort", "glob",
          // Nearly ours.
          "crossfade", "crossfade.log", "_crossfad", "log", "lsn"};
}

// As long as PostgreSQL's, longer, and cut in the middle of a character.
Names of_any_length() {
  return {times("n", 62),       times("o", 63),        times("p", 64),  times("q", 63) + "1",
          times("q", 63) + "2", times("é", 31) + "ab", times("日", 40), times("long ", 400)};
}

class NamesTest : public MoveTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void make(const Names& names) const {
    std::string sql = "PRAGMA journal_mode=WAL; BEGIN;";
    for (size_t i = 0; i < names.size(); ++i) {
      const auto& other = [&](size_t at) { return name_in('"', names[at % names.size()]); };
      sql += fmt::format(
          "CREATE TABLE {0}(id INTEGER PRIMARY KEY, plain INTEGER, {1} TEXT DEFAULT {4}, {2} "
          "INTEGER REFERENCES {3}(id), CONSTRAINT {1} CHECK(length({1})>0), CONSTRAINT {2} "
          "UNIQUE({1},{2})); INSERT INTO {0}(id,plain,{1},{2}) VALUES(1,1,'a',1),(2,2,{4},2),"
          "(3,3,'c',NULL); CREATE INDEX {5} ON {0}({1}) WHERE {2}>0; CREATE VIEW {6} AS SELECT {1} "
          "AS {2} FROM {0};",
          other(i), other(i * 7 + 3), other(i * 7 + 10), other(i + names.size() - 1),
          name_in('\'', names[i]), name_in('"', "i " + names[i]), name_in('"', "v " + names[i]));
    }
    app(sql + "COMMIT");
  }
  // In each table.
  void write_on_source(const Names& names) const {
    for (const std::string& name : names) {
      app(
          fmt::format("UPDATE {0} SET plain=10 WHERE id=1; DELETE FROM {0} WHERE id=3; INSERT INTO "
                      "{0}(id,plain) VALUES(4,4)",
                      name_in('"', name)));
    }
  }
  void write_on_target(int value) const {
    target_exec(fmt::format(
        "DO $do$ DECLARE t text; BEGIN FOR t IN SELECT format('public.%I', relname) FROM pg_class "
        "WHERE relkind='r' AND relnamespace='public'::regnamespace LOOP EXECUTE replace('UPDATE "
        "TABLE_ SET plain={0} WHERE id=1; DELETE FROM TABLE_ WHERE id=4; INSERT INTO "
        "TABLE_(id,plain) VALUES({0},{0})', 'TABLE_', t); END LOOP; END $do$",
        value));
  }
  [[nodiscard]] int64_t sum_on_source(const Names& names) const {
    int64_t out = 0;
    for (const std::string& name : names) {
      out += std::stoll(AppDb(db_).value("SELECT sum(plain) FROM " + name_in('"', name)));
    }
    return out;
  }
  // The oracle does not know that a name of over 63 bytes is another on the target.
  void expect_equal(bool same_names) {
    if (same_names) return expect_becomes_equal();
    const Finished verify = crossfade({"verify", db_});
    EXPECT_EQ(verify.code, 0) << verify.out << verify.err;
  }
  void go_there_and_back_and_there(const Names& names, bool same_on_target) {
    make(names);
    follow();
    write_on_source(names);
    expect_equal(same_on_target);
    const std::vector<std::string> cutover = {"cutover",  db_,           "--way-back",
                                              GetParam(), "--max-pause", "20000"};
    const Finished there = crossfade(cutover);
    ASSERT_EQ(there.code, 0) << there.err;
    write_on_target(100);
    const Finished back = crossfade({"rollback", db_, "--max-pause", "20000"});
    ASSERT_EQ(back.code, 0) << back.err;
    EXPECT_EQ(sum_on_source(names), static_cast<int64_t>(names.size()) * (100 + 2 + 100));
    expect_equal(same_on_target);
    const Finished again = crossfade(cutover);
    ASSERT_EQ(again.code, 0) << again.err;
    write_on_target(1000);
    EXPECT_EQ(stop_engine(), 0);
    const Finished finish = crossfade({"finish", db_});
    EXPECT_EQ(finish.code, 0) << finish.err;
    EXPECT_EQ(AppDb(db_).value("SELECT count(*) FROM sqlite_master WHERE name GLOB '_crossfade_*'"),
              "0");
    EXPECT_EQ(target_value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '\\_crossfade%'"),
              "0");
  }
};

TEST_P(NamesTest, OfEveryKindGoThereAndBackAndThereAgain) {
  go_there_and_back_and_there(of_every_kind(), true);
}

TEST_P(NamesTest, OfAnyLengthGoThereAndBackAndThereAgain) {
  go_there_and_back_and_there(of_any_length(), false);
}

INSTANTIATE_TEST_SUITE_P(WaysBack, NamesTest, ::testing::Values("slot", "outbox"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace crossfade::testing
