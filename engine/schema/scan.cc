#include "engine/schema/scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "engine/core/deadline.h"
#include "engine/core/limits.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::schema {
namespace {

constexpr size_t kFirstClassSamplesMax = 3;
constexpr int64_t kRowsPerLook = 1024;  // rows between looks at the clock and the stop request
constexpr size_t kColumnsToShare = 4;   // beside the key's, which one of the threads takes

Error interrupted(const Table& table) {
  Error error;
  error.code = ErrorCode::kInterrupted;
  error.op = "inspect.scan";
  error.object = table.name;
  return error;
}

// Which of a table's columns a scan takes; one that takes the key's takes them all.
using Share = std::vector<bool>;

bool is_key(const Table& table, size_t column) {
  return std::find(table.key.begin(), table.key.end(), column) != table.key.end();
}

// When the scan is to end before the table does.
struct End {
  StopSource* stop;
  std::atomic<bool> other_failed{false};
  [[nodiscard]] bool wanted() const {
    return other_failed.load() || (stop != nullptr && stop->requested());
  }
};

class Scanner {
 public:
  Scanner(sqlite::Connection& connection, const Table& table, Share share, const End& end)
      : connection_(connection), table_(table), share_(std::move(share)), end_(end) {
    evidence_.columns.resize(table.columns.size());
    for (size_t i = 0; i < table.columns.size(); ++i) {
      evidence_.columns[i].forms.set_claims(claims_of(table.columns[i]));
    }
    prepare_positions();
  }

  Result<TableEvidence> run() {
    bool more = true;
    while (more) {
      CROSSFADE_TRY(more, scan_stretch());
    }
    for (size_t i = 0; i < table_.columns.size(); ++i) {
      if (table_.columns[i].synthetic) evidence_.columns[i].storage.integer = evidence_.rows;
    }
    return std::move(evidence_);
  }

 private:
  struct Position {
    size_t column;  // into Table::columns
    int select;     // in the SELECT list
    bool key;
    bool null_matters;
    int first_class = -1;  // of a value that is not NULL
  };

  // The SELECT list: the rowid where there is one, then the share's columns but the synthetic, and
  // the key's, by which rows are named.
  void prepare_positions() {
    rowid_sql_ = table_.identity == Identity::kRowidAlias
                     ? table_.columns[table_.key.front()].source_sql
                     : table_.rowid_name;
    select_ = rowid_sql_.empty() ? "NULL" : rowid_sql_;
    int select = 1;
    std::vector<int> selects(table_.columns.size());  // 0: the rowid
    for (size_t i = 0; i < table_.columns.size(); ++i) {
      const Column& column = table_.columns[i];
      const bool key = is_key(table_, i);
      if (column.synthetic || (!share_[i] && !key)) continue;
      if (share_[i]) positions_.push_back(Position{i, select, key, key || column.not_null});
      selects[i] = select++;
      select_ += ", " + column.source_sql;
    }
    namer_ = RowNamer(rowid_sql_.empty() ? -1 : 0);
    for (const size_t k : table_.key) {
      namer_.add_key(selects[k] == 0 ? "rowid" : table_.columns[k].name, selects[k]);
    }
  }

  // Reads on from the last rowid until the stretch's time is up. False: the table's end was met.
  Result<bool> scan_stretch() {
    std::optional<sqlite::Transaction> transaction;
    if (!connection_.in_transaction()) {
      CROSSFADE_TRY(auto begun, sqlite::Transaction::begin(connection_, sqlite::Begin::kDeferred));
      transaction.emplace(std::move(begun));
    }
    const bool resumable = transaction.has_value() && !rowid_sql_.empty();
    std::string sql = "SELECT " + select_ + " FROM main." + sqlite::quote(table_.name);
    if (resumed_) sql += " WHERE " + rowid_sql_ + " > ?1";
    if (!rowid_sql_.empty()) sql += " ORDER BY " + rowid_sql_;
    CROSSFADE_TRY(auto row, sqlite::Statement::prepare(connection_, sql));
    if (resumed_) row.bind(1, last_rowid_);
    const Deadline deadline = Deadline::after(limits::kChunkReadMax);
    const int64_t rows_max = evidence_.rows + limits::kChunkRowsMax;
    while (true) {
      CROSSFADE_TRY(const bool there, row.step());
      if (!there) return false;
      add(row);
      if (evidence_.rows % kRowsPerLook != 0) continue;
      if (end_.wanted()) return fail(interrupted(table_));
      if (resumable && (deadline.expired() || evidence_.rows >= rows_max)) {
        last_rowid_ = row.integer(0);
        resumed_ = true;
        return true;
      }
    }
  }

  void add(const sqlite::Statement& row) {
    ++evidence_.rows;
    size_t key_bytes = 0;
    bool null_key = false;
    for (Position& position : positions_) {
      const ValueView value = row.view(position.select);
      const StorageClass storage = value.storage;
      ColumnEvidence& column = evidence_.columns[position.column];
      const Cell cell(namer_, row, position.select);
      switch (storage) {
        case StorageClass::kNull:
          ++column.storage.null;
          null_key |= position.key;
          break;
        case StorageClass::kInteger:
          add_integer(value.integer, cell, &column);
          break;
        case StorageClass::kReal:
          add_real(value.real, cell, &column);
          break;
        case StorageClass::kText:
          add_text(value.bytes, cell, &column);
          break;
        case StorageClass::kBlob:
          ++column.storage.blob;
          column.blob_bytes_max = std::max(column.blob_bytes_max, value.bytes.size());
          column.forms.add_blob(value.bytes, cell);
          break;
      }
      if (position.key) key_bytes += value.bytes.size();
      if (static_cast<int>(storage) != position.first_class || column_samples_open(column)) {
        sample(row, storage, &position, &column);
      }
    }
    add_key(row, key_bytes, null_key);
  }

