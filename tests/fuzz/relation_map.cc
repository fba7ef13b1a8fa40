// Promise: whatever a relation is announced as, and whatever rows follow, a change is whole or an
// error: a key of all its columns, a value or a reason for each column of a new row, and nothing of
// a relation that has a fatal difference.
//
// Input: how the relation differs from the plan, then rows.
#include "capture/relation_map.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/fuzz/input.h"
#include "tests/support/typed_values.h"

using namespace crossfade;
using namespace crossfade::capture;
using namespace crossfade::capture::pgoutput;

namespace {

std::shared_ptr<const Table> make_table(fuzz::Input& input) {
  static const std::vector<ColumnType> kTypes = testing::all_column_types();
  auto table = std::make_shared<Table>();
  table->target_name = "t";
  for (int i = 0; i < 4; ++i) {
    Column column;
    column.target_name = std::string(1, static_cast<char>('a' + i));
    column.type = kTypes[input.byte() % kTypes.size()];
    column.generated = i == 3;
    if (input.byte() % 4 == 0) column.type.form = SourceForm::kMasked;
    table->columns.push_back(std::move(column));
  }
  table->key = {size_t{input.byte()} % 2, 2};
  return table;
}

Tuple make_tuple(fuzz::Input& input, size_t width) {
  Tuple out(input.byte() == 0 ? input.byte() % 8 : width);
  for (Field& field : out) {
    field.kind = static_cast<FieldKind>(input.byte() % 4);
    if (field.kind == FieldKind::kText) field.bytes = input.take(input.byte());
  }
  return out;
}

void check(const Result<TargetChange>& change, const Table& table, bool fatal) {
  fuzz::require(!(fatal && change), "nothing is read of what is not as planned");
  if (!change) return;
  const TargetChange& it = change.value();
  const bool has_key = it.op == TargetOp::kUpdate || it.op == TargetOp::kDelete;
  fuzz::require(it.key.size() == (has_key ? table.key.size() : 0), "a key is whole");
  const bool has_row = it.op == TargetOp::kInsert || it.op == TargetOp::kUpdate;
  fuzz::require(it.after.size() == (has_row ? table.columns.size() : 0), "a row is whole");
  fuzz::require(!it.misfit || it.misfit->column < table.columns.size(), "a misfit has a column");
  if (it.op != TargetOp::kInsert) return;
  for (size_t i = 0; i < it.after.size(); ++i) {
    fuzz::require(it.after[i] || it.misfit || table.columns[i].generated,
                  "each column of a new row has a value, or a reason");
    fuzz::require(!it.after[i] || !table.columns[i].generated, "what is computed is not taken");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const auto table = make_table(input);
  Relation relation;
  std::vector<std::string> types;
  std::vector<std::string> names;
  const size_t width = input.byte() % 7;
  names.reserve(width);
  for (size_t i = 0; i < width; ++i) {
    const uint8_t byte = input.byte();
    names.emplace_back(1, static_cast<char>('a' + byte % 6));
    relation.columns.push_back({(byte & 64U) == 0, names.back()});
    const bool planned = i < table->columns.size() && (byte & 128U) == 0;
    types.push_back(planned ? to_string(table->columns[i].type) : "text");
  }
  const RelationMap map(table, relation, types);
  bool fatal = false;
  for (const RelationDifference& each : map.differences()) fatal = fatal || each.fatal;
  check(map.read_truncate(), *table, fatal);
  while (!input.done()) {
    const auto old = static_cast<Old>(input.byte() % 3);
    const Tuple before = make_tuple(input, width);
    const Tuple after = make_tuple(input, width);
    check(map.read(Insert{1, after}), *table, fatal);
    check(map.read(Update{1, old, before, after}), *table, fatal);
    check(map.read(Delete{1, old, before}), *table, fatal);
  }
  return 0;
}
