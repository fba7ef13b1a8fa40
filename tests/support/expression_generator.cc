#include "tests/support/expression_generator.h"

#include <fmt/core.h>

#include "engine/sqlite/connection.h"
#include "tests/support/expression_texts.h"

namespace crossfade::testing {

std::string ExpressionGenerator::text_literal() {
  return sqlite::quote_literal(pick(kExpressionTexts));
}

std::string ExpressionGenerator::any(int depth) {
  switch (below(4)) {
    case 0:
      return integer(depth);
    case 1:
      return real(depth);
    case 2:
      return text(depth);
    default:
      return boolean(depth);
  }
}

std::string ExpressionGenerator::form_comparison() {
  const std::string op = pick({"=", "<>", "<", "<=", ">", ">=", "IS", "IS NOT"});
  const std::vector<std::string> times = {"'2020-01-01'",
                                          "'2020-01-01 00:00:00'",
                                          "'2020-01-31 23:59:59'",
                                          "'2020-01-31T23:59:59.999Z'",
                                          "'2020'",
                                          "'x'",
                                          "datetime('2020-01-01')",
                                          "date('2020-02-28', '+1 day')",
                                          "'1999-12-31'",
                                          "'2020-01-01 00:00:00.5+02:00'",
                                          "'2020-01-01 00:00'"};
  switch (below(8)) {
    case 0:
      return fmt::format("{} {} {}", pick({"ts", "tz", "dt", "td", "tx"}), op, pick(times));
    case 1:
      return fmt::format("{} BETWEEN {} AND {}", pick({"ts", "tz", "dt", "td", "tx"}), pick(times),
                         pick(times));
    case 2:
      return fmt::format("{} {} {}", pick({"ep", "em"}), op,
                         pick({"0", "1600000000", "1600000000123", "-1", "'0'", "1.5"}));
    case 3:
      return fmt::format("{} {} {}", pick({"u", "ub"}), op,
                         pick({"'f47ac10b-58cc-4372-a567-0e02b2c3d479'", "'F47AC10B'", "'g'",
                               "x'f47ac10b58cc4372a5670e02b2c3d479'", "x'00'"}));
    case 4:
      return fmt::format("{} {} {}", "w", op, pick({"'yes'", "'no'", "'maybe'", "1", "'zzz'"}));
    case 5:
      return fmt::format("w COLLATE NOCASE {} {}", op, pick({"'YES'", "'No'"}));
    case 6:
      return fmt::format("json_extract(jb, '{}') {} {}", pick({"$.a", "$.b", "$.a.b"}),
                         pick({"=", "<>", "IS", "IS NOT"}), pick({"'x'", "'y'", "'5'"}));
    default:
      return fmt::format("{} {} {}", pick({"ts", "dt", "td", "u", "w"}), op,
                         pick({"ts", "dt", "td", "u", "w"}));
  }
}

std::string ExpressionGenerator::comparison(int depth) {
  const std::string op = pick({"=", "<>", "<", "<=", ">", ">=", "IS", "IS NOT", "==", "!="});
  switch (below(6)) {
    case 0:
      return fmt::format("({} {} {})", integer(depth), op, integer(depth));
    case 1:
      return fmt::format("({} {} {})", real(depth), op, real(depth));
    case 2:
      return fmt::format("({} {} {})", text(depth), op, text(depth));
    case 3:
      return fmt::format("({} {} {})", pick({"i", "k", "r", "d", "n", "m", "f", "s", "c"}), op,
                         pick({"'5'", "5", "2.5", "'abc'", "x'61'", "1", "0", "'1e3'", "NULL",
                               "9007199254740993", "9223372036854775807", "1e300", "' 5'"}));
    case 4:
      return "(" + form_comparison() + ")";
    default:
      return fmt::format("({} {} {})", any(depth), op, any(depth));
  }
}

std::string ExpressionGenerator::boolean(int depth) {
  if (depth <= 0) return pick({"f", "k = 1", "s IS NULL", "r > 0", "w = 'yes'", "i NOTNULL"});
  switch (below(16)) {
    case 0:
      return fmt::format("({} AND {})", boolean(depth - 1), boolean(depth - 1));
    case 1:
      return fmt::format("({} OR {})", boolean(depth - 1), boolean(depth - 1));
    case 2:
      return fmt::format("(NOT {})", boolean(depth - 1));
    case 3:
      return fmt::format("({} {} {})", text(depth - 1), pick({"LIKE", "NOT LIKE"}),
                         pick({"'a%'", "'%B%'", "'_'", "'É%'", "'%é%'", "'a\\_b'", "'x\\y'", "''",
                               "'%'", "s", "'10'"}));
    case 4:
      return fmt::format("({} {} {})", text(depth - 1), pick({"GLOB", "NOT GLOB"}),
                         pick({"'a*'", "'*B*'", "'?'", "'[a-c]*'", "'[^a]*'", "'*[0-9]*'", "'[x]'",
                               "'[]x]*'", "'[a-]*'", "'a%b'", "'*\\*'"}));
    case 5:
      return fmt::format("({} LIKE 'a^%%b' ESCAPE '^')", text(depth - 1));
    case 6:
      return fmt::format("({} {} ({}, {}, {}))",
                         pick({"k", "i", "s", "c", "q", "r", "d", "f", "w", "u"}),
                         pick({"IN", "NOT IN"}), any(0), any(0), any(0));
    case 7:
      return fmt::format("({} {} {} AND {})", integer(depth - 1), pick({"BETWEEN", "NOT BETWEEN"}),
                         integer(0), integer(0));
    case 8:
      return fmt::format("({} {} {} AND {})", text(depth - 1), pick({"BETWEEN", "NOT BETWEEN"}),
                         text(0), text(0));
    case 9:
      return fmt::format(
          "({} {})", any(depth - 1),
          pick({"ISNULL", "NOTNULL", "IS NULL", "IS NOT NULL", "IS TRUE", "IS NOT FALSE"}));
    case 10:
      return fmt::format("(({}, {}) {} ({}, {}))", integer(0), text(0), pick({"=", "<>"}),
                         integer(0), text(0));
    case 11:
      return fmt::format("({} COLLATE {} {} {})", text(0), pick({"NOCASE", "RTRIM", "BINARY"}),
                         pick({"=", "<", ">=", "IS"}), text(depth - 1));
    default:
      return comparison(depth - 1);
  }
}

std::string ExpressionGenerator::integer(int depth) {
  if (depth <= 0) {
    return pick({"i", "k", "k", "k", "f", "ep", "0", "1", "3", "-7", "100", "0x10", "NULL", "'12'",
                 "9223372036854775807", "4611686018427387904", "TRUE"});
  }
  switch (below(15)) {
    case 0:
    case 1:
    case 2:
      return fmt::format("({} {} {})", integer(depth - 1), pick({"+", "-", "*"}),
                         integer(depth - 1));
    case 3:
      return fmt::format("({} {} {})", integer(depth - 1), pick({"/", "%"}), integer(depth - 1));
    case 4:
      return fmt::format("({} {} {})", integer(depth - 1), pick({"&", "|"}), integer(depth - 1));
    case 5:
      return fmt::format("({} {} {})", integer(depth - 1), pick({"<<", ">>"}),
                         pick({"1", "5", "k"}));
    case 6:
      return fmt::format("length({})", text(depth - 1));
    case 7:
      return fmt::format("instr({}, {})", text(depth - 1), text(0));
    case 8:
      return fmt::format("abs({})", integer(depth - 1));
    case 9:
      return fmt::format("coalesce({}, {})", integer(depth - 1), integer(0));
    case 10:
      return fmt::format("{}({}, {})", pick({"min", "max"}), integer(depth - 1), integer(0));
    case 11:
      return fmt::format("CASE WHEN {} THEN {} ELSE {} END", boolean(depth - 1), integer(depth - 1),
                         integer(0));
    case 12:
      return fmt::format("CAST({} AS INTEGER)", pick({"k", "r", "d", "s", "'12abc'", "f", "2.7"}));
    case 13:
      return pick({"nullif(k, 1)", "unicode(s)", "json_array_length(j)", "json_array_length(jb)",
                   "unixepoch(ts)", "json_valid(j)", "length(b)", "-k", "~k", "+k", "- i",
                   "length(ub)", "CASE k WHEN 1 THEN 2 WHEN 7 THEN 3 END"});
    default:
      return boolean(depth - 1);
  }
}

std::string ExpressionGenerator::real(int depth) {
  if (depth <= 0) {
    return pick({"r", "r", "d", "n", "m", "0.0", "2.5", "-1.5", "1e300", "0.1", "NULL", "3.0"});
  }
  switch (below(10)) {
    case 0:
    case 1:
    case 2:
      return fmt::format("({} {} {})", real(depth - 1), pick({"+", "-", "*"}), real(depth - 1));
    case 3:
      return fmt::format("({} {} {})", real(depth - 1), pick({"/", "%"}), real(depth - 1));
    case 4:
      return fmt::format("({} {} {})", real(depth - 1), pick({"+", "-", "*", "/", "%"}),
                         integer(depth - 1));
    case 5:
      return fmt::format("round({})", real(depth - 1));
    case 6:
      return fmt::format("abs({})", real(depth - 1));
    case 7:
      return fmt::format("CAST({} AS {})", pick({"k", "r", "d", "i", "f"}),
                         pick({"REAL", "NUMERIC"}));
    case 8:
      return fmt::format("{}({}, {})", pick({"ifnull", "min", "max", "nullif"}), real(depth - 1),
                         real(0));
    default:
      return pick({"-r", "-d", "julianday(ts)", "julianday(dt) - julianday('2000-01-01')",
                   "iif(f, r, 1.5)", "total"}) == "total"
                 ? "julianday(tz)"
                 : "-r";
  }
}

std::string ExpressionGenerator::text(int depth) {
  if (depth <= 0) {
    return below(3) == 0
               ? text_literal()
               : pick({"s", "s", "c", "q", "w", "ts", "tz", "dt", "u", "j", "jb", "NULL"});
  }
  switch (below(16)) {
    case 0:
    case 1:
      return fmt::format("({} || {})", text(depth - 1), text(depth - 1));
    case 2:
      return fmt::format("({} || {})", text(depth - 1), integer(depth - 1));
    case 3:
      return fmt::format("{}({})", pick({"upper", "lower", "trim", "ltrim", "rtrim"}),
                         text(depth - 1));
    case 4:
      return fmt::format("{}({}, {})", pick({"trim", "ltrim", "rtrim"}), text(depth - 1),
                         pick({"'a'", "'ab '", "''", "s"}));
    case 5:
    case 6:
      return fmt::format("substr({}, {})", text(depth - 1),
                         pick({"1", "2", "0", "-2", "-100", "100", "k", "instr(s, 'b')"}));
    case 7:
      return fmt::format("substr({}, {}, {})", text(depth - 1),
                         pick({"1", "2", "0", "-2", "-5", "3", "k"}),
                         pick({"0", "1", "2", "100", "-1", "instr(s, 'b') - 1", "length(s)"}));
    case 8:
      return fmt::format("replace({}, {}, {})", text(depth - 1), text(0), text(0));
    case 9:
      return fmt::format("CAST({} AS TEXT)", any(depth - 1));
    case 10:
      return fmt::format("coalesce({}, {})", text(depth - 1), text(0));
    case 11:
      return fmt::format("typeof({})", any(depth - 1));
    case 12:
      return fmt::format("hex({})", pick({"b", "s", "k", "ub"}));
    case 13:
      return fmt::format("{}({}{})", pick({"date", "time", "datetime"}),
                         pick({"ts", "dt", "td", "tz", "tx", "'2020-05-05'"}),
                         pick({"", ", 'start of month'", ", 'start of day'"}));
    case 14:
      return fmt::format("strftime('{}', {})",
                         pick({"%Y", "%m/%d", "%H:%M", "%j", "%s", "%Y-%m-%dT%H:%M:%fZ", "%%"}),
                         pick({"ts", "dt", "td", "tz", "ep"}));
    default:
      return fmt::format("CASE WHEN {} THEN {} ELSE {} END", boolean(depth - 1), text(depth - 1),
                         text(0));
  }
}

}  // namespace crossfade::testing
