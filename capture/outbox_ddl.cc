#include "capture/outbox_ddl.h"

#include <fmt/format.h>

#include "engine/core/limits.h"

namespace crossfade::capture {
namespace {

// `seq` says the order of statements' ends, `began` that of their beginnings: a statement of a
// trigger ends before the one whose trigger it is. `xid` is the transaction's, whatever the
// savepoint. `snapshot` is kept of crossfade's own rows. The index finds what is new without a look
// at what was read and waits for VACUUM.
constexpr const char* kTables = R"(
CREATE SEQUENCE crossfade.outbox_seq;
CREATE TABLE crossfade.outbox(
  seq bigint NOT NULL DEFAULT nextval('crossfade.outbox_seq'),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  began bigint NOT NULL,
  shape bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  relation oid NOT NULL,
  op "char" NOT NULL,
  before text,
  after text,
  snapshot text)
  WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
CREATE INDEX outbox_xid ON crossfade.outbox(xid);
CREATE TABLE crossfade.outbox_shape(relation oid NOT NULL, id bigint NOT NULL, told text NOT NULL);
CREATE INDEX outbox_shape_id ON crossfade.outbox_shape(relation, id);
CREATE TABLE crossfade.outbox_position(
  one boolean PRIMARY KEY DEFAULT true CHECK(one), applied pg_lsn NOT NULL,
  max_bytes bigint NOT NULL DEFAULT {});
CREATE TABLE crossfade.outbox_lost(at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO crossfade.outbox_position(applied) VALUES(pg_current_wal_lsn());
REVOKE ALL ON crossfade.outbox, crossfade.outbox_shape, crossfade.outbox_position,
  crossfade.outbox_lost FROM PUBLIC;
REVOKE ALL ON SEQUENCE crossfade.outbox_seq FROM PUBLIC)";

// Values as a session of crossfade's has them, whatever the application's.
constexpr const char* kAsOwner =
    "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' "
    "SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET bytea_output = 'hex' "
    "SET extra_float_digits = 3 AS";

// The columns' names and types as they are now, noted where this transaction sees no such note. No
// key keeps two from noting the same: one would wait for the other, or fail. One statement finds
// that there is nothing to do; 4096 numbers of 52 bits make no more than one of 64.
constexpr const char* kNoteShape = R"(
  SELECT now.id, EXISTS(SELECT FROM crossfade.outbox_shape s
                        WHERE s.relation = TG_RELID AND s.id = now.id)
  INTO _shape, _known
  FROM (SELECT sum(hashtextextended(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod,
                   a.attgenerated, TG_TABLE_SCHEMA, TG_TABLE_NAME), 0) >> 12)::bigint AS id
        FROM pg_attribute a
        WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped) AS now;
  IF NOT _known THEN
    INSERT INTO crossfade.outbox_shape(relation, id, told)
    SELECT TG_RELID, _shape,
           json_build_array(TG_TABLE_SCHEMA, TG_TABLE_NAME, json_agg(json_build_array(
             a.attname, a.atttypid::bigint, a.atttypmod, a.attgenerated <> '')
             ORDER BY a.attnum))::text
    FROM pg_attribute a
    WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped;
  END IF;)";

// When the statement began, once: a cascade of a foreign key ends at another depth of triggers than
// it began at, and must not be taken for an earlier statement. Its own end is its beginning then.
constexpr const char* kReadBegan = R"(
  _at := concat('crossfade.began_', pg_trigger_depth(), '_', TG_RELID, '_', substr(TG_OP, 1, 1));
  _began := coalesce(nullif(current_setting(_at, true), ''),
                     nextval('crossfade.outbox_seq')::text)::bigint;
  PERFORM set_config(_at, '', true);)";

// Called by every statement, so it has no settings of its own: all names are qualified. INSERT ...
// ON CONFLICT and MERGE begin once for each kind of change, which is one beginning.
constexpr const char* kBeganBody = R"(
DECLARE
  _at text := pg_catalog.concat('crossfade.began_', pg_catalog.pg_trigger_depth(), '_', TG_RELID,
                                '_');
  _began text;
