// Promise: bytes of files are moved whole, or the call says that they were not, and why.
#include "engine/core/file_bytes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <thread>

#include "tests/support/temp_dir.h"

namespace crossfade {
namespace {

std::string many_bytes(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 31 + i / 251);
  return out;
}

TEST(FileBytesTest, AFileIsReadWhole) {
  const testing::TempDir dir;
  const std::string text = many_bytes(100'000);
  std::ofstream(dir.file("some"), std::ios::binary) << text;
  EXPECT_EQ(read_file(dir.file("some")), text);
  std::ofstream(dir.file("empty")).flush();
  EXPECT_EQ(read_file(dir.file("empty")), "");
  errno = 0;
  EXPECT_FALSE(read_file(dir.file("none")));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(read_file(dir.file(".")));
  EXPECT_EQ(errno, EISDIR);
}

TEST(FileBytesTest, WhatThereIsFromAPlaceIsReadAsFarAsItGoes) {
  const testing::TempDir dir;
  const std::string text = many_bytes(5'000);
  std::ofstream(dir.file("some"), std::ios::binary) << text;
  const int fd = ::open(dir.file("some").c_str(), O_RDONLY | O_CLOEXEC);
  std::string found(4'000, ' ');
  EXPECT_EQ(read_whole(fd, found.data(), found.size(), 100), 4'000);
  EXPECT_EQ(found, text.substr(100, 4'000));
  EXPECT_EQ(read_whole(fd, found.data(), found.size(), 4'990), 10);
  EXPECT_EQ(found.substr(0, 10), text.substr(4'990));
  EXPECT_EQ(read_whole(fd, found.data(), found.size(), 5'000), 0);
  ::close(fd);
  EXPECT_EQ(read_whole(fd, found.data(), found.size(), 0), -1);
  EXPECT_EQ(errno, EBADF);
}

// A pipe takes what it has room for, and then some more.
TEST(FileBytesTest, WhatIsTakenInPiecesIsWrittenWhole) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const std::string text = many_bytes(1'000'000);
  std::string found;
  std::thread reader([&] {
    std::array<char, 7'001> some{};
    ssize_t size = 0;
    while ((size = ::read(ends[0], some.data(), some.size())) > 0) {
      found.append(some.data(), static_cast<size_t>(size));
    }
  });
  EXPECT_TRUE(write_whole(ends[1], text));
  ::close(ends[1]);
  reader.join();
  ::close(ends[0]);
  EXPECT_TRUE(found == text);
}

// The kernel writes what the limit leaves room for, and says so; only the next call fails.
TEST(FileBytesTest, AFileThatMayNotGrowIsAnError) {
  const testing::TempDir dir;
  const std::string path = dir.file("some");
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1'000, 1'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const bool written = write_whole(fd, many_bytes(1'500));
    ::_exit(written ? 1 : errno == EFBIG ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(read_file(path), many_bytes(1'500).substr(0, 1'000));
}

}  // namespace
}  // namespace crossfade
