#!/usr/bin/python3
"""Hammers any PostgreSQL database through psql with what its applications could do, and logs what
was acknowledged.

  psql_hammer.py --psql PATH --url URL --sqlite FILE --writer K --seed S --seconds T --ack FILE
                 [--rows-per-second N] [--large N] [--calm]

Each committed transaction carries one row of crossfade_ack; after psql said COMMIT, the same is
written to the ack file as a JSON line. Whatever happens, each line's (writer, seq) must be in the
database exactly once afterwards. A transaction that is refused because the tables moved back
(SQLSTATE 25006) is repeated on the SQLite file, as its application would, and is logged when that
acknowledged it; {"moved": true} follows, and the exit code is 0. Ends by itself, and on SIGTERM.

Statements are made from the catalog and from the rows that are there, and may fail: their
transaction is not acknowledged then, or goes on where psql took it back (ON_ERROR_ROLLBACK).
A writer changes --rows-per-second rows on the average, whatever the machine: after each transaction it rests for
as long as the rows that it changed are worth. Its large transactions have --large rows.
With --calm no row goes that others refer to, nor its key, for a SQLite that takes writes too; and what its CHECKs
may refuse is not made up: values of such tables are those that are there.
Prints what it did as JSON: statements that were acknowledged, by kind. Standard library only.
"""
import argparse
import collections
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time

from psql_values import Column, copy_field, literal, quote, uncopy

OWN = "crossfade_"  # tables of the tests' own
ACK = "crossfade_ack"
REFUSED = "25006"
REST_SECONDS = 2  # at most, so that it notices the end
KEPT_ROWS = 1000
LONG_ROWS = 20
SAMPLE_ROWS = 40
RETRY_SECONDS = 60
REMOVES = ("update_key", "delete", "merge", "savepoint", "cte")

CATALOG = r"""
SELECT json_agg(t) FROM (SELECT c.oid::bigint, c.relname AS name,
 (SELECT json_agg(json_build_object('num', attnum, 'name', attname, 'kind', format_type(atttypid, atttypmod),
   'notnull', attnotnull, 'identity', attidentity <> '') ORDER BY attnum) FROM pg_attribute a
   WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
   AND attname NOT LIKE '\_crossfade\_%') AS columns,
 (SELECT json_agg(json_build_object('key', indisprimary, 'plain', indpred IS NULL AND indexprs IS NULL,
   'columns', string_to_array(indkey::text, ' ')::int[]) ORDER BY indexrelid) FROM pg_index i
   WHERE i.indrelid = c.oid AND indisunique) AS uniques,
 (SELECT json_agg(json_build_object('from', conkey, 'table', confrelid::bigint, 'to', confkey)) FROM pg_constraint k
   WHERE k.conrelid = c.oid AND contype = 'f') AS parents,
 EXISTS (SELECT FROM pg_constraint k WHERE k.confrelid = c.oid AND contype = 'f') AS referenced
 FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname) t;
"""


class Refused(Exception):
    pass


