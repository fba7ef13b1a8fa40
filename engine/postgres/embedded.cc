#include "engine/postgres/embedded.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <thread>
#include <utility>

#include "engine/core/deadline.h"
#include "engine/core/digest.h"
#include "engine/core/file_bytes.h"
#include "engine/core/limits.h"
#include "engine/postgres/cluster_locks.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/quote.h"
#include "engine/postgres/server_process.h"

namespace crossfade::postgres {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kStartTimeout{60};
constexpr std::chrono::milliseconds kStartRetryPause{500};
constexpr int kStartRetries = 2;
constexpr size_t kSocketPathBytesMax = 107;  // sun_path holds 108 with its NUL
constexpr const char* kSocketName = "/.s.PGSQL.5432";
constexpr const char* kRelocatedRoot = "/var/lib/crossfade";
constexpr uintmax_t kLogBytesMax = uintmax_t{8} << 20;  // then it becomes server.log.1
constexpr size_t kLogTailBytes = 1500;

std::string text_of(const std::string& path) {
  return read_file(path).value_or("");
}

std::string tail_of(std::string text) {
  if (text.size() > kLogTailBytes) text.erase(0, text.size() - kLogTailBytes);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string short_hash(const std::string& text) {
  return to_hex(digest_bytes(text)).substr(0, 16);
}

// Where the parts of one cluster are.
struct Place {
  std::string wanted;  // the folder asked for, absolute
  std::string folder;  // where the cluster is: `wanted`, unless the server cannot get in there
  std::string data;
  std::string log;
  std::string socket;  // the folder of the Unix socket
};

// A socket's path is short, and PostgreSQL's setting is a list: anything unusual goes elsewhere.
bool fits_socket(const std::string& folder) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
  return folder.size() + std::char_traits<char>::length(kSocketName) <= kSocketPathBytesMax &&
         folder.find_first_not_of(kPlain) == std::string::npos;
}

Place place_at(const std::string& wanted, const std::string& folder) {
  return {wanted, folder, folder + "/data", folder + "/server.log",
          fits_socket(folder) ? folder : "/tmp/crossfade-" + short_hash(folder)};
}

std::string absolute(const std::string& folder) {
  std::error_code ignored;
  const fs::path path = fs::weakly_canonical(fs::absolute(folder, ignored), ignored);
  std::string text = path.empty() ? folder : path.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

// The file `location` in the wanted folder says where a cluster went that could not live there.
Place resolve(const std::string& wanted_folder) {
  const std::string wanted = absolute(wanted_folder);
  std::string location = text_of(wanted + "/location");
  while (!location.empty() && location.back() == '\n') location.pop_back();
  const bool relocated = location.rfind(std::string(kRelocatedRoot) + "/", 0) == 0;
  return place_at(wanted, relocated ? location : wanted);
}

bool is_made(const Place& place) {
  return ::access((place.data + "/PG_VERSION").c_str(), F_OK) == 0;
}

std::string percent_encode(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    const bool plain = (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') ||
                       u == '-' || u == '_' || u == '.';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", u);
  }
  return out;
}

std::string make_url(const Place& place, const std::string& database) {
  return fmt::format("postgresql://crossfade@/{}?host={}&port=5432", percent_encode(database),
                     percent_encode(place.socket));
}

// Makes it with mode 0700, or checks that it is ours or the server's already.
Status make_private_folder(const std::string& path, const std::optional<ServerUser>& user) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(system_error(path, "mkdir", errno));
  }
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return fail(system_error(path, "stat", errno));
  if (!S_ISDIR(st.st_mode) || (st.st_uid != ::geteuid() && !(user && st.st_uid == user->uid))) {
    return fail(cluster_error(path, "this is no folder of ours, or belongs to somebody else",
                              "remove it, or choose another state folder"));
  }
  if (::chmod(path.c_str(), 0700) != 0) return fail(system_error(path, "chmod", errno));
  return ok();
}

