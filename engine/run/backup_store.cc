#include "engine/run/backup_store.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/core/file_bytes.h"
#include "engine/core/limits.h"
#include "engine/core/sha256.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"

namespace crossfade::run {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kPartial = ".partial";
constexpr const char* kManifest = ".json";

struct Digested {
  int64_t bytes = 0;
  std::string sha256;
};

Result<Digested> digest_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    return fail(backup_failed(ErrorCode::kStateFolder, path, std::strerror(errno),
                              "the backup's file must stay beside its manifest"));
  }
  Sha256 hash;
  Digested out;
  std::vector<char> buffer(limits::kMiB);
  ssize_t size = 0;
  while ((size = ::read(fd, buffer.data(), buffer.size())) > 0) {
    hash.add({buffer.data(), static_cast<size_t>(size)});
    out.bytes += size;
  }
  const int number = errno;
  ::close(fd);
  if (size < 0) {
    return fail(backup_failed(ErrorCode::kStateFolder, path, std::strerror(number),
                              "look at the system's log"));
  }
  out.sha256 = hash.hex();
  return out;
}

Status no_right_to_write(const std::string& path) {
  return fail(backup_failed(ErrorCode::kStateFolder, path, std::strerror(errno),
                            "check that the state folder may be written to"));
}

Status write_synced(const std::string& fresh, const std::string& text) {
  ::unlink(fresh.c_str());
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool written = fd >= 0 && write_whole(fd, text) && ::fsync(fd) == 0;
  const int number = errno;
  if (fd >= 0) ::close(fd);
  if (written) return ok();
  ::unlink(fresh.c_str());
  return fail(backup_failed(ErrorCode::kStateFolder, fresh, std::strerror(number),
                            "check the free space, and that the state folder may be written to"));
}

std::string text_in(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

int64_t number_in(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

// Names come from the command line and from files: never a path.
bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= limits::kBackupNameBytesMax && name.front() != '.' &&
         name.find('/') == std::string::npos;
}

std::optional<BackupManifest> manifest_from(const std::string& path, const std::string& name) {
  const json object =
      json::parse(read_file(path).value_or(""), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  BackupManifest out;
  out.name = name;
  const std::string side = text_in(object, "side");
  if (side != "sqlite" && side != "postgres") return std::nullopt;
  out.side = side == "sqlite" ? BackupSide::kSqlite : BackupSide::kPostgres;
  out.reason = text_in(object, "reason");
  out.of = text_in(object, "of");
  out.made_at = text_in(object, "made_at");
  out.move = text_in(object, "move");
  out.file = text_in(object, "file");
  out.bytes = number_in(object, "bytes");
  out.sha256 = text_in(object, "sha256");
  out.page_size = number_in(object, "page_size");
  out.pages = number_in(object, "pages");
  out.server_version = static_cast<int>(number_in(object, "server_version"));
  if (!is_name(out.file) || out.sha256.size() != kSha256HexBytes) return std::nullopt;
  return out;
}

}  // namespace

const char* to_string(BackupSide side) {
  return side == BackupSide::kSqlite ? "sqlite" : "postgres";
}

Error backup_failed(ErrorCode code, const std::string& object, std::string native,
                    std::string hint) {
  Error error;
  error.code = code;
  error.remedy = code == ErrorCode::kBlocked ? Remedy::kDecide : Remedy::kStop;
  error.op = "backup";
  error.object = object;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

Status sync_folder(const std::string& folder) {
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int number = errno;
  if (fd >= 0) ::close(fd);
  if (synced) return ok();
  return fail(backup_failed(ErrorCode::kStateFolder, folder, std::strerror(number),
                            "look at the system's log"));
}

json to_json(const BackupManifest& m) {
  json out = {{"format", 1},        {"name", m.name}, {"side", to_string(m.side)},
              {"reason", m.reason}, {"of", m.of},     {"made_at", m.made_at},
              {"move", m.move},     {"file", m.file}, {"bytes", m.bytes},
              {"sha256", m.sha256}};
  if (m.side == BackupSide::kSqlite) {
    out["page_size"] = m.page_size;
    out["pages"] = m.pages;
  } else {
    out["server_version"] = m.server_version;
  }
  return out;
}

Status BackupStore::prepare() const {
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(backup_failed(ErrorCode::kStateFolder, folder_, std::strerror(errno),
                              "backups lie in the state folder beside the database; it needs the "
                              "right to write there"));
  }
  // What was killed left its part; nobody writes on one for so long.
  std::error_code none;
  const auto oldest = fs::file_time_type::clock::now() - limits::kDumpMax;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder_, none)) {
    const bool partial = entry.path().filename().string().find(kPartial) != std::string::npos;
    if (partial && entry.last_write_time(none) < oldest) left.push_back(entry.path());
  }
  for (const fs::path& path : left) {
    if (!take_up(path.string())) fs::remove(path, none);
  }
  return ok();
}

bool BackupStore::take_up(const std::string& staged) const {
  const fs::path name = fs::path(staged).stem();
  if (!staged.ends_with(kPartial) || name.extension() != kManifest) return false;
  const auto manifest = manifest_from(staged, name.stem().string());
  if (!manifest || ::access(path_of(*manifest).c_str(), F_OK) != 0) return false;
  std::error_code none;  // where it fails, the next one tries again
  fs::rename(staged, folder_ + "/" + manifest->name + kManifest, none);
  return true;
}

