// Rows that PostgreSQL returned. Owns its PGresult; views die with it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct pg_result;

namespace crossfade::postgres {

class QueryResult {
 public:
  explicit QueryResult(pg_result* result) : result_(result) {}

  [[nodiscard]] int rows() const;
  [[nodiscard]] int columns() const;
  [[nodiscard]] bool is_null(int row, int column) const;
  // The field's bytes: text, or the binary form when that was asked for.
  [[nodiscard]] std::string_view bytes(int row, int column) const;
  [[nodiscard]] std::string text(int row, int column) const;
  // Of a text-format integer field; 0 for NULL.
  [[nodiscard]] int64_t integer(int row, int column) const;
  [[nodiscard]] bool boolean(int row, int column) const;  // of a text-format field: 't'
  // Of INSERT, UPDATE, DELETE, COPY.
  [[nodiscard]] int64_t affected() const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

}  // namespace crossfade::postgres
