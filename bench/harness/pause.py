"""How long writers wait for a cutover and a rollback, at rates and for sizes of the database."""
import json
import os
import subprocess
import time

from harness import shapes
from harness.moved import add_items, followed
from harness.report import Measurement

RATES = (100, 1000, 2000)
WRITERS = 4
SIZES = {"10 MB": 30_000, "100 MB": 300_000, "1 GB": 3_100_000}  # rows of the shape segments
BETWEEN_S = 0.5  # of writing on a side before the next change


class Writers:
    """crossfade_bench_load's, for as long as `with` lasts; what they met is in `document`."""

    def __init__(self, context, path, rate, base):
        self.command = [context.load, "pause", path, "--rate", str(rate), "--writers", str(WRITERS),
                        "--base", str(base)]
        self.document = None

    def __enter__(self):
        self.child = subprocess.Popen(self.command, stdout=subprocess.PIPE)
        time.sleep(BETWEEN_S)
        return self

    def __exit__(self, *_):
        self.child.terminate()
        out, _ = self.child.communicate(timeout=120)
        if self.child.returncode == 0:
            self.document = json.loads(out)


def change_sides(context, path, runs):
    """[(verb, what crossfade says of it)]"""
    said = []
    for _ in range(runs):
        for verb in ("cutover", "rollback"):
            said.append((verb, context.run(verb, path)[1]))
            time.sleep(BETWEEN_S)
    return said


def measure_rate(context, path, size, rate, base, out):
    with Writers(context, path, rate, base) as writers:
        said = change_sides(context, path, context.runs)
    if writers.document is None:
        raise SystemExit("bench: the writers failed")
    for verb, document in said:
        flip = writers.document["flips"].get(str(document["epoch"]))
        if flip is None or flip["writers"] != WRITERS:
            out.notes.append("a %s at %d/s was not met by every writer" % (verb, rate))
            continue
        out.add("%s, %s, %d/s" % (verb, size, rate),
                writers_pause_ms=round(flip["longest_ms"], 2),
                engine_pause_ms=round(document["write_pause_ms"], 2),
                usual_write_p99_ms=round(writers.document["usual_p99_ms"], 3))


def measure(context):
    shape = shapes.SHAPES["segments"]
    sizes = dict(SIZES)
    if not context.arguments.large:
        del sizes["1 GB"]
    if context.arguments.rows:
        sizes = {"%d rows" % context.arguments.rows: context.arguments.rows}
    rates = RATES[1:2] if context.smoke else RATES
    out = Measurement(writers=WRITERS, sizes=list(sizes))
    with context.cluster() as cluster:
        context.note(cluster)
        for size, rows in sizes.items():
            path = context.source(shape, rows, "pause")
            add_items(path)
            context.say("%s: %d MiB" % (size, os.path.getsize(path) >> 20))
            with followed(context, path, cluster.fresh("pause")):
                for n, rate in enumerate(rates):
                    measure_rate(context, path, size, rate, n * 100_000_000, out)
            context.forget(path)
    add_ratios(out, sizes, rates)
    return out


def add_ratios(out, sizes, rates):
    smallest, largest = list(sizes)[0], list(sizes)[-1]
    for verb in ("cutover", "rollback"):
        for rate in rates:
            case = "%s, %s, %d/s" % (verb, largest, rate)
            if case not in out.runs:
                continue
            worst = max(run["writers_pause_ms"] for run in out.runs[case])
            out.ratios["%s_%d" % (verb, rate)] = {
                "what": "longest wait of any write in a %s, %s, %d/s, ms" % (verb, largest, rate),
                "value": worst, "per_run": [run["writers_pause_ms"] for run in out.runs[case]],
                "better": "lower", "goal": 250 if rate == 1000 else None}
        small = "%s, %s, 1000/s" % (verb, smallest)
        if smallest != largest and small in out.runs:
            out.ratio("%s_growth" % verb, "pause of a %s at %s to that at %s" % (verb, largest, smallest),
                      ("%s, %s, 1000/s" % (verb, largest), "writers_pause_ms"),
                      (small, "writers_pause_ms"), "lower")
