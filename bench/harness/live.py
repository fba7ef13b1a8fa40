"""A backlog of changes applied by crossfade, and by PostgreSQL's own logical replication; and two
backlogs of dual writes, one at a time and both at once."""
import os
import random
import sqlite3
import time

from harness import measured, shapes
from harness.context import read_only, stop
from harness.moved import until
from harness.report import Measurement

DATABASE = "live"
PUBLISHER = "publisher"
STATEMENTS_PER_MESSAGE = 1000  # psql sends them at once
SHARES = (("insert", 50), ("update", 40), ("delete", 10))
CONFLICTS = 100  # one change of so many is of a row that the other side changes too
THERE = 1 << 40  # what PostgreSQL inserts has greater keys


def literal(value, postgres):
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return ("'\\x%s'" if postgres else "x'%s'") % value.hex()
    if isinstance(value, str):
        return "'%s'" % value.replace("'", "''")
    return repr(value)


class Changes:
    """The same changes for everybody, as SQL; the last one inserts the row `sentinel`.

    Of the rows `alive`, if they are given; keys after `newest`. Those of `shared` are updated once
    each, evenly spread, and get `created_at`: the greater one wins."""

    def __init__(self, shape, rows, count, seed, alive=None, newest=None, shared=(), created_at=None):
        self.shape = shape
        self.noise = shapes.Noise(seed)
        self.random = random.Random(seed)
        self.rows = rows
        self.alive = list(range(1, rows + 1) if alive is None else alive)
        self.newest = rows if newest is None else newest
        self.created_at = created_at
        self.changes = [self._shared(shared[n // CONFLICTS])
                        if n % CONFLICTS == 0 and n // CONFLICTS < len(shared) else self._one()
                        for n in range(count - 1)]
        self.changes.append(self._insert())
        self.sentinel = self.newest

    def _one(self):
        kind = self.random.choices([n for n, _ in SHARES], [w for _, w in SHARES])[0]
        if kind == "insert" or len(self.alive) < 10:
            return self._insert()
        at = self.random.randrange(len(self.alive))
        key = self.alive[at]
        if kind == "update":
            row = dict(zip(self.shape.names(), self.shape.row(self.noise, key, self.rows)))
            return "update", key, [(n, row[n]) for n in self.shape.update]
        self.alive[at] = self.alive[-1]
        self.alive.pop()
        return "delete", key, None

    def _shared(self, key):
        return "update", key, [("title", self.noise.text(20)), ("created_at", self.created_at)]

    def _insert(self):
        self.newest += 1
        self.alive.append(self.newest)
        return "insert", self.newest, self.shape.row(self.noise, self.newest, self.rows)

    def sql(self, postgres):
        table = self.shape.table
        for kind, key, values in self.changes:
            if kind == "insert":
                yield "INSERT INTO %s VALUES(%s)" % (
                    table, ",".join(literal(v, postgres) for v in values))
            elif kind == "update":
                yield "UPDATE %s SET %s WHERE id=%d" % (
                    table, ",".join("%s=%s" % (n, literal(v, postgres)) for n, v in values), key)
            else:
                yield "DELETE FROM %s WHERE id=%d" % (table, key)

    def write_sqlite(self, path, per_transaction):
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA synchronous=off")
        for n, sql in enumerate(self.sql(False)):
            if n % per_transaction == 0:
                db.execute("BEGIN IMMEDIATE")
            db.execute(sql)
            if (n + 1) % per_transaction == 0 or n + 1 == len(self.changes):
                db.execute("COMMIT")
        db.close()

    def write_file(self, path, per_transaction):
        with open(path, "w", encoding="utf-8") as out:
            out.write("SET synchronous_commit=off;\n")
            for n, sql in enumerate(self.sql(True)):
                if n % per_transaction == 0:
                    out.write("BEGIN\\;")
                out.write(sql)
                last = n + 1 == len(self.changes)
                if (n + 1) % per_transaction == 0 or last:
                    out.write("\\;COMMIT")
                out.write(";\n" if (n + 1) % STATEMENTS_PER_MESSAGE == 0 or last else "\\;")


class Live:
    def __init__(self, context, cluster, second, shape, rows):
        self.context, self.cluster, self.second = context, cluster, second
        self.shape, self.rows = shape, rows
        self.url = cluster.url(DATABASE)
        self.file = os.path.join(context.folder, "changes.sql")

    def psql(self, url, *arguments):
        measured.run([self.cluster.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, *arguments])

    def seen_on_target(self, session, changes):
        sql = "SELECT count(*) FROM %s WHERE id=%d" % (self.shape.table, changes.sentinel)
        return lambda: session.ask(sql) == "1"

    def timed(self, changes, seconds):
        return {"seconds": round(seconds, 4), "changes_per_s": round(len(changes.changes) / seconds)}

    def begin_backlog(self, path, changes, per_transaction):
        self.context.run("run", path, "--target", self.cluster.fresh(DATABASE), "--until", "verified")
        changes.write_sqlite(path, per_transaction)
        self.cluster.ask("postgres", "CHECKPOINT")

    def catch_up(self, path, changes):
        """Seconds from the start of the engine until the last change is visible."""
        with self.cluster.session(DATABASE) as session:
            began = time.monotonic()
            engine = self.context.start(path)
            seconds = until("the backlog is applied", self.seen_on_target(session, changes),
                            seconds=180) - began
        stop(engine)
        return self.timed(changes, seconds)

    def back(self, path, changes, per_transaction):
        """The same after a cutover, with the changes on PostgreSQL."""
        self.context.run("cutover", path)
        changes.write_file(self.file, per_transaction)
        self.psql(self.url, "-f", self.file)
        db = read_only(path)
        sql = "SELECT count(*) FROM %s WHERE id=%d" % (self.shape.table, changes.sentinel)
        began = time.monotonic()
        engine = self.context.start(path)
        seconds = until("the way back is applied", lambda: db.execute(sql).fetchone()[0] == 1,
                        seconds=180) - began
        db.close()
        stop(engine)
        return self.timed(changes, seconds)

    def seen_on_source(self, db, changes):
        sql = "SELECT count(*) FROM %s WHERE id=%d" % (self.shape.table, changes.sentinel)
        return lambda: db.execute(sql).fetchone()[0] == 1

    def begin_dual(self, path):
        rules = os.path.join(self.context.folder, "dual.toml")
        with open(rules, "w", encoding="utf-8") as out:
            out.write('[tables.%s]\nconflict = "newest_wins(created_at)"\n' % self.shape.table)
        self.rules = ("--rules", rules)
        engine = self.context.start(path, "--target", self.cluster.fresh(DATABASE), "--mode", "dual",
                                    *self.rules)
        until("both sides may be written to",
              lambda: self.context.status(path).get("phase") == "dual", seconds=180, pause=0.05)
        stop(engine)

    def dual(self, path, per_transaction, here=None, there=None):
        """Both sides' changes, written while no engine runs: seconds until the other has the last."""
        if here:
            here.write_sqlite(path, per_transaction)
        if there:
            there.write_file(self.file, per_transaction)
            self.psql(self.url, "-f", self.file)
        self.cluster.ask("postgres", "CHECKPOINT")
        db = read_only(path)
        out = {}
        with self.cluster.session(DATABASE) as session:
            waits = {}
            if here:
                waits["here"] = (here, self.seen_on_target(session, here))
            if there:
                waits["there"] = (there, self.seen_on_source(db, there))

            def look():
                for name in [n for n, (_, seen) in waits.items() if seen()]:
                    out[name] = self.timed(waits.pop(name)[0], time.monotonic() - began)
                return not waits
            began = time.monotonic()
            engine = self.context.start(path, *self.rules)
            until("both have the other's changes", look, seconds=300)
        db.close()
        stop(engine)
        return out

    def keep_base(self, path):
        """What the publisher and the subscriber begin with, out of a copy that crossfade made."""
        self.context.run("run", path, "--target", self.cluster.fresh(DATABASE), "--until", "verified")
        self.dump = os.path.join(self.context.folder, "base.dump")
        measured.run([os.path.join(self.cluster.bin, "pg_dump"), "-d", self.url, "--schema", "public",
                      "-t", self.shape.table, "-f", self.dump])
        self.context.finish(path)

    def logical(self, changes, per_transaction):
        """Seconds from enabling the subscription until the last change is visible."""
        for cluster, database in ((self.second, PUBLISHER), (self.cluster, DATABASE)):
            self.psql(cluster.fresh(database), "-f", self.dump)
        self.second.ask(PUBLISHER, "CREATE PUBLICATION p FOR TABLE " + self.shape.table)
        self.cluster.ask(DATABASE, "CREATE SUBSCRIPTION s CONNECTION '%s' PUBLICATION p"
                         " WITH (copy_data=false, enabled=false, create_slot=false, slot_name=s)"
                         % self.second.url(PUBLISHER))
        self.second.ask(PUBLISHER, "SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
        changes.write_file(self.file, per_transaction)
        self.psql(self.second.url(PUBLISHER), "-f", self.file)
        self.cluster.ask("postgres", "CHECKPOINT")
        with self.cluster.session(DATABASE) as session:
            began = time.monotonic()
            session.ask("ALTER SUBSCRIPTION s ENABLE; SELECT 1")
            seconds = until("the subscriber has all", self.seen_on_target(session, changes),
                            seconds=180) - began
        self.cluster.ask(DATABASE, "DROP SUBSCRIPTION s")
        return self.timed(changes, seconds)


def measure_dual(context, live, path, per, count, run, out):
    """Each direction alone, both at once with keys of their own, and both with conflicts."""
    unit = "%d-row transactions" % per
    seeds = iter(range(context.seed + 10_000 * (run + 1), 1 << 30))
    shared = range(1, count // CONFLICTS + 1)
    first = len(shared) + 1
    of_source = {"alive": range(first, live.rows + 1, 2), "newest": live.rows}
    of_target = {"alive": range(first + 1, live.rows + 1, 2), "newest": live.rows + THERE}

    def more(side, **flags):
        changes = Changes(live.shape, live.rows, count, next(seeds), **side, **flags)
        side.update(alive=changes.alive, newest=changes.newest)
        return changes

    def add(case, numbers):
        for name, text in (("here", "SQLite's"), ("there", "PostgreSQL's")):
            if name in numbers:
                out.add("dual, %s, %s, %s" % (text, case, unit), **numbers[name])

    live.begin_dual(path)
    add("alone", live.dual(path, per, here=more(of_source)))
    add("alone", live.dual(path, per, there=more(of_target)))
    add("both", live.dual(path, per, here=more(of_source), there=more(of_target)))
    add("conflicts", live.dual(
        path, per, here=more(of_source, shared=shared, created_at="2026-01-02 00:00:00"),
        there=more(of_target, shared=shared, created_at="2026-01-01 00:00:00")))
    conflicts = live.cluster.ask(DATABASE, "SELECT count(*) FROM crossfade.conflicts")
    if int(conflicts) != len(shared):
        raise SystemExit("bench: %s conflicts, and not %d" % (conflicts, len(shared)))
    context.finish(path)


def measure(context):
    shape = shapes.SHAPES["segments"]
    rows = context.arguments.rows or 200_000
    loads = {1000: 200_000, 1: 50_000}
    dual_loads = {1000: 50_000, 1: 10_000}
    if context.smoke:
        loads = {1000: 2_000, 1: 200}
        dual_loads = loads
    out = Measurement(shape="segments", rows=rows, changes=loads, changes_dual=dual_loads,
                      inserts="50%", updates="40%", deletes="10%", conflicts="1%")
    with context.cluster() as cluster, context.cluster("publisher") as second:
        context.note(cluster)
        live = Live(context, cluster, second, shape, rows)
        live.keep_base(context.source(shape, rows, "live"))
        for per, count in loads.items():
            unit = "%d-row transactions" % per
            for run in range(context.runs):
                context.say("%s, run %d of %d" % (unit, run + 1, context.runs))
                path = context.source(shape, rows, "live")
                seed = context.seed + run
                changes = Changes(shape, rows, count, seed)
                live.begin_backlog(path, changes, per)
                out.add("crossfade, " + unit, **live.catch_up(path, changes))
                there = Changes(shape, rows, count, seed)
                again = Changes(shape, there.newest, count, seed + 1000)
                again.alive = there.alive
                out.add("crossfade back to SQLite, " + unit, **live.back(path, again, per))
                context.forget(path)
                out.add("logical replication, " + unit, **live.logical(changes, per))
                measure_dual(context, live, context.source(shape, rows, "live"), per,
                             dual_loads[per], run, out)
                context.forget(path)
            out.ratio("to_logical_%d" % per, "changes/s to logical replication, " + unit,
                      ("crossfade, " + unit, "changes_per_s"),
                      ("logical replication, " + unit, "changes_per_s"), "higher",
                      1.5)
            out.ratio("back_to_logical_%d" % per,
                      "changes/s back into SQLite to logical replication into PostgreSQL, " + unit,
                      ("crossfade back to SQLite, " + unit, "changes_per_s"),
                      ("logical replication, " + unit, "changes_per_s"), "higher")
            for case, words in (("both", "both at once"), ("conflicts", "both with 1% conflicts")):
                for side, name in (("SQLite's", "source"), ("PostgreSQL's", "target")):
                    out.ratio("dual_%s_%s_%d" % (case, name, per),
                              "dual writes: %s changes/s, %s to alone, %s" % (side, words, unit),
                              ("dual, %s, %s, %s" % (side, case, unit), "changes_per_s"),
                              ("dual, %s, alone, %s" % (side, unit), "changes_per_s"), "higher")
    return out