// The postmaster's pid, if it runs: a pid in a stale file may be anybody's by now, but only our
// postmaster stands in our data folder.
pid_t running_pid(const Place& place) {
  const std::string text = text_of(place.data + "/postmaster.pid");
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  if (pid <= 1) return 0;
  std::error_code error;
  const fs::path cwd = fs::read_symlink(fmt::format("/proc/{}/cwd", pid), error);
  return !error && cwd == fs::weakly_canonical(place.data, error) ? pid : 0;
}

Status make_server_folder(const std::string& path, const std::optional<ServerUser>& user) {
  CROSSFADE_TRY(make_private_folder(path, user));
  if (user && ::lchown(path.c_str(), user->uid, user->gid) != 0) {
    return fail(system_error(path, "chown", errno));
  }
  return ok();
}

// Chooses where a new cluster lives, and makes that folder its user's own.
Result<Place> choose_place(const std::string& wanted, const std::optional<ServerUser>& user) {
  if (!user || (::lchown(wanted.c_str(), user->uid, user->gid) == 0 && can_enter(wanted, *user))) {
    return place_at(wanted, wanted);
  }
  if (::lchown(wanted.c_str(), ::geteuid(), ::getegid()) != 0 && errno != EPERM) {
    return fail(system_error(wanted, "chown", errno));
  }
  std::error_code error;
  fs::create_directories(kRelocatedRoot, error);
  if (error) return fail(system_error(kRelocatedRoot, "mkdir", error.value()));
  fs::permissions(kRelocatedRoot, static_cast<fs::perms>(0755), error);
  const std::string folder = fmt::format("{}/{}", kRelocatedRoot, short_hash(wanted));
  CROSSFADE_TRY(make_server_folder(folder, user));
  std::ofstream(wanted + "/location") << folder << '\n';
  if (text_of(wanted + "/location") != folder + "\n") {
    return fail(system_error(wanted + "/location", "write", errno));
  }
  return place_at(wanted, folder);
}

// initdb into a folder of another name, so that a half-made cluster is never taken for one.
Status make_cluster(const Place& place, const EmbeddedOptions& options, const std::string& binaries,
                    const std::optional<ServerUser>& user, Deadline deadline) {
  const std::string fresh = place.data + ".new";
  std::error_code error;
  fs::remove_all(fresh, error);
  std::vector<std::string> argv = {binaries + "/initdb", "-D", fresh,  "-A",        "trust", "-U",
                                   "crossfade",          "-E", "UTF8", "--locale=C"};
  bool sync = true;
  for (const std::string& setting : options.settings) sync = sync && setting != "fsync=off";
  if (!sync) argv.emplace_back("--no-sync");
  const int output = ::memfd_create("crossfade-initdb", MFD_CLOEXEC);
  auto status = run_command({argv, {}, user, output}, deadline);
  std::string said = tail_of(text_of(fmt::format("/proc/self/fd/{}", output)));
  ::close(output);
  CROSSFADE_TRY(const int code, std::move(status));
  if (code != 0) {
    return fail(cluster_error(place.folder, fmt::format("initdb failed ({}): {}", code, said),
                              "check the free space and the rights of this folder"));
  }
  std::ofstream hba(fresh + "/pg_hba.conf", std::ios::trunc);
  hba << "# Only the Unix socket, which lies in a folder of mode 0700.\n"
         "local all all trust\nlocal replication all trust\n";
  std::ofstream conf(fresh + "/postgresql.conf", std::ios::app);
  conf << "\nlisten_addresses = ''\nport = 5432\nunix_socket_permissions = 0700\n"
          "wal_level = logical\nlog_checkpoints = off\nlog_min_error_statement = panic\n"
          "include = 'crossfade.conf'\n";
  for (const std::string& setting : options.settings) conf << setting << '\n';
  hba.close();
  conf.close();
  if (!hba || !conf) return fail(system_error(fresh, "write", EIO));
  if (std::rename(fresh.c_str(), place.data.c_str()) != 0) {
    return fail(system_error(place.data, "rename", errno));
  }
  return ok();
}

