// Rows that SQLite refused in the order in which PostgreSQL wrote them, until all of PostgreSQL's
// transaction is there.
//
// A row that is put off is not in SQLite meanwhile: its old version has been taken out, so that
// what it held of unique values is free for others. In memory only; who holds it bounds bytes().
// Threads: any, one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "apply/source_statements.h"
#include "engine/core/schema.h"
#include "engine/core/target_change.h"
#include "engine/core/value.h"

namespace crossfade::apply {

struct PutOffRow {
  std::shared_ptr<const Table> table;
  Row key;             // that PostgreSQL has it by now
  Image image;         // likewise; nothing in a column that is not computed: not known here
  std::string column;  // why it cannot be, or was refused; empty: not of one column
  std::string reason;
  bool occupied = false;  // refused: another row has what must be unique
  // The row that SQLite had before, which was taken out.
  struct Old {
    Row key;
    Image image;
  };
  std::optional<Old> old;
};

[[nodiscard]] size_t size_bytes(const PutOffRow& row);

class PutOff {
 public:
  // Null: the key is not put off. Valid until the next change.
  [[nodiscard]] const PutOffRow* find(const Table& table, const Row& key) const;
  // Its key must not be put off.
  void add(PutOffRow row);
  // Its key must be put off.
  PutOffRow take(const Table& table, const Row& key);
  // In the order in which they were put off.
  [[nodiscard]] std::vector<PutOffRow> take_all();
  void drop_table(const Table& table);
  void clear();

  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  std::map<uint64_t, PutOffRow> rows_;  // by order
  std::unordered_map<std::string, uint64_t> order_of_;
  uint64_t next_ = 0;
  size_t bytes_ = 0;
};

}  // namespace crossfade::apply
