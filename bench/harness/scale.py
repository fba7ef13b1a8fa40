"""Time, memory and logs of a move as the table grows, while an application writes."""
import os
import threading

from harness.context import read_only
from harness.moved import add_items
from harness.pause import Writers
from harness.report import Measurement

SIZES = (100_000, 1_000_000)
LARGE = 10_000_000
RATE = 200  # writes a second meanwhile


class Growth:
    """The largest that the source's WAL and change log became."""

    def __init__(self, path):
        self.path = path
        self.wal_bytes = 0
        self.log_rows = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        db = read_only(self.path)
        while not self.done.wait(0.02):
            try:
                self.wal_bytes = max(self.wal_bytes, os.path.getsize(self.path + "-wal"))
                first, last = db.execute(
                    "SELECT (SELECT min(lsn) FROM _crossfade_log),"
                    " (SELECT max(lsn) FROM _crossfade_log)").fetchone()
                self.log_rows = max(self.log_rows, (last or 0) - (first or 0))
            except Exception:  # not there yet, or busy for a moment
                pass
        db.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def wal_position(cluster):
    return int(cluster.ask("postgres", "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))


def measure(context):
    shape = context.shape()
    sizes = [*SIZES, LARGE] if context.arguments.large else list(SIZES)
    if context.arguments.rows:
        sizes = [context.arguments.rows // 10, context.arguments.rows]
    out = Measurement(shape=context.arguments.shape, writes_per_s=RATE)
    with context.cluster() as cluster:
        context.note(cluster)
        for rows in sizes:
            path = context.source(shape, rows, "scale")
            add_items(path)
            for run in range(context.runs):
                context.say("%d rows, run %d of %d" % (rows, run + 1, context.runs))
                url = cluster.fresh("scale")
                before = wal_position(cluster)
                with Writers(context, path, RATE, run * 100_000_000) as writers, Growth(path) as growth:
                    spent, report = context.run("run", path, "--target", url, "--until", "verified")
                if report.get("verdict") != "equal" or writers.document is None:
                    raise SystemExit("bench: the move of %d rows failed: %r" % (rows, report))
                out.add("%d rows" % rows, **spent.numbers(
                    rows_per_s=round(rows / spent.seconds),
                    source_wal_mib=round(growth.wal_bytes / 2**20, 1), log_rows_max=growth.log_rows,
                    target_wal_mib=round((wal_position(cluster) - before) / 2**20, 1)))
                context.finish(path)
            context.forget(path)
    small, large = "%d rows" % sizes[0], "%d rows" % sizes[-1]
    times = sizes[-1] / sizes[0]
    out.ratio("memory_growth", "memory at %g times the rows" % times, (large, "peak_mib"),
              (small, "peak_mib"), "lower", 1.5)
    out.limit("peak_mib", "engine's peak memory, MiB", large, "peak_mib", "lower", 96)
    return out
