#include "engine/postgres/result.h"

#include <libpq-fe.h>

#include <charconv>

namespace crossfade::postgres {

void QueryResult::Clear::operator()(pg_result* result) const {
  PQclear(result);
}

int QueryResult::rows() const {
  return PQntuples(result_.get());
}
int QueryResult::columns() const {
  return PQnfields(result_.get());
}

bool QueryResult::is_null(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}

std::string_view QueryResult::bytes(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<size_t>(PQgetlength(result_.get(), row, column))};
}

std::string QueryResult::text(int row, int column) const {
  return std::string(bytes(row, column));
}

namespace {
int64_t parse_int(std::string_view text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}
}  // namespace

int64_t QueryResult::integer(int row, int column) const {
  return parse_int(bytes(row, column));
}

bool QueryResult::boolean(int row, int column) const {
  return bytes(row, column) == "t";
}

int64_t QueryResult::affected() const {
  return parse_int(PQcmdTuples(result_.get()));
}

}  // namespace crossfade::postgres
