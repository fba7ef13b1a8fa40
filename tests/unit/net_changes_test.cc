#include "apply/net_changes.h"

#include <gtest/gtest.h>

namespace crossfade::apply {
namespace {

std::shared_ptr<const Table> make_table(const std::string& name, std::vector<size_t> key = {0}) {
  auto table = std::make_shared<Table>();
  table->name = name;
  table->columns.resize(3);
  table->key = std::move(key);
  return table;
}

Row row(int64_t key, const char* text) {
  return {Value(key), Value(Text{text}), Value()};
}

class NetChangesTest : public ::testing::Test {
 protected:
  void insert(const Row& after) { add(ChangeOp::kInsert, {}, after); }
  void update(const Row& before, const Row& after) { add(ChangeOp::kUpdate, before, after); }
  void remove(const Row& before) { add(ChangeOp::kDelete, before, {}); }
  void vanish(int64_t key) { add(ChangeOp::kVanish, {Value(key), Value(), Value()}, {}); }

  void add(ChangeOp op, Row before, Row after) {
    Change change;
    change.table = table_;
    change.op = op;
    change.before = std::move(before);
    change.after = std::move(after);
    batch_.changes.push_back(std::move(change));
  }

  std::vector<NetRow> net(bool exact = true) {
    std::vector<NetTable> tables =
        net_changes(batch_, exact ? ExactTables{table_.get()} : ExactTables());
    return tables.empty() ? std::vector<NetRow>() : std::move(tables.front().rows);
  }

  static void expect(const NetRow& net, int64_t key, bool was_there, const char* final_text) {
    EXPECT_EQ(net.key, Row{Value(key)});
    EXPECT_EQ(net.was_there, was_there);
    ASSERT_EQ(net.final != nullptr, final_text != nullptr);
    if (final_text == nullptr) return;
    EXPECT_EQ((*net.final)[1], Value(Text{final_text}));
  }

  std::shared_ptr<const Table> table_ = make_table("t");
  ChangeBatch batch_;
};

TEST_F(NetChangesTest, NothingComesToNothing) {
  EXPECT_TRUE(net().empty());
}

TEST_F(NetChangesTest, InsertUpdateDeleteOfANewKey) {
  insert(row(1, "a"));
  expect(net().at(0), 1, false, "a");
  update(row(1, "a"), row(1, "b"));
  expect(net().at(0), 1, false, "b");
  remove(row(1, "b"));
  ASSERT_EQ(net().size(), 1U);
  expect(net().at(0), 1, false, nullptr);
}

TEST_F(NetChangesTest, DeleteAndInsertOfAnOldKey) {
  remove(row(1, "a"));
  expect(net().at(0), 1, true, nullptr);
  insert(row(1, "b"));
  expect(net().at(0), 1, true, "b");
  EXPECT_TRUE(net().at(0).certain);
}

// The first touch decides what was there, however often the key comes and goes.
TEST_F(NetChangesTest, AKeyChangeTouchesBothKeys) {
  update(row(1, "a"), row(2, "a"));
  ASSERT_EQ(net().size(), 2U);
  expect(net()[0], 1, true, nullptr);
  expect(net()[1], 2, false, "a");
  update(row(2, "a"), row(1, "b"));
  ASSERT_EQ(net().size(), 2U);
  expect(net()[0], 1, true, "b");
  expect(net()[1], 2, false, nullptr);
}

TEST_F(NetChangesTest, ASwapThroughAThirdKeyKeepsBothRows) {
  update(row(1, "a"), row(9, "a"));
  update(row(2, "b"), row(1, "b"));
  update(row(9, "a"), row(2, "a"));
  const auto rows = net();
  ASSERT_EQ(rows.size(), 3U);
  expect(rows[0], 1, true, "b");
  expect(rows[1], 9, false, nullptr);
  expect(rows[2], 2, true, "a");
}

TEST_F(NetChangesTest, AVanishedRowMayOrMayNotHaveBeenThere) {
  vanish(1);
  expect(net().at(0), 1, true, nullptr);
  EXPECT_FALSE(net().at(0).certain);
  insert(row(1, "b"));
  expect(net().at(0), 1, true, "b");
}

// Over a copy that is catching up, any key may be there already, and none is certain to be.
TEST_F(NetChangesTest, CatchingUpDeletesBeforeItInserts) {
  insert(row(1, "a"));
  update(row(2, "x"), row(3, "x"));
  const auto rows = net(/*exact=*/false);
  ASSERT_EQ(rows.size(), 3U);
  for (const NetRow& each : rows) {
    EXPECT_TRUE(each.was_there);
    EXPECT_FALSE(each.certain);
  }
}

TEST_F(NetChangesTest, ATableThatIsNotNamedIsCatchingUp) {
  insert(row(1, "a"));
  const auto tables = net_changes(batch_, {});
  EXPECT_TRUE(tables.at(0).rows.at(0).was_there);
}

TEST_F(NetChangesTest, TablesAreKeptApartInOrderOfFirstTouch) {
  insert(row(1, "a"));
  const auto first = table_;
  table_ = make_table("other", {1, 0});
  insert(row(1, "k"));
  const auto tables = net_changes(batch_, {first.get()});
  ASSERT_EQ(tables.size(), 2U);
  EXPECT_EQ(tables[0].table, first);
  EXPECT_FALSE(tables[0].rows[0].was_there);
  EXPECT_TRUE(tables[1].rows[0].was_there);
  EXPECT_EQ(tables[1].rows[0].key, (Row{Value(Text{"k"}), Value(int64_t{1})}));
}

// 1, 1.0 and '1' are three keys; so are ('a','bc') and ('ab','c').
TEST(IdentityTest, TellsClassesAndBoundariesApart) {
  const std::vector<Row> keys{{Value(int64_t{1})},
                              {Value(1.0)},
                              {Value(Text{"1"})},
                              {Value(Blob{"1"})},
                              {Value()},
                              {Value(0.0)},
                              {Value(-0.0)},
                              {},
                              {Value(Text{"a"}), Value(Text{"bc"})},
                              {Value(Text{"ab"}), Value(Text{"c"})}};
  for (size_t i = 0; i < keys.size(); ++i) {
    for (size_t j = 0; j < keys.size(); ++j) {
      EXPECT_EQ(identity_of(keys[i]) == identity_of(keys[j]), i == j) << i << " " << j;
    }
  }
}

// Cut at every length: nothing, or the values that were whole, never others and never a crash.
TEST(IdentityTest, ParsesWhatItWroteAndNothingElse) {
  const Row key{Value(),         Value(int64_t{-7}),
                Value(-0.0),     Value(Text{std::string("a\0b", 3)}),
                Value(Blob{""}), Value(Blob{"\xff"})};
  const std::string whole = identity_of(key);
  EXPECT_EQ(parse_identity(whole), key);
  size_t prefixes = 0;
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto parsed = parse_identity(std::string_view(whole).substr(0, length));
    if (!parsed) continue;
    ++prefixes;
    ASSERT_LT(parsed->size(), key.size());
    EXPECT_EQ(*parsed, Row(key.begin(), key.begin() + static_cast<std::ptrdiff_t>(parsed->size())));
  }
  EXPECT_EQ(prefixes, key.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      EXPECT_NE(parse_identity(flipped), key);
    }
  }
  EXPECT_FALSE(parse_identity("9").has_value());
  EXPECT_FALSE(parse_identity("3\xff\xff\xff\xff\xff\xff\xff\xff").has_value());
}

}  // namespace
}  // namespace crossfade::apply
