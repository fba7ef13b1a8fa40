// Random expressions over columns of every type and rows of edge values: SQLite's answer and
// PostgreSQL's agree, or PostgreSQL reports that a number is out of range, or there is no
// translation.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/postgres/connection.h"
#include "engine/schema/expression/translate.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/expression_generator.h"

namespace crossfade::schema::expression {
namespace {

using crossfade::testing::TestCluster;

class ExpressionAgreementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    columns_ = crossfade::testing::expression_columns();
    auto source = sqlite::Connection::open({.path = ":memory:", .access = sqlite::Access::kCreate});
    ASSERT_TRUE(source);
    source_.emplace(std::move(source).value());
    url_ = TestCluster::create_database();
    target_.emplace(crossfade::testing::connect_or_die(url_));
    seed_ = static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed());
    scope_.table = "t";
    for (const crossfade::testing::ExpressionColumn& each : columns_)
      scope_.columns.push_back(each.scope);
    make_tables();
  }
  void TearDown() override {
    target_.reset();
    if (!url_.empty()) TestCluster::drop_database(url_);
  }

  void make_tables() {
    std::string source = "CREATE TABLE t(id INTEGER PRIMARY KEY";
    std::string target = "CREATE TABLE public.t(id bigint";
    for (const crossfade::testing::ExpressionColumn& each : columns_) {
      source += ", " + each.scope.name + " " + each.declared;
      target += ", " + each.scope.target_name + " " + to_string(each.scope.type) +
                (each.scope.type.base == TargetType::kText ? " COLLATE \"C\"" : "");
    }
    run(source + ")", target + ")");
    ASSERT_TRUE(target_->exec("SET search_path = public, pg_catalog"));
    std::mt19937 random(seed_);
    for (int row = 1; row <= kRows; ++row) {
      std::string source_row = std::to_string(row);
      std::string target_row = source_row;
      for (const crossfade::testing::ExpressionColumn& each : columns_) {
        // Each value at least once for most columns, then at random; some NULLs.
        const size_t at = static_cast<size_t>(row) <= each.values.size()
                              ? static_cast<size_t>(row) - 1
                              : random() % each.values.size();
        const bool null = row == kRows || random() % 10 == 0;
        source_row += ", " + (null ? "NULL" : each.values[at].source);
        target_row += ", " + (null ? "NULL" : each.values[at].target);
      }
      run("INSERT INTO t VALUES (" + source_row + ")",
          "INSERT INTO public.t VALUES (" + target_row + ")");
    }
  }

  void run(const std::string& source, const std::string& target) {
    const auto a = source_->exec(source);
    ASSERT_TRUE(a) << describe(a.error()) << source;
    const auto b = target_->exec(target);
    ASSERT_TRUE(b) << describe(b.error()) << target;
  }

  // By id; a row that SQLite itself refuses (abs() of the least integer) is left out.
  std::map<int64_t, Value> source_values(const std::string& sql, const std::string& where = {}) {
    std::map<int64_t, Value> out;
    auto rows = sqlite::Statement::prepare(*source_, "SELECT id, " + sql + " FROM t" + where);
    if (!rows) {
      prepare_error_ = describe(rows.error());
      return out;
    }
    for (;;) {
      const auto there = rows.value().step();
      if (!there && where.empty()) {
        out.clear();
        for (int id = 1; id <= kRows; ++id) {
          out.merge(source_values(sql, " WHERE id = " + std::to_string(id)));
        }
        return out;
      }
      if (!there || !there.value()) return out;
      out[rows.value().integer(0)] = rows.value().value(1);
    }
  }

  static std::string difference(const Value& source, const ColumnType& type,
                                const std::optional<std::string>& target);
  void check(const std::string& sql, const std::string& target_sql, const ColumnType& type);
  void check_generated(const std::string& sql, const std::string& target_sql,
                       const ScopeColumn& into, const std::string& declared);
  void check_row(const std::string& sql, const std::string& target_sql, const ColumnType& type,
                 const Value& source, int64_t id);

  static constexpr int kRows = 40;
  std::vector<crossfade::testing::ExpressionColumn> columns_;
  Scope scope_;
  std::optional<sqlite::Connection> source_;
  std::optional<postgres::Connection> target_;
  std::string url_;
  unsigned seed_ = 0;
  std::string prepare_error_;
  int out_of_range_ = 0;
  int compared_ = 0;
};

