// Promise: `verify --report` leaves a proof that others can check without us: digests that the
// program in docs/verification.md makes again from the SQLite file, and a signature that openssl
// checks.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/move_test.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;

class VerifyReportTest : public MoveTest {
 protected:
  void SetUp() override {
    MoveTest::SetUp();
    report_ = dir_.file("proof.json");
    key_ = dir_.file("key.pem");
  }

  // Values of every form, keys that the two sides order differently, and no key at all.
  void make_all_forms() {
    make_shop(9'000);
    app(R"(
      CREATE TABLE amount(id INTEGER PRIMARY KEY, price DECIMAL(12,4), rate NUMERIC, on_day DATE,
        at TIMESTAMP, ok BOOLEAN, doc JSON, uuid TEXT, pad BLOB);
      WITH RECURSIVE c(i) AS (SELECT -50 UNION ALL SELECT i+1 FROM c WHERE i<50)
        INSERT INTO amount SELECT i, i/8.0, CASE i%3 WHEN 0 THEN i*1000 WHEN 1 THEN i/1000.0 END,
          date('2026-01-01', i||' days'), datetime('2026-01-01', i||' minutes'), i%2=0,
          json_object('i', i), lower(hex(zeroblob(2))||'-'||hex(zeroblob(1)))||i,
          zeroblob(abs(i)) FROM c;
      CREATE TABLE named(name TEXT COLLATE NOCASE PRIMARY KEY, n REAL);
      INSERT INTO named VALUES('b',1.5),('A',-0.0),('aa',1e300),('Z',2.0),('é',NULL);
      CREATE TABLE counted(a NUMERIC, b TEXT, v, PRIMARY KEY(a,b)) WITHOUT ROWID;
      INSERT INTO counted VALUES(10,'x',1),(9.5,'y','t'),(-3,'x',x'00ff'),(9.5,'x',2.5),(0,'',NULL);
      CREATE TABLE pair(a TEXT, b INTEGER, v TEXT, PRIMARY KEY(a,b)) WITHOUT ROWID;
      INSERT INTO pair VALUES('b',-1,'1'),('b',2,'2'),('B',1,'3'),('',0,'4'),('ab',9,NULL);
      CREATE TABLE "odd ""name"(x INTEGER, "select" TEXT);
      INSERT INTO "odd ""name" VALUES(1,'one'),(1,'one'),(NULL,'none');
      CREATE TABLE vacant(id INTEGER PRIMARY KEY);)");
  }

  [[nodiscard]] Finished openssl(std::vector<std::string> arguments) const {
    Process::Options options;
    options.argv = {"/usr/bin/openssl"};
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    return run_process(options, seconds(30));
  }
  void make_key(const std::string& algorithm) const {
    std::vector<std::string> make = {"genpkey", "-algorithm", algorithm, "-out", key_};
    if (algorithm == "EC") make.insert(make.end(), {"-pkeyopt", "ec_paramgen_curve:P-256"});
    ASSERT_EQ(openssl(make).code, 0);
    ASSERT_EQ(openssl({"pkey", "-in", key_, "-pubout", "-out", key_ + ".pub"}).code, 0);
  }
  [[nodiscard]] bool openssl_accepts(const std::string& algorithm) const {
    const std::string signature = report_ + ".sig";
    const Finished done = algorithm == "ed25519"
                              ? openssl({"pkeyutl", "-verify", "-pubin", "-inkey", key_ + ".pub",
                                         "-rawin", "-in", report_, "-sigfile", signature})
                              : openssl({"dgst", "-sha256", "-verify", key_ + ".pub", "-signature",
                                         signature, report_});
    return done.code == 0;
  }
  [[nodiscard]] json report() const { return json::parse(read_bytes(report_), nullptr, false); }

  // What docs/verification.md has, as it stands there.
  [[nodiscard]] Finished make_again() const {
    const std::string page = read_bytes(project_file("docs/verification.md"));
    const std::string begin = "```python\n";
    const size_t from = page.find(begin) + begin.size();
    const std::string program = dir_.file("again.py");
    write_bytes(program, page.substr(from, page.find("```\n", from) - from));
    Process::Options options;
    options.argv = {"/usr/bin/python3", program, report_, db_};
    return run_process(options, seconds(60));
  }
  [[nodiscard]] static json table_of(const json& document, const std::string& name) {
    for (const json& table : document["tables"]) {
      if (table["name"] == name) return table;
    }
    ADD_FAILURE() << "no table " << name << " in " << document;
    return {};
  }

  std::string report_;
  std::string key_;
};

TEST_F(VerifyReportTest, CanBeMadeAgainFromTheFileAlone) {
  make_all_forms();
  ASSERT_EQ(run_until_verified().code, 0);
  make_key("ed25519");
  const Finished done = crossfade({"verify", db_, "--report", report_, "--sign-key", key_});
  ASSERT_EQ(done.code, 0) << done.err << done.out;
  EXPECT_THAT(done.out, HasSubstr("of one state"));
  const json proof = report();
  EXPECT_EQ(proof["verdict"], "equal");
  EXPECT_EQ(proof["digest"], "sha256");
  EXPECT_EQ(proof["at_rest"], true);
  EXPECT_EQ(table_of(proof, "purchase")["order"], "key");
  EXPECT_EQ(table_of(proof, "pair")["order"], "key");
  EXPECT_EQ(table_of(proof, "named")["order"], "canonical_key");
  EXPECT_EQ(table_of(proof, "counted")["order"], "canonical_key");
  EXPECT_EQ(table_of(proof, "amount")["columns"][1]["form"], "decimal");
  const Finished again = make_again();
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_THAT(again.out, Not(HasSubstr("not looked at")));
  EXPECT_TRUE(openssl_accepts("ed25519"));
  app("UPDATE purchase SET cents = cents + 1 WHERE id = 8999");
  EXPECT_EQ(make_again().code, 1);
  std::string bytes = read_bytes(report_);
  bytes[bytes.find("equal")] = 'E';
  write_bytes(report_, bytes);
  EXPECT_FALSE(openssl_accepts("ed25519"));
}

TEST_F(VerifyReportTest, IsOnRecord) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  make_key("EC");
  ASSERT_EQ(crossfade({"verify", db_, "--report", report_, "--sign-key", key_}).code, 0);
  EXPECT_TRUE(openssl_accepts("EC"));
  const json trail = json::parse(crossfade({"audit", "show", db_, "--json"}).out, nullptr, false);
  json noted;
  for (const json& entry : trail["entries"]) {
    if (entry["what"] == "verification_report") noted = entry["details"];
  }
  const Finished digest = openssl({"dgst", "-sha256", "-r", report_});
  EXPECT_EQ(noted["sha256"], digest.out.substr(0, 64));
  EXPECT_EQ(noted["verdict"], "equal");
  ASSERT_EQ(
      openssl({"pkey", "-in", key_, "-pubout", "-outform", "DER", "-out", key_ + ".der"}).code, 0);
  const Finished fingerprint = openssl({"dgst", "-sha256", "-r", key_ + ".der"});
  EXPECT_EQ(noted["signed_by"], fingerprint.out.substr(0, 64));
  EXPECT_EQ(report()["signed_by"], noted["signed_by"]);
  EXPECT_THAT(read_bytes(report_), Not(HasSubstr("PRIVATE")));
}

