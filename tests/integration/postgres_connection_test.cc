#include "engine/postgres/connection.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/end_backends.h"
#include "tests/support/wait.h"

namespace crossfade::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::connect_or_die;
using testing::TestCluster;

class PostgresConnectionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    url_ = TestCluster::create_database();
  }
  void TearDown() override {
    if (!url_.empty()) TestCluster::drop_database(url_);
  }

  [[nodiscard]] static int64_t pid_of(Connection& connection) {
    return connection.exec("SELECT pg_backend_pid()").value().integer(0, 0);
  }
  void kill_backend(int64_t pid) { testing::end_backends(url_, fmt::format("SELECT {}", pid)); }
  [[nodiscard]] int64_t active(int64_t pid) {
    auto other = connect_or_die(url_);
    return other
        .exec(fmt::format(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND state = 'active'", pid))
        .value()
        .integer(0, 0);
  }

  std::string url_;
};

TEST_F(PostgresConnectionTest, SessionSettingsAreOurs) {
  auto connection =
      connect_or_die(url_ + "&options=-c%20datestyle%3DGerman%20-c%20timezone%3DJapan");
  for (const auto& [name, value] :
       {std::pair{"TimeZone", "UTC"}, std::pair{"DateStyle", "ISO, YMD"},
        std::pair{"client_encoding", "UTF8"}, std::pair{"search_path", "pg_catalog"},
        std::pair{"statement_timeout", "0"}, std::pair{"standard_conforming_strings", "on"},
        std::pair{"transaction_isolation", "read committed"}}) {
    EXPECT_EQ(connection.exec(std::string("SHOW ") + name).value().text(0, 0), value) << name;
  }
  EXPECT_GE(connection.server_version(), 130000);
}

// An administrator's limits are for applications: an engine that idles is not cut off (14), nor a
// copy that takes an hour (17).
TEST_F(PostgresConnectionTest, LimitsThatNewerServersHaveAreNotForUs) {
  auto admin = connect_or_die(url_);
  const std::string database = admin.exec("SELECT current_database()").value().text(0, 0);
  for (const auto& [name, since] :
       {std::pair{"idle_session_timeout", 140000}, std::pair{"transaction_timeout", 170000}}) {
    if (admin.server_version() < since) continue;
    ASSERT_TRUE(admin.exec(fmt::format("ALTER DATABASE {} SET {} = '2s'", database, name)));
    for (const bool replication : {false, true}) {
      ConnectOptions options;
      options.replication = replication;
      auto connection = connect_or_die(url_, std::move(options));
      const auto shown = connection.exec(fmt::format("SHOW {}", name));
      ASSERT_TRUE(shown) << describe(shown.error());
      EXPECT_EQ(shown.value().text(0, 0), "0") << name;
    }
  }
}

TEST_F(PostgresConnectionTest, ParametersTravelInBothFormats) {
  auto connection = connect_or_die(url_);
  std::string eight;
  append_be<int64_t>(-8, &eight);
  const std::string bytes("a\0\xff", 3);
  const std::vector<Param> params = {{kInt8Oid, eight},
                                     {kByteaOid, bytes},
                                     text_param("42"),
                                     {kTextOid, "", true},
                                     {kTextOid, {}}};
  auto text = connection.query("SELECT $1, $2, $3::int + 1, $4::text, $5::text", params);
  ASSERT_TRUE(text) << describe(text.error());
  EXPECT_EQ(text.value().integer(0, 0), -8);
  EXPECT_EQ(text.value().text(0, 1), "\\x6100ff");
  EXPECT_EQ(text.value().integer(0, 2), 43);
  EXPECT_TRUE(text.value().is_null(0, 3));
  EXPECT_FALSE(text.value().is_null(0, 4));
  auto binary =
      connection.query("SELECT $1, $2, $3::int + 1, $4::text, $5::text", params, Format::kBinary);
  ASSERT_TRUE(binary) << describe(binary.error());
  EXPECT_EQ(binary.value().bytes(0, 0), eight);
  EXPECT_EQ(binary.value().bytes(0, 1), bytes);
}

TEST_F(PostgresConnectionTest, ATextParameterIsNeverCutAtANul) {
  auto connection = connect_or_die(url_);
  auto result = connection.query("SELECT $1::text", {text_param(std::string_view("a\0b", 3))});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().remedy, Remedy::kQuarantine);
  EXPECT_TRUE(connection.exec("SELECT 1"));
}

