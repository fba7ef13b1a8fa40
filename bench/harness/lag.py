"""From a COMMIT on one side until its row is visible on the other, at fixed rates of writes."""
import json

from harness import measured, shapes
from harness.moved import followed
from harness.report import Measurement

RATES = (100, 1000, 5000)
# One SQLite connection writes 5000 transactions a second; one PostgreSQL connection waits for the
# disk each time.
WRITERS = {False: 1, True: 8}


class Load:
    def __init__(self, context, path, url):
        self.command = [context.load, "lag", path, url]
        self.base = 0

    def run(self, rate, seconds, back):
        self.base += 10_000_000
        flags = ["--rate", str(rate), "--seconds", str(seconds), "--base", str(self.base),
                 "--writers", str(WRITERS[back])] + (["--back"] if back else [])
        numbers = json.loads(measured.run(self.command + flags).out)
        return {key: round(value, 3) for key, value in numbers.items()}


def measure(context):
    shape = shapes.SHAPES["narrow"]
    rows = context.arguments.rows or 100_000
    rates = RATES[:1] if context.smoke else RATES
    seconds = 1 if context.smoke else 5
    path = context.source(shape, rows, "lag")
    out = Measurement(shape="narrow", rows=rows, seconds_each=seconds,
                      writers_sqlite=WRITERS[False], writers_postgresql=WRITERS[True])
    with context.cluster() as cluster:
        context.note(cluster)
        url = cluster.fresh("lag")
        load = Load(context, path, url)
        with followed(context, path, url):
            for back in (False, True):
                if back:
                    context.run("cutover", path)
                where = "SQLite to PostgreSQL" if not back else "PostgreSQL to SQLite"
                for run in range(context.runs):
                    context.say("%s, run %d of %d" % (where, run + 1, context.runs))
                    for rate in rates:
                        out.add("%s, %d/s" % (where, rate), **load.run(rate, seconds, back))
        for rate in rates:
            out.limit("p99_%d" % rate, "lag p99 at %d transactions/s, ms" % rate,
                      "SQLite to PostgreSQL, %d/s" % rate, "p99_ms", "lower",
                      25 if rate == 1000 else None)
            out.limit("back_p99_%d" % rate, "lag p99 after the cutover at %d transactions/s, ms" % rate,
                      "PostgreSQL to SQLite, %d/s" % rate, "p99_ms", "lower", None)
    context.forget(path)
    return out
