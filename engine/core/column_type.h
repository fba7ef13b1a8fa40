// The type a column gets on the target, and how the source writes what that type holds.
//
// The pair is what makes a translation reversible: a type is only chosen when every value that it
// takes comes back as the very value it was, class and text included. A value that would not come
// back so is a misfit of the column, never converted approximately.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace crossfade {

// The PostgreSQL types crossfade writes. kVariant is jsonb holding one SQLite value with its class:
// 1 is an INTEGER, 1.0 a REAL, "x" a TEXT, {"$blob":"00ff"} a BLOB, {"$text":"6100"} a TEXT that
// jsonb cannot hold (NUL, invalid UTF-8), {"$real":"Infinity"} and {"$real":"-0.0"}.
enum class TargetType : uint8_t {
  kBoolean,
  kBigint,
  kDouble,
  kNumeric,
  kText,
  kBytea,
  kVariant,
  kTimestamp,    // without time zone
  kTimestamptz,  // the source's text or number says which instant
  kDate,
  kUuid,
  kJson,     // every byte of the text is kept; no equality, so never in a key or an index
  kJsonb,    // of text that is already in jsonb's own spelling, so that it comes back the same
  kReals,    // real[], one dimension, no NULLs
  kDoubles,  // double precision[], likewise
  kVector,   // pgvector's vector(n)
};

// How the source writes the value. kValue: as the type's plain storage class, with nothing to
// remember (INTEGER for bigint, 0 and 1 for boolean, TEXT for text, json and jsonb, ...).
enum class SourceForm : uint8_t {
  kValue,
  kWords,         // boolean: two TEXTs, ColumnType::words
  kPattern,       // timestamp, timestamptz, date: TEXT after ColumnType::pattern
  kEpochSeconds,  // timestamptz: INTEGER since 1970-01-01T00:00:00Z; likewise the next three
  kEpochMillis,
  kEpochMicros,
  kEpochNanos,    // only whole microseconds fit
  kEpochReal,     // REAL seconds since 1970; fits when the nearest microsecond gives that REAL back
  kJulianDay,     // REAL days since -4714-11-24T12:00:00Z; fits likewise
  kWebkitMicros,  // INTEGER microseconds since 1601-01-01T00:00:00Z
  kFiletime,      // INTEGER 100 ns since 1601-01-01T00:00:00Z; only whole microseconds fit
  kCocoaSeconds,  // INTEGER or REAL seconds since 2001-01-01T00:00:00Z
  kUuidLower,     // TEXT 8-4-4-4-12, lower case
  kUuidUpper,     // TEXT 8-4-4-4-12, upper case
  kUuidHex,       // TEXT of 32 lower case digits
  kUuidBytes,     // BLOB of 16 bytes
  kFloat32Bytes,  // real[] and vector: BLOB of little-endian IEEE floats, finite
  kFloat64Bytes,  // double precision[]: BLOB of little-endian IEEE doubles, finite
  // By a rule only (docs/rules.md). The last three are one-way: what comes back is what the rule
  // made of the value.
  kTextBytes,     // bytea: TEXT, any, as its bytes
  kTextEscaped,   // text: TEXT, each NUL as U+2400; one that has U+2400 itself does not fit
  kTextStripped,  // text: TEXT without its NULs
  kTextLatin1,    // text: TEXT that is UTF-8 as it is, any other read as Latin-1
  kMasked,        // text, bigint: a keyed hash of the value
};

// A pattern is literal text with these fields, each of fixed width, so that one text has one value
// and one value one text:
//   %Y four digits 0001-9999   %m %d %H %M %S two digits (no second 60, no hour 24, real dates)
//   %1f ... %6f   that many digits of the second's fraction
//   %if           "." and six digits, or nothing when they would be zero (Python's isoformat)
//   %tf           "." and one to six digits without a trailing zero, or nothing when they are zero
// A timestamptz pattern ends in its zone: "Z", "+00:00", "-03:30", "+0200", " UTC" or "+02", the
// same for every value; or, by a rule, in "%{+02:00}", which stands for no text: the wall times of
// texts without a zone are in this one. A date pattern has %Y %m %d only.
struct ColumnType {
  TargetType base = TargetType::kVariant;
  SourceForm form = SourceForm::kValue;
  std::string pattern;
  std::string words;   // kWords: what true and false are, "yes/no"
  int precision = 0;   // numeric: digits in all, 1-1000; 0 is numeric without limits
  int scale = 0;       // numeric: digits after the point, 0..precision
  int dimensions = 0;  // vector: of every value, 1-16000

  // Of a column that somebody else made on the target: what it takes less than its base does.
  int bytes = 0;        // bigint: 2 or 4; double precision: 4; 0: the base's own 8
  int length = 0;       // text: this many characters at most; 0: without limit
  bool padded = false;  // text: filled up with spaces to `length`, so none may end a value
  int digits = 6;       // timestamp, timestamptz: of the second's fraction
  std::vector<std::string> labels;  // text: of an enum, whose values are these; empty: any text
  std::string spelling;  // the type's own name: "character varying(150)", "public.mood", "integer"

  ColumnType() = default;
  ColumnType(TargetType type) : base(type) {}  // NOLINT(google-explicit-constructor): a plain type
  bool operator==(const ColumnType&) const = default;
};

// "bigint", "double precision", "jsonb": the family, as written in DDL, without modifiers.
[[nodiscard]] const char* to_string(TargetType type);
// As written in DDL, without collation: "numeric(10,2)", "vector(384)".
[[nodiscard]] std::string to_string(const ColumnType& type);
// What to_string() leaves out, for people: " from TEXT as %Y-%m-%d", " from TEXT 'yes/no'"; empty
// for kValue.
[[nodiscard]] std::string describe_form(const ColumnType& type);

}  // namespace crossfade
