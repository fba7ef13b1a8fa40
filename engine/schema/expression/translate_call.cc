// Functions by name, CAST and typeof.
#include <fmt/core.h>

#include <array>
#include <utility>

#include "engine/schema/catalog.h"
#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {

Outcome<Operand> Translator::call(const Expr& expr) {
  const std::string& f = expr.text;
  if (expr.over) return no(expr, "window functions are not translated");
  if (is_aggregate(expr)) return aggregate(expr);
  if (expr.star || expr.distinct || expr.filter) return no(expr, "SQLite refuses it");
  if (f == "COALESCE" || f == "IFNULL") return coalesce(expr);
  if (f == "NULLIF") return null_if(expr);
  if (f == "MIN" || f == "MAX") return least_greatest(expr);
  if (f == "IIF") return iif(expr);
  if ((f == "LIKELY" || f == "UNLIKELY") && expr.children.size() == 1) {
    return translate(*expr.children[0]);
  }
  for (const char* name : {"DATE", "TIME", "DATETIME", "STRFTIME", "JULIANDAY", "UNIXEPOCH"}) {
    if (f == name) return time_call(expr);
  }
  if (f.starts_with("JSON")) return json_call(expr);
  if (f == "RANDOM" || f == "RANDOMBLOB") return random_value(expr);
  static constexpr std::array<std::pair<const char*, size_t>, 10> kOneArgument = {{{"LENGTH", 1},
                                                                                   {"HEX", 1},
                                                                                   {"TYPEOF", 1},
                                                                                   {"ABS", 1},
                                                                                   {"ROUND", 1},
                                                                                   {"SUBSTR", 2},
                                                                                   {"SUBSTRING", 2},
                                                                                   {"UPPER", 1},
                                                                                   {"LOWER", 1},
                                                                                   {"UNICODE", 1}}};
  for (const auto& [name, least] : kOneArgument) {
    if (f == name && expr.children.size() < least) return no(expr, "SQLite refuses it");
  }
  if (f == "LENGTH") return length(expr);
  if (f == "HEX") return hexadecimal(expr);
  if (f == "TYPEOF") return type_of(expr);
  if (f == "ABS") return absolute(expr);
  if (f == "ROUND") return round(expr);
  if (f == "SUBSTR" || f == "SUBSTRING") return substring(expr);
  return text_call(expr);
}

Outcome<Operand> Translator::cast(const Expr& expr) {
  CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
  const Affinity affinity = affinity_of(expr.text);
  const std::string collation = operand.collation;
  const bool explicit_collation = operand.explicit_collation;
  if (operand.kind == Kind::kNull) return constant(expr, Value());
  if (affinity == Affinity::kText) {
    CROSSFADE_TRY(operand, as_text(*expr.children[0], std::move(operand)));
  } else {
    CROSSFADE_TRY(operand, plain(*expr.children[0], std::move(operand)));
    if (affinity == Affinity::kBlob) {
      if (operand.kind != Kind::kBlob)
        return no(expr, "the bytes of what is no blob have no equal");
    } else if (!operand.number()) {
      return no(expr,
                "SQLite takes the number that the text begins with, or 0, where PostgreSQL reports"
                " an error: give the column a numeric type by a rule");
    }
    operand = as_integer(std::move(operand));
    if (affinity == Affinity::kReal) {
      operand = as_double(std::move(operand));
      operand.kind = Kind::kReal;
      operand.type = TargetType::kDouble;
    } else if (affinity == Affinity::kInteger && operand.kind != Kind::kInteger) {
      operand.sql = fmt::format("trunc({})::bigint", operand.sql);
      operand.tightness = Tightness::kAtom;
      operand.kind = Kind::kInteger;
      operand.type = TargetType::kBigint;
      operand.decimal = false;
      if (!operand.bounded()) {
        operand.low = Operand().low;
        operand.high = Operand().high;
      }
    }
  }
  operand.is_column = false;
  operand.constant.reset();
  operand.collation = collation;
  operand.explicit_collation = explicit_collation;
  return operand;
}

Outcome<Operand> Translator::type_of(const Expr& expr) {
  CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
  std::string name;
  switch (operand.kind) {
    case Kind::kNull:
      return constant(expr, Value(Text{"null"}));
    case Kind::kBoolean:
    case Kind::kInteger:
      name = "integer";
      break;
    case Kind::kReal:
      name = "real";
      break;
    case Kind::kText:
      name = "text";
      break;
    case Kind::kBlob:
      name = "blob";
      break;
    case Kind::kForm:
      switch (operand.type.form) {
        case SourceForm::kUuidBytes:
        case SourceForm::kFloat32Bytes:
        case SourceForm::kFloat64Bytes:
          name = "blob";
          break;
        case SourceForm::kEpochReal:
        case SourceForm::kJulianDay:
          name = "real";
          break;
        case SourceForm::kCocoaSeconds:
          return no(expr, "its values are INTEGER or REAL");
        case SourceForm::kEpochSeconds:
        case SourceForm::kEpochMillis:
        case SourceForm::kEpochMicros:
        case SourceForm::kEpochNanos:
        case SourceForm::kWebkitMicros:
        case SourceForm::kFiletime:
          name = "integer";
          break;
        default:
          name = "text";
          break;
      }
      break;
    case Kind::kNumber:
    case Kind::kJson:
    case Kind::kVariant:
      return no(expr, "the class differs from row to row, and the target keeps the value only");
  }
  // An INTEGER that overflows is a REAL in SQLite, and an error here: only if it is evaluated.
  const bool exact = operand.kind != Kind::kInteger || operand.is_column || operand.bounded();
  if (operand.not_null && exact) return constant(expr, Value(Text{name}));
  Operand out;
  out.kind = Kind::kText;
  out.type = TargetType::kText;
  out.not_null = true;
  out.stable = operand.stable;
  out.sql = fmt::format("CASE WHEN {} IS NULL THEN 'null' ELSE '{}' END",
                        within(operand, Tightness::kComparison), name);
  return out;
}

Outcome<Operand> Translator::random_value(const Expr& expr) {
  if (use_ != Use::kDefault)
    return no(expr, "it differs at every call: compute it in the application");
  Operand out;
  out.not_null = true;
  out.stable = true;
  if (expr.text == "RANDOM") {
    out.kind = Kind::kInteger;
    out.type = TargetType::kBigint;
    out.sql =
        "((floor(random() * 4294967296)::bigint << 32) | floor(random() * 4294967296)::bigint)";
    return out;
  }
  out.kind = Kind::kBlob;
  out.type = TargetType::kBytea;
  const auto size =
      expr.children.size() == 1 && is_constant(*expr.children[0])
          ? constants_.evaluate(sql_.substr(expr.children[0]->offset, expr.children[0]->length))
          : std::nullopt;
  if (!size || size->storage() != StorageClass::kInteger || size->integer() < 1 ||
      size->integer() > 64) {
    return no(expr, "randomblob() is translated for 1 to 64 bytes");
  }
  const int64_t uuids = (size->integer() + 15) / 16;
  for (int64_t i = 0; i < uuids; ++i) {
    out.sql += (i == 0 ? "" : " || ") + std::string("uuid_send(gen_random_uuid())");
  }
  if (uuids > 1) out.tightness = Tightness::kOther;
  if (size->integer() % 16 != 0) {
    out.sql = fmt::format("substr({}, 1, {})", out.sql, size->integer());
    out.tightness = Tightness::kAtom;
  }
  note("randomblob() becomes bytes of random UUIDs, of which 6 bits in 128 are fixed");
  return out;
}

}  // namespace crossfade::schema::expression
