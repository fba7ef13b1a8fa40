#!/usr/bin/python3
"""Hammers any SQLite database with the writes an application could make, and logs what was acknowledged.

  hammer.py prepare DB                       creates the table crossfade_ack
  hammer.py run DB --writer K --seed S --seconds T --ack FILE [--no-keys] [--calm] [--pause-ms N]

Each committed transaction carries one row of crossfade_ack; after COMMIT returned, the same is
written to FILE as a JSON line. Whatever happens to the database, each line's (writer, seq) must be
in it exactly once afterwards. Ends by itself, and cleanly on SIGTERM. When the database says that
it moved, a line {"moved": true} is written and the exit code is 0.

With --calm no row goes that others refer to, nor its key, no key is NULL, and values keep the form that is stored or
declared (dates, decimals, arrays): for databases whose other side takes writes too.

Values are drawn from what the columns hold, so they stay of the kinds that are stored already.
Only Python's standard library: it stands for a stranger's application.
"""
import argparse
import json
import math
import random
import re
import signal
import sqlite3
import sys
import time
import uuid

MOVED = "no such function: crossfade_moved_to_postgresql"
SAMPLE_ROWS = 100
REFRESH_SECONDS = 3.0
OWN = "crossfade_"  # tables of the tests' own
ACK = "crossfade_ack"
FORM = re.compile(r"\d{4}[-/]\d\d[-/]\d\d|[0-9a-fA-F-]{32,36}$|(true|false|yes|no|[tfyn])$", re.IGNORECASE)


def quote(name):
    return '"' + name.replace('"', '""') + '"'


class Moved(Exception):
    pass


class Column:
    def __init__(self, name, declared, notnull, pk, default):
        self.name, self.declared, self.notnull, self.pk = name, declared.upper(), notnull, pk
        self.default = default
        self.unique = False
        self.parent = None  # (table, column) of a single-column foreign key
        self.pool = []
        self.calm = False

    def is_flag(self):
        return all(v is None or v in (0, 1) for v in self.pool) and bool(self.pool)

    def invent(self, rng):
        """A first value for a column that holds none: what its declaration asks for."""
        d = self.declared
        if "BOOL" in d:
            return rng.randint(0, 1)
        if "INT" in d:
            return rng.randint(0, 1000)
        if any(w in d for w in ("DATE", "TIME")):
            day = "2024-%02d-%02d" % (rng.randint(1, 12), rng.randint(1, 28))
            if self.calm and d == "DATE":
                return day
            fraction = ".000000" if self.calm and "(6)" in d else ""
            return day + " %02d:%02d:00" % (rng.randint(0, 23), rng.randint(0, 59)) + fraction
        if "JSON" in d:
            return json.dumps({"n": rng.randint(0, 9)})
        if any(w in d for w in ("CHAR", "CLOB", "TEXT")):
            return "text %d" % rng.randint(0, 1000000)
        if "BLOB" in d or d == "":
            return rng.randbytes(rng.randint(0, 40))
        if any(w in d for w in ("REAL", "FLOA", "DOUB")):
            return rng.randint(0, 1000) + 0.25
        return rng.randint(0, 1000) + 0.25  # NUMERIC, DECIMAL

    def mutate(self, value, rng):
        if self.calm and (isinstance(value, (bytes, float)) or isinstance(value, str) and FORM.match(value)):
            return value
        if isinstance(value, str):
            if value[:1] in "{[" or self.parent:
                return value
            return value[:60] + rng.choice((" ~", " é~", " it's ~", ' "q" ~', " 漢😀~")) + str(
                rng.randint(0, 999))
        if isinstance(value, bytes):
            return value[:200] + rng.randbytes(3)
        if isinstance(value, float):
            changed = round(value * rng.uniform(0.5, 1.2), 3)
            if not math.isfinite(changed):
                return value
            return changed + 0.25 if changed == int(changed) else changed
        if isinstance(value, int) and not self.is_flag():
            return max(0, value + rng.randint(-3, 9)) if value >= 0 else value - rng.randint(0, 3)
        return value

    def pick(self, rng):
        if not self.pool:
            return None if not self.notnull and rng.random() < 0.3 else self.invent(rng)
        value = rng.choice(self.pool)
        if value is not None and self.parent is None and rng.random() < 0.4:
            value = self.mutate(value, rng)
        return value

    def fresh(self, rng):
        """A value nobody else has, of the same kind."""
        sample = next((v for v in self.pool if v is not None), None)
        if sample is None:
            sample = self.invent(rng)
        if isinstance(sample, str):
            if self.calm and re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", sample):
                return str(uuid.UUID(int=rng.getrandbits(128), version=4))
            return sample[:24] + "-%08x" % rng.getrandbits(32)
        if isinstance(sample, bytes):
            return sample[:24] + rng.randbytes(8)
        if isinstance(sample, float):
            return rng.getrandbits(30) + 0.5
        return rng.randint(10_000, 2_000_000_000)


