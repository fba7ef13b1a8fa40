#include "tools/cli/config.h"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <sstream>

namespace crossfade::cli {
namespace {

Error usage(std::string object, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "config";
  error.object = std::move(object);
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

template <typename T>
void fill(std::optional<T>* setting, std::optional<T> value) {
  if (!*setting) *setting = std::move(value);
}

Result<std::optional<bool>> environment_bool(const char* name) {
  const auto text = environment(name);
  if (!text) return std::optional<bool>();
  if (*text == "1" || *text == "true") return std::optional<bool>(true);
  if (*text == "0" || *text == "false") return std::optional<bool>(false);
  return fail(usage(name, fmt::format("'{}' is neither true nor false", *text), "use 1 or 0"));
}

Status environment_number(const char* name, const char* hint, std::optional<int64_t>* setting) {
  const auto text = environment(name);
  if (!text || *setting) return ok();
  int64_t value = 0;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (ec != std::errc() || end != text->data() + text->size()) {
    return fail(usage(name, fmt::format("'{}' is no number", *text), hint));
  }
  *setting = value;
  return ok();
}

Status from_environment(Settings* s) {
  fill(&s->target, environment("CROSSFADE_TARGET"));
  fill(&s->target, environment("DATABASE_URL"));
  fill(&s->target_schema, environment("CROSSFADE_TARGET_SCHEMA"));
  fill(&s->naming, environment("CROSSFADE_NAMING"));
  fill(&s->rules, environment("CROSSFADE_RULES"));
  fill(&s->log_level, environment("CROSSFADE_LOG_LEVEL"));
  CROSSFADE_TRY(
      environment_number("CROSSFADE_MAX_PAUSE_MS", "give milliseconds", &s->max_pause_ms));
  CROSSFADE_TRY(
      environment_number("CROSSFADE_KEEP_LOG", "give a number of positions", &s->keep_log));
  CROSSFADE_TRY(environment_number("CROSSFADE_MAX_LOG", "give MiB", &s->max_log_mib));
  CROSSFADE_TRY(environment_number("CROSSFADE_KEEP_FREE", "give MiB", &s->keep_free_mib));
  CROSSFADE_TRY(const auto quarantine, environment_bool("CROSSFADE_QUARANTINE"));
  fill(&s->quarantine, quarantine);
  CROSSFADE_TRY(const auto keep, environment_bool("CROSSFADE_KEEP_JOURNAL_MODE"));
  fill(&s->keep_journal_mode, keep);
  CROSSFADE_TRY(const auto no_backup, environment_bool("CROSSFADE_NO_BACKUP"));
  fill(&s->no_backup, no_backup);
  CROSSFADE_TRY(const auto adopt, environment_bool("CROSSFADE_SCHEMA_FROM_TARGET"));
  fill(&s->schema_from_target, adopt);
  return ok();
}

template <typename T>
Status take(const std::string& file, const std::string& key, const toml::node& node,
            std::optional<T>* setting) {
  const auto value = node.value_exact<T>();
  if (!value) {
    return fail(usage(fmt::format("{}:{}", file, node.source().begin.line),
                      fmt::format("'{}' has the wrong type", key), "see docs/architecture.md"));
  }
  fill(setting, std::optional<T>(*value));
  return ok();
}

Status from_table(const std::string& file, const toml::table& table, Settings* s) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (name == "target") {
      CROSSFADE_TRY(take(file, name, node, &s->target));
    } else if (name == "target_schema") {
      CROSSFADE_TRY(take(file, name, node, &s->target_schema));
    } else if (name == "naming") {
      CROSSFADE_TRY(take(file, name, node, &s->naming));
    } else if (name == "schema_from_target") {
      CROSSFADE_TRY(take(file, name, node, &s->schema_from_target));
    } else if (name == "rules") {
      CROSSFADE_TRY(take(file, name, node, &s->rules));
    } else if (name == "log_level") {
      CROSSFADE_TRY(take(file, name, node, &s->log_level));
    } else if (name == "max_pause_ms") {
      CROSSFADE_TRY(take(file, name, node, &s->max_pause_ms));
    } else if (name == "keep_log") {
      CROSSFADE_TRY(take(file, name, node, &s->keep_log));
    } else if (name == "max_log") {
      CROSSFADE_TRY(take(file, name, node, &s->max_log_mib));
    } else if (name == "keep_free") {
      CROSSFADE_TRY(take(file, name, node, &s->keep_free_mib));
    } else if (name == "quarantine") {
      CROSSFADE_TRY(take(file, name, node, &s->quarantine));
    } else if (name == "keep_journal_mode") {
      CROSSFADE_TRY(take(file, name, node, &s->keep_journal_mode));
    } else if (name == "no_backup") {
      CROSSFADE_TRY(take(file, name, node, &s->no_backup));
    } else {
      return fail(usage(
          fmt::format("{}:{}", file, key.source().begin.line),
          fmt::format("unknown setting '{}'", name),
          "known: target, target_schema, naming, schema_from_target, rules, log_level, "
          "max_pause_ms, keep_log, max_log, keep_free, quarantine, keep_journal_mode, no_backup"));
    }
  }
  return ok();
}

}  // namespace

Status complete_settings(const std::string& config_file, Settings* settings) {
  CROSSFADE_TRY(from_environment(settings));
  const std::string file = config_file.empty() ? "crossfade.toml" : config_file;
  if (::access(file.c_str(), R_OK) != 0) {
    if (config_file.empty()) return ok();
    return fail(usage(file, "cannot be read", "check the path given with --config"));
  }
  try {
    const toml::table table = toml::parse_file(file);
    return from_table(file, table, settings);
  } catch (const toml::parse_error& e) {
    std::ostringstream where;
    where << e.source().begin.line;
    return fail(usage(fmt::format("{}:{}", file, where.str()), std::string(e.description()),
                      "mend the file"));
  }
}

Result<log::Level> parse_log_level(const std::string& text) {
  if (text == "debug") return log::Level::kDebug;
  if (text == "info") return log::Level::kInfo;
  if (text == "warn") return log::Level::kWarn;
  if (text == "error") return log::Level::kError;
  if (text == "off") return log::Level::kOff;
  return fail(usage("--log-level", fmt::format("'{}' is no level", text),
                    "use debug, info, warn, error or off"));
}

}  // namespace crossfade::cli
