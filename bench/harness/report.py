"""The document that a measurement becomes, and its table.

{"machine", "versions", "build", "settings", "seed", "measurements": {NAME: {
   "parameters": {...},
   "runs": {CASE: [{METRIC: number, ...}, ...]},
   "median": {CASE: {METRIC: number, ...}},
   "ratios": {NAME: {"value", "per_run", "better": "lower" | "higher", "goal", "what"}}}}}
"""
import os
import platform
import re
import sqlite3
import statistics
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Measurement:
    def __init__(self, **parameters):
        self.parameters = parameters
        self.runs = {}
        self.ratios = {}
        self.notes = []

    def add(self, case, **numbers):
        self.runs.setdefault(case, []).append(numbers)

    def median(self, case):
        runs = self.runs[case]
        return {key: round(statistics.median(run[key] for run in runs), 4)
                for key in runs[0]
                if all(isinstance(run.get(key), (int, float)) for run in runs)}

    def ratio(self, name, what, over, under, better, goal=None):
        """`over` and `under` are (case, metric). Each run is compared with its own neighbour."""
        if over[0] not in self.runs or under[0] not in self.runs:
            return
        per_run = [round(a[over[1]] / b[under[1]], 3)
                   for a, b in zip(self.runs[over[0]], self.runs[under[0]]) if b[under[1]]]
        if per_run:
            self._keep(name, what, per_run, better, goal)

    def limit(self, name, what, case, metric, better, goal):
        """A goal that is a number of ours and no ratio."""
        self._keep(name, what, [run[metric] for run in self.runs[case]], better, goal)

    def _keep(self, name, what, per_run, better, goal):
        self.ratios[name] = {"what": what, "value": round(statistics.median(per_run), 3),
                             "per_run": per_run, "better": better, "goal": goal}

    def document(self):
        return {"parameters": self.parameters, "runs": self.runs,
                "median": {case: self.median(case) for case in self.runs},
                "ratios": self.ratios, "notes": self.notes}


def holds(ratio):
    """Whether a goal is kept; None where there is none."""
    if ratio["goal"] is None:
        return None
    if ratio["better"] == "lower":
        return ratio["value"] <= ratio["goal"]
    return ratio["value"] >= ratio["goal"]


def goal_text(ratio):
    if ratio["goal"] is None:
        return ""
    return ("<= %g" if ratio["better"] == "lower" else ">= %g") % ratio["goal"]


def number(value):
    if isinstance(value, float) and abs(value) < 100:
        return "%.3g" % value if abs(value) < 1 else "%.2f" % value
    return "{:,.0f}".format(value)


def print_measurement(name, measurement):
    """The medians, one line for a case, then the ratios."""
    print("\n%s: %s" % (name, ", ".join("%s %s" % item for item in measurement["parameters"].items())))
    for case, medians in measurement["median"].items():
        print("  %-34s %s" % (case, "  ".join(
            "%s %s" % (metric, number(value)) for metric, value in medians.items())))
    for ratio in measurement["ratios"].values():
        kept = holds(ratio)
        verdict = "" if kept is None else "  goal %s: %s" % (
            goal_text(ratio), "kept" if kept else "MISSED")
        print("  -> %s: %s%s" % (ratio["what"], number(float(ratio["value"])), verdict))
    for note in measurement["notes"]:
        print("  note: " + note)


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    except OSError:
        return None
    return (done.stdout or done.stderr).split("\n")[0].strip() or None


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        found = re.search(r"^model name\s*: (.*)$", info.read(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def machine():
    memory_kib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    return {"cores": os.cpu_count(), "processor": processor(), "memory_mib": memory_kib // 1024,
            "system": platform.platform()}


def build_type(folder):
    """How the program was built: a number of an unoptimized one says nothing."""
    out = {}
    with open(os.path.join(folder, "CMakeCache.txt"), encoding="utf-8") as cache:
        for line in cache:
            found = re.match(r"(CMAKE_BUILD_TYPE|CMAKE_CXX_FLAGS|CMAKE_CXX_FLAGS_RELWITHDEBINFO|"
                             r"CROSSFADE_SANITIZE):\w+=(.*)", line)
            if found:
                out[found.group(1).lower()] = found.group(2).strip()
    return out


def versions(context):
    return {
        "crossfade": first_line([context.crossfade, "--version"]),
        "commit": first_line(["git", "rev-parse", "--short", "HEAD"]),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": first_line(["postgres", "--version"]) if context.server is None
        else first_line([os.path.join(context.server.bin, "postgres"), "--version"]),
        "pgloader": first_line(["pgloader", "--version"]),
        "python": platform.python_version(),
    }


def document(context, measurements):
    return {"machine": machine(), "versions": versions(context), "build": build_type(context.build),
            "settings": context.settings, "seed": context.seed, "smoke": context.smoke,
            "measurements": measurements}