BEGIN
  IF TG_OP OPERATOR(pg_catalog.<>) 'INSERT' THEN
    _began := nullif(pg_catalog.current_setting(pg_catalog.concat(_at, 'I'), true), '');
  END IF;
  IF _began IS NULL THEN
    _began := pg_catalog.nextval('crossfade.outbox_seq'::pg_catalog.regclass);
  END IF;
  PERFORM pg_catalog.set_config(pg_catalog.concat(_at, pg_catalog.substr(TG_OP, 1, 1)), _began,
                                true);
  RETURN NULL;
END)";

// What the application commits is not kept from it for want of room here. One statement in 64 asks
// how much there is, since that costs as much as some rows; crossfade's own rows are few, and say
// what there is to know.
constexpr const char* kHasRoom = R"(
  IF TG_TABLE_SCHEMA <> 'crossfade' THEN
    IF EXISTS(SELECT FROM crossfade.outbox_lost) THEN RETURN NULL; END IF;
    IF hashint8(_began) & 63 = 0 AND EXISTS(
         SELECT FROM crossfade.outbox_position
         WHERE max_bytes > 0 AND pg_total_relation_size('crossfade.outbox') > max_bytes) THEN
      INSERT INTO crossfade.outbox_lost DEFAULT VALUES;
      RETURN NULL;
    END IF;
  END IF;)";

// Old and new rows of one statement are in the order in which it went over them.
constexpr const char* kStatementBody = R"(
#variable_conflict use_variable
DECLARE
  _known boolean; _shape bigint; _at text; _began bigint;
BEGIN{1}{2}{0}
  IF TG_OP = 'INSERT' THEN
    INSERT INTO crossfade.outbox(began, relation, shape, op, after)
    SELECT _began, TG_RELID, _shape, 'I', "crossfade row"::text
    FROM _crossfade_new AS "crossfade row";
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO crossfade.outbox(began, relation, shape, op, before, after)
    SELECT _began, TG_RELID, _shape, 'U', _o."crossfade image", _n."crossfade image"
    FROM (SELECT row_number() OVER () AS "crossfade place", "crossfade row"::text AS
                 "crossfade image" FROM _crossfade_old AS "crossfade row") AS _o
    FULL JOIN (SELECT row_number() OVER () AS "crossfade place", "crossfade row"::text AS
                 "crossfade image" FROM _crossfade_new AS "crossfade row") AS _n
      ON _n."crossfade place" = _o."crossfade place"
    ORDER BY _n."crossfade place";
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO crossfade.outbox(began, relation, shape, op, before)
    SELECT _began, TG_RELID, _shape, 'D', "crossfade row"::text
    FROM _crossfade_old AS "crossfade row";
  ELSE
    INSERT INTO crossfade.outbox(began, relation, shape, op) VALUES(_began, TG_RELID, _shape, 'T');
  END IF;
  RETURN NULL;
END)";

constexpr const char* kRowBody = R"(
#variable_conflict use_variable
DECLARE
  _known boolean; _shape bigint; _began bigint;
BEGIN{1}{2}{0}
  INSERT INTO crossfade.outbox(began, relation, shape, op, before, after, snapshot)
  VALUES(_began, TG_RELID, _shape, substr(TG_OP, 1, 1)::"char",
         CASE WHEN TG_OP <> 'INSERT' THEN OLD::text END,
         CASE WHEN TG_OP <> 'DELETE' THEN NEW::text END,
         CASE WHEN TG_TABLE_SCHEMA = 'crossfade' THEN pg_current_snapshot()::text END);
  RETURN NULL;
END)";

constexpr const char* kPass = "BEGIN RETURN NULL; END";

