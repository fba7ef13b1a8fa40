// Promise: whatever is changed, removed, moved or cut off in an audit trail is found; what a crash
// leaves of a line is not taken for that, and the trail goes on.
#include "engine/run/audit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

#include "engine/core/limits.h"
#include "engine/core/sha256.h"
#include "engine/run/audit_line.h"
#include "engine/run/audit_trail.h"
#include "tests/support/temp_dir.h"

namespace crossfade::run {
namespace {

using ::testing::HasSubstr;

TEST(Sha256Test, IsTheOneOfTheStandard) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 pieces;
  pieces.add("a");
  pieces.add("bc");
  EXPECT_EQ(pieces.hex(), sha256_hex("abc"));
}

class AuditTest : public ::testing::Test {
 protected:
  void write_some(int count = 5) {
    AuditLog log(path_);
    for (int i = 0; i < count; ++i) {
      log.record("command_begun", {{"n", i}, {"text", "a \"quoted\" word,\nand a line"}});
    }
  }
  [[nodiscard]] std::string bytes() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // In place: a file that is emptied first goes to the disk each time.
  void put(const std::string& text) const {
    const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(::ftruncate(fd, static_cast<off_t>(text.size())), 0);
    ::close(fd);
  }
  [[nodiscard]] static std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> out;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at) + 1;
      out.push_back(text.substr(at, end - at));
      at = end;
    }
    return out;
  }
  [[nodiscard]] static std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) out += line;
    return out;
  }
  [[nodiscard]] AuditReport check(const std::optional<AuditHead>& head = std::nullopt) const {
    auto report = check_audit_trail(path_, head.has_value(), head);
    EXPECT_TRUE(report) << describe(report.error());
    return std::move(report).value();
  }
  [[nodiscard]] AuditVerdict verdict(const std::optional<AuditHead>& head = std::nullopt) const {
    return check(head).verdict;
  }

  const testing::TempDir dir_;
  const std::string path_ = dir_.file("audit.jsonl");
};

TEST_F(AuditTest, AnEntrySaysWhoWhereWhenAndWhat) {
  write_some(1);
  const std::string text = bytes();
  ASSERT_EQ(text.back(), '\n');
  const auto entry = nlohmann::json::parse(text);
  EXPECT_EQ(entry["seq"], 1);
  EXPECT_EQ(entry["what"], "command_begun");
  EXPECT_EQ(entry["who"]["uid"], ::getuid());
  EXPECT_EQ(entry["who"]["pid"], ::getpid());
  EXPECT_FALSE(entry["host"].get<std::string>().empty());
  EXPECT_EQ(entry["at"].get<std::string>().size(), std::string("2026-11-22T10:00:00.000Z").size());
  EXPECT_EQ(entry["details"]["n"], 0);
}

TEST_F(AuditTest, TheFileIsItsOwnersAlone) {
  const mode_t before = ::umask(0);
  write_some(1);
  ::umask(before);
  struct stat st {};
  ASSERT_EQ(::stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0600U);
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  write_some(1);
  ASSERT_EQ(::stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0600U);
}

TEST_F(AuditTest, ALinkToSomebodyElsesFileIsNotWrittenTo) {
  const std::string other = dir_.file("other");
  std::ofstream(other) << "kept";
  std::filesystem::create_symlink(other, path_);
  write_some(1);
  EXPECT_EQ(std::filesystem::file_size(other), 4U);
}

// It would begin the chain anew, and a target that knows its newest entry would call it forged.
TEST_F(AuditTest, ATrailThatCannotBeReadIsNotAnEmptyOne) {
  std::filesystem::create_directory(path_);
  const auto head = AuditLog(path_).head();
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().object, path_);
  EXPECT_FALSE(AuditLog(path_).holds(AuditHead{1, std::string(64, 'a'), 200, ""}));
}

TEST_F(AuditTest, WhatWasWrittenIsIntact) {
  write_some();
  const auto head = AuditLog(path_).head().value();
  ASSERT_TRUE(head);
  EXPECT_EQ(head->seq, 5);
  EXPECT_TRUE(AuditLog(path_).holds(*head).value());
  const AuditReport report = check(head);
  EXPECT_EQ(report.verdict, AuditVerdict::kIntact) << to_text(report);
  EXPECT_EQ(report.entries, 5);
  EXPECT_EQ(report.head_state, HeadState::kMatches);
}

TEST_F(AuditTest, EachByteThatIsChangedIsFound) {
  write_some();
  const std::string text = bytes();
  for (size_t at = 0; at < text.size(); ++at) {
    char other = at % 2 == 0 ? '0' : '\n';
    if (text[at] == other) other = 'x';
    std::string changed = text;
    changed[at] = other;
    put(changed);
    EXPECT_EQ(verdict(), AuditVerdict::kBroken) << "byte " << at << " became " << int{other};
  }
}

TEST_F(AuditTest, TheEntryThatWasChangedIsNamed) {
  write_some();
  std::string text = bytes();
  const size_t at = text.find("\"n\":2");
  ASSERT_NE(at, std::string::npos);
  text[at + 4] = '7';
  put(text);
  const AuditReport report = check();
  ASSERT_EQ(report.problem_count, 1) << to_text(report);
  EXPECT_EQ(report.problems[0].line, 3);
  EXPECT_EQ(report.problems[0].seq, 3);
  EXPECT_THAT(to_text(report), HasSubstr("line 3 (entry 3)"));
}

