// Promise: text, bytes and documents arrive byte for byte, compared and ordered as declared or with
// a finding that says what differs (docs/pitfalls.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/pitfall_test.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kTexts = R"(
  CREATE TABLE doc(id INTEGER PRIMARY KEY, plain JSON, nul JSON, broken JSON, five JSON, twice JSON);
  INSERT INTO doc VALUES
    (1,'{"a":1,"b":2}','{"a":"x\u0000y"}','{"a":1}','{"a":1}','{"k":1,"k":2}'),
    (2,'{"b":1,  "a":2}','{"a":1}','{oops','{a:1}','{"k":1}');
  CREATE TABLE bytes(id INTEGER PRIMARY KEY, t TEXT, b BLOB);
  INSERT INTO bytes VALUES(1,x'00ff','text in a blob column'),(2,x'',x'00ff');
  CREATE TABLE large(id INTEGER PRIMARY KEY, b BLOB, t TEXT);
  INSERT INTO large VALUES(1,CAST(zeroblob(20000000)||x'ff' AS BLOB),'short'),
    (2,NULL,printf('%.*c',20000000,'x')||'end');
  CREATE TABLE short(id INTEGER PRIMARY KEY, v VARCHAR(5));
  INSERT INTO short VALUES(1,'twelve chars'),(2,'ok');
  CREATE TABLE folded(id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE);
  INSERT INTO folded VALUES(1,'É'),(2,'é'),(3,'Ann');
  CREATE TABLE trimmed(id INTEGER PRIMARY KEY, name TEXT COLLATE RTRIM UNIQUE);
  INSERT INTO trimmed VALUES(1,'a'),(2,'b  ');
  CREATE TABLE sorted(k TEXT PRIMARY KEY NOT NULL);
  INSERT INTO sorted VALUES('a'),('B'),('b'),('_'),('-a'),('é'),('Z'),('ab'),('a b'),('10'),('9');)";

// 11
TEST_F(PitfallTest, AUtf16DatabaseArrivesAsUtf8) {
  const Moved& utf16 = moved("utf16", R"(
    PRAGMA encoding='UTF-16be';
    CREATE TABLE word(k TEXT PRIMARY KEY NOT NULL, v TEXT);
    INSERT INTO word VALUES('é','Grüße'),('日本','東京'),('😀','');)",
                             Moved::Until::kFollowing);
  EXPECT_FALSE(utf16.finding("utf16_source", "").is_null());
  utf16.app(
      "INSERT INTO word VALUES('Ω','later'); UPDATE word SET v='ß' WHERE k='é';"
      "DELETE FROM word WHERE k='😀'");
  utf16.expect_becomes_equal({"word"});
  EXPECT_EQ(utf16.target("SELECT v FROM word WHERE k='é'"), "ß");
  EXPECT_EQ(utf16.target("SELECT count(*) FROM word"), "3");
}

// 12
TEST_F(PitfallTest, JsonIsOnlyWhatEveryReaderTakes) {
  const Moved& texts = moved("texts", kTexts);
  EXPECT_EQ(texts.type("doc", "plain"), "json");  // jsonb would rewrite the spaces
  EXPECT_EQ(texts.type("doc", "nul"), "json");
  EXPECT_THAT(texts.finding("json_nul_escape", "doc", "nul").dump(), HasSubstr("id=1"));
  EXPECT_EQ(texts.type("doc", "broken"), "text");
  EXPECT_THAT(texts.finding("json_invalid", "doc", "broken").dump(), HasSubstr("id=2"));
  EXPECT_EQ(texts.type("doc", "five"), "text");
  EXPECT_THAT(texts.finding("json_invalid", "doc", "five").dump(), HasSubstr("JSON5"));
  EXPECT_EQ(texts.target("SELECT twice FROM doc WHERE id=1"), R"({"k":1,"k":2})");
  EXPECT_THAT(texts.finding("json_duplicate_keys", "doc", "twice").dump(), HasSubstr("id=1"));
  EXPECT_EQ(texts.difference({"doc"}), "");
}

