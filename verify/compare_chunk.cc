#include <algorithm>
#include <optional>
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
                                const SourceChunk& chunk, bool in_order = false) {
    std::string select = select_target(*chunk.table, schema) + where_in_range(chunk);
    if (in_order && chunk.by_range) select += order_by_key(*chunk.table);
    CROSSFADE_TRY(auto rows, TargetRows::open(target, select, *chunk.table));
    return ChunkRows(std::move(rows), chunk);
  }

  Result<bool> next() {
    while (true) {
      CROSSFADE_TRY(const bool found, rows_.next());
      if (!found || chunk_.by_range) return found;
      rows_.form().assign_key(&key_);
      if (!chunk_.after.empty() && key_ <= chunk_.after[0].blob()) continue;
      if (!chunk_.through.empty() && key_ > chunk_.through[0].blob()) continue;
      return true;
    }
  }
  [[nodiscard]] const RowForm& form() const { return rows_.form(); }
  // The row's, of a chunk that is not by range.
  [[nodiscard]] const std::string& key() const { return key_; }

 private:
  ChunkRows(TargetRows rows, const SourceChunk& chunk) : rows_(std::move(rows)), chunk_(chunk) {}

  TargetRows rows_;
  const SourceChunk& chunk_;
  std::string key_;
};

// The target's rows by SHA-256, against the source's, in the order of both.
class Proof {
 public:
  Proof(const SourceChunk& chunk, TableDigests* digests) : chunk_(chunk), digests_(digests) {
    digests_->by_key = chunk.by_range;
  }

  void meet(const ChunkRows& row) {
    Sha256Bytes sha256 = row.form().sha256(&hash_);
    if (chunk_.by_range) return pass(sha256);
    // More than the source has differ anyway, and there may be any number of them.
    if (unordered_.size() > chunk_.rows.size()) {
      digests_->target_whole = false;
      return;
    }
    unordered_.emplace_back(row.key(), sha256);
  }

  // Whether all were the same.
  [[nodiscard]] bool finish() {
    std::sort(unordered_.begin(), unordered_.end());
    for (const auto& [key, sha256] : unordered_) pass(sha256);
    for (const RowDigest& row : chunk_.rows) {
      if (row.representable) digests_->source.add(row.sha256);
    }
    return same_ && met_ == chunk_.rows.size();
  }

 private:
  void pass(const Sha256Bytes& sha256) {
    digests_->target.add(sha256);
    same_ = same_ && met_ < chunk_.rows.size() && chunk_.rows[met_].sha256 == sha256;
    ++met_;
  }

  const SourceChunk& chunk_;
  TableDigests* const digests_;
  Sha256 hash_;
  std::vector<std::pair<std::string, Sha256Bytes>> unordered_;
  size_t met_ = 0;
  bool same_ = true;
};

Error another_order(const Table& table) {
  Error error;
  error.op = "verify.sha256";
  error.object = table.name;
  error.native = "the two sides have the same rows, and in another order of their keys";
  error.hint =
      "this is a bug, please report it with the table's CREATE statement. `crossfade verify` "
      "without --digest sha256 does not look at the order";
  return error;
}

// Names what differs: streams the target once more and looks each row up among the source's, so
// that a target with any number of rows too many costs no memory.
Result<ChunkVerdict> name_differences(postgres::Connection& target, const std::string& schema,
                                      const SourceChunk& chunk, bool by_sha256,
                                      size_t samples_max) {
  ChunkVerdict verdict;
  verdict.samples_max = samples_max;
  Sha256 hash;
  KeyMatch match(*chunk.table, chunk.rows);
  CROSSFADE_TRY(auto rows, ChunkRows::open(target, schema, chunk));
  std::string key;
  while (true) {
    CROSSFADE_TRY(const bool found, rows.next());
    if (!found) break;
    rows.form().assign_key(&key);
    Sha256Bytes sha256{};
    if (by_sha256) sha256 = rows.form().sha256(&hash);
    match.meet(key, rows.form().digest(), &verdict, by_sha256 ? &sha256 : nullptr);
  }
  match.finish(&verdict);
  return verdict;
}

}  // namespace

Result<ChunkVerdict> compare_chunk(postgres::Connection& target, const std::string& target_schema,
                                   const SourceChunk& chunk, TableDigests* digests,
                                   size_t samples_max) {
  ChunkVerdict verdict;
  verdict.rows_source = static_cast<int64_t>(chunk.rows.size());
  Digest128 sum;
  std::optional<Proof> proof;
  if (digests != nullptr) proof.emplace(chunk, digests);
  CROSSFADE_TRY(auto rows, ChunkRows::open(target, target_schema, chunk, proof.has_value()));
  while (true) {
    CROSSFADE_TRY(const bool found, rows.next());
    if (!found) break;
    sum += rows.form().digest();
    if (proof) proof->meet(rows);
    ++verdict.rows_target;
  }
  // An unrepresentable row is in the count and not in the sum, so it never passes here.
  const bool equal = sum == chunk.sum && verdict.rows_target == verdict.rows_source;
  const bool proved = !proof || proof->finish();
  if (equal && proved) return verdict;
  CROSSFADE_TRY(verdict,
                name_differences(target, target_schema, chunk, proof.has_value(), samples_max));
  if (equal && verdict.equal()) return fail(another_order(*chunk.table));
  return verdict;
}

}  // namespace crossfade::verify
