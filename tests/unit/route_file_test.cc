// Promises: a reader of the route file never sees half a write; its epoch never goes back; a
// damaged file is a clear error and the next write repairs it; the client library reads what the
// engine wrote.
#include "engine/run/route_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tools/client/crossfade_client.h"

namespace crossfade::run {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFileBytes = 1024;
constexpr size_t kSequenceAt = 8;

class RouteFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "crossfade_route_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    fs::create_directory(folder_ / "app.db.crossfade");
    database_ = (folder_ / "app.db").string();
    path_ = (folder_ / "app.db.crossfade" / "route").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void set_bytes(const std::string& content) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << content;
  }
  // As a mapped reader meets it: same file, same size.
  void set_byte(size_t at, char value) const {
    std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(value);
  }
  void write(Primary primary, int64_t epoch, const std::string& url = "") const {
    const Status written = write_route_file(path_, {primary, Epoch{epoch}, url});
    ASSERT_TRUE(written) << describe(written.error());
  }

  fs::path folder_;
  std::string database_;
  std::string path_;
};

struct CloseRoute {
  void operator()(crossfade_route* route) const { crossfade_route_close(route); }
};
using ClientRoute = std::unique_ptr<crossfade_route, CloseRoute>;

ClientRoute open_client(const std::string& path) {
  crossfade_route* route = nullptr;
  EXPECT_EQ(crossfade_route_open(path.c_str(), &route), CROSSFADE_OK);
  return ClientRoute(route);
}

// A URL whose every byte and length follow from the epoch, so that a mix of two writes shows.
std::string url_for(uint64_t epoch) {
  return std::string(epoch % 961, static_cast<char>('a' + epoch % 26));
}

TEST_F(RouteFileTest, NoFileIsNoPrimary) {
  const auto route = read_route_file(path_);
  ASSERT_TRUE(route);
  EXPECT_EQ(route.value().primary, Primary::kNone);
  EXPECT_EQ(route.value().epoch, Epoch{0});
}

TEST_F(RouteFileTest, RoundTripAtEveryUrlLength) {
  for (size_t length = 0; length <= 960; length += 32) {
    const std::string url(length, 'u');
    write(Primary::kPostgres, 7, url);
    const auto route = read_route_file(path_);
    ASSERT_TRUE(route);
    EXPECT_EQ(route.value().primary, Primary::kPostgres);
    EXPECT_EQ(route.value().epoch, Epoch{7});
    EXPECT_EQ(route.value().url, url);
  }
  EXPECT_EQ(bytes().size(), kFileBytes);
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms(0644));
}

TEST_F(RouteFileTest, TooLongUrlChangesNothing) {
  write(Primary::kSqlite, 1);
  EXPECT_FALSE(write_route_file(path_, {Primary::kPostgres, Epoch{2}, std::string(961, 'u')}));
  EXPECT_EQ(read_route_file(path_).value().primary, Primary::kSqlite);
}

TEST_F(RouteFileTest, LeavesNoTemporaryFile) {
  write(Primary::kSqlite, 0);
  write(Primary::kPostgres, 1, "postgresql:///x");
  const fs::directory_iterator files(fs::path(path_).parent_path());
  EXPECT_EQ(std::distance(fs::begin(files), fs::end(files)), 1);
}

