#include "engine/schema/rules_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/core/source_time.h"
#include "engine/schema/rules.h"
#include "engine/schema/type_words.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

constexpr const char* kHowTyped[] = {"format", "form", "zone", "words"};

bool is_timed(TargetType base) {
  return base == TargetType::kTimestamptz || base == TargetType::kTimestamp ||
         base == TargetType::kDate;
}

bool is_pattern(TargetType base, const std::string& pattern) {
  ColumnType type(base);
  type.form = SourceForm::kPattern;
  type.pattern = pattern;
  return TimePattern::compile(type).valid();
}

std::string in_zone(const std::string& pattern, const std::string& zone) {
  return pattern + "%{" + zone + "}";
}

// For texts that name their zone, or for texts that leave it to `zone`.
bool is_pattern_in_some_zone(TargetType base, const std::string& pattern) {
  return is_pattern(base, pattern) ||
         (base == TargetType::kTimestamptz && is_pattern(base, in_zone(pattern, "+00:00")));
}

// Judges each key alone, then those that are good together: what others mean beside a wrong one is
// not known until it is mended.
class TypeReader {
 public:
  explicit TypeReader(const TypeKeys& keys) : keys_(keys) {}

  ResolvedType run() {
    read_type_words();
    read_how();
    read_policies();
    const auto alone = static_cast<std::ptrdiff_t>(problems_.size());
    const bool policy = has("on_nul") || has("on_invalid_utf8");
    if (policy) {
      judge_policies();
    } else if (has("type")) {
      judge_format();
      judge_zone();
      judge_form();
      judge_bare();
    } else if (all_read() && says_how()) {
      wrong(*std::find_if(std::begin(kHowTyped), std::end(kHowTyped),
                          [this](const char* key) { return has(key); }),
            "format, form, zone and words say how a type is written: `type` is missing");
    }
    std::optional<ColumnType> type = policy ? policy_type() : written_type();
    if (keys_.masked) judge_mask(type, alone);
    if (!problems_.empty()) type.reset();
    return {std::move(type), std::move(problems_)};
  }

 private:
  [[nodiscard]] bool has(const char* key) const { return keys_.given.contains(key); }

  [[nodiscard]] const std::string* text(const char* key) const {
    const auto found = keys_.given.find(key);
    return found == keys_.given.end() || !found->second ? nullptr : &*found->second;
  }

  // Else what seems to be missing may be there.
  [[nodiscard]] bool all_read() const {
    return std::all_of(keys_.given.begin(), keys_.given.end(),
                       [](const auto& each) { return each.second.has_value(); });
  }

  [[nodiscard]] bool says_how() const {
    return std::any_of(std::begin(kHowTyped), std::end(kHowTyped),
                       [this](const char* key) { return has(key); });
  }

  void wrong(const char* key, std::string what) { problems_.push_back({key, std::move(what)}); }

  void none_of(const char* key, const std::vector<std::string>& known) {
    wrong(key, fmt::format("{} '{}' is none of {}{}", key, printable(*text(key)),
                           fmt::join(known, ", "), did_you_mean(*text(key), known)));
  }

  void read_type_words() {
    if (const std::string* written = text("type")) {
      type_ = read_type(*written);
      if (!type_) none_of("type", type_names());
    }
    if (const std::string* written = text("form")) {
      form_ = read_form(*written);
      if (!form_) none_of("form", form_names());
    }
  }

  void read_how() {
    if (const std::string* format = text("format")) {
      const bool any = is_pattern_in_some_zone(TargetType::kTimestamptz, *format) ||
                       is_pattern(TargetType::kTimestamp, *format) ||
                       is_pattern(TargetType::kDate, *format);
      if (any) {
        format_ = *format;
      } else {
        no_pattern("pattern", "");
      }
    }
    if (const std::string* zone = text("zone")) {
      const std::string offset = *zone == "UTC" ? "+00:00" : *zone;
      if (zone_micros(offset)) {
        zone_ = offset;
      } else {
        wrong("zone", fmt::format("zone '{}' is neither UTC nor an offset like +02:00. A named zone"
                                  " has hours that come twice and hours that never come, so its"
                                  " wall times are not one instant each",
                                  printable(offset)));
      }
    }
    if (const std::string* words = text("words")) {
      const size_t slash = words->find('/');
      if (slash == std::string::npos || words->find('/', slash + 1) != std::string::npos ||
          words->substr(0, slash) == words->substr(slash + 1)) {
        wrong("words", fmt::format("words = '{}' are not two different words with a / between",
                                   printable(*words)));
      }
    }
  }