TEST_F(AuditTest, EachLineThatIsRemovedMovedOrRepeatedIsFound) {
  write_some();
  const auto head = AuditLog(path_).head().value();
  const auto lines = lines_of(bytes());
  ASSERT_EQ(lines.size(), 5U);
  for (size_t i = 0; i < lines.size(); ++i) {
    auto fewer = lines;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    put(joined(fewer));
    EXPECT_EQ(verdict(head),
              i + 1 == lines.size() ? AuditVerdict::kTruncated : AuditVerdict::kBroken)
        << "without line " << i + 1;
    auto twice = lines;
    twice.insert(twice.begin() + static_cast<std::ptrdiff_t>(i), lines[i]);
    put(joined(twice));
    EXPECT_EQ(verdict(head), AuditVerdict::kBroken) << "line " << i + 1 << " twice";
    if (i == 0) continue;
    auto moved = lines;
    std::swap(moved[i - 1], moved[i]);
    put(joined(moved));
    EXPECT_EQ(verdict(head), AuditVerdict::kBroken) << "lines " << i << " and " << i + 1;
  }
}

TEST_F(AuditTest, ATrailThatWasCutOffAnywhereIsFoundByItsRecordedEnd) {
  write_some();
  const auto head = AuditLog(path_).head().value();
  const std::string text = bytes();
  for (size_t size = 0; size < text.size(); ++size) {
    put(text.substr(0, size));
    EXPECT_NE(verdict(head), AuditVerdict::kIntact) << size << " of " << text.size();
    EXPECT_FALSE(AuditLog(path_).holds(*head).value()) << size;
  }
  std::filesystem::remove(path_);
  EXPECT_EQ(verdict(head), AuditVerdict::kTruncated);
}

// Somebody who writes all of it anew, with hashes that fit.
TEST_F(AuditTest, AnotherTrailInItsPlaceIsFoundByTheRecordedEnd) {
  write_some();
  const auto head = AuditLog(path_).head().value();
  std::filesystem::remove(path_);
  write_some();
  EXPECT_EQ(verdict(), AuditVerdict::kIntact);
  const AuditReport report = check(head);
  EXPECT_EQ(report.verdict, AuditVerdict::kBroken);
  EXPECT_EQ(report.head_state, HeadState::kDiffers);
}

TEST_F(AuditTest, WhatACrashLeavesOfALineIsAccountedFor) {
  write_some(3);
  const std::string text = bytes();
  const size_t begin = text.rfind('\n', text.size() - 2) + 1;
  for (size_t size = begin + 1; size < text.size(); size += size + 9 < text.size() ? 9 : 1) {
    put(text.substr(0, size));
    const AuditReport torn = check();
    EXPECT_EQ(torn.verdict, AuditVerdict::kIntact) << size << to_text(torn);
    write_some(2);
    const AuditReport report = check();
    EXPECT_EQ(report.verdict, AuditVerdict::kIntact) << size << to_text(report);
    const bool all_but_its_end = size == text.size() - 1;
    EXPECT_EQ(report.torn_lines, all_but_its_end ? 0 : 1) << size;
    EXPECT_EQ(report.entries, 5) << size;  // with the one about the torn line, or the whole one
    if (all_but_its_end) continue;
    std::string changed = bytes();
    changed[begin] = changed[begin] == 'x' ? 'y' : 'x';
    put(changed);
    EXPECT_EQ(verdict(), AuditVerdict::kBroken) << size;
  }
}

TEST_F(AuditTest, ALineThatIsNoneIsNamedAndTheTrailGoesOn) {
  write_some(2);
  put(bytes() + "not a line\n");
  write_some(2);
  const AuditReport report = check();
  EXPECT_EQ(report.verdict, AuditVerdict::kBroken);
  ASSERT_FALSE(report.problems.empty());
  EXPECT_EQ(report.problems[0].line, 3);
}

TEST_F(AuditTest, ManyProcessesWriteOneTrail) {
  constexpr int kProcesses = 4;
  constexpr int kEach = 25;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      write_some(kEach);
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  const AuditReport report = check();
  EXPECT_EQ(report.verdict, AuditVerdict::kIntact) << to_text(report);
  EXPECT_EQ(report.entries, kProcesses * kEach);
}

// As often as it is tried: two torn lines in a row would be taken for tampering.
TEST_F(AuditTest, AFullDiskLeavesNoPartOfALine) {
  write_some(3);
  const std::string text = bytes();
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{text.size() + 100, text.size() + 100};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(1);
    write_some(2);
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(bytes(), text);
  write_some(1);
  const AuditReport report = check();
  EXPECT_EQ(report.verdict, AuditVerdict::kIntact) << to_text(report);
  EXPECT_EQ(report.entries, 4);
}

TEST_F(AuditTest, AFileThatIsNoTrailAtAllIsNotWrittenTo) {
  const std::string text(static_cast<size_t>(limits::kAuditTailBytesMax) + 4096, 'x');
  put(text);
  write_some(1);
  EXPECT_EQ(bytes(), text);
  EXPECT_FALSE(AuditLog(path_).head().value());
}

TEST_F(AuditTest, WhatIsTooLongIsLeftOutWithItsDigest) {
  AuditLog(path_).record("ddl", {{"sql", std::string(2 * limits::kAuditDetailsBytesMax, 'x')}});
  EXPECT_LT(bytes().size(), 1000U);
  EXPECT_THAT(bytes(), HasSubstr("left_out_sha256"));
  EXPECT_EQ(verdict(), AuditVerdict::kIntact);
}

}  // namespace
}  // namespace crossfade::run
