#include "engine/schema/type_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "engine/core/limits.h"
#include "engine/schema/rules.h"

namespace crossfade::schema {
namespace {

constexpr int kDimensionsMax = 16000;

constexpr std::array<std::pair<std::string_view, SourceForm>, 16> kFormNames{{
    {"epoch_s", SourceForm::kEpochSeconds},
    {"epoch_ms", SourceForm::kEpochMillis},
    {"epoch_us", SourceForm::kEpochMicros},
    {"epoch_ns", SourceForm::kEpochNanos},
    {"epoch_real", SourceForm::kEpochReal},
    {"julian_day", SourceForm::kJulianDay},
    {"webkit", SourceForm::kWebkitMicros},
    {"filetime", SourceForm::kFiletime},
    {"cocoa", SourceForm::kCocoaSeconds},
    {"uuid_lower", SourceForm::kUuidLower},
    {"uuid_upper", SourceForm::kUuidUpper},
    {"uuid_hex", SourceForm::kUuidHex},
    {"uuid_bytes", SourceForm::kUuidBytes},
    {"float32", SourceForm::kFloat32Bytes},
    {"float64", SourceForm::kFloat64Bytes},
    {"words", SourceForm::kWords},
}};

constexpr std::array<std::pair<std::string_view, TargetType>, 19> kTypes{{
    {"boolean", TargetType::kBoolean},
    {"bool", TargetType::kBoolean},
    {"bigint", TargetType::kBigint},
    {"int8", TargetType::kBigint},
    {"double precision", TargetType::kDouble},
    {"float8", TargetType::kDouble},
    {"numeric", TargetType::kNumeric},
    {"text", TargetType::kText},
    {"bytea", TargetType::kBytea},
    {"variant", TargetType::kVariant},
    {"timestamp", TargetType::kTimestamp},
    {"timestamptz", TargetType::kTimestamptz},
    {"date", TargetType::kDate},
    {"uuid", TargetType::kUuid},
    {"json", TargetType::kJson},
    {"jsonb", TargetType::kJsonb},
    {"real[]", TargetType::kReals},
    {"double precision[]", TargetType::kDoubles},
    {"float8[]", TargetType::kDoubles},
}};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

bool read_int(std::string_view text, int* out) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return code == std::errc() && end == text.data() + text.size();
}

// "numeric(10,2)", "vector(384)".
bool read_modified(const std::string& text, ColumnType* out) {
  const size_t open = text.find('(');
  if (open == std::string::npos || !text.ends_with(')')) return false;
  const std::string_view name = std::string_view(text).substr(0, open);
  const std::string_view inside = std::string_view(text).substr(open + 1, text.size() - open - 2);
  if (name == "vector") {
    out->base = TargetType::kVector;
    return read_int(inside, &out->dimensions) && out->dimensions >= 1 &&
           out->dimensions <= kDimensionsMax;
  }
  if (name != "numeric" && name != "decimal") return false;
  out->base = TargetType::kNumeric;
  const size_t comma = inside.find(',');
  if (!read_int(inside.substr(0, comma), &out->precision)) return false;
  if (comma != std::string_view::npos && !read_int(inside.substr(comma + 1), &out->scale)) {
    return false;
  }
  return out->precision >= 1 && out->precision <= limits::kPgNumericPrecisionMax &&
         out->scale >= 0 && out->scale <= out->precision;
}

}  // namespace

std::optional<ColumnType> read_type(const std::string& written) {
  const std::string text = lower(written);
  for (const auto& [name, type] : kTypes) {
    if (text == name) return ColumnType(type);
  }
  ColumnType type;
  if (read_modified(text, &type)) return type;
  return std::nullopt;
}

std::optional<SourceForm> read_form(const std::string& text) {
  for (const auto& [name, form] : kFormNames) {
    if (text == name) return form;
  }
  return std::nullopt;
}

bool goes_with(SourceForm form, TargetType base) {
  switch (form) {
    case SourceForm::kWords:
      return base == TargetType::kBoolean;
    case SourceForm::kUuidLower:
    case SourceForm::kUuidUpper:
    case SourceForm::kUuidHex:
    case SourceForm::kUuidBytes:
      return base == TargetType::kUuid;
    case SourceForm::kFloat32Bytes:
      return base == TargetType::kReals || base == TargetType::kVector;
    case SourceForm::kFloat64Bytes:
      return base == TargetType::kDoubles;
    default:
      return base == TargetType::kTimestamptz;
  }
}

std::vector<std::string> type_names() {
  std::vector<std::string> out{"numeric(p,s)", "vector(n)"};
  for (const auto& [name, type] : kTypes) out.emplace_back(name);
  return out;
}

std::vector<std::string> form_names() {
  std::vector<std::string> out;
  for (const auto& [name, form] : kFormNames) out.emplace_back(name);
  return out;
}

std::string rule_keys(const ColumnType& type) {
  const bool variant = type.base == TargetType::kVariant;
  std::string out = "type = " + toml_string(variant ? "variant" : to_string(type));
  if (type.form == SourceForm::kPattern) {
    const size_t zone = type.pattern.find("%{");
    out += ", format = " + toml_string(type.pattern.substr(0, zone));
    if (zone != std::string::npos) {
      out +=
          ", zone = " + toml_string(type.pattern.substr(zone + 2, type.pattern.size() - zone - 3));
    }
    return out;
  }
  if (type.form == SourceForm::kWords) return out + ", words = " + toml_string(type.words);
  for (const auto& [name, form] : kFormNames) {
    if (form == type.form) out += ", form = " + toml_string(name);
  }
  if (type.form == SourceForm::kTextBytes) out += ", on_nul = \"bytea\"";
  if (type.form == SourceForm::kTextEscaped) out += ", on_nul = \"escape\"";
  if (type.form == SourceForm::kTextStripped) out += ", on_nul = \"strip\"";
  if (type.form == SourceForm::kTextLatin1) out += ", on_invalid_utf8 = \"latin1\"";
  if (type.form == SourceForm::kMasked) out += ", mask = \"hash\"";
  return out;
}

bool is_one_way(SourceForm form) {
  return form == SourceForm::kTextStripped || form == SourceForm::kTextLatin1 ||
         form == SourceForm::kMasked;
}

}  // namespace crossfade::schema