class Table:
    def __init__(self, db, name):
        self.name = name
        rows = db.execute("SELECT name, type, \"notnull\", pk, dflt_value FROM pragma_table_xinfo(?)"
                          " WHERE hidden = 0", (name,)).fetchall()
        self.columns = [Column(*row) for row in rows]
        by_name = {c.name.lower(): c for c in self.columns}
        sql = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
        self.key = [c for c in sorted(self.columns, key=lambda c: c.pk) if c.pk]
        info = db.execute("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?",
                          (name,)).fetchone()
        self.without_rowid = bool(info[0])
        self.rowid = next((n for n in ("rowid", "_rowid_", "oid") if n not in by_name), None)
        self.alias = (self.key[0] if len(self.key) == 1 and not self.without_rowid
                      and self.key[0].declared == "INTEGER" else None)
        if len(self.key) == 1 and not self.alias:
            self.key[0].unique = True
        self.unique_sets = []
        for index, partial in db.execute(
                "SELECT name, partial FROM pragma_index_list(?) WHERE \"unique\"", (name,)).fetchall():
            names = [r[0] for r in db.execute("SELECT name FROM pragma_index_info(?)", (index,))]
            if any(n is None for n in names):
                continue
            columns = [by_name[n.lower()] for n in names]
            if len(columns) == 1:
                columns[0].unique = True
            if not partial:
                self.unique_sets.append(columns)
        if self.alias and self.key not in self.unique_sets:
            self.unique_sets.append(self.key)
        self.foreign = {}
        for fk, parent, child, to in db.execute(
                "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?)", (name,)):
            self.foreign.setdefault(fk, []).append((parent, child, to))
        for parts in self.foreign.values():
            parent, child, to = parts[0]
            if len(parts) == 1 and child.lower() in by_name:
                by_name[child.lower()].parent = (parent.lower(), to and to.lower())
        self.sql = sql

    def locate(self):
        """How a row is addressed: columns as SQL."""
        if not self.without_rowid and self.rowid:
            return [self.rowid]
        return [quote(c.name) for c in self.key]

    def sample(self, db):
        order = "" if self.without_rowid or not self.rowid else " ORDER BY %s DESC" % self.rowid
        names = ", ".join(quote(c.name) for c in self.columns)
        rows = db.execute("SELECT %s FROM %s LIMIT %d" % (names, quote(self.name), SAMPLE_ROWS)).fetchall()
        if order:
            rows += db.execute("SELECT %s FROM %s%s LIMIT %d" % (
                names, quote(self.name), order, SAMPLE_ROWS)).fetchall()
        for i, column in enumerate(self.columns):
            values = [row[i] for row in rows]
            if values:
                column.pool = values

    def random_row(self, db, rng):
        columns = self.locate()
        if columns == [self.rowid]:
            low, high = db.execute("SELECT min(%s), max(%s) FROM %s" % (
                self.rowid, self.rowid, quote(self.name))).fetchone()
            if low is None:
                return None
            found = db.execute("SELECT %s FROM %s WHERE %s >= ? LIMIT 1" % (
                self.rowid, quote(self.name), self.rowid), (rng.randint(low, high),)).fetchone()
        else:
            total = db.execute("SELECT count(*) FROM %s" % quote(self.name)).fetchone()[0]
            if total == 0:
                return None
            found = db.execute("SELECT %s FROM %s LIMIT 1 OFFSET ?" % (
                ", ".join(columns), quote(self.name)), (rng.randrange(min(total, 500)),)).fetchone()
        return found


