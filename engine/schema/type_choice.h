// Which PostgreSQL type a column gets: what is stored decides, the declaration only where the
// stored values leave it open. The rules are listed in docs/type_mapping.md.
#pragma once

#include <string>

#include "engine/core/schema.h"
#include "engine/schema/scan.h"

namespace crossfade::schema {

struct TypeChoice {
  ColumnType type;
  std::string reason;  // one sentence
};

// What a column's place in the schema and the operator's options leave open.
struct ColumnPlace {
  bool rowid_key = false;     // the column is a rowid, whose values SQLite itself keeps INTEGER
  bool compared = false;      // in a key, an index or a foreign key: needs equality and an order
  bool plain = false;         // forced to its plain type
  bool has_pgvector = false;  // the target has the extension
};

// Whether forms are chosen at all: while false, every column gets its plain type.
inline constexpr bool kChooseForms = true;

[[nodiscard]] TypeChoice choose_type(const Column& column, const ColumnEvidence& evidence,
                                     const ColumnPlace& place);

// The type that takes any value of the column's storage class: text, bytea, bigint, double
// precision, numeric, boolean for 0 and 1, jsonb.
[[nodiscard]] TypeChoice choose_plain_type(const Column& column, const ColumnEvidence& evidence,
                                           bool rowid_key);

// A type that takes only values of one form: its text or bytes have to be read as something.
[[nodiscard]] bool has_form(const ColumnType& type);

// "BOOL", "boolean", "Bool": declared so, whatever its affinity.
[[nodiscard]] bool declared_boolean(const Column& column);

// DECIMAL, NUMERIC, MONEY: a number whose digits matter.
[[nodiscard]] bool declared_decimal(const Column& column);

}  // namespace crossfade::schema
