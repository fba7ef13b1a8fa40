#include "engine/schema/fts_trigger.h"

#include <algorithm>
#include <utility>

#include "engine/schema/fts_declaration.h"
#include "engine/schema/sql_lexer.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

using Tokens = std::vector<Token>;

bool is_name(const Token& token) {
  return token.kind == TokenKind::kWord || token.kind == TokenKind::kQuoted ||
         token.kind == TokenKind::kString;
}

// The statements between BEGIN and END.
std::vector<Tokens> trigger_body(const Tokens& tokens) {
  std::vector<Tokens> out;
  size_t at = 0;
  while (at < tokens.size() && !is_word(tokens[at], "BEGIN")) ++at;
  size_t end = tokens.size();
  while (end > at && !is_word(tokens[end - 1], "END")) --end;
  if (end == at) return out;
  out.emplace_back();
  for (++at; at + 1 < end; ++at) {
    if (is_symbol(tokens[at], ';')) {
      out.emplace_back();
    } else {
      out.back().push_back(tokens[at]);
    }
  }
  std::erase_if(out, [](const Tokens& each) { return each.empty(); });
  return out;
}

// Where the name of the table stands that the statement writes; its size: it is no write.
size_t written_at(const Tokens& statement) {
  size_t at = 1;
  if (statement.size() > 2 && is_word(statement[1], "OR")) at = 3;
  const bool into = is_word(statement[0], "INSERT") || is_word(statement[0], "REPLACE");
  if (into && at < statement.size() && is_word(statement[at], "INTO")) return at + 1;
  if (is_word(statement[0], "DELETE") && at < statement.size() && is_word(statement[at], "FROM")) {
    return at + 1;
  }
  return is_word(statement[0], "UPDATE") ? at : statement.size();
}

std::string text_of(const Tokens& tokens, size_t first, size_t end) {
  if (first >= end) return {};
  const char* const begin = tokens[first].text.data();
  const std::string_view last = tokens[end - 1].text;
  return {begin, static_cast<size_t>(last.data() + last.size() - begin)};
}

// "new.title" is title.
std::string new_column(const Tokens& tokens, size_t first, size_t end) {
  const bool plain = end == first + 3 && same_name(meaning(tokens[first]), "new") &&
                     is_symbol(tokens[first + 1], '.') && is_name(tokens[first + 2]);
  return plain ? meaning(tokens[first + 2]) : std::string();
}

// The expressions between the parenthesis at `open` and its closing one.
std::vector<FtsValue> list_at(const Tokens& tokens, size_t open) {
  std::vector<FtsValue> out;
  const size_t end = closing(tokens, open);
  size_t first = open + 1;
  for (size_t at = first; at <= end && at < tokens.size(); ++at) {
    if (at < end && is_symbol(tokens[at], '(')) {
      at = closing(tokens, at);
    } else if (at == end || is_symbol(tokens[at], ',')) {
      out.push_back({"", text_of(tokens, first, at), new_column(tokens, first, at)});
      first = at + 1;
    }
  }
  return out;
}

std::optional<std::vector<FtsValue>> insert_of(const Tokens& statement, const std::string& fts,
                                               const FtsDeclaration& declared) {
  size_t at = written_at(statement);
  if (at >= statement.size() || is_word(statement[0], "UPDATE") ||
      is_word(statement[0], "DELETE") || !same_name(meaning(statement[at]), fts)) {
    return std::nullopt;
  }
  std::vector<std::string> fields;
  if (++at < statement.size() && is_symbol(statement[at], '(')) {
    const size_t end = closing(statement, at);
    for (++at; at < end; ++at) {
      if (is_name(statement[at])) fields.push_back(meaning(statement[at]));
    }
    ++at;
  } else {
    for (const FtsColumn& column : declared.columns) fields.push_back(column.name);
  }
  if (at + 1 >= statement.size() || !is_word(statement[at], "VALUES")) return std::nullopt;
  std::vector<FtsValue> values = list_at(statement, at + 1);
  if (closing(statement, at + 1) + 1 != statement.size() || values.size() != fields.size()) {
    return std::nullopt;
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    // A field of the table's own name is a command: VALUES ('delete', ...).
    if (same_name(fields[i], fts)) return std::nullopt;
    values[i].field = declared.is_rowid(fields[i]) ? "rowid" : fields[i];
    if (mentions(values[i].expression, "old")) return std::nullopt;
  }
  return values;
}

}  // namespace

bool mentions(const std::string& trigger_sql, const std::string& name) {
  const Tokens tokens = tokenize(trigger_sql);
  return std::any_of(tokens.begin(), tokens.end(), [&](const Token& token) {
    return is_name(token) && same_name(meaning(token), name);
  });
}

std::optional<std::vector<FtsValue>> inserted_values(const std::string& trigger_sql,
                                                     const std::string& fts,
                                                     const FtsDeclaration& declared) {
  for (const Tokens& statement : trigger_body(tokenize(trigger_sql))) {
    if (auto values = insert_of(statement, fts, declared)) return values;
  }
  return std::nullopt;
}

std::optional<std::vector<std::string>> tables_written(const std::string& trigger_sql) {
  const std::vector<Tokens> body = trigger_body(tokenize(trigger_sql));
  std::vector<std::string> out;
  for (const Tokens& statement : body) {
    const size_t at = written_at(statement);
    if (at >= statement.size()) return std::nullopt;
    out.push_back(meaning(statement[at]));
  }
  if (out.empty()) return std::nullopt;
  return out;
}

}  // namespace crossfade::schema
