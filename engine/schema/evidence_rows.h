// Counts rows and names the first few of them, as findings quote them: "id=42: 'value'".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/limits.h"

namespace crossfade::sqlite {
class Statement;
}

namespace crossfade::schema {

struct RowTally {
  int64_t rows = 0;
  std::vector<std::string> samples;  // at most limits::kSamplesMax
};

// The columns that tell one row from another, and their places in a SELECT list.
class RowNamer {
 public:
  // `rowid_select`: where the rowid is, which helps out when the key is NULL; -1: nowhere.
  explicit RowNamer(int rowid_select = -1) : rowid_select_(rowid_select) {}
  void add_key(const std::string& name, int select);

  // `value_select`: the value to show after the key; -1: none.
  [[nodiscard]] std::string name(const sqlite::Statement& row, int value_select) const;
  void tally(const sqlite::Statement& row, int value_select, RowTally* out,
             size_t samples_max = limits::kSamplesMax) const;

 private:
  int rowid_select_;
  std::vector<std::string> names_;
  std::vector<int> selects_;
};

// One value of the row a scan stands on. Borrows both; lives as long as the row.
class Cell {
 public:
  Cell(const RowNamer& namer, const sqlite::Statement& row, int select)
      : namer_(namer), row_(row), select_(select) {}
  void tally(RowTally* out, size_t samples_max = limits::kSamplesMax) const {
    namer_.tally(row_, select_, out, samples_max);
  }

 private:
  const RowNamer& namer_;
  const sqlite::Statement& row_;
  int select_;
};

}  // namespace crossfade::schema
