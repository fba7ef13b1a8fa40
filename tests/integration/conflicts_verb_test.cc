// Promise: an operator sees what both sides made of a row, and decides what they are to have.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "engine/run/conflict_store.h"
#include "engine/run/target_store.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ConflictsVerbTest : public MoveTest {
 protected:
  // account(id, name, balance, rate, photo, note, twice), copied; and nothing running.
  void make_account() {
    make_shop(5);
    app("CREATE TABLE account(id INTEGER PRIMARY KEY, name TEXT NOT NULL, balance INTEGER,"
        " rate REAL, photo BLOB, note, twice AS (balance * 2));"
        "INSERT INTO account(id, name, balance, rate, photo, note) VALUES"
        " (7, 'Ann', 100, 1.5, x'00ff', 'n'), (8, 'Bob', 5, 0.5, NULL, 1)");
    ASSERT_EQ(run_until_verified().code, 0);
    auto store = open_store();
    auto tables = store.tables();
    ASSERT_TRUE(tables);
    for (const run::TargetTable& each : tables.value()) {
      if (each.table->name == "account") table_ = each.table;
    }
    ASSERT_TRUE(table_);
  }
  [[nodiscard]] run::TargetStore open_store() const {
    postgres::ConnectOptions options;
    options.params = postgres::ConnectionParams::parse(url_).value();
    return run::TargetStore::open(std::move(options)).value();
  }
  [[nodiscard]] Row row(int64_t id, const char* name, int64_t balance) const {
    Row out;
    for (const Column& column : table_->columns) {
      if (column.name == "id") out.emplace_back(id);
      if (column.name == "name") out.emplace_back(Text{name});
      if (column.name == "balance") out.emplace_back(balance);
      if (column.name == "rate") out.emplace_back(1.5);
      if (column.name == "photo") out.emplace_back(Blob{std::string("\0\xff", 2)});
      if (column.name == "note") out.emplace_back(Text{std::string("a\0b", 3)});
      if (column.name == "twice") out.emplace_back(2 * balance);
    }
    return out;
  }
  void record(const run::ConflictRecord& conflict) const {
    auto connection = connect_or_die(url_);
    const auto done = run::record_conflict(connection, conflict);
    ASSERT_TRUE(done) << describe(done.error());
  }
  [[nodiscard]] run::ConflictRecord waiting(int64_t id) const {
    run::ConflictRecord out;
    out.table = table_.get();
    out.key = {Value(id)};
    out.kind = ConflictKind::kUpdateOriginDiffers;
    out.base = row(id, "Ann", 100);
    out.source = row(id, "Ann", 120);
    out.target = row(id, "Anna", 90);
    out.why = "the policy is manual";
    out.source_lsn = Lsn{17};
    out.source_us = 1'700'000'000'250'000;
    return out;
  }
  [[nodiscard]] nlohmann::json document(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    const Finished done = crossfade(std::move(arguments));
    EXPECT_EQ(done.code, 0) << done.out << done.err;
    return nlohmann::json::parse(done.out, nullptr, false);
  }
  [[nodiscard]] std::string number(int64_t id) const {
    return target_value("SELECT id FROM crossfade.conflicts WHERE key='id=" + std::to_string(id) +
                        "'");
  }
  [[nodiscard]] Finished resolve(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"conflicts", "resolve", db_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return crossfade(std::move(arguments));
  }
  [[nodiscard]] std::vector<run::WaitingConflict> waiting_now() const {
    auto connection = connect_or_die(url_);
    return run::waiting_conflicts(connection).value();
  }

  std::shared_ptr<const Table> table_;
};

