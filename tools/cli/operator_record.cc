#include "tools/cli/operator_record.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <vector>

#include "engine/core/limits.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/embedded.h"
#include "engine/run/audit.h"
#include "engine/run/audit_head.h"
#include "tools/cli/scrub.h"
#include "tools/cli/verbs.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kHeadPatience{2'000};

// What only the operator may know, or what is a row of the application's.
constexpr std::array<std::string_view, 2> kNotRepeated = {"--rollback-if", "--row"};

std::string without_password(const std::string& name, const std::string& text) {
  if (std::find(kNotRepeated.begin(), kNotRepeated.end(), name) != kNotRepeated.end()) {
    return "(given)";
  }
  if (name == "--target" && text != "embedded") {
    const auto params = postgres::ConnectionParams::parse(text);
    return params ? params.value().safe() : "(not readable)";
  }
  std::vector<char> copy(text.begin(), text.end());
  copy.push_back('\0');
  std::array<char*, 2> arguments = {nullptr, copy.data()};
  scrub_passwords(2, arguments.data());
  return copy.data();
}

void add_flags(const CLI::App& verb, json* flags) {
  for (const CLI::Option* option : verb.get_options()) {
    if (option->count() == 0) continue;
    const std::string name = option->get_name();
    json given = json::array();
    for (const std::string& text : option->results()) {
      given.push_back(without_password(name, text));
    }
    (*flags)[name] = given.size() == 1 ? given[0] : given;
  }
}

}  // namespace

OperatorRecord::OperatorRecord(const CLI::App& verb) : verb_(verb.get_name()) {
  add_flags(verb, &flags_);
  for (const CLI::App* sub : verb.get_subcommands()) {
    verb_ += " " + sub->get_name();
    add_flags(*sub, &flags_);
  }
}

void OperatorRecord::begin(const std::string& database) {
  const auto state = run::StateFolder::of(database);
  if (!state || !std::filesystem::exists(state.value().folder())) return;
  begin(state.value());
}

void OperatorRecord::begin(const run::StateFolder& state) {
  if (database_) return;
  database_ = state.database();
  run::AuditLog(state.audit()).record("command_begun", {{"command", verb_}, {"flags", flags_}});
}

void OperatorRecord::end(int exit_code, const Common& common) {
  if (!database_) return;
  const auto state = run::StateFolder::of(*database_);
  if (!state || !std::filesystem::exists(state.value().folder())) return;
  run::AuditLog(state.value().audit())
      .record("command_ended", {{"command", verb_}, {"exit_code", exit_code}});
  // A target that did not answer just now is not asked again.
  if (exit_code != crossfade::exit_code(ErrorCode::kTarget)) keep_head(state.value(), common);
}

void OperatorRecord::keep_head(const run::StateFolder& state, const Common& common) const {
  std::string target = common.engine.target;
  if (target.empty()) {
    const auto remembered = state.remembered_target();
    if (!remembered) return;
    target = remembered.value();
  }
  if (target == "embedded") {
    target = postgres::EmbeddedCluster::url_of({state.cluster(), "crossfade", {}});
  }
  const auto params = postgres::ConnectionParams::parse(target);
  if (target.empty() || !params) return;
  postgres::ConnectOptions options;
  options.params = params.value();
  options.connect_timeout = kHeadPatience;
  options.statement_timeout = kHeadPatience;
  options.application_name = "crossfade audit";
  auto connection = postgres::Connection::open(std::move(options));
  if (!connection) return;
  const auto there =
      connection.value().exec("SELECT to_regclass('crossfade.progress') IS NOT NULL");
  if (!there || !there.value().boolean(0, 0)) return;
  (void)run::AuditHeadKeeper().keep(connection.value(), run::AuditLog(state.audit()));
}

}  // namespace crossfade::cli
