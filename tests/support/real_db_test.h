// Fixture: a database made by others, with a table in which writers note what was acknowledged, and
// an empty target. The parameter is its name (real_dbs.h).
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/support/move_test.h"
#include "tests/support/real_dbs.h"
#include "tests/support/writers.h"

namespace crossfade::testing {

class RealDbTest : public MoveTest, public ::testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_REAL_DBS();
    MoveTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    db_ = copy_real_db(GetParam(), dir_);
    make_ack_table(db_);
  }
  void TearDown() override {
    engine_.reset();
    // A slot would keep the database from being dropped.
    if (!url_.empty()) (void)crossfade({"finish", db_, "--target", url_});
    MoveTest::TearDown();
  }
};

}  // namespace crossfade::testing
