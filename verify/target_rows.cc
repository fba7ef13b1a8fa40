#include "verify/target_rows.h"

#include <utility>

#include "engine/postgres/binary.h"
#include "engine/postgres/connection.h"
#include "verify/canonical.h"

namespace crossfade::verify {
namespace {

constexpr int32_t kNullLength = -1;
constexpr int16_t kEndOfRows = -1;

Error malformed(const Table& table, const char* what) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "verify.copy";
  error.object = table.target_name;
  error.native = what;
  return error;
}

}  // namespace

Result<TargetRows> TargetRows::open(postgres::Connection& target, const std::string& select,
                                    const Table& table) {
  CROSSFADE_TRY(target.copy_out_begin("COPY (" + select + ") TO STDOUT (FORMAT binary)"));
  return TargetRows(target, table);
}

Result<bool> TargetRows::next() {
  while (true) {
    if (!rest_.empty()) {
      auto row = decode();
      if (row && row.value()) return true;
      CROSSFADE_TRY(drain());
      return row;
    }
    CROSSFADE_TRY(const bool more, target_.copy_out_next(&rest_));
    if (!more) return false;
    if (!header_taken_) {
      if (auto header = take_header(); !header) {
        CROSSFADE_TRY(drain());
        return fail(std::move(header).error());
      }
    }
  }
}

Status TargetRows::take_header() {
  const std::string_view header = postgres::copy_header();
  if (rest_.substr(0, header.size()) != header) {
    return fail(
        malformed(table_, "the COPY does not begin with a binary header without extension"));
  }
  rest_.remove_prefix(header.size());
  header_taken_ = true;
  return ok();
}

Result<bool> TargetRows::decode() {
  if (rest_.size() < sizeof(int16_t)) return fail(malformed(table_, "a COPY row ends early"));
  const auto fields = postgres::read_be<int16_t>(rest_);
  rest_.remove_prefix(sizeof(int16_t));
  if (fields == kEndOfRows) return false;
  if (fields < 0 || static_cast<size_t>(fields) != table_.columns.size()) {
    return fail(malformed(table_, "a COPY row has another number of columns"));
  }
  form_.begin();
  for (size_t i = 0; i < table_.columns.size(); ++i) {
    CROSSFADE_TRY(decode_field(i));
  }
  return true;
}

Status TargetRows::decode_field(size_t column) {
  if (rest_.size() < sizeof(int32_t)) return fail(malformed(table_, "a COPY row ends early"));
  const auto length = postgres::read_be<int32_t>(rest_);
  rest_.remove_prefix(sizeof(int32_t));
  const bool null = length == kNullLength;
  const size_t size = null ? 0 : static_cast<size_t>(static_cast<uint32_t>(length));
  if (size > rest_.size()) return fail(malformed(table_, "a COPY field ends early"));
  auto appended = append_canonical_target(rest_.substr(0, size), null, table_.columns[column].type,
                                          form_.bytes());
  if (!appended) {
    Error error = std::move(appended).error();
    error.object = table_.target_name + "." + table_.columns[column].target_name;
    return fail(std::move(error));
  }
  form_.end_column();
  rest_.remove_prefix(size);
  return ok();
}

Status TargetRows::drain() {
  rest_ = {};
  std::string_view ignored;
  while (true) {
    CROSSFADE_TRY(const bool more, target_.copy_out_next(&ignored));
    if (!more) return ok();
  }
}

}  // namespace crossfade::verify