TEST_F(ConflictsVerbTest, ListsWhatWaitsAndOnDemandWhatWasResolved) {
  make_account();
  EXPECT_EQ(document({"conflicts", "list", db_}).at("waiting"), 0);
  record(waiting(7));
  run::ConflictRecord resolved = waiting(8);
  resolved.taken = apply::Taken::kSource;
  resolved.kind = ConflictKind::kDeleteOriginDiffers;
  resolved.source.reset();
  resolved.why = "source_wins";
  record(resolved);
  const auto listed = document({"conflicts", "list", db_});
  EXPECT_EQ(listed.at("waiting"), 1);
  EXPECT_EQ(listed.at("resolved"), 1);
  ASSERT_EQ(listed.at("conflicts").size(), 1U);
  const auto& entry = listed.at("conflicts")[0];
  EXPECT_EQ(entry.at("table"), "account");
  EXPECT_EQ(entry.at("key"), "id=7");
  EXPECT_EQ(entry.at("kind"), "update_origin_differs");
  EXPECT_EQ(entry.at("state"), "waiting");
  EXPECT_EQ(entry.at("source_at"), "2023-11-14T22:13:20.250Z");
  EXPECT_TRUE(entry.at("target_at").is_null());
  EXPECT_EQ(document({"conflicts", "list", db_, "--all"}).at("conflicts").size(), 2U);
  EXPECT_EQ(document({"conflicts", "list", db_, "--all", "--limit", "1"}).at("conflicts").size(),
            1U);
  EXPECT_EQ(document({"conflicts", "list", db_, "--table", "purchase"}).at("conflicts").size(), 0U);
  const std::string text = crossfade({"conflicts", "list", db_, "--all"}).out;
  EXPECT_THAT(text, HasSubstr("account id=7: update_origin_differs: waits: the policy is manual"));
  EXPECT_THAT(text, HasSubstr("account id=8: delete_origin_differs: source, by source_wins"));
  EXPECT_THAT(text, HasSubstr("1 wait (0 of them decided), 1 are resolved"));
}

// With SQLite as the only primary, somebody else's write on the target is counted and put right.
TEST_F(ConflictsVerbTest, RowsThatWereGoneOnTheTargetAreCounted) {
  make_account();
  follow();
  target_exec("DELETE FROM public.account WHERE id=8");
  app("UPDATE account SET name='Bobby' WHERE id=8");
  EXPECT_TRUE(wait_until([&] { return status().at("conflicts") == 1; }, std::chrono::seconds(20)));
  const std::string text = crossfade({"conflicts", "list", db_, "--all"}).out;
  EXPECT_THAT(text, HasSubstr("account: update_missing: source_wins (1 rows were to be there, 0 "
                              "were)"));
  EXPECT_EQ(crossfade({"conflicts", "show", db_, "--all"}).code, 0);
  expect_becomes_equal();
}

TEST_F(ConflictsVerbTest, ShowsWhatDiffersSideBySide) {
  make_account();
  record(waiting(7));
  run::ConflictRecord deleted = waiting(8);
  deleted.target.reset();
  deleted.kind = ConflictKind::kUpdateMissing;
  record(deleted);
  const std::string text = crossfade({"conflicts", "show", db_, number(7)}).out;
  EXPECT_THAT(text, ::testing::ContainsRegex("balance +100 +120 +90"));
  EXPECT_THAT(text, ::testing::ContainsRegex("name +'Ann' +'Ann' +'Anna'"));
  EXPECT_THAT(text, Not(HasSubstr("photo"))) << "it does not differ";
  EXPECT_THAT(text, HasSubstr("captured 2023-11-14T22:13:20.250Z"));
  EXPECT_THAT(crossfade({"conflicts", "show", db_, number(8)}).out,
              AllOf(HasSubstr("target (no row)"), HasSubstr("balance")));
  const auto shown = document({"conflicts", "show", db_, "--waiting"});
  ASSERT_EQ(shown.at("conflicts").size(), 2U);
  EXPECT_EQ(shown.at("conflicts")[0].at("source").at("note").at("$text"), "610062");
  EXPECT_EQ(shown.at("conflicts")[0].at("source").at("photo").at("$blob"), "00ff");
  EXPECT_EQ(shown.at("conflicts")[0].at("source").at("rate").dump(), "1.5");
  EXPECT_TRUE(shown.at("conflicts")[1].at("target").is_null());
}

TEST_F(ConflictsVerbTest, ADecisionIsWrittenForTheEngine) {
  make_account();
  record(waiting(7));
  record(waiting(8));
  const Finished one = resolve({number(7), "--take", "target"});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_THAT(one.out, AllOf(HasSubstr("1 of 1 decided"), HasSubstr("the next `crossfade run")));
  auto now = waiting_now();
  ASSERT_EQ(now.size(), 2U);
  EXPECT_EQ(now[0].decision, run::Decision::kTarget);
  EXPECT_EQ(now[1].decision, run::Decision::kNone);
  EXPECT_EQ(resolve({"--all", "--take", "source"}).code, 0);
  now = waiting_now();
  EXPECT_EQ(now[0].decision, run::Decision::kSource)
      << "until it is carried out, it can be changed";
  EXPECT_EQ(now[1].decision, run::Decision::kSource);
  EXPECT_THAT(crossfade({"conflicts", "list", db_}).out, HasSubstr("decided: source"));
  follow();
  EXPECT_THAT(resolve({number(8), "--take", "target"}).out, HasSubstr("The running engine"));
}

