#include "tests/support/pitfall_test.h"

#include <fmt/format.h>
#include <signal.h>

#include <map>

#include "tests/support/connect.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

Finished program(std::vector<std::string> arguments) {
  Process::Options options = crossfade_command(std::move(arguments));
  options.env_removed = {"DATABASE_URL", "CROSSFADE_TARGET"};
  return run_process(options, seconds(90));
}

std::map<std::string, std::unique_ptr<Moved>>& all_moved() {
  static std::map<std::string, std::unique_ptr<Moved>> all;
  return all;
}

}  // namespace

Moved::Moved(const std::string& sql, Until until)
    : db_(dir_.file("app.db")), url_(TestCluster::create_database()) {
  app(sql);
  const Finished inspected = program({"inspect", db_, "--json"});
  EXPECT_EQ(inspected.code, 0) << inspected.err;
  plan_ = json::parse(inspected.out, nullptr, /*allow_exceptions=*/false);
  if (until == Until::kVerified) {
    run_ = program({"run", db_, "--target", url_, "--until", "verified", "--json"});
    EXPECT_EQ(run_.code, 0) << run_.out << run_.err;
    return;
  }
  engine_ = std::make_unique<Process>(crossfade_command({"run", db_, "--target", url_}));
  EXPECT_TRUE(wait_until(
      [&] {
        const json now = json::parse(program({"status", db_, "--json"}).out, nullptr, false);
        return now.is_object() && now.value("phase", "") == "following";
      },
      seconds(30), milliseconds(50)))
      << engine_->err();
}

Moved::~Moved() {
  if (engine_) {
    engine_->signal(SIGTERM);
    EXPECT_EQ(engine_->wait(seconds(5)).value_or(-1), 0) << engine_->err();
  }
  TestCluster::drop_database(url_);
}

void Moved::app(const std::string& sql) const {
  EXPECT_EQ(AppDb(db_).run(sql), "") << sql;
}

std::string Moved::source(const std::string& sql) const {
  return AppDb(db_).value(sql);
}

std::string Moved::target(const std::string& sql) const {
  auto connection = connect_or_die(url_);
  EXPECT_TRUE(connection.exec("SET search_path=public"));
  const auto result = connection.exec(sql);
  if (!result) {
    ADD_FAILURE() << sql << ": " << describe(result.error());
    return "";
  }
  return result.value().rows() == 0 ? "" : std::string(result.value().text(0, 0));
}

void Moved::target_exec(const std::string& sql) const {
  (void)target(sql);
}

std::string Moved::type(const std::string& table, const std::string& column) const {
  return target(
      fmt::format("SELECT format_type(atttypid,atttypmod) FROM pg_attribute WHERE "
                  "attrelid='public.\"{}\"'::regclass AND attname='{}'",
                  table, column));
}

std::string Moved::default_of(const std::string& table, const std::string& column) const {
  return target(fmt::format(
      "SELECT pg_get_expr(adbin,adrelid) FROM pg_attrdef JOIN pg_attribute ON attrelid=adrelid AND "
      "attnum=adnum WHERE adrelid='public.\"{}\"'::regclass AND attname='{}'",
      table, column));
}

json Moved::finding(const std::string& code, const std::string& table,
                    const std::string& column) const {
  for (const json& finding : plan_.at("findings")) {
    if (finding.at("code") == code && finding.at("table") == table &&
        (column.empty() || finding.at("column") == column)) {
      return finding;
    }
  }
  return nullptr;
}

bool Moved::named(const std::string& text) const {
  for (const json& finding : plan_.at("findings")) {
    if (finding.at("message").get<std::string>().find(text) != std::string::npos) return true;
  }
  return false;
}

bool Moved::planned(const std::string& text) const {
  for (const json& statement : plan_.at("ddl")) {
    if (statement.get<std::string>().find(text) != std::string::npos) return true;
  }
  return false;
}

std::string Moved::difference(const std::set<std::string>& tables) const {
  OracleOptions options;
  for (const json& table : plan_.at("tables")) {
    const std::string name = table.at("name");
    if (tables.count(name) == 0) options.ignored_tables.insert(name);
  }
  return compare_databases(db_, url_, options);
}

void Moved::expect_becomes_equal(const std::set<std::string>& tables) const {
  std::string found;
  EXPECT_TRUE(wait_until(
      [&] {
        found = difference(tables);
        return found.empty();
      },
      seconds(20), milliseconds(50)))
      << found << engine_->err();
}

void PitfallTest::TearDownTestSuite() {
  all_moved().clear();
}

void PitfallTest::SetUp() {
  CROSSFADE_NEEDS_POSTGRES();
}

const Moved& PitfallTest::moved(const std::string& name, const std::string& sql,
                                Moved::Until until) {
  auto& made = all_moved()[name];
  if (!made) made = std::make_unique<Moved>(sql, until);
  return *made;
}

}  // namespace crossfade::testing
