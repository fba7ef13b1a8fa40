// How the rows of a relation, as pgoutput tells it, become those of a table of the move. No I/O.
//
// Columns are found by their names on the target, whatever their order. A relation that is not what
// was planned has differences; with a fatal one no row of it is read.
// Threads: any, once it is made.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capture/field_decoder.h"
#include "capture/pgoutput.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/target_change.h"

namespace crossfade::capture {

struct RelationDifference {
  std::string what;
  bool fatal = true;  // false: a column that the source has no place for

  friend bool operator==(const RelationDifference&, const RelationDifference&) = default;
};

class RelationMap {
 public:
  // `types`: what format_type() says of each of the relation's columns.
  RelationMap(std::shared_ptr<const Table> table, const pgoutput::Relation& relation,
              const std::vector<std::string>& types);

  [[nodiscard]] const std::shared_ptr<const Table>& table() const { return table_; }
  [[nodiscard]] const std::vector<RelationDifference>& differences() const { return differences_; }
  // One that the columns do not show.
  void add(RelationDifference difference);

  // Errors: the relation has a fatal difference, or the message does not tell what it must.
  [[nodiscard]] Result<TargetChange> read(const pgoutput::Insert& message) const;
  [[nodiscard]] Result<TargetChange> read(const pgoutput::Update& message) const;
  [[nodiscard]] Result<TargetChange> read(const pgoutput::Delete& message) const;
  [[nodiscard]] Result<TargetChange> read_truncate() const;

 private:
  void find_columns(const pgoutput::Relation& relation, const std::vector<std::string>& types);
  [[nodiscard]] bool is_key(size_t column) const;
  [[nodiscard]] Result<TargetChange> begin(TargetOp op) const;
  [[nodiscard]] Result<const pgoutput::Field*> field(const pgoutput::Tuple& tuple,
                                                     size_t column) const;
  [[nodiscard]] std::optional<Value> value(const pgoutput::Field& field, size_t column,
                                           TargetChange* change) const;
  [[nodiscard]] Status read_key(const pgoutput::Tuple& tuple, TargetChange* change) const;
  [[nodiscard]] Status read_after(const pgoutput::Tuple& tuple, TargetChange* change) const;

  std::shared_ptr<const Table> table_;
  std::vector<FieldDecoder> decoders_;         // by column
  std::vector<std::optional<size_t>> fields_;  // by column: its place in a tuple
  size_t width_ = 0;                           // of a tuple
  std::vector<RelationDifference> differences_;
};

// Whether format_type() says this of a column that was planned so.
[[nodiscard]] bool is_planned_type(const ColumnType& planned, std::string_view type);

}  // namespace crossfade::capture
