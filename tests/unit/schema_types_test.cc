#include "engine/schema/default_value.h"
#include "engine/schema/type_choice.h"
#include "tests/unit/schema_fixture.h"

namespace crossfade::schema {
namespace {

struct TypeCase {
  const char* declared;
  const char* values;  // comma separated literals; empty: none
  TargetType type;
};

class TypeChoiceTest : public SchemaTest, public ::testing::WithParamInterface<TypeCase> {};

// Promise: what is stored decides first, the declaration second, and the reason says so.
TEST_P(TypeChoiceTest, DataFirst) {
  exec(std::string("CREATE TABLE t(id INTEGER PRIMARY KEY, v ") + GetParam().declared + ")");
  std::string values = GetParam().values;
  while (!values.empty()) {
    const size_t comma = values.find(',');
    exec("INSERT INTO t(v) VALUES (" + values.substr(0, comma) + ")");
    values = comma == std::string::npos ? "" : values.substr(comma + 1);
  }
  const Column chosen = column(table(plan(), "t").table, "v");
  EXPECT_STREQ(to_string(chosen.type.base), to_string(GetParam().type))
      << GetParam().declared << " with " << GetParam().values << ": " << chosen.reason;
  EXPECT_FALSE(chosen.reason.empty());
}

INSTANTIATE_TEST_SUITE_P(Integers, TypeChoiceTest,
                         ::testing::Values(TypeCase{"INTEGER", "1,NULL,9223372036854775807",
                                                    TargetType::kBigint},
                                           TypeCase{"BOOLEAN", "0,1,NULL", TargetType::kBoolean},
                                           TypeCase{"bool", "0,2", TargetType::kBigint},
                                           TypeCase{"DECIMAL(10,2)", "1,2", TargetType::kNumeric},
                                           TypeCase{"money", "1", TargetType::kNumeric},
                                           TypeCase{"DATETIME", "1700000000", TargetType::kBigint},
                                           TypeCase{"", "1,2", TargetType::kBigint}));
INSTANTIATE_TEST_SUITE_P(Reals, TypeChoiceTest,
                         ::testing::Values(TypeCase{"REAL", "1.5,2", TargetType::kDouble},
                                           TypeCase{"REAL", "9e999,-9e999", TargetType::kDouble},
                                           TypeCase{"", "1.5", TargetType::kDouble},
                                           TypeCase{"INTEGER", "1.5", TargetType::kNumeric},
                                           TypeCase{"DECIMAL(5,2)", "1.5,2", TargetType::kNumeric},
                                           TypeCase{"NUMERIC", "9e999", TargetType::kDouble},
                                           TypeCase{"NUMERIC", "9e999,1", TargetType::kVariant},
                                           TypeCase{"", "1.5,2", TargetType::kVariant}));
INSTANTIATE_TEST_SUITE_P(TextAndBlobs, TypeChoiceTest,
                         ::testing::Values(TypeCase{"INTEGER", "'12abc'", TargetType::kText},
                                           TypeCase{"DATE", "'2024-01-01'",
                                                    kChooseForms ? TargetType::kDate
                                                                 : TargetType::kText},
                                           TypeCase{"BLOB", "'a'", TargetType::kText},
                                           TypeCase{"TEXT", "x'00ff'", TargetType::kBytea},
                                           TypeCase{"TEXT", "'a',x'00'", TargetType::kVariant},
                                           TypeCase{"INTEGER", "1,'abc'", TargetType::kVariant}));
INSTANTIATE_TEST_SUITE_P(NoValues, TypeChoiceTest,
                         ::testing::Values(TypeCase{"INTEGER", "NULL", TargetType::kBigint},
                                           TypeCase{"BOOLEAN", "", TargetType::kBoolean},
                                           TypeCase{"REAL", "", TargetType::kDouble},
                                           TypeCase{"varchar(3)", "", TargetType::kText},
                                           TypeCase{"BLOB", "", TargetType::kBytea},
                                           TypeCase{"", "", TargetType::kVariant},
                                           TypeCase{"ANY", "", TargetType::kVariant},
                                           TypeCase{"NUMERIC(8)", "", TargetType::kNumeric},
                                           TypeCase{"DATETIME", "", TargetType::kTimestamp},
                                           TypeCase{"STRING", "", TargetType::kText},
                                           TypeCase{"JSON", "", TargetType::kJson}));

struct DefaultCase {
  const char* declared;
  const char* default_sql;
  TargetType type;
  const char* target;  // null: not carried
};

class DefaultTest : public ::testing::TestWithParam<DefaultCase> {};

// Promise: a default on the target gives what SQLite would have stored, or there is none.
TEST_P(DefaultTest, GivesWhatSqliteStores) {
  auto translator = DefaultTranslator::open();
  ASSERT_TRUE(translator);
  Column column;
  column.declared_type = GetParam().declared;
  column.affinity = affinity_of(column.declared_type);
  column.type = GetParam().type;
  column.default_sql = GetParam().default_sql;
  const auto translated = translator.value().translate(column);
  EXPECT_EQ(translated.value_or("-"), GetParam().target == nullptr ? "-" : GetParam().target);
}

INSTANTIATE_TEST_SUITE_P(
    All, DefaultTest,
    ::testing::Values(
        DefaultCase{"INTEGER", "0", TargetType::kBigint, "0"},
        DefaultCase{"INTEGER", "'0'", TargetType::kBigint, "0"},
        DefaultCase{"INTEGER", "'\"0\"'", TargetType::kBigint, nullptr},
        DefaultCase{"INTEGER", "-1", TargetType::kBigint, "-1"},
        DefaultCase{"INTEGER", "(60 * 60)", TargetType::kBigint, "3600"},
        DefaultCase{"BOOLEAN", "TRUE", TargetType::kBoolean, "true"},
        DefaultCase{"BOOLEAN", "0", TargetType::kBoolean, "false"},
        DefaultCase{"BOOLEAN", "2", TargetType::kBoolean, nullptr},
        DefaultCase{"TEXT", "7", TargetType::kText, "'7'"},
        DefaultCase{"TEXT", "'it''s'", TargetType::kText, "'it''s'"},
        DefaultCase{"TEXT", "\"x\"", TargetType::kText, "'x'"},
        DefaultCase{"TEXT", "pending", TargetType::kText, "'pending'"},
        DefaultCase{"TEXT", "'a' || 'b'", TargetType::kText, "'ab'"},
        DefaultCase{"DATETIME", "0", TargetType::kText, nullptr},
        DefaultCase{"REAL", "1", TargetType::kDouble, "1"},
        DefaultCase{"DECIMAL(5,2)", "19.99", TargetType::kNumeric, "19.99"},
        DefaultCase{"BLOB", "x'00ff'", TargetType::kBytea, " E'\\\\x00ff'::bytea"},
        DefaultCase{"", "'a'", TargetType::kVariant, "'\"a\"'::jsonb"},
        DefaultCase{"", "1.0", TargetType::kVariant, "'1.0'::jsonb"},
        DefaultCase{"", "1e15", TargetType::kVariant, "'1000000000000000.0'::jsonb"},
        DefaultCase{"TEXT", "NULL", TargetType::kText, nullptr},
        DefaultCase{"DATETIME", "CURRENT_TIMESTAMP", TargetType::kText,
                    "to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"},
        DefaultCase{"TEXT", "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')", TargetType::kText,
                    "to_char(statement_timestamp() AT TIME ZONE 'UTC',"
                    " 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"},
        DefaultCase{"TEXT", "datetime('now', 'localtime')", TargetType::kText, nullptr},
        DefaultCase{"TEXT", "hex(randomblob(16))", TargetType::kText, nullptr}));

TEST(Utf8Test, FindsFlawsAtEveryOffset) {
  const std::string ascii(40, 'a');
  for (size_t at = 0; at < ascii.size(); ++at) {
    for (const auto& [bytes, nul, invalid] :
         std::vector<std::tuple<std::string, bool, bool>>{{std::string(1, '\0'), true, false},
                                                          {"\xff", false, true},
                                                          {"\xc0\x80", false, true},
                                                          {"\xed\xa0\x80", false, true},
                                                          {"\xf4\x90\x80\x80", false, true},
                                                          {"\xe2\x82", false, true},
                                                          {"\xe2\x82\xac", false, false},
                                                          {"\xf0\x9f\x98\x80", false, false}}) {
      std::string text = ascii;
      text.insert(at, bytes);
      const TextFlaws flaws = find_flaws(text);
      EXPECT_EQ(flaws.nul, nul) << at;
      EXPECT_EQ(flaws.invalid, invalid) << at << " " << printable(bytes);
      EXPECT_FALSE(find_flaws(printable(text)).invalid);
    }
  }
}

}  // namespace
}  // namespace crossfade::schema
