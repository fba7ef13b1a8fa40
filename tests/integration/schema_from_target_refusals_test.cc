// Promise: what does not go together with tables that are there already is named, with its rows and
// the remedy, before anything is written.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/existing_schema_test.h"

namespace crossfade::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SchemaFromTargetRefusalsTest : public ExistingSchemaTest {};

TEST_F(SchemaFromTargetRefusalsTest, WhatDoesNotFitIsNamedRowByRow) {
  app(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, small INTEGER, short TEXT, single REAL, at TEXT,
      j TEXT, e TEXT, must TEXT, fine TEXT);
    INSERT INTO t VALUES(1,1,'abc',0.5,'2024-01-01 00:00:00','{"a": 1}','x','y','1'),
      (2,40000,'abcdef',0.1,'2024-01-01 00:00:00','{"bb": 1, "a": 2, "bb": 3}','z',NULL,'2'),
      (3,2,'ab',1.5,'yesterday','{}','x','y','3');)");
  target_exec(
      "CREATE TYPE letters AS ENUM ('x'); CREATE TABLE t(id int PRIMARY KEY, small smallint, "
      "short varchar(5), single real, at timestamptz, j jsonb, e letters, must text NOT NULL, "
      "fine text)");
  const std::string found = blockers();
  for (const char* each :
       {"target_misfit t.small", "[\"id=2: 40000\"]", "target_misfit t.short",
        "[\"id=2: 'abcdef'\"]", "target_misfit t.single", "id=2: 0.1", "target_misfit t.at",
        "[\"id=3: 'yesterday'\"]", "target_misfit t.j", "target_misfit t.e", "[\"id=2: 'z'\"]",
        "target_misfit t.must", "[\"id=2: NULL\"]"}) {
    EXPECT_THAT(found, HasSubstr(each));
  }
  EXPECT_EQ(found.find("t.fine"), std::string::npos) << found;
  EXPECT_EQ(run_adopting().code, 3);
  EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade')"), "") << "nothing was written";
  EXPECT_EQ(traces_in_source(), "");
  const Finished aside = run_adopting({"--quarantine"});
  EXPECT_EQ(aside.code, 3) << aside.out << aside.err;
  EXPECT_EQ(target_value("SELECT string_agg(id::text, ',') FROM t"), "1");
  EXPECT_EQ(target_value("SELECT count(*) FROM crossfade.quarantine"), "2");
}

TEST_F(SchemaFromTargetRefusalsTest, WhatStandsInTheWayIsNamedWithItsRemedy) {
  app(R"(
    CREATE TABLE missing(id INTEGER PRIMARY KEY);
    CREATE TABLE narrow(id INTEGER PRIMARY KEY, gone TEXT);
    CREATE TABLE needs(id INTEGER PRIMARY KEY);
    CREATE TABLE odd(id INTEGER PRIMARY KEY, a TEXT, b TEXT);
    CREATE TABLE full(id INTEGER PRIMARY KEY);
    CREATE TABLE keyless(a INTEGER);
    CREATE TABLE pair(a INTEGER, b INTEGER, PRIMARY KEY(a, b));
    CREATE TABLE seen(id INTEGER PRIMARY KEY);)");
  target_exec(R"(
    CREATE TABLE narrow(id bigint PRIMARY KEY, extra text);
    CREATE TABLE needs(id bigint PRIMARY KEY, must text NOT NULL);
    CREATE TABLE odd(id bigint PRIMARY KEY, a inet, b text GENERATED ALWAYS AS ('x') STORED);
    CREATE TABLE "full"(id bigint PRIMARY KEY);
    INSERT INTO "full" VALUES(1);
    CREATE TABLE keyless(a bigint);
    CREATE TABLE pair(a bigint PRIMARY KEY, b bigint);
    CREATE VIEW seen AS SELECT 1::bigint AS id;
    CREATE TABLE another(id bigint);)");
  const std::string found = blockers();
  for (const char* each :
       {"table_not_on_target missing.", "column_not_on_target narrow.gone",
        "target_column_required needs.", "target_type_unsupported odd.a", "TYPE text",
        "target_column_generated odd.b", "target_not_empty full.", "TRUNCATE \"public\".\"full\"",
        "column_not_on_target keyless._crossfade_rowid", "target_key_differs pair.",
        "CREATE UNIQUE INDEX ON \"public\".\"pair\"", "target_not_a_table seen."}) {
    EXPECT_THAT(found, HasSubstr(each));
  }
  EXPECT_EQ(run_adopting().code, 3);
  EXPECT_EQ(traces_in_source(), "");
}

