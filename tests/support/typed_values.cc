#include "tests/support/typed_values.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace crossfade::testing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

ColumnType with(TargetType base, SourceForm form) {
  ColumnType type = base;
  type.form = form;
  return type;
}

ColumnType spelled(ColumnType type, const char* spelling) {
  type.spelling = spelling;
  return type;
}

ColumnType with_pattern(TargetType base, const std::string& pattern) {
  ColumnType type = with(base, SourceForm::kPattern);
  type.pattern = pattern;
  return type;
}

}  // namespace

ColumnType numeric(int precision, int scale) {
  ColumnType type = TargetType::kNumeric;
  type.precision = precision;
  type.scale = scale;
  return type;
}

static void add_declared(std::vector<ColumnType>* out) {
  using enum TargetType;
  out->push_back(spelled(kBigint, "smallint"));
  out->back().bytes = 2;
  out->push_back(spelled(kBigint, "integer"));
  out->back().bytes = 4;
  out->push_back(spelled(kDouble, "real"));
  out->back().bytes = 4;
  out->push_back(spelled(kText, "character varying(5)"));
  out->back().length = 5;
  out->push_back(spelled(kText, "character varying"));
  out->push_back(spelled(kText, "character(4)"));
  out->back().length = 4;
  out->back().padded = true;
  out->push_back(spelled(kText, "public.mood"));
  out->back().labels = {"glad", "sad", "it's \"so\""};
  const std::string seconds = "%Y-%m-%d %H:%M:%S";
  out->push_back(
      spelled(with_pattern(kTimestamp, seconds + ".%3f"), "timestamp(3) without time zone"));
  out->back().digits = 3;
  out->push_back(
      spelled(with_pattern(kTimestamptz, seconds + "%tf+00:00"), "timestamp(3) with time zone"));
  out->back().digits = 3;
  out->push_back(
      spelled(with(kTimestamp, SourceForm::kEpochMillis), "timestamp(3) without time zone"));
  out->back().digits = 3;
}

std::vector<ColumnType> all_column_types() {
  using enum TargetType;
  std::vector<ColumnType> out{
      kBoolean,          kBigint, kDouble, kNumeric,       kText,         kBytea,
      kVariant,          kJson,   kJsonb,  numeric(10, 2), numeric(4, 4), numeric(18, 0),
      numeric(1000, 500)};
  for (const char* words : {"yes/no", "t/f", "/x"}) {
    out.push_back(with(kBoolean, SourceForm::kWords));
    out.back().words = words;
  }
  const std::string seconds = "%Y-%m-%d %H:%M:%S";
  for (const std::string& pattern :
       {seconds, std::string("%Y-%m-%d %H:%M"), std::string("%d.%m.%Y %H:%M:%S"), seconds + ".%1f",
        seconds + ".%3f", seconds + ".%6f", seconds + "%if", seconds + "%tf",
        std::string("%Y-%m-%d"), std::string("%Y%m%d%H%M%S%2f"),
        std::string("%Y-%m-%dT%H:%M:%S%tf!")}) {
    out.push_back(with_pattern(kTimestamp, pattern));
  }
  for (const char* zone : {"Z", "+00:00", "-03:30", "+0200", " UTC", "+02", "-15:59"}) {
    for (const char* fraction : {"", ".%3f", "%if", "%tf"}) {
      out.push_back(with_pattern(kTimestamptz, "%Y-%m-%dT%H:%M:%S" + std::string(fraction) + zone));
    }
  }
  for (const char* pattern : {"%Y-%m-%d", "%Y%m%d", "%d/%m/%Y"}) {
    out.push_back(with_pattern(kDate, pattern));
  }
  for (const SourceForm form :
       {SourceForm::kEpochSeconds, SourceForm::kEpochMillis, SourceForm::kEpochMicros,
        SourceForm::kEpochNanos, SourceForm::kEpochReal, SourceForm::kJulianDay,
        SourceForm::kWebkitMicros, SourceForm::kFiletime, SourceForm::kCocoaSeconds}) {
    out.push_back(with(kTimestamptz, form));
  }
  for (const SourceForm form : {SourceForm::kUuidLower, SourceForm::kUuidUpper,
                                SourceForm::kUuidHex, SourceForm::kUuidBytes}) {
    out.push_back(with(kUuid, form));
  }
  out.push_back(with(kReals, SourceForm::kFloat32Bytes));
  out.push_back(with(kDoubles, SourceForm::kFloat64Bytes));
  out.push_back(with(kVector, SourceForm::kFloat32Bytes));
  out.back().dimensions = 3;
  add_declared(&out);
  return out;
}

