// From SQLite values to PostgreSQL's binary fields: exactly, or not at all.
//
// A value that its column's type cannot hold is a misfit: it is named and set aside, never rounded,
// cut or turned into NULL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/postgres/binary.h"

namespace crossfade::sqlite {
class Statement;
}

namespace crossfade::apply {

// A value looked at where it lies: in a Value, or in a statement's current row.
struct ValueView {
  StorageClass storage = StorageClass::kNull;
  int64_t integer = 0;
  double real = 0;
  std::string_view bytes;
};
[[nodiscard]] ValueView view(const Value& value);
[[nodiscard]] ValueView view(const sqlite::Statement& statement, int column);

// Appends int32 length and the value's bytes (-1 and nothing for NULL), as COPY BINARY and array
// elements have them. False: it does not fit, and `out` is as it was.
[[nodiscard]] bool append_field(const ValueView& value, TargetType type, std::string* out);

// Why append_field() said no: "TEXT '12abc' does not fit bigint".
[[nodiscard]] std::string misfit_reason(const Value& value, TargetType type);

[[nodiscard]] postgres::Oid array_oid(TargetType type);
[[nodiscard]] postgres::Oid element_oid(TargetType type);

// Rows in COPY BINARY form, without header and trailer, and where each begins.
struct EncodedRows {
  std::string bytes;
  std::vector<size_t> offsets;  // of each row's first byte
  [[nodiscard]] size_t count() const { return offsets.size(); }
  [[nodiscard]] std::string_view rows(size_t from, size_t to) const;
  void clear();
};

// Appends one row; on a misfit `out` is as it was and the column's number is returned.
[[nodiscard]] std::optional<size_t> append_row(const Table& table, const Row& row,
                                               EncodedRows* out);
[[nodiscard]] std::optional<size_t> append_row(const Table& table,
                                               const sqlite::Statement& statement,
                                               EncodedRows* out);

}  // namespace crossfade::apply