TEST_F(SchemaFromTargetRefusalsTest, TriggersAndOtherPeoplesTablesAreNamed) {
  app("CREATE TABLE t(id INTEGER PRIMARY KEY); CREATE TABLE other(id INTEGER PRIMARY KEY);"
      "CREATE TABLE hidden(id INTEGER PRIMARY KEY)");
  target_exec(R"(
    CREATE TABLE t(id bigint PRIMARY KEY);
    CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER quiet AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION nothing();
    CREATE RULE soft AS ON DELETE TO t DO INSTEAD NOTHING;
    CREATE TABLE audit(id bigint, CONSTRAINT audit_fk FOREIGN KEY (id) REFERENCES t);
    CREATE TABLE parts(id bigint, CONSTRAINT parts_fk FOREIGN KEY (id) REFERENCES t)
      PARTITION BY RANGE (id);
    CREATE TABLE other(id bigint PRIMARY KEY);
    CREATE TABLE hidden(id bigint PRIMARY KEY);
    ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
    ALTER TABLE hidden FORCE ROW LEVEL SECURITY;)");
  const std::string role = fmt::format("loader_{}", getpid());
  target_exec(
      fmt::format("CREATE ROLE {0} LOGIN; GRANT ALL ON DATABASE \"{1}\" TO {0}; GRANT ALL ON "
                  "SCHEMA public TO {0}; ALTER TABLE t OWNER TO {0}; ALTER TABLE hidden "
                  "OWNER TO {0}",
                  role, target_value("SELECT current_database()")));
  const std::string admin = url_;
  const size_t user = url_.find("://") + 3;
  url_.replace(user, url_.find('@', user) - user, role);
  const std::string found = blockers();
  EXPECT_THAT(found, HasSubstr("target_triggers t."));
  EXPECT_THAT(found, HasSubstr("the rule soft"));
  EXPECT_THAT(found, HasSubstr("target_referrers t."));
  EXPECT_THAT(found, HasSubstr("audit_fk of public.audit (of another role)"));
  EXPECT_THAT(found, HasSubstr("parts_fk of public.parts (partitioned)"));
  EXPECT_THAT(found, HasSubstr("target_not_owned other."));
  EXPECT_THAT(found, HasSubstr("target_row_security hidden."));
  url_ = admin;
  target_exec("ALTER TABLE t ENABLE ALWAYS TRIGGER quiet");
  EXPECT_THAT(blockers(), HasSubstr("target_triggers t.")) << "nobody keeps this one quiet";
  target_exec(
      fmt::format("REASSIGN OWNED BY {0} TO CURRENT_USER; DROP OWNED BY {0}; DROP ROLE {0}", role));
}

// PostgreSQL drops no primary key that a view groups by, and a run would find that in the middle.
TEST_F(SchemaFromTargetRefusalsTest, AViewThatHangsOnWhatMustBePutAsideIsNamed) {
  app("CREATE TABLE t(code TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID; INSERT INTO t VALUES('a','x')");
  target_exec(
      "CREATE TABLE t(id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, code text COLLATE "
      "\"C\" NOT NULL UNIQUE, v text); CREATE VIEW per_id AS SELECT id, code, v FROM t GROUP BY id;"
      "CREATE VIEW per_code AS SELECT code, count(*) FROM t GROUP BY code");
  const std::string found = blockers();
  EXPECT_THAT(found, HasSubstr("target_dependents t.: view public.per_id hangs on t_pkey"));
  EXPECT_THAT(found, Not(HasSubstr("per_code")));
  EXPECT_EQ(run_adopting().code, 3);
  EXPECT_EQ(traces_in_source(), "") << "nothing was written";
  target_exec("DROP VIEW per_id");
  const Finished done = run_adopting();
  EXPECT_EQ(done.code, 0) << done.out << done.err;
}