TEST_F(RouteFileTest, MissingFolderIsAnErrorThatNamesIt) {
  const auto written = write_route_file((folder_ / "absent" / "route").string(), {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kStateFolder);
  EXPECT_NE(written.error().object.find("absent"), std::string::npos);
}

TEST_F(RouteFileTest, EpochNeverGoesBack) {
  write(Primary::kPostgres, 5, "postgresql:///x");
  EXPECT_FALSE(write_route_file(path_, {Primary::kSqlite, Epoch{4}, ""}));
  EXPECT_EQ(read_route_file(path_).value().epoch, Epoch{5});
  EXPECT_EQ(read_route_file(path_).value().primary, Primary::kPostgres);
  write(Primary::kPostgres, 5, "postgresql:///y");  // a repair
  EXPECT_EQ(read_route_file(path_).value().url, "postgresql:///y");
}

TEST_F(RouteFileTest, EveryTruncationIsNoticedAndRepaired) {
  write(Primary::kPostgres, 3, "postgresql:///x");
  const std::string whole = bytes();
  for (size_t length = 0; length < kFileBytes; ++length) {
    set_bytes(whole.substr(0, length));
    const auto route = read_route_file(path_);
    ASSERT_FALSE(route) << length;
    EXPECT_EQ(route.error().code, ErrorCode::kStateFolder);
    crossfade_route_info info = {};
    EXPECT_EQ(crossfade_route_read(open_client(path_).get(), &info), CROSSFADE_EDAMAGED) << length;
  }
  write(Primary::kPostgres, 3, "postgresql:///x");
  EXPECT_TRUE(read_route_file(path_));
}

TEST_F(RouteFileTest, EveryFlippedByteIsNoticed) {
  write(Primary::kPostgres, 3, "postgresql:///x");
  const std::string whole = bytes();
  for (size_t at = 0; at < kFileBytes; ++at) {
    if (at >= kSequenceAt && at < kSequenceAt + 4) continue;  // any even sequence is a good one
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    set_bytes(flipped);
    EXPECT_FALSE(read_route_file(path_)) << at;
    crossfade_route_info info = {};
    EXPECT_EQ(crossfade_route_read(open_client(database_).get(), &info), CROSSFADE_EDAMAGED) << at;
  }
}

// A writer that was killed in the middle leaves the sequence odd for good.
TEST_F(RouteFileTest, WriterKilledInTheMiddleIsNoticedAndRepaired) {
  write(Primary::kSqlite, 1);
  const ClientRoute client = open_client(database_);
  set_byte(kSequenceAt, 1);
  EXPECT_FALSE(read_route_file(path_));
  crossfade_route_info info = {};
  EXPECT_EQ(crossfade_route_read(client.get(), &info), CROSSFADE_EDAMAGED);
  write(Primary::kPostgres, 2, "postgresql:///x");
  EXPECT_EQ(read_route_file(path_).value().epoch, Epoch{2});
  EXPECT_EQ(crossfade_route_read(client.get(), &info), CROSSFADE_OK);
  EXPECT_EQ(info.epoch, 2U);
}

TEST_F(RouteFileTest, ForeignFileIsOverwritten) {
  for (const size_t length : {size_t{0}, size_t{10}, kFileBytes, size_t{5000}}) {
    set_bytes(std::string(length, 'x'));
    EXPECT_FALSE(read_route_file(path_));
    write(Primary::kSqlite, 1);
    EXPECT_EQ(read_route_file(path_).value().primary, Primary::kSqlite);
    EXPECT_EQ(bytes().size(), kFileBytes);
  }
}

// A reader that meets a writer whom the machine has put to sleep says so after a while: that is no
// half of a write.
TEST_F(RouteFileTest, ReadersNeverSeeHalfAWrite) {
  constexpr int64_t kWrites = 20'000;
  write(Primary::kPostgres, 1, url_for(1));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int64_t epoch = 2; epoch <= kWrites; ++epoch) {
      const auto url = url_for(static_cast<uint64_t>(epoch));
      EXPECT_TRUE(write_route_file(path_, {Primary::kPostgres, Epoch{epoch}, url}));
    }
    done = true;
  });
  std::thread engine_reader([&] {
    Epoch last;
    while (!done) {
      const auto route = read_route_file(path_);
      if (!route) continue;
      EXPECT_EQ(route.value().url, url_for(static_cast<uint64_t>(route.value().epoch.value)));
      EXPECT_GE(route.value().epoch, last);
      last = route.value().epoch;
    }
    EXPECT_GT(last.value, 0);
  });
  const ClientRoute client = open_client(database_);
  uint64_t last = 0;
  while (!done) {
    crossfade_route_info info = {};
    if (crossfade_route_read(client.get(), &info) != CROSSFADE_OK) continue;
    EXPECT_EQ(std::string(info.url), url_for(info.epoch));
    EXPECT_GE(info.epoch, last);
    last = info.epoch;
  }
  EXPECT_GT(last, 0U);
  writer.join();
  engine_reader.join();
  EXPECT_EQ(read_route_file(path_).value().epoch, Epoch{kWrites});
}

