#include "tools/cli/audit_verb.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "engine/core/limits.h"
#include "engine/postgres/connection.h"
#include "engine/run/audit_head.h"
#include "engine/run/audit_trail.h"
#include "engine/run/reachable_target.h"
#include "engine/schema/utf8.h"
#include "tools/cli/task.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;

std::string dumped(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string field(const json& entry, const char* name) {
  const auto found = entry.find(name);
  if (found == entry.end()) return {};
  return found->is_string() ? found->get<std::string>() : dumped(*found);
}

std::string who(const json& entry, const char* name) {
  const auto found = entry.find("who");
  return found != entry.end() && found->is_object() ? field(*found, name) : std::string();
}

std::string csv_field(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += c;
    out += c;
  }
  return out + "\"";
}

// RFC 4180; `details` is JSON.
std::string csv_line(const json& entry) {
  std::string out;
  for (const std::string& text :
       {field(entry, "seq"), field(entry, "at"), field(entry, "what"), who(entry, "uid"),
        who(entry, "user"), who(entry, "pid"), field(entry, "host"), field(entry, "details"),
        field(entry, "hash")}) {
    out += (out.empty() ? "" : ",") + csv_field(text);
  }
  return out + "\r\n";
}

std::string text_line(const json& entry) {
  return schema::printable(fmt::format("{} {} {}@{} {} {}", field(entry, "at"), field(entry, "seq"),
                                       who(entry, "user"), field(entry, "host"),
                                       field(entry, "what"), field(entry, "details"))) +
         "\n";
}

// A prefix of what the trail has, so that texts compare as times do: 2026-11-01T10:00:00Z.
bool is_time(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
  const std::string_view zoneless = text.ends_with('Z') ? text.substr(0, text.size() - 1) : text;
  if (zoneless.size() < 10 || zoneless.size() > kForm.size()) return false;
  return std::equal(zoneless.begin(), zoneless.end(), kForm.begin(), [](char c, char form) {
    return form == 'd' ? c >= '0' && c <= '9' : c == form;
  });
}

Error no_trail(const std::string& database) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "audit.read";
  error.object = database;
  error.native = "there is no audit trail: no move of this database has begun";
  error.hint = "begin one with `crossfade run`";
  return error;
}

// Nothing: nobody is to be asked, or no target is known.
Result<std::optional<std::optional<run::AuditHead>>> recorded_head(const Common& common,
                                                                   const run::StateFolder& state,
                                                                   bool offline) {
  using Asked = std::optional<std::optional<run::AuditHead>>;
  if (offline) return Asked();
  CROSSFADE_TRY(auto target, run::ReachableTarget::find(common.engine, state));
  if (target.url().empty()) return Asked();
  postgres::ConnectOptions options;
  CROSSFADE_TRY(options.params, postgres::ConnectionParams::parse(target.url()));
  options.connect_timeout = limits::kConnectTimeout;
  options.application_name = "crossfade audit";
  CROSSFADE_TRY(auto connection, postgres::Connection::open(std::move(options)));
  CROSSFADE_TRY(auto head, run::read_audit_head(connection));
  const auto noted = run::read_route_file(state.route());
  CROSSFADE_TRY(target.close(!noted || noted.value().primary == run::Primary::kPostgres));
  return Asked(std::move(head));
}

Result<run::TaskResult> verify_trail(const Common& common, const AuditArguments& arguments,
                                     const run::StateFolder& state) {
  auto head = recorded_head(common, state, arguments.offline);
  const bool asked = head && head.value();
  CROSSFADE_TRY(const auto report,
                run::check_audit_trail(state.audit(), asked,
                                       asked ? *head.value() : std::optional<run::AuditHead>()));
  const bool intact = report.verdict == run::AuditVerdict::kIntact;
  if (!head && intact) {
    Error error = std::move(head).error();
    error.hint += "; --offline looks at the trail alone, which finds all but a missing end";
    return fail(std::move(error));
  }
  if (intact && report.entries == 0 && !std::filesystem::exists(state.audit())) {
    return fail(no_trail(state.database()));
  }
  return run::TaskResult{intact ? 0 : exit_code(ErrorCode::kDifferent), run::to_json(report),
                         run::to_text(report)};
}

Result<run::TaskResult> list_entries(const Common& common, const AuditArguments& arguments,
                                     const run::StateFolder& state) {
  if (!arguments.since.empty() && !is_time(arguments.since)) {
    Error error;
    error.code = ErrorCode::kUsage;
    error.op = "audit";
    error.object = "--since";
    error.native = "this is no time";
    error.hint = "give it in UTC, as 2026-11-01 or 2026-11-01T10:00:00Z";
    return fail(std::move(error));
  }
  if (!std::filesystem::exists(state.audit())) return fail(no_trail(state.database()));
  std::string since = arguments.since;
  if (since.ends_with('Z')) since.pop_back();  // the trail has milliseconds
  const bool exporting = arguments.action == AuditAction::kExport;
  run::TaskResult out;
  json entries = json::array();
  if (exporting && arguments.format == "csv") {
    out.text = "seq,at,what,uid,user,pid,host,details,hash\r\n";
  }
  CROSSFADE_TRY(run::each_audit_entry(state.audit(), since, [&](const json& entry) {
    if (exporting && arguments.format == "csv") {
      out.text += csv_line(entry);
    } else if (exporting || common.json) {
      entries.push_back(entry);
    } else {
      out.text += text_line(entry);
    }
  }));
  if (exporting && arguments.format == "json")
    out.text = entries.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  out.document = {{"entries", std::move(entries)}};
  return out;
}

}  // namespace

CLI::App* add_audit(CLI::App* app, CommonFlags* common, AuditArguments* arguments) {
  CLI::App* verb =
      app->add_subcommand("audit", "who did what to this move, and whether that record is whole");
  verb->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, AuditAction action) {
    CLI::App* sub = verb->add_subcommand(name, what);
    add_common(sub, common, action == AuditAction::kVerify);
    sub->callback([arguments, action] { arguments->action = action; });
    if (action == AuditAction::kVerify) {
      sub->add_flag("--offline", arguments->offline,
                    "do not ask the target for the newest entry: a missing end does not show");
      return sub;
    }
    sub->add_option("--since", arguments->since, "from this time (UTC) on: 2026-11-01T10:00:00Z");
    return sub;
  };
  add("verify", "exit 4 when an entry was changed, removed or moved, and says which",
      AuditAction::kVerify);
  add("show", "the entries, one per line", AuditAction::kShow);
  add("export", "the entries as one JSON array or as CSV, on stdout", AuditAction::kExport)
      ->add_option("--format", arguments->format, "json (default) or csv")
      ->check(CLI::IsMember({"json", "csv"}));
  return verb;
}

int audit(const Common& common, const AuditArguments& arguments) {
  const auto done = [&]() -> Result<run::TaskResult> {
    CROSSFADE_TRY(const auto state, run::StateFolder::of(common.engine.database));
    return arguments.action == AuditAction::kVerify ? verify_trail(common, arguments, state)
                                                    : list_entries(common, arguments, state);
  }();
  // What is exported has a form of its own.
  Common shown = common;
  if (arguments.action == AuditAction::kExport && done) shown.json = false;
  return show(shown, done);
}

}  // namespace crossfade::cli
