"""What every measurement is given: the flags, a folder, the program, a cluster when it asks."""
import json
import os
import shutil
import sqlite3
import subprocess

from harness import measured, shapes
from harness.cluster import Cluster


class Context:
    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.folder = folder
        self.seed = arguments.seed
        self.runs = arguments.runs
        self.smoke = arguments.smoke
        self.build = os.path.abspath(arguments.build)
        self.crossfade = os.path.join(self.build, "tools", "crossfade")
        self.load = os.path.join(self.build, "bench", "crossfade_bench_load")
        self.settings = {}
        self.server = None

    def rows(self, shape):
        return self.arguments.rows or shape.rows_default

    def shape(self):
        return shapes.SHAPES[self.arguments.shape]

    def source(self, shape, rows, name=None):
        """The path of a file with that table; made once, and again only when `name` says so."""
        path = os.path.join(self.folder, "%s-%d-%d.db" % (name or self.arguments.shape, rows, self.seed))
        if name is not None or not os.path.exists(path):
            self.say("making %s: %d rows" % (os.path.basename(path), rows))
            self.forget(path)
            shapes.make(path, shape, rows, self.seed)
        return path

    def cluster(self, name="pg"):
        cluster = Cluster(os.path.join(self.folder, name))
        self.server = cluster
        return cluster

    def note(self, cluster):
        self.settings = cluster.settings()

    def run(self, verb, path, *flags, accept=(0,)):
        """A crossfade command with --json: what it took, and its document."""
        spent = measured.run([self.crossfade, verb, path, *flags, "--json", "--log-level", "error"],
                             accept=accept, env=self.environment())
        return spent, json.loads(spent.out or b"{}")

    def start(self, path, *flags):
        """`crossfade run` in the background."""
        return subprocess.Popen(
            [self.crossfade, "run", path, *flags, "--log-level", "warn"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, env=self.environment())

    def status(self, path):
        done = subprocess.run([self.crossfade, "status", path, "--json"], capture_output=True,
                              env=self.environment())
        return json.loads(done.stdout or b"{}")

    def environment(self):
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("CROSSFADE_", "PG")) and k != "DATABASE_URL"}
        return {**clean, "CROSSFADE_NO_BACKUP": "true"}  # nobody else makes one either

    def finish(self, path):
        """The source as it was before the move, and nothing left of it."""
        subprocess.run([self.crossfade, "finish", path], stdout=subprocess.DEVNULL, check=True,
                       env=self.environment())
        shutil.rmtree(path + ".crossfade", ignore_errors=True)

    def forget(self, path):
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(path + suffix):
                os.remove(path + suffix)
        shutil.rmtree(path + ".crossfade", ignore_errors=True)

    def say(self, text):
        if not self.arguments.quiet:
            print("  " + text, flush=True)


def stop(engine):
    """Ends an engine that this process started; how it ended."""
    if engine.poll() is None:
        engine.terminate()
    try:
        return engine.wait(timeout=30)
    except subprocess.TimeoutExpired:
        engine.kill()
        return engine.wait()


def read_only(path):
    return sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=10, isolation_level=None)
