#include "engine/sqlite/statement.h"

#include <sqlite3.h>

#include "engine/core/assert.h"
#include "engine/observe/fault.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/sqlite_error_map.h"

namespace crossfade::sqlite {
namespace {

StorageClass storage_of(int type) {
  switch (type) {
    case SQLITE_INTEGER:
      return StorageClass::kInteger;
    case SQLITE_FLOAT:
      return StorageClass::kReal;
    case SQLITE_TEXT:
      return StorageClass::kText;
    case SQLITE_BLOB:
      return StorageClass::kBlob;
    default:
      return StorageClass::kNull;
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<Statement> Statement::prepare(Connection& connection, const std::string& sql) {
  if (fault_fails("source.prepare")) {
    return fail(
        make_error(SQLITE_IOERR, connection.handle(), "source.prepare", sql.substr(0, 200)));
  }
  sqlite3_stmt* raw = nullptr;
  const int rc = sqlite3_prepare_v3(connection.handle(), sql.c_str(), static_cast<int>(sql.size()),
                                    0, &raw, nullptr);
  if (rc != SQLITE_OK) {
    return fail(make_error(rc, connection.handle(), "source.prepare", sql.substr(0, 200)));
  }
  CROSSFADE_ASSERT(raw != nullptr, "empty SQL");
  return Statement(raw);
}

Result<bool> Statement::step() {
  const int rc = sqlite3_step(statement_.get());
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  Error error = make_error(rc, sqlite3_db_handle(statement_.get()), "source.step",
                           std::string(sql().substr(0, 200)));
  sqlite3_reset(statement_.get());
  return fail(std::move(error));
}

Status Statement::run() {
  CROSSFADE_TRY(bool row, step());
  while (row) {
    CROSSFADE_TRY(row, step());
  }
  reset();
  return ok();
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
}

void Statement::clear() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

void Statement::bind(int index, const Value& value) {
  int rc = SQLITE_OK;
  switch (value.storage()) {
    case StorageClass::kNull:
      rc = sqlite3_bind_null(statement_.get(), index);
      break;
    case StorageClass::kInteger:
      rc = sqlite3_bind_int64(statement_.get(), index, value.integer());
      break;
    case StorageClass::kReal:
      rc = sqlite3_bind_double(statement_.get(), index, value.real());
      break;
    case StorageClass::kText:
      rc = sqlite3_bind_text64(statement_.get(), index, value.text().data(), value.text().size(),
                               SQLITE_TRANSIENT, SQLITE_UTF8);  // NOLINT: SQLite's own macro
      break;
    case StorageClass::kBlob:
      rc = sqlite3_bind_blob64(statement_.get(), index, value.blob().data(), value.blob().size(),
                               SQLITE_TRANSIENT);  // NOLINT: SQLite's own macro
      break;
  }
  CROSSFADE_ASSERT(rc == SQLITE_OK, "bind {} returned {}", index, rc);
}

Status Statement::bind_borrowed(int index, const Value& value) {
  int rc = SQLITE_OK;
  if (value.storage() == StorageClass::kText) {
    rc = sqlite3_bind_text64(statement_.get(), index, value.text().data(), value.text().size(),
                             SQLITE_STATIC, SQLITE_UTF8);
  } else if (value.storage() == StorageClass::kBlob) {
    rc = sqlite3_bind_blob64(statement_.get(), index, value.blob().data(), value.blob().size(),
                             SQLITE_STATIC);
  } else {
    bind(index, value);
  }
  if (rc == SQLITE_OK) return ok();
  return fail(make_error(rc, sqlite3_db_handle(statement_.get()), "source.bind", ""));
}

void Statement::bind(int index, int64_t value) {
  const int rc = sqlite3_bind_int64(statement_.get(), index, value);
  CROSSFADE_ASSERT(rc == SQLITE_OK, "bind {} returned {}", index, rc);
}

void Statement::bind_text(int index, std::string_view value) {
  bind(index, Value(Text{std::string(value)}));
}

std::string_view Statement::sql() const {
  const char* sql = sqlite3_sql(statement_.get());
  return sql == nullptr ? std::string_view() : std::string_view(sql);
}

int Statement::column_count() const {
  return sqlite3_column_count(statement_.get());
}

std::string_view Statement::column_name(int column) const {
  const char* name = sqlite3_column_name(statement_.get(), column);
  return name == nullptr ? std::string_view() : std::string_view(name);
}

StorageClass Statement::storage(int column) const {
  return storage_of(sqlite3_column_type(statement_.get(), column));
}

// One call that looks the column up, then those that only look at the value. They are allowed for a
// value that is not "protected", because no connection of ours has a mutex
// (sqlite.org/c3ref/value).
ValueView Statement::view(int column) const {
  sqlite3_value* const value = sqlite3_column_value(statement_.get(), column);
  ValueView out{.storage = storage_of(sqlite3_value_type(value))};
  switch (out.storage) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      out.integer = sqlite3_value_int64(value);
      break;
    case StorageClass::kReal:
      out.real = sqlite3_value_double(value);
      break;
    case StorageClass::kText:
      out.bytes = bytes_of(sqlite3_value_text(value), sqlite3_value_bytes(value));
      break;
    case StorageClass::kBlob:
      out.bytes = bytes_of(sqlite3_value_blob(value), sqlite3_value_bytes(value));
      break;
  }
  return out;
}

int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double Statement::real(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

std::string_view Statement::bytes(int column) const {
  // For text, sqlite3_column_blob would hand out UTF-16 of a UTF-16 database; _text is UTF-8.
  const void* data = sqlite3_column_type(statement_.get(), column) == SQLITE_TEXT
                         ? static_cast<const void*>(sqlite3_column_text(statement_.get(), column))
                         : sqlite3_column_blob(statement_.get(), column);
  return bytes_of(data, sqlite3_column_bytes(statement_.get(), column));
}

// Null stands for a blob without bytes; otherwise there was no memory to fetch or convert it.
std::string_view Statement::bytes_of(const void* data, int size) const {
  CROSSFADE_ASSERT(
      data != nullptr || sqlite3_errcode(sqlite3_db_handle(statement_.get())) != SQLITE_NOMEM,
      "no memory for a value");
  return data == nullptr
             ? std::string_view()
             : std::string_view(static_cast<const char*>(data), static_cast<size_t>(size));
}

Value Statement::value(int column) const {
  return value_of(view(column));
}

Row Statement::row() const {
  Row out;
  const int count = column_count();
  out.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) out.push_back(value(i));
  return out;
}

}  // namespace crossfade::sqlite
