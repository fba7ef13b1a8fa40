#include "engine/run/status.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/sqlite/connection.h"
#include "tests/support/temp_dir.h"

namespace crossfade::run {
namespace {

// The names that scripts rely on: never renamed.
TEST(StatusTest, JsonHasTheDocumentedFields) {
  const nlohmann::json json = to_json(StatusReport{});
  for (const char* name :
       {"phase", "primary", "epoch", "captured_lsn", "applied_lsn", "verified_lsn", "lag_changes",
        "lag_ms", "rows_copied", "rows_total", "eta_s", "quarantined", "conflicts"}) {
    EXPECT_TRUE(json.contains(name)) << name;
  }
  EXPECT_EQ(json["phase"], "inspecting");
  EXPECT_EQ(json["primary"], "sqlite");
  EXPECT_TRUE(json["eta_s"].is_null());
}

TEST(StatusTest, JsonHoldsWhatTheReportSays) {
  StatusReport report;
  report.phase = "following";
  report.primary = Primary::kPostgres;
  report.epoch = Epoch{3};
  report.captured_lsn = Lsn{12};
  report.applied_lsn = Lsn{11};
  report.verified_lsn = Lsn{10};
  report.lag_changes = 1;
  report.lag_ms = 7;
  report.rows_copied = 5;
  report.rows_total = 9;
  report.rows_per_s = 2;
  report.eta_s = 0;
  report.quarantined = 4;
  report.conflicts = 6;
  report.tables = {{"t", 5, 9}};
  const nlohmann::json json = to_json(report);
  EXPECT_EQ(json["primary"], "postgres");
  EXPECT_EQ(json["epoch"], 3);
  EXPECT_EQ(json["captured_lsn"], 12);
  EXPECT_EQ(json["applied_lsn"], 11);
  EXPECT_EQ(json["verified_lsn"], 10);
  EXPECT_EQ(json["lag_ms"], 7);
  EXPECT_EQ(json["eta_s"], 0);
  EXPECT_EQ(json["rows_per_minute"], 120);
  EXPECT_EQ(json["quarantined"], 4);
  EXPECT_EQ(json["conflicts"], 6);
  EXPECT_EQ(json["tables"][0]["rows_total"], 9);
  const std::string text = to_text(report);
  for (const char* part : {"following (no engine runs)", "postgres (epoch 3)", "5 of 9 rows",
                           "captured 12, applied 11, verified 10", "1 changes, 7 ms",
                           "4 rows in quarantine, 6 conflicts"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
}

TEST(StatusTest, TheBoardGivesWholeReports) {
  StatusBoard board;
  std::thread writer([&] {
    for (int i = 1; i <= 20'000; ++i) {
      board.update([&](StatusReport& r) {
        r.rows_copied = i;
        r.target = std::to_string(i);
      });
    }
  });
  for (int i = 0; i < 2'000; ++i) {
    const StatusReport report = board.get();
    ASSERT_EQ(report.target, report.rows_copied == 0 ? "" : std::to_string(report.rows_copied));
  }
  writer.join();
}

// Without a target, and without ever having been captured: the source alone, untouched.
TEST(StatusTest, ReadsASourceThatWasNeverCaptured) {
  const testing::TempDir folder;
  const std::string path = folder.file("a.db");
  {
    auto made = sqlite::Connection::open({path, sqlite::Access::kCreate});
    ASSERT_TRUE(made);
    ASSERT_TRUE(made.value().exec("CREATE TABLE t(x)"));
  }
  const auto status = read_status(path, "");
  ASSERT_TRUE(status) << describe(status.error());
  EXPECT_EQ(status.value().captured_lsn, Lsn{0});
  EXPECT_FALSE(status.value().running);
  EXPECT_FALSE(read_status(folder.file("typo.db"), ""));
  EXPECT_FALSE(std::ifstream(folder.file("typo.db")).good());
}

}  // namespace
}  // namespace crossfade::run
