// Seeded SQL writes against tables of every kind, made to run into each other's unique keys.
#pragma once

#include <array>
#include <random>
#include <string>
#include <vector>

namespace crossfade::capture::testing {

inline constexpr const char* kWriteSchema = R"(
CREATE TABLE alias(id INTEGER PRIMARY KEY, u TEXT COLLATE NOCASE UNIQUE, v);
CREATE TABLE textkey(k TEXT PRIMARY KEY NOT NULL, u UNIQUE, v);
CREATE TABLE folded(k TEXT COLLATE NOCASE, u INT UNIQUE, v, PRIMARY KEY(k COLLATE BINARY))
  WITHOUT ROWID;
CREATE TABLE pair(k TEXT, b INT, u INT NOT NULL DEFAULT 3 UNIQUE ON CONFLICT REPLACE, v,
  PRIMARY KEY(k, b)) WITHOUT ROWID;
CREATE TABLE keyless(u UNIQUE, v);
CREATE TABLE made(id INTEGER PRIMARY KEY, b INT, u INT AS (b % 4) UNIQUE, v);
CREATE TABLE defaulted(id INTEGER PRIMARY KEY, u INT NOT NULL DEFAULT 2 UNIQUE, v);
CREATE TABLE some(id INTEGER PRIMARY KEY, u INT, v);
CREATE UNIQUE INDEX some_u ON some(u) WHERE v IS NOT NULL;
CREATE TABLE child(id INTEGER PRIMARY KEY, u REFERENCES alias(id) ON DELETE CASCADE
  ON UPDATE CASCADE, v);
CREATE TABLE leaf(id INTEGER PRIMARY KEY, u REFERENCES child(id) ON DELETE SET NULL, v);
CREATE TABLE counted(id INTEGER PRIMARY KEY, u, v);
CREATE TRIGGER app_before BEFORE UPDATE ON textkey BEGIN
  INSERT OR REPLACE INTO counted(id, u) VALUES (1, NEW.v); END;
CREATE TRIGGER app_after AFTER INSERT ON alias BEGIN
  UPDATE alias SET v = 'touched' WHERE id = NEW.id; END;
)";

class RandomWrites {
 public:
  explicit RandomWrites(uint64_t seed) : random_(seed) {}

  std::string statement() {
    const Kind& kind = kKinds.at(below(kKinds.size()));
    switch (below(10)) {
      case 0:
        return std::string("DELETE FROM ") + kind.table + where(kind);
      case 1:
      case 2:
      case 3:
        return "UPDATE" + conflict() + " " + kind.table + " SET " + assignments(kind) + where(kind);
      case 4:
        return insert("INSERT", kind) + " ON CONFLICT DO UPDATE SET " + assignments(kind);
      case 5:
        return insert("INSERT", kind) + " ON CONFLICT DO NOTHING";
      default:
        return insert("INSERT" + conflict(), kind);
    }
  }

  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

 private:
  struct Kind {
    const char* table;
    std::array<const char*, 4> columns;  // what may be written; null ends it early
  };
  static constexpr std::array<Kind, 11> kKinds{{{"alias", {"id", "u", "v"}},
                                                {"textkey", {"k", "u", "v", "rowid"}},
                                                {"folded", {"k", "u", "v"}},
                                                {"pair", {"k", "b", "u", "v"}},
                                                {"keyless", {"u", "v", "rowid"}},
                                                {"made", {"id", "b", "v"}},
                                                {"defaulted", {"id", "u", "v"}},
                                                {"some", {"id", "u", "v"}},
                                                {"child", {"id", "u", "v"}},
                                                {"leaf", {"id", "u", "v"}},
                                                {"counted", {"id", "u", "v"}}}};

  std::string conflict() {
    static constexpr std::array<const char*, 8> kClauses{
        "",           " OR REPLACE", " OR REPLACE", " OR REPLACE",
        " OR IGNORE", " OR FAIL",    " OR ABORT",   " OR ROLLBACK"};
    return kClauses.at(below(kClauses.size()));
  }

  std::string value() {
    static constexpr std::array<const char*, 18> kValues{
        "NULL", "0",   "1",   "2",   "3",    "4",     "5",  "-1",  "'a'",
        "'A'",  "'b'", "'B'", "1.0", "1e20", "x'00'", "''", "'1'", "'a longer piece of text'"};
    return kValues.at(below(kValues.size()));
  }

  std::string value_for(const std::string& column) {
    const bool number = column == "id" || column == "b" || column == "rowid";
    return number && below(10) != 0 ? std::to_string(below(6)) : value();
  }

  std::string assignments(const Kind& kind) {
    std::string out;
    for (const char* column : kind.columns) {
      if (column == nullptr || below(2) == 0) continue;
      const std::string name(column);
      const bool shift = name != "v" && below(4) == 0;
      out += (out.empty() ? "" : ",") + name + "=" + (shift ? name + "+1" : value_for(name));
    }
    return out.empty() ? "v=" + value() : out;
  }

  std::string where(const Kind& kind) {
    if (below(8) == 0) return "";
    const std::string column = kind.columns.at(below(3));
    const char* const compare = below(3) == 0 ? ">" : " IS ";
    return " WHERE " + column + compare + value_for(column);
  }

  std::string insert(const std::string& verb, const Kind& kind) {
    std::string columns;
    std::string values;
    std::vector<std::string> used;
    for (const char* column : kind.columns) {
      if (column == nullptr || below(6) == 0) continue;
      used.emplace_back(column);
      columns += (columns.empty() ? "" : ",") + used.back();
    }
    if (used.empty()) return verb + " INTO " + kind.table + "(v) VALUES (1)";
    for (size_t i = 0; i <= below(3); ++i) {
      std::string row;
      for (const std::string& column : used) {
        row += (row.empty() ? "" : ",") + value_for(column);
      }
      values += (values.empty() ? "(" : ",(") + row + ")";
    }
    return verb + " INTO " + kind.table + "(" + columns + ") VALUES " + values;
  }

  std::mt19937_64 random_;
};

}  // namespace crossfade::capture::testing
