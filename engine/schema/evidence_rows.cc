#include "engine/schema/evidence_rows.h"

#include <algorithm>

#include "engine/schema/sample.h"
#include "engine/sqlite/statement.h"

namespace crossfade::schema {

void RowNamer::add_key(const std::string& name, int select) {
  names_.push_back(name);
  selects_.push_back(select);
}

std::string RowNamer::name(const sqlite::Statement& row, int value_select) const {
  std::string name = sample_key(names_, selects_, row);
  const bool null_key = std::any_of(selects_.begin(), selects_.end(), [&row](int select) {
    return row.storage(select) == StorageClass::kNull;
  });
  if (null_key && rowid_select_ >= 0) {  // a key with NULLs does not tell which row it is
    name = sample_key({"rowid"}, {rowid_select_}, row) + " " + name;
  }
  return value_select < 0 ? name : name + ": " + sample_literal(row.view(value_select));
}

void RowNamer::tally(const sqlite::Statement& row, int value_select, RowTally* out,
                     size_t samples_max) const {
  ++out->rows;
  if (out->samples.size() < samples_max) out->samples.push_back(name(row, value_select));
}

}  // namespace crossfade::schema