TEST_F(VerifyReportTest, OfSidesThatDifferSaysSo) {
  make_all_forms();
  ASSERT_EQ(run_until_verified().code, 0);
  target_exec("UPDATE public.purchase SET cents = cents + 1 WHERE id = 8999");
  target_exec("DELETE FROM public.named WHERE name = 'Z'");
  target_exec("INSERT INTO public.counted SELECT g, 'more', NULL FROM generate_series(100,120) g");
  const Finished done = crossfade({"verify", db_, "--report", report_, "--json"});
  EXPECT_EQ(done.code, 4) << done.err;
  const json proof = report();
  EXPECT_EQ(proof["verdict"], "different");
  for (const char* name : {"purchase", "named"}) {
    const json table = table_of(proof, name);
    EXPECT_NE(table["sha256_source"], table["sha256_target"]) << name;
    EXPECT_TRUE(table["sha256_target"].is_string()) << name;
  }
  EXPECT_TRUE(table_of(proof, "counted")["sha256_target"].is_null());
  EXPECT_EQ(table_of(proof, "counted")["extra"], 21);
  const json same = table_of(proof, "pair");
  EXPECT_EQ(same["sha256_source"], same["sha256_target"]);
}

TEST_F(VerifyReportTest, IsTheSameByARunningEngineAndAfterTheCutover) {
  make_all_forms();
  follow();
  const Finished followed = crossfade({"verify", db_, "--digest", "sha256", "--json"});
  ASSERT_EQ(followed.code, 0) << followed.err;
  const json before = json::parse(followed.out, nullptr, false);
  EXPECT_EQ(before["at_rest"], true);
  ASSERT_EQ(crossfade({"cutover", db_}).code, 0);
  ASSERT_TRUE(await_phase("reversed"));
  const Finished reversed = crossfade({"verify", db_, "--report", report_, "--json"});
  ASSERT_EQ(reversed.code, 0) << reversed.err;
  const json after = json::parse(reversed.out, nullptr, false);
  EXPECT_EQ(after["at_rest"], true);
  for (const json& table : before["tables"]) {
    EXPECT_EQ(table_of(after, table["name"])["sha256_target"], table["sha256_source"]);
  }
  EXPECT_EQ(make_again().code, 0);
  // What PostgreSQL got since is in both.
  target_exec("UPDATE public.purchase SET cents = 5 WHERE id = 1");
  const Finished moved = crossfade({"verify", db_, "--report", report_, "--json"});
  ASSERT_EQ(moved.code, 0) << moved.err;
  EXPECT_NE(table_of(report(), "purchase")["sha256_source"],
            table_of(before, "purchase")["sha256_source"]);
  EXPECT_EQ(make_again().code, 0);
  EXPECT_EQ(stop_engine(), 0);
}

