// What the CREATE VIRTUAL TABLE of a full-text table says: FTS3, FTS4 and FTS5.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace crossfade::schema {

struct VirtualTable;

struct FtsColumn {
  std::string name;
  bool indexed = true;  // false: UNINDEXED, notindexed=
};

struct FtsDeclaration {
  int version = 5;                 // 3, 4 or 5
  std::vector<FtsColumn> columns;  // none: all that the table has that `content` names
  std::string tokenizer;           // "unicode61", lower case; what porter works on
  std::string tokenizer_words;     // its arguments, "remove_diacritics 2"
  bool porter = false;
  // The table that has the text. Empty: none has (contentless). Nothing: it has its own.
  std::optional<std::string> content;
  std::string language_id;  // FTS4's languageid=: the name of a number that each row has besides
  bool compressed = false;  // FTS4's compress=: only the application can read what is stored

  // The name of its rowid that FTS3 and FTS4 have besides.
  [[nodiscard]] bool is_rowid(std::string_view name) const;
};

// Nothing for a virtual table of another module.
[[nodiscard]] std::optional<FtsDeclaration> parse_fts(const VirtualTable& table);

}  // namespace crossfade::schema