// Our postmaster does not run, but its lock files may name a pid that is another program's by now
// (or a zombie's), and then the server would refuse to start. The pid becomes one that cannot
// exist; the rest of postmaster.pid stays, because by its shared memory key the server recognises
// children of a killed postmaster that still write to the data.
Status disown_lock_files(const Place& place) {
  constexpr const char* kNoPid = "2147483647";
  const std::string path = place.data + "/postmaster.pid";
  std::string text = text_of(path);
  if (!text.empty()) {
    text.replace(0, text.find('\n'), kNoPid);
    std::ofstream(path, std::ios::trunc | std::ios::binary) << text;
    if (text_of(path) != text) return fail(system_error(path, "write", EIO));
  }
  std::error_code error;
  fs::remove(place.socket + kSocketName + ".lock", error);
  return ok();
}

Status start_server(const Place& place, const std::string& binaries,
                    const std::optional<ServerUser>& user, Deadline deadline) {
  if (place.socket != place.folder) {
    CROSSFADE_TRY(make_server_folder(place.socket, user));
  }
  CROSSFADE_TRY(disown_lock_files(place));
  std::error_code error;
  std::ofstream settings(place.data + "/crossfade.conf", std::ios::trunc);
  settings << "unix_socket_directories = '" << place.socket << "'\n";
  settings.close();
  if (!settings) return fail(system_error(place.data + "/crossfade.conf", "write", EIO));
  fs::permissions(place.data + "/crossfade.conf", static_cast<fs::perms>(0644), error);
  if (fs::file_size(place.log, error) > kLogBytesMax && !error) {
    fs::rename(place.log, place.log + ".1", error);
  }
  const int log =
      ::open(place.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (log < 0) return fail(system_error(place.log, "open", errno));
  // pg_ctl puts -D and -l through a shell, but not PGDATA: a folder's name must not become code.
  auto status =
      run_command({{binaries + "/pg_ctl", "-w", "-t",
                    std::to_string(deadline.remaining().count() / 1000 + 1), "-s", "start"},
                   {"PGDATA=" + place.data},
                   user,
                   log},
                  deadline);
  ::close(log);
  CROSSFADE_TRY(const int code, std::move(status));
  if (code == 0) return ok();
  return fail(cluster_error(place.folder,
                            fmt::format("the server did not start; {} ends with:\n{}", place.log,
                                        tail_of(text_of(place.log))),
                            "fix what the server's log says, and run the command again"));
}

Result<Connection> connect(const Place& place, const std::string& database) {
  ConnectOptions options;
  CROSSFADE_TRY(options.params, ConnectionParams::parse(make_url(place, database)));
  return Connection::open(std::move(options));
}

// A server that runs may still be recovering from a crash.
Status wait_until_ready(const Place& place, Deadline deadline) {
  while (true) {
    auto connection = connect(place, "postgres");
    if (connection) return ok();
    if (deadline.expired() || running_pid(place) == 0) return fail(std::move(connection).error());
    std::this_thread::sleep_for(limits::kClusterPollInterval);
  }
}

// True when the server was started here.
Result<bool> ensure_running(const Place& place, const std::optional<ServerUser>& user,
                            Deadline deadline) {
  // A server that runs may be on its way down: then it is gone in a moment, and started anew.
  if (running_pid(place) != 0) {
    auto ready = wait_until_ready(place, deadline);
    if (ready) return false;
    if (running_pid(place) != 0) return fail(std::move(ready).error());
  }
  std::string major = text_of(place.data + "/PG_VERSION");
  while (!major.empty() && major.back() == '\n') major.pop_back();
  CROSSFADE_TRY(const std::string binaries, find_server_binaries(major));
  auto started = start_server(place, binaries, user, deadline);
  // The children of a postmaster that was killed are in the way until they notice.
  for (int retry = 0; !started && retry < kStartRetries && !deadline.expired(); ++retry) {
    std::this_thread::sleep_for(kStartRetryPause);
    started = start_server(place, binaries, user, deadline);
  }
  CROSSFADE_TRY(std::move(started));
  CROSSFADE_TRY(wait_until_ready(place, deadline));
  return true;
}

Status create_database(const Place& place, const std::string& database) {
  CROSSFADE_TRY(auto connection, connect(place, "postgres"));
  CROSSFADE_TRY(auto found, connection.query("SELECT 1 FROM pg_database WHERE datname = $1",
                                             {text_param(database)}));
  if (found.rows() > 0) return ok();
  CROSSFADE_TRY(connection.exec("CREATE DATABASE " + quote(database)));
  return ok();
}

}  // namespace