TEST_F(RouteFileTest, WritersTakeTurnsFromTheFirstCreationOn) {
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([this] {
      for (int i = 0; i < 200; ++i) {
        EXPECT_TRUE(write_route_file(path_, {Primary::kSqlite, Epoch{9}, url_for(9)}));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(read_route_file(path_).value().url, url_for(9));
}

TEST_F(RouteFileTest, ClientSaysSqliteUntilThereIsAFileAndThenFollowsIt) {
  const ClientRoute client = open_client(database_);
  crossfade_route_info info = {};
  ASSERT_EQ(crossfade_route_read(client.get(), &info), CROSSFADE_OK);
  EXPECT_EQ(info.primary, unsigned{CROSSFADE_PRIMARY_SQLITE});
  EXPECT_EQ(info.epoch, 0U);
  write(Primary::kPostgres, 1, "postgresql:///moved");
  ASSERT_EQ(crossfade_route_wait(client.get(), 0, 5'000, &info), CROSSFADE_OK);
  EXPECT_EQ(info.primary, unsigned{CROSSFADE_PRIMARY_POSTGRES});
  EXPECT_STREQ(info.url, "postgresql:///moved");
  // `finish` removes the file: a process that followed it stays where the data is.
  fs::remove(path_);
  ASSERT_EQ(crossfade_route_wait(client.get(), 1, 150, &info), CROSSFADE_TIMEOUT);
  EXPECT_EQ(info.primary, unsigned{CROSSFADE_PRIMARY_POSTGRES});
}

TEST_F(RouteFileTest, ClientOpensTheFileItselfAndThroughALink) {
  write(Primary::kPostgres, 4, "postgresql:///x");
  set_bytes(bytes());
  std::ofstream(database_).put('x');
  fs::create_symlink(database_, folder_ / "link.db");
  for (const std::string& path : {path_, (folder_ / "link.db").string()}) {
    crossfade_route_info info = {};
    ASSERT_EQ(crossfade_route_read(open_client(path).get(), &info), CROSSFADE_OK);
    EXPECT_EQ(info.epoch, 4U) << path;
  }
}

TEST_F(RouteFileTest, WaitSeesAFlipWithinMilliseconds) {
  write(Primary::kSqlite, 0);
  const ClientRoute client = open_client(database_);
  crossfade_route_info info = {};
  EXPECT_EQ(crossfade_route_wait(client.get(), 0, 20, &info), CROSSFADE_TIMEOUT);
  std::chrono::steady_clock::time_point flipped;
  std::thread engine([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    flipped = std::chrono::steady_clock::now();
    write(Primary::kPostgres, 1, "postgresql:///x");
  });
  ASSERT_EQ(crossfade_route_wait(client.get(), 0, 5'000, &info), CROSSFADE_OK);
  const auto seen = std::chrono::steady_clock::now();
  engine.join();
  EXPECT_EQ(info.epoch, 1U);
  // The library promises 2 ms; a busy machine may be late in waking anyone.
  EXPECT_LT(seen - flipped, std::chrono::milliseconds(100));
}

TEST_F(RouteFileTest, ClientRefusesNullsAndKnowsTheFence) {
  crossfade_route* route = nullptr;
  EXPECT_EQ(crossfade_route_open(nullptr, &route), CROSSFADE_EARGUMENT);
  EXPECT_EQ(crossfade_route_open("", &route), CROSSFADE_EARGUMENT);
  EXPECT_EQ(crossfade_route_open("x", nullptr), CROSSFADE_EARGUMENT);
  EXPECT_EQ(crossfade_route_read(nullptr, nullptr), CROSSFADE_EARGUMENT);
  crossfade_route_close(nullptr);
  EXPECT_EQ(crossfade_is_moved_error("no such function: crossfade_moved_to_postgresql"), 1);
  EXPECT_EQ(crossfade_is_moved_error("no such function: upper"), 0);
  EXPECT_EQ(crossfade_is_moved_error(nullptr), 0);
}

}  // namespace
}  // namespace crossfade::run
