#include "tools/client/crossfade_client.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <thread>

#include "tools/client/mapped_route.h"

namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

// Where the file is looked for again: it is made by the first `crossfade run`, and made anew by one
// that follows a `finish`.
constexpr auto kLookInterval = std::chrono::milliseconds(100);
// Reading the mapped memory is cheap and sleeping this long costs nothing worth measuring.
constexpr auto kWaitInterval = std::chrono::milliseconds(1);
constexpr char kMovedError[] = "no such function: crossfade_moved_to_postgresql";

// By its name and never by a look inside: it may be the database, and closing a file that this
// process has open in SQLite too would drop SQLite's POSIX locks on it.
bool is_route_file(const fs::path& path) {
  return path.filename() == "route" && path.parent_path().extension() == ".crossfade";
}

// The state folder stands beside the database's real path, whatever links lead there.
std::string route_path(const char* path) {
  const fs::path real = fs::weakly_canonical(fs::absolute(path));
  return is_route_file(real) ? real.string() : real.string() + ".crossfade/route";
}

}  // namespace

struct crossfade_route {
  std::string path;
  crossfade::client::MappedRoute file;
  Clock::time_point looked_at;

  int look() {
    looked_at = Clock::now();
    if (file.refresh(path)) return CROSSFADE_OK;
    if (errno == EBADMSG) return CROSSFADE_EDAMAGED;
    if (errno != ENOENT && errno != ENOTDIR) return CROSSFADE_ESYSTEM;
    return CROSSFADE_OK;  // there is none; what was mapped before still says where the data is
  }

  int read(crossfade_route_info* out, Clock::duration look_interval) {
    if (Clock::now() - looked_at >= look_interval) {
      const int looked = look();
      if (looked != CROSSFADE_OK) return looked;
    }
    if (file.mapped()) return file.read(out);
    *out = {};
    out->primary = CROSSFADE_PRIMARY_SQLITE;
    return CROSSFADE_OK;
  }
};

int crossfade_route_open(const char* path, crossfade_route** out) {
  if (path == nullptr || *path == '\0' || out == nullptr) return CROSSFADE_EARGUMENT;
  // No C++ exception may cross a C ABI; the standard library throws only when memory is out, or
  // a folder on the way cannot be entered.
  try {
    auto route = std::make_unique<crossfade_route>();
    route->path = route_path(path);
    *out = route.release();
    return CROSSFADE_OK;
  } catch (const std::bad_alloc&) {
    return CROSSFADE_ENOMEMORY;
  } catch (const std::system_error& error) {
    errno = error.code().value();
    return CROSSFADE_ESYSTEM;
  }
}

void crossfade_route_close(crossfade_route* route) {
  delete route;
}

int crossfade_route_read(crossfade_route* route, crossfade_route_info* out) {
  if (route == nullptr || out == nullptr) return CROSSFADE_EARGUMENT;
  return route->read(out, kLookInterval);
}

int crossfade_route_wait(crossfade_route* route, uint64_t seen_epoch, int timeout_ms,
                         crossfade_route_info* out) {
  if (route == nullptr || out == nullptr) return CROSSFADE_EARGUMENT;
  const auto start = Clock::now();
  for (;;) {
    const Clock::duration look_interval =
        route->file.mapped() ? Clock::duration(kLookInterval) : Clock::duration::zero();
    const int code = route->read(out, look_interval);
    if (code != CROSSFADE_OK) return code;
    if (out->epoch > seen_epoch) return CROSSFADE_OK;
    if (timeout_ms >= 0 && Clock::now() - start >= std::chrono::milliseconds(timeout_ms)) {
      return CROSSFADE_TIMEOUT;
    }
    std::this_thread::sleep_for(kWaitInterval);
  }
}

int crossfade_is_moved_error(const char* sqlite_error_message) {
  return sqlite_error_message != nullptr &&
                 std::strstr(sqlite_error_message, kMovedError) != nullptr
             ? 1
             : 0;
}

const char* crossfade_client_error(int code) {
  switch (code) {
    case CROSSFADE_OK:
      return "no error";
    case CROSSFADE_TIMEOUT:
      return "the primary did not change in time";
    case CROSSFADE_EARGUMENT:
      return "an argument is null or empty";
    case CROSSFADE_EDAMAGED:
      return "the route file is damaged; any crossfade command on the database repairs it";
    case CROSSFADE_ESYSTEM:
      return "the route file could not be read";
    case CROSSFADE_ENOMEMORY:
      return "out of memory";
    default:
      return "unknown code";
  }
}
