"""Runs commands and says what they took: wall clock, processor time, peak memory."""
import os
import subprocess
import threading
import time

POLL_S = 0.01  # VmHWM never falls, so that only what a process does in its last moment is missed


class Spent:
    def __init__(self, seconds, cpu_s, peak_mib, out):
        self.seconds = seconds
        self.cpu_s = cpu_s
        self.peak_mib = peak_mib
        self.out = out

    def numbers(self, **more):
        return {"seconds": round(self.seconds, 4), "cpu_s": round(self.cpu_s, 4),
                "peak_mib": round(self.peak_mib, 1), **more}


def high_water_kib(pid):
    # Not ru_maxrss: that of a child begins with what its parent had when it forked.
    try:
        with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


class PeakWatch:
    """Adds up the peaks of processes while they run."""

    def __init__(self, pids):
        self.peaks = {pid: 0 for pid in pids}
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        while not self.done.wait(POLL_S):
            for pid in self.peaks:
                self.peaks[pid] = max(self.peaks[pid], high_water_kib(pid))

    def stop(self):
        self.done.set()
        self.thread.join()
        return sum(self.peaks.values()) / 1024


def run(*commands, accept=(0,), **options):
    """Commands that pipe into one another; the last one's output is kept."""
    children = []
    began = time.monotonic()
    source = subprocess.DEVNULL
    for command in commands:
        child = subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE if len(commands) == 1 else None, **options)
        if source is not subprocess.DEVNULL:
            source.close()
        source = child.stdout
        children.append(child)
    watch = PeakWatch([child.pid for child in children])
    errors = []
    if children[-1].stderr is not None:  # else a child that complains much would wait for us
        reader = threading.Thread(target=lambda: errors.append(children[-1].stderr.read()))
        reader.start()
    out = source.read()
    cpu_s = 0.0
    for child in children:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        cpu_s += usage.ru_utime + usage.ru_stime
    seconds = time.monotonic() - began
    peak_mib = watch.stop()
    if children[-1].stderr is not None:
        reader.join()
    for command, child in zip(commands, children):
        if child.returncode not in accept:
            raise SystemExit("bench: %s ended with %d\n%s" % (
                " ".join(command)[:300], child.returncode,
                b"".join(errors).decode(errors="replace")[-2000:]))
    return Spent(seconds, cpu_s, peak_mib, out)
