// Promise: a program that was not built for faults can not be told to have any.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/move_test.h"

namespace crossfade::testing {
namespace {

TEST(FaultFreeTest, OnlyAProgramBuiltForItHasFaults) {
  const std::string program = read_bytes(crossfade_program());
  ASSERT_NE(program.find("CROSSFADE_TARGET"), std::string::npos) << "it is the program";
#ifdef CROSSFADE_FAULTS
  EXPECT_NE(program.find("CROSSFADE_FAULT_TRACE"), std::string::npos);
#else
  EXPECT_EQ(program.find("CROSSFADE_FAULT"), std::string::npos);
#ifdef __OPTIMIZE__  // else the names of the points stay as arguments of empty functions
  EXPECT_EQ(program.find("cutover.flip.before_commit"), std::string::npos);
#endif
#endif
}

}  // namespace
}  // namespace crossfade::testing