  void no_pattern(const std::string& what, const char* also) {
    wrong("format", fmt::format("format '{}' is no {}: it needs %Y %m %d, then %H %M %S and a"
                                " fraction (%1f to %6f, %if, %tf) where there are such, each"
                                " once{}",
                                printable(*text("format")), what, also));
  }

  void read_policies() {
    nul_ = read_policy("on_nul", {"quarantine", "strip", "escape", "bytea"});
    invalid_ = read_policy("on_invalid_utf8", {"quarantine", "latin1", "bytea"});
  }

  // Empty: it is not known.
  std::string read_policy(const char* key, const std::vector<std::string>& known) {
    if (!has(key)) return "quarantine";
    const std::string* policy = text(key);
    if (policy == nullptr) return {};
    if (std::find(known.begin(), known.end(), *policy) != known.end()) return *policy;
    none_of(key, known);
    return {};
  }

  [[nodiscard]] bool as_bytes() const { return nul_ == "bytea" || invalid_ == "bytea"; }

  void judge_policies() {
    const char* key = has("on_nul") ? "on_nul" : "on_invalid_utf8";
    if (says_how()) {
      wrong(key,
            "on_nul and on_invalid_utf8 are for text, and do not go with format, form, words or"
            " zone");
    }
    if (nul_.empty() || invalid_.empty()) return;
    const TargetType base = as_bytes() ? TargetType::kBytea : TargetType::kText;
    if (type_ && *type_ != ColumnType(base)) {
      wrong("type", fmt::format("on_nul and on_invalid_utf8 make the column {}, and its type is"
                                " said to be {}",
                                to_string(base), *text("type")));
    }
    const bool changes_nul = nul_ == "strip" || nul_ == "escape";
    if (as_bytes() && (changes_nul || invalid_ == "latin1")) {
      wrong(changes_nul ? "on_nul" : "on_invalid_utf8",
            "bytea holds every text as it is: the other policy has nothing to do");
    } else if (changes_nul && invalid_ == "latin1") {
      wrong("on_nul", fmt::format("on_nul = '{}' and on_invalid_utf8 = 'latin1' cannot be combined;"
                                  " bytea takes both kinds of text",
                                  nul_));
    }
  }

  [[nodiscard]] ColumnType policy_type() const {
    ColumnType type(as_bytes() ? TargetType::kBytea : TargetType::kText);
    if (as_bytes()) type.form = SourceForm::kTextBytes;
    if (nul_ == "strip") type.form = SourceForm::kTextStripped;
    if (nul_ == "escape") type.form = SourceForm::kTextEscaped;
    if (invalid_ == "latin1") type.form = SourceForm::kTextLatin1;
    return type;
  }

  void judge_format() {
    if (!has("format")) return;
    if (type_ && !is_timed(type_->base)) {
      wrong("format", fmt::format("a format does not go with {}: it is for timestamptz, timestamp"
                                  " and date",
                                  to_string(*type_)));
      return;
    }
    if (has("form") || has("words")) wrong("format", "a format does not go with form or words");
    if (!type_ || !format_) return;
    // Where a key could not be read, it may be the zone.
    const bool zoned = has("zone") || !all_read();
    if (zoned ? is_pattern_in_some_zone(type_->base, *format_)
              : is_pattern(type_->base, *format_)) {
      return;
    }
    no_pattern(to_string(*type_) + " pattern",
               type_->base == TargetType::kTimestamptz
                   ? ", and its zone at the end (Z, +00:00) or in `zone`"
                   : "");
  }

