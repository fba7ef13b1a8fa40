// Texts that expressions trip over: letters of both cases, wildcards, numbers, blanks.
#pragma once

#include <string>
#include <vector>

namespace crossfade::testing {

inline const std::vector<std::string> kExpressionTexts = {
    "",     "a",   "A",          "abc", "ABC", "aBc",    "É",     "éa",     "straße", "a%b",
    "a_b",  "[x]", "10",         "9",   " 5",  "1e3",    " lead", "trail ", "x\\y",   "日本語",
    "5abc", "-",   "2020-01-01", "no",  "YES", "abcabc", "a'b",   "0",      "1"};

}  // namespace crossfade::testing
