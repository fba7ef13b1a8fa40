#include "engine/core/column_type.h"

#include <fmt/format.h>

namespace crossfade {

const char* to_string(TargetType type) {
  switch (type) {
    case TargetType::kBoolean:
      return "boolean";
    case TargetType::kBigint:
      return "bigint";
    case TargetType::kDouble:
      return "double precision";
    case TargetType::kNumeric:
      return "numeric";
    case TargetType::kText:
      return "text";
    case TargetType::kBytea:
      return "bytea";
    case TargetType::kVariant:
    case TargetType::kJsonb:
      return "jsonb";
    case TargetType::kTimestamp:
      return "timestamp";
    case TargetType::kTimestamptz:
      return "timestamptz";
    case TargetType::kDate:
      return "date";
    case TargetType::kUuid:
      return "uuid";
    case TargetType::kJson:
      return "json";
    case TargetType::kReals:
      return "real[]";
    case TargetType::kDoubles:
      return "double precision[]";
    case TargetType::kVector:
      return "vector";
  }
  return "";
}

std::string to_string(const ColumnType& type) {
  if (!type.spelling.empty()) return type.spelling;
  if (type.base == TargetType::kNumeric && type.precision > 0) {
    return fmt::format("numeric({},{})", type.precision, type.scale);
  }
  if (type.base == TargetType::kVector) return fmt::format("vector({})", type.dimensions);
  return to_string(type.base);
}

std::string describe_form(const ColumnType& type) {
  switch (type.form) {
    case SourceForm::kValue:
      if (type.base == TargetType::kJsonb) return " from TEXT in jsonb's own spelling";
      return {};
    case SourceForm::kWords:
      return " from TEXT '" + type.words + "'";
    case SourceForm::kPattern:
      return " from TEXT as " + type.pattern;
    case SourceForm::kEpochSeconds:
      return " from seconds since 1970";
    case SourceForm::kEpochMillis:
      return " from milliseconds since 1970";
    case SourceForm::kEpochMicros:
      return " from microseconds since 1970";
    case SourceForm::kEpochNanos:
      return " from nanoseconds since 1970, in whole microseconds";
    case SourceForm::kEpochReal:
      return " from REAL seconds since 1970";
    case SourceForm::kJulianDay:
      return " from Julian days";
    case SourceForm::kWebkitMicros:
      return " from microseconds since 1601";
    case SourceForm::kFiletime:
      return " from 100 ns since 1601, in whole microseconds";
    case SourceForm::kCocoaSeconds:
      return " from seconds since 2001";
    case SourceForm::kUuidLower:
      return " from TEXT in lower case";
    case SourceForm::kUuidUpper:
      return " from TEXT in upper case";
    case SourceForm::kUuidHex:
      return " from TEXT of 32 lower case digits";
    case SourceForm::kUuidBytes:
      return " from BLOB of 16 bytes";
    case SourceForm::kFloat32Bytes:
      return " from BLOB of finite 4-byte floats";
    case SourceForm::kFloat64Bytes:
      return " from BLOB of finite 8-byte floats";
    case SourceForm::kTextBytes:
      return " from TEXT as its bytes";
    case SourceForm::kTextEscaped:
      return " from TEXT, NUL as U+2400";
    case SourceForm::kTextStripped:
      return " from TEXT without its NULs";
    case SourceForm::kTextLatin1:
      return " from TEXT, Latin-1 where it is not UTF-8";
    case SourceForm::kMasked:
      return " as a keyed hash";
  }
  return {};
}

}  // namespace crossfade
