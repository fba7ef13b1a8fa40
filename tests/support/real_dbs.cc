#include "tests/support/real_dbs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <system_error>

namespace crossfade::testing {

namespace fs = std::filesystem;

std::optional<std::string> real_dbs_folder() {
  const char* named = std::getenv("CROSSFADE_REAL_DBS");
  const fs::path folder = named != nullptr && *named != '\0'
                              ? fs::path(named)
                              : fs::path(CROSSFADE_SOURCE_DIR) / "../shared/data";
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return std::nullopt;
  return fs::weakly_canonical(folder, ignored).string();
}

std::vector<std::string> real_db_names() {
  std::vector<std::string> names;
  const auto folder = real_dbs_folder();
  if (!folder) return names;
  for (const auto& entry : fs::directory_iterator(*folder)) {
    if (entry.path().extension() == ".db") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> few_real_dbs(std::vector<std::string> few) {
  if (std::getenv("CROSSFADE_ALL_REAL_DBS") == nullptr) return few;
  return {std::begin(kRealDbs), std::end(kRealDbs)};
}

std::string copy_real_db(const std::string& name, const TempDir& dir) {
  const std::string to = dir.file(name + ".db");
  std::error_code error;
  fs::copy_file(fs::path(real_dbs_folder().value_or("")) / (name + ".db"), to, error);
  if (!error) fs::permissions(to, static_cast<fs::perms>(0644), error);
  EXPECT_FALSE(error) << name << ": " << error.message();
  return to;
}

}  // namespace crossfade::testing
