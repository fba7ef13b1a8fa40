// Bytes of files, whole or not at all: a system call that moved fewer than it was given has neither
// failed nor come to the end (write(2): "no guarantee"), and the rest is moved by another.
//
// Threads: any. What failed is in errno.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace crossfade {

// False: some of it may have been written.
[[nodiscard]] bool write_whole(int fd, std::string_view bytes);

// So many, or all there are from `at`; -1 when it failed.
[[nodiscard]] ssize_t read_whole(int fd, char* bytes, size_t size, off_t at);

// All of a file. Nothing: it could not be read; ENOENT when it is not there.
[[nodiscard]] std::optional<std::string> read_file(const std::string& path);

}  // namespace crossfade
