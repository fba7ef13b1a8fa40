#include "verify/source_chunk.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "engine/core/limits.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"
#include "verify/source_rows.h"
#include "verify/time_form.h"

namespace crossfade::verify {
namespace {

constexpr size_t kDeadlineEveryRows = 64;  // a look at the clock costs about as much as a column

bool by_key(const RowDigest& a, const RowDigest& b) {
  return a.key < b.key;
}

void add_sums(SourceChunk* chunk) {
  for (const RowDigest& row : chunk->rows) {
    if (row.representable) chunk->sum += row.digest;
  }
}

// Texts and their meaning sort alike.
bool words_in_order(const std::string& words) {
  const size_t slash = words.find('/');
  return slash != std::string::npos && words.substr(slash + 1) < words.substr(0, slash);
}

bool same_order_of_text(const ColumnType& type) {
  if (type.form == SourceForm::kWords) return words_in_order(type.words);
  if (type.form == SourceForm::kPattern) return text_sorts_by_time(type);
  return true;  // UUIDs, whose digits sort as their bytes do
}

bool same_order(const Column& column, bool utf8_source) {
  const bool bytes_compared = utf8_source && column.collation == "BINARY";
  const bool is_text =
      column.type.form == SourceForm::kWords || column.type.form == SourceForm::kPattern ||
      column.type.form == SourceForm::kUuidLower || column.type.form == SourceForm::kUuidUpper ||
      column.type.form == SourceForm::kUuidHex;
  if (is_text && !(bytes_compared && same_order_of_text(column.type))) return false;
  switch (column.type.base) {
    case TargetType::kBoolean:
    case TargetType::kBigint:
    case TargetType::kDouble:
    case TargetType::kBytea:
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate:
    case TargetType::kUuid:
      return true;
    // Both compare bytes, but SQLite compares those of its own encoding.
    case TargetType::kText:
      return bytes_compared;
    // SQLite compares a REAL exactly, PostgreSQL by the shortest digits it was written with: beyond
    // 2^53 an INTEGER between the two sorts differently.
    case TargetType::kNumeric:
    case TargetType::kVariant:
    // jsonb compares what the text says; the others are no keys.
    case TargetType::kJson:
    case TargetType::kJsonb:
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
      return false;
  }
  return false;
}

}  // namespace

bool comparable_by_range(const Table& table, bool utf8_source) {
  return std::all_of(table.key.begin(), table.key.end(),
                     [&](size_t column) { return same_order(table.columns[column], utf8_source); });
}

Result<SourceChunk> read_unordered_chunk(sqlite::Connection& source,
                                         const std::shared_ptr<const Table>& table,
                                         const Row& after, size_t rows_max, DigestKind digest) {
  SourceChunk chunk;
  chunk.table = table;
  chunk.after = after;
  chunk.by_range = false;
  chunk.last = true;
  const std::string above = after.empty() ? std::string() : after[0].blob();
  std::optional<std::string> below;  // keys from here on are for a later chunk
  const auto keep_smallest = [&] {
    const auto cut = chunk.rows.begin() + static_cast<std::ptrdiff_t>(rows_max);
    std::nth_element(chunk.rows.begin(), cut, chunk.rows.end(), by_key);
    below = cut->key;
    // Strictly below: rows whose keys have one form (2^60 as INTEGER and near it as REAL, in a
    // numeric column) stay together.
    std::erase_if(chunk.rows, [&](const RowDigest& row) { return row.key >= *below; });
    chunk.last = false;
  };
  CROSSFADE_TRY(auto statement, sqlite::Statement::prepare(source, select_source(*table)));
  SourceDigester digester(*table, digest);
  while (true) {
    CROSSFADE_TRY(const bool found, statement.step());
    if (!found) break;
    RowDigest row = digester.digest(statement);
    if (!after.empty() && row.key <= above) continue;
    if (below && row.key >= *below) continue;
    chunk.rows.push_back(std::move(row));
    if (chunk.rows.size() > rows_max + rows_max / 4) keep_smallest();
  }
  if (chunk.rows.size() > rows_max) keep_smallest();
  if (!chunk.last) {
    const auto largest = std::max_element(chunk.rows.begin(), chunk.rows.end(), by_key);
    chunk.through = {Value(Blob{largest->key})};
  }
  if (digest == DigestKind::kSha256) {
    std::sort(chunk.rows.begin(), chunk.rows.end(), [](const RowDigest& a, const RowDigest& b) {
      return std::tie(a.key, a.sha256) < std::tie(b.key, b.sha256);
    });
  }
  add_sums(&chunk);
  return chunk;
}

Result<SourceChunk> read_source_chunk(sqlite::Connection& source,
                                      const std::shared_ptr<const Table>& table, const Row& after,
                                      int64_t rows_max, Deadline deadline, bool utf8_source,
                                      DigestKind digest) {
  if (!comparable_by_range(*table, utf8_source)) {
    return read_unordered_chunk(source, table, after, limits::kVerifyUnorderedRowsMax, digest);
  }
  SourceChunk chunk;
  chunk.table = table;
  chunk.after = after;
  chunk.rows.reserve(static_cast<size_t>(std::min(rows_max, limits::kVerifyChunkRows)));
  KeyOrderCursor cursor(source, *table, after);
  SourceDigester digester(*table, digest);
  bool full = false;
  bool late = false;
  while (true) {
    CROSSFADE_TRY(const bool found, cursor.next());
    if (!found) {
      chunk.through.clear();
      chunk.last = true;
      break;
    }
    if (full) break;
    chunk.rows.push_back(digester.digest(cursor.statement()));
    const size_t rows = chunk.rows.size();
    if (rows % kDeadlineEveryRows == 1) late = late || deadline.expired();
    // Only a key that the target can hold can bound a range there; the others are quarantined, few,
    // and taken along.
    full = digester.key_representable() && (late || rows >= static_cast<size_t>(rows_max));
    if (full) chunk.through = source_key(*table, cursor.statement());
  }
  add_sums(&chunk);
  return chunk;
}

}  // namespace crossfade::verify
