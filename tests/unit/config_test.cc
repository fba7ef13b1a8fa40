#include "tools/cli/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace crossfade::cli {
namespace {

using Refusal = std::pair<std::string, std::string>;  // place, reason

constexpr const char* kVariables[] = {"CROSSFADE_TARGET",
                                      "DATABASE_URL",
                                      "CROSSFADE_TARGET_SCHEMA",
                                      "CROSSFADE_LOG_LEVEL",
                                      "CROSSFADE_MAX_PAUSE_MS",
                                      "CROSSFADE_KEEP_LOG",
                                      "CROSSFADE_QUARANTINE",
                                      "CROSSFADE_KEEP_JOURNAL_MODE",
                                      "CROSSFADE_SCHEMA_FROM_TARGET"};

class ConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : kVariables) {
      const char* value = std::getenv(name);
      if (value != nullptr) saved_.emplace_back(name, value);
      ::unsetenv(name);
    }
  }
  void TearDown() override {
    for (const char* name : kVariables) ::unsetenv(name);
    for (const auto& [name, value] : saved_) ::setenv(name.c_str(), value.c_str(), 1);
  }

  std::string file(const std::string& text) {
    std::ofstream(dir_.file("c.toml")) << text;
    return dir_.file("c.toml");
  }

  // What a file's text is refused with: place, reason.
  Refusal refusal(const std::string& text) {
    Settings settings;
    const Status done = complete_settings(file(text), &settings);
    EXPECT_FALSE(done) << text;
    if (done) return {};
    EXPECT_EQ(done.error().code, ErrorCode::kUsage);
    EXPECT_FALSE(done.error().hint.empty());
    return {std::filesystem::path(done.error().object).filename(), done.error().native};
  }

  const testing::TempDir dir_;
  std::vector<std::pair<std::string, std::string>> saved_;
};

TEST_F(ConfigTest, FlagsThenEnvironmentThenFile) {
  const std::string path = file(
      "target = 'file'\ntarget_schema = 'file'\nlog_level = 'error'\nmax_pause_ms = 1\n"
      "keep_log = 7\nquarantine = true\nkeep_journal_mode = true\nschema_from_target = true\n");
  Settings settings;
  settings.target = "flag";
  ::setenv("CROSSFADE_TARGET", "environment", 1);
  ::setenv("CROSSFADE_TARGET_SCHEMA", "environment", 1);
  ::setenv("CROSSFADE_MAX_PAUSE_MS", "250", 1);
  ::setenv("CROSSFADE_KEEP_LOG", "900", 1);
  ::setenv("CROSSFADE_QUARANTINE", "0", 1);
  ASSERT_TRUE(complete_settings(path, &settings));
  EXPECT_EQ(settings.target, "flag");
  EXPECT_EQ(settings.target_schema, "environment");
  EXPECT_EQ(settings.log_level, "error");
  EXPECT_EQ(settings.max_pause_ms, 250);
  EXPECT_EQ(settings.keep_log, 900);
  EXPECT_EQ(settings.quarantine, false);
  EXPECT_EQ(settings.keep_journal_mode, true);
  EXPECT_EQ(settings.schema_from_target, true);
}

TEST_F(ConfigTest, OurVariableComesBeforeDatabaseUrl) {
  ::setenv("DATABASE_URL", "url", 1);
  Settings settings;
  ASSERT_TRUE(complete_settings(file(""), &settings));
  EXPECT_EQ(settings.target, "url");
  ::setenv("CROSSFADE_TARGET", "ours", 1);
  Settings again;
  ASSERT_TRUE(complete_settings(file("target = 'file'"), &again));
  EXPECT_EQ(again.target, "ours");
  ::setenv("CROSSFADE_TARGET", "", 1);  // set to nothing is not set
  Settings empty;
  ASSERT_TRUE(complete_settings(file(""), &empty));
  EXPECT_EQ(empty.target, "url");
}

TEST_F(ConfigTest, NothingSetLeavesAllOpen) {
  Settings settings;
  ASSERT_TRUE(complete_settings(file("# a comment\n"), &settings));
  EXPECT_FALSE(settings.target || settings.target_schema || settings.log_level ||
               settings.max_pause_ms || settings.quarantine || settings.keep_journal_mode);
}

TEST_F(ConfigTest, MistakesInTheFileAreNamedWithTheirLine) {
  EXPECT_EQ(refusal("\n\ntarge = 'x'\n"), Refusal("c.toml:3", "unknown setting 'targe'"));
  EXPECT_EQ(refusal("target = 'x'\nmax_pause_ms = '5'"),
            Refusal("c.toml:2", "'max_pause_ms' has the wrong type"));
  EXPECT_EQ(refusal("quarantine = 1"), Refusal("c.toml:1", "'quarantine' has the wrong type"));
  EXPECT_EQ(refusal("max_pause_ms = 1.5").first, "c.toml:1");
  EXPECT_EQ(refusal("target = 'x'\n\n[table]\n").first, "c.toml:3");
  EXPECT_EQ(refusal("target = 'x'\ntarget_schema = \n").first, "c.toml:2");
}

TEST_F(ConfigTest, AFileThatWasNamedMustBeThere) {
  Settings settings;
  const Status done = complete_settings(dir_.file("none.toml"), &settings);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().object, dir_.file("none.toml"));
}

TEST_F(ConfigTest, MistakesInTheEnvironmentAreNamed) {
  ::setenv("CROSSFADE_MAX_PAUSE_MS", "5s", 1);
  Settings settings;
  Status done = complete_settings(file(""), &settings);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().object, "CROSSFADE_MAX_PAUSE_MS");
  EXPECT_EQ(done.error().native, "'5s' is no number");
  ::unsetenv("CROSSFADE_MAX_PAUSE_MS");
  ::setenv("CROSSFADE_QUARANTINE", "perhaps", 1);
  done = complete_settings(file(""), &settings);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().object, "CROSSFADE_QUARANTINE");
}

TEST_F(ConfigTest, LogLevels) {
  EXPECT_EQ(parse_log_level("debug").value(), log::Level::kDebug);
  EXPECT_EQ(parse_log_level("off").value(), log::Level::kOff);
  const auto wrong = parse_log_level("loud");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().native, "'loud' is no level");
}

}  // namespace
}  // namespace crossfade::cli