bool is_key_type(const ColumnType& type) {
  return type.base != TargetType::kJson && type.base != TargetType::kJsonb &&
         type.base != TargetType::kReals && type.base != TargetType::kDoubles &&
         type.base != TargetType::kVector && type.labels.empty() && !type.padded;
}

Value TypedValues::next(const ColumnType& type) {
  return one_in(5) ? anything() : like(type);
}

Value TypedValues::anything() {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr std::array<int64_t, 14> kIntegers{0,
                                              1,
                                              2,
                                              -1,
                                              kMax,
                                              kMin,
                                              kMax - 1,
                                              kMin + 1,
                                              1LL << 53,
                                              (1LL << 53) + 1,
                                              253402300800,
                                              -62135596800,
                                              9223371331199999999,
                                              -211813488000000000};
  constexpr std::array<double, 15> kReals{0.0,
                                          -0.0,
                                          1.0,
                                          -1.5,
                                          kInfinity,
                                          -kInfinity,
                                          5e-324,
                                          2.2250738585072014e-308,
                                          1.7e308,
                                          1e15,
                                          0.1,
                                          0.1 + 0.2,
                                          -0x1p63,
                                          0x1p63,
                                          9007199254740993.0};
  static const std::array<std::string, 17> kTexts{"",
                                                  "0",
                                                  "x",
                                                  std::string("a\0b", 3),
                                                  "\xff",
                                                  "\xed\xa0\x80",
                                                  "é 漢 😀",
                                                  "2021-02-30",
                                                  "2021-03-04 24:00:00",
                                                  "0000-01-01 00:00:00",
                                                  "10000-01-01 00:00:00",
                                                  "2021-03-04",
                                                  "0b0e1a2c-1111-4222-8333-444455556666",
                                                  "{\"a\": 1}",
                                                  "yes",
                                                  "1e5",
                                                  "infinity"};
  switch (below(6)) {
    case 0:
      return {};
    case 1:
      return Value(kIntegers[static_cast<size_t>(below(kIntegers.size()))]);
    case 2:
      return Value(kReals[static_cast<size_t>(below(kReals.size()))]);
    case 3:
      return Value(Text{kTexts[static_cast<size_t>(below(kTexts.size()))]});
    case 4: {
      const auto real = std::bit_cast<double>(random_());
      return std::isnan(real) ? Value(static_cast<int64_t>(random_())) : Value(real);
    }
    default: {
      std::string bytes(static_cast<size_t>(below(20)), '\0');
      for (char& c : bytes) c = static_cast<char>(random_());
      return one_in(4) ? Value(Text{bytes}) : Value(Blob{bytes});
    }
  }
}

// Within the limits, at them, or just beyond.
Value TypedValues::narrow(const ColumnType& type) {
  if (!type.labels.empty()) {
    return Value(
        Text{type.labels[static_cast<size_t>(below(static_cast<int64_t>(type.labels.size())))]});
  }
  if (type.base == TargetType::kText) {
    constexpr std::array<const char*, 6> kPieces{"a", "\u00e9", "\U0001f600", " ", "zz", "B"};
    std::string text;
    for (int64_t n = below(8); n > 0; --n) text += kPieces[static_cast<size_t>(below(6))];
    return Value(Text{text});
  }
  if (type.base == TargetType::kDouble) {
    const auto single = std::bit_cast<float>(static_cast<uint32_t>(random_()));
    if (std::isnan(single)) return Value(0.5);
    return one_in(10) ? Value(0.1) : Value(static_cast<double>(single));
  }
  const int64_t half = int64_t{1} << (8 * type.bytes - 1);
  if (one_in(5)) return Value(one_in(2) ? half - below(2) : -half - below(2));
  return Value(below(2 * half) - half);
}

