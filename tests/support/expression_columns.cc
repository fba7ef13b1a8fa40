#include <string>
#include <utility>
#include <vector>

#include "engine/postgres/quote.h"
#include "engine/sqlite/connection.h"
#include "tests/support/expression_generator.h"
#include "tests/support/expression_texts.h"
#include "tests/support/typed_values.h"

namespace crossfade::testing {
namespace {

using schema::expression::ScopeColumn;

ColumnType of(TargetType base, SourceForm form, std::string pattern = {}, std::string words = {}) {
  ColumnType type(base);
  type.form = form;
  type.pattern = std::move(pattern);
  type.words = std::move(words);
  return type;
}

std::vector<LiteralPair> same(const std::vector<std::string>& literals) {
  std::vector<LiteralPair> out;
  for (const std::string& each : literals) out.push_back({each, each});
  return out;
}

std::vector<LiteralPair> texts(const std::vector<std::string>& values) {
  std::vector<LiteralPair> out;
  for (const std::string& each : values) {
    out.push_back({sqlite::quote_literal(each), postgres::quote_literal(each)});
  }
  return out;
}

ExpressionColumn column(std::string name, std::string declared, ColumnType type, Affinity affinity,
                        std::vector<LiteralPair> values, std::string collation = "BINARY") {
  ExpressionColumn out;
  out.scope.name = name;
  out.scope.target_name = std::move(name);
  out.scope.type = std::move(type);
  out.scope.affinity = affinity;
  out.scope.collation = std::move(collation);
  out.declared = std::move(declared);
  out.values = std::move(values);
  return out;
}

}  // namespace

std::vector<ExpressionColumn> expression_columns() {
  using T = TargetType;
  using F = SourceForm;
  const std::vector<std::string> integers = {"0", "1", "-1", "2", "7", "-8", "100", "65536"};
  std::vector<std::string> wide = integers;
  wide.insert(wide.end(), {"9007199254740993", "9223372036854775807", "4611686018427387904",
                           "-9007199254740993"});
  std::vector<LiteralPair> large = same(wide);
  large.push_back({"(-9223372036854775807-1)", "'-9223372036854775808'"});
  std::vector<LiteralPair> reals = same({"0.0", "1.0", "-1.5", "2.5", "0.1", "0.5", "-2.5", "1e15",
                                         "1e300", "9007199254740993.0", "3.0", "-0.5", "1e-300"});
  reals.push_back({"9e999", "'Infinity'"});
  reals.push_back({"-9e999", "'-Infinity'"});
  return {
      column("i", "INTEGER", T::kBigint, Affinity::kInteger, large),
      column("k", "INTEGER", T::kBigint, Affinity::kInteger, same(integers)),
      column("r", "REAL", T::kDouble, Affinity::kReal, reals),
      column("d", "DECIMAL(10,2)", numeric(10, 2), Affinity::kNumeric,
             same({"0", "3", "3.1", "-2.55", "99999999.99", "7", "-1", "0.5", "2.5"})),
      column("n", "NUMERIC", T::kNumeric, Affinity::kNumeric,
             same({"0", "12345.678", "7", "-3", "0.1", "9007199254740993", "1e300"})),
      column("m", "NUMERIC", T::kDouble, Affinity::kNumeric, same({"0", "2", "2.5", "-1e300"})),
      column("s", "TEXT", T::kText, Affinity::kText, texts(kExpressionTexts)),
      column("c", "TEXT COLLATE NOCASE", T::kText, Affinity::kText, texts(kExpressionTexts),
             "NOCASE"),
      column("q", "TEXT COLLATE RTRIM", T::kText, Affinity::kText,
             texts({"a", "a ", "a  ", "A", "", " ", "trail", "b "}), "RTRIM"),
      column("b", "BLOB", T::kBytea, Affinity::kBlob,
             {{"x''", "''"}, {"x'00'", "'\\x00'"}, {"x'61'", "'\\x61'"}, {"x'ff00'", "'\\xff00'"}}),
      column("f", "BOOLEAN", T::kBoolean, Affinity::kNumeric, {{"0", "false"}, {"1", "true"}}),
      column("w", "TEXT", of(T::kBoolean, F::kWords, "", "yes/no"), Affinity::kText,
             {{"'yes'", "true"}, {"'no'", "false"}}),
      column("ts", "DATETIME", of(T::kTimestamp, F::kPattern, "%Y-%m-%d %H:%M:%S"),
             Affinity::kNumeric,
             texts({"2020-01-01 00:00:00", "2020-01-31 23:59:59", "1999-12-31 12:30:00",
                    "0001-01-01 00:00:00", "9999-12-31 23:59:59", "2020-02-29 06:00:01"})),
      column("tz", "TEXT", of(T::kTimestamptz, F::kPattern, "%Y-%m-%dT%H:%M:%S.%3fZ"),
             Affinity::kText,
             texts({"2020-01-01T00:00:00.000Z", "2020-01-31T23:59:59.999Z",
                    "1969-12-31T23:59:59.001Z"})),
      column("tx", "TEXT", of(T::kTimestamptz, F::kPattern, "%Y-%m-%d %H:%M:%S%tf+02:00"),
             Affinity::kText,
             texts({"2020-01-01 00:00:00+02:00", "2020-01-01 00:00:00.5+02:00",
                    "2020-01-01 00:00:00.123456+02:00"})),
      column("dt", "DATE", of(T::kDate, F::kPattern, "%Y-%m-%d"), Affinity::kNumeric,
             texts({"2020-01-01", "2020-02-29", "1999-12-31", "0001-01-01", "9999-12-31"})),
      column("td", "DATETIME", of(T::kTimestamp, F::kPattern, "%Y-%m-%d"), Affinity::kNumeric,
             texts({"2020-01-01", "2020-02-29", "1999-12-31", "0001-01-01", "9999-12-31"})),
      column("ep", "INTEGER", of(T::kTimestamptz, F::kEpochSeconds), Affinity::kInteger,
             {{"0", "'1970-01-01 00:00:00Z'"},
              {"1600000000", "'2020-09-13 12:26:40Z'"},
              {"-1", "'1969-12-31 23:59:59Z'"}}),
      column(
          "em", "INTEGER", of(T::kTimestamptz, F::kEpochMillis), Affinity::kInteger,
          {{"1600000000123", "'2020-09-13 12:26:40.123Z'"}, {"-1", "'1969-12-31 23:59:59.999Z'"}}),
      column(
          "u", "TEXT", of(T::kUuid, F::kUuidLower), Affinity::kText,
          texts({"00000000-0000-4000-8000-000000000000", "f47ac10b-58cc-4372-a567-0e02b2c3d479"})),
      column("ub", "BLOB", of(T::kUuid, F::kUuidBytes), Affinity::kBlob,
             {{"x'f47ac10b58cc4372a5670e02b2c3d479'", "'f47ac10b-58cc-4372-a567-0e02b2c3d479'"}}),
      column("j", "TEXT", T::kJson, Affinity::kText, texts({"{\"a\":1}", "[1,2]", "\"x\"", "{}"})),
      column("jb", "TEXT", T::kJsonb, Affinity::kText,
             texts({"{\"a\": \"x\", \"b\": null}", "[1, 2]", "{\"a\": {\"b\": \"y\"}}",
                    "{\"a\": 5}", "5"})),
      column("v", "", T::kVariant, Affinity::kBlob, {{"1", "'1'"}, {"'x'", "'\"x\"'"}}),
      column("e", "BLOB", of(T::kReals, F::kFloat32Bytes), Affinity::kBlob,
             {{"x'0000803f'", "'{1}'"}}),
  };
}

}  // namespace crossfade::testing
