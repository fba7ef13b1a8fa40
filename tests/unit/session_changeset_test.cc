// Promise: the bytes of a changeset, of each kind, become the log entries that triggers would have
// written; a change that leaves a value open, or of another table, is an error.
#include <gmock/gmock.h>

#include <fstream>

#include "capture/session_log.h"
#include "tests/support/process.h"
#include "tests/unit/session_fixture.h"

namespace crossfade::capture {
namespace {

using testing::Recorded;

struct GoldenChangeset {
  std::string rows;  // SQL that makes the rows as they are after the change
  std::string bytes;
  std::string entry;
};

std::string from_hex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return out;
}

// Three lines each: SQL, bytes, entry. Lines with # are comments.
std::vector<GoldenChangeset> golden_changesets() {
  std::ifstream file(crossfade::testing::project_file("tests/golden/changeset.txt"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with('#')) lines.push_back(line);
  }
  std::vector<GoldenChangeset> out;
  for (size_t i = 0; i + 2 < lines.size(); i += 3) {
    out.push_back({lines[i], from_hex(lines[i + 1]), lines[i + 2]});
  }
  return out;
}

class Changesets {
 public:
  explicit Changesets(const std::string& rows)
      : db_("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, r REAL, b BLOB);"
            "CREATE TABLE w(k TEXT NOT NULL, n INTEGER NOT NULL, v TEXT, PRIMARY KEY(k, n))"
            " WITHOUT ROWID") {
    db_.app().must(rows);
    (void)db_.changes();
  }

  RecorderStatus append(std::string bytes) {
    SessionLog log(db_.app().handle());
    uint64_t count = 0;
    db_.app().must("BEGIN IMMEDIATE");
    auto status = log.append_changeset(bytes.data(), static_cast<int>(bytes.size()),
                                       db_.recorder().tables(), &count);
    db_.app().must(status.ok() ? "COMMIT" : "ROLLBACK");
    return status;
  }
  std::vector<std::string> changes() { return db_.changes(); }

 private:
  Recorded db_;
};

TEST(SessionChangesetTest, GoldenBytesBecomeLogEntries) {
  const auto golden = golden_changesets();
  ASSERT_GE(golden.size(), 7U);
  for (const GoldenChangeset& each : golden) {
    SCOPED_TRACE(each.entry);
    Changesets db(each.rows);
    const auto appended = db.append(each.bytes);
    ASSERT_TRUE(appended.ok()) << appended.message;
    EXPECT_THAT(db.changes(), ::testing::ElementsAre(each.entry));
  }
}

TEST(SessionChangesetTest, OtherTablesAndMissingValuesAreErrors) {
  Changesets db("INSERT INTO t VALUES (1,'a',1.5,NULL)");
  // A table that is not there; an insert that leaves a column open; one of fewer columns.
  EXPECT_FALSE(db.append(from_hex("5401017800120001"
                                  "0000000000000001"))
                   .ok());
  EXPECT_FALSE(db.append(from_hex("54040100000074001200010000000000000001000505")).ok());
  EXPECT_FALSE(db.append(from_hex("5401017400120001"
                                  "0000000000000001"))
                   .ok());
  EXPECT_THAT(db.changes(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace crossfade::capture
