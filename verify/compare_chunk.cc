#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/limits.h"
#include "engine/postgres/connection.h"
#include "verify/chunk.h"
#include "verify/key_match.h"
#include "verify/target_keys.h"
#include "verify/target_rows.h"
#include "verify/verdict.h"

namespace crossfade::verify {
namespace {

// The target's rows that belong to a chunk, those of an unordered chunk picked by canonical key.
class ChunkRows {
 public:
  static Result<ChunkRows> open(postgres::Connection& target, const std::string& schema,
                                const SourceChunk& chunk) {
    const std::string select = select_target(*chunk.table, schema) + where_in_range(chunk);
    CROSSFADE_TRY(auto rows, TargetRows::open(target, select, *chunk.table));
    return ChunkRows(std::move(rows), chunk);
  }

  Result<bool> next() {
    while (true) {
      CROSSFADE_TRY(const bool found, rows_.next());
      if (!found || !picks_) return found;
      rows_.form().assign_key(&key_);
      if (!chunk_.after.empty() && key_ <= chunk_.after[0].blob()) continue;
      if (!chunk_.through.empty() && key_ > chunk_.through[0].blob()) continue;
      return true;
    }
  }
  [[nodiscard]] const RowForm& form() const { return rows_.form(); }

 private:
  ChunkRows(TargetRows rows, const SourceChunk& chunk)
      : rows_(std::move(rows)),
        chunk_(chunk),
        picks_(!chunk.by_range && !(chunk.after.empty() && chunk.through.empty())) {}

  TargetRows rows_;
  const SourceChunk& chunk_;
  const bool picks_;
  std::string key_;
};

// Names what differs: streams the target once more and looks each row up among the source's, so
// that a target with any number of rows too many costs no memory.
Result<ChunkVerdict> name_differences(postgres::Connection& target, const std::string& schema,
                                      const SourceChunk& chunk) {
  ChunkVerdict verdict;
  KeyMatch match(*chunk.table, chunk.rows);
  CROSSFADE_TRY(auto rows, ChunkRows::open(target, schema, chunk));
  std::string key;
  while (true) {
    CROSSFADE_TRY(const bool found, rows.next());
    if (!found) break;
    rows.form().assign_key(&key);
    match.meet(key, rows.form().digest(), &verdict);
  }
  match.finish(&verdict);
  return verdict;
}

}  // namespace

Result<ChunkVerdict> compare_chunk(postgres::Connection& target, const std::string& target_schema,
                                   const SourceChunk& chunk) {
  ChunkVerdict verdict;
  verdict.rows_source = static_cast<int64_t>(chunk.rows.size());
  Digest128 sum;
  CROSSFADE_TRY(auto rows, ChunkRows::open(target, target_schema, chunk));
  while (true) {
    CROSSFADE_TRY(const bool found, rows.next());
    if (!found) break;
    sum += rows.form().digest();
    ++verdict.rows_target;
  }
  // An unrepresentable row is in the count and not in the sum, so it never passes here.
  if (sum == chunk.sum && verdict.rows_target == verdict.rows_source) return verdict;
  return name_differences(target, target_schema, chunk);
}

}  // namespace crossfade::verify
