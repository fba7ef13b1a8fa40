#include "tools/client/mapped_route.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace crossfade::client {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little-endian");

constexpr size_t kFileBytes = 1024;
constexpr size_t kWords = kFileBytes / sizeof(uint32_t);
using Words = std::array<uint32_t, kWords>;

constexpr size_t kSequenceAt = 8;
constexpr size_t kPrimaryAt = 12;
constexpr size_t kEpochAt = 16;
constexpr size_t kUrlLenAt = 24;
constexpr size_t kUrlAt = 28;
constexpr size_t kChecksumAt = 1016;
constexpr size_t kUrlBytesMax = sizeof(crossfade_route_info::url) - 1;

// A write is 1 KiB of memory: one that takes longer has lost its writer.
constexpr auto kWriteMax = std::chrono::milliseconds(100);

uint32_t load(void* at, size_t word) {
  return std::atomic_ref<uint32_t>(static_cast<uint32_t*>(at)[word])
      .load(std::memory_order_acquire);
}

template <typename T>
T field(const Words& words, size_t at) {
  T value;
  std::memcpy(&value, std::as_const(words).data() + at / sizeof(uint32_t), sizeof(T));
  return value;
}

bool decode(const Words& words, crossfade_route_info* out) {
  std::array<char, kFileBytes> bytes;
  std::memcpy(bytes.data(), words.data(), kFileBytes);
  const auto url_len = field<uint32_t>(words, kUrlLenAt);
  const bool whole = std::memcmp(bytes.data(), "XFROUTE1", 8) == 0 && url_len <= kUrlBytesMax &&
                     XXH64(bytes.data() + kPrimaryAt, kChecksumAt - kPrimaryAt, 0) ==
                         field<uint64_t>(words, kChecksumAt);
  if (!whole) return false;
  *out = {};
  out->primary = field<uint32_t>(words, kPrimaryAt);
  out->epoch = field<uint64_t>(words, kEpochAt);
  std::memcpy(out->url, bytes.data() + kUrlAt, url_len);
  return out->primary <= CROSSFADE_PRIMARY_POSTGRES;
}

}  // namespace

MappedRoute::~MappedRoute() {
  unmap();
}

void MappedRoute::unmap() {
  if (at_ != nullptr) ::munmap(at_, kFileBytes);
  at_ = nullptr;
  cached_ = false;
}

bool MappedRoute::refresh(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) return false;
  if (mapped() && info.st_dev == device_ && info.st_ino == inode_ &&
      info.st_size == static_cast<off_t>(kFileBytes)) {
    return true;
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  void* at = MAP_FAILED;
  if (::fstat(fd, &info) == 0) {
    // A file of another size is not a route file, and reading past its end would be a SIGBUS.
    if (info.st_size == static_cast<off_t>(kFileBytes)) {
      at = ::mmap(nullptr, kFileBytes, PROT_READ, MAP_SHARED, fd, 0);
    } else {
      unmap();  // it may be the mapped file, cut short
      errno = EBADMSG;
    }
  }
  const int saved = errno;
  ::close(fd);
  errno = saved;
  if (at == MAP_FAILED) return false;
  unmap();
  at_ = at;
  device_ = info.st_dev;
  inode_ = info.st_ino;
  return true;
}

int MappedRoute::read(crossfade_route_info* out) {
  constexpr size_t kSequenceWord = kSequenceAt / sizeof(uint32_t);
  const uint32_t now = load(at_, kSequenceWord);
  if (cached_ && now == cached_sequence_) {
    *out = cache_;
    return CROSSFADE_OK;
  }
  const auto deadline = std::chrono::steady_clock::now() + kWriteMax;
  do {
    Words words;
    const uint32_t before = load(at_, kSequenceWord);
    for (size_t i = 0; i < kWords; ++i) words[i] = load(at_, i);
    if ((before & 1U) == 0 && before == load(at_, kSequenceWord)) {
      if (!decode(words, &cache_)) {
        cached_ = false;
        return CROSSFADE_EDAMAGED;
      }
      cached_ = true;
      cached_sequence_ = before;
      *out = cache_;
      return CROSSFADE_OK;
    }
    ::sched_yield();
  } while (std::chrono::steady_clock::now() < deadline);
  return CROSSFADE_EDAMAGED;
}

}  // namespace crossfade::client
