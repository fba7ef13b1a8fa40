// Promise: names on the target are those of the source, or in snake case; never over 63 bytes,
// never twice, and always the same for the same catalog.
#include "engine/schema/naming.h"

#include <gtest/gtest.h>

#include <set>

namespace crossfade::schema {
namespace {

std::string snake(std::string_view name) {
  return target_name(Naming::kSnakeCase, name);
}

Catalog catalog_of(const std::vector<std::string>& tables,
                   const std::vector<std::string>& columns = {"id"}) {
  Catalog out;
  for (const std::string& name : tables) {
    Table table;
    table.name = table.target_name = name;
    for (const std::string& column : columns) {
      Column each;
      each.name = each.target_name = column;
      table.columns.push_back(each);
    }
    out.tables.push_back(table);
  }
  return out;
}

TEST(NamingTest, SnakeCase) {
  EXPECT_EQ(snake("user_id"), "user_id");
  EXPECT_EQ(snake("UserID"), "user_id");
  EXPECT_EQ(snake("userId2"), "user_id2");
  EXPECT_EQ(snake("HTTPServer2Go"), "http_server2_go");
  EXPECT_EQ(snake("First Name"), "first_name");
  EXPECT_EQ(snake("a.b $ c"), "a_b_c");
  EXPECT_EQ(snake("_Private"), "_private");
  EXPECT_EQ(snake("trailing "), "trailing");
  EXPECT_EQ(snake("Größe"), "größe");
  EXPECT_EQ(snake("ORDER"), "order");
  EXPECT_EQ(snake("$"), "$") << "nothing would be left of it";
  EXPECT_EQ(snake("2nd"), "2nd");
}

TEST(NamingTest, ExactIsToTheLetter) {
  for (const char* name : {"UserID", "a.b $", " x ", "Größe", "_", "2nd"}) {
    EXPECT_EQ(target_name(Naming::kExact, name), name);
  }
}

TEST(NamingTest, LongNamesAreCutAndStayApart) {
  const std::string a(70, 'a');
  const std::string fits(63, 'b');
  EXPECT_EQ(target_name(Naming::kExact, fits), fits);
  EXPECT_EQ(target_name(Naming::kExact, a).size(), 63U);
  EXPECT_NE(target_name(Naming::kExact, a), target_name(Naming::kExact, a + "x"));
  std::string wide = "n";
  for (int i = 0; i < 40; ++i) wide += "\u00e9";
  EXPECT_LE(target_name(Naming::kExact, wide).size(), 63U);
}

TEST(NamingTest, NamesThatPostgresCannotHaveAreLeftForThePlanToRefuse) {
  const std::string nul("a\0b", 3);
  for (const std::string& name : {std::string(), nul, std::string(80, '\xff')}) {
    EXPECT_EQ(snake(name), name);
    EXPECT_EQ(target_name(Naming::kExact, name), name);
  }
}

TEST(NamingTest, OneThatIsSoSpelledHasTheName) {
  Catalog catalog = catalog_of({"UserId", "User_ID", "user_id"}, {"A b", "aB", "a_b_2", "a_b"});
  name_for_target(Naming::kSnakeCase, &catalog);
  EXPECT_EQ(catalog.tables[0].target_name, "user_id_2");
  EXPECT_EQ(catalog.tables[1].target_name, "user_id_3");
  EXPECT_EQ(catalog.tables[2].target_name, "user_id");
  std::vector<std::string> columns;
  for (const Column& column : catalog.tables[0].columns) columns.push_back(column.target_name);
  EXPECT_EQ(columns, (std::vector<std::string>{"a_b_3", "a_b_4", "a_b_2", "a_b"}));
}

TEST(NamingTest, NamesAreDistinctAndFitWhateverTheyAre) {
  const std::string stem(62, 'x');
  Catalog catalog = catalog_of({stem + "A", stem + "a", stem + " a", stem + "_a", stem + "_A"});
  name_for_target(Naming::kSnakeCase, &catalog);
  std::set<std::string> seen;
  for (const Table& table : catalog.tables) {
    EXPECT_LE(table.target_name.size(), 63U);
    EXPECT_TRUE(seen.insert(table.target_name).second) << table.target_name;
  }
}

}  // namespace
}  // namespace crossfade::schema
