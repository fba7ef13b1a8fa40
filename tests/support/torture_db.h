// One SQLite database that holds at once every trap of docs/pitfalls.md that stored values or a
// schema can be: all classes in all columns, text that is none, numbers at their ends, dates of all
// spellings, keys and names of every kind. The same seed gives the same database.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace crossfade::testing {

struct TortureDb {
  // A row with text that PostgreSQL's text cannot hold, in a column that becomes text.
  struct SetAside {
    std::string table;
    int64_t rowid = 0;
  };
  std::string sql;  // makes it in an empty file
  std::vector<SetAside> set_aside;
};

[[nodiscard]] TortureDb torture_db(uint64_t seed);

}  // namespace crossfade::testing