TEST_F(PostgresConnectionTest, ErrorsKeepTheirSqlstateAndTheConnectionLives) {
  auto connection = connect_or_die(url_);
  auto syntax = connection.exec("SELEC 1");
  ASSERT_FALSE(syntax);
  EXPECT_EQ(syntax.error().sqlstate, "42601");
  EXPECT_EQ(syntax.error().code, ErrorCode::kTarget);
  auto range = connection.exec("SELECT 1; SELECT 'x'::int; SELECT 2");
  ASSERT_FALSE(range);
  EXPECT_EQ(range.error().remedy, Remedy::kQuarantine);
  EXPECT_EQ(connection.exec("SELECT 1; SELECT 7").value().integer(0, 0), 7);
}

// Promise: no call outlives its deadline, and the server does not go on with it.
TEST_F(PostgresConnectionTest, ATimedOutStatementIsCancelledOnTheServer) {
  auto connection = connect_or_die(url_);
  const int64_t pid = pid_of(connection);
  connection.set_statement_timeout(milliseconds(200));
  const auto begin = std::chrono::steady_clock::now();
  auto result = connection.exec("SELECT pg_sleep(60)");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(3));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kTargetUnreachable);
  EXPECT_EQ(result.error().remedy, Remedy::kReconnect);
  EXPECT_FALSE(connection.alive());
  EXPECT_FALSE(connection.exec("SELECT 1"));
  EXPECT_TRUE(testing::wait_until([&] { return active(pid) == 0; }, seconds(5)));
}

TEST_F(PostgresConnectionTest, AStopRequestEndsACall) {
  StopSource stop;
  ConnectOptions options;
  options.stop = &stop;
  auto connection = connect_or_die(url_, std::move(options));
  std::thread asker([&] {
    std::this_thread::sleep_for(milliseconds(100));
    stop.request();
  });
  const auto begin = std::chrono::steady_clock::now();
  auto result = connection.exec("SELECT pg_sleep(60)");
  asker.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(3));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInterrupted);
}

TEST_F(PostgresConnectionTest, AnIgnoredStopRequestDoesNot) {
  StopSource stop;
  ConnectOptions options;
  options.stop = &stop;
  auto connection = connect_or_die(url_, std::move(options));
  stop.request();
  connection.ignore_stop(true);
  EXPECT_TRUE(connection.exec("SELECT pg_sleep(0.1)"));
  connection.ignore_stop(false);
  EXPECT_FALSE(connection.exec("SELECT 1"));
}

TEST_F(PostgresConnectionTest, ALostConnectionIsToBeReconnected) {
  auto connection = connect_or_die(url_);
  kill_backend(pid_of(connection));
  auto result = connection.exec("SELECT 1");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().remedy, Remedy::kReconnect);
  EXPECT_EQ(exit_code(result.error().code), 6);
}

// Promise: a COMMIT whose answer was not heard is in doubt, and never taken for failed or done.
TEST_F(PostgresConnectionTest, AConnectionLostAtCommitIsInDoubt) {
  auto connection = connect_or_die(url_);
  ASSERT_TRUE(connection.exec("BEGIN; CREATE TABLE public.t(a int)"));
  EXPECT_TRUE(connection.in_transaction());
  kill_backend(pid_of(connection));
  auto committed = connection.commit();
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().remedy, Remedy::kResolveInDoubt);
}

