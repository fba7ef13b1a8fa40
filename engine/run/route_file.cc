#include "engine/run/route_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "engine/core/deadline.h"
#include "engine/core/file_bytes.h"
#include "engine/observe/fault.h"

namespace crossfade::run {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little-endian");

constexpr std::array<char, 8> kMagic = {'X', 'F', 'R', 'O', 'U', 'T', 'E', '1'};

// The file, byte for byte. The checksum covers everything but the magic and the sequence.
struct Record {
  std::array<char, 8> magic = kMagic;
  uint32_t sequence = 0;
  uint32_t primary = 0;
  uint64_t epoch = 0;
  uint32_t url_len = 0;
  std::array<char, kRouteUrlBytesMax> url = {};
  std::array<char, 28> reserved = {};
  uint64_t checksum = 0;
};
constexpr size_t kFileBytes = 1024;
static_assert(sizeof(Record) == kFileBytes);
static_assert(offsetof(Record, url) == 28 && offsetof(Record, checksum) == 1016);

// The seqlock copies the record in words, each of them atomic: a racing reader may mix two writes,
// which the sequence tells it, but never reads half a word.
constexpr size_t kWords = kFileBytes / sizeof(uint32_t);
constexpr size_t kSequenceWord = offsetof(Record, sequence) / sizeof(uint32_t);
using Words = std::array<uint32_t, kWords>;

// How long a reader waits for a write of 1 KiB to end before it takes the writer for dead.
constexpr auto kWriteMax = std::chrono::milliseconds(100);

uint64_t checksum_of(const Record& record) {
  const auto bytes = std::bit_cast<std::array<char, kFileBytes>>(record);
  constexpr size_t kFrom = offsetof(Record, primary);
  return XXH64(bytes.data() + kFrom, offsetof(Record, checksum) - kFrom, 0);
}

Error file_error(const char* op, const std::string& path, std::string native, const char* hint) {
  Error error;
  error.code = ErrorCode::kStateFolder;
  error.op = op;
  error.object = path;
  error.native = std::move(native);
  error.hint = hint;
  return error;
}

Error system_error(const char* op, const std::string& path, const char* call) {
  return file_error(op, path, fmt::format("{}: {}", call, std::strerror(errno)),
                    "check that the state folder beside the database is there and may be written");
}

Error damaged(const std::string& path, const char* what) {
  return file_error("route.read", path, what,
                    "run any crossfade command with the target: it writes the file anew from the "
                    "row in PostgreSQL");
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);  // and with it the flock
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool ok() const { return fd_ >= 0; }

 private:
  const int fd_;
};

class Mapping {
 public:
  Mapping(int fd, int protection)
      : at_(::mmap(nullptr, kFileBytes, protection, MAP_SHARED, fd, 0)) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (ok()) ::munmap(at_, kFileBytes);
  }
  [[nodiscard]] bool ok() const { return at_ != MAP_FAILED; }
  [[nodiscard]] bool sync() const { return ::msync(at_, kFileBytes, MS_SYNC) == 0; }
  [[nodiscard]] std::atomic_ref<uint32_t> word(size_t index) const {
    return std::atomic_ref<uint32_t>(static_cast<uint32_t*>(at_)[index]);
  }

 private:
  void* const at_;
};

// Release on every word keeps them after the odd sequence; release on the last keeps it after them.
void store(const Mapping& mapping, Record record) {
  record.checksum = checksum_of(record);
  const auto words = std::bit_cast<Words>(record);
  const uint32_t odd = mapping.word(kSequenceWord).load(std::memory_order_relaxed) | 1U;
  mapping.word(kSequenceWord).store(odd, std::memory_order_relaxed);
  for (size_t i = 0; i < kWords; ++i) {
    if (i == kWords / 2) fault_point("route.write.middle");
    if (i != kSequenceWord) mapping.word(i).store(words[i], std::memory_order_release);
  }
  mapping.word(kSequenceWord).store(odd + 1, std::memory_order_release);
}

// Nothing when a write did not end in time: its writer died in the middle.
std::optional<Record> load(const Mapping& mapping) {
  const Deadline deadline = Deadline::after(kWriteMax);
  do {
    Words words;
    const uint32_t before = mapping.word(kSequenceWord).load(std::memory_order_acquire);
    for (size_t i = 0; i < kWords; ++i) {
      words[i] = mapping.word(i).load(std::memory_order_acquire);
    }
    const uint32_t after = mapping.word(kSequenceWord).load(std::memory_order_relaxed);
    if (before == after && (before & 1U) == 0) return std::bit_cast<Record>(words);
    std::this_thread::yield();
  } while (!deadline.expired());
  return std::nullopt;
}

