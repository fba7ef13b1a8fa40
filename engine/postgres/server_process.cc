#include "engine/postgres/server_process.h"
#include "engine/core/file_bytes.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

namespace crossfade::postgres {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInstallHint =
    "install the server: apt-get install postgresql-15 (or give --target the URL of a server)";
constexpr std::chrono::milliseconds kReapInterval{5};

Error server_error(std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "target.embedded";
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

bool holds_server(const fs::path& folder) {
  for (const char* name : {"initdb", "pg_ctl", "postgres"}) {
    if (::access((folder / name).c_str(), X_OK) != 0) return false;
  }
  return true;
}

int to_major(const std::string& name) {
  int major = 0;
  std::from_chars(name.data(), name.data() + name.size(), major);
  return major;
}

// Debian's and Ubuntu's place: one folder per major version.
std::string find_versioned(int wanted) {
  std::string best;
  int best_major = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const int major = to_major(entry.path().filename().string());
    const fs::path bin = entry.path() / "bin";
    if (wanted != 0 && major != wanted) continue;
    if (major > best_major && holds_server(bin)) {
      best = bin.string();
      best_major = major;
    }
  }
  return best;
}

std::string find_on_path(const char* program) {
  const char* path = std::getenv("PATH");
  std::string rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const size_t colon = rest.find(':');
    const fs::path candidate = fs::path(rest.substr(0, colon)) / program;
    if (candidate.is_absolute() && ::access(candidate.c_str(), X_OK) == 0) {
      std::error_code ignored;
      const fs::path real = fs::canonical(candidate, ignored);
      return real.empty() ? candidate.string() : real.string();
    }
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
  }
  return {};
}

// What a short-lived program prints, without its last newline; empty when it fails.
std::string output_of(const std::vector<std::string>& argv) {
  const int fd = ::memfd_create("crossfade-output", MFD_CLOEXEC);
  if (fd < 0) return {};
  const auto status =
      run_command({argv, {}, std::nullopt, fd}, Deadline::after(std::chrono::seconds(5)));
  std::array<char, 4096> bytes{};
  const ssize_t size = read_whole(fd, bytes.data(), bytes.size(), 0);
  ::close(fd);
  if (!status || status.value() != 0 || size <= 0) return {};
  std::string text(bytes.data(), static_cast<size_t>(size));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// The folder that the environment names, or nothing where it names none.
Result<std::string> named_server() {
  std::string folder = named_program_folder();
  if (folder.empty() || (fs::path(folder).is_absolute() && holds_server(folder))) return folder;
  return fail(server_error(
      fmt::format("{}={} is not the path of a folder with a PostgreSQL server (initdb, pg_ctl, "
                  "postgres)",
                  kProgramFolderVariable, folder),
      fmt::format("let it name the absolute path of that folder, or unset {}",
                  kProgramFolderVariable)));
}

bool is_version(const std::string& folder, const std::string& major) {
  if (major.empty()) return true;
  return output_of({folder + "/postgres", "-V"}).find(" " + major + ".") != std::string::npos;
}

// In the child: async-signal-safe calls only.
bool become(const ServerUser& user) {
  return ::setgroups(user.groups.size(), user.groups.data()) == 0 && ::setgid(user.gid) == 0 &&
         ::setuid(user.uid) == 0;
}

[[noreturn]] void exec_child(const Command& command, char* const* argv, char* const* environment) {
  constexpr int kCannotRun = 126;
  ::setsid();  // a terminal's Ctrl-C is not for the server
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int sig : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD}) ::signal(sig, SIG_DFL);
  const int null_fd = ::open("/dev/null", O_RDONLY);
  if (null_fd < 0 || ::dup2(null_fd, 0) < 0 || ::dup2(command.output_fd, 1) < 0 ||
      ::dup2(command.output_fd, 2) < 0) {
    ::_exit(kCannotRun);
  }
  // The caller's pipes must not stay open for as long as the server lives.
  if (::syscall(SYS_close_range, 3U, ~0U, 0U) != 0) {
    for (int fd = 3; fd < 65536; ++fd) ::close(fd);
  }
  if (command.user && !become(*command.user)) ::_exit(kCannotRun);
  if (::chdir("/") != 0) ::_exit(kCannotRun);
  ::umask(077);
  ::execve(argv[0], argv, environment);
  ::_exit(kCannotRun);
}

