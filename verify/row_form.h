// One row's canonical form, in buffers that are reused from row to row.
//
// Per row: begin(); then for each column in Table::columns order append to bytes() and call
// end_column(); then digest() and append_key(). Borrows the table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/digest.h"
#include "engine/core/schema.h"
#include "engine/core/sha256.h"

namespace crossfade::verify {

class RowForm {
 public:
  explicit RowForm(const Table& table) : table_(table) { ends_.reserve(table.columns.size()); }

  void begin() {
    constexpr size_t kKept = size_t{16} << 20;
    if (bytes_.capacity() > kKept) std::string().swap(bytes_);
    bytes_.clear();
    ends_.clear();
  }
  [[nodiscard]] std::string* bytes() { return &bytes_; }
  void end_column() { ends_.push_back(bytes_.size()); }

  [[nodiscard]] Digest128 digest() const { return digest_bytes(bytes_); }
  // By a hash that is reused from row to row.
  [[nodiscard]] Sha256Bytes sha256(Sha256* hash) const {
    hash->add(bytes_);
    return hash->take();
  }
  // The canonical form of the key columns, in key order.
  void assign_key(std::string* out) const {
    out->clear();
    for (const size_t column : table_.key) {
      const size_t begin = column == 0 ? 0 : ends_[column - 1];
      out->append(bytes_, begin, ends_[column] - begin);
    }
  }

 private:
  const Table& table_;
  std::string bytes_;
  std::vector<size_t> ends_;  // of each column in bytes_
};

}  // namespace crossfade::verify
