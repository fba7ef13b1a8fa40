#include "tools/cli/scrub.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace crossfade::cli {
namespace {

std::string scrubbed(std::string argument) {
  std::string program = "crossfade";
  const size_t length = argument.size();
  std::vector<char*> argv{program.data(), argument.data(), nullptr};
  scrub_passwords(2, argv.data());
  EXPECT_EQ(argument.size(), length);
  return argument;
}

TEST(ScrubTest, TheUrlsPasswordIsBlanked) {
  EXPECT_EQ(scrubbed("postgres://user:secret@host/db"), "postgres://user:xxxxxx@host/db");
  EXPECT_EQ(scrubbed("--target=postgresql://u:p%40s@h:5432/d?sslmode=require"),
            "--target=postgresql://u:xxxxx@h:5432/d?sslmode=require");
  EXPECT_EQ(scrubbed("postgres://u:a@b@host"), "postgres://u:xxx@host");
  EXPECT_EQ(scrubbed("postgres://u:wh?at@host/d"), "postgres://u:xxxxx@host/d");
  EXPECT_EQ(scrubbed("postgres://u:@host/d"), "postgres://u:@host/d");
}

TEST(ScrubTest, WhatIsNoPasswordStays) {
  for (const char* argument :
       {"postgres://user@host:5432/db", "postgres:///db", "postgres://host:5432/a@b", "app.db",
        "--target", "a:b@c", "host=h user=u", "no-password", "password"}) {
    EXPECT_EQ(scrubbed(argument), argument);
  }
}

TEST(ScrubTest, TheConnectionStringsPasswordIsBlanked) {
  EXPECT_EQ(scrubbed("host=h password=secret user=u"), "host=h password=xxxxxx user=u");
  EXPECT_EQ(scrubbed("postgres://h/d?user=u&password=secret&x=y"),
            "postgres://h/d?user=u&password=xxxxxx&x=y");
  EXPECT_EQ(scrubbed("sslpassword=a password=b"), "sslpassword=x password=x");
  EXPECT_EQ(scrubbed("password = secret host=h"), "password = xxxxxx host=h");
  EXPECT_EQ(scrubbed("password='two words' host=h"), "password=xxxxxxxxxxx host=h");
  EXPECT_EQ(scrubbed("password='it\\'s one' host=h"), "password=xxxxxxxxxxx host=h");
  EXPECT_EQ(scrubbed("password=a\\ b host=h"), "password=xxxx host=h");
  EXPECT_EQ(scrubbed("password='never closed"), "password=xxxxxxxxxxxxx");
  EXPECT_EQ(scrubbed("password=password=1"), "password=xxxxxxxxxx");
}

TEST(ScrubTest, TheProgramsNameIsLeftAlone) {
  std::string program = "/opt/password=x/crossfade";
  std::vector<char*> argv{program.data(), nullptr};
  scrub_passwords(1, argv.data());
  EXPECT_EQ(program, "/opt/password=x/crossfade");
}

}  // namespace
}  // namespace crossfade::cli
