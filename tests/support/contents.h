// What a SQLite file holds, for comparisons of a file with itself at another time.
#pragma once

#include <string>

namespace crossfade::testing {

// Every row of every ordinary table of the application's: class and bytes of each value, the rows
// sorted. Texts keep what follows a NUL.
[[nodiscard]] std::string contents(const std::string& path);

}  // namespace crossfade::testing
