// Promise: an operator says where PostgreSQL's programs are, and no others are taken in silence;
// where nobody says, a program is of the server's own version, or of the next newer one.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT: setenv is POSIX
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "engine/postgres/client_program.h"
#include "engine/postgres/server_process.h"
#include "tests/support/temp_dir.h"

namespace crossfade::testing {
namespace {

using ::testing::HasSubstr;

class PostgresProgramsTest : public ::testing::Test {
 protected:
  static constexpr const char* kDump = "pg_dump_of_a_test";  // installed nowhere else

  PostgresProgramsTest() {
    for (const char* name : {"PATH", postgres::kProgramFolderVariable}) {
      const char* value = std::getenv(name);
      if (value != nullptr) saved_[name] = value;
    }
    ::unsetenv(postgres::kProgramFolderVariable);
  }
  ~PostgresProgramsTest() override {
    ::unsetenv(postgres::kProgramFolderVariable);
    for (const auto& [name, value] : saved_) ::setenv(name.c_str(), value.c_str(), 1);
  }

  // A folder with programs that only say their version.
  std::string folder_of(int major, const std::vector<std::string>& programs) {
    const std::string folder = dir_.file(std::to_string(major));
    ::mkdir(folder.c_str(), 0755);
    for (const std::string& program : programs) {
      const std::string path = folder + "/" + program;
      std::ofstream(path) << fmt::format("#!/bin/sh\necho '{} (PostgreSQL) {}.3 (A test)'\n",
                                         program, major);
      EXPECT_EQ(::chmod(path.c_str(), 0755), 0);
    }
    return folder;
  }
  std::string server_of(int major) { return folder_of(major, {"initdb", "pg_ctl", "postgres"}); }

  static void name_folder(const std::string& folder) {
    ::setenv(postgres::kProgramFolderVariable, folder.c_str(), 1);
  }
  static std::string found_server(const std::string& major) {
    auto found = postgres::find_server_binaries(major);
    return found ? std::move(found).value() : describe(found.error());
  }
  static std::string found_dump(int server_version) {
    auto found = postgres::find_client_program(kDump, server_version);
    return found ? std::move(found).value() : describe(found.error());
  }

 private:
  TempDir dir_;
  std::map<std::string, std::string> saved_;
};

TEST_F(PostgresProgramsTest, TheServerIsTheOneInTheFolderThatTheEnvironmentNames) {
  const std::string folder = server_of(97);
  name_folder(folder);
  EXPECT_EQ(found_server(""), folder);
  EXPECT_EQ(found_server("97"), folder);
}

TEST_F(PostgresProgramsTest, AClusterThatExistsNeedsItsOwnVersionWhateverIsNamed) {
  name_folder(server_of(97));
  EXPECT_THAT(found_server("96"), HasSubstr("was made by PostgreSQL 96"));
}

TEST_F(PostgresProgramsTest, AFolderWithoutAServerIsAnErrorAndNotAReasonToTakeAnother) {
  for (const std::string& folder : {folder_of(97, {"initdb"}), std::string("97/bin")}) {
    name_folder(folder);
    const auto found = postgres::find_server_binaries("");
    ASSERT_FALSE(found) << found.value();
    EXPECT_THAT(describe(found.error()), HasSubstr("CROSSFADE_PG_BIN=" + folder));
    EXPECT_THAT(found.error().hint, HasSubstr("CROSSFADE_PG_BIN"));
  }
}

TEST_F(PostgresProgramsTest, SetToNothingIsNotSet) {
  name_folder("");
  const std::string empty = found_server("96");
  EXPECT_THAT(empty, HasSubstr("was made by PostgreSQL 96"));
}

TEST_F(PostgresProgramsTest, AClientProgramIsOfTheServersVersionOrTheNextNewer) {
  const std::string newest = folder_of(99, {kDump});
  const std::string newer = folder_of(97, {kDump});
  const std::string older = folder_of(95, {kDump});
  ::setenv("PATH", fmt::format("{}:{}:{}:/usr/bin:/bin", newest, older, newer).c_str(), 1);
  EXPECT_EQ(found_dump(970'003), newer + "/" + kDump);
  EXPECT_EQ(found_dump(960'003), newer + "/" + kDump);
  EXPECT_EQ(found_dump(950'003), older + "/" + kDump);
  EXPECT_EQ(found_dump(980'003), newest + "/" + kDump);
  const auto none = postgres::find_client_program(kDump, 1'000'003);
  ASSERT_FALSE(none);
  EXPECT_THAT(describe(none.error()), HasSubstr("is of PostgreSQL 99, and the server of 100"));
}

TEST_F(PostgresProgramsTest, AClientProgramIsTakenFromTheNamedFolderUnlessItIsTooOld) {
  const std::string newer = folder_of(97, {kDump});
  const std::string older = folder_of(95, {kDump});
  ::setenv("PATH", fmt::format("{}:/usr/bin:/bin", older).c_str(), 1);
  name_folder(newer);
  EXPECT_EQ(found_dump(950'003), newer + "/" + kDump);
  ::setenv("PATH", fmt::format("{}:/usr/bin:/bin", newer).c_str(), 1);
  name_folder(older);
  EXPECT_EQ(found_dump(960'003), newer + "/" + kDump);
}

TEST_F(PostgresProgramsTest, AFolderThatIsNamedNeedNotHaveClientPrograms) {
  const std::string elsewhere = folder_of(97, {kDump});
  ::setenv("PATH", fmt::format("{}:/usr/bin:/bin", elsewhere).c_str(), 1);
  name_folder(server_of(96));
  EXPECT_EQ(found_dump(960'003), elsewhere + "/" + kDump);
}

}  // namespace
}  // namespace crossfade::testing
