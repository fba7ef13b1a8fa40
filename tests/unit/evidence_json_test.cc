#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/schema/evidence_json.h"

namespace crossfade::schema {
namespace {

// Promise: exactly what PostgreSQL's json takes is valid.
TEST(EvidenceJsonTest, Valid) {
  JsonReader reader;
  for (const char* text :
       {"{}", "[]", " [1, 2.5,-0, 1e5, 1E-2]\n", R"({"a":{"b":[true,false,null]}})", R"("x")", "12",
        R"(["\u0041\n\/"])", "[0.5]", R"(["é€😀"])", R"(["\ud83d\ude00"])"}) {
    EXPECT_TRUE(reader.read(text).valid) << text;
  }
  for (const char* text : {"",
                           " ",
                           "{",
                           "[",
                           "[1",
                           "[1,]",
                           "[,1]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{'a':1}",
                           "[01]",
                           "[.5]",
                           "[1.]",
                           "[+1]",
                           "[1e]",
                           "[- 1]",
                           "[0x1]",
                           "[NaN]",
                           "[tru]",
                           "[truex]",
                           "[] []",
                           "[1 2]",
                           "[\"a\nb\"]",
                           R"(["\x"])",
                           R"(["\u12"])",
                           "[\"a]",
                           "nul",
                           "// c\n[]",
                           "{\"a\":1 \"b\":2}",
                           "{1:2}",
                           "[]]"}) {
    EXPECT_FALSE(reader.read(text).valid) << text;
  }
  EXPECT_TRUE(reader.read("[]").document);
  EXPECT_FALSE(reader.read("12").document);
}

TEST(EvidenceJsonTest, DepthIsBounded) {
  JsonReader reader;
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') +
           std::string(static_cast<size_t>(depth), ']');
  };
  EXPECT_TRUE(reader.read(nested(JsonReader::kDepthMax)).valid);
  EXPECT_FALSE(reader.read(nested(JsonReader::kDepthMax + 1)).valid);
  EXPECT_FALSE(reader.read(nested(1000000)).valid);
}

// Promise: "normal" only when jsonb writes the very bytes.
TEST(EvidenceJsonTest, NormalForm) {
  JsonReader reader;
  for (const char* text :
       {"{}", "[]", R"({"a": 1, "b": 2})", R"({"b": 1, "aa": 2})", R"([1, "x", [], {}])",
        R"({"a": {"x": 1.50}})", R"(["\n\t\"\\\u001f"])", "[0, 0.0, -1.5]", R"(["é"])"}) {
    EXPECT_TRUE(reader.read(text).normal) << text;
  }
  for (const char* text : {R"({"a":1})",
                           R"({"a": 1,"b": 2})",
                           R"({"b": 1, "a": 2})",
                           R"({"aa": 1, "b": 2})",
                           R"({"a": 1, "a": 2})",
                           "[1,2]",
                           "[ 1]",
                           "[1 ]",
                           " []",
                           "[] ",
                           "{ }",
                           "[1,  2]",
                           "[1,\n2]",
                           "[1e5]",
                           "[-0]",
                           "[-0.0]",
                           R"(["\/"])",
                           R"(["\u00e9"])",
                           R"(["\u000a"])",
                           R"(["\u001F"])",
                           R"({"\n": 1})"}) {
    EXPECT_FALSE(reader.read(text).normal) << text;
  }
  EXPECT_TRUE(reader.read("[1, 2]").telling);
  EXPECT_TRUE(reader.read(R"({"a": 1, "b": 2})").telling);
  EXPECT_FALSE(reader.read(R"([{"a": []}])").telling);
}

TEST(EvidenceJsonTest, DuplicateKeysAndNul) {
  JsonReader reader;
  for (const char* text : {R"({"a":1,"a":2})", R"([{"b":1,"a":1,"b":1}])", R"({"a":1,"\u0061":2})",
                           R"({"x":{"é":1,"\u00e9":2}})", R"({"😀":1,"\ud83d\ude00":2})"}) {
    EXPECT_TRUE(reader.read(text).duplicate_keys) << text;
  }
  for (const char* text : {R"({"a":1,"b":2})", R"({"b":{"a":1},"a":{"a":2}})", R"(["a","a"])"}) {
    EXPECT_FALSE(reader.read(text).duplicate_keys) << text;
  }
  EXPECT_TRUE(reader.read(R"(["\u0000"])").nul_escape);
  EXPECT_FALSE(reader.read(R"(["\\u0000"])").nul_escape);
}

TEST(EvidenceJsonTest, Json5) {
  JsonReader reader;
  for (const char* text : {"{a:1}", "{'a':'b'}", "[1,]", "{\"a\":1,}", "[.5]", "[1.]", "[+1]",
                           "[0xFF]", "[NaN,-Infinity]", "// c\n[/* d */1]", "{$x_1:2,/**/}"}) {
    EXPECT_TRUE(reader.is_json5(text)) << text;
  }
  for (const char* text : {"{a b}", "[1", "{1a:1}", "[,]", "word", "12", "", "[.]"}) {
    EXPECT_FALSE(reader.is_json5(text)) << text;
  }
}

// Promise: no truncation and no changed byte leads the reader astray.
TEST(EvidenceJsonTest, EveryPrefixAndByte) {
  JsonReader reader;
  const std::string text = R"({"a": [1.5e3, "\u00e9\n"], "b": {"c": null}})";
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(reader.read(text.substr(0, size)).valid) << size;
    reader.is_json5(text.substr(0, size));
  }
  for (size_t at = 0; at < text.size(); ++at) {
    for (int byte = 0; byte < 128; ++byte) {
      std::string changed = text;
      changed[at] = static_cast<char>(byte);
      if (reader.read(changed).valid) {
        EXPECT_TRUE(reader.is_json5(changed)) << changed;
      }
    }
  }
}

}  // namespace
}  // namespace crossfade::schema
