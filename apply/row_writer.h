// Writes rows and deletes keys on the target, as sets.
//
// Threads: its connection's. Borrows connection and names, which must outlive it. Runs inside the
// caller's transaction.
#pragma once

#include <string>
#include <vector>

#include "apply/encoder.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/postgres/connection.h"

namespace crossfade::apply {

// Column-wise array parameters of some rows' columns, for unnest(); without those that the target
// computes, whose values are only looked at.
class ArrayParams {
 public:
  // The codecs' types must outlive this object.
  explicit ArrayParams(std::vector<Codec> codecs)
      : codecs_(std::move(codecs)), elements_(codecs_.size()) {}
  // False: a value does not fit; nothing was added.
  [[nodiscard]] bool add(const std::vector<const Value*>& values);
  [[nodiscard]] size_t rows() const { return rows_; }
  [[nodiscard]] size_t size_bytes() const;
  // Views into this object, which must outlive the call that uses them.
  [[nodiscard]] std::vector<postgres::Param> finish();

 private:
  std::vector<Codec> codecs_;
  std::vector<std::string> elements_;
  std::vector<std::string> arrays_;
  size_t rows_ = 0;
  bool has_nulls_ = false;
};

[[nodiscard]] std::string copy_sql(const std::string& target_schema, const Table& table);
// DELETE FROM t USING unnest(keys); parameters are the key columns' arrays.
[[nodiscard]] std::string delete_sql(const std::string& target_schema, const Table& table);
// The same rows' columns, which are of the alias t.
[[nodiscard]] std::string select_sql(const std::string& target_schema, const Table& table,
                                     const std::string& columns);
// What ArrayParams carries as rows, in parentheses: the columns that are written, under their
// names.
[[nodiscard]] std::string row_source_sql(const Table& table);
// INSERT INTO t SELECT unnest(columns).
[[nodiscard]] std::string insert_sql(const std::string& target_schema, const Table& table);

// COPYs rows [from, to) in.
Status copy_rows(postgres::Connection& target, const std::string& target_schema, const Table& table,
                 const EncodedRows& rows, size_t from, size_t to);

// Keys as DELETE's parameters. Those that do not fit the target's types cannot be there and are
// passed over.
struct EncodedKeys {
  std::vector<ArrayParams> statements;  // each as much as one statement takes
  [[nodiscard]] size_t size_bytes() const;
};
[[nodiscard]] EncodedKeys encode_keys(const Table& table, const std::vector<const Row*>& keys,
                                      int server_version);

// Deletes rows by key. Returns how many were deleted.
Result<int64_t> delete_keys(postgres::Connection& target, const std::string& target_schema,
                            const Table& table, EncodedKeys keys);
Result<int64_t> delete_keys(postgres::Connection& target, const std::string& target_schema,
                            const Table& table, const std::vector<const Row*>& keys);

}  // namespace crossfade::apply
