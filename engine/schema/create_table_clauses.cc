#include "engine/schema/create_table_clauses.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "engine/schema/sql_lexer.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

bool begins_table_constraint(const Token& token) {
  for (const char* word : {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}) {
    if (is_word(token, word)) return true;
  }
  return false;
}

bool begins_other_constraint(const Token& token) {
  for (const char* word : {"NOT", "NULL", "DEFAULT", "COLLATE", "GENERATED"}) {
    if (is_word(token, word)) return true;
  }
  return false;
}

std::string text_between(const Token& first, const Token& last) {
  const char* end = last.text.data() + last.text.size();
  return std::string(first.text.data(), static_cast<size_t>(end - first.text.data()));
}

// What each item of the list that opens at `open` begins with.
std::vector<std::string> listed_names(const std::vector<Token>& tokens, size_t open) {
  std::vector<std::string> out;
  const size_t end = closing(tokens, open);
  bool item_start = true;
  for (size_t i = open + 1; i < end; ++i) {
    if (item_start) out.push_back(meaning(tokens[i]));
    item_start = is_symbol(tokens[i], ',');
  }
  return out;
}

// Keys and foreign keys of a table's body, whose tokens it is shown in order.
class ConstraintReader {
 public:
  explicit ConstraintReader(CreateTableClauses* out) : out_(*out) {}

  // The index of the last token that it took. `column`: whose definition it is; empty: none's.
  size_t see(const std::vector<Token>& tokens, size_t i, size_t end, const std::string& column) {
    const bool more = i + 1 < end;
    if (more && is_word(tokens[i], "CONSTRAINT")) {
      name_ = meaning(tokens[++i]);
    } else if (more && is_word(tokens[i], "REFERENCES")) {
      out_.foreign_keys.push_back({std::exchange(name_, {}), meaning(tokens[++i]), false});
    } else if (is_word(tokens[i], "DEFERRABLE") && !out_.foreign_keys.empty()) {
      out_.foreign_keys.back().deferred = i + 2 < end && !is_word(tokens[i - 1], "NOT") &&
                                          is_word(tokens[i + 1], "INITIALLY") &&
                                          is_word(tokens[i + 2], "DEFERRED");
    } else if (is_word(tokens[i], "UNIQUE")) {
      add_key(tokens, i + 1, end, column, false);
    } else if (more && is_word(tokens[i], "PRIMARY")) {
      add_key(tokens, ++i + 1, end, column, true);
    } else if (begins_other_constraint(tokens[i])) {
      name_.clear();
    }
    return i;
  }

  void end_constraint() { name_.clear(); }

 private:
  void add_key(const std::vector<Token>& tokens, size_t open, size_t end, const std::string& column,
               bool primary) {
    KeyClause key{std::exchange(name_, {}), primary, {column}};
    if (column.empty() && open < end && is_symbol(tokens[open], '(')) {
      key.columns = listed_names(tokens, open);
    }
    out_.keys.push_back(std::move(key));
  }

  CreateTableClauses& out_;
  std::string name_;  // of the constraint that begins
};

}  // namespace

CreateTableClauses parse_clauses(const std::string& create_table_sql) {
  CreateTableClauses out;
  ConstraintReader constraints(&out);
  const std::vector<Token> tokens = tokenize(create_table_sql);
  size_t i = 0;
  while (i < tokens.size() && !is_symbol(tokens[i], '(')) ++i;
  const size_t body_end = i < tokens.size() ? closing(tokens, i) : i;
  std::string column;
  bool item_start = true;
  for (++i; i < body_end; ++i) {
    if (item_start) {
      column = begins_table_constraint(tokens[i]) ? std::string() : meaning(tokens[i]);
      item_start = false;
      constraints.end_constraint();
      if (!column.empty()) continue;
    }
    const bool opens = i + 1 < body_end && is_symbol(tokens[i + 1], '(');
    if (opens && (is_word(tokens[i], "CHECK") || is_word(tokens[i], "AS"))) {
      const size_t end = std::min(closing(tokens, i + 1), body_end - 1);
      auto& clauses = is_word(tokens[i], "CHECK") ? out.checks : out.generated;
      clauses.push_back(Clause{column, text_between(tokens[i], tokens[end])});
      constraints.end_constraint();
      i = end;
    } else if (is_symbol(tokens[i], '(')) {
      i = closing(tokens, i);
    } else if (is_symbol(tokens[i], ',')) {
      item_start = true;
    } else if (is_word(tokens[i], "ON") && i + 2 < body_end && is_word(tokens[i + 1], "CONFLICT")) {
      out.conflicts.push_back(Clause{column, text_between(tokens[i], tokens[i + 2])});
      i += 2;
    } else {
      i = constraints.see(tokens, i, body_end, column);
    }
  }
  return out;
}

// SQLite numbers them from the last to the first.
ForeignKeyClause foreign_key_clause(const Table& table, const ForeignKey& key) {
  std::vector<ForeignKeyClause> written = parse_clauses(table.source_sql).foreign_keys;
  const auto after = static_cast<size_t>(key.id);
  if (after >= written.size()) return {};
  ForeignKeyClause& clause = written[written.size() - 1 - after];
  return same_name(clause.parent_table, key.parent_table) ? std::move(clause) : ForeignKeyClause{};
}

std::string virtual_table_module(const std::string& create_sql) {
  const std::vector<Token> tokens = tokenize(create_sql);
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (is_word(tokens[i], "USING")) return meaning(tokens[i + 1]);
  }
  return {};
}

}  // namespace crossfade::schema
