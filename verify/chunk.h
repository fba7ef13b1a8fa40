// One stretch of a table, compared at one position.
//
// The source side is read inside the read transaction that closed a batch; the target side after
// that batch was committed and before the next one. Both are then the same state, however busy the
// rows are, so every chunk gets a verdict.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/core/deadline.h"
#include "engine/core/digest.h"
#include "engine/core/limits.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/sha256.h"
#include "engine/core/strong.h"
#include "engine/core/value.h"
#include "verify/table_digests.h"

namespace crossfade::sqlite {
class Connection;
}
namespace crossfade::postgres {
class Connection;
}

namespace crossfade::verify {

struct RowDigest {
  std::string key;            // canonical form of the key columns
  Digest128 digest;           // of the canonical form of the whole row
  Sha256Bytes sha256{};       // of the same, where it is asked for
  bool representable = true;  // false: the source's row cannot be on the target (quarantine)
  // For people, filled for unrepresentable rows only: "id=42 (cannot be represented: qty holds
  // 'x')".
  std::string key_literal;
};

struct SourceChunk {
  std::shared_ptr<const Table> table;
  Row after;             // exclusive lower bound of the key; empty: from the start
  Row through;           // inclusive upper bound; empty: to the end of the table
  bool last = false;     // nothing lies beyond it
  bool by_range = true;  // false: the whole table, because the two sides order its keys differently
  std::vector<RowDigest> rows;
  Digest128 sum;
};

// The dirty set's form: the rows of given keys, present or absent.
struct SourceKeys {
  std::shared_ptr<const Table> table;
  std::vector<Row> keys;         // key columns only, in Table::key order
  std::vector<RowDigest> found;  // those that exist; a key given twice may be here twice
};

struct Difference {
  enum class Kind : uint8_t { kMissing, kExtra, kChanged };  // as seen from the target
  Kind kind = Kind::kMissing;
  std::string key;  // "id=42" or "(a, b)=(1, 'x')"
};

struct ChunkVerdict {
  int64_t rows_source = 0;
  int64_t rows_target = 0;
  int64_t missing = 0;
  int64_t extra = 0;
  int64_t changed = 0;
  int64_t left_out = 0;             // by leave_out(), set by the caller; not in rows_source
  std::vector<Difference> samples;  // at most samples_max of each kind
  size_t samples_max = limits::kSamplesMax;

  [[nodiscard]] bool equal() const { return missing == 0 && extra == 0 && changed == 0; }
  void merge(const ChunkVerdict& other);
};

// Of one row that differs, and of none that was looked at.
[[nodiscard]] ChunkVerdict verdict_of(const Difference& difference);

// Whether SQLite and PostgreSQL (COLLATE "C") put this table's keys in the same order.
[[nodiscard]] bool comparable_by_range(const Table& table, bool utf8_source);

// Reads the chunk that begins after `after` (empty: the first; else the last chunk's `through`), at
// most `rows_max` rows, ending early (with at least one row) when `deadline` passes. Rows whose key
// the target cannot hold never end a chunk, so it is longer by as many as stand at its end.
// Call inside a read transaction.
// A table that is not comparable by range comes whole, whatever `rows_max` and `deadline`. Beyond
// limits::kVerifyUnorderedRowsMax rows it comes in chunks of that many, in the order of their
// canonical keys, each from a scan of the whole table on both sides: memory stays bounded, and time
// grows with the square of the rows.
// kSha256: rows have that digest too, and stand in the order that their table's is made in.
Result<SourceChunk> read_source_chunk(sqlite::Connection& source,
                                      const std::shared_ptr<const Table>& table, const Row& after,
                                      int64_t rows_max, Deadline deadline, bool utf8_source,
                                      DigestKind digest = DigestKind::kXxh3);

Result<SourceKeys> read_source_keys(sqlite::Connection& source,
                                    const std::shared_ptr<const Table>& table,
                                    std::vector<Row> keys);

// Canonical forms of keys, as RowDigest::key has them.
using KeySet = std::unordered_set<std::string>;

// A key of the source as its RowDigest has it, whether or not the target can hold it.
[[nodiscard]] std::string key_form(const Table& table, const Row& key);

// Takes the source's rows of these keys out of the comparison: somebody accepted that the target
// does not have them. One that is there all the same is then extra. Returns how many it took.
int64_t leave_out(const KeySet& keys, SourceChunk* chunk);
int64_t leave_out(const KeySet& keys, SourceKeys* keys_found);

// Reads the same stretch from the target, as COPY BINARY, and compares: first by sum and count;
// only when these differ, once more by key. Names at most `samples_max` differing keys of each
// kind; the counts are exact. A row the target cannot hold is missing, or changed if an older
// version of it is there. After an error the connection can be used again unless it is lost.
// With `digests`, rows are the same only if their SHA-256 are, and the chunk, which was read for
// kSha256, is added to both; after an error they are of no use.
Result<ChunkVerdict> compare_chunk(postgres::Connection& target, const std::string& target_schema,
                                   const SourceChunk& chunk, TableDigests* digests = nullptr,
                                   size_t samples_max = limits::kSamplesMax);

Result<ChunkVerdict> compare_keys(postgres::Connection& target, const std::string& target_schema,
                                  const SourceKeys& keys, size_t samples_max = limits::kSamplesMax);

}  // namespace crossfade::verify
