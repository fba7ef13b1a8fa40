// Reads a text as JSON, strictly as PostgreSQL's json does, and tells how it differs from what
// jsonb would write back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "engine/schema/evidence_rows.h"

namespace crossfade::schema {

struct JsonText {
  bool valid = false;
  bool document = false;  // an object or an array
  bool normal = false;    // jsonb writes the same bytes back
  bool telling = false;   // an object or array with two members: its spelling tells the writer's
  bool duplicate_keys = false;
  bool nul_escape = false;  // \u0000, which json keeps and jsonb refuses
};

// Reusable; one text at a time. Deeper nesting than kDepthMax is not valid here: PostgreSQL's own
// bound depends on its stack.
class JsonReader {
 public:
  static constexpr int kDepthMax = 256;

  // `text` is valid UTF-8.
  JsonText read(std::string_view text);
  // Comments, single quotes, trailing commas, bare keys, hex numbers and so on are let pass.
  bool is_json5(std::string_view text);

 private:
  struct Key {
    std::string_view raw;
    bool escaped;
  };

  bool read_all(std::string_view text);
  bool read_value();
  bool read_object();
  bool read_member();
  bool read_array();
  bool read_string(char quote, std::string_view* raw, bool* escaped);
  bool read_escape();
  bool read_unicode_escape();
  bool read_number();
  bool read_json5_number();
  bool read_digits();
  bool read_word(std::string_view word);
  bool read_bare_key();
  bool skip_comment();
  // Spaces there are none of in jsonb's spelling, or exactly one.
  void skip_spaces(bool one_expected);
  void find_duplicates(size_t first_key);

  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  bool lenient_ = false;
  JsonText out_;
  std::vector<Key> keys_;            // of all objects that are open
  std::deque<std::string> decoded_;  // keys with escapes
  std::vector<std::string_view> sorted_;
};

// What one column holds.
class JsonEvidence {
 public:
  // `stubborn`: the column is declared JSON, so its values are read to the end.
  // `broken`: the text holds NULs or is not UTF-8.
  void add(std::string_view text, bool broken, const Cell& cell, bool stubborn, JsonReader* reader);

  int64_t documents = 0;
  int64_t scalars = 0;  // valid, but neither object nor array
  int64_t normal = 0;
  int64_t telling = 0;
  RowTally duplicate_keys;
  RowTally nul_escapes;
  RowTally json5;
  RowTally invalid;
  bool abandoned = false;
};

}  // namespace crossfade::schema
