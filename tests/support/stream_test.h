// Fixture of the way back's stream: a database with crossfade's own tables, tables of a move made
// by hand, and what the stream says as lines of text.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "capture/outbox_stream.h"
#include "capture/target_outbox.h"
#include "capture/target_slot.h"
#include "capture/target_stream.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/end_backends.h"
#include "tests/support/wait.h"

namespace crossfade::testing {

using Lines = std::vector<std::string>;

class StreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    url_ = TestCluster::create_database();
    // Slots are the whole server's: each test has an id of its own.
    const size_t from = url_.find("/test_") + 6;
    source_id_ = fmt::format("{:0>16}{:0>16}", url_.substr(from, url_.find('?') - from), "f");
    exec(R"(
        CREATE SCHEMA crossfade;
        CREATE TABLE crossfade.route(
          one boolean PRIMARY KEY DEFAULT true CHECK(one),
          "primary" text NOT NULL CHECK("primary" IN ('sqlite','postgres','none')),
          epoch bigint NOT NULL,
          changed_at timestamptz NOT NULL DEFAULT clock_timestamp());
        INSERT INTO crossfade.route("primary", epoch) VALUES('sqlite', 0))");
  }
  void TearDown() override {
    if (url_.empty()) return;
    // A reader that a test still has open ends with it.
    end_reader_of(url_, slot());
    exec(
        fmt::format("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE "
                    "slot_name = '{}'",
                    slot()));
    TestCluster::drop_database(url_);
  }

  void exec(const std::string& sql) const {
    auto connection = connect_or_die(url_);
    const auto done = connection.exec(sql);
    ASSERT_TRUE(done) << sql << ": " << describe(done.error());
  }
  [[nodiscard]] std::string value(const std::string& sql) const {
    auto connection = connect_or_die(url_);
    auto row = connection.exec(sql);
    EXPECT_TRUE(row) << sql << ": " << describe(row.error());
    return row && row.value().rows() == 1 ? row.value().text(0, 0) : "";
  }
  [[nodiscard]] std::string slot() const { return capture::slot_name(source_id_); }

  // A table of the move with columns (name, type); the key is the first. Not made on the server.
  static std::shared_ptr<Table> plan(const std::string& name,
                                     const std::vector<std::pair<std::string, ColumnType>>& columns,
                                     std::vector<size_t> key = {0}) {
    auto table = std::make_shared<Table>();
    table->name = name;
    table->target_name = name;
    table->key = std::move(key);
    for (const auto& [column_name, type] : columns) {
      Column column;
      column.name = column_name;
      column.target_name = column_name;
      column.type = type;
      table->columns.push_back(std::move(column));
    }
    return table;
  }

  // Tables (id bigint, v text), after this DDL.
  void make_tables(const std::string& ddl, const std::vector<std::string>& names) {
    exec(ddl);
    for (const std::string& name : names) {
      tables_.push_back(plan(name, {{"id", TargetType::kBigint}, {"v", TargetType::kText}}));
    }
  }
  Status make_slot(std::chrono::milliseconds within = std::chrono::seconds(20)) {
    auto connection = connect_or_die(url_);
    return capture::make_slot(connection, source_id_, "public", tables_, Deadline::after(within));
  }
  [[nodiscard]] Result<capture::TargetStream> open(postgres::PgLsn applied = {}) const {
    capture::TargetStreamOptions options;
    CROSSFADE_TRY(options.params, postgres::ConnectionParams::parse(url_));
    options.slot = slot();
    options.publication = capture::kPublication;
    options.target_schema = "public";
    options.tables = tables_;
    options.applied = applied;
    return capture::TargetStream::open(std::move(options));
  }
  // The same by an outbox; where SQLite has the flip, as before it all is crossfade's own.
  Status make_outbox(std::chrono::milliseconds within = std::chrono::seconds(20)) {
    auto connection = connect_or_die(url_);
    CROSSFADE_TRY(const auto made,
                  capture::make_outbox(connection, "public", tables_, Deadline::after(within)));
    last_commit_ = {made.end, 0, made.snapshot.text()};
    return ok();
  }
  [[nodiscard]] Result<capture::OutboxStream> open_outbox(bool live = true) const {
    capture::OutboxStreamOptions options;
    CROSSFADE_TRY(options.params, postgres::ConnectionParams::parse(url_));
    options.target_schema = "public";
    options.tables = tables_;
    options.applied = last_commit_.end;
    options.snapshot = last_commit_.snapshot;
    options.live = live;
    return capture::OutboxStream::open(std::move(options));
  }
  [[nodiscard]] capture::OutboxStream outbox_of(std::vector<std::shared_ptr<const Table>> tables,
                                                bool live = true) {
    tables_ = std::move(tables);
    const Status made = make_outbox();
    if (!made) throw std::runtime_error(describe(made.error()));
    auto stream = open_outbox(live);
    if (!stream) throw std::runtime_error(describe(stream.error()));
    return std::move(stream).value();
  }
  // The slot and its first stream, after which a test writes.
  [[nodiscard]] capture::TargetStream stream_of(std::vector<std::shared_ptr<const Table>> tables) {
    tables_ = std::move(tables);
    const Status made = make_slot();
    if (!made) throw std::runtime_error(describe(made.error()));
    auto stream = open();
    if (!stream) throw std::runtime_error(describe(stream.error()));
    return std::move(stream).value();
  }

  // What has been committed by now, without what only this function did. Notes the last commit.
  Lines events(capture::TargetSource& stream) {
    auto connection = connect_or_die(url_);
    const std::string nonce = fmt::format("until {}", ++probes_);
    EXPECT_TRUE(capture::send_probe(connection, nonce));
    Lines out;
    const Deadline deadline = Deadline::after(std::chrono::seconds(30));
    bool done = false;
    while (true) {
      const auto event = stream.next(deadline);
      if (!event) {
        ADD_FAILURE() << describe(event.error());
        return out;
      }
      if (!event.value()) {
        ADD_FAILURE() << "the probe did not come";
        return out;
      }
      const auto* probe = std::get_if<capture::ProbeSeen>(&*event.value());
      if (const auto* begin = std::get_if<capture::TargetBegin>(&*event.value())) {
        EXPECT_FALSE(std::exchange(begun_, true)) << "one within another";
        EXPECT_NE(begin->xid, 0U);
        continue;
      }
      EXPECT_TRUE(begun_) << "what belongs to no transaction";
      if (const auto* commit = std::get_if<capture::TargetCommit>(&*event.value())) {
        last_commit_ = *commit;
        begun_ = false;
        if (done) return out;
      }
      done = done || (probe != nullptr && probe->nonce == nonce);
      if (!done) out.push_back(show(*event.value()));
    }
  }

  [[nodiscard]] capture::SlotHealth health() const {
    auto connection = testing::connect_or_die(url_);
    const auto found = capture::slot_health(connection, source_id_);
    EXPECT_TRUE(found) << describe(found.error());
    return found ? found.value() : capture::SlotHealth();
  }
  // The server has noticed that the slot's last reader is gone.
  [[nodiscard]] bool idle() const {
    const std::string sql =
        fmt::format("SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{}'", slot());
    return wait_until([&] { return value(sql) == "t"; }, std::chrono::seconds(20));
  }

  static std::string show(const capture::TargetEvent& event) {
    return std::visit([](const auto& each) { return show_one(each); }, event);
  }

  std::string url_;
  std::string source_id_;
  std::vector<std::shared_ptr<const Table>> tables_;
  capture::TargetCommit last_commit_;
  bool begun_ = false;

 private:
  static std::string show_one(const capture::TargetBegin& begin) {
    return fmt::format("begin {}", begin.xid);
  }
  static std::string show_one(const TargetChange& change) {
    static constexpr const char* kOps[] = {"insert", "update", "delete", "truncate"};
    std::string out =
        fmt::format("{} {}", kOps[static_cast<size_t>(change.op)], change.table->target_name);
    for (const Value& each : change.key) out += " [" + to_literal(each, 24) + "]";
    for (const auto& each : change.after) out += " " + (each ? to_literal(*each, 24) : "-");
    if (!change.misfit) return out;
    return out + fmt::format(" misfit {}: {}", change.table->columns[change.misfit->column].name,
                             change.misfit->field.substr(0, 24));
  }
  static std::string show_one(const capture::TargetCommit&) { return "commit"; }
  static std::string show_one(const capture::RouteChanged& route) {
    return fmt::format("route {} {}", route.postgres_is_primary ? "postgres" : "other",
                       route.epoch.value);
  }
  static std::string show_one(const capture::ProbeSeen& probe) { return "probe " + probe.nonce; }
  static std::string show_one(const capture::TargetSchemaMoved& moved) {
    return fmt::format("{}: {}{}", moved.table->target_name, moved.what,
                       moved.fatal ? "" : " (goes on)");
  }

  int probes_ = 0;
};

}  // namespace crossfade::testing