// 13
TEST_F(PitfallTest, BytesAmongTextKeepTheirBytes) {
  const Moved& texts = moved("texts", kTexts);
  EXPECT_EQ(texts.type("bytes", "t"), "bytea");  // declared TEXT; only BLOBs are there
  EXPECT_EQ(texts.target("SELECT encode(t,'hex') FROM bytes WHERE id=1"), "00ff");
  EXPECT_EQ(texts.type("bytes", "b"), "jsonb");
  EXPECT_EQ(texts.target("SELECT string_agg(b::text,' ' ORDER BY id) FROM bytes"),
            R"("text in a blob column" {"$blob": "00ff"})");
  EXPECT_FALSE(texts.finding("mixed_storage", "bytes", "b").is_null());
  EXPECT_EQ(texts.difference({"bytes"}), "");
}

// 14
TEST_F(PitfallTest, LargeValuesTravelInBinary) {
  const Moved& texts = moved("texts", kTexts);
  EXPECT_EQ(texts.target("SELECT length(b)||' '||encode(substr(b,20000001),'hex') FROM large WHERE "
                         "id=1"),
            "20000001 ff");
  EXPECT_EQ(texts.target("SELECT length(t)||right(t,4) FROM large WHERE id=2"), "20000003xend");
  EXPECT_EQ(texts.difference({"large"}), "");
}

// 14, where it ends: a string in jsonb has 256 MB.
TEST_F(PitfallTest, AValueBeyondPostgresqlsLimitIsABlocker) {
  own_move();
  app("CREATE TABLE large(id INTEGER PRIMARY KEY, v);"
      "INSERT INTO large VALUES(1,5),(2,printf('%.*c',268435456,'x'))");
  const Finished done = crossfade({"inspect", db_, "--json"});
  EXPECT_EQ(done.code, 3) << done.err;
  const json findings = json::parse(done.out).at("findings");
  EXPECT_EQ(findings.at(0).at("code"), "value_too_large");
  EXPECT_EQ(findings.at(0).at("column"), "v");
}

// 15
TEST_F(PitfallTest, AVarcharIsNotCut) {
  const Moved& texts = moved("texts", kTexts);
  EXPECT_EQ(texts.type("short", "v"), "text");
  EXPECT_EQ(texts.target("SELECT v FROM short WHERE id=1"), "twelve chars");
  EXPECT_THAT(texts.finding("longer_than_declared", "short", "v").dump(), HasSubstr("id=1"));
  EXPECT_EQ(texts.difference({"short"}), "");
}

// 16
TEST_F(PitfallTest, NocaseFoldsAsciiOnlyAndIsNamed) {
  const Moved& texts = moved("texts", kTexts);
  EXPECT_FALSE(texts.finding("collation_differs", "folded", "name").is_null());
  // A unique key that folded more than ASCII would refuse the second row.
  EXPECT_EQ(texts.target("SELECT string_agg(name,' ' ORDER BY id) FROM folded"), "É é Ann");
  EXPECT_EQ(texts.target("SELECT count(*) FROM pg_index WHERE indisunique AND NOT indisprimary "
                         "AND indrelid='folded'::regclass"),
            "1");
  EXPECT_EQ(texts.difference({"folded"}), "");
}

// 17
TEST_F(PitfallTest, AnotherCollationIsNamed) {
  const Moved& texts = moved("texts", kTexts);
  EXPECT_FALSE(texts.finding("collation_differs", "trimmed", "name").is_null());
  EXPECT_EQ(texts.target("SELECT length(name) FROM trimmed WHERE id=2"), "3");
  EXPECT_EQ(texts.difference({"trimmed"}), "");
}

// 18
TEST_F(PitfallTest, TextIsOrderedByItsBytes) {
  const Moved& texts = moved("texts", kTexts);
  const std::string order =
      texts.source("SELECT group_concat(k,'|') FROM (SELECT k FROM sorted ORDER BY k)");
  EXPECT_EQ(texts.target("SELECT string_agg(k,'|' ORDER BY k) FROM sorted"), order);
  EXPECT_EQ(texts.target("SELECT string_agg(k,'|' ORDER BY k DESC) FROM sorted WHERE k>'a'"),
            "é|b|ab|a b");
  EXPECT_EQ(texts.difference({"sorted"}), "");
}

}  // namespace
}  // namespace crossfade::testing
