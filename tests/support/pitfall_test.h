// Fixture of the traps between SQLite and PostgreSQL (docs/pitfalls.md): a database that holds many
// of them is moved once, and each test looks at its own trap.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/support/move_test.h"

namespace crossfade::testing {

// A database that inspect has judged and run has carried over, as an operator would. Its failures
// are those of the test that asks first.
class Moved {
 public:
  enum class Until { kVerified, kFollowing };

  // `sql` makes the source. Following, the engine runs until this is destroyed.
  Moved(const std::string& sql, Until until);
  ~Moved();
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;

  [[nodiscard]] const std::string& db() const { return db_; }
  // Of `run --until verified`.
  [[nodiscard]] const Finished& run() const { return run_; }
  // Runs SQL on the source as the application; the test fails when it does.
  void app(const std::string& sql) const;
  // The first cell of a query, as text.
  [[nodiscard]] std::string source(const std::string& sql) const;
  [[nodiscard]] std::string target(const std::string& sql) const;
  void target_exec(const std::string& sql) const;
  // As PostgreSQL writes it, with its modifiers.
  [[nodiscard]] std::string type(const std::string& table, const std::string& column) const;
  // The text of a column's default on the target; "" for none.
  [[nodiscard]] std::string default_of(const std::string& table, const std::string& column) const;
  // Inspect's finding with this code; null when there is none.
  [[nodiscard]] nlohmann::json finding(const std::string& code, const std::string& table,
                                       const std::string& column = "") const;
  // Whether some finding quotes `text`.
  [[nodiscard]] bool named(const std::string& text) const;
  // Whether some statement of the plan contains `text`.
  [[nodiscard]] bool planned(const std::string& text) const;
  // What the oracle finds different between both sides, of these tables only; "" for nothing.
  [[nodiscard]] std::string difference(const std::set<std::string>& tables) const;
  // Waits for that to be nothing.
  void expect_becomes_equal(const std::set<std::string>& tables) const;

 private:
  TempDir dir_;
  std::string db_;
  std::string url_;
  nlohmann::json plan_;
  Finished run_;
  std::unique_ptr<Process> engine_;
};

// Tests that need a database to themselves call own_move() and use MoveTest's members.
class PitfallTest : public MoveTest {
 protected:
  static void TearDownTestSuite();
  void SetUp() override;
  void own_move() { MoveTest::SetUp(); }

  // The one of that name, made at its first use, for all tests of the program.
  static const Moved& moved(const std::string& name, const std::string& sql,
                            Moved::Until until = Moved::Until::kVerified);
};

}  // namespace crossfade::testing
