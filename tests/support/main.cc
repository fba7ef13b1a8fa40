// The test programs' main: the cluster goes down with the process, whatever the tests did.
#include <gtest/gtest.h>

#include "tests/support/cluster.h"

namespace {

class ClusterEnvironment : public ::testing::Environment {
 public:
  void TearDown() override { crossfade::testing::TestCluster::destroy(); }
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ::testing::AddGlobalTestEnvironment(new ClusterEnvironment);  // GoogleTest owns it
  return RUN_ALL_TESTS();
}
