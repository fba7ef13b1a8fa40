// From PostgreSQL's text of a field to the SQLite value it stands for: class and bytes.
//
// What apply writes into a column comes back as the very value it was made of. What an application
// wrote there comes back as the value that apply would make the same field of; when there is none,
// it is a misfit, never something near. The forms that are one-way by a rule (kTextStripped,
// kTextLatin1) give what the rule made of the value, and a masked column gives nothing. Shares
// nothing with apply's encoders but the reading of instants, whose inverse is checked against it.
//
// The text is that of a session with postgres::Connection's settings: UTC, ISO dates, hex bytea,
// shortest floats. Borrows the type, which must outlive it. Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/core/column_type.h"
#include "engine/core/source_time.h"
#include "engine/core/value.h"

namespace crossfade::capture {

class FieldDecoder {
 public:
  explicit FieldDecoder(const ColumnType& type) : type_(&type), time_(TimePattern::compile(type)) {}
  explicit FieldDecoder(ColumnType&&) = delete;

  // Of a field that is not NULL. Nothing: it stands for no value of the source.
  [[nodiscard]] std::optional<Value> decode(std::string_view field) const;

 private:
  [[nodiscard]] std::optional<Value> instant(std::string_view field) const;

  const ColumnType* type_;
  TimePattern time_;
};

}  // namespace crossfade::capture