Value TypedValues::like(const ColumnType& type) {
  if (!type.spelling.empty() && type.form == SourceForm::kValue) return narrow(type);
  switch (type.form) {
    case SourceForm::kValue:
      break;
    case SourceForm::kWords: {
      const size_t slash = type.words.find('/');
      std::string word = one_in(2) ? type.words.substr(0, slash) : type.words.substr(slash + 1);
      if (one_in(10)) damage(&word);
      return Value(Text{word});
    }
    case SourceForm::kPattern:
      return Value(Text{date_text(type.pattern)});
    case SourceForm::kUuidLower:
    case SourceForm::kUuidUpper:
    case SourceForm::kUuidHex:
      return Value(Text{uuid_text(type.form)});
    case SourceForm::kUuidBytes: {
      std::string bytes(one_in(10) ? 15 : 16, '\0');
      for (char& c : bytes) c = static_cast<char>(random_());
      return Value(Blob{bytes});
    }
    case SourceForm::kFloat32Bytes:
    case SourceForm::kFloat64Bytes:
      return Value(Blob{floats(type)});
    default:
      return time_number(type.form);
  }
  switch (type.base) {
    case TargetType::kJson:
    case TargetType::kJsonb: {
      std::string text = json_text(3, type.base == TargetType::kJsonb ? !one_in(4) : one_in(4));
      if (one_in(10)) damage(&text);
      return Value(Text{text});
    }
    case TargetType::kNumeric:
      return number(type);
    case TargetType::kBoolean:
      return Value(below(2));
    default:
      return anything();
  }
}

std::string TypedValues::date_text(const std::string& pattern) {
  const auto field = [this](int width, int64_t low, int64_t high) {
    const int64_t value = one_in(12) ? (one_in(2) ? low : high) : low + below(high - low + 1);
    return fmt::format("{:0{}}", value, width);
  };
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      out += pattern[i];
      continue;
    }
    switch (const char kind = pattern[++i]; kind) {
      case 'Y':
        out += one_in(30) ? "0000" : field(4, 1, 9999);
        break;
      case 'm':
        out += field(2, 1, one_in(60) ? 13 : 12);
        break;
      case 'd':
        out += field(2, 1, one_in(5) ? 31 : 28);
        break;
      case 'H':
        out += field(2, 0, one_in(60) ? 24 : 23);
        break;
      case 'M':
      case 'S':
        out += field(2, 0, one_in(60) ? 60 : 59);
        break;
      case 'i':
      case 't':
        ++i;
        if (one_in(3)) break;
        out += '.';
        out +=
            kind == 'i' ? field(6, 0, 999'999) : std::to_string(1 + below(one_in(2) ? 9 : 999'998));
        break;
      default:
        ++i;
        out += field(kind - '0', 0, static_cast<int64_t>(std::pow(10, kind - '0')) - 1);
    }
  }
  if (one_in(15)) damage(&out);
  return out;
}

std::string TypedValues::uuid_text(SourceForm form) {
  std::string out;
  for (int i = 0; i < 32; ++i) {
    if (form != SourceForm::kUuidHex && (i == 8 || i == 12 || i == 16 || i == 20)) out += '-';
    out += (form == SourceForm::kUuidUpper ? "0123456789ABCDEF" : "0123456789abcdef")[below(16)];
  }
  if (one_in(10)) damage(&out);
  return out;
}

std::string TypedValues::json_string() {
  constexpr std::array<const char*, 14> kPieces{"a",    "b",    "é",       "😀",       "\\n",
                                                "\\\"", "\\\\", "\\u0001", "\\u001f", "\x7f",
                                                "",     "zz",   "\\t",     "0"};
  constexpr std::array<const char*, 6> kOddPieces{"\\/",     "\\u0041", "\\u0000",
                                                  "\\ud83d", "\\u000A", "\\u001F"};
  std::string out = "\"";
  for (int64_t i = below(4); i > 0; --i) out += kPieces[static_cast<size_t>(below(14))];
  if (one_in(40)) out += kOddPieces[static_cast<size_t>(below(6))];
  return out + '"';
}

std::string TypedValues::json_text(int depth, bool exact) {
  constexpr std::array<const char*, 12> kScalars{"0",    "1",    "-1.50",  "12345678901234567890",
                                                 "true", "null", "0.0001", "false",
                                                 "1e5",  "-0",   "1E-2",   "0.00"};
  const auto space = [&] { return exact || !one_in(2) ? "" : "\n "; };
  const char* comma = exact ? ", " : ",";
  const char* colon = exact ? ": " : ":";
  if (depth == 0 || one_in(4)) {
    if (one_in(2)) return json_string();
    return kScalars[static_cast<size_t>(below(exact && !one_in(20) ? 8 : 12))];
  }
  const bool object = one_in(2);
  std::string out(1, object ? '{' : '[');
  // Keys in jsonb's order, longer and longer; now and then one twice.
  const int64_t count = below(4);
  for (int64_t i = 0; i < count; ++i) {
    out += i == 0 ? space() : comma;
    if (object) {
      const auto length = static_cast<size_t>(one_in(25) ? 1 : i + 1);
      out += '"' + std::string(length, static_cast<char>('a' + below(3))) + '"' + colon;
    }
    out += json_text(depth - 1, exact);
  }
  out += space();
  return out + (object ? '}' : ']');
}