class Psql:
    def __init__(self, path, url):
        self.process = subprocess.Popen(
            [path, "-XAt", "-d", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8")
        self.asked = 0

    def ask(self, script):
        """What it printed; whether the last statement failed, with what, and how many rows it had."""
        self.asked += 1
        end = "#%d" % self.asked
        self.process.stdin.write(
            "%s\n\\echo %s :ERROR :LAST_ERROR_SQLSTATE :ROW_COUNT\n" % (script, end))
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            if line == "":
                raise RuntimeError("psql ended: " + " ".join(lines[-3:]))
            if line.startswith(end + " "):
                _, failed, state, rows = line.split()
                return lines, state if failed == "true" else "", int(rows)
            lines.append(line.rstrip("\n"))


class Table:
    def __init__(self, row):
        self.oid, self.name, self.referenced = row["oid"], "public." + quote(row["name"]), row["referenced"]
        self.columns = [Column(c["name"], c["kind"], c["notnull"]) for c in row["columns"] or []]
        self.by_number = {c["num"]: column for c, column in zip(row["columns"] or [], self.columns)}
        self.identity = next((self.by_number[c["num"]] for c in row["columns"] or [] if c["identity"]), None)
        self.uniques, self.key = [], []
        self.parents = row["parents"] or []
        for each in row["uniques"] or []:
            columns = [self.by_number.get(n) for n in each["columns"]]
            if None in columns:
                continue
            if each["plain"]:
                self.uniques.append(columns)
            if each["key"]:
                self.key = columns
            # One that is nobody's child is made new; else the first of them is as it is.
            new = next((c for c in columns if c.parent is None and not self.is_child(c)), None)
            if new:
                new.unique = True

    def is_child(self, column):
        return any(self.by_number.get(n) is column for p in self.parents for n in p["from"])

    def link(self, tables):
        for each in self.parents:
            if len(each["from"]) == 1 and each["table"] in tables:
                column = self.by_number[each["from"][0]]
                column.parent = tables[each["table"]].by_number.get(each["to"][0])

    def plain(self):
        """Columns that may be set to anything of their kind."""
        return [c for c in self.columns if not any(c in u for u in self.uniques) and c is not self.identity]

    def some(self, rng, rows=1):
        """SQL that is true for `rows` rows anywhere."""
        return "ctid = ANY(ARRAY(SELECT ctid FROM %s OFFSET floor(random() * %d) LIMIT %d))" % (
            self.name, rng.choice((5, 50, 500)), rows)


class Writer:
    def __init__(self, args):
        self.args = args
        self.rng = random.Random("%d/%d" % (args.seed, args.writer))
        self.psql = Psql(args.psql, args.url)
        self.ack = open(args.ack, "a", encoding="utf-8")
        self.seq = 0
        self.stop = self.broken = False
        self.prepared = 0
        self.kinds, self.pending = collections.Counter(), collections.Counter()
        self.counts = {"commits": 0, "failed": 0, "refused": 0, "statements": 0, "statements_failed": 0}
        self.goes_on = args.writer % 2 == 1  # psql takes a statement that failed back, and goes on
        self.rows_changed = self.rows_before = 0
        self.psql.ask("\\set VERBOSITY verbose\n\\set ON_ERROR_ROLLBACK %s\n"
                      "SET deadlock_timeout = '50ms'; SELECT setseed(%f);" % (
            "on" if self.goes_on else "off", self.rng.random()))
        rows = json.loads("".join(self.psql.ask(CATALOG)[0]))
        tables = {row["oid"]: Table(row) for row in rows if not row["name"].startswith(OWN)}
        self.tables = [t for t in tables.values() if t.columns]
        for table in self.tables:
            table.link(tables)
        if args.calm:
            self.keep_to_checks()
        self.sample()

    def keep_to_checks(self):
        db = sqlite3.connect(self.args.sqlite, timeout=10)
        checked = {"public." + quote(row[0]) for row in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%CHECK%'")}
        db.close()
        for column in [c for t in self.tables if t.name in checked for c in t.columns]:
            column.as_is = True

    def sample(self):
        for table in self.tables:
            lines, state, _ = self.psql.ask("COPY (SELECT %s FROM %s LIMIT %d) TO STDOUT;" % (
                ", ".join(quote(c.name) for c in table.columns), table.name, SAMPLE_ROWS))
            if state == "" and lines:
                for column, values in zip(table.columns, zip(*(line.split("\t") for line in lines[:SAMPLE_ROWS]))):
                    column.pool = [uncopy(v) for v in values if len(v) < 4000] or column.pool
        for table in self.tables:
            for column in table.columns:
                if column.parent is not None:
                    column.pool = [v for v in column.parent.pool if v is not None] + [None] * (not column.notnull)
        self.sampled = time.monotonic()

    # --- rows ---

    def row(self, table, with_identity=False):
        """A row that nothing is in the way of: as (column, value)."""
        out = []
        for column in table.columns:
            if column is table.identity and not with_identity and self.rng.random() < 0.8:
                continue
            out.append((column, column.fresh(self.rng) if column.unique else column.pick(self.rng)))
        return out

    def rows(self, table, count):
        rows = [self.row(table, with_identity=True) for _ in range(count)]
        return ", ".join("(%s)" % ", ".join(literal(v) for _, v in row) for row in rows)

    def names(self, columns):
        return ", ".join(quote(c.name) for c in columns)

    def settings(self, table, count=3):
        columns = table.plain() or table.columns
        chosen = self.rng.sample(columns, min(len(columns), self.rng.randint(1, count)))
        return ", ".join("%s = %s" % (quote(c.name), literal(c.pick(self.rng))) for c in chosen)

    # --- statements: each gives its SQL, or nothing where the table has no place for it ---

    def insert(self, table):
        row = self.row(table)
        if not row:
            return "INSERT INTO %s DEFAULT VALUES;" % table.name
        return "INSERT INTO %s (%s) VALUES (%s);" % (
            table.name, self.names(c for c, _ in row), ", ".join(literal(v) for _, v in row))

    def insert_rows(self, table):
        return "INSERT INTO %s (%s) VALUES %s;" % (
            table.name, self.names(table.columns), self.rows(table, self.rng.randint(2, 8)))

    def update(self, table):
        return "UPDATE %s SET %s WHERE %s;" % (
            table.name, self.settings(table), table.some(self.rng, self.rng.choice((1, 1, 3, 20))))

    def update_every_column(self, table):
        return "UPDATE %s SET %s WHERE %s;" % (
            table.name, ", ".join("%s = %s" % (quote(c.name), literal(c.pick(self.rng)))
                                  for c in table.plain()), table.some(self.rng)) if table.plain() else None

    def update_key(self, table):
        column = next((c for c in table.key if c.unique), None)
        if column is None:
            return None
        return "UPDATE %s SET %s = %s WHERE %s;" % (
            table.name, quote(column.name), literal(column.fresh(self.rng)), table.some(self.rng))

    def delete(self, table):
        return "DELETE FROM %s WHERE %s;" % (table.name, table.some(self.rng, self.rng.choice((1, 1, 3))))

    def upsert(self, table):
        if not table.uniques:
            return None
        unique = self.rng.choice(table.uniques)
        row = self.row(table, with_identity=True)
        # A key that is there, most of the time.
        held = dict(row)
        if self.rng.random() < 0.7 and all(c.pool for c in unique):
            at = self.rng.randrange(min(len(c.pool) for c in unique))
            held.update({c: c.pool[at] for c in unique if c.parent is None})
        rest = [c for c in table.plain() if c not in unique]
        sql = "INSERT INTO %s (%s) VALUES (%s) ON CONFLICT (%s) DO " % (
            table.name, self.names(held), ", ".join(literal(v) for v in held.values()), self.names(unique))
        if not rest or self.rng.random() < 0.2:
            return sql + "NOTHING;"
        return sql + "UPDATE SET %s;" % ", ".join("%s = excluded.%s" % (quote(c.name), quote(c.name)) for c in rest)

    def merge(self, table):
        if not table.key or not table.plain():
            return None
        columns = self.names(table.columns)
        fresh = ", ".join(literal(c.fresh(self.rng) if c.unique else c.pick(self.rng)) + "::" + c.kind
                          for c in table.columns)
        return ("MERGE INTO %s t USING ((SELECT %s FROM %s OFFSET floor(random() * 50) LIMIT 2) UNION ALL SELECT %s) s"
                " ON %s WHEN MATCHED AND random() < 0.2 THEN DELETE WHEN MATCHED THEN UPDATE SET %s"
                " WHEN NOT MATCHED THEN INSERT (%s) VALUES (%s);") % (
                    table.name, columns, table.name, fresh,
                    " AND ".join("t.%s = s.%s" % (quote(c.name), quote(c.name)) for c in table.key),
                    self.settings(table), columns, ", ".join("s." + quote(c.name) for c in table.columns))

    def copy(self, table):
        rows = [self.row(table, with_identity=True) for _ in range(self.rng.randint(1, 30))]
        # COPY FROM STDIN. From a file, since psql would take lines in its input for SQL once it failed.
        with open(self.args.ack + ".copy", "w", encoding="utf-8") as file:
            for row in rows:
                file.write("\t".join(copy_field(v) for _, v in row) + "\n")
        return "\\copy %s (%s) FROM '%s'" % (table.name, self.names(table.columns), self.args.ack + ".copy")

    def savepoint(self, table):
        return "SAVEPOINT s;\n%s\n%s\nROLLBACK TO s;\n%s" % (
            self.delete(table), self.insert(table), self.update(table))

    def cte(self, table):
        kept = [c for c in table.columns if not c.unique]
        made = [c for c in table.columns if c.unique]
        return "WITH gone AS (DELETE FROM %s WHERE %s RETURNING *) INSERT INTO %s (%s) SELECT %s FROM gone;" % (
            table.name, table.some(self.rng), table.name, self.names(made + kept),
            ", ".join([literal(c.fresh(self.rng)) + "::" + c.kind for c in made] + [quote(c.name) for c in kept]))

    def truncate(self, table):
        """Some of the rows are put in again, so that others have some to write to."""
        if table.referenced:
            return None
        names = self.names(table.columns)
        return ("CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT %s FROM %s WHERE random() < 0.95 LIMIT %d;\n"
                "TRUNCATE %s;\nINSERT INTO %s (%s) SELECT %s FROM kept;\nDROP TABLE kept;") % (
                    names, table.name, KEPT_ROWS, table.name, table.name, names, names)

    def prepare(self, table):
        columns = table.plain()
        if not columns:
            return None
        self.prepared += 1
        column = self.rng.choice(columns)
        sql = "PREPARE p%d(%s) AS UPDATE %s SET %s = $1 WHERE ctid = (SELECT ctid FROM %s OFFSET $2 LIMIT 1);" % (
            self.prepared, column.kind + ", int", table.name, quote(column.name), table.name)
        return sql + "".join("\nEXECUTE p%d(%s, %d);" % (
            self.prepared, literal(column.pick(self.rng)), self.rng.randint(0, 50)) for _ in range(3))

    def long_value(self, table):
        """A value that is kept out of line, so that an update of another column leaves it unsent."""
        texts = [c for c in table.plain() if c.kind in ("text", "bytea") and c.parent is None]
        others = [c for c in table.plain() if c not in texts[:1]]
        if not texts or not others:
            return None
        long = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 400))"
        column = quote(texts[0].name)
        return ("UPDATE %s SET %s = %s WHERE %s;\nUPDATE %s SET %s = %s WHERE ctid = ANY(ARRAY("
                "SELECT ctid FROM %s WHERE pg_column_size(%s) > 2000 LIMIT %d));") % (
            table.name, column, long if texts[0].kind == "text" else "convert_to(%s, 'UTF8')" % long,
            table.some(self.rng), table.name, quote(others[0].name), literal(others[0].pick(self.rng)), table.name,
            column, LONG_ROWS)

    def large(self, table):
        if table.referenced or len(table.columns) > 20:
            return None
        base = self.rng.randint(3_000_000, 900_000_000)
        values = [c.numbered(c.pool[0] if c.pool else c.invent(self.rng), base) if c.unique
                  else literal(c.pool[0] if c.pool else c.invent(self.rng)) + "::" + c.kind for c in table.columns]
        return "INSERT INTO %s (%s) SELECT %s FROM generate_series(1, %d) n;" % (
            table.name, self.names(table.columns), ", ".join(values), self.args.large)

    # --- transactions ---

    def run(self, kind, table):
        sql = getattr(self, kind)(table)
        if sql is None or self.broken:
            return False
        self.counts["statements"] += 1
        lines, state, _ = self.psql.ask(sql)
        if state == REFUSED or any(REFUSED in line for line in lines if line.startswith("ERROR")):
            raise Refused()
        if state or any(line.startswith("ERROR") for line in lines):
            self.counts["statements_failed"] += 1
            self.broken = not self.goes_on
            if self.args.verbose:
                print(kind, sql[:300], lines, file=sys.stderr)
            return False
        self.pending[kind] += 1
        return True

    def statement(self):
        kinds = ("insert", "insert_rows", "update", "update_every_column", "update_key", "delete", "upsert", "merge",
                 "copy", "savepoint", "cte", "truncate", "prepare", "long_value")
        kind = self.rng.choices(kinds, (12, 8, 20, 8, 8, 7, 10, 8, 8, 8, 8, 2, 8, 5))[0]
        table = self.rng.choice(self.tables)
        if self.args.calm and table.referenced and kind in REMOVES:
            kind = "update"
        self.run(kind, table)

    def large_transaction(self):
        for table in self.rng.sample(self.tables, len(self.tables)):
            self.psql.ask("SAVEPOINT large;")
            if self.run("large", table):
                return
            self.psql.ask("ROLLBACK TO large;")
            self.broken = False

    def acknowledge(self, payload, **more):
        self.counts["commits"] += 1
        json.dump({"writer": self.args.writer, "seq": self.seq, "payload": payload, **more}, self.ack)
        self.ack.write("\n")
        self.ack.flush()

    def mark(self, payload):
        lines, state, _ = self.psql.ask("INSERT INTO public.%s (writer, seq, payload) VALUES (%d, %d, %s);" % (
            ACK, self.args.writer, self.seq, literal(payload)))
        if state == REFUSED:
            raise Refused()
        return state == ""

    def transaction(self, payload):
        self.pending, self.broken = collections.Counter(), False
        if self.rng.random() < 0.1:  # one statement, no BEGIN
            return self.mark(payload)
        large = self.args.writer % 3 == 0 and self.seq % 2000 == 5
        level = self.rng.choices(("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"), (8, 1, 2))[0]
        self.psql.ask("BEGIN ISOLATION LEVEL %s;" % level)
        first = self.rng.random() < 0.5
        marked = first and self.mark(payload)
        if large:
            self.large_transaction()
        else:
            for _ in range(self.rng.choices((1, 2, 4, 12), (50, 25, 20, 5))[0]):
                self.statement()
        if not first:
            marked = self.mark(payload)
        if self.rng.random() < 0.1:
            self.psql.ask("ROLLBACK;")
            return None
        self.count_rows()
        lines, state, _ = self.psql.ask("COMMIT;")
        if state == REFUSED:
            raise Refused()
        self.pending[level.lower().replace(" ", "_")] += 1
        return marked and lines[-1:] == ["COMMIT"]

    def count_rows(self):
        """Before COMMIT. The server counts up, and begins anew once it has reported, about every second."""
        lines, state, _ = self.psql.ask("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables"
                                        " WHERE schemaname = 'public';")
        if state == "" and lines[-1:] and lines[-1].isdigit():
            total = int(lines[-1])
            self.rows_changed = total - self.rows_before if total >= self.rows_before else total
            self.rows_before = total

    def rest(self):
        worth = self.rows_changed / self.args.rows_per_second
        self.rows_changed = 1
        time.sleep(min(REST_SECONDS, max(self.args.pause_ms / 1000, worth)))

    def step(self):
        if time.monotonic() - self.sampled > 5:
            self.sample()
        self.seq += 1
        payload = "p%d-%d-%06x é" % (self.args.writer, self.seq, self.rng.getrandbits(24))
        try:
            done = self.transaction(payload)
        except Refused:
            self.psql.ask("ROLLBACK;")
            self.counts["refused"] += 1
            self.repeat_on_sqlite(payload)
            self.ack.write('{"moved": true}\n')
            return True
        if done:
            self.kinds += self.pending
            self.acknowledge(payload)
        elif done is False:
            self.counts["failed"] += 1
        return False

    def repeat_on_sqlite(self, payload):
        """Until its fence is down; what it carries is the marker alone."""
        end = time.monotonic() + RETRY_SECONDS
        while True:
            db = sqlite3.connect(self.args.sqlite, timeout=10, isolation_level=None)
            try:
                db.execute("INSERT INTO %s (writer, seq, payload) VALUES (?, ?, ?)" % ACK,
                           (self.args.writer, self.seq, payload))
                return self.acknowledge(payload, repeated=True)
            except sqlite3.Error:
                if time.monotonic() > end:
                    raise
            finally:
                db.close()
            time.sleep(0.005)

    def work(self):
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stop", True))
        end = time.monotonic() + self.args.seconds
        moved = False
        while not self.stop and time.monotonic() < end and not moved:
            moved = self.step()
            self.rest()
        self.ack.close()
        self.psql.process.stdin.close()
        self.psql.process.wait(10)
        print(json.dumps({"writer": self.args.writer, "moved": moved, **self.counts, "kinds": self.kinds}))
        return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("psql", "url", "sqlite", "ack"):
        parser.add_argument("--" + name, required=True)
    for name in ("writer", "seed"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--pause-ms", type=float, default=2.0)
    parser.add_argument("--rows-per-second", type=float, default=500.0)
    parser.add_argument("--large", type=int, default=20000)
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    return Writer(parser.parse_args()).work()


if __name__ == "__main__":
    sys.exit(main())
