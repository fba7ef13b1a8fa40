#include "engine/postgres/connection_params.h"

#include <gtest/gtest.h>

namespace crossfade::postgres {
namespace {

constexpr const char* kSecret = "s3cr3t";

TEST(ConnectionParamsTest, TheSafeFormHasNoPassword) {
  for (const char* text :
       {"postgresql://ann:s3cr3t@db.example:5433/app?sslmode=require",
        "postgresql://db.example:5433/app?user=ann&password=s3cr3t&sslmode=require",
        "host=db.example port=5433 user=ann password=s3cr3t dbname=app sslmode=require",
        "host=db.example port=5433 user=ann password='s3cr3t' dbname=app sslmode=require "
        "sslpassword=s3cr3t passfile=/home/s3cr3t"}) {
    auto params = ConnectionParams::parse(text);
    ASSERT_TRUE(params) << describe(params.error());
    EXPECT_EQ(params.value().safe(), "postgresql://ann@db.example:5433/app?sslmode=require");
    EXPECT_EQ(params.value().secret(), text);
  }
}

TEST(ConnectionParamsTest, WhatCannotBeParsedIsNotQuoted) {
  for (const char* text : {"postgresql://ann:s3cr3t@[db/app", "password=s3cr3t bogus=1", "s3cr3t",
                           "postgresql://ann:s3cr3t@h:1/a%zz", "host=h password='s3cr3t"}) {
    auto params = ConnectionParams::parse(text);
    ASSERT_FALSE(params) << text;
    EXPECT_EQ(params.error().code, ErrorCode::kUsage);
    EXPECT_EQ(describe(params.error()).find(kSecret), std::string::npos)
        << describe(params.error());
  }
}

// libpq would take a part of the password for the host, the port or the database, which are shown.
TEST(ConnectionParamsTest, APasswordThatIsNotEncodedIsRefused) {
  for (const char* text :
       {"postgresql://ann:a@s3cr3t@db:5432/app", "postgresql://ann:1/s3cr3t@db:5432/app",
        "postgres://ann:a,b@s3cr3t@db/app?sslmode=require", "postgresql://ann:s3cr3t/b@db/app"}) {
    auto params = ConnectionParams::parse(text);
    ASSERT_FALSE(params) << text << " " << params.value().safe();
    EXPECT_EQ(params.error().code, ErrorCode::kUsage);
    EXPECT_EQ(describe(params.error()).find(kSecret), std::string::npos);
    EXPECT_NE(params.error().hint.find("percent-encode"), std::string::npos);
  }
  for (const char* text : {"postgresql://ann:a%40b@db/app", "postgresql://db/app?user=ann@corp",
                           "postgresql://ann:a?b@db/app"}) {
    EXPECT_TRUE(ConnectionParams::parse(text)) << text;
  }
}

TEST(ConnectionParamsTest, SocketFoldersAndOddNamesStayUsable) {
  auto params = ConnectionParams::parse("postgresql://u@/d%20b?host=%2Ftmp%2Fx");
  ASSERT_TRUE(params);
  auto again = ConnectionParams::parse(params.value().safe());
  ASSERT_TRUE(again) << params.value().safe();
  EXPECT_EQ(again.value().safe(), params.value().safe());
}

}  // namespace
}  // namespace crossfade::postgres