Result<EmbeddedCluster> EmbeddedCluster::start(const EmbeddedOptions& options) {
  const Deadline deadline = Deadline::after(kStartTimeout);
  CROSSFADE_TRY(const auto user, server_user());
  const std::string wanted = absolute(options.folder);
  std::error_code error;
  fs::create_directories(fs::path(wanted).parent_path(), error);
  if (error) return fail(system_error(wanted, "mkdir", error.value()));
  CROSSFADE_TRY(make_private_folder(wanted, user));
  CROSSFADE_TRY(const auto lock, FolderLock::take(wanted, deadline));
  Place place = resolve(wanted);
  if (!is_made(place)) {
    CROSSFADE_TRY(const std::string binaries, find_server_binaries(""));
    CROSSFADE_TRY(place, choose_place(wanted, user));
    // A relocated cluster outlives a wanted folder that was removed: it is taken up again, not
    // lost.
    if (!is_made(place)) {
      CROSSFADE_TRY(make_cluster(place, options, binaries, user, deadline));
    }
  }
  EmbeddedCluster cluster;
  cluster.options_ = options;
  CROSSFADE_TRY(cluster.started_here_, ensure_running(place, user, deadline));
  CROSSFADE_TRY(auto use, ClusterUse::take(place.wanted));
  cluster.use_ = std::make_shared<ClusterUse>(std::move(use));
  CROSSFADE_TRY(create_database(place, options.database));
  cluster.url_ = make_url(place, options.database);
  return cluster;
}

std::string EmbeddedCluster::url_of(const EmbeddedOptions& options) {
  const Place place = resolve(options.folder);
  return is_made(place) ? make_url(place, options.database) : std::string();
}

namespace {

// True: it is down. False: it was told to stop, and the deadline came first.
Result<bool> stop_server(const Place& place, Deadline deadline) {
  const pid_t pid = running_pid(place);
  if (pid == 0) return true;
  if (::kill(pid, SIGINT) != 0 && errno != ESRCH) {  // PostgreSQL's word for a fast shutdown
    return fail(system_error(place.folder, "kill", errno));
  }
  while (running_pid(place) == pid) {
    if (deadline.expired()) return false;
    std::this_thread::sleep_for(limits::kClusterPollInterval);
  }
  return true;
}

}  // namespace

Status EmbeddedCluster::stop(std::chrono::milliseconds patience) {
  const Place place = resolve(options_.folder);
  if (::access(place.wanted.c_str(), F_OK) != 0) return ok();
  CROSSFADE_TRY(const auto lock, FolderLock::take(place.wanted, Deadline::after(kStopPatience)));
  if (use_ && !use_->end_and_see_if_last()) return ok();
  CROSSFADE_TRY(stop_server(place, Deadline::after(patience)));
  return ok();
}

Status EmbeddedCluster::destroy() {
  const Deadline deadline = Deadline::after(kStopPatience);
  const Place place = resolve(options_.folder);
  if (::access(place.wanted.c_str(), F_OK) != 0) return ok();
  CROSSFADE_TRY(const auto lock, FolderLock::take(place.wanted, deadline));
  CROSSFADE_TRY(const bool down, stop_server(place, deadline));
  if (!down) {
    return fail(
        cluster_error(place.folder, "the server did not stop in time", "look at " + place.log));
  }
  for (const std::string& path : {place.socket, place.folder, place.wanted}) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return fail(system_error(path, "remove", error.value()));
  }
  return ok();
}

}  // namespace crossfade::postgres
