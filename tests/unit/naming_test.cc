// Promise: names on the target are those of the source, or in snake case; never over 63 bytes,
// never twice, and always the same for the same catalog.
#include "engine/schema/naming.h"

#include <gtest/gtest.h>

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

// A table or column that comes later renames nothing that is there.
TEST(NamingTest, ANameDependsOnNothingButItself) {
  Catalog catalog = catalog_of({"UserId", "user_id"}, {"A b", "aB"});
  name_for_target(Naming::kSnakeCase, &catalog);
  EXPECT_EQ(catalog.tables[0].target_name, "user_id");
  EXPECT_EQ(catalog.tables[1].target_name, "user_id");
  EXPECT_EQ(catalog.tables[0].columns[1].target_name, "a_b");
  EXPECT_EQ(catalog.tables[0].columns[0].target_name, "a_b");
}

}  // namespace
}  // namespace crossfade::schema
