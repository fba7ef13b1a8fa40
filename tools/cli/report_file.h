// The files that `inspect --html` and `verify --report` write.
#pragma once

#include <string>

#include "engine/core/result.h"

namespace crossfade::cli {

// kUsage unless `file`, which `flag` has given, can be a report beside `database`: a new file, or
// an older report to be replaced. Never the database, one of its own files, any other SQLite
// database, a folder or a device. Opens neither of the database's files.
Status check_report_file(const std::string& file, const std::string& flag,
                         const std::string& database);

// All or nothing: a reader sees the old file or the whole new one.
Status write_report_file(const std::string& file, const std::string& text);

}  // namespace crossfade::cli
