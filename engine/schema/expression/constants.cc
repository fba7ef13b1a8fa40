#include "engine/schema/expression/constants.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <array>
#include <cmath>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/statement.h"

namespace crossfade::schema::expression {
namespace {

constexpr int kBytesMax = 64 * 1024;

const char* column_of(Affinity affinity) {
  switch (affinity) {
    case Affinity::kInteger:
      return "i";
    case Affinity::kText:
      return "t";
    case Affinity::kBlob:
      return "b";
    case Affinity::kReal:
      return "r";
    case Affinity::kNumeric:
      return "n";
  }
  return "b";
}

// Whether a call with these arguments, all constant, always gives the same value.
bool is_deterministic(const Expr& call) {
  static constexpr std::array<std::string_view, 31> kFunctions = {
      "ABS",     "CHAR",    "COALESCE", "FORMAT",     "GLOB",         "HEX",         "IFNULL",
      "IIF",     "INSTR",   "JSON",     "JSON_ARRAY", "JSON_EXTRACT", "JSON_OBJECT", "JSON_VALID",
      "LENGTH",  "LIKE",    "LOWER",    "LTRIM",      "NULLIF",       "PRINTF",      "QUOTE",
      "REPLACE", "ROUND",   "RTRIM",    "SIGN",       "SUBSTR",       "SUBSTRING",   "TRIM",
      "TYPEOF",  "UNICODE", "UPPER"};
  static constexpr std::array<std::string_view, 6> kTimes = {"DATE",     "TIME",      "DATETIME",
                                                             "STRFTIME", "JULIANDAY", "UNIXEPOCH"};
  if (call.star || call.distinct || call.filter || call.over) return false;
  for (const auto each : kFunctions) {
    if (call.text == each) return true;
  }
  if (call.text == "MIN" || call.text == "MAX") return call.children.size() > 1;
  const size_t first = call.text == "STRFTIME" ? 1 : 0;
  for (const auto each : kTimes) {
    if (call.text != each || call.children.size() <= first) continue;
    for (const ExprPtr& argument : call.children) {
      // 'now', and modifiers that ask for this machine's zone.
      if (argument->kind != ExprKind::kString && argument->kind != ExprKind::kInteger &&
          argument->kind != ExprKind::kReal) {
        return false;
      }
      const std::string upper = ascii_upper(argument->text);
      if (upper.find("NOW") != std::string::npos || upper.find("LOCALTIME") != std::string::npos ||
          upper.find("UTC") != std::string::npos) {
        return false;
      }
    }
    return true;
  }
  return false;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

}  // namespace

bool is_constant(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kName:
      return !expr.quoted && expr.qualifier.empty() &&
             (same_name(expr.text, "TRUE") || same_name(expr.text, "FALSE"));
    case ExprKind::kCurrent:
    case ExprKind::kExists:
    case ExprKind::kSubquery:
    case ExprKind::kRow:
    case ExprKind::kRaise:
      return false;
    case ExprKind::kCall:
      if (!is_deterministic(expr)) return false;
      break;
    case ExprKind::kIn:
      if (expr.select || expr.table_in) return false;
      break;
    case ExprKind::kLike:
      if (expr.text != "LIKE" && expr.text != "GLOB") return false;
      break;
    case ExprKind::kCollate:
      if (!same_name(expr.text, "BINARY") && !same_name(expr.text, "NOCASE") &&
          !same_name(expr.text, "RTRIM")) {
        return false;
      }
      break;
    default:
      break;
  }
  for (const ExprPtr& child : expr.children) {
    if (!is_constant(*child)) return false;
  }
  return true;
}

sqlite::Connection* Constants::scratch() {
  if (!scratch_) {
    auto opened = sqlite::Connection::open({.path = ":memory:", .access = sqlite::Access::kCreate});
    if (!opened) return nullptr;
    if (!opened.value().exec("CREATE TABLE d(i INTEGER, t TEXT, b BLOB, r REAL, n NUMERIC)")) {
      return nullptr;
    }
    sqlite3_limit(opened.value().handle(), SQLITE_LIMIT_LENGTH, kBytesMax);
    scratch_.emplace(std::move(opened).value());
  }
  return &*scratch_;
}

std::optional<Value> Constants::evaluate(std::string_view sql,
                                         const std::vector<Value>& parameters) {
  sqlite::Connection* const db = scratch();
  if (db == nullptr) return std::nullopt;
  auto row = sqlite::Statement::prepare(*db, "SELECT (\n" + std::string(sql) + "\n)");
  if (!row) return std::nullopt;
  for (size_t i = 0; i < parameters.size(); ++i) {
    row.value().bind(static_cast<int>(i) + 1, parameters[i]);
  }
  const auto there = row.value().step();
  if (!there || !there.value()) return std::nullopt;
  return row.value().value(0);
}

std::optional<Value> Constants::stored(const Value& value, Affinity affinity) {
  sqlite::Connection* const db = scratch();
  const char* const column = column_of(affinity);
  if (db == nullptr || !db->exec("DELETE FROM d")) return std::nullopt;
  auto insert =
      sqlite::Statement::prepare(*db, fmt::format("INSERT INTO d({}) VALUES (?1)", column));
  if (!insert) return std::nullopt;
  insert.value().bind(1, value);
  if (!insert.value().run()) return std::nullopt;
  auto row = sqlite::Statement::prepare(*db, fmt::format("SELECT {} FROM d", column));
  if (!row) return std::nullopt;
  const auto there = row.value().step();
  if (!there || !there.value()) return std::nullopt;
  return row.value().value(0);
}

std::optional<bool> Constants::compare(const Value& left, const std::string& op, const Value& right,
                                       const std::string& collation) {
  sqlite::Connection* const db = scratch();
  if (db == nullptr) return std::nullopt;
  auto row = sqlite::Statement::prepare(
      *db, fmt::format("SELECT ?1 COLLATE {} {} ?2", collation.empty() ? "BINARY" : collation, op));
  if (!row) return std::nullopt;
  row.value().bind(1, left);
  row.value().bind(2, right);
  const auto there = row.value().step();
  if (!there || !there.value() || row.value().storage(0) == StorageClass::kNull) {
    return std::nullopt;
  }
  return row.value().integer(0) != 0;
}

std::optional<std::string> literal(const Value& value) {
  switch (value.storage()) {
    case StorageClass::kNull:
      return "NULL";
    case StorageClass::kInteger:
      return fmt::format("{}", value.integer());
    case StorageClass::kReal: {
      if (std::isinf(value.real())) {
        return value.real() > 0 ? "'Infinity'::double precision" : "'-Infinity'::double precision";
      }
      std::string digits = fmt::format("{}", value.real());
      if (digits.find_first_of(".e") == std::string::npos) digits += ".0";
      return digits;
    }
    case StorageClass::kText: {
      const TextFlaws flaws = find_flaws(value.text());
      if (flaws.nul || flaws.invalid) return std::nullopt;
      return postgres::quote_literal(value.text());
    }
    case StorageClass::kBlob:
      return "'\\x" + hex(value.blob()) + "'::bytea";
  }
  return std::nullopt;
}

}  // namespace crossfade::schema::expression
