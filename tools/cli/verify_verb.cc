#include "tools/cli/verify_verb.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "engine/core/sha256.h"
#include "engine/postgres/connection.h"
#include "engine/run/audit.h"
#include "engine/run/state_folder.h"
#include "tools/cli/report_file.h"
#include "tools/cli/signing_key.h"
#include "tools/cli/task.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;

constexpr const char* kReportFlag = "--report";

Error misused(std::string object, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "verify";
  error.object = std::move(object);
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

std::string signature_of(const std::string& report) {
  return report + ".sig";
}

// All that can be known before the comparison, which may take long.
Result<std::optional<SigningKey>> check(const Common& common, const VerifyArguments& arguments) {
  std::optional<SigningKey> key;
  if (arguments.report.empty()) return key;
  const std::string& database = common.engine.database;
  const std::string signature = signature_of(arguments.report);
  CROSSFADE_TRY(check_report_file(arguments.report, kReportFlag, database));
  CROSSFADE_TRY(check_report_file(signature, kReportFlag, database));
  if (arguments.sign_key.empty()) {
    if (!std::filesystem::exists(signature)) return key;
    return fail(misused(signature, "this is the signature of an earlier report",
                        "give --report another name, or --sign-key to sign the new one, too"));
  }
  CROSSFADE_TRY(key, SigningKey::load(arguments.sign_key));
  return key;
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// Without its password.
std::string shown_target(const Common& common, const run::StateFolder& state) {
  std::string target = common.engine.target;
  if (target.empty()) {
    if (const auto remembered = state.remembered_target()) target = remembered.value();
  }
  if (target.empty() || target == "embedded") return "embedded";
  const auto params = postgres::ConnectionParams::parse(target);
  return params ? params.value().safe() : "(not readable)";
}

// Who compared what, before what came of it.
Status write_report(const Common& common, const VerifyArguments& arguments,
                    const std::optional<SigningKey>& key, run::TaskResult* result) {
  CROSSFADE_TRY(const auto state, run::StateFolder::of(common.engine.database));
  const auto now =
      std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  nlohmann::ordered_json report = {{"report", "crossfade verification"},
                                   {"version", CROSSFADE_VERSION},
                                   {"made_at", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", now)},
                                   {"host", host_name()},
                                   {"source", state.database()},
                                   {"target", shown_target(common, state)},
                                   {"target_schema", common.engine.target_schema}};
  std::string fingerprint;
  if (key) {
    CROSSFADE_TRY(fingerprint, key->fingerprint());
    report["signed_by"] = fingerprint;
  }
  for (const auto& [name, value] : result->document.items()) report[name] = value;
  const std::string text =
      report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  CROSSFADE_TRY(write_report_file(arguments.report, text));
  result->text += fmt::format("report: {}\n", arguments.report);
  if (key) {
    CROSSFADE_TRY(const std::string signature, key->sign(text));
    CROSSFADE_TRY(write_report_file(signature_of(arguments.report), signature));
    result->text += fmt::format("signature: {}\n", signature_of(arguments.report));
  }
  json noted = {{"file", std::filesystem::absolute(arguments.report).string()},
                {"sha256", sha256_hex(text)},
                {"verdict", result->document.value("verdict", "")}};
  if (key) noted["signed_by"] = fingerprint;
  run::AuditLog(state.audit()).record("verification_report", std::move(noted));
  return ok();
}

Result<run::TaskResult> compare(const Common& common, const VerifyArguments& arguments) {
  CROSSFADE_TRY(const auto key, check(common, arguments));
  const bool by_sha256 = arguments.digest == "sha256" || !arguments.report.empty();
  run::Task task;
  json request = {{"command", "verify"}};
  if (by_sha256) {
    task.digest = verify::DigestKind::kSha256;
    request["digest"] = "sha256";
  }
  CROSSFADE_TRY(auto result, do_task(common, task, request));
  if (!by_sha256 || result.document.contains("error")) return result;
  if (result.document.value("digest", "") != "sha256") {
    Error error = misused("", "the engine that runs is of a version that knows no --digest sha256",
                          "end it with SIGTERM and start it again with this version: it goes on "
                          "from where it was");
    error.code = ErrorCode::kBlocked;
    return fail(std::move(error));
  }
  if (!arguments.report.empty()) {
    CROSSFADE_TRY(write_report(common, arguments, key, &result));
  }
  return result;
}

}  // namespace

CLI::App* add_verify(CLI::App* app, CommonFlags* common, VerifyArguments* arguments) {
  CLI::App* verb =
      app->add_subcommand("verify", "compare both sides exactly, while both keep moving");
  add_common(verb, common, true);
  verb->add_option("--digest", arguments->digest,
                   "xxh3 (default), or sha256: one of each table's rows on either side, which "
                   "others can make again (docs/verification.md)")
      ->check(CLI::IsMember({"xxh3", "sha256"}));
  CLI::Option* report =
      verb->add_option(kReportFlag, arguments->report,
                       "write what was compared to this file, as JSON; with --digest sha256");
  verb->add_option("--sign-key", arguments->sign_key,
                   "sign the report with the private key in this PEM file, into FILE.sig")
      ->needs(report);
  return verb;
}

int verify(const Common& common, const VerifyArguments& arguments) {
  return show(common, compare(common, arguments));
}

}  // namespace crossfade::cli