TEST_F(SchemaFromTargetRefusalsTest, ConstraintsThatTheTargetsOwnDefaultsBreakAreTold) {
  app(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);
    INSERT INTO t VALUES(1,'a'),(2,'b');
    CREATE TABLE owner(id INTEGER PRIMARY KEY);
    INSERT INTO owner VALUES(7);
    CREATE TABLE single(id INTEGER PRIMARY KEY);
    INSERT INTO single VALUES(1);)");
  target_exec(R"(
    CREATE TABLE own(id int PRIMARY KEY, n serial);
    INSERT INTO own VALUES(4);
    CREATE TABLE owner(id bigint PRIMARY KEY);
    CREATE TABLE single(id bigint PRIMARY KEY, site varchar(9) DEFAULT 'one' UNIQUE);
    CREATE TABLE t(id bigint PRIMARY KEY, v text,
      site varchar(9) DEFAULT 'one' CONSTRAINT same_site UNIQUE,
      at timestamptz DEFAULT now() CONSTRAINT same_time UNIQUE,
      made uuid DEFAULT gen_random_uuid() CONSTRAINT other_uuid UNIQUE,
      counted serial CONSTRAINT other_number UNIQUE,
      nothing text DEFAULT NULL CONSTRAINT other_nulls UNIQUE,
      own_3 int DEFAULT 3 CONSTRAINT no_parent REFERENCES own,
      own_4 int DEFAULT 4 CONSTRAINT with_parent REFERENCES own,
      owner_6 int DEFAULT 6 CONSTRAINT no_source_parent REFERENCES owner,
      owner_7 int DEFAULT 7 CONSTRAINT with_source_parent REFERENCES owner);)");
  const Finished done = crossfade(adopting({"inspect", db_, "--target", url_, "--json"}));
  EXPECT_EQ(done.code, 0) << done.err;
  const auto document = nlohmann::json::parse(done.out);
  std::string told;
  for (const auto& finding : document.at("findings")) {
    if (finding.at("code") != "target_constraint_refused") continue;
    told += finding.at("message").get<std::string>() + "\n";
  }
  for (const char* each : {"same_site", "'one'", "same_time", "no_parent", "no_source_parent"}) {
    EXPECT_THAT(told, HasSubstr(each));
  }
  for (const char* each : {"other_", "with_", "single"}) EXPECT_THAT(told, Not(HasSubstr(each)));
  EXPECT_EQ(target_value("SELECT is_called FROM t_counted_seq"), "f") << "nothing was counted";
  // A run finds the same.
  const Finished run = run_adopting();
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(
      target_value("SELECT string_agg(name, ',' ORDER BY name) FROM crossfade.put_aside WHERE "
                   "kind='u'"),
      "same_site,same_time");
  const Finished refused = crossfade(adopting({"cutover", db_, "--no-rollback"}));
  EXPECT_EQ(refused.code, 8) << refused.out;
  EXPECT_THAT(refused.err, HasSubstr("no_parent"));
  EXPECT_THAT(refused.err, HasSubstr("no_source_parent"));
  EXPECT_THAT(refused.err, Not(HasSubstr("with_")));
}

TEST_F(SchemaFromTargetRefusalsTest, WhatOneSideAloneHasIsTold) {
  app(R"(
    CREATE TABLE p(id INTEGER PRIMARY KEY);
    CREATE TABLE t(id INTEGER PRIMARY KEY, p INTEGER REFERENCES p(id), at DATETIME, n INTEGER,
      x TEXT, CHECK (n > 0));
    CREATE INDEX t_n ON t(n);
    INSERT INTO t VALUES(1,NULL,'2024-01-01 00:00:00',1,'1');)");
  target_exec(
      "CREATE TABLE p(id bigint PRIMARY KEY); CREATE TABLE own(id int); CREATE TABLE t(id bigint "
      "PRIMARY KEY, p bigint, at timestamptz, n bigint, x text)");
  const Finished done = crossfade(adopting({"inspect", db_, "--target", url_, "--json"}));
  EXPECT_EQ(done.code, 0) << done.err;
  for (const char* each :
       {"index_only_in_source", "foreign_key_only_in_source", "check_only_in_source",
        "table_only_on_target", "zone_assumed", "CREATE INDEX"}) {
    EXPECT_THAT(done.out, HasSubstr(each));
  }
  const std::string rules = dir_.file("rules.toml");
  write_bytes(rules, "[tables.\"t\".columns.\"x\"]\non_nul = \"bytea\"\n");
  const Finished ruled =
      crossfade(adopting({"inspect", db_, "--target", url_, "--json", "--rules", rules}));
  EXPECT_THAT(ruled.out, HasSubstr("target_type_not_as_ruled")) << ruled.err;
}

TEST_F(SchemaFromTargetRefusalsTest, WithoutTheFlagTheRemedyNamesIt) {
  make_django();
  const Finished plain = run_until_verified();
  EXPECT_EQ(plain.code, 6);
  EXPECT_THAT(plain.err + plain.out, HasSubstr("--schema-from-target"));
  ASSERT_EQ(run_adopting().code, 0);
  const Finished forgotten = run_until_verified();
  EXPECT_EQ(forgotten.code, 6);
  EXPECT_THAT(forgotten.err + forgotten.out, HasSubstr("use --schema-from-target"));
}

}  // namespace
}  // namespace crossfade::testing
