#include "apply/snapshot_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/core/limits.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::apply {
namespace {

std::string columns_sql(const Table& table) {
  std::string out;
  for (const Column& column : table.columns) out += (out.empty() ? "" : ",") + column.source_sql;
  return out;
}

bool by_rowid(const Table& table) {
  return !table.without_rowid && !table.rowid_name.empty();
}

// A key column under the primary key's own collation, which may not be the column's: in the
// column's order two keys could be equal, and the second would be passed over.
std::string key_column(const Table& table, size_t i) {
  const std::string& column = table.columns[table.key[i]].source_sql;
  if (table.unique_keys.empty()) return column;
  const std::vector<UniqueKey::Part>& parts = table.unique_keys.front().parts;
  if (i >= parts.size() || parts[i].column != table.key[i]) return column;
  return column + " COLLATE " + sqlite::quote(parts[i].collation);
}

class ChunkBuilder {
 public:
  // `refusal`: why every row is a misfit; nullptr: only those are that do not fit.
  ChunkBuilder(const Table& table, int64_t rows_max, Deadline deadline, const std::string* refusal)
      : table_(table),
        encoder_(table),
        rows_max_(rows_max),
        deadline_(deadline),
        refusal_(refusal) {}

  void add(const sqlite::Statement& row) {
    chunk.null_key = chunk.null_key || has_null_key(row);
    if (refusal_ != nullptr) {
      set_aside(row, std::nullopt);
    } else if (const auto column = encoder_.append(row, &chunk.rows)) {
      set_aside(row, column);
    }
    ++rows_;
  }

  [[nodiscard]] bool full() const {
    return chunk.null_key || rows_ >= rows_max_ || chunk.bytes() >= limits::kCopyBufferBytesMax ||
           // The clock is asked now and then only: it costs as much as a narrow row.
           (rows_ % 64 == 0 && deadline_.expired());
  }

  CopyChunk chunk;

 private:
  void set_aside(const sqlite::Statement& row, std::optional<size_t> column) {
    Row values = row.row();
    values.resize(table_.columns.size());
    for (const Value& value : values) chunk.misfit_bytes += view_of(value).bytes.size();
    const std::string reason =
        column ? misfit_reason(values[*column], table_.columns[*column].type) : *refusal_;
    chunk.misfits.push_back(
        {std::move(values), column ? table_.columns[*column].name : "", reason});
  }

  // Possible in every declared key but a WITHOUT ROWID table's (lang_createtable.html).
  [[nodiscard]] bool has_null_key(const sqlite::Statement& row) const {
    return table_.identity == Identity::kPrimaryKey &&
           std::any_of(table_.key.begin(), table_.key.end(), [&row](size_t column) {
             return row.storage(static_cast<int>(column)) == StorageClass::kNull;
           });
  }