double as_double(const Value& value) {
  return value.storage() == StorageClass::kInteger ? static_cast<double>(value.integer())
                                                   : value.real();
}

bool is_number(const Value& value) {
  return value.storage() == StorageClass::kInteger || value.storage() == StorageClass::kReal;
}

// Empty when they are the same value of the same class.
std::string ExpressionAgreementTest::difference(const Value& source, const ColumnType& type,
                                                const std::optional<std::string>& target) {
  const std::string shown = to_literal(source) + " / " + target.value_or("NULL");
  if (source.is_null() || !target) return source.is_null() && !target ? "" : shown;
  if (type.form != SourceForm::kValue) return "";  // a column as it is, which other tests compare
  bool same = false;
  switch (type.base) {
    case TargetType::kBoolean:
      same = source == Value(int64_t{*target == "t" ? 1 : 0});
      break;
    case TargetType::kBigint:
      same =
          source.storage() == StorageClass::kInteger && std::to_string(source.integer()) == *target;
      break;
    case TargetType::kDouble:
    case TargetType::kNumeric:
      same = is_number(source) && as_double(source) == std::strtod(target->c_str(), nullptr);
      break;
    case TargetType::kText:
      same = source == Value(Text{*target});
      break;
    case TargetType::kBytea: {
      std::string hex = "\\x";
      if (source.storage() == StorageClass::kBlob) {
        for (const char c : source.blob())
          hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
      }
      same = source.storage() == StorageClass::kBlob && hex == *target;
      break;
    }
    default:
      same = true;  // a column as it is, which other tests compare
      break;
  }
  return same ? "" : shown;
}

void ExpressionAgreementTest::check_row(const std::string& sql, const std::string& target_sql,
                                        const ColumnType& type, const Value& source, int64_t id) {
  auto rows = target_->exec(fmt::format("SELECT {} FROM t WHERE id = {}", target_sql, id));
  if (!rows) {
    EXPECT_NE(rows.error().native.find("22003"), std::string::npos)
        << describe(rows.error()) << "\n"
        << sql << "\n"
        << target_sql;
    ++out_of_range_;
    return;
  }
  const auto& answer = rows.value();
  const auto target = answer.is_null(0, 0) ? std::nullopt : std::optional(answer.text(0, 0));
  EXPECT_EQ(difference(source, type, target), "") << sql << "\n" << target_sql << "\nrow " << id;
  ++compared_;
}

void ExpressionAgreementTest::check(const std::string& sql, const std::string& target_sql,
                                    const ColumnType& type) {
  prepare_error_.clear();
  const auto source = source_values(sql);
  ASSERT_EQ(prepare_error_, "") << sql << " was translated to " << target_sql;
  auto rows = target_->exec(fmt::format("SELECT id, {} FROM t", target_sql));
  if (!rows || source.size() != kRows) {
    for (const auto& [id, value] : source) check_row(sql, target_sql, type, value, id);
    return;
  }
  for (int row = 0; row < rows.value().rows(); ++row) {
    const int64_t id = rows.value().integer(row, 0);
    const auto target =
        rows.value().is_null(row, 1) ? std::nullopt : std::optional(rows.value().text(row, 1));
    EXPECT_EQ(difference(source.at(id), type, target), "")
        << sql << "\n"
        << target_sql << "\nrow " << id << ", seed " << seed_;
    ++compared_;
  }
}