TEST_F(PostgresConnectionTest, RollbackLeavesNothing) {
  auto connection = connect_or_die(url_);
  ASSERT_TRUE(connection.exec("BEGIN; CREATE TABLE public.t(a int)"));
  ASSERT_FALSE(connection.exec("SELECT nothing"));
  connection.rollback();
  EXPECT_FALSE(connection.in_transaction());
  EXPECT_TRUE(connection.exec("SELECT to_regclass('public.t')").value().is_null(0, 0));
}

TEST_F(PostgresConnectionTest, APipelineCountsRowsPerStep) {
  auto connection = connect_or_die(url_);
  ASSERT_TRUE(connection.exec("CREATE TABLE public.t(a int)"));
  auto done =
      connection.pipeline({{"BEGIN", {}, "b"},
                           {"INSERT INTO public.t SELECT generate_series(1, 5)", {}, "i"},
                           {"UPDATE public.t SET a = a WHERE a <= $1", {text_param("3")}, "u"},
                           {"COMMIT", {}, "c", true}});
  ASSERT_TRUE(done) << describe(done.error());
  EXPECT_EQ(done.value(), (std::vector<int64_t>{0, 5, 3, 0}));
  EXPECT_EQ(connection.exec("SELECT count(*) FROM public.t").value().integer(0, 0), 5);
}

TEST_F(PostgresConnectionTest, APipelineStopsAtItsFirstError) {
  auto connection = connect_or_die(url_);
  ASSERT_TRUE(connection.exec("CREATE TABLE public.t(a int PRIMARY KEY)"));
  for (int i = 0; i < 3; ++i) {
    auto done = connection.pipeline({{"BEGIN", {}, "b"},
                                     {"INSERT INTO public.t VALUES (1)", {}, "first"},
                                     {"INSERT INTO public.t VALUES (1)", {}, "second"},
                                     {"INSERT INTO public.t VALUES ('x')", {}, "third"},
                                     {"COMMIT", {}, "c", true}});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().sqlstate, "23505");
    EXPECT_EQ(done.error().op, "second");
    connection.rollback();
    EXPECT_EQ(connection.exec("SELECT count(*) FROM public.t").value().integer(0, 0), 0);
  }
}

// Promise: both sides may send more than the sockets hold, and neither waits for the other for
// ever.
TEST_F(PostgresConnectionTest, APipelineLargerThanTheSocketBuffersPasses) {
  auto connection = connect_or_die(url_);
  const std::string big(20'000, 'x');
  std::vector<PipelineStep> steps(2'000, {"SELECT $1::text", {{kTextOid, big}}, "echo"});
  auto done = connection.pipeline(steps);
  ASSERT_TRUE(done) << describe(done.error());
  EXPECT_EQ(done.value().size(), steps.size());
}

TEST_F(PostgresConnectionTest, APipelineLostBeforeItsCommitIsInDoubt) {
  auto connection = connect_or_die(url_);
  kill_backend(pid_of(connection));
  auto done = connection.pipeline({{"BEGIN", {}, "b"}, {"COMMIT", {}, "c", true}});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().remedy, Remedy::kResolveInDoubt);
}

TEST_F(PostgresConnectionTest, APipelineWithABadParameterSendsNothing) {
  auto connection = connect_or_die(url_);
  ASSERT_TRUE(connection.exec("CREATE TABLE public.t(a text)"));
  auto done = connection.pipeline(
      {{"INSERT INTO public.t VALUES ('a')", {}, "first"},
       {"INSERT INTO public.t VALUES ($1)", {text_param(std::string_view("a\0b", 3))}, "second"}});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().sqlstate, "22021");
  auto other = connect_or_die(url_);
  EXPECT_EQ(other.exec("SELECT count(*) FROM public.t").value().integer(0, 0), 0);
}

std::string copy_row(int64_t value) {
  std::string row;
  append_be<int16_t>(1, &row);
  append_be<int32_t>(8, &row);
  append_be<int64_t>(value, &row);
  return row;
}

