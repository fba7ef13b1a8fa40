#include "engine/run/watch_record.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/run/watcher.h"
#include "tests/support/temp_dir.h"
#include "tools/cli/watch_arguments.h"

namespace crossfade::run {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

class WatchRecordTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(dir_.file("app.db")) << "";
    auto state = StateFolder::of(dir_.file("app.db"));
    ASSERT_TRUE(state);
    state_.emplace(std::move(state).value());
    ASSERT_TRUE(state_->ensure());
  }
  static WatchRecord record() {
    WatchRecord out;
    out.epoch = Epoch{7};
    out.options = {seconds(600), "exit $(cat secret)", seconds(3), 4, seconds(60)};
    out.max_pause = milliseconds(1234);
    out.state = WatchState::kTriggered;
    out.cause = WatchCause::kCommand;
    out.reason = "it exited with 3";
    out.until_ms = 1'700'000'000'000;
    out.attempts = 2;
    out.last_step = "somebody holds locks";
    return out;
  }
  testing::TempDir dir_;
  std::optional<StateFolder> state_;
};

TEST_F(WatchRecordTest, WhatIsWrittenIsRead) {
  const auto none = load_watch(*state_);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none.value());
  ASSERT_TRUE(save_watch(*state_, record()));
  const auto read = load_watch(*state_);
  ASSERT_TRUE(read && read.value());
  const WatchRecord& r = *read.value();
  EXPECT_EQ(r.epoch, Epoch{7});
  EXPECT_EQ(r.options.window, seconds(600));
  EXPECT_EQ(r.options.command, "exit $(cat secret)");
  EXPECT_EQ(r.options.every, seconds(3));
  EXPECT_EQ(r.options.failures_max, 4);
  EXPECT_EQ(r.options.target_lost_after, seconds(60));
  EXPECT_EQ(r.max_pause, milliseconds(1234));
  EXPECT_EQ(r.state, WatchState::kTriggered);
  EXPECT_EQ(r.cause, WatchCause::kCommand);
  EXPECT_EQ(r.until_ms, 1'700'000'000'000);
  EXPECT_EQ(to_json(r), to_json(record()));
  struct stat info {};
  ASSERT_EQ(::stat(state_->watch().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U) << "a command may hold a secret";
}

TEST_F(WatchRecordTest, ADamagedFileIsNamed) {
  ASSERT_TRUE(save_watch(*state_, record()));
  const std::string whole = state_->remembered_watch().value();
  for (size_t length = 1; length + 1 < whole.size(); ++length) {
    std::ofstream(state_->watch(), std::ios::trunc) << whole.substr(0, length);
    const auto read = load_watch(*state_);
    // Without the last line's end it is whole.
    ASSERT_FALSE(read) << length;
    EXPECT_EQ(read.error().object, state_->watch());
  }
  json file = json::parse(whole);
  for (const char* field : {"epoch", "state", "cause", "until_ms", "options", "attempts"}) {
    for (const json& wrong : {json(), json("x"), json(-1), json(1e300), json::array()}) {
      json changed = file;
      changed[field] = wrong;
      std::ofstream(state_->watch(), std::ios::trunc) << changed.dump();
      EXPECT_FALSE(load_watch(*state_)) << field << wrong;
    }
  }
}

TEST_F(WatchRecordTest, TheCommandIsNotShown) {
  EXPECT_EQ(to_json(record()).dump().find("secret"), std::string::npos);
  EXPECT_EQ(to_text(record()).find("secret"), std::string::npos);
  const json shown = to_json(record());
  EXPECT_EQ(shown.at("state"), "triggered");
  EXPECT_EQ(shown.at("trigger"), "command");
  EXPECT_EQ(shown.at("until"), "2023-11-14T22:13:20Z");
  EXPECT_TRUE(shown.at("last_check").is_null());
}

TEST_F(WatchRecordTest, ARequestIsTakenWholeOrNotAtAll) {
  const json good = to_request(record().options);
  ASSERT_TRUE(watch_from_request(good));
  EXPECT_EQ(to_request(*watch_from_request(good)), good);
  for (const char* field :
       {"window_ms", "every_ms", "failures", "target_lost_after_ms", "command"}) {
    for (const json& wrong : {json(), json(-1), json(true), json(UINT64_MAX), json::object()}) {
      json request = good;
      request[field] = wrong;
      EXPECT_FALSE(watch_from_request(request)) << field << wrong;
    }
    json request = good;
    request.erase(field);
    EXPECT_FALSE(watch_from_request(request)) << field;
  }
  json long_one = good;
  long_one["command"] = std::string(limits::kWatchCommandBytesMax + 1, 'x');
  EXPECT_FALSE(watch_from_request(long_one));
}

TEST(WatchCommandTest, HowItEndsIsSaid) {
  const auto run = [](const std::string& command, const StopSource* stop = nullptr) {
    return run_watch_command(command, Primary::kPostgres, Epoch{1}, "/app.db", stop);
  };
  EXPECT_EQ(run("exit 0"), std::nullopt);
  EXPECT_EQ(run("[ $CROSSFADE_EPOCH = 1 ] && [ $CROSSFADE_DATABASE = /app.db ]"), std::nullopt);
  EXPECT_EQ(run("exit 3"), "exited with 3");
  EXPECT_EQ(run("kill -9 $$"), "exited with 137");
  EXPECT_EQ(run("no_such_program_at_all 2>/dev/null"), "exited with 127");
  // An engine that ends does not wait for it, nor for what it started.
  StopSource stop;
  stop.request();
  EXPECT_NE(run("sleep 1000 & sleep 1000", &stop), std::nullopt);
}

TEST(WatchArgumentsTest, DurationsHaveAUnit) {
  EXPECT_EQ(cli::parse_duration("500ms"), milliseconds(500));
  EXPECT_EQ(cli::parse_duration("90s"), seconds(90));
  EXPECT_EQ(cli::parse_duration("10m"), seconds(600));
  EXPECT_EQ(cli::parse_duration("2h"), seconds(7200));
  for (const char* text : {"", "10", "m", "0s", "-1s", "1.5h", "1d", "10 m", "10mm",
                           "9223372036854775807h", "99999999999999999999s"}) {
    EXPECT_FALSE(cli::parse_duration(text)) << text;
  }
}

TEST(WatchArgumentsTest, WhatCannotBeIsNamed) {
  EXPECT_FALSE(cli::to_watch_options({}).value());
  cli::WatchArguments good{"10m", "true", "", 2, "5m"};
  const auto options = cli::to_watch_options(good).value();
  ASSERT_TRUE(options);
  EXPECT_EQ(options->window, seconds(600));
  EXPECT_EQ(options->every, limits::kWatchEveryDefault);
  EXPECT_EQ(options->target_lost_after, seconds(300));
  for (const cli::WatchArguments& bad :
       {cli::WatchArguments{"soon", "", "", 2, ""},
        {"10m", "", "11m", 2, ""},
        {"10m", "", "1ms", 2, ""},
        {"10m", "", "", 2, "11m"},
        {"9999h", "", "", 2, ""},
        {"10m", std::string(limits::kWatchCommandBytesMax + 1, 'x'), "", 2, ""}}) {
    const auto refused = cli::to_watch_options(bad);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
    EXPECT_NE(refused.error().object, "");
  }
}

}  // namespace
}  // namespace crossfade::run
