#include "tests/support/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/support/wait.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to the user

namespace crossfade::testing {
namespace {

std::vector<std::string> make_environment(const Process::Options& options) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const char* equals = std::strchr(*entry, '=');
    if (equals != nullptr)
      all[std::string(*entry, static_cast<size_t>(equals - *entry))] = equals + 1;
  }
  for (const std::string& name : options.env_removed) all.erase(name);
  for (const auto& [name, value] : options.env) all[name] = value;
  std::vector<std::string> out;
  for (const auto& [name, value] : all) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>* strings) {
  std::vector<char*> out;
  for (std::string& s : *strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

Process::Process(const Options& options) {
  std::vector<std::string> argv_text = options.argv;
  std::vector<std::string> environment_text = make_environment(options);
  const std::vector<char*> argv = pointers(&argv_text);
  const std::vector<char*> environment = pointers(&environment_text);
  const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  const int out = ::open(dir_.file("out").c_str(), flags, 0600);
  const int err = ::open(dir_.file("err").c_str(), flags, 0600);
  const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_ = ::fork();
  if (pid_ == 0) {
    if ((!options.folder.empty() && ::chdir(options.folder.c_str()) != 0) || ::dup2(in, 0) < 0 ||
        ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0) {
      ::_exit(126);
    }
    ::execvpe(argv[0], argv.data(), environment.data());
    ::_exit(127);
  }
  if (pid_ < 0) ADD_FAILURE() << "fork: " << std::strerror(errno);
  for (const int fd : {in, out, err}) ::close(fd);
}

Process::~Process() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  (void)wait(std::chrono::seconds(10));
}

bool Process::running() {
  if (code_ || pid_ <= 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) {
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return false;
  }
  return true;
}

std::optional<int> Process::wait(std::chrono::milliseconds within) {
  (void)wait_until([this] { return !running(); }, within);
  return code_;
}

void Process::signal(int number) const {
  // A reaped child's pid may belong to somebody else.
  if (!code_ && pid_ > 0) ::kill(pid_, number);
}

std::string Process::out() const {
  return read_file(dir_.file("out"));
}
std::string Process::err() const {
  return read_file(dir_.file("err"));
}

std::string crossfade_program() {
  const char* named = std::getenv("CROSSFADE_BIN");
  return named == nullptr || *named == '\0' ? CROSSFADE_BIN : named;
}

std::string project_file(const std::string& path) {
  return CROSSFADE_SOURCE_DIR "/" + path;
}

Finished run_process(const Process::Options& options, std::chrono::milliseconds within) {
  Process process(options);
  const auto code = process.wait(within);
  return {code.value_or(-1), process.out(), process.err()};
}

}  // namespace crossfade::testing
