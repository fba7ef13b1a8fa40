#include "tools/cli/report_file.h"
#include "engine/core/file_bytes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace crossfade::cli {
namespace {

Error refused(const std::string& file, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "report";
  error.object = file;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

bool same_file(const struct stat& a, const std::string& path) {
  struct stat b {};
  return ::stat(path.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool is_sqlite_database(const std::string& file) {
  using std::string_view_literals::operator""sv;
  constexpr std::string_view kMagic = "SQLite format 3\0"sv;
  std::array<char, kMagic.size()> head{};
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t read = read_whole(fd, head.data(), head.size(), 0);
  ::close(fd);
  return read == ssize_t{kMagic.size()} && std::string_view(head.data(), head.size()) == kMagic;
}

// Absolute, with links followed, so that what a link names is replaced and not the link. The last
// parts need not exist.
std::string resolved(const std::string& file) {
  std::error_code failed;
  const auto path = std::filesystem::weakly_canonical(std::filesystem::absolute(file), failed);
  return failed ? file : path.string();
}

Status write_all(int fd, std::string_view text) {
  if (!write_whole(fd, text) || ::fsync(fd) != 0)
    return fail(refused("", std::strerror(errno), ""));
  return ok();
}

}  // namespace

Status check_report_file(const std::string& file, const std::string& flag,
                         const std::string& database) {
  const std::string hint = "give " + flag + " the name of a new file";
  const std::string path = resolved(file);
  const std::string real = resolved(database);
  // Also while there is none: SQLite would take the report for its own.
  for (const char* suffix : {"-wal", "-shm", "-journal"}) {
    if (path == real + suffix) {
      return fail(refused(file, "this name belongs to the database", hint));
    }
  }
  if (path.starts_with(real + ".crossfade/")) {
    return fail(refused(file, "this is in the folder that holds the state of the move", hint));
  }
  struct stat st {};
  if (::stat(file.c_str(), &st) != 0) {
    const std::filesystem::path folder = std::filesystem::path(file).parent_path();
    if (!folder.empty() && ::access(folder.c_str(), W_OK) != 0) {
      return fail(refused(file, fmt::format("its folder: {}", std::strerror(errno)),
                          "give " + flag + " a path in a folder that exists"));
    }
    return ok();
  }
  if (S_ISDIR(st.st_mode)) return fail(refused(file, "this is a folder", hint));
  if (!S_ISREG(st.st_mode)) return fail(refused(file, "not a regular file", hint));
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    if (same_file(st, database + suffix)) {
      return fail(refused(file, "this is the database itself, or a part of it", hint));
    }
  }
  if (is_sqlite_database(file)) {
    return fail(refused(file, "this is an SQLite database", hint));
  }
  return ok();
}

Status write_report_file(const std::string& file, const std::string& text) {
  const std::string path = resolved(file);
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  const auto failed = [&](const char* native) -> Status {
    ::unlink(temporary.c_str());
    Error error = refused(file, native, "the report was not written");
    error.code = ErrorCode::kInternal;
    return fail(std::move(error));
  };
  if (fd < 0) {
    Error error = refused(file, std::strerror(errno), "the report was not written");
    return fail(std::move(error));
  }
  const auto written = write_all(fd, text);
  const bool closed = ::close(fd) == 0;
  if (!written) return failed(written.error().native.c_str());
  if (!closed || ::rename(temporary.c_str(), path.c_str()) != 0) {
    return failed(std::strerror(errno));
  }
  return ok();
}

}  // namespace crossfade::cli
