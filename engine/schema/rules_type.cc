#include "engine/schema/rules_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/limits.h"
#include "engine/core/source_time.h"
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

ResolvedType wrong(std::string problem) {
  return {std::nullopt, std::move(problem)};
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

// The policies for text that PostgreSQL's text refuses.
ResolvedType resolve_policy(const TypeKeys& keys) {
  const std::string nul = keys.on_nul.value_or("quarantine");
  const std::string invalid = keys.on_invalid_utf8.value_or("quarantine");
  static const std::vector<std::string> kNul = {"quarantine", "strip", "escape", "bytea"};
  static const std::vector<std::string> kInvalid = {"quarantine", "latin1", "bytea"};
  const auto known = [](const std::vector<std::string>& all, const std::string& word) {
    return std::find(all.begin(), all.end(), word) != all.end();
  };
  if (!known(kNul, nul)) {
    return wrong(fmt::format("on_nul = '{}' is none of {}{}", nul, fmt::join(kNul, ", "),
                             did_you_mean(nul, kNul)));
  }
  if (!known(kInvalid, invalid)) {
    return wrong(fmt::format("on_invalid_utf8 = '{}' is none of {}{}", invalid,
                             fmt::join(kInvalid, ", "), did_you_mean(invalid, kInvalid)));
  }
  if (keys.format || keys.form || keys.words || keys.zone) {
    return wrong(
        "on_nul and on_invalid_utf8 are for text, and do not go with format, form, words"
        " or zone");
  }
  const bool bytes = nul == "bytea" || invalid == "bytea";
  const std::string wanted = keys.type ? lower(*keys.type) : (bytes ? "bytea" : "text");
  if (wanted != (bytes ? "bytea" : "text")) {
    return wrong(
        fmt::format("on_nul and on_invalid_utf8 make the column {}, and its type is said"
                    " to be {}",
                    bytes ? "bytea" : "text", *keys.type));
  }
  ColumnType type(bytes ? TargetType::kBytea : TargetType::kText);
  const bool changes_nul = nul == "strip" || nul == "escape";
  if (bytes && (changes_nul || invalid == "latin1")) {
    return wrong("bytea holds every text as it is: the other policy has nothing to do");
  }
  if (changes_nul && invalid == "latin1") {
    return wrong(
        fmt::format("on_nul = '{}' and on_invalid_utf8 = 'latin1' cannot be combined;"
                    " bytea takes both kinds of text",
                    nul));
  }
  if (bytes) type.form = SourceForm::kTextBytes;
  if (nul == "strip") type.form = SourceForm::kTextStripped;
  if (nul == "escape") type.form = SourceForm::kTextEscaped;
  if (invalid == "latin1") type.form = SourceForm::kTextLatin1;
  return {type, ""};
}

ResolvedType resolve_format(const TypeKeys& keys, ColumnType type) {
  if (type.base != TargetType::kTimestamptz && type.base != TargetType::kTimestamp &&
      type.base != TargetType::kDate) {
    return wrong(
        fmt::format("a format does not go with {}: it is for timestamptz, timestamp and"
                    " date",
                    to_string(type)));
  }
  if (keys.form || keys.words) return wrong("a format does not go with form or words");
  type.form = SourceForm::kPattern;
  type.pattern = *keys.format;
  if (keys.zone) {
    if (type.base != TargetType::kTimestamptz) {
      return wrong(fmt::format("a zone does not go with {}, which has none", to_string(type)));
    }
    const std::string zone = *keys.zone == "UTC" ? "+00:00" : *keys.zone;
    if (!zone_micros(zone)) {
      return wrong(fmt::format(
          "zone '{}' is neither UTC nor an offset like +02:00. A named zone has hours that come"
          " twice and hours that never come, so its wall times are not one instant each",
          zone));
    }
    if (TimePattern::compile(type).valid()) {
      return wrong("the format names its zone already, so `zone` has nothing to say");
    }
    type.pattern += "%{" + zone + "}";
  }
  if (!TimePattern::compile(type).valid()) {
    return wrong(fmt::format(
        "format '{}' is no {} pattern: it needs %Y %m %d, then %H %M %S and a fraction (%1f to"
        " %6f, %if, %tf) where there are such, each once{}",
        *keys.format, to_string(type),
        type.base == TargetType::kTimestamptz && !keys.zone
            ? ", and its zone at the end (Z, +00:00) or in `zone`"
            : ""));
  }
  return {type, ""};
}

ResolvedType resolve_words(const TypeKeys& keys, ColumnType type) {
  if (!keys.words) return wrong("form = 'words' needs words = 'yes/no', true first");
  if (type.base != TargetType::kBoolean) {
    return wrong(fmt::format("words do not go with {}: they are for boolean", to_string(type)));
  }
  const size_t slash = keys.words->find('/');
  if (slash == std::string::npos || keys.words->find('/', slash + 1) != std::string::npos ||
      keys.words->substr(0, slash) == keys.words->substr(slash + 1)) {
    return wrong(
        fmt::format("words = '{}' are not two different words with a / between", *keys.words));
  }
  type.form = SourceForm::kWords;
  type.words = *keys.words;
  return {type, ""};
}

// The types that are read from text or bytes in one of several ways have to say which.
ResolvedType resolve_bare(ColumnType type) {
  switch (type.base) {
    case TargetType::kTimestamptz:
      return wrong(
          "timestamptz needs `format`, or `form` (epoch_s, epoch_ms, epoch_us, epoch_ns,"
          " epoch_real, julian_day, webkit, filetime, cocoa): how its values are written");
    case TargetType::kTimestamp:
    case TargetType::kDate:
      return wrong(fmt::format("{} needs `format`: how its values are written", to_string(type)));
    case TargetType::kUuid:
      return wrong("uuid needs `form` (uuid_lower, uuid_upper, uuid_hex, uuid_bytes)");
    case TargetType::kReals:
    case TargetType::kVector:
      type.form = SourceForm::kFloat32Bytes;
      break;
    case TargetType::kDoubles:
      type.form = SourceForm::kFloat64Bytes;
      break;
    default:
      break;
  }
  return {type, ""};
}

}  // namespace

