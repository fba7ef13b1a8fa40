#include "tests/support/writers.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "engine/core/deadline.h"
#include "tests/support/oracle_sides.h"

namespace crossfade::testing {
namespace {

constexpr const char* kPython = "/usr/bin/python3";
constexpr size_t kShownMax = 10;

using Row = std::tuple<int64_t, int64_t, std::string>;  // writer, seq, payload

struct Acknowledged {
  std::vector<Row> rows;
  size_t moved = 0;
};

Acknowledged read_acknowledged(const std::vector<std::string>& files) {
  Acknowledged out;
  for (const std::string& file : files) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
      const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (json.is_discarded()) continue;  // the last line of a writer that was killed
      if (json.contains("moved")) {
        ++out.moved;
      } else {
        out.rows.emplace_back(json["writer"], json["seq"], json["payload"]);
      }
    }
  }
  return out;
}

// `cells` are I<writer>, I<seq>, T<payload>.
std::string compare(const std::vector<Row>& acknowledged, const std::vector<oracle::Cells>& found) {
  std::map<oracle::Cells, int> times;
  for (const oracle::Cells& cells : found) ++times[cells];
  std::string report;
  size_t wrong = 0;
  for (const auto& [writer, seq, payload] : acknowledged) {
    const int n = times[{fmt::format("I{}", writer), fmt::format("I{}", seq), "T" + payload}];
    if (n == 1) continue;
    if (++wrong <= kShownMax) {
      report +=
          fmt::format("writer {} seq {}: acknowledged once, found {} times\n", writer, seq, n);
    }
  }
  if (wrong > 0) report += fmt::format("{} of {} acknowledged\n", wrong, acknowledged.size());
  return report;
}

}  // namespace

void make_ack_table(const std::string& db) {
  const Finished prepared = run_process({{kPython, CROSSFADE_HAMMER, "prepare", db}, {}, {}, ""});
  EXPECT_EQ(prepared.code, 0) << prepared.err;
}

Writers::Writers(const WritersOptions& options) {
  make_ack_table(options.db);
  for (int i = options.first; i < options.first + options.writers; ++i) {
    std::vector<std::string> argv = {kPython,      CROSSFADE_HAMMER,
                                     "run",        options.db,
                                     "--seed",     std::to_string(options.seed),
                                     "--seconds",  fmt::format("{}", options.seconds),
                                     "--pause-ms", fmt::format("{}", options.pause_ms)};
    if (!options.change_keys) argv.emplace_back("--no-keys");
    if (options.calm) argv.emplace_back("--calm");
    start(std::move(argv), i);
  }
}

Writers::Writers(const PsqlWritersOptions& options) {
  for (int i = options.first; i < options.first + options.writers; ++i) {
    std::vector<std::string> argv = {kPython,      CROSSFADE_PSQL_HAMMER,
                                     "--psql",     "psql",
                                     "--url",      options.url,
                                     "--sqlite",   options.db,
                                     "--seed",     std::to_string(options.seed),
                                     "--seconds",  fmt::format("{}", options.seconds),
                                     "--pause-ms", fmt::format("{}", options.pause_ms),
                                     "--large",    std::to_string(options.large)};
    argv.insert(argv.end(), {"--rows-per-second", fmt::format("{}", options.rows_per_second)});
    if (options.calm) argv.emplace_back("--calm");
    start(std::move(argv), i);
  }
}

void Writers::start(std::vector<std::string> argv, int writer) {
  ack_files_.push_back(dir_.file(fmt::format("ack{}", writer)));
  argv.insert(argv.end(), {"--writer", std::to_string(writer), "--ack", ack_files_.back()});
  processes_.push_back(std::make_unique<Process>(Process::Options{std::move(argv), {}, {}, ""}));
}

std::string Writers::finish(bool now, std::chrono::milliseconds within) {
  std::string wrong;
  const Deadline deadline = Deadline::after(within);
  for (auto& process : processes_) {
    if (now) process->signal(SIGTERM);
  }
  for (auto& process : processes_) {
    const auto code = process->wait(deadline.remaining());
    if (!code) {
      wrong += fmt::format("writer {} did not end\n", process->pid());
    } else if (*code != 0) {
      wrong += fmt::format("writer {} ended with {}: {}\n", process->pid(), *code, process->err());
    }
  }
  return wrong;
}

size_t Writers::acknowledged() const {
  return read_acknowledged(ack_files_).rows.size();
}
size_t Writers::moved() const {
  return read_acknowledged(ack_files_).moved;
}
std::vector<std::string> Writers::said() const {
  std::vector<std::string> out;
  for (const auto& process : processes_) out.push_back(process->out());
  return out;
}

std::string Writers::check_postgres(const std::string& url, const std::string& schema) const {
  std::string error;
  const auto target = oracle::open_target(url, &error);
  if (!error.empty()) return error;
  const std::vector<oracle::TargetColumn> columns = {
      {"writer", "bigint"}, {"seq", "bigint"}, {"payload", "text"}};
  const auto found = oracle::target_rows(target.get(), schema, "crossfade_ack", columns, &error);
  if (!error.empty()) return error;
  return compare(read_acknowledged(ack_files_).rows, found);
}

std::string Writers::check_sqlite(const std::string& path) const {
  std::string error;
  const auto source = oracle::open_source(path, &error);
  if (!error.empty()) return error;
  const auto found =
      oracle::source_rows(source.get(), "crossfade_ack", {"writer", "seq", "payload"},
                          {"bigint", "bigint", "text"}, &error);
  if (!error.empty()) return error;
  return compare(read_acknowledged(ack_files_).rows, found);
}

}  // namespace crossfade::testing