TEST_F(ConflictsVerbTest, ARowOfOnesOwnIsExact) {
  make_account();
  record(waiting(7));
  const Finished done = resolve(
      {number(7), "--row",
       R"({"Name": "it's \"A\"", "balance": 9223372036854775807, "rate": 2.0, "photo": {"blob": "00"}, "note": {"text": "ff00"}})"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto now = waiting_now();
  ASSERT_EQ(now.size(), 1U);
  ASSERT_EQ(now[0].decision, run::Decision::kRow);
  ASSERT_TRUE(now[0].row);
  const auto at = [&](const char* name) -> const Value& {
    for (size_t i = 0; i < table_->columns.size(); ++i) {
      if (table_->columns[i].name == name) return (*now[0].row)[i];
    }
    return (*now[0].row)[0];
  };
  EXPECT_EQ(at("id"), Value(int64_t{7}));
  EXPECT_EQ(at("name"), Value(Text{"it's \"A\""}));
  EXPECT_EQ(at("balance"), Value(INT64_MAX));
  EXPECT_EQ(at("rate"), Value(2.0));
  EXPECT_EQ(at("photo"), Value(Blob{std::string("\0", 1)}));
  EXPECT_EQ(at("note"), Value(Text{std::string("\xff\0", 2)}));
  EXPECT_THAT(crossfade({"conflicts", "show", db_, number(7)}).out, HasSubstr("decided"));
  // Where the source has no row, the target's is what is changed.
  run::ConflictRecord deleted = waiting(8);
  deleted.source.reset();
  record(deleted);
  ASSERT_EQ(resolve({number(8), "--row", R"({"balance": null})"}).code, 0);
  EXPECT_EQ(target_value("SELECT (decision_row->>'name') || (decision_row->>'balance' IS NULL) "
                         "FROM crossfade.conflicts WHERE key='id=8'"),
            "Annatrue");
}

TEST_F(ConflictsVerbTest, RefusesWhatBothSidesCannotHold) {
  make_account();
  record(waiting(7));
  const std::pair<const char*, const char*> rows[] = {
      {R"({"balanse": 1})", "did you mean 'balance'"},
      {R"({"id": 8})", "in the key"},
      {R"({"twice": 8})", "computed"},
      {R"({"name": null})", "NOT NULL"},
      {R"({"name": 7})", "cannot get 7"},
      {R"({"balance": "x"})", "does not fit bigint"},
      {R"({"balance": 9223372036854775808})", "is no value"},
      {R"({"photo": {"blob": "0"}})", "is no value"},
      {R"({"photo": [1]})", "is no value"},
      {R"(["photo"])", "a JSON object"},
      {"balance=1", "a JSON object"}};
  for (const auto& [changes, why] : rows) {
    const Finished done = resolve({number(7), "--row", changes});
    EXPECT_EQ(done.code, 2) << changes << done.out;
    EXPECT_THAT(done.err, HasSubstr(why)) << changes;
  }
  EXPECT_EQ(waiting_now().at(0).decision, run::Decision::kNone);
}

TEST_F(ConflictsVerbTest, SaysWhatIsMissing) {
  make_account();
  record(waiting(7));
  run::ConflictRecord resolved = waiting(8);
  resolved.taken = apply::Taken::kTarget;
  record(resolved);
  EXPECT_THAT(resolve({"--take", "source"}).err, HasSubstr("which conflicts?"));
  EXPECT_THAT(resolve({number(7)}).err, HasSubstr("which row?"));
  EXPECT_THAT(resolve({"77", "--take", "source"}).err, HasSubstr("no conflict with the number 77"));
  EXPECT_THAT(resolve({number(8), "--take", "source"}).err, HasSubstr("is resolved: target"));
  EXPECT_EQ(resolve({number(7), "--take", "mine"}).code, 2);
  EXPECT_EQ(resolve({number(7), "--take", "source", "--row", "{}"}).code, 2);
  EXPECT_EQ(crossfade({"conflicts", "show", db_}).code, 2);
  record(waiting(8));
  EXPECT_THAT(resolve({"--all", "--row", "{}"}).err, HasSubstr("--row is for one conflict"));
}

}  // namespace
}  // namespace crossfade::testing