int64_t BackupStore::free_bytes() const {
  struct statvfs disk {};
  if (::statvfs(folder_.c_str(), &disk) != 0) return INT64_MAX;
  return static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
}

Status BackupStore::check_room(int64_t bytes) const {
  const int64_t free = free_bytes();
  // A small file is not asked for sixteen times its size.
  const int64_t wanted = bytes + std::min(bytes, limits::kBackupRoomToSpare);
  if (free >= wanted) return ok();
  return fail(backup_failed(
      ErrorCode::kBlocked, folder_,
      fmt::format("a backup needs {} MiB, and the disk has {} MiB left", (wanted >> 20U) + 1,
                  free >> 20U),
      "nothing was changed. Make room on this disk; or use --no-backup, and make a backup by "
      "another way"));
}

Result<BackupManifest> BackupStore::begin(BackupSide side, const std::string& reason) const {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto utc = fmt::gmtime(std::chrono::system_clock::to_time_t(now));
  BackupManifest out;
  out.side = side;
  out.reason = reason;
  out.made_at = fmt::format("{:%FT%TZ}", utc);
  const std::string stem = fmt::format("{:%Y%m%dT%H%M%SZ}-{}", utc, to_string(side));
  const char* const ending = side == BackupSide::kSqlite ? ".db" : ".dump";
  for (int i = 1; out.name.empty(); ++i) {
    const std::string name = i == 1 ? stem : fmt::format("{}-{}", stem, i);
    const std::string partial = folder_ + "/" + name + ending + kPartial;
    const int fd =
        ::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST) continue;
    if (fd < 0) {
      return fail(backup_failed(ErrorCode::kStateFolder, partial, std::strerror(errno),
                                "check that the state folder may be written to"));
    }
    ::close(fd);
    // Looked at after the name is taken: whoever had it before has completed it, or never will.
    if (::access((folder_ + "/" + name + ending).c_str(), F_OK) == 0 ||
        ::access((folder_ + "/" + name + kManifest).c_str(), F_OK) == 0) {
      ::unlink(partial.c_str());
      continue;
    }
    out.name = name;
    out.file = name + ending;
  }
  return out;
}

std::string BackupStore::partial_path(const BackupManifest& m) const {
  return path_of(m) + kPartial;
}

Status BackupStore::complete(BackupManifest* manifest) const {
  const std::string partial = partial_path(*manifest);
  CROSSFADE_TRY(const auto digested, digest_file(partial));
  manifest->bytes = digested.bytes;
  manifest->sha256 = digested.sha256;
  fault_point("backup.copied");
  // While the file has no name yet: a disk that is full is one here.
  CROSSFADE_TRY(stage(*manifest));
  fault_point("backup.staged");
  if (::rename(partial.c_str(), path_of(*manifest).c_str()) != 0) return no_right_to_write(partial);
  fault_point("backup.named");
  return publish(*manifest);
}

Status BackupStore::write_manifest(const BackupManifest& manifest) const {
  CROSSFADE_TRY(stage(manifest));
  return publish(manifest);
}

Status BackupStore::stage(const BackupManifest& manifest) const {
  return write_synced(folder_ + "/" + manifest.name + kManifest + kPartial,
                      to_json(manifest).dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

Status BackupStore::publish(const BackupManifest& manifest) const {
  const std::string path = folder_ + "/" + manifest.name + kManifest;
  if (::rename((path + kPartial).c_str(), path.c_str()) != 0) return no_right_to_write(path);
  return sync_folder(folder_);
}

Result<std::vector<BackupManifest>> BackupStore::list() const {
  std::vector<BackupManifest> out;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder_, none)) {
    if (entry.path().extension() != kManifest) continue;
    auto manifest = manifest_from(entry.path().string(), entry.path().stem().string());
    if (manifest) {
      out.push_back(std::move(*manifest));
    } else {
      log::warn(fmt::format("{} is not the manifest of a backup", entry.path().string()));
    }
  }
  std::sort(out.begin(), out.end(),
            [](const BackupManifest& a, const BackupManifest& b) { return a.name < b.name; });
  return out;
}

Result<BackupManifest> BackupStore::find(const std::string& name) const {
  if (is_name(name)) {
    auto found = manifest_from(folder_ + "/" + name + kManifest, name);
    if (found) return std::move(*found);
  }
  return fail(backup_failed(ErrorCode::kUsage, name, "there is no backup of this name",
                            "`crossfade backup list` names those there are"));
}

Status BackupStore::check_digest(const BackupManifest& manifest) const {
  CROSSFADE_TRY(const auto digested, digest_file(path_of(manifest)));
  if (digested.bytes == manifest.bytes && digested.sha256 == manifest.sha256) return ok();
  return fail(backup_failed(
      ErrorCode::kDifferent, path_of(manifest),
      fmt::format("it has {} bytes with the SHA-256 {}, and was made with {} bytes and {}",
                  digested.bytes, digested.sha256, manifest.bytes, manifest.sha256),
      "the file was changed or is damaged: do not rely on it; take another backup"));
}

void BackupStore::remove(const BackupManifest& manifest) const {
  ::unlink((folder_ + "/" + manifest.name + kManifest).c_str());
  ::unlink(path_of(manifest).c_str());
}

}  // namespace crossfade::run
