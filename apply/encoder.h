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

#include "apply/codec.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/postgres/binary.h"

namespace crossfade::sqlite {
class Statement;
}

namespace crossfade::apply {

inline constexpr int kNumericInfinitySince = 140000;  // before, a numeric can only be NaN
inline constexpr int kNewestServer = 1'000'000;       // has all that any has

// Of all columns, those that the target computes included, and of the key's, in key order. They
// borrow the table. What a server of `server_version` (150018) cannot hold does not fit.
[[nodiscard]] std::vector<Codec> codecs_of(const Table& table, int server_version = kNewestServer);
[[nodiscard]] std::vector<Codec> key_codecs_of(const Table& table,
                                               int server_version = kNewestServer);

// Appends int32 length and the value's bytes (-1 and nothing for NULL), as COPY BINARY has them.
// False: it does not fit, and `out` is as it was.
[[nodiscard]] bool append_field(const ValueView& value, const Codec& codec, std::string* out);
// The same as an element of array_oid()'s arrays.
[[nodiscard]] bool append_element(const ValueView& value, const Codec& codec, std::string* out);

// Why append_field() said no: "TEXT '12abc' does not fit bigint".
[[nodiscard]] std::string misfit_reason(const Value& value, const ColumnType& type);

// Of the array that carries a column's values to unnest(). Values that are arrays themselves go as
// text, because unnest() would take them apart; and so do vectors, whose OID differs per database.
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

// Encodes one table's rows, without the columns that the target computes: their values are only
// looked at, whether the columns' types hold them. Borrows the table.
class RowEncoder {
 public:
  explicit RowEncoder(const Table& table, int server_version = kNewestServer)
      : codecs_(codecs_of(table, server_version)) {}

  // Appends one row; on a misfit `out` is as it was and the column's number is returned.
  [[nodiscard]] std::optional<size_t> append(const Row& row, EncodedRows* out) const;
  [[nodiscard]] std::optional<size_t> append(const sqlite::Statement& statement,
                                             EncodedRows* out) const;

 private:
  std::vector<Codec> codecs_;
};

}  // namespace crossfade::apply