  static void add_integer(int64_t value, const Cell& cell, ColumnEvidence* column) {
    ++column->storage.integer;
    column->integer_min = std::min(column->integer_min, value);
    column->integer_max = std::max(column->integer_max, value);
    if (value != 0 && value != 1) cell.tally(&column->beyond_boolean);
    add_number(static_cast<double>(value), column);
    column->forms.add_integer(value, cell);
  }

  static void add_real(double value, const Cell& cell, ColumnEvidence* column) {
    ++column->storage.real;
    if (std::isinf(value)) {
      ++column->infinities;
    } else {
      add_number(value, column);
    }
    column->forms.add_real(value, cell);
  }

  static void add_number(double value, ColumnEvidence* column) {
    if (value == 0) return;
    const bool first = column->number_min == 0;
    column->number_min = first ? value : std::min(column->number_min, value);
    column->number_max = first ? value : std::max(column->number_max, value);
  }

  void add_text(std::string_view bytes, const Cell& cell, ColumnEvidence* column) {
    ++column->storage.text;
    column->text_bytes_max = std::max(column->text_bytes_max, bytes.size());
    const TextFlaws flaws = find_flaws(bytes);
    if (flaws.nul) cell.tally(&column->text_nul);
    if (flaws.invalid) cell.tally(&column->text_invalid);
    column->forms.add_text(bytes, flaws.nul || flaws.invalid, cell, &json_reader_);
  }

  void add_key(const sqlite::Statement& row, size_t key_bytes, bool null_key) {
    if (null_key) namer_.tally(row, -1, &evidence_.null_keys);
    evidence_.key_bytes_max = std::max(evidence_.key_bytes_max, key_bytes);
    if (key_bytes > kKeyBytesMax) namer_.tally(row, -1, &evidence_.long_keys);
  }

  static bool column_samples_open(const ColumnEvidence& column) {
    return column.storage.integer + column.storage.real + column.storage.text +
               column.storage.blob <=
           static_cast<int64_t>(kFirstClassSamplesMax);
  }

  void sample(const sqlite::Statement& row, StorageClass storage, Position* position,
              ColumnEvidence* column) const {
    if (storage == StorageClass::kNull && !position->null_matters) return;
    if (storage != StorageClass::kNull && position->first_class < 0) {
      position->first_class = static_cast<int>(storage);
    }
    auto& samples = column->samples[static_cast<size_t>(storage)];
    const bool first_class = static_cast<int>(storage) == position->first_class;
    const size_t samples_max = first_class ? kFirstClassSamplesMax : limits::kSamplesMax;
    if (samples.size() < samples_max) samples.push_back(namer_.name(row, position->select));
  }

  sqlite::Connection& connection_;
  const Table& table_;
  const Share share_;
  const End& end_;
  std::string rowid_sql_;  // empty: the table cannot be resumed
  std::string select_;
  std::vector<Position> positions_;
  RowNamer namer_;
  JsonReader json_reader_;
  bool resumed_ = false;
  int64_t last_rowid_ = 0;
  TableEvidence evidence_;
};

Result<bool> is_long(sqlite::Connection& connection, const Table& table) {
  if (table.rowid_name.empty() || table.columns.size() - table.key.size() < kColumnsToShare) {
    return false;
  }
  CROSSFADE_TRY(const int64_t highest,
                connection.query_int(fmt::format("SELECT max({}) FROM main.{}", table.rowid_name,
                                                 sqlite::quote(table.name))));
  return highest >= kScanLongRows;
}

// The key's columns, and the first half of the others.
Share first_half(const Table& table) {
  Share out(table.columns.size());
  size_t taken = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = is_key(table, i);
    taken += out[i] ? 1 : 0;
  }
  for (size_t i = 0; i < out.size() && taken < out.size() / 2; ++i) {
    if (out[i]) continue;
    out[i] = true;
    ++taken;
  }
  return out;
}

Result<TableEvidence> scan_by_halves(sqlite::Connection& connection, sqlite::Connection& other,
                                     const Table& table, End& end) {
  const Share first = first_half(table);
  Share second = first;
  second.flip();
  const auto scan = [&](sqlite::Connection& on, const Share& share) {
    auto evidence = Scanner(on, table, share, end).run();
    if (!evidence) end.other_failed.store(true);
    return evidence;
  };
  std::optional<Result<TableEvidence>> others;
  std::thread beside([&] { others = scan(other, second); });
  auto evidence = scan(connection, first);
  beside.join();
  // The one that was made to end by the other has less to say.
  if (!evidence && evidence.error().code != ErrorCode::kInterrupted) return evidence;
  if (!*others) return fail(std::move(*others).error());
  if (!evidence) return evidence;
  for (size_t i = 0; i < second.size(); ++i) {
    if (second[i]) evidence.value().columns[i] = std::move(others->value().columns[i]);
  }
  return evidence;
}

}  // namespace

Result<TableEvidence> scan_table(sqlite::Connection& connection, const Table& table,
                                 StopSource* stop) {
  End end{stop};
  if (end.wanted()) return fail(interrupted(table));
  if (!connection.in_transaction()) {
    CROSSFADE_TRY(const bool worth_it, is_long(connection, table));
    if (worth_it) {
      // One that cannot be had is no reason to fail.
      if (auto other = connection.beside()) {
        return scan_by_halves(connection, other.value(), table, end);
      }
    }
  }
  return Scanner(connection, table, Share(table.columns.size(), true), end).run();
}

}  // namespace crossfade::schema
