// A prepared statement.
//
// Threads: its connection's. Ownership: finalizes on destruction; column views die at the next
// step() or reset(), so what is kept is copied with value().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/core/result.h"
#include "engine/core/value.h"
#include "engine/core/value_view.h"

struct sqlite3_stmt;

namespace crossfade::sqlite {

class Connection;

class Statement {
 public:
  // `sql` must hold exactly one statement.
  static Result<Statement> prepare(Connection& connection, const std::string& sql);

  // True: a row is there. False: done. Binds stay until clear().
  Result<bool> step();
  // For statements that return no rows: steps to the end and resets.
  Status run();
  void reset();
  void clear();  // reset, and all parameters NULL

  // Parameters count from 1. Bytes are copied.
  void bind(int index, const Value& value);
  void bind(int index, int64_t value);
  void bind_text(int index, std::string_view value);
  // Bytes are borrowed: `value` stays as it is until clear(). An error: it is longer than SQLite
  // takes (SQLITE_TOOBIG).
  Status bind_borrowed(int index, const Value& value);

  // As it was prepared.
  [[nodiscard]] std::string_view sql() const;

  // Columns count from 0.
  [[nodiscard]] int column_count() const;
  [[nodiscard]] std::string_view column_name(int column) const;
  [[nodiscard]] StorageClass storage(int column) const;
  [[nodiscard]] int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  // The bytes of a text or a blob, valid until the next step. Never converts: call it only for
  // those classes (an integer asked for as text would change the statement's value).
  [[nodiscard]] std::string_view bytes(int column) const;
  // All of the above at once, for whoever reads every column of many rows: each call on a column
  // costs as much as a small value.
  [[nodiscard]] ValueView view(int column) const;
  [[nodiscard]] Value value(int column) const;
  [[nodiscard]] Row row() const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  [[nodiscard]] std::string_view bytes_of(const void* data, int size) const;

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace crossfade::sqlite