Result<Route> decode(const std::string& path, const std::optional<Record>& record) {
  if (!record) return fail(damaged(path, "a write to the file was cut short"));
  if (record->magic != kMagic) return fail(damaged(path, "the file is not a crossfade route file"));
  if (record->checksum != checksum_of(*record) || record->url_len > kRouteUrlBytesMax ||
      record->primary > static_cast<uint32_t>(Primary::kPostgres)) {
    return fail(damaged(path, "the file's checksum does not match its contents"));
  }
  return Route{static_cast<Primary>(record->primary), Epoch{std::bit_cast<int64_t>(record->epoch)},
               std::string(record->url.data(), record->url_len)};
}

Result<Route> read_open_file(const std::string& path, int fd) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0) return fail(system_error("route.read", path, "fstat"));
  if (info.st_size != static_cast<off_t>(kFileBytes)) {
    return fail(damaged(path, "the file has the wrong size for a crossfade route file"));
  }
  const Mapping mapping(fd, PROT_READ);
  if (!mapping.ok()) return fail(system_error("route.read", path, "mmap"));
  return decode(path, load(mapping));
}

Record encode(const Route& route) {
  Record record;
  record.primary = static_cast<uint32_t>(route.primary);
  record.epoch = std::bit_cast<uint64_t>(route.epoch.value);
  record.url_len = static_cast<uint32_t>(route.url.size());
  std::memcpy(record.url.data(), route.url.data(), route.url.size());
  return record;
}

// False when another writer created the file first; then it is there to be changed in place.
Result<bool> create(const std::string& path, const Route& route) {
  std::string temporary = path + ".XXXXXX";
  Record record = encode(route);
  record.checksum = checksum_of(record);
  {
    const Descriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!file.ok()) return fail(system_error("route.write", temporary, "mkostemp"));
    const bool written =
        ::fchmod(file.get(), 0644) == 0 &&
        write_whole(file.get(), {reinterpret_cast<const char*>(&record), kFileBytes}) &&
        ::fsync(file.get()) == 0;
    if (!written) {
      Error error = system_error("route.write", temporary, "write");
      ::unlink(temporary.c_str());
      return fail(std::move(error));
    }
  }
  fault_point("route.create.before");
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) {
    return true;
  }
  // Some file systems know no RENAME_NOREPLACE; there the rename may replace a file just made.
  if (errno == EINVAL && ::rename(temporary.c_str(), path.c_str()) == 0) return true;
  const bool lost_race = errno == EEXIST;
  Error error = system_error("route.write", path, "rename");
  ::unlink(temporary.c_str());
  if (lost_race) return false;
  return fail(std::move(error));
}

Status change_in_place(const std::string& path, int fd, const Route& route) {
  if (::flock(fd, LOCK_EX) != 0) return fail(system_error("route.write", path, "flock"));
  const Result<Route> current = read_open_file(path, fd);
  if (current && current.value().epoch > route.epoch) {
    return fail(file_error("route.write", path,
                           fmt::format("the file is at epoch {}, later than epoch {}",
                                       current.value().epoch.value, route.epoch.value),
                           "the target is not the one this database was moved to, or it was "
                           "restored from an older copy; give the right target with --target"));
  }
  if (::ftruncate(fd, static_cast<off_t>(kFileBytes)) != 0) {
    return fail(system_error("route.write", path, "ftruncate"));
  }
  const Mapping mapping(fd, PROT_READ | PROT_WRITE);
  if (!mapping.ok()) return fail(system_error("route.write", path, "mmap"));
  store(mapping, encode(route));
  fault_point("route.write.after");
  // Readers see it already; this is for a machine that loses its power now.
  if (!mapping.sync()) return fail(system_error("route.write", path, "msync"));
  return ok();
}

}  // namespace

const char* to_string(Primary primary) {
  switch (primary) {
    case Primary::kNone:
      return "none";
    case Primary::kSqlite:
      return "sqlite";
    case Primary::kPostgres:
      return "postgres";
  }
  return "none";
}

Status write_route_file(const std::string& path, const Route& route) {
  if (route.url.size() > kRouteUrlBytesMax) {
    return fail(file_error("route.write", path,
                           fmt::format("the target's URL has {} bytes, over the limit of {}",
                                       route.url.size(), kRouteUrlBytesMax),
                           "use a shorter URL, or a service name (pg_service.conf)"));
  }
  if (fault_fails("route.write.before")) {
    errno = EIO;
    return fail(system_error("route.write", path, "open"));
  }
  const Descriptor existing(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (existing.ok()) return change_in_place(path, existing.get(), route);
  if (errno != ENOENT) return fail(system_error("route.write", path, "open"));
  CROSSFADE_TRY(const bool created, create(path, route));
  if (created) return ok();
  const Descriptor winner(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!winner.ok()) return fail(system_error("route.write", path, "open"));
  return change_in_place(path, winner.get(), route);
}

Result<Route> read_route_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) {
    if (errno == ENOENT) return Route{};
    return fail(system_error("route.read", path, "open"));
  }
  return read_open_file(path, file.get());
}

}  // namespace crossfade::run
