// Fixture: a small application's database, an empty target, and the crossfade program run on both
// as an operator runs it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/app_db.h"
#include "tests/support/cluster.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace crossfade::testing {

class MoveTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Makes db_ with two tables that refer to each other, and `rows` rows in the larger.
  void make_shop(int rows = 200);
  // Runs SQL on db_ as the application; the test fails when it does.
  void app(const std::string& sql) const;

  // Runs the program to its end. `arguments` begin with the verb.
  [[nodiscard]] static Finished crossfade(
      std::vector<std::string> arguments,
      std::chrono::milliseconds within = std::chrono::seconds(60));
  // `run db_ --target url_` to the end that --until verified means.
  [[nodiscard]] Finished run_until_verified() const;
  // Starts `run` in the background, and waits until it follows.
  void follow(std::vector<std::string> more = {});
  // SIGTERM, and its exit code (-1: it did not end).
  int stop_engine();

  [[nodiscard]] nlohmann::json status() const;
  [[nodiscard]] bool await_phase(const std::string& phase,
                                 std::chrono::milliseconds within = std::chrono::seconds(30)) const;
  // Waits until the oracle finds both sides equal; then asks `verify` too. Nobody may be writing.
  void expect_becomes_equal(std::chrono::milliseconds within = std::chrono::seconds(20));

  // The first cell of a query on the target, as text; "" for none.
  [[nodiscard]] std::string target_value(const std::string& sql) const;
  void target_exec(const std::string& sql) const;
  // The names of the objects of ours in the source's schema.
  [[nodiscard]] std::string traces_in_source() const;

  TempDir dir_;
  std::string db_;
  std::string url_;
  std::unique_ptr<Process> engine_;
};

// Every file below `folder` with its bytes (a digest of them), one per line, sorted.
[[nodiscard]] std::string listing(const std::string& folder);
[[nodiscard]] std::string read_bytes(const std::string& path);
void write_bytes(const std::string& path, const std::string& bytes);

}  // namespace crossfade::testing
