#include "engine/run/control_client.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

namespace crossfade::run {
namespace {

constexpr std::chrono::seconds kStatusPatience{10};

Error control_error(const std::string& folder, std::string native) {
  Error error;
  error.code = ErrorCode::kInternal;
  error.op = "control.ask";
  error.object = folder;
  error.native = std::move(native);
  error.hint = "look at the engine's log; `crossfade status` shows where the move stands";
  return error;
}

class Socket {
 public:
  Socket() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  [[nodiscard]] bool connect(const std::string& path) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) return false;
    std::memcpy(address.sun_path, path.data(), path.size());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own way
    return ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }

  [[nodiscard]] bool send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // A silent engine is one that was stopped (SIGSTOP) or hangs.
  void be_patient_for(std::chrono::seconds patience) const {
    const timeval wait{patience.count(), 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
  }

  // Nothing when no answer came in time.
  [[nodiscard]] std::optional<std::string> read_all() const {
    std::string out;
    std::array<char, 4096> buffer{};
    while (true) {
      const ssize_t size = ::read(fd_, buffer.data(), buffer.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
      if (size <= 0) return out;
      out.append(buffer.data(), static_cast<size_t>(size));
    }
  }

 private:
  int fd_;
};

}  // namespace

ShortFolder::ShortFolder(const std::string& folder)
    : folder_(folder), fd_(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

ShortFolder::~ShortFolder() {
  if (fd_ >= 0) ::close(fd_);
}

std::string ShortFolder::path(const std::string& file) const {
  return fd_ < 0 ? folder_ + "/" + file : fmt::format("/proc/self/fd/{}/{}", fd_, file);
}

Result<std::optional<TaskResult>> ask_engine(const std::string& folder,
                                             const nlohmann::json& request) {
  const ShortFolder place(folder);
  const Socket socket;
  if (!socket.connect(place.path("control.sock"))) return std::optional<TaskResult>();
  // One that ends just now may have left the connection waiting: it never knew of it.
  if (!socket.send(request.dump() + "\n")) return std::optional<TaskResult>();
  // The loop that answers this does nothing else; what else is asked for takes as long as it takes.
  if (request.value("command", "") == "status") socket.be_patient_for(kStatusPatience);
  const auto answer = socket.read_all();
  if (!answer) {
    return fail(control_error(folder, fmt::format("the engine runs but has not answered in {} s",
                                                  kStatusPatience.count())));
  }
  // Of a switch that was not answered the operator is to know; all else can be asked again.
  const std::string command = request.value("command", "");
  if (answer->empty() && command != "cutover" && command != "rollback") {
    return std::optional<TaskResult>();
  }
  const auto json = nlohmann::json::parse(*answer, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("exit_code")) {
    return fail(control_error(folder, "the engine ended before it answered"));
  }
  TaskResult result;
  result.exit_code = json.value("exit_code", 1);
  result.document = json.value("document", nlohmann::json::object());
  result.text = json.value("text", "");
  return std::optional<TaskResult>(std::move(result));
}

}  // namespace crossfade::run
