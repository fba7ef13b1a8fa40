#include "apply/prepared_batch.h"

#include <gtest/gtest.h>

namespace crossfade::apply {
namespace {

constexpr int kServer = 150000;

// A key and a number; a text does not fit the number's column.
class PreparedBatchTest : public ::testing::Test {
 protected:
  PreparedBatchTest() {
    auto table = std::make_shared<Table>();
    table->name = "numbers";
    table->columns.resize(2);
    for (Column& column : table->columns) column.type.base = TargetType::kBigint;
    table->key = {0};
    table_ = std::move(table);
  }

  void insert(int64_t key, Value value) {
    Change change;
    change.table = table_;
    change.after = {Value(key), std::move(value)};
    batch_.changes.push_back(std::move(change));
  }

  void remove(int64_t key) {
    Change change;
    change.table = table_;
    change.op = ChangeOp::kDelete;
    change.before = {Value(key), Value(int64_t{0})};
    batch_.changes.push_back(std::move(change));
  }

  PreparedTable prepared(const ExactTables& exact) {
    PreparedBatch out = prepare(net_changes(batch_, exact), kServer);
    EXPECT_EQ(out.tables.size(), 1U);
    return std::move(out.tables.at(0));
  }
  PreparedTable prepared() { return prepared({table_.get()}); }

  static size_t keys_in(const PreparedTable& table) {
    size_t out = 0;
    for (const ArrayParams& statement : table.gone.statements) out += statement.rows();
    return out;
  }

  std::shared_ptr<const Table> table_;
  ChangeBatch batch_;
};

TEST_F(PreparedBatchTest, RowsComeInTheOrderOfTheirKeys) {
  for (const int64_t key : {30, -5, 200, 7}) insert(key, Value(key));
  remove(9);
  remove(8);
  const PreparedTable by_key = prepared();
  std::vector<int64_t> keys;
  for (const NetRow* row : by_key.origin) keys.push_back(row->key.at(0).integer());
  EXPECT_EQ(keys, (std::vector<int64_t>{-5, 7, 30, 200}));
  EncodedRows expected;
  const RowEncoder encoder(*table_, kServer);
  for (const size_t at : {1U, 3U, 0U, 2U}) {
    ASSERT_FALSE(encoder.append(batch_.changes[at].after, &expected));
  }
  EXPECT_EQ(by_key.rows.bytes, expected.bytes);
  EXPECT_EQ(keys_in(by_key), 2U);
}

TEST_F(PreparedBatchTest, RowsThatFitAreEncodedAndTheOthersAreNamed) {
  insert(1, Value(int64_t{10}));
  insert(2, Value(Text{"ten"}));
  insert(3, Value(int64_t{30}));
  const PreparedTable table = prepared();
  EncodedRows expected;
  const RowEncoder encoder(*table_, kServer);
  ASSERT_FALSE(encoder.append(batch_.changes[0].after, &expected));
  ASSERT_FALSE(encoder.append(batch_.changes[2].after, &expected));
  EXPECT_EQ(table.rows.bytes, expected.bytes);
  ASSERT_EQ(table.origin.size(), 2U);
  EXPECT_EQ(table.origin[0]->key, Row{Value(int64_t{1})});
  EXPECT_EQ(table.origin[1]->key, Row{Value(int64_t{3})});
  ASSERT_EQ(table.unfit.size(), 1U);
  EXPECT_EQ(table.unfit[0].row->key, Row{Value(int64_t{2})});
  EXPECT_EQ(table.unfit[0].column, 1U);
}

TEST_F(PreparedBatchTest, OnlyWhatMayBeThereIsDeleted) {
  insert(1, Value(int64_t{10}));
  remove(2);
  EXPECT_EQ(keys_in(prepared()), 1U);
  // Before the target is exact, what is inserted may have come with the copy.
  EXPECT_EQ(keys_in(prepared(ExactTables())), 2U);
}

TEST_F(PreparedBatchTest, ManyKeysAreSeveralStatements) {
  for (int64_t key = 0; key < 25'000; ++key) remove(key);
  const PreparedTable table = prepared();
  EXPECT_EQ(table.gone.statements.size(), 3U);
  EXPECT_EQ(keys_in(table), 25'000U);
}

// It goes through a queue with its batch.
TEST_F(PreparedBatchTest, StaysWhatItIsWhenTheBatchIsMoved) {
  insert(1, Value(Text{"one"}));
  insert(2, Value(int64_t{20}));
  PreparedTable table = prepared();
  const ChangeBatch elsewhere = std::move(batch_);
  const PreparedTable there = std::move(table);
  EXPECT_EQ(there.unfit.at(0).row->final, &elsewhere.changes[0].after);
  EXPECT_EQ(there.origin.at(0)->final, &elsewhere.changes[1].after);
}

TEST_F(PreparedBatchTest, CountsWhatItHolds) {
  const size_t before = prepare(net_changes(batch_, {}), kServer).size_bytes();
  for (int64_t key = 0; key < 1'000; ++key) insert(key, Value(key));
  const size_t row = 2 + 2 * (4 + 8);  // COPY BINARY: a count, and each field with its length
  EXPECT_GE(prepare(net_changes(batch_, {}), kServer).size_bytes(), before + 1'000 * row);
}

}  // namespace
}  // namespace crossfade::apply
