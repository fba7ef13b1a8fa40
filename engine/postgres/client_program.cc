#include "engine/postgres/client_program.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "engine/core/file_bytes.h"
#include "engine/core/limits.h"
#include "engine/postgres/server_process.h"

namespace crossfade::postgres {
namespace {

constexpr int kMajor = 10'000;
constexpr size_t kSaidBytesMax = 2000;

Error program_error(std::string object, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "target.program";
  error.object = std::move(object);
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

std::string said_in(int fd) {
  std::array<char, kSaidBytesMax> bytes{};
  const off_t size = ::lseek(fd, 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(bytes.size()));
  const ssize_t read = read_whole(fd, bytes.data(), bytes.size(), from);
  std::string text(bytes.data(), static_cast<size_t>(std::max<ssize_t>(read, 0)));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// "pg_dump (PostgreSQL) 15.18 (Debian ...)": 15.
int major_of(const std::string& program) {
  const int fd = ::memfd_create("crossfade-version", MFD_CLOEXEC);
  if (fd < 0) return 0;
  const std::optional<ServerUser> same_user;
  const auto status = run_command({{program, "--version"}, {}, same_user, fd},
                                  Deadline::after(std::chrono::seconds(5)));
  const std::string text = said_in(fd);
  ::close(fd);
  const size_t at = text.find(") ");
  int major = 0;
  if (!status || status.value() != 0 || at == std::string::npos) return 0;
  std::from_chars(text.data() + at + 2, text.data() + text.size(), major);
  return major;
}

std::vector<std::string> candidates(const std::string& name) {
  std::vector<std::string> out;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
    out.push_back((entry.path() / "bin" / name).string());
  }
  const char* const path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const size_t colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    if (folder.starts_with('/')) out.push_back(std::string(folder) + "/" + name);
    rest = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
  }
  return out;
}

}  // namespace

Result<std::string> find_client_program(const std::string& name, int server_version) {
  const int wanted = server_version / kMajor;
  if (const std::string folder = named_program_folder(); folder.starts_with('/')) {
    std::string program = folder + "/" + name;
    if (::access(program.c_str(), X_OK) == 0 && major_of(program) >= wanted) return program;
  }
  std::string nearest;
  int nearest_major = 0;
  int newest_major = 0;
  for (const std::string& program : candidates(name)) {
    if (::access(program.c_str(), X_OK) != 0) continue;
    const int major = major_of(program);
    newest_major = std::max(newest_major, major);
    if (major < wanted || (!nearest.empty() && major >= nearest_major)) continue;
    nearest = program;
    nearest_major = major;
  }
  if (!nearest.empty()) return nearest;
  return fail(program_error(
      name,
      newest_major == 0
          ? "it is not installed"
          : fmt::format("{} is of PostgreSQL {}, and the server of {}", name, newest_major, wanted),
      fmt::format("apt-get install postgresql-client-{}", wanted)));
}

Result<std::vector<std::string>> client_environment(const ConnectionParams& params) {
  struct FreeInfo {
    void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
  };
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeInfo> options(
      PQconninfoParse(params.secret().c_str(), &message));
  PQfreemem(message);
  if (!options) return fail(program_error(params.safe(), "the target cannot be read", ""));
  std::vector<std::string> out;
  std::set<std::string> named;
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
    if (o->val == nullptr || *o->val == '\0') continue;
    if (o->envvar == nullptr) {
      const std::string_view keyword = o->keyword;
      // How long a silent connection lives matters little to them.
      if (keyword.starts_with("keepalives") || keyword == "tcp_user_timeout" ||
          keyword == "fallback_application_name") {
        continue;
      }
      return fail(
          program_error(params.safe(),
                        fmt::format("{} cannot be handed on to PostgreSQL's own programs", keyword),
                        "put it into a service file, and give service=NAME as the target"));
    }
    named.insert(o->envvar);
    out.push_back(fmt::format("{}={}", o->envvar, o->val));
  }
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string_view entry = *each;
    const std::string name(entry.substr(0, entry.find('=')));
    if ((name.starts_with("PG") || name == "HOME") && !named.contains(name)) {
      out.emplace_back(entry);
    }
  }
  return out;
}

Status run_client_program(const std::vector<std::string>& argv,
                          const std::vector<std::string>& environment, const StopSource* stop) {
  const int fd = ::memfd_create("crossfade-output", MFD_CLOEXEC);
  if (fd < 0) return fail(program_error(argv[0], "no memory for what it says", ""));
  const std::optional<ServerUser> same_user;
  Command command{argv, environment, same_user, fd};
  command.stop = stop;
  auto status = run_command(command, Deadline::after(limits::kDumpMax));
  const std::string said = said_in(fd);
  ::close(fd);
  if (stop != nullptr && stop->requested()) {
    Error error = program_error(argv[0], "stopped on request", "run the same command again");
    error.code = ErrorCode::kInterrupted;
    return fail(std::move(error));
  }
  CROSSFADE_TRY(const int code, std::move(status));
  if (code == 0) return ok();
  return fail(program_error(argv[0], fmt::format("it ended with {}: {}", code, said),
                            "mend what it says, and run the same command again"));
}

}  // namespace crossfade::postgres
