#include "engine/schema/scan.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
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

Error interrupted(const Table& table) {
  Error error;
  error.code = ErrorCode::kInterrupted;
  error.op = "inspect.scan";
  error.object = table.name;
  return error;
}

class Scanner {
 public:
  Scanner(sqlite::Connection& connection, const Table& table, StopSource* stop)
      : connection_(connection), table_(table), stop_(stop) {
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

  // The SELECT list: the rowid where there is one, then every column but the synthetic.
  void prepare_positions() {
    rowid_sql_ = table_.identity == Identity::kRowidAlias
                     ? table_.columns[table_.key.front()].source_sql
                     : table_.rowid_name;
    select_ = rowid_sql_.empty() ? "NULL" : rowid_sql_;
    int select = 1;
    for (size_t i = 0; i < table_.columns.size(); ++i) {
      const Column& column = table_.columns[i];
      if (column.synthetic) continue;
      const bool key = std::find(table_.key.begin(), table_.key.end(), i) != table_.key.end();
      positions_.push_back(Position{i, select++, key, key || column.not_null});
      select_ += ", " + column.source_sql;
    }
    namer_ = RowNamer(rowid_sql_.empty() ? -1 : 0);
    for (const size_t k : table_.key) {
      const auto at = std::find_if(positions_.begin(), positions_.end(),
                                   [k](const Position& p) { return p.column == k; });
      const bool rowid = at == positions_.end();
      namer_.add_key(rowid ? "rowid" : table_.columns[k].name, rowid ? 0 : at->select);
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
      if (stop_ != nullptr && stop_->requested()) return fail(interrupted(table_));
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
  StopSource* stop_;
  std::string rowid_sql_;  // empty: the table cannot be resumed
  std::string select_;
  std::vector<Position> positions_;
  RowNamer namer_;
  JsonReader json_reader_;
  bool resumed_ = false;
  int64_t last_rowid_ = 0;
  TableEvidence evidence_;
};

}  // namespace

Result<TableEvidence> scan_table(sqlite::Connection& connection, const Table& table,
                                 StopSource* stop) {
  if (stop != nullptr && stop->requested()) return fail(interrupted(table));
  return Scanner(connection, table, stop).run();
}

}  // namespace crossfade::schema
