#include "engine/schema/search_notes.h"

#include <fmt/format.h>

#include "engine/postgres/quote.h"
#include "engine/schema/search_text.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"

namespace crossfade::schema {
namespace {

bool removes_diacritics(const FtsDeclaration& declared) {
  return declared.tokenizer == "unicode61" &&
         declared.tokenizer_words.find("remove_diacritics 0") == std::string::npos;
}

void note_tokenizer(const FtsDeclaration& declared, std::vector<std::string>* notes) {
  if (declared.tokenizer == "trigram") {
    notes->push_back(
        "a trigram MATCH of three letters or more is ILIKE (LIKE with case_sensitive 1)");
    return;
  }
  notes->push_back(
      "PostgreSQL's parser keeps addresses, paths and numbers with a sign or a point as one word"
      " (user@example.com, a/b, -1.5), where SQLite finds their parts");
  if (removes_diacritics(declared)) {
    notes->push_back(
        "SQLite finds letters with diacritics by plain ones too (caf\xC3\xA9 by cafe), and the"
        " target does not");
  }
  if (declared.porter) {
    notes->push_back(
        "the configuration english stems as porter does, nearly, and leaves out stop words"
        " (the, of, and), which SQLite finds");
  }
  const bool known = declared.tokenizer == "unicode61" || declared.tokenizer == "ascii" ||
                     declared.tokenizer == "simple";
  if (!known || declared.tokenizer_words.find("tokenchars") != std::string::npos ||
      declared.tokenizer_words.find("separators") != std::string::npos) {
    notes->push_back(
        fmt::format("the words are those of PostgreSQL's parser, not of {}",
                    printable(declared.tokenizer + (declared.tokenizer_words.empty() ? "" : " ") +
                              declared.tokenizer_words)));
  }
}

}  // namespace

std::string query_in_postgres(const FtsSource& source, const Table& table, const Search& search) {
  if (search.target_name.empty()) {
    return fmt::format(
        "write {0} MATCH 'abc' as column ILIKE '%abc%' on {1}: docs/full_text.md has the other"
        " queries",
        printable(source.table.name), printable(table.target_name));
  }
  const std::string column =
      postgres::quote(table.target_name) + "." + postgres::quote(search.target_name);
  const std::string query =
      fmt::format("websearch_to_tsquery('{}', 'a b')", text_configuration(source.declared));
  return fmt::format(
      "write {0} MATCH 'a b' as {1} @@ {2}, ORDER BY rank as ORDER BY ts_rank_cd({1}, {2}) DESC;"
      " docs/full_text.md has phrases, prefixes, NEAR, columns and snippets",
      printable(source.table.name), column, query);
}

std::vector<std::string> search_differences(const FtsSource& source, const TableEvidence& evidence,
                                            const Table& table,
                                            const std::vector<size_t>& columns) {
  std::vector<std::string> notes;
  if (source.rows >= 0 && source.rows != evidence.rows) {
    notes.push_back(
        fmt::format("{} rows are in the full-text table and {} in {}, all of which are searched on"
                    " the target",
                    source.rows, evidence.rows, printable(table.name)));
  }
  note_tokenizer(source.declared, &notes);
  if (source.declared.tokenizer == "trigram") return notes;
  const int64_t characters = searched_characters(columns.size());
  for (const size_t column : columns) {
    const size_t bytes = evidence.columns[column].text_bytes_max;
    if (static_cast<int64_t>(bytes) <= characters) continue;
    notes.push_back(fmt::format(
        "{} holds texts of up to {} bytes, and the first {} characters of each are searched",
        printable(table.columns[column].name), bytes, characters));
  }
  return notes;
}

std::string keep_rows_remedy(const std::string& virtual_table, const std::string& select_list) {
  return fmt::format(
      "put them in an ordinary table, CREATE TABLE {} AS SELECT {} FROM {}, and have the"
      " application write there; or leave them behind with the rule [tables.{}] exclude = true",
      sqlite::quote(virtual_table + "_rows"), select_list, sqlite::quote(virtual_table),
      sqlite::quote(virtual_table));
}

}  // namespace crossfade::schema
