// The few distinct short texts of a column, if they are few: booleans in words, enumerations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/schema/evidence_rows.h"

namespace crossfade::schema {

// One of the words, in any case, that say true or false.
[[nodiscard]] bool is_boolean_word(std::string_view text);

class WordEvidence {
 public:
  struct Word {
    std::string text;
    RowTally rows;
  };

  void add(std::string_view text, const Cell& cell);

  // No more than kWordsMax, or nothing once there were more, or a long one.
  [[nodiscard]] bool overflowed() const { return overflowed_; }
  [[nodiscard]] const std::vector<Word>& words() const { return words_; }

  // "yes/no" as written, when every word is one of a pair that means true and false.
  [[nodiscard]] std::optional<std::string> boolean_words() const;

 private:
  bool overflowed_ = false;
  size_t last_ = 0;
  std::vector<Word> words_;
};

}  // namespace crossfade::schema
