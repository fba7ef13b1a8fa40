// Promise: the fields of a row's text are told as record_out() wrote them, and what it did not
// write is refused.
#include "capture/outbox_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace crossfade::capture {
namespace {

using Lines = std::vector<std::string>;

Lines fields(const std::string& text) {
  pgoutput::Tuple tuple;
  std::deque<std::string> kept;
  if (!split_record(text, &tuple, &kept)) return {"refused"};
  Lines out;
  for (const auto& field : tuple) {
    out.push_back(field.kind == pgoutput::FieldKind::kNull ? "NULL"
                                                           : "<" + std::string(field.bytes) + ">");
  }
  return out;
}

TEST(OutboxRowsTest, FieldsAreWhatTheTypesSay) {
  EXPECT_EQ(fields("(1,abc)"), (Lines{"<1>", "<abc>"}));
  EXPECT_EQ(fields("(,\"\",)"), (Lines{"NULL", "<>", "NULL"}));
  EXPECT_EQ(fields("()"), (Lines{"NULL"}));
  EXPECT_EQ(fields(R"row(("a ""q"" \\ b, (x)","\\x00ff"))row"),
            (Lines{R"(<a "q" \ b, (x)>)", R"(<\x00ff>)"}));
  EXPECT_EQ(fields(R"((""""))"), (Lines{"<\">"}));
  EXPECT_EQ(fields(R"((""",",","))"), (Lines{"<\",>", "<,>"}));
  EXPECT_EQ(fields("(\"a\nb\",\xc3\xa4)"), (Lines{"<a\nb>", "<\xc3\xa4>"}));
}

TEST(OutboxRowsTest, WhatIsNoRowIsRefused) {
  for (const char* text : {"", "(", ")", "1,2", "(\"a)", "(\"a\"b)", "(a\"b)", R"(("\a"))",
                           R"((\\))", "(a(b)", "(\"\"\")"}) {
    EXPECT_EQ(fields(text), Lines{"refused"}) << text;
  }
}

TEST(OutboxRowsTest, ComputedColumnsAreLeftOut) {
  const auto shape = OutboxShape::parse(
      7, R"(["public","t",[["id",20,-1,false],["twice",23,-1,true],["v",25,5,false]]])");
  ASSERT_TRUE(shape);
  const auto relation = shape.value().relation();
  EXPECT_EQ(relation.schema, "public");
  EXPECT_EQ(relation.name, "t");
  ASSERT_EQ(relation.columns.size(), 2U);
  EXPECT_EQ(relation.columns[1].name, "v");
  EXPECT_EQ(relation.columns[1].typmod, 5);
  std::deque<std::string> kept;
  const auto row = shape.value().read("(1,2,x)", &kept);
  ASSERT_TRUE(row);
  ASSERT_EQ(row.value().size(), 2U);
  EXPECT_EQ(row.value()[1].bytes, "x");
  EXPECT_FALSE(shape.value().read("(1,x)", &kept)) << "a column is missing";
  EXPECT_FALSE(OutboxShape::parse(7, "[\"public\"]"));
  EXPECT_FALSE(OutboxShape::parse(7, "not JSON"));
}

}  // namespace
}  // namespace crossfade::capture