  void judge_zone() {
    if (!has("zone") || !type_) return;
    if (!is_timed(type_->base) || (has("form") && !has("format"))) {
      if (has("format")) return;  // it goes where the format goes
      wrong("zone", "a zone goes with a format only: numbers count from an instant");
    } else if (type_->base != TargetType::kTimestamptz) {
      wrong("zone", fmt::format("a zone does not go with {}, which has none", to_string(*type_)));
    } else if (zone_ && format_ && is_pattern(type_->base, *format_)) {
      wrong("zone", "the format names its zone already, so `zone` has nothing to say");
    }
  }

  void judge_form() {
    const bool form_is_words = form_ == SourceForm::kWords;
    if (form_ && !form_is_words && has("words")) {
      wrong("words", fmt::format("words do not go with form '{}'", *text("form")));
    } else if (form_is_words && !has("words") && all_read()) {
      wrong("form", "form = 'words' needs words = 'yes/no', true first");
    } else if (type_ && type_->base != TargetType::kBoolean && (has("words") || form_is_words)) {
      wrong(has("words") ? "words" : "form",
            fmt::format("words do not go with {}: they are for boolean", to_string(*type_)));
    }
    if (form_ && !form_is_words && type_ && !goes_with(*form_, type_->base)) {
      wrong("form", fmt::format("form '{}' does not go with {}", *text("form"), to_string(*type_)));
    }
  }

  // The types that are read from text or bytes in one of several ways have to say which.
  void judge_bare() {
    if (!type_ || !all_read() || has("format") || has("form") || has("words")) return;
    if (type_->base == TargetType::kTimestamptz) {
      wrong("type",
            "timestamptz needs `format`, or `form` (epoch_s, epoch_ms, epoch_us, epoch_ns,"
            " epoch_real, julian_day, webkit, filetime, cocoa): how its values are written");
    } else if (is_timed(type_->base)) {
      wrong("type",
            fmt::format("{} needs `format`: how its values are written", to_string(*type_)));
    } else if (type_->base == TargetType::kUuid) {
      wrong("type", "uuid needs `form` (uuid_lower, uuid_upper, uuid_hex, uuid_bytes)");
    }
  }

  // What good keys say.
  [[nodiscard]] std::optional<ColumnType> written_type() const {
    if (!type_) return std::nullopt;
    ColumnType type = *type_;
    if (format_) {
      type.form = SourceForm::kPattern;
      type.pattern = zone_ ? in_zone(*format_, *zone_) : *format_;
    } else if (const std::string* words = text("words")) {
      type.form = SourceForm::kWords;
      type.words = *words;
    } else if (form_) {
      type.form = *form_;
    } else if (type.base == TargetType::kReals || type.base == TargetType::kVector) {
      type.form = SourceForm::kFloat32Bytes;
    } else if (type.base == TargetType::kDoubles) {
      type.form = SourceForm::kFloat64Bytes;
    }
    return type;
  }

  // In place of what the keys would lack or have too much without it.
  void judge_mask(const std::optional<ColumnType>& type, std::ptrdiff_t alone) {
    const bool together = problems_.begin() + alone != problems_.end();
    problems_.erase(problems_.begin() + alone, problems_.end());
    const bool plain =
        !type || *type == ColumnType(TargetType::kText) || *type == ColumnType(TargetType::kBigint);
    if (!together && plain) return;
    wrong("mask", "a mask makes it text or bigint, and no other type or policy goes with it");
  }

  const TypeKeys& keys_;
  std::vector<TypeProblem> problems_;
  // Of keys that are good by themselves; nothing: the key is not there, or is not.
  std::optional<ColumnType> type_;
  std::optional<SourceForm> form_;
  std::optional<std::string> format_;
  std::optional<std::string> zone_;  // an offset
  std::string nul_;                  // empty: not known; not there: "quarantine"
  std::string invalid_;
};

}  // namespace

ResolvedType resolve_type(const TypeKeys& keys) {
  return TypeReader(keys).run();
}

}  // namespace crossfade::schema