ResolvedType resolve_type(const TypeKeys& keys) {
  if (keys.on_nul || keys.on_invalid_utf8) return resolve_policy(keys);
  if (!keys.type) {
    if (keys.format || keys.form || keys.zone || keys.words) {
      return wrong("format, form, zone and words say how a type is written: `type` is missing");
    }
    return {};
  }
  const auto type = read_type(*keys.type);
  if (!type) {
    return wrong(fmt::format("type '{}' is none of {}{}", *keys.type, fmt::join(type_names(), ", "),
                             did_you_mean(*keys.type, type_names())));
  }
  if (keys.format) return resolve_format(keys, *type);
  if (keys.form && !read_form(*keys.form)) {
    return wrong(fmt::format("form '{}' is none of {}{}", *keys.form, fmt::join(form_names(), ", "),
                             did_you_mean(*keys.form, form_names())));
  }
  if (keys.zone) return wrong("a zone goes with a format only: numbers count from an instant");
  const auto form = keys.form ? read_form(*keys.form) : std::nullopt;
  if (keys.words || form == SourceForm::kWords) {
    if (form && form != SourceForm::kWords) {
      return wrong(fmt::format("words do not go with form '{}'", *keys.form));
    }
    return resolve_words(keys, *type);
  }
  if (!form) return resolve_bare(*type);
  if (!goes_with(*form, type->base)) {
    return wrong(fmt::format("form '{}' does not go with {}", *keys.form, to_string(*type)));
  }
  ColumnType out = *type;
  out.form = *form;
  return {out, ""};
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
