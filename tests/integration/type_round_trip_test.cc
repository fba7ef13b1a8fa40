// Promise: a value goes through every target type and comes back bit for bit, or it is refused
// before anything is sent; and apply and verify agree on which, and on what it is on the way back.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "apply/row_writer.h"
#include "capture/field_decoder.h"
#include "capture/outbox_stream.h"
#include "capture/target_outbox.h"
#include "capture/target_slot.h"
#include "capture/target_stream.h"
#include "engine/core/way_back_kind.h"
#include "engine/postgres/connection.h"
#include "engine/sqlite/statement.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/typed_values.h"
#include "tests/support/wait.h"
#include "tests/unit/verify_tables.h"
#include "verify/canonical.h"
#include "verify/chunk.h"

namespace crossfade {
namespace {

constexpr int kValuesPerType = 400;

uint64_t seed() {
  const char* given = std::getenv("CROSSFADE_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

// CROSSFADE_VECTOR_SQL: a script that makes pgvector's types where the extension is not installed.
std::string vector_sql() {
  const char* script = std::getenv("CROSSFADE_VECTOR_SQL");
  if (script == nullptr) return "CREATE EXTENSION vector";
  std::ifstream file(script);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string name_of(const ColumnType& type) {
  return to_string(type) + describe_form(type);
}

class TypeRoundTripTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    url_ = testing::TestCluster::create_database();
    target_.push_back(testing::connect_or_die(url_));
    exec("SET timezone = 'UTC'");
    exec("SET extra_float_digits = 1");
    has_vector_ =
        target()
            .exec("SET search_path = public; " + vector_sql() + "; SET search_path = pg_catalog")
            .has_value();
    if (!has_vector_) std::cout << "SKIPPED: vector: the server has no pgvector\n";
  }
  void TearDown() override {
    target_.clear();
    if (!url_.empty()) testing::TestCluster::drop_database(url_);
  }

  [[nodiscard]] const std::string& url() const { return url_; }
  postgres::Connection& target() { return target_.front(); }
  void exec(const std::string& sql) {
    const auto done = target().exec(sql);
    ASSERT_TRUE(done) << sql << ": " << describe(done.error());
  }
  // TRUE when the type exists here.
  [[nodiscard]] bool has(const ColumnType& type) const {
    return has_vector_ || type.base != TargetType::kVector;
  }

  // PostgreSQL 13's numeric has no infinities: another value is drawn there.
  Value next_of(testing::TypedValues& random, const ColumnType& type) {
    while (true) {
      Value value = random.next(type);
      const bool infinite = value.storage() == StorageClass::kReal && std::isinf(value.real());
      if (type.base != TargetType::kNumeric || !infinite || target().server_version() >= 140000) {
        return value;
      }
    }
  }

  void make_table(const ColumnType& type) {
    table_ = verify::testing::make_table("t",
                                         {verify::testing::column("id", TargetType::kBigint),
                                          verify::testing::column("v", type.base)},
                                         {0});
    auto table = std::make_shared<Table>(*table_);
    table->columns[1].type = type;
    table_ = table;
    exec("DROP TABLE IF EXISTS public.t");
    if (!type.labels.empty()) {
      exec("CREATE TYPE " + type.spelling + " AS ENUM ('glad', 'sad', 'it''s \"so\"')");
    }
    exec(fmt::format(
        "CREATE TABLE public.t(id bigint PRIMARY KEY, v {}{}{})",
        type.base == TargetType::kVector ? "public." : "", to_string(type),
        type.base == TargetType::kText && type.spelling.empty() ? " COLLATE \"C\"" : ""));
  }

  // Sends the values that fit, half by COPY and half as the arrays of a pipelined insert.
  void send(const std::vector<Value>& values, std::vector<Value>* sent) {
    const apply::RowEncoder encoder(*table_);
    apply::EncodedRows copied;
    apply::ArrayParams arrays(apply::codecs_of(*table_));
    for (const Value& value : values) {
      const Row row{Value(static_cast<int64_t>(sent->size())), value};
      std::string canonical;
      const bool seen = verify::append_canonical_source(value, type(), &canonical);
      const bool fits =
          sent->size() % 2 == 0 ? !encoder.append(row, &copied) : arrays.add({&row[0], &row[1]});
      ASSERT_EQ(fits, seen) << name_of(type()) << ": " << to_literal(value);
      if (fits) sent->push_back(value);
    }
    const auto done = apply::copy_rows(target(), "public", *table_, copied, 0, copied.count());
    ASSERT_TRUE(done) << name_of(type()) << ": " << describe(done.error());
    if (arrays.rows() == 0) return;
    const auto inserted =
        target().pipeline({{apply::insert_sql("public", *table_), arrays.finish(), "test.insert"}});
    ASSERT_TRUE(inserted) << name_of(type()) << ": " << describe(inserted.error());
  }

  // The fields of column v, by id.
  std::vector<std::string> fields(std::vector<bool>* nulls) {
    std::vector<std::string> out;
    EXPECT_TRUE(target().copy_out_begin(
        "COPY (SELECT v FROM public.t ORDER BY id) TO STDOUT (FORMAT binary)"));
    std::string all;
    std::string_view message;
    while (true) {
      const auto more = target().copy_out_next(&message);
      EXPECT_TRUE(more);
      if (!more || !more.value()) break;
      all += message;
    }
    std::string_view rest = std::string_view(all).substr(postgres::copy_header().size());
    while (postgres::read_be<int16_t>(rest) == 1) {
      const auto length = postgres::read_be<int32_t>(rest, 2);
      nulls->push_back(length < 0);
      const size_t size = length < 0 ? 0 : static_cast<size_t>(length);
      out.emplace_back(rest.substr(6, size));
      rest.remove_prefix(6 + size);
    }
    return out;
  }

  [[nodiscard]] const ColumnType& type() const { return table_->columns[1].type; }

  std::shared_ptr<const Table> table_;

 private:
  std::string url_;
  std::vector<postgres::Connection> target_;
  bool has_vector_ = false;
};

// numeric's class is that which a column of numeric affinity gives the value.
Value as_stored(const Value& value, const ColumnType& type) {
  if (type.base != TargetType::kNumeric || value.storage() != StorageClass::kReal) return value;
  const double real = value.real();
  if (real != std::trunc(real) || std::abs(real) >= 0x1p53) return value;
  return Value(static_cast<int64_t>(real));
}

TEST_F(TypeRoundTripTest, WhatIsNotRefusedComesBackBitForBit) {
  const uint64_t chosen = seed();
  SCOPED_TRACE(fmt::format("CROSSFADE_SEED={}", chosen));
  std::cout << "CROSSFADE_SEED=" << chosen << "\n";
  testing::TypedValues random(chosen);
  for (const ColumnType& column_type : testing::all_column_types()) {
    if (!has(column_type)) continue;
    ASSERT_NO_FATAL_FAILURE(make_table(column_type));
    std::vector<Value> values;
    for (int i = 0; i < kValuesPerType; ++i) values.push_back(next_of(random, column_type));
    std::vector<Value> sent;
    ASSERT_NO_FATAL_FAILURE(send(values, &sent));
    EXPECT_GT(sent.size(), kValuesPerType / 10) << name_of(column_type) << ": hardly any fits";
    std::vector<bool> nulls;
    const auto found = fields(&nulls);
    ASSERT_EQ(found.size(), sent.size());
    const auto texts = target().exec("SELECT v FROM public.t ORDER BY id");
    ASSERT_TRUE(texts) << describe(texts.error());
    const capture::FieldDecoder decoder(column_type);
    for (size_t i = 0; i < sent.size(); ++i) {
      const int row = static_cast<int>(i);
      if (!nulls[i]) {
        EXPECT_EQ(decoder.decode(texts.value().text(row, 0)), as_stored(sent[i], column_type))
            << name_of(column_type) << ": " << to_literal(sent[i]) << " as "
            << texts.value().text(row, 0);
      }
      const auto back = verify::value_from_target(found[i], nulls[i], column_type);
      ASSERT_TRUE(back) << name_of(column_type) << ": " << to_literal(sent[i]) << ": "
                        << describe(back.error());
      EXPECT_EQ(back.value(), as_stored(sent[i], column_type))
          << name_of(column_type) << ": " << to_literal(sent[i]) << " came back "
          << to_literal(back.value());
      std::string source;
      std::string seen;
      EXPECT_TRUE(verify::append_canonical_source(sent[i], column_type, &source));
      EXPECT_TRUE(verify::append_canonical_target(found[i], nulls[i], column_type, &seen));
      EXPECT_EQ(source, seen) << name_of(column_type) << ": " << to_literal(sent[i]);
    }
  }
}

// Each key is found, compared and deleted, whatever its type.
TEST_F(TypeRoundTripTest, EveryKeyTypeIsFoundAndDeleted) {
  const uint64_t chosen = seed();
  SCOPED_TRACE(fmt::format("CROSSFADE_SEED={}", chosen));
  std::cout << "CROSSFADE_SEED=" << chosen << "\n";
  testing::TypedValues random(chosen);
  for (const ColumnType& column_type : testing::all_column_types()) {
    if (!testing::is_key_type(column_type)) continue;
    SCOPED_TRACE(name_of(column_type));
    auto source = verify::testing::memory_database();
    ASSERT_TRUE(source.exec("CREATE TABLE t(v PRIMARY KEY) WITHOUT ROWID"));
    make_table(column_type);
    auto table = std::make_shared<Table>(*table_);
    table->columns.erase(table->columns.begin());
    table->without_rowid = true;
    exec("ALTER TABLE public.t DROP COLUMN id; ALTER TABLE public.t ADD PRIMARY KEY (v)");
    const apply::RowEncoder encoder(*table);
    apply::EncodedRows rows;
    std::vector<Row> keys;
    for (int i = 0; i < 120; ++i) {
      const Row key{next_of(random, column_type)};
      auto insert =
          sqlite::Statement::prepare(source, "INSERT OR IGNORE INTO t VALUES (?) RETURNING 1");
      ASSERT_TRUE(insert);
      insert.value().bind(1, key[0]);
      apply::EncodedRows one;
      if (key[0].is_null() || encoder.append(key, &one)) continue;
      if (!insert.value().step().value()) continue;
      ASSERT_FALSE(encoder.append(key, &rows));
      keys.push_back(key);
    }
    ASSERT_FALSE(keys.empty());
    const auto copied = apply::copy_rows(target(), "public", *table, rows, 0, rows.count());
    ASSERT_TRUE(copied) << describe(copied.error());

    Row after;
    int64_t compared = 0;
    for (bool last = false; !last;) {
      const auto chunk = verify::read_source_chunk(source, table, after, 7,
                                                   Deadline::after(std::chrono::hours(1)), true);
      ASSERT_TRUE(chunk) << describe(chunk.error());
      const auto verdict = verify::compare_chunk(target(), "public", chunk.value());
      ASSERT_TRUE(verdict) << describe(verdict.error());
      EXPECT_TRUE(verdict.value().equal()) << verdict.value().samples.front().key;
      compared += verdict.value().rows_source;
      after = chunk.value().through;
      last = chunk.value().last;
    }
    EXPECT_EQ(compared, static_cast<int64_t>(keys.size()));
    auto found = verify::read_source_keys(source, table, keys);
    ASSERT_TRUE(found) << describe(found.error());
    const auto verdict = verify::compare_keys(target(), "public", found.value());
    ASSERT_TRUE(verdict) << describe(verdict.error());
    EXPECT_TRUE(verdict.value().equal()) << verdict.value().samples.front().key;
    EXPECT_EQ(verdict.value().rows_target, static_cast<int64_t>(keys.size()));
    std::vector<const Row*> wanted;
    for (const Row& key : keys) wanted.push_back(&key);
    const auto deleted = apply::delete_keys(
        target(), "public", *table, apply::encode_keys(*table, wanted, target().server_version()));
    ASSERT_TRUE(deleted) << describe(deleted.error());
    EXPECT_EQ(deleted.value(), static_cast<int64_t>(keys.size()));
  }
}

class WayBackRoundTripTest : public TypeRoundTripTest,
                             public ::testing::WithParamInterface<WayBackKind> {
 protected:
  static constexpr const char* kSourceId = "0000000000007e57";

  void TearDown() override {
    // A reader that is still open when a check fails is ended with its test.
    if (!url().empty() && !IsSkipped()) {
      EXPECT_TRUE(
          testing::wait_until([&] { return capture::remove_slot(target(), kSourceId).has_value(); },
                              std::chrono::seconds(20)));
    }
    TypeRoundTripTest::TearDown();
  }

  // Makes table_ under a name of its own.
  void make_numbered_table(const ColumnType& column_type, size_t number) {
    make_table(column_type);
    auto table = std::make_shared<Table>(*table_);
    table->target_name = fmt::format("t{}", number);
    table_ = table;
    exec("ALTER TABLE public.t RENAME TO " + table_->target_name);
  }

  Status make(const std::vector<std::shared_ptr<const Table>>& tables) {
    const Deadline deadline = Deadline::after(std::chrono::seconds(30));
    if (GetParam() == WayBackKind::kSlot) {
      return capture::make_slot(target(), kSourceId, "public", tables, deadline);
    }
    CROSSFADE_TRY(const auto made, capture::make_outbox(target(), "public", tables, deadline));
    position_ = made.snapshot.text();
    return ok();
  }
  Result<std::unique_ptr<capture::TargetSource>> open(
      std::vector<std::shared_ptr<const Table>> tables) {
    CROSSFADE_TRY(auto params, postgres::ConnectionParams::parse(url()));
    if (GetParam() == WayBackKind::kOutbox) {
      capture::OutboxStreamOptions options;
      options.params = std::move(params);
      options.target_schema = "public";
      options.tables = std::move(tables);
      options.snapshot = position_;
      options.live = true;
      CROSSFADE_TRY(auto stream, capture::OutboxStream::open(std::move(options)));
      return std::unique_ptr<capture::TargetSource>(
          std::make_unique<capture::OutboxStream>(std::move(stream)));
    }
    capture::TargetStreamOptions options;
    options.params = std::move(params);
    options.slot = capture::slot_name(kSourceId);
    options.publication = capture::kPublication;
    options.target_schema = "public";
    options.tables = std::move(tables);
    CROSSFADE_TRY(auto stream, capture::TargetStream::open(std::move(options)));
    return std::unique_ptr<capture::TargetSource>(
        std::make_unique<capture::TargetStream>(std::move(stream)));
  }

  std::string position_;  // where the outbox begins
};

// What apply writes comes back through publication, slot and stream as the very values, inserted
// and updated; and the types of all columns are those of the plan.
TEST_P(WayBackRoundTripTest, WhatApplyWroteComesBackThroughTheStream) {
  const uint64_t chosen = seed();
  SCOPED_TRACE(fmt::format("CROSSFADE_SEED={}", chosen));
  std::cout << "CROSSFADE_SEED=" << chosen << "\n";
  testing::TypedValues random(chosen);
  std::vector<std::shared_ptr<const Table>> tables;
  for (const ColumnType& column_type : testing::all_column_types()) {
    if (!has(column_type)) continue;
    ASSERT_NO_FATAL_FAILURE(make_numbered_table(column_type, tables.size()));
    tables.push_back(table_);
  }
  exec(
      "CREATE SCHEMA crossfade; CREATE TABLE crossfade.route(one boolean PRIMARY KEY, \"primary\" "
      "text, epoch bigint)");
  const auto made = make(tables);
  ASSERT_TRUE(made) << describe(made.error());
  std::map<std::string, std::vector<Value>> sent;
  for (const auto& table : tables) {
    table_ = table;
    std::vector<Value> values;
    for (int i = 0; i < kValuesPerType; ++i) values.push_back(next_of(random, type()));
    ASSERT_NO_FATAL_FAILURE(send(values, &sent[table->target_name]));
    exec(fmt::format("UPDATE public.{} SET v = v", table->target_name));
  }
  ASSERT_TRUE(capture::send_probe(target(), "all"));
  auto stream = open(tables);
  ASSERT_TRUE(stream) << describe(stream.error());
  std::map<std::string, size_t> inserted;
  size_t updated = 0;
  while (true) {
    const auto event = stream.value()->next(Deadline::after(std::chrono::seconds(30)));
    ASSERT_TRUE(event) << describe(event.error());
    ASSERT_TRUE(event.value());
    if (std::holds_alternative<capture::ProbeSeen>(*event.value())) break;
    const auto* moved = std::get_if<capture::TargetSchemaMoved>(&*event.value());
    ASSERT_EQ(moved, nullptr) << moved->table->target_name << ": " << moved->what;
    const auto* change = std::get_if<TargetChange>(&*event.value());
    if (change == nullptr) continue;
    const std::string& name = change->table->target_name;
    const auto& values = sent[name];
    const ColumnType& column_type = change->table->columns[1].type;
    ASSERT_FALSE(change->misfit) << name_of(column_type) << ": " << change->misfit->field;
    const auto row = static_cast<size_t>(change->after[0]->integer());
    ASSERT_LT(row, values.size());
    EXPECT_EQ(change->after[1], as_stored(values[row], column_type))
        << name_of(column_type) << ": " << to_literal(values[row]);
    change->op == TargetOp::kInsert ? ++inserted[name] : ++updated;
  }
  size_t rows = 0;
  for (const auto& [name, values] : sent) {
    EXPECT_EQ(inserted[name], values.size());
    rows += values.size();
  }
  EXPECT_EQ(updated, rows);
}

INSTANTIATE_TEST_SUITE_P(WaysBack, WayBackRoundTripTest,
                         ::testing::Values(WayBackKind::kSlot, WayBackKind::kOutbox),
                         [](const auto& param_info) {
                           return std::string(to_string(param_info.param));
                         });

class RenderingTest : public TypeRoundTripTest {
 protected:
  void SetUp() override {
    TypeRoundTripTest::SetUp();
    source_.push_back(verify::testing::memory_database());
  }

  // What SQLite says of a value: an independent reader of dates.
  std::string ask_sqlite(const std::string& sql, const Value& value) {
    auto statement = sqlite::Statement::prepare(source_.front(), sql);
    EXPECT_TRUE(statement) << sql;
    statement.value().bind(1, value);
    EXPECT_TRUE(statement.value().step().value());
    return statement.value().storage(0) == StorageClass::kNull
               ? ""
               : std::string(statement.value().bytes(0));
  }

  // PostgreSQL's text of the same instant, by SQLite; empty where SQLite has no answer.
  std::string expected_instant(const Value& value, const ColumnType& column_type) {
    constexpr const char* kSeconds = "strftime('%Y-%m-%d %H:%M:%S',";
    if (column_type.form == SourceForm::kEpochSeconds) {
      const std::string out = ask_sqlite(fmt::format("SELECT {}?1,'unixepoch')", kSeconds), value);
      return out.empty() ? out : out + "+00";
    }
    const std::string& text = value.text();  // %Y-%m-%dT%H:%M:%S, a fraction, a zone
    const size_t fraction_end = std::min(text.find_first_of("Z+- ", 19), text.size());
    std::string fraction = text.substr(19, fraction_end - 19);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    if (fraction == ".") fraction.clear();
    std::string zone = text.substr(fraction_end);
    int minutes = 0;
    if (zone.size() > 2 && (zone[0] == '+' || zone[0] == '-')) {
      std::erase(zone, ':');
      minutes = std::stoi(zone.substr(1, 2)) * 60;
      if (zone.size() > 3) minutes += std::stoi(zone.substr(3, 2));
      if (zone[0] == '+') minutes = -minutes;
    }
    std::string out = ask_sqlite(fmt::format("SELECT {}?1,'{} minutes')", kSeconds, minutes),
                                 Value(Text{text.substr(0, 19)}));
    if (out.empty()) return out;
    return out + fraction + (column_type.base == TargetType::kTimestamptz ? "+00" : "");
  }

 private:
  std::vector<sqlite::Connection> source_;
};

std::string expected_uuid(const Value& value) {
  std::string out;
  const bool blob = value.storage() == StorageClass::kBlob;
  for (const char c : blob ? value.blob() : value.text()) {
    if (blob) {
      out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    } else if (c != '-') {
      out += static_cast<char>(std::tolower(c));
    }
  }
  for (const size_t at : {8U, 13U, 18U, 23U}) out.insert(at, "-");
  return out;
}

TEST_F(RenderingTest, PostgresqlShowsTheSameInstantUuidAndJson) {
  const uint64_t chosen = seed();
  SCOPED_TRACE(fmt::format("CROSSFADE_SEED={}", chosen));
  std::cout << "CROSSFADE_SEED=" << chosen << "\n";
  testing::TypedValues random(chosen);
  std::set<TargetType> checked;
  for (const ColumnType& column_type : testing::all_column_types()) {
    const TargetType base = column_type.base;
    const bool instant = column_type.form == SourceForm::kEpochSeconds ||
                         ((base == TargetType::kTimestamptz || base == TargetType::kTimestamp) &&
                          column_type.pattern.substr(0, 8) == "%Y-%m-%d" &&
                          column_type.pattern.size() > 16 && column_type.pattern.back() != '!');
    if (!instant && base != TargetType::kUuid && base != TargetType::kJsonb) continue;
    SCOPED_TRACE(name_of(column_type));
    make_table(column_type);
    std::vector<Value> values;
    for (int i = 0; i < kValuesPerType; ++i) values.push_back(next_of(random, column_type));
    std::vector<Value> sent;
    ASSERT_NO_FATAL_FAILURE(send(values, &sent));
    auto answer = target().query("SELECT v::text FROM public.t ORDER BY id", {});
    ASSERT_TRUE(answer);
    for (size_t i = 0; i < sent.size(); ++i) {
      if (sent[i].is_null()) continue;
      std::string expected;
      if (base == TargetType::kUuid) expected = expected_uuid(sent[i]);
      if (base == TargetType::kJsonb) expected = sent[i].text();
      if (instant) expected = expected_instant(sent[i], column_type);
      // SQLite's own calendar is a day off in years before 400 that its rule for centuries touches.
      if (expected.empty() || expected[0] == '-' || (instant && expected < "0400")) continue;
      EXPECT_EQ(answer.value().text(static_cast<int>(i), 0), expected) << to_literal(sent[i]);
      checked.insert(base);
    }
  }
  EXPECT_EQ(checked.size(), 4U);
}

}  // namespace
}  // namespace crossfade