TEST_F(ExpressionAgreementTest, RandomExpressionsAgreeOrAreRefused) {
  constexpr int kExpressions = 4'000;
  crossfade::testing::ExpressionGenerator generator(seed_);
  std::map<std::string, int> refusals;
  int refused = 0;
  int noted = 0;
  for (int i = 0; i < kExpressions; ++i) {
    const int depth = 1 + i % 3;
    const bool condition = i % 2 == 0;
    const std::string sql = condition ? generator.boolean(depth) : generator.any(depth);
    auto made = translate_expression(sql, scope_, condition ? Use::kCheck : Use::kView);
    if (!made) {
      ++refused;
      ++refusals[made.error().reason];
      ASSERT_LE(made.error().offset + made.error().length, sql.size()) << sql;
      continue;
    }
    if (!made.value().notes.empty()) {
      ++noted;
      continue;
    }
    check(condition ? "(" + sql + ") IS TRUE" : sql,
          condition ? "(" + made.value().sql + ") IS TRUE" : made.value().sql, made.value().type);
  }
  std::vector<std::pair<int, std::string>> most;
  for (const auto& [reason, count] : refusals) most.emplace_back(count, reason);
  std::sort(most.rbegin(), most.rend());
  for (size_t i = 0; i < most.size() && i < 12; ++i) {
    fmt::print("  {:4} {}\n", most[i].first, most[i].second);
  }
  fmt::print(
      "{} expressions, seed {}: {} refused ({:.0f} %), {} with notes; {} values compared,"
      " {} out of range\n",
      kExpressions, seed_, refused, 100.0 * refused / kExpressions, noted, compared_,
      out_of_range_);
  EXPECT_LT(refused, kExpressions * 6 / 10);
  EXPECT_GT(compared_, 10'000);
}

// Whether a column of the type can hold it; what it cannot is set aside before it is computed.
bool can_hold(const ColumnType& type, const Value& value) {
  switch (type.base) {
    case TargetType::kBigint:
      return value.storage() == StorageClass::kInteger;
    case TargetType::kBoolean:
      return value == Value(int64_t{0}) || value == Value(int64_t{1});
    case TargetType::kDouble:
      return value.storage() == StorageClass::kReal;
    case TargetType::kText:
      return value.storage() == StorageClass::kText;
    case TargetType::kBytea:
      return value.storage() == StorageClass::kBlob;
    default:
      return is_number(value);
  }
}

// A real generated column on the source; on the target its expression as the column would hold it.
void ExpressionAgreementTest::check_generated(const std::string& sql, const std::string& target_sql,
                                              const ScopeColumn& into,
                                              const std::string& declared) {
  const auto added = source_->exec("ALTER TABLE t ADD COLUMN g " + declared + " AS (" + sql + ")");
  ASSERT_TRUE(added) << describe(added.error()) << "\n" << sql;
  prepare_error_.clear();
  for (const auto& [id, value] : source_values("g")) {
    if (!value.is_null() && !can_hold(into.type, value)) continue;
    check_row(sql, fmt::format("({})::{}", target_sql, to_string(into.type)), into.type, value, id);
    if (value.storage() != StorageClass::kReal || value.real() != 0) continue;
    const auto zero = target_->exec(
        fmt::format("SELECT ({})::double precision::text FROM t WHERE id = {}", target_sql, id));
    if (!zero || zero.value().is_null(0, 0)) continue;
    EXPECT_EQ(zero.value().text(0, 0), std::signbit(value.real()) ? "-0" : "0") << sql;
  }
  EXPECT_EQ(prepare_error_, "") << sql;
  ASSERT_TRUE(source_->exec("ALTER TABLE t DROP COLUMN g"));
}

TEST_F(ExpressionAgreementTest, GeneratedColumnsHoldWhatSqliteStores) {
  struct Into {
    TargetType type;
    Affinity affinity;
    const char* declared;
  };
  static constexpr Into kInto[] = {{TargetType::kBigint, Affinity::kInteger, "INTEGER"},
                                   {TargetType::kBigint, Affinity::kBlob, ""},
                                   {TargetType::kBoolean, Affinity::kNumeric, "BOOLEAN"},
                                   {TargetType::kDouble, Affinity::kReal, "REAL"},
                                   {TargetType::kDouble, Affinity::kBlob, ""},
                                   {TargetType::kNumeric, Affinity::kNumeric, "NUMERIC"},
                                   {TargetType::kText, Affinity::kText, "TEXT"},
                                   {TargetType::kText, Affinity::kBlob, ""},
                                   {TargetType::kText, Affinity::kNumeric, "NUMERIC"},
                                   {TargetType::kBytea, Affinity::kBlob, "BLOB"}};
  ASSERT_TRUE(source_->exec("PRAGMA trusted_schema=ON"));  // for JSON in the schema
  crossfade::testing::ExpressionGenerator generator(seed_ + 2);
  int computed = 0;
  int left_constant = 0;
  std::string without_collation;
  for (int i = 0; i < 3'000 && !HasFailure(); ++i) {
    const Into& each = kInto[i % std::size(kInto)];
    ScopeColumn into;
    into.name = "g";
    into.target_name = "g";
    into.type = each.type;
    into.affinity = each.affinity;
    const std::string sql = generator.any(1 + i % 3);
    const auto made = translate_value(sql, scope_, Use::kGenerated, into);
    if (!made || !made.value().notes.empty()) continue;
    ++computed;
    const auto done = target_->exec(fmt::format(
        "BEGIN; CREATE TABLE none (LIKE t, g {} GENERATED ALWAYS AS ({}) STORED); ROLLBACK",
        to_string(into.type), made.value().sql));
    if (!done) (void)target_->exec("ROLLBACK");
    // What is constant inside is computed at once, and may be out of range.
    const std::string state = done ? "" : done.error().sqlstate;
    if (state == "22003") continue;
    if (state == "42P22") {
      without_collation += sql + "\n  " + made.value().sql + "\n";
      ++left_constant;
      continue;
    }
    EXPECT_TRUE(done) << describe(done.error()) << "\n" << sql << "\n" << made.value().sql;
    check_generated(sql, made.value().sql, into, each.declared);
  }
  fmt::print("{} generated columns; {} values compared, {} out of range\n", computed, compared_,
             out_of_range_);
  EXPECT_GT(computed, 500);
  // A rare rest that only PostgreSQL's planner takes for constant; a run makes such a column plain.
  EXPECT_LE(left_constant, 1 + computed / 200) << without_collation;
}

// What is translated for an index or a generated column is immutable to PostgreSQL.
TEST_F(ExpressionAgreementTest, IndexKeysAreImmutable) {
  crossfade::testing::ExpressionGenerator generator(seed_ + 1);
  int made_keys = 0;
  for (int i = 0; i < 1'500 && !HasFailure(); ++i) {
    const std::string sql = generator.any(1 + i % 2);
    auto key = translate_expression(sql, scope_, Use::kIndexKey);
    if (!key) continue;
    // An index of an expression without rows: nothing is evaluated, only checked.
    const auto done = target_->exec(
        fmt::format("BEGIN; CREATE TABLE none (LIKE t); CREATE INDEX ON none (({})); ROLLBACK",
                    key.value().sql));
    if (!done) (void)target_->exec("ROLLBACK");
    // What is constant inside is computed at once, and may be out of range.
    if (!done && done.error().native.find("22003") != std::string::npos) continue;
    EXPECT_TRUE(done) << describe(done.error()) << "\n" << sql << "\n" << key.value().sql;
    ++made_keys;
  }
  EXPECT_GT(made_keys, 300);
}

}  // namespace
}  // namespace crossfade::schema::expression
