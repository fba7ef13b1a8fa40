#include "engine/run/rules_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "engine/core/file_bytes.h"
#include "engine/core/limits.h"
#include "engine/core/mask_key.h"
#include "engine/run/state_folder.h"
#include "engine/schema/rules.h"
#include "engine/sqlite/connection.h"

namespace crossfade::run {
namespace {

Error wrong_rules(const std::string& file, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "rules";
  error.object = file;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

Result<std::string> read_text(const std::string& file) {
  auto text = read_file(file);
  if (!text) {
    return fail(wrong_rules(file, std::strerror(errno), "check the path given with --rules"));
  }
  return std::move(*text);
}

Status use_rules(std::string text, const std::string& file, bool strict, EngineOptions* options) {
  schema::Problems problems;
  auto rules =
      std::make_shared<schema::Rules>(schema::parse_rules(std::move(text), file, &problems));
  if (!rules->tables.empty()) {
    CROSSFADE_TRY(auto source,
                  sqlite::Connection::open(
                      {options->database, sqlite::Access::kReadOnly, limits::kSourceBusyTimeout}));
    CROSSFADE_TRY(auto catalog, schema::read_catalog(source));
    schema::name_for_target(options->naming, &catalog);
    schema::check_rules(*rules, catalog, strict, &problems);
  }
  if (!problems.empty()) {
    return fail(wrong_rules(
        file, fmt::format("{} wrong:\n    {}", problems.size(), fmt::join(problems, "\n    ")),
        "mend the lines named; docs/rules.md has every key"));
  }
  if (rules->masks() && mask_key().empty()) {
    return fail(wrong_rules(
        file, fmt::format("a rule masks a column, and {} has no key", kMaskKeyVariable),
        fmt::format("set {} to a secret of at least {} bytes, the same one in every run",
                    kMaskKeyVariable, kMaskKeyBytesMin)));
  }
  options->rules = std::move(rules);
  return ok();
}

}  // namespace

Status load_rules(const std::string& file, EngineOptions* options) {
  if (!file.empty()) {
    CROSSFADE_TRY(auto text, read_text(file));
    return use_rules(std::move(text), file, true, options);
  }
  // A source that is not there is the verb's to report.
  const auto state = StateFolder::of(options->database);
  if (!state) return ok();
  CROSSFADE_TRY(std::string text, state.value().remembered_rules());
  if (text.empty()) return ok();
  return use_rules(std::move(text), state.value().rules(), false, options);
}

}  // namespace crossfade::run
