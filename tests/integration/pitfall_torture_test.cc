// Promise: a database that holds every trap at once is carried over value for value; what cannot be
// is set aside with its very bytes.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/torture_db.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;

class PitfallTortureTest : public MoveTest, public ::testing::WithParamInterface<int> {
 protected:
  // The value as crossfade.quarantine writes it (docs/quarantine.md); no REALs are among them.
  static json exact(AppDb& db, const std::string& column, const TortureDb::SetAside& row) {
    const std::string from = fmt::format(" FROM {} WHERE rowid={}", row.table, row.rowid);
    const std::string type = db.value(fmt::format("SELECT typeof({})", column) + from);
    if (type == "null") return nullptr;
    if (type == "integer") return std::stoll(db.value("SELECT " + column + from));
    EXPECT_EQ(type, "text");
    const std::string text = db.value(fmt::format("SELECT CAST({} AS BLOB)", column) + from);
    const json plain = text;
    try {
      if (text.find('\0') == std::string::npos) return json::parse(plain.dump());
    } catch (const json::exception&) {  // not UTF-8
    }
    std::string hex;
    for (const char c : text) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return {{"$text", hex}};
  }
  [[nodiscard]] std::multiset<std::string> quarantined() const {
    std::multiset<std::string> out;
    auto connection = connect_or_die(url_);
    const auto rows =
        connection.exec("SELECT table_name,source_row::text FROM crossfade.quarantine");
    if (!rows) throw std::runtime_error(describe(rows.error()));
    for (int i = 0; i < static_cast<int>(rows.value().rows()); ++i) {
      out.insert(std::string(rows.value().text(i, 0)) + " " +
                 json::parse(rows.value().text(i, 1)).dump());
    }
    return out;
  }
};

TEST_P(PitfallTortureTest, EveryTrapInOneDatabase) {
  const TortureDb torture = torture_db(static_cast<uint64_t>(GetParam()));
  ASSERT_EQ(AppDb(db_).run("BEGIN;" + torture.sql + "COMMIT"), "");
  const Finished done =
      crossfade({"run", db_, "--target", url_, "--until", "verified", "--quarantine", "--json"});
  EXPECT_EQ(done.code, 3) << done.out << done.err;  // rows are set aside, and all else is equal
  std::multiset<std::string> expected;
  // What has to be on the target: the same database without them.
  const std::string rest_path = dir_.file("rest.db");
  AppDb source(db_);
  AppDb rest(rest_path);
  ASSERT_EQ(rest.run("BEGIN;" + torture.sql + "COMMIT"), "");
  for (const TortureDb::SetAside& row : torture.set_aside) {
    json values;
    for (const char* column : {"id", "t", "u", "k", "n"}) {
      if (source.value(fmt::format("SELECT count(*) FROM pragma_table_info('{}') WHERE name='{}'",
                                   row.table, column)) == "1") {
        values[column] = exact(source, column, row);
      }
    }
    expected.insert(row.table + " " + values.dump());
    ASSERT_EQ(rest.run(fmt::format("DELETE FROM {} WHERE rowid={}", row.table, row.rowid)), "");
  }
  EXPECT_GT(expected.size(), 10U);
  EXPECT_EQ(quarantined(), expected);
  EXPECT_EQ(compare_databases(rest_path, url_), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, PitfallTortureTest, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace crossfade::testing
