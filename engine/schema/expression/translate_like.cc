// LIKE folds ASCII letters only, as ILIKE does under COLLATE "C". GLOB becomes LIKE or a regular
// expression.
#include <fmt/core.h>

#include <cctype>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/expression/translator.h"

namespace crossfade::schema::expression {
namespace {

bool has_letter(const std::string& text) {
  for (const char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  }
  return false;
}

// SQLite's LIKE pattern in PostgreSQL's, whose escape is a backslash. Nothing: it ends in its
// escape character, so that SQLite matches nothing.
std::optional<std::string> like_of(const std::string& pattern, const std::string& escape) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const bool escaped = !escape.empty() && pattern.compare(i, escape.size(), escape) == 0;
    if (escaped) {
      i += escape.size();
      if (i >= pattern.size()) return std::nullopt;
    }
    const char c = pattern[i];
    if (c == '\\' || (escaped && (c == '%' || c == '_'))) out += '\\';
    out += c;
  }
  return out;
}

// "[a-c]" of a GLOB, from behind the '['; moves *at behind the ']'. Nothing: it is not closed, or
// has a range that runs backwards.
std::optional<std::string> bracket_of(const std::string& glob, size_t* at) {
  std::string out = "[";
  size_t i = *at;
  if (i < glob.size() && glob[i] == '^') {
    out += '^';
    ++i;
  }
  const size_t first = i;
  const auto member = [&](char c) {
    if (std::string_view("]\\[^-").find(c) != std::string_view::npos) out += '\\';
    out += c;
  };
  for (; i < glob.size() && (glob[i] != ']' || i == first); ++i) {
    if (static_cast<unsigned char>(glob[i]) >= 0x80) return std::nullopt;
    // A ']' that comes first begins no range.
    const bool range =
        glob[i] != ']' && i + 2 < glob.size() && glob[i + 1] == '-' && glob[i + 2] != ']';
    member(glob[i]);
    if (!range) continue;
    if (static_cast<unsigned char>(glob[i + 2]) >= 0x80 || glob[i + 2] < glob[i]) {
      return std::nullopt;
    }
    out += '-';
    member(glob[i + 2]);
    i += 2;
  }
  if (i >= glob.size()) return std::nullopt;
  *at = i + 1;
  return out + "]";
}

std::optional<std::string> regex_of(const std::string& glob) {
  std::string out = "^";
  for (size_t i = 0; i < glob.size();) {
    const char c = glob[i++];
    if (c == '*') {
      out += ".*";
    } else if (c == '?') {
      out += '.';
    } else if (c == '[') {
      const auto bracket = bracket_of(glob, &i);
      if (!bracket) return std::nullopt;
      out += *bracket;
    } else {
      if (std::ispunct(static_cast<unsigned char>(c)) != 0) out += '\\';
      out += c;
    }
  }
  return out + "$";
}

}  // namespace

Outcome<Operand> Translator::like(const Expr& expr) {
  if (expr.text == "REGEXP" || expr.text == "MATCH") {
    return no(expr, expr.text + " calls a function of the application or of a virtual table");
  }
  CROSSFADE_TRY(auto left, translate(*expr.children[0]));
  CROSSFADE_TRY(auto text, as_text(*expr.children[0], std::move(left)));
  CROSSFADE_TRY(auto right, translate(*expr.children[1]));
  CROSSFADE_TRY(auto pattern, as_text(*expr.children[1], std::move(right)));
  if (text.kind == Kind::kNull || pattern.kind == Kind::kNull) return constant(expr, Value());
  if (expr.text != "LIKE" && expr.children.size() > 2) {
    return no(expr, "SQLite's GLOB has no ESCAPE");
  }
  std::string call = fmt::format("?1 {}{} ?2", expr.negated ? "NOT " : "", expr.text);
  std::vector<Operand> operands = {text, pattern};
  if (expr.children.size() > 2) {
    CROSSFADE_TRY(auto escape, translate(*expr.children[2]));
    operands.push_back(std::move(escape));
    call += " ESCAPE ?3";
  }
  CROSSFADE_TRY(auto settled, settled_by_constants(expr, call, operands));
  if (settled) return *std::move(settled);
  if (expr.text == "LIKE") return like_pattern(expr, text, pattern);
  if (!pattern.constant) return no(*expr.children[1], "GLOB is translated for constant patterns");
  return glob(expr, text, pattern.constant->text());
}

Outcome<Operand> Translator::like_pattern(const Expr& expr, const Operand& text,
                                          const Operand& pattern) {
  Operand out;
  out.kind = Kind::kBoolean;
  out.type = TargetType::kBoolean;
  out.tightness = Tightness::kIn;
  out.not_null = text.not_null && pattern.not_null;
  out.stable = text.stable || pattern.stable;
  const std::string negation = expr.negated ? "NOT " : "";
  if (!pattern.constant) {
    if (expr.children.size() > 2) {
      return no(expr, "ESCAPE is translated for constant patterns");
    }
    out.sql = fmt::format("{} COLLATE \"C\" {}ILIKE {} ESCAPE ''", within(text, Tightness::kAt),
                          negation, within(pattern, Tightness::kOther));
    return out;
  }
  std::string escape;
  if (expr.children.size() > 2) {
    CROSSFADE_TRY(auto character, translate(*expr.children[2]));
    if (!character.constant || character.kind != Kind::kText) {
      return no(*expr.children[2], "ESCAPE must be a constant");
    }
    escape = character.constant->text();
    if (escape.empty() || (static_cast<unsigned char>(escape[0]) < 0x80 && escape.size() != 1)) {
      return no(*expr.children[2], "ESCAPE must be one character");
    }
  }
  const auto translated = like_of(pattern.constant->text(), escape);
  if (!translated) return no(*expr.children[1], "the pattern ends in its escape character");
  const bool fold = has_letter(*translated);
  out.sql = fmt::format(
      "{} {}{} {}",
      fold ? within(text, Tightness::kAt) + " COLLATE \"C\"" : within(text, Tightness::kOther),
      negation, fold ? "ILIKE" : "LIKE", postgres::quote_literal(*translated));
  return out;
}

Outcome<Operand> Translator::glob(const Expr& expr, const Operand& text,
                                  const std::string& pattern) {
  Operand out;
  out.kind = Kind::kBoolean;
  out.type = TargetType::kBoolean;
  out.not_null = text.not_null;
  out.stable = text.stable;
  if (pattern.find('[') == std::string::npos) {
    std::string like;
    for (const char c : pattern) {
      if (c == '%' || c == '_' || c == '\\') like += '\\';
      like += c == '*' ? '%' : c == '?' ? '_' : c;
    }
    out.sql = fmt::format("{} {}LIKE {}", within(text, Tightness::kOther),
                          expr.negated ? "NOT " : "", postgres::quote_literal(like));
    out.tightness = Tightness::kIn;
    return out;
  }
  const auto regex = regex_of(pattern);
  if (!regex) {
    return no(*expr.children[1],
              "its [...] is not closed, runs backwards or holds letters beyond ASCII");
  }
  out.sql = fmt::format("{} COLLATE \"C\" {} {}", within(text, Tightness::kAt),
                        expr.negated ? "!~" : "~", postgres::quote_literal(*regex));
  out.tightness = Tightness::kOther;
  return out;
}

}  // namespace crossfade::schema::expression
