// Rows of one target table, streamed by COPY BINARY in canonical form: one row in memory at a time.
//
// Threads: the connection's. Borrows the connection and the table; between open() and the end of
// the rows the connection can do nothing else.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "verify/row_form.h"

namespace crossfade::postgres {
class Connection;
}

namespace crossfade::verify {

class TargetRows {
 public:
  // `select` is SQL of select_target(), with its conditions.
  static Result<TargetRows> open(postgres::Connection& target, const std::string& select,
                                 const Table& table);

  // True: form() is the next row's. On an error, and at the end, the COPY has been read to its end.
  Result<bool> next();
  [[nodiscard]] const RowForm& form() const { return form_; }

 private:
  TargetRows(postgres::Connection& target, const Table& table)
      : target_(target), table_(table), form_(table) {}
  // True: form_ holds a row; false: this was the end of the rows.
  Result<bool> decode();
  Status decode_field(size_t column);
  Status take_header();
  Status drain();

  postgres::Connection& target_;
  const Table& table_;
  RowForm form_;
  std::string_view rest_;  // of the current message
  bool header_taken_ = false;
};

}  // namespace crossfade::verify