Value TypedValues::number(const ColumnType& type) {
  const int digits = type.precision == 0 ? 18 : std::min(type.precision, 18);
  int64_t value = 1;
  for (int64_t i = below(digits + 1); i > 0; --i) value = value * 10 + below(10);
  if (one_in(2)) value = -value;
  if (one_in(3)) return Value(value);
  const int scale = std::min(type.precision == 0 ? 18 : type.scale, 18);
  const double real = static_cast<double>(value % 10'000'000) / std::pow(10.0, below(scale + 2));
  return Value(real);
}

Value TypedValues::time_number(SourceForm form) {
  const int64_t second = below(4'000'000'000) - 1'000'000'000;
  const int64_t micros = second * 1'000'000 + (one_in(2) ? 0 : below(1'000'000));
  switch (form) {
    case SourceForm::kEpochSeconds:
      return Value(one_in(10) ? below(500'000'000'000'000) - 250'000'000'000'000 : second);
    case SourceForm::kEpochMillis:
      return Value(micros / 1000);
    case SourceForm::kEpochMicros:
      return Value(micros);
    case SourceForm::kEpochNanos:
      return Value(micros * 1000 + (one_in(10) ? 1 : 0));
    case SourceForm::kWebkitMicros:
      return Value(micros + 11'644'473'600'000'000);
    case SourceForm::kFiletime:
      return Value((micros + 11'644'473'600'000'000) * 10 + (one_in(10) ? 1 : 0));
    case SourceForm::kJulianDay:
      return Value(2440587.5 + static_cast<double>(micros) / 86'400e6);
    case SourceForm::kCocoaSeconds:
      if (one_in(2)) return Value(second);
      return Value(static_cast<double>(micros) / 1e6);
    default:
      return Value(static_cast<double>(micros) / (one_in(5) ? 1e7 : 1e6));
  }
}

std::string TypedValues::floats(const ColumnType& type) {
  constexpr std::array<double, 9> kSpecial{0.0,  -0.0, 1e-45, 3.4028234e38,  1.0,
                                           -1.5, 0.1,  1e10,  1.17549435e-38};
  std::string out;
  const int64_t count = type.base == TargetType::kVector && !one_in(5) ? 3 : below(5);
  for (int64_t i = 0; i < count; ++i) {
    // Any bits at all, NaNs and infinities among them, or a known one.
    uint64_t bits = random_();
    size_t width = sizeof(double);
    const double special = kSpecial[static_cast<size_t>(below(9))];
    if (type.base == TargetType::kDoubles) {
      if (one_in(2)) bits = std::bit_cast<uint64_t>(special);
      if (one_in(40)) bits = 0x7FF0000000000000;
    } else {
      width = sizeof(float);
      if (one_in(2)) bits = std::bit_cast<uint32_t>(static_cast<float>(special));
      if (one_in(40)) bits = 0xFF800000;
    }
    for (size_t byte = 0; byte < width; ++byte) out += static_cast<char>(bits >> (8 * byte));
  }
  if (one_in(20)) out += 'x';
  return out;
}

void TypedValues::damage(std::string* text) {
  if (text->empty()) return text->push_back('x');
  const auto at = static_cast<size_t>(below(static_cast<int64_t>(text->size())));
  constexpr std::string_view kBytes = "0159 -:.TZxaA\"{},";
  switch (below(3)) {
    case 0:
      (*text)[at] = kBytes[static_cast<size_t>(below(static_cast<int64_t>(kBytes.size())))];
      break;
    case 1:
      text->erase(at, 1);
      break;
    default:
      text->insert(at, 1, kBytes[static_cast<size_t>(below(static_cast<int64_t>(kBytes.size())))]);
  }
}

}  // namespace crossfade::testing
