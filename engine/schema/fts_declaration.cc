#include "engine/schema/fts_declaration.h"

#include <algorithm>
#include <utility>

#include "engine/schema/catalog.h"
#include "engine/schema/sql_lexer.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

using Argument = std::vector<Token>;

// Between the module's parentheses, split at the commas.
std::vector<Argument> module_arguments(const std::vector<Token>& tokens) {
  std::vector<Argument> out;
  size_t at = 0;
  while (at < tokens.size() && !is_word(tokens[at], "USING")) ++at;
  while (at < tokens.size() && !is_symbol(tokens[at], '(')) ++at;
  if (at == tokens.size()) return out;
  const size_t end = closing(tokens, at);
  out.emplace_back();
  for (++at; at < end; ++at) {
    if (is_symbol(tokens[at], ',')) {
      out.emplace_back();
    } else if (is_symbol(tokens[at], '(')) {
      at = closing(tokens, at);  // a type, VARCHAR(20)
    } else {
      out.back().push_back(tokens[at]);
    }
  }
  std::erase_if(out, [](const Argument& each) { return each.empty(); });
  return out;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  for (const Token& token : tokenize(text)) out.push_back(meaning(token));
  return out;
}

// "porter unicode61 remove_diacritics 2": FTS5 has them in one text, FTS4 as words of their own.
void read_tokenizer(const std::vector<std::string>& words, FtsDeclaration* out) {
  for (const std::string& word : words) {
    if (out->tokenizer_words.empty() && !out->porter && same_name(word, "porter")) {
      out->porter = true;
    } else if (out->tokenizer.empty()) {
      out->tokenizer = lower(word);
    } else {
      std::string plain = word;
      std::replace(plain.begin(), plain.end(), '=', ' ');
      out->tokenizer_words += (out->tokenizer_words.empty() ? "" : " ") + plain;
    }
  }
}

class FtsParser {
 public:
  explicit FtsParser(int version) { out_.version = version; }

  FtsDeclaration parse(const std::vector<Argument>& arguments) {
    for (const Argument& argument : arguments) {
      if (argument.size() >= 2 && is_symbol(argument[1], '=')) {
        option(lower(meaning(argument[0])), {argument.begin() + 2, argument.end()});
      } else if (out_.version != 5 && argument.size() >= 2 && is_word(argument[0], "TOKENIZE")) {
        option("tokenize", {argument.begin() + 1, argument.end()});
      } else {
        column(argument);
      }
    }
    for (FtsColumn& each : out_.columns) {
      const bool named =
          std::any_of(not_indexed_.begin(), not_indexed_.end(),
                      [&](const std::string& name) { return same_name(name, each.name); });
      if (named) each.indexed = false;
    }
    const bool of_another = out_.content && !out_.content->empty();
    if (out_.columns.empty() && !of_another) out_.columns.push_back({"content", true});
    if (out_.tokenizer.empty()) out_.tokenizer = out_.version == 5 ? "unicode61" : "simple";
    return std::move(out_);
  }

 private:
  void option(const std::string& key, const Argument& value) {
    const std::string text = value.empty() ? std::string() : meaning(value.front());
    if (key == "content") {
      out_.content = text;
    } else if (key == "tokenize") {
      std::vector<std::string> words;
      for (const Token& token : value) {
        if (out_.version == 5) {
          for (std::string& word : words_of(meaning(token))) words.push_back(std::move(word));
        } else {
          words.push_back(meaning(token));
        }
      }
      read_tokenizer(words, &out_);
    } else if (key == "notindexed") {
      not_indexed_.push_back(text);
    } else if (key == "languageid") {
      out_.language_id = text;
    } else if (key == "compress" || key == "uncompress") {
      out_.compressed = true;
    }
  }

  void column(const Argument& argument) {
    FtsColumn made;
    made.name = meaning(argument.front());
    made.indexed = out_.version != 5 ||
                   std::none_of(argument.begin() + 1, argument.end(),
                                [](const Token& token) { return is_word(token, "UNINDEXED"); });
    out_.columns.push_back(std::move(made));
  }

  FtsDeclaration out_;
  std::vector<std::string> not_indexed_;
};

}  // namespace

bool FtsDeclaration::is_rowid(std::string_view name) const {
  return same_name(name, "rowid") || same_name(name, "oid") || same_name(name, "_rowid_") ||
         (version != 5 && same_name(name, "docid"));
}

std::optional<FtsDeclaration> parse_fts(const VirtualTable& table) {
  for (const int version : {3, 4, 5}) {
    if (!same_name(table.module, "fts" + std::to_string(version))) continue;
    const std::vector<Token> tokens = tokenize(table.sql);
    return FtsParser(version).parse(module_arguments(tokens));
  }
  return std::nullopt;
}

}  // namespace crossfade::schema
