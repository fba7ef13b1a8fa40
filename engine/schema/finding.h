// What a person should know before, or must decide before, a database moves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/schema.h"

namespace crossfade::schema {

enum class Severity : uint8_t {
  kInfo,     // nothing to do
  kWarning,  // something is not carried over, or changes its meaning on the target
  kBlocker,  // data could not be carried exactly: `run` refuses (exit 3) until it is decided
};

struct Finding {
  Severity severity = Severity::kInfo;
  std::string code;  // stable, snake_case, listed in docs/findings.md
  std::string table;
  std::string column;  // empty: about the whole table
  int64_t rows = 0;    // how many rows are concerned; 0 when it is not about rows
  std::string message;
  std::vector<std::string> samples;  // keys and values of up to limits::kSamplesMax rows
  std::string remedy;
};

// With no message yet.
[[nodiscard]] inline Finding about(const Table& table, const Column& column, Severity severity,
                                   const char* code) {
  Finding finding;
  finding.severity = severity;
  finding.code = code;
  finding.table = table.name;
  finding.column = column.name;
  return finding;
}

}  // namespace crossfade::schema
