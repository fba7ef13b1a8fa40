// Promise: a row of any size is followed, and the engine's memory is a few times that of one such
// row, however many there are.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;

constexpr int64_t kRowBytes = 48'000'000;

class LargeRowTest : public MoveTest {
 protected:
  // What the engine held at most since the last time, in rows.
  double peak() {
    double bytes = 0;
    std::ifstream status(fmt::format("/proc/{}/status", engine_->pid()));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) bytes = std::stod(line.substr(6)) * 1024;
    }
    std::ofstream(fmt::format("/proc/{}/clear_refs", engine_->pid())) << 5;
    EXPECT_GT(bytes, 0);
    return bytes / kRowBytes;
  }

  // The application writes, and `query` comes to be `answer` on the target.
  void followed(const std::string& write, const std::string& query, const std::string& answer) {
    app(write);
    ASSERT_TRUE(wait_until([&] { return target_value(query) == answer; }, seconds(60)))
        << write << engine_->err();
  }
};

TEST_F(LargeRowTest, MemoryIsAFewTimesTheRow) {
  const std::string body = fmt::format("randomblob({})", kRowBytes);
  app("PRAGMA journal_mode=WAL; CREATE TABLE doc(id INTEGER PRIMARY KEY, name, body, tail TEXT);"
      "INSERT INTO doc VALUES(0,'tiny',x'00','end');"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<4) "
      "INSERT INTO doc SELECT i,'first'," +
      body + ",'end' FROM n");
  follow();
  EXPECT_LT(peak(), 3.5) << "copying";
  followed("INSERT INTO doc VALUES(9,'ninth'," + body + ",'end')",
           "SELECT count(*) FROM public.doc", "6");
  EXPECT_LT(peak(), 3.5) << "an insert";
  followed("UPDATE doc SET name='renamed' WHERE id=1", "SELECT name FROM public.doc WHERE id=1",
           "renamed");
  EXPECT_LT(peak(), 4.5) << "an update of a short column";
  followed("UPDATE doc SET name='again',body=" + body + " WHERE id>0",
           "SELECT count(*) FROM public.doc WHERE name='again'", "5");
  EXPECT_LT(peak(), 5.5) << "several in one transaction";
  followed("DELETE FROM doc WHERE id IN (2,3)", "SELECT count(*) FROM public.doc", "4");
  EXPECT_LT(peak(), 5.5) << "deletes";
  const Finished verified = crossfade({"verify", db_});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  EXPECT_LT(peak(), 5.5) << "a comparison";
  expect_becomes_equal();
}

}  // namespace
}  // namespace crossfade::testing