  const Table& table_;
  const RowEncoder encoder_;
  const int64_t rows_max_;
  const Deadline deadline_;
  const std::string* const refusal_;
  int64_t rows_ = 0;
};

Result<CopyChunk> read_by_rowid(sqlite::Connection& source, const Table& table,
                                CopyPosition position, ChunkBuilder builder) {
  if (!position.started) {
    CROSSFADE_TRY(position.rowid_end,
                  source.query_int(fmt::format("SELECT max({}) FROM {}", table.rowid_name,
                                               sqlite::quote(table.name)),
                                   INT64_MIN));
    position.started = true;
  }
  CROSSFADE_TRY(
      auto rows,
      sqlite::Statement::prepare(
          source, fmt::format("SELECT {0},{1} FROM {2} WHERE {1}{3}?1 AND {1}<=?2 "
                              "ORDER BY {1}",
                              columns_sql(table), table.rowid_name, sqlite::quote(table.name),
                              position.rowid_done ? ">" : ">=")));
  rows.bind(1, position.rowid);
  rows.bind(2, position.rowid_end);
  const int rowid_column = static_cast<int>(table.columns.size());
  while (true) {
    CROSSFADE_TRY(const bool row, rows.step());
    if (!row) {
      builder.chunk.last = true;
      break;
    }
    builder.add(rows);
    position.rowid = rows.integer(rowid_column);
    position.rowid_done = true;
    if (builder.full()) break;
  }
  builder.chunk.position = std::move(position);
  return std::move(builder.chunk);
}

// The rows after a key, in key order, without row-value comparisons, of which SQLite uses only the
// first column to seek: rung n holds the first n key columns fixed and goes on above the next one.
Result<CopyChunk> read_by_key(sqlite::Connection& source, const Table& table, CopyPosition position,
                              ChunkBuilder builder) {
  const size_t width = table.key.size();
  const bool from_start = !position.started || position.key.empty();
  position.started = true;
  for (size_t rung = from_start ? 0 : width; builder.chunk.last = true, true; --rung) {
    std::string where;
    std::string order;
    // rung r > 0: key[0..r-2] equal, key[r-1] greater. rung 0 (only from the start): everything.
    const size_t fixed = rung == 0 ? 0 : rung - 1;
    for (size_t i = 0; i < width; ++i) {
      const std::string column = key_column(table, i);
      if (i < fixed) where += fmt::format("{}{}=?{}", where.empty() ? "" : " AND ", column, i + 1);
      if (rung > 0 && i == fixed) {
        where += fmt::format("{}{}>?{}", where.empty() ? "" : " AND ", column, i + 1);
      }
      if (i >= fixed) order += fmt::format("{}{}", order.empty() ? "" : ",", column);
    }
    CROSSFADE_TRY(auto rows,
                  sqlite::Statement::prepare(
                      source, fmt::format("SELECT {} FROM {}{}{} ORDER BY {}", columns_sql(table),
                                          sqlite::quote(table.name), where.empty() ? "" : " WHERE ",
                                          where, order)));
    const Row from = position.key;
    for (size_t i = 0; rung > 0 && i < rung; ++i) rows.bind(static_cast<int>(i) + 1, from[i]);
    while (true) {
      CROSSFADE_TRY(const bool row, rows.step());
      if (!row) break;
      builder.add(rows);
      position.key.clear();
      for (const size_t k : table.key) position.key.push_back(rows.value(static_cast<int>(k)));
      if (builder.full()) {
        builder.chunk.last = false;
        break;
      }
    }
    if (!builder.chunk.last || rung <= 1) break;
  }
  builder.chunk.position = std::move(position);
  return std::move(builder.chunk);
}

Result<CopyChunk> read_chunk(sqlite::Connection& source, const Table& table, CopyPosition position,
                             ChunkBuilder builder) {
  return by_rowid(table) ? read_by_rowid(source, table, std::move(position), std::move(builder))
                         : read_by_key(source, table, std::move(position), std::move(builder));
}

}  // namespace

std::string CopyPosition::to_text() const {
  std::string identity;
  for (const Value& value : key) append_identity(value, &identity);
  std::string hex;
  for (const char c : identity) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return fmt::format("{} {} {} {} {}", started ? 1 : 0, rowid, rowid_end, rowid_done ? 1 : 0, hex);
}

std::optional<CopyPosition> CopyPosition::from_text(const std::string& text) {
  if (text.empty()) return CopyPosition{};
  const char* at = text.data();
  const char* const end = at + text.size();
  int64_t numbers[4] = {};
  for (int64_t& number : numbers) {
    const auto [next, ec] = std::from_chars(at, end, number);
    if (ec != std::errc() || next == end || *next != ' ') return std::nullopt;
    at = next + 1;
  }
  std::string identity;
  for (; end - at >= 2; at += 2) {
    unsigned byte = 0;
    const auto [next, ec] = std::from_chars(at, at + 2, byte, 16);
    if (ec != std::errc() || next != at + 2) return std::nullopt;
    identity.push_back(static_cast<char>(byte));
  }
  auto key = parse_identity(identity);
  if (!key || at != end) return std::nullopt;
  return CopyPosition{numbers[0] != 0, numbers[1], numbers[2], numbers[3] != 0, std::move(*key)};
}

bool copy_order_is_stable(const Table& table) {
  return table.identity == Identity::kRowidAlias || !by_rowid(table);
}

Result<CopyChunk> read_copy_chunk(sqlite::Connection& source, const Table& table,
                                  CopyPosition position, int64_t rows_max, Deadline deadline) {
  return read_chunk(source, table, std::move(position),
                    ChunkBuilder(table, rows_max, deadline, nullptr));
}

Result<CopyChunk> read_refused_chunk(sqlite::Connection& source, const Table& table,
                                     CopyPosition position, int64_t rows_max,
                                     const std::string& reason) {
  return read_chunk(source, table, std::move(position),
                    ChunkBuilder(table, rows_max, Deadline::after(limits::kChunkReadMax), &reason));
}

}  // namespace crossfade::apply