std::string function_ddl(const char* name, const std::string& head, const std::string& body) {
  return fmt::format(
      "CREATE OR REPLACE FUNCTION crossfade.{0}() RETURNS trigger {1} $crossfade${2}$crossfade$; "
      "REVOKE ALL ON FUNCTION crossfade.{0}() FROM PUBLIC; ",
      name, head, body);
}

// A row's statement may not have begun on this table.
constexpr const char* kOwnBegan = R"(
  _began := nextval('crossfade.outbox_seq');)";

std::string enable_always(const std::string& table, const char* suffix) {
  return fmt::format("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}_{}; ", table, kOutboxTrigger, suffix);
}

}  // namespace

std::string outbox_ddl() {
  return fmt::format(kTables, limits::kOutboxBytesMax) + "; " +
         function_ddl("outbox_began", "LANGUAGE plpgsql SECURITY DEFINER AS", kBeganBody) +
         function_ddl("outbox_statement", kAsOwner,
                      fmt::format(kStatementBody, kNoteShape, kReadBegan, kHasRoom)) +
         function_ddl("outbox_row", kAsOwner,
                      fmt::format(kRowBody, kNoteShape, kOwnBegan, kHasRoom));
}

std::string outbox_off_ddl() {
  std::string out;
  for (const char* name : {"outbox_began", "outbox_statement", "outbox_row"}) {
    out += function_ddl(name, "LANGUAGE plpgsql AS", kPass);
  }
  return out;
}

std::string drop_outbox_ddl() {
  return "DROP FUNCTION IF EXISTS crossfade.outbox_began(), crossfade.outbox_statement(), "
         "crossfade.outbox_row(); DROP TABLE IF EXISTS crossfade.outbox, crossfade.outbox_shape, "
         "crossfade.outbox_position, crossfade.outbox_lost; DROP SEQUENCE IF EXISTS "
         "crossfade.outbox_seq";
}

std::string outbox_triggers_ddl(const std::string& table, bool by_row) {
  std::string out = fmt::format(
      "CREATE TRIGGER {0}_truncate AFTER TRUNCATE ON {1} FOR EACH STATEMENT EXECUTE FUNCTION "
      "crossfade.outbox_statement(); {2}",
      kOutboxTrigger, table, enable_always(table, "truncate"));
  if (by_row) {
    return out + fmt::format(
                     "CREATE TRIGGER {0}_row AFTER INSERT OR UPDATE OR DELETE ON {1} FOR EACH ROW "
                     "EXECUTE FUNCTION crossfade.outbox_row(); {2}",
                     kOutboxTrigger, table, enable_always(table, "row"));
  }
  out += fmt::format(
      "CREATE TRIGGER {0}_began BEFORE INSERT OR UPDATE OR DELETE ON {1} FOR EACH STATEMENT "
      "EXECUTE FUNCTION crossfade.outbox_began(); {2}",
      kOutboxTrigger, table, enable_always(table, "began"));
  struct Kind {
    const char* op;
    const char* suffix;
    const char* rows;
  };
  for (const Kind& kind :
       {Kind{"INSERT", "insert", "NEW TABLE AS _crossfade_new"},
        Kind{"UPDATE", "update", "OLD TABLE AS _crossfade_old NEW TABLE AS _crossfade_new"},
        Kind{"DELETE", "delete", "OLD TABLE AS _crossfade_old"}}) {
    out += fmt::format(
        "CREATE TRIGGER {0}_{2} AFTER {1} ON {3} REFERENCING {4} FOR EACH STATEMENT EXECUTE "
        "FUNCTION crossfade.outbox_statement(); {5}",
        kOutboxTrigger, kind.op, kind.suffix, table, kind.rows, enable_always(table, kind.suffix));
  }
  return out;
}

std::string own_outbox_trigger_ddl(const std::string& table) {
  return fmt::format(
      "CREATE TRIGGER {0}_row AFTER INSERT OR UPDATE ON {1} FOR EACH ROW EXECUTE FUNCTION "
      "crossfade.outbox_row(); {2}",
      kOutboxTrigger, table, enable_always(table, "row"));
}

}  // namespace crossfade::capture
