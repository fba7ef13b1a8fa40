// Promise: json and jsonb take the same texts on apply's side and on verify's.
#include <gtest/gtest.h>

#include <string>

#include "apply/json_text.h"
#include "verify/json_form.h"

namespace crossfade {
namespace {

bool json(const std::string& text) {
  const bool said = apply::is_json(text);
  EXPECT_EQ(said, verify::is_json_text(text)) << text;
  return said;
}

bool jsonb(const std::string& text) {
  const bool said = apply::is_jsonb_spelling(text);
  EXPECT_EQ(said, verify::is_jsonb_text(text)) << text;
  EXPECT_TRUE(!said || json(text)) << text;
  return said;
}

TEST(JsonSpellingTest, JsonIsRfc8259) {
  for (const char* text :
       {"{}", " [ ] ", "0", "-0", "1e5", "-1.5E+10", "\"\"", "\"\\u0000\"", "\"\\ud800\"",
        "{\"a\":1,\"a\":2}", "\t[1 , 2]\n", "null", "\"é/\\/\""}) {
    EXPECT_TRUE(json(text)) << text;
  }
  for (const char* text : {"",
                           " ",
                           "{",
                           "[1,]",
                           "{\"a\":}",
                           "{\"a\" 1}",
                           "{a:1}",
                           "'a'",
                           "01",
                           "1.",
                           ".5",
                           "+1",
                           "1e",
                           "\"\\x\"",
                           "\"\\u12g4\"",
                           "\"a\nb\"",
                           "\"a",
                           "nul",
                           "true false",
                           "[1 2]",
                           "\xff",
                           "\"\xed\xa0\x80\"",
                           "NaN",
                           "]",
                           "{\"a\":1]",
                           "[1}",
                           ",",
                           ":",
                           "{,}",
                           "[,1]",
                           "{1:2}",
                           "\"\\\"",
                           "\\"}) {
    EXPECT_FALSE(json(text)) << text;
  }
  EXPECT_FALSE(json(std::string("\"a\0b\"", 5)));
}

TEST(JsonSpellingTest, DepthIsBounded) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(json(nested(256)));
  EXPECT_TRUE(jsonb(nested(256)));
  EXPECT_FALSE(json(nested(257)));
  EXPECT_FALSE(json(std::string(1'000'000, '[')));
}

TEST(JsonSpellingTest, JsonbIsItsOwnSpelling) {
  for (const char* text :
       {"{}", "[]", "0", "0.00", "-0.5", "12.340", "\"a\"", "[1, 2]", R"({"b": 1, "aa": [true]})",
        R"({"a": {}, "b": null})", R"("\b\f\n\r\t\"\\\u0001\u001f")", "\"\x7f é 😀\"",
        R"({"": 1, "\n": 2, "\u0001\u0002": 3})"}) {
    EXPECT_TRUE(jsonb(text)) << text;
  }
  for (const char* text : {" {}",
                           "{ }",
                           "[1,2]",
                           "[1 , 2]",
                           "[1,  2]",
                           R"({"a":1})",
                           R"({"a" : 1})",
                           "1e5",
                           "-0",
                           "-0.0",
                           "01",
                           R"({"b": 1, "a": 2})",
                           R"({"a": 1, "a": 1})",
                           R"({"aa": 1, "b": 2})",
                           R"("\u0000")",
                           R"("\u0041")",
                           R"("\u001F")",
                           R"("\u0008")",
                           R"("\/")",
                           R"("\ud83d\ude00")",
                           "1.",
                           "1 ",
                           "\"a\"x"}) {
    EXPECT_FALSE(jsonb(text)) << text;
  }
}

}  // namespace
}  // namespace crossfade
