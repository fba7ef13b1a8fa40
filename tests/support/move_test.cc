#include "tests/support/move_test.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/connect.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

void MoveTest::SetUp() {
  CROSSFADE_NEEDS_POSTGRES();
  db_ = dir_.file("app.db");
  url_ = TestCluster::create_database();
}

void MoveTest::TearDown() {
  if (HasFailure() && engine_) fprintf(stderr, "the engine said:\n%s\n", engine_->err().c_str());
  engine_.reset();
  if (!url_.empty()) TestCluster::drop_database(url_);
}

void MoveTest::make_shop(int rows) {
  app(fmt::format(R"(
    PRAGMA journal_mode=WAL;
    CREATE TABLE customer(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, note BLOB);
    CREATE TABLE purchase(id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL
      REFERENCES customer(id), cents INTEGER NOT NULL, weight REAL);
    CREATE INDEX purchase_customer ON purchase(customer_id);
    CREATE TABLE setting(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE journal(at INTEGER, what TEXT);
    WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<20)
      INSERT INTO customer(name,note) SELECT 'Customer '||i, randomblob(i%7) FROM c;
    WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<{0})
      INSERT INTO purchase SELECT i, i%20+1, i*7, i/3.0 FROM c;
    INSERT INTO setting VALUES('theme','dark'),('limit','many');
    INSERT INTO journal VALUES(1,'opened'),(2,'closed'),(2,'closed');)",
                  rows));
}

void MoveTest::app(const std::string& sql) const {
  EXPECT_EQ(AppDb(db_).run(sql), "") << sql;
}

Finished MoveTest::crossfade(std::vector<std::string> arguments, milliseconds within) {
  Process::Options options = crossfade_command(std::move(arguments));
  options.env_removed = {"DATABASE_URL", "CROSSFADE_TARGET"};
  return run_process(options, within);
}

Finished MoveTest::run_until_verified() const {
  return crossfade({"run", db_, "--target", url_, "--until", "verified", "--json"}, seconds(90));
}

void MoveTest::follow(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"run", db_, "--target", url_};
  arguments.insert(arguments.end(), more.begin(), more.end());
  engine_ = std::make_unique<Process>(crossfade_command(std::move(arguments)));
  ASSERT_TRUE(await_phase("following")) << engine_->err();
}

int MoveTest::stop_engine() {
  engine_->signal(SIGTERM);
  return engine_->wait(seconds(5)).value_or(-1);
}

nlohmann::json MoveTest::status() const {
  const Finished done = crossfade({"status", db_, "--json"});
  return nlohmann::json::parse(done.out, nullptr, /*allow_exceptions=*/false);
}

bool MoveTest::await_phase(const std::string& phase, milliseconds within) const {
  return wait_until(
      [&] {
        const auto now = status();
        // What the last engine left behind says nothing about this one.
        return now.is_object() && now.value("phase", "") == phase &&
               (!engine_ || now.value("running", false));
      },
      within, milliseconds(50));
}

void MoveTest::expect_becomes_equal(milliseconds within) {
  std::string difference;
  const bool equal = wait_until(
      [&] {
        difference = compare_databases(db_, url_);
        return difference.empty();
      },
      within, milliseconds(100));
  ASSERT_TRUE(equal) << difference;
  const Finished verify = crossfade({"verify", db_, "--json"});
  EXPECT_EQ(verify.code, 0) << verify.out << verify.err;
}

std::string MoveTest::target_value(const std::string& sql) const {
  auto connection = connect_or_die(url_);
  const auto result = connection.exec(sql);
  if (!result) {
    ADD_FAILURE() << sql << ": " << describe(result.error());
    return "";
  }
  return result.value().rows() == 0 ? "" : std::string(result.value().text(0, 0));
}

void MoveTest::target_exec(const std::string& sql) const {
  auto connection = connect_or_die(url_);
  const auto done = connection.exec(sql);
  EXPECT_TRUE(done) << sql << ": " << describe(done.error());
}

std::string MoveTest::traces_in_source() const {
  return AppDb(db_).value(
      "SELECT group_concat(type||' '||name) FROM sqlite_master WHERE name LIKE '%crossfade%' OR "
      "sql LIKE '%crossfade%'");
}

std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string listing(const std::string& folder) {
  std::vector<std::string> lines;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    lines.push_back(entry.is_regular_file()
                        ? fmt::format("{} {} {}", entry.path().string(), entry.file_size(),
                                      std::hash<std::string>()(read_bytes(entry.path().string())))
                        : entry.path().string());
  }
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, "\n"));
}

}  // namespace crossfade::testing