TEST_F(PostgresConnectionTest, CopyInAndOut) {
  auto connection = connect_or_die(url_);
  ASSERT_TRUE(connection.exec("CREATE TABLE public.t(a bigint)"));
  ASSERT_TRUE(connection.copy_in_begin("COPY public.t FROM STDIN (FORMAT binary)"));
  constexpr int64_t kRows = 300'000;
  std::string bytes(copy_header());
  for (int64_t i = 0; i < kRows; ++i) bytes += copy_row(i);
  ASSERT_TRUE(connection.copy_in_put(bytes));
  ASSERT_TRUE(connection.copy_in_put(copy_trailer()));
  EXPECT_EQ(connection.copy_in_end().value(), kRows);
  ASSERT_TRUE(connection.copy_out_begin(
      "COPY (SELECT a FROM public.t ORDER BY a) TO STDOUT (FORMAT binary)"));
  std::string_view message;
  int64_t rows = 0;
  while (true) {
    auto more = connection.copy_out_next(&message);
    ASSERT_TRUE(more) << describe(more.error());
    if (!more.value()) break;
    if (rows == 0) message.remove_prefix(copy_header().size());
    if (message == copy_trailer()) continue;
    ASSERT_EQ(message, copy_row(rows));
    ++rows;
  }
  EXPECT_EQ(rows, kRows);
  EXPECT_EQ(connection.exec("SELECT 5").value().integer(0, 0), 5);
}

TEST_F(PostgresConnectionTest, ARefusedCopySaysWhyAndTheConnectionLives) {
  auto connection = connect_or_die(url_);
  ASSERT_TRUE(connection.exec("CREATE TABLE public.t(a bigint CHECK (a < 1000))"));
  EXPECT_FALSE(connection.copy_in_begin("COPY public.none FROM STDIN (FORMAT binary)"));
  ASSERT_TRUE(connection.copy_in_begin("COPY public.t FROM STDIN (FORMAT binary)"));
  ASSERT_TRUE(connection.copy_in_put(copy_header()));
  std::string bytes;
  for (int64_t i = 0; i < 200'000; ++i) bytes += copy_row(i);  // fails early; the rest still comes
  ASSERT_TRUE(connection.copy_in_put(bytes));
  ASSERT_TRUE(connection.copy_in_put(copy_trailer()));
  auto rows = connection.copy_in_end();
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().sqlstate, "23514");
  EXPECT_EQ(connection.exec("SELECT count(*) FROM public.t").value().integer(0, 0), 0);
}

TEST_F(PostgresConnectionTest, AnAbortedCopyLeavesNothing) {
  auto connection = connect_or_die(url_);
  ASSERT_TRUE(connection.exec("CREATE TABLE public.t(a bigint)"));
  ASSERT_TRUE(connection.copy_in_begin("COPY public.t FROM STDIN (FORMAT binary)"));
  ASSERT_TRUE(connection.copy_in_put(std::string(copy_header()) + copy_row(1)));
  connection.copy_in_abort();
  ASSERT_TRUE(connection.alive());
  EXPECT_EQ(connection.exec("SELECT count(*) FROM public.t").value().integer(0, 0), 0);
}

TEST_F(PostgresConnectionTest, ACopyOutThatFailsHalfWaySaysWhy) {
  auto connection = connect_or_die(url_);
  ASSERT_TRUE(connection.copy_out_begin(
      "COPY (SELECT 1 / (50000 - g) FROM generate_series(1, 60000) g) TO STDOUT (FORMAT binary)"));
  std::string_view message;
  while (true) {
    auto more = connection.copy_out_next(&message);
    if (!more) {
      EXPECT_EQ(more.error().sqlstate, "22012");
      break;
    }
    ASSERT_TRUE(more.value()) << "ended without an error";
  }
  EXPECT_TRUE(connection.exec("SELECT 1"));
}

}  // namespace
}  // namespace crossfade::postgres