std::vector<char*> pointers(std::vector<std::string>* strings) {
  std::vector<char*> out;
  out.reserve(strings->size() + 1);
  for (std::string& s : *strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

Result<std::optional<ServerUser>> server_user() {
  if (::geteuid() != 0) return std::optional<ServerUser>();
  for (const char* name : {"postgres", "nobody"}) {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(name, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
      continue;
    }
    ServerUser user{name, entry.pw_uid, entry.pw_gid, std::vector<gid_t>(64)};
    int count = static_cast<int>(user.groups.size());
    if (::getgrouplist(name, entry.pw_gid, user.groups.data(), &count) < 0) {
      user.groups = {entry.pw_gid};
      count = 1;
    }
    user.groups.resize(static_cast<size_t>(count));
    return std::optional<ServerUser>(std::move(user));
  }
  return fail(server_error("PostgreSQL refuses to run as root, and there is no other user for it",
                           "adduser --system postgres, or run crossfade as another user"));
}

std::string named_program_folder() {
  const char* const folder = std::getenv(kProgramFolderVariable);
  return folder == nullptr ? "" : folder;
}

Result<std::string> find_server_binaries(const std::string& major) {
  CROSSFADE_TRY(std::string named, named_server());
  if (!named.empty() && is_version(named, major)) return named;
  if (std::string folder = find_versioned(to_major(major)); !folder.empty()) return folder;
  if (const std::string config = find_on_path("pg_config"); !config.empty()) {
    const std::string folder = output_of({config, "--bindir"});
    if (!folder.empty() && holds_server(folder) && is_version(folder, major)) return folder;
  }
  if (const std::string postgres = find_on_path("postgres"); !postgres.empty()) {
    const std::string folder = fs::path(postgres).parent_path().string();
    if (holds_server(folder) && is_version(folder, major)) return folder;
  }
  if (!major.empty()) {
    return fail(server_error(
        fmt::format("this cluster was made by PostgreSQL {}, whose server is not installed", major),
        fmt::format("apt-get install postgresql-{}", major)));
  }
  return fail(
      server_error("no PostgreSQL server is installed (initdb, pg_ctl, postgres)", kInstallHint));
}

Result<int> run_command(const Command& command, Deadline deadline) {
  std::vector<std::string> argv_text = command.argv;
  std::vector<std::string> environment_text = command.environment;
  environment_text.push_back("PATH=" + command.path);
  environment_text.emplace_back("LC_ALL=C");
  const std::vector<char*> argv = pointers(&argv_text);
  const std::vector<char*> environment = pointers(&environment_text);
  const pid_t pid = ::fork();
  if (pid == 0) exec_child(command, argv.data(), environment.data());
  if (pid < 0) {
    return fail(server_error(fmt::format("fork: {}", std::generic_category().message(errno)),
                             "free some memory or raise the limit of processes"));
  }
  while (true) {
    int status = 0;
    const pid_t done = ::waitpid(pid, &status, WNOHANG);
    if (done == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (done < 0 && errno != EINTR) {
      return fail(server_error(fmt::format("{}: its end was not seen", command.argv[0]), ""));
    }
    if (deadline.expired() || (command.stop != nullptr && command.stop->requested())) {
      ::kill(-pid, SIGKILL);
      ::kill(pid, SIGKILL);
      ::waitpid(pid, &status, 0);
      return fail(server_error(fmt::format("{} did not end in time", command.argv[0]),
                               "the machine may be overloaded; run the command again"));
    }
    std::this_thread::sleep_for(kReapInterval);
  }
}

bool can_enter(const std::string& folder, const ServerUser& user) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(become(user) && ::chdir(folder.c_str()) == 0 ? 0 : 1);
  if (pid < 0) return false;
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace crossfade::postgres
