#include "engine/schema/evidence_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

constexpr size_t kWordsMax = 12;
constexpr size_t kWordBytesMax = 32;

using Pair = std::pair<std::string_view, std::string_view>;
constexpr std::array<Pair, 5> kPairs{
    {{"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"on", "off"}}};

std::string capitalised(std::string_view word) {
  std::string out(word);
  out[0] = ascii_upper(out)[0];
  return out;
}

}  // namespace

bool is_boolean_word(std::string_view text) {
  return std::any_of(kPairs.begin(), kPairs.end(), [text](const Pair& pair) {
    return same_name(text, pair.first) || same_name(text, pair.second);
  });
}

void WordEvidence::add(std::string_view text, const Cell& cell) {
  if (overflowed_) return;
  if (last_ >= words_.size() || words_[last_].text != text) {
    const auto at = std::find_if(words_.begin(), words_.end(),
                                 [text](const Word& word) { return word.text == text; });
    last_ = static_cast<size_t>(at - words_.begin());
    if (at == words_.end()) {
      if (words_.size() == kWordsMax || text.size() > kWordBytesMax) {
        overflowed_ = true;
        return;
      }
      words_.push_back(Word{std::string(text), {}});
    }
  }
  cell.tally(&words_[last_].rows, 3);
}

std::optional<std::string> WordEvidence::boolean_words() const {
  if (overflowed_ || words_.empty() || words_.size() > 2) return std::nullopt;
  const auto all_of = [this](const std::string& yes, const std::string& no) {
    return std::all_of(words_.begin(), words_.end(),
                       [&](const Word& word) { return word.text == yes || word.text == no; });
  };
  for (const auto& [yes, no] : kPairs) {
    for (const auto& [a, b] : std::array<std::pair<std::string, std::string>, 3>{
             {{std::string(yes), std::string(no)},
              {ascii_upper(yes), ascii_upper(no)},
              {capitalised(yes), capitalised(no)}}}) {
      if (all_of(a, b)) return fmt::format("{}/{}", a, b);
    }
  }
  return std::nullopt;
}

}  // namespace crossfade::schema
