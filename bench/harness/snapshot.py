"""A copy from SQLite to indexed, constrained, verified tables, against what else does a part of it."""
import os
import shutil

from harness import measured
from harness.report import Measurement

DATABASE = "snapshot"


class Rivals:
    """The other ways; all of them end with the same indexes and constraints, none is verified."""

    def __init__(self, context, cluster, path, shape):
        self.context = context
        self.cluster = cluster
        self.path = path
        self.shape = shape
        self.ready = os.path.join(context.folder, "ready.bin")
        self.tables = os.path.join(context.folder, "tables.sql")
        self.indexes = os.path.join(context.folder, "indexes.sql")

    def psql(self, *arguments):
        return [self.cluster.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1",
                "-d", self.cluster.url(DATABASE), *arguments]

    def prepare(self):
        """What crossfade made of it: the same DDL and the same bytes for everybody."""
        url = self.cluster.url(DATABASE)
        for section, file in (("pre-data", self.tables), ("post-data", self.indexes)):
            measured.run([os.path.join(self.cluster.bin, "pg_dump"), "-d", url, "--schema", "public",
                          "-t", self.shape.table, "--section", section, "-f", file])
        with open(self.ready, "wb") as out:
            out.write(measured.run(self.psql(
                "-c", "COPY %s TO STDOUT (FORMAT binary)" % self.shape.table)).out)

    def load(self, *commands):
        self.cluster.fresh(DATABASE)
        measured.run(self.psql("-f", self.tables))
        copied = measured.run(*commands)
        indexed = measured.run(self.psql("-f", self.indexes))
        return {"seconds": round(copied.seconds + indexed.seconds, 4),
                "copy_s": round(copied.seconds, 4), "index_s": round(indexed.seconds, 4),
                "peak_mib": round(max(copied.peak_mib, indexed.peak_mib), 1)}

    def raw(self):
        return self.load(self.psql("-c", "\\copy %s from '%s' with (format binary)" % (
            self.shape.table, self.ready)))

    def csv(self):
        blobs = self.shape.blobs()
        columns = ", ".join("'\\x' || hex(%s)" % n if n in blobs else n for n in self.shape.names())
        return self.load(
            ["sqlite3", "-csv", self.path, "SELECT %s FROM %s" % (columns, self.shape.table)],
            self.psql("-c", "\\copy %s from pstdin with (format csv)" % self.shape.table))

    def pgloader(self):
        self.cluster.fresh(DATABASE)
        target = "pgsql://%s@unix:%s:5432/%s" % ("bench", self.cluster.folder, DATABASE)
        spent = measured.run(["pgloader", "--quiet", "sqlite://" + self.path, target])
        return {"seconds": round(spent.seconds, 4), "peak_mib": round(spent.peak_mib, 1)}


def crossfade(context, cluster, path):
    url = cluster.fresh(DATABASE)
    spent, report = context.run("run", path, "--target", url, "--until", "verified")
    if report.get("verdict") != "equal":
        raise SystemExit("bench: the copy was not verified: %r" % report)
    return {"seconds": round(spent.seconds, 4), "cpu_s": round(spent.cpu_s, 3),
            "peak_mib": round(spent.peak_mib, 1),
            "copied_rows_per_minute": report.get("rows_per_minute")}


def measure(context):
    shape = context.shape()
    rows = context.rows(shape)
    path = context.source(shape, rows)
    out = Measurement(shape=context.arguments.shape, rows=rows, file_mib=os.path.getsize(path) >> 20)
    with context.cluster() as cluster:
        context.note(cluster)
        rivals = Rivals(context, cluster, path, shape)
        crossfade(context, cluster, path)  # a first one, not counted: it makes what the others load
        rivals.prepare()
        context.finish(path)
        others = {"raw COPY BINARY + indexes": rivals.raw, "sqlite3 | psql \\copy + indexes": rivals.csv}
        if shutil.which("pgloader"):
            others["pgloader"] = rivals.pgloader
        else:
            out.notes.append("pgloader is not installed, and was left out")
        for run in range(context.runs):
            context.say("run %d of %d" % (run + 1, context.runs))
            numbers = crossfade(context, cluster, path)
            out.add("crossfade run --until verified", **numbers,
                    rows_per_minute=round(rows * 60 / numbers["seconds"]))
            context.finish(path)
            for name, rival in others.items():
                numbers = rival()
                out.add(name, **numbers, rows_per_minute=round(rows * 60 / numbers["seconds"]))
    ours = "crossfade run --until verified"
    out.ratio("over_raw", "time to raw COPY BINARY plus indexes", (ours, "seconds"),
              ("raw COPY BINARY + indexes", "seconds"), "lower", 1.25)
    out.ratio("over_csv", "time to sqlite3 | psql \\copy plus indexes", (ours, "seconds"),
              ("sqlite3 | psql \\copy + indexes", "seconds"), "lower")
    out.ratio("pgloader_over", "pgloader's time to ours", ("pgloader", "seconds"), (ours, "seconds"),
              "higher", 2.5)
    out.limit("peak_mib", "engine's peak memory, MiB", ours, "peak_mib", "lower", 96)
    return out
