// A translated expression: PostgreSQL's SQL, and which SQLite values its values stand for.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/core/column_type.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"

namespace crossfade::schema::expression {

// How tight PostgreSQL binds the outermost operator; what is looser is put in parentheses.
enum class Tightness : uint8_t {
  kOr,
  kAnd,
  kNot,
  kIs,
  kComparison,
  kIn,     // IN, BETWEEN, LIKE
  kOther,  // ||, ~, ->
  kSum,
  kProduct,
  kSign,
  kAt,    // AT TIME ZONE, COLLATE
  kAtom,  // names, calls, literals, casts
};

// What a value stands for on the source, when it is not NULL.
enum class Kind : uint8_t {
  kNull,     // always NULL
  kBoolean,  // boolean: the INTEGERs 0 and 1
  kInteger,  // bigint, or integer where `narrow`
  kReal,     // double precision, or numeric where `decimal`
  kNumber,   // the same: an INTEGER or a REAL, and only the value tells which
  kText,
  kBlob,
  kForm,     // a column whose type has a form of its own: a timestamp, a uuid, "yes/no", json
  kJson,     // jsonb that SQLite takes for a value of its class: '$.path' of a json column
  kVariant,  // only NULL or not can be told
};

struct Operand {
  std::string sql;
  Tightness tightness = Tightness::kAtom;
  Kind kind = Kind::kNull;
  ColumnType type;                   // of the SQL
  std::optional<Affinity> affinity;  // nothing: none, as an expression's
  std::string collation;             // upper case; empty: none
  bool explicit_collation = false;
  bool not_null = false;
  bool narrow = false;   // kInteger: PostgreSQL's integer
  bool decimal = false;  // kReal, kNumber: PostgreSQL's numeric
  bool stable = false;   // not immutable
  bool is_column = false;
  std::optional<Value> constant;  // a constant's value, as SQLite has it
  // kInteger, kNumber: bounds of the value; kReal has none.
  double low = -9223372036854775808.0;
  double high = 9223372036854775807.0;
  // Of a time written by strftime: the timestamp in UTC, and the pattern of the text.
  std::string instant;
  std::string pattern;
  // Of a comparison of two plain operands, so that several can become BETWEEN or IN.
  std::string left;
  std::string right;

  [[nodiscard]] bool number() const {
    return kind == Kind::kInteger || kind == Kind::kReal || kind == Kind::kNumber ||
           kind == Kind::kBoolean;
  }
  // Every INTEGER within the bounds is a double.
  [[nodiscard]] bool exact_as_double() const {
    return kind == Kind::kBoolean || (kind == Kind::kReal && !decimal) || bounded();
  }
  [[nodiscard]] bool bounded() const {
    constexpr double kExact = 9007199254740992.0;  // 2^53
    return low > -kExact && high < kExact;         // 2^53 + 1 is 2^53 as a double
  }
};

// `sql` in parentheses when it binds less tight than `least`.
[[nodiscard]] inline std::string within(const Operand& operand, Tightness least) {
  return operand.tightness < least ? "(" + operand.sql + ")" : operand.sql;
}

// A condition that is the same for every row.
[[nodiscard]] inline bool is_always(const Operand& condition) {
  return condition.sql == "true";
}
[[nodiscard]] inline bool is_never(const Operand& condition) {
  return condition.sql == "false";
}
[[nodiscard]] inline bool is_unknown(const Operand& condition) {
  return condition.sql == "NULL::boolean";
}

}  // namespace crossfade::schema::expression
