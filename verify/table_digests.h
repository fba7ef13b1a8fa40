// What a comparison leaves behind as proof: one SHA-256 of all rows of a table, for either side.
//
// A row's digest is the SHA-256 of its canonical form (verify/canonical.h), and a table's that of
// its rows' digests one after the other, in the order of its key; where the two sides order the key
// differently, in that of the key's canonical form. Whoever has the SQLite file can make it again
// with tools of their own: docs/verification.md has a program that does.
#pragma once

#include <cstdint>

#include "engine/core/sha256.h"

namespace crossfade::verify {

// kXxh3 is against accidents, and fast. kSha256 is made beside it, and is against forgers, too.
enum class DigestKind : uint8_t { kXxh3, kSha256 };

// Of the rows so far. A chunk goes into a copy, which is kept once the chunk has its verdict.
struct TableDigests {
  Sha256 source;  // without rows that cannot be on the target
  Sha256 target;
  bool by_key = true;        // false: in the order of canonical keys
  bool target_whole = true;  // false: it had too many rows that are to be sorted here
};

}  // namespace crossfade::verify
