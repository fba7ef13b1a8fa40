// What the engine writes into crossfade.probe while both sides are written to: the marks by which
// the stream tells its transactions from the application's, and which keys they settled without a
// row of theirs to show for it. No I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/run/dual_ledger.h"

namespace crossfade::run {

[[nodiscard]] std::string own_mark(std::string_view name);
[[nodiscard]] bool is_own_mark(std::string_view nonce);

[[nodiscard]] std::string settled_mark(const std::vector<KeyId>& keys);
// Adds the keys to `keys`, if it is such a mark.
bool parse_settled_mark(std::string_view nonce, std::vector<KeyId>* keys);

}  // namespace crossfade::run
