"""An application's writes without capture, with the triggers, with JSON images, with a session."""
import json
import statistics

from harness import measured
from harness.report import Measurement

MODES = ("none", "triggers", "least triggers", "json triggers", "session")


def measure(context):
    milliseconds = 20 if context.smoke else 300
    out = Measurement(milliseconds_each=milliseconds, journal="WAL, synchronous=NORMAL")
    spent = measured.run([context.load, "capture", context.folder, "--rounds", str(context.runs),
                          "--milliseconds", str(milliseconds)])
    for case in json.loads(spent.out):
        per = "%d row%s a transaction" % (
            case["rows_per_transaction"], "" if case["rows_per_transaction"] == 1 else "s")
        name = "%s, %s, %s" % (case["op"], case["shape"], per)
        for run in range(context.runs):
            numbers = {}
            for mode in MODES:
                one = case["modes"][mode][run]
                key = mode.replace(" ", "_")
                numbers[key + "_rows_per_s"] = round(one["rows_per_s"])
                numbers[key + "_cpu_us"] = round(one["cpu_us_per_row"], 2)
            out.add(name, **numbers)
    add_ratios(out)
    return out


def add_ratios(out):
    for name in list(out.runs):
        if not name.startswith("mixed, "):
            continue
        single = name.endswith("1 row a transaction")
        for mode in ("triggers", "least_triggers", "json_triggers", "session"):
            goal = 0.8 if mode == "triggers" and single and ", narrow," in name else None
            out.ratio("%s: %s" % (mode, name), "write rate with %s to none: %s" % (
                mode.replace("_", " "), name), (name, mode + "_rows_per_s"),
                (name, "none_rows_per_s"), "higher", goal)
    every = [statistics.median(run["triggers_rows_per_s"] / run["none_rows_per_s"] for run in runs)
             for runs in out.runs.values()]
    out.notes.append("triggers to none over all cases: worst %.2f, best %.2f" % (min(every), max(every)))
