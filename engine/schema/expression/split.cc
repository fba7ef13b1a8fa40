#include "engine/schema/expression/split.h"

#include <utility>

#include "engine/schema/expression/lexeme.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

class Splitter {
 public:
  Splitter(std::string_view sql, std::vector<Lexeme> lexemes)
      : sql_(sql), lexemes_(std::move(lexemes)) {}

  Outcome<CreateTableParts> table();
  Outcome<CreateIndexParts> index();

 private:
  [[nodiscard]] const Lexeme& at(size_t i) const {
    return lexemes_[i < lexemes_.size() ? i : lexemes_.size() - 1];
  }
  [[nodiscard]] bool word(size_t i, std::string_view text) const {
    return at(i).kind == LexemeKind::kWord && same_name(at(i).text, text);
  }
  [[nodiscard]] bool symbol(size_t i, std::string_view text) const {
    return at(i).kind == LexemeKind::kOperator && at(i).text == text;
  }
  [[nodiscard]] bool ended(size_t i) const { return at(i).kind == LexemeKind::kEnd; }
  // The ')' that closes the '(' at `open`, or the end.
  [[nodiscard]] size_t closing(size_t open) const;
  // The text of the lexemes [from, to).
  [[nodiscard]] std::string text(size_t from, size_t to) const;
  [[nodiscard]] bool begins_table_constraint(size_t i) const;
  [[nodiscard]] IndexKeyPart key(size_t from, size_t to) const;
  // One clause at `i` of a column (or of the table, when `column` is empty); the next place.
  size_t clause(size_t i, const std::string& column, std::string* constraint,
                CreateTableParts* out) const;
  [[nodiscard]] auto broken() const { return refuse(0, sql_.size(), "a parenthesis is missing"); }

  std::string_view sql_;
  std::vector<Lexeme> lexemes_;
};

size_t Splitter::closing(size_t open) const {
  int depth = 0;
  for (size_t i = open; !ended(i); ++i) {
    if (symbol(i, "(")) ++depth;
    if (symbol(i, ")") && --depth == 0) return i;
  }
  return lexemes_.size() - 1;
}

std::string Splitter::text(size_t from, size_t to) const {
  if (from >= to) return {};
  const Lexeme& last = at(to - 1);
  return std::string(
      sql_.substr(at(from).offset, last.offset + last.text.size() - at(from).offset));
}

bool Splitter::begins_table_constraint(size_t i) const {
  for (const char* each : {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}) {
    if (word(i, each)) return true;
  }
  return false;
}

size_t Splitter::clause(size_t i, const std::string& column, std::string* constraint,
                        CreateTableParts* out) const {
  if (word(i, "CONSTRAINT")) {
    *constraint = at(i + 1).meaning;
    return i + 2;
  }
  const bool opens = symbol(i + 1, "(");
  if (word(i, "CHECK") && opens) {
    const size_t end = closing(i + 1);
    out->checks.push_back({std::exchange(*constraint, {}), column, text(i + 2, end)});
    return end + 1;
  }
  if (word(i, "AS") && opens && !column.empty()) {
    const size_t end = closing(i + 1);
    out->generated.push_back({column, text(i + 2, end), word(end + 1, "STORED")});
    return end + 1;
  }
  if (word(i, "COLLATE") && !column.empty()) {
    out->collations.push_back({column, at(i + 1).meaning});
    return i + 2;
  }
  if (symbol(i, "(")) return closing(i) + 1;
  for (const char* each :
       {"PRIMARY", "UNIQUE", "NOT", "NULL", "DEFAULT", "REFERENCES", "FOREIGN"}) {
    if (word(i, each)) constraint->clear();
  }
  return i + 1;
}

Outcome<CreateTableParts> Splitter::table() {
  CreateTableParts out;
  size_t i = 0;
  while (!ended(i) && !symbol(i, "(")) ++i;
  const size_t end = closing(i);
  if (ended(end)) return broken();
  bool item = true;
  std::string column;
  std::string constraint;
  for (++i; i < end;) {
    if (symbol(i, ",")) {
      item = true;
      ++i;
      continue;
    }
    if (item) {
      item = false;
      constraint.clear();
      column = begins_table_constraint(i) ? "" : at(i).meaning;
      if (!column.empty()) {
        ++i;
        continue;
      }
    }
    i = clause(i, column, &constraint, &out);
  }
  return out;
}

IndexKeyPart Splitter::key(size_t from, size_t to) const {
  IndexKeyPart out;
  if (to > from && (word(to - 1, "ASC") || word(to - 1, "DESC"))) {
    out.descending = word(to - 1, "DESC");
    --to;
  }
  if (to > from + 2 && word(to - 2, "COLLATE")) {
    out.collation = ascii_upper(at(to - 1).meaning);
    to -= 2;
  }
  out.expression = text(from, to);
  return out;
}

Outcome<CreateIndexParts> Splitter::index() {
  CreateIndexParts out;
  size_t i = 0;
  for (; !ended(i) && !word(i, "ON"); ++i) {
    if (word(i, "UNIQUE")) out.unique = true;
  }
  if (i > 0) out.name = at(i - 1).meaning;
  out.table = at(i + 1).meaning;
  const size_t open = i + 2;
  const size_t end = closing(open);
  if (!symbol(open, "(") || ended(end)) return broken();
  size_t from = open + 1;
  for (i = from; i <= end; ++i) {
    if (symbol(i, "(")) {
      i = closing(i);
    }
    if (i != end && !symbol(i, ",")) continue;
    out.keys.push_back(key(from, i));
    from = i + 1;
  }
  if (word(end + 1, "WHERE")) {
    size_t last = lexemes_.size() - 1;
    if (symbol(last - 1, ";")) --last;
    out.where = text(end + 2, last);
  }
  return out;
}

}  // namespace

Outcome<CreateTableParts> split_create_table(std::string_view sql) {
  CROSSFADE_TRY(auto lexemes, lex(sql));
  return Splitter(sql, std::move(lexemes)).table();
}

Outcome<CreateIndexParts> split_create_index(std::string_view sql) {
  CROSSFADE_TRY(auto lexemes, lex(sql));
  return Splitter(sql, std::move(lexemes)).index();
}

}  // namespace crossfade::schema::expression