TEST_F(VerifyReportTest, HasNoStateOfTwoSidesThatAreWrittenTo) {
  make_shop();
  app("DROP TABLE journal");  // whose rows have no name of their own
  engine_ = std::make_unique<Process>(
      crossfade_command({"run", db_, "--target", url_, "--mode", "dual"}));
  ASSERT_TRUE(await_phase("dual")) << engine_->err();
  const Finished done = crossfade({"verify", db_, "--report", report_});
  EXPECT_EQ(done.code, 3) << done.out;
  EXPECT_THAT(done.err, HasSubstr("both sides are written to"));
  EXPECT_FALSE(std::filesystem::exists(report_));
  EXPECT_EQ(crossfade({"verify", db_}).code, 0);
  EXPECT_EQ(stop_engine(), 0);
}

TEST_F(VerifyReportTest, IsRefusedBeforeAnythingIsCompared) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const auto refused = [&](std::vector<std::string> more, const std::string& why) {
    std::vector<std::string> arguments = {"verify", db_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished done = crossfade(arguments);
    EXPECT_EQ(done.code, 2) << done.out;
    EXPECT_THAT(done.err, HasSubstr(why));
  };
  make_key("ed25519");
  refused({"--digest", "md5"}, "md5");
  refused({"--sign-key", key_}, "--report");
  refused({"--report", db_}, "the database itself");
  refused({"--report", db_ + ".crossfade/proof.json"}, "state of the move");
  refused({"--report", report_, "--sign-key", dir_.file("none.pem")}, "cannot be read");
  refused({"--report", report_, "--sign-key", key_ + ".pub"}, "no private key");
  const std::string locked = dir_.file("locked.pem");
  ASSERT_EQ(
      openssl({"pkey", "-in", key_, "-aes256", "-passout", "pass:secret", "-out", locked}).code, 0);
  refused({"--report", report_, "--sign-key", locked}, "passphrase");
  const std::string secrets_only = dir_.file("x25519.pem");
  ASSERT_EQ(openssl({"genpkey", "-algorithm", "x25519", "-out", secrets_only}).code, 0);
  refused({"--report", report_, "--sign-key", secrets_only}, "cannot sign");
  write_bytes(report_ + ".sig", "of another");
  refused({"--report", report_}, "signature of an earlier report");
  EXPECT_FALSE(std::filesystem::exists(report_));
}

}  // namespace
}  // namespace crossfade::testing
