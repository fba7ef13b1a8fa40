// A child process of a test: started without a shell, its output in files, waited for with a
// deadline, and killed by pid when the test ends before it does.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace crossfade::testing {

class Process {
 public:
  struct Options {
    std::vector<std::string> argv;           // argv[0] is looked up in PATH
    std::map<std::string, std::string> env;  // added to this process's environment
    std::vector<std::string> env_removed;    // names taken out of it
    std::string folder;                      // to run in; empty: this one's
  };
  explicit Process(const Options& options);
  ~Process();  // kills it if it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The exit code, or 128 + signal; nothing when it still runs at the deadline.
  [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds within);
  [[nodiscard]] bool running();
  void signal(int number) const;

  // What it has printed up to now.
  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string err() const;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  TempDir dir_;
  pid_t pid_ = -1;
  std::optional<int> code_;
};

struct Finished {
  int code = -1;  // -1: it did not end in time and was killed
  std::string out;
  std::string err;
};

// Runs it to its end.
[[nodiscard]] Finished run_process(const Process::Options& options,
                                   std::chrono::milliseconds within = std::chrono::seconds(60));

// The program that is tested: the one that was built with the tests, or the one that CROSSFADE_BIN
// names, so that a sanitized program needs no sanitized tests.
[[nodiscard]] std::string crossfade_program();

// A file of the project, by its path from the top folder.
[[nodiscard]] std::string project_file(const std::string& path);

// The crossfade program with these arguments.
[[nodiscard]] inline Process::Options crossfade_command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), crossfade_program());
  return {std::move(arguments), {}, {}, {}};
}

}  // namespace crossfade::testing
