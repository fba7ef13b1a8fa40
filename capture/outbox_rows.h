// What an outbox's entries say, in the words of pgoutput, so that the same code reads both. No I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capture/pgoutput.h"
#include "engine/core/result.h"

namespace crossfade::capture {

// A table as it was when an entry was written (crossfade.outbox_shape).
class OutboxShape {
 public:
  // `told`: ["schema", "name", [["column", type, typmod, computed], ...]].
  static Result<OutboxShape> parse(pgoutput::Oid relation, const std::string& told);

  // Without the columns that PostgreSQL computes. Borrows from this.
  [[nodiscard]] pgoutput::Relation relation() const;
  // The fields of a row's text, without those columns. Borrows from `row` and `*kept`, to which
  // fields go whose text had to be made.
  [[nodiscard]] Result<pgoutput::Tuple> read(std::string_view row,
                                             std::deque<std::string>* kept) const;

 private:
  struct Column {
    std::string name;
    pgoutput::Oid type = 0;
    int32_t typmod = -1;
    bool computed = false;
  };

  pgoutput::Oid id_ = 0;
  std::string schema_;
  std::string name_;
  std::vector<Column> columns_;
};

// The fields of a row's text as record_out() writes it, "(1,"a b",,""" ")": nothing between commas
// is NULL. False: it is no such text.
[[nodiscard]] bool split_record(std::string_view text, pgoutput::Tuple* fields,
                                std::deque<std::string>* kept);

}  // namespace crossfade::capture