class Writer:
    def __init__(self, args):
        self.args = args
        self.rng = random.Random("%d/%d" % (args.seed, args.writer))
        self.db = sqlite3.connect("file:%s?mode=rw" % args.db.replace("?", "%3f"), uri=True,
                                  timeout=10, isolation_level=None)
        self.db.text_factory = lambda b: b.decode("utf-8", "replace")
        self.ack = open(args.ack, "a", encoding="utf-8")
        self.seq = 0
        self.stop = False
        self.counts = {"commits": 0, "rollbacks": 0, "refused": 0, "busy": 0, "statements": 0}
        clean = self.db.execute("PRAGMA foreign_key_check").fetchone() is None
        self.db.execute("PRAGMA foreign_keys = %s" % ("ON" if clean else "OFF"))
        triggers = self.db.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"
                                   " AND name NOT LIKE '\\_crossfade\\_%' ESCAPE '\\'").fetchone()[0]
        if args.writer % 3 == 2 and triggers == 0:  # an application's own may recurse without end
            self.db.execute("PRAGMA recursive_triggers = ON")
        self.load()

    def load(self):
        names = [r[0] for r in self.db.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_crossfade\\_%' ESCAPE '\\'"
            " ORDER BY name")]
        self.tables = [Table(self.db, n) for n in names if not n.startswith(OWN)]
        self.by_name = {t.name.lower(): t for t in self.tables}
        parents = {parts[0][0].lower() for t in self.tables for parts in t.foreign.values()}
        for column in [c for t in self.tables for c in t.columns if self.args.calm]:
            column.calm = True
            column.notnull |= bool(column.pk)
        self.kept = {t for t in self.tables if self.args.calm and t.name.lower() in parents}
        self.refresh()

    def refresh(self):
        for table in self.tables:
            table.sample(self.db)
        for table in self.tables:
            for column in table.columns:
                if column.parent is None:
                    continue
                parent = self.by_name.get(column.parent[0])
                if parent is None:
                    continue
                key = column.parent[1] or (parent.key[0].name.lower() if parent.key else None)
                pool = next((c.pool for c in parent.columns if c.name.lower() == key), [])
                extra = [] if column.notnull else [None]
                column.pool = [v for v in pool if v is not None] + extra
        self.refreshed = time.monotonic()

    # --- one statement each; integrity errors are part of the traffic ---

    def new_row(self, table):
        columns, values = [], []
        for c in table.columns:
            if c is table.alias:
                if self.rng.random() < 0.8:
                    continue
                value = c.fresh(self.rng)
            elif c.unique and c.parent is None:
                value = c.fresh(self.rng)
            else:
                if c.default is not None and self.rng.random() < 0.1:
                    continue
                value = c.pick(self.rng)
            if value is None and c.notnull:
                value = c.invent(self.rng)
            columns.append(c)
            values.append(value)
        return columns, values

    def insert_sql(self, verb, table, columns):
        if not columns:
            return "%s INTO %s DEFAULT VALUES" % (verb, quote(table.name))
        return "%s INTO %s (%s) VALUES (%s)" % (
            verb, quote(table.name), ", ".join(quote(c.name) for c in columns),
            ", ".join("?" * len(columns)))

    def insert(self, table):
        verb = self.rng.choice(("INSERT", "INSERT", "INSERT", "INSERT OR IGNORE", "INSERT OR REPLACE"))
        verb = "INSERT" if table in self.kept else verb
        for _ in range(self.rng.choice((1, 1, 1, 2, 5))):
            columns, values = self.new_row(table)
            self.execute(self.insert_sql(verb, table, columns), values)

    def existing(self, table, columns):
        at = table.random_row(self.db, self.rng)
        if at is None:
            return None
        where = " AND ".join("%s IS ?" % c for c in table.locate())
        return self.db.execute("SELECT %s FROM %s WHERE %s" % (
            ", ".join(quote(c.name) for c in columns), quote(table.name), where), at).fetchone()

    def replace(self, table):
        """A new row with an existing unique key: the old one goes without a DELETE trigger."""
        if not table.unique_sets:
            return self.insert(table)
        key = self.rng.choice(table.unique_sets)
        held = self.existing(table, key)
        if held is None or None in held:
            return self.insert(table)
        columns, values = self.new_row(table)
        row = {c: v for c, v in zip(columns, values)}
        row.update(zip(key, held))
        kind = self.rng.random()
        sql = self.insert_sql("INSERT OR REPLACE" if kind < 0.5 else "INSERT", table, list(row))
        if kind >= 0.5:
            rest = [c for c in row if c not in key and not c.pk and not c.unique]
            target = ", ".join(quote(c.name) for c in key)
            if rest:
                sql += " ON CONFLICT (%s) DO UPDATE SET %s" % (
                    target, ", ".join("%s = excluded.%s" % (quote(c.name), quote(c.name)) for c in rest))
            else:
                sql += " ON CONFLICT (%s) DO NOTHING" % target
        self.execute(sql, list(row.values()))

    def update(self, table):
        at = table.random_row(self.db, self.rng)
        free = [c for c in table.columns if not c.pk and not c.unique]
        if at is None or not free:
            return
        chosen = self.rng.sample(free, min(len(free), self.rng.randint(1, 3)))
        values = [c.pick(self.rng) for c in chosen]
        values = [c.invent(self.rng) if v is None and c.notnull else v for c, v in zip(chosen, values)]
        verb = "UPDATE OR REPLACE" if self.rng.random() < 0.1 and table not in self.kept else "UPDATE"
        self.execute("%s %s SET %s WHERE %s" % (
            verb, quote(table.name), ", ".join("%s = ?" % quote(c.name) for c in chosen),
            " AND ".join("%s IS ?" % c for c in table.locate())), values + list(at))

    def change_key(self, table):
        keys = [c for c in table.columns if c.pk or c.unique]
        at = table.random_row(self.db, self.rng)
        if not keys or at is None or self.args.no_keys:
            return self.update(table)
        column = self.rng.choice(keys)
        where = " AND ".join("%s IS ?" % c for c in table.locate())
        if self.rng.random() < 0.3:  # on top of another row
            held = self.existing(table, [column])
            if held is not None and held[0] is not None:
                return self.execute("UPDATE OR REPLACE %s SET %s = ? WHERE %s" % (
                    quote(table.name), quote(column.name), where), [held[0]] + list(at))
        value = column.pick(self.rng) if column.parent else column.fresh(self.rng)
        self.execute("UPDATE %s SET %s = ? WHERE %s" % (quote(table.name), quote(column.name), where),
                     [value] + list(at))

    def delete(self, table):
        for _ in range(self.rng.choice((1, 1, 3))):
            at = table.random_row(self.db, self.rng)
            if at is None:
                return
            self.execute("DELETE FROM %s WHERE %s" % (
                quote(table.name), " AND ".join("%s IS ?" % c for c in table.locate())), list(at))

    def execute(self, sql, values):
        self.counts["statements"] += 1
        try:
            self.db.execute(sql, values)
        except sqlite3.IntegrityError as e:
            if "crossfade" in str(e).lower() or "crossfade" in sql.lower().split("values")[0]:
                raise
            self.counts["refused"] += 1

    def statement(self):
        table = self.rng.choice(self.tables)
        action = self.rng.choices(
            (self.insert, self.update, self.delete, self.replace, self.change_key),
            (30, 35, 12, 15, 8))[0]
        if table in self.kept and action not in (self.insert, self.update):
            action = self.update
        action(table)

    # --- transactions ---

    def work(self):
        if not self.tables:
            return
        for _ in range(self.rng.choices((1, 2, 4, 12), (50, 25, 20, 5))[0]):
            if self.rng.random() < 0.15:
                self.db.execute("SAVEPOINT sp")
                self.statement()
                self.statement()
                if self.rng.random() < 0.5:
                    self.db.execute("ROLLBACK TO sp")
                self.db.execute("RELEASE sp")
            else:
                self.statement()

    def acknowledge(self, payload):
        self.counts["commits"] += 1
        json.dump({"writer": self.args.writer, "seq": self.seq, "payload": payload}, self.ack)
        self.ack.write("\n")
        self.ack.flush()

    def transaction(self):
        self.seq += 1
        payload = "w%d-%d-%06x é" % (self.args.writer, self.seq, self.rng.getrandbits(24))
        row = (self.args.writer, self.seq, payload)
        sql = "INSERT INTO %s (writer, seq, payload) VALUES (?, ?, ?)" % ACK
        if self.rng.random() < 0.1:  # one statement, no BEGIN
            self.db.execute(sql, row)
            return self.acknowledge(payload)
        self.db.execute("BEGIN IMMEDIATE" if self.rng.random() < 0.8 else "BEGIN")
        first = self.rng.random() < 0.5
        if first:
            self.db.execute(sql, row)
        self.work()
        if not first:
            self.db.execute(sql, row)
        if self.rng.random() < 0.1:
            self.counts["rollbacks"] += 1
            return self.db.execute("ROLLBACK")
        self.db.execute("COMMIT")
        self.acknowledge(payload)

    def step(self):
        try:
            if time.monotonic() - self.refreshed > REFRESH_SECONDS:
                self.refresh()
            self.transaction()
        except sqlite3.Error as e:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            text = str(e)
            if MOVED in text:
                raise Moved() from e
            if "locked" in text or "busy" in text:
                self.counts["busy"] += 1
                time.sleep(self.rng.uniform(0, 0.01))
            elif "no such table" in text or "no such column" in text or "has no column" in text:
                self.load()
            elif isinstance(e, sqlite3.IntegrityError):
                self.counts["refused"] += 1
                time.sleep(0.005)  # a fence for the moment, or a deferred foreign key at COMMIT
            else:
                raise

    def run(self):
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stop", True))
        end = time.monotonic() + self.args.seconds
        moved = False
        while not self.stop and time.monotonic() < end and not moved:
            try:
                self.step()
            except Moved:
                moved = True
                self.ack.write('{"moved": true}\n')
            time.sleep(self.args.pause_ms / 1000)
        self.ack.close()
        print(json.dumps({"writer": self.args.writer, "moved": moved, **self.counts}))
        return 0


def prepare(path):
    db = sqlite3.connect(path, timeout=10)
    db.execute("CREATE TABLE IF NOT EXISTS %s"
               "(id INTEGER PRIMARY KEY, writer INT, seq INT, payload TEXT)" % ACK)
    db.commit()
    db.close()
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("prepare").add_argument("db")
    run = verbs.add_parser("run")
    run.add_argument("db")
    run.add_argument("--writer", type=int, required=True)
    run.add_argument("--seed", type=int, required=True)
    run.add_argument("--seconds", type=float, required=True)
    run.add_argument("--ack", required=True)
    run.add_argument("--no-keys", action="store_true")
    run.add_argument("--calm", action="store_true")
    run.add_argument("--pause-ms", type=float, default=2.0)
    args = parser.parse_args()
    if args.verb == "prepare":
        return prepare(args.db)
    return Writer(args).run()


if __name__ == "__main__":
    sys.exit(main())
