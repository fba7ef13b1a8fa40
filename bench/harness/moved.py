"""A source that is followed: the set-up that lag, pause, live and scale have in common."""
import contextlib
import sqlite3
import time

from harness import shapes
from harness.context import stop

PATIENCE_S = 60


def add_items(path):
    """The table that crossfade_bench_load writes to, beside the shape's."""
    narrow = shapes.SHAPES["narrow"]
    db = sqlite3.connect(path)
    db.execute(narrow.create_sql().replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
    db.execute(narrow.indexes[0].replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS"))
    db.commit()
    db.close()


def until(what, condition, seconds=PATIENCE_S, pause=0.005):
    """The moment at which the condition was first seen to hold."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_at:
            raise SystemExit("bench: not within %d s: %s" % (seconds, what))
        time.sleep(pause)
    return time.monotonic()


@contextlib.contextmanager
def followed(context, path, url):
    """Both sides are equal, and an engine keeps them so."""
    context.run("run", path, "--target", url, "--until", "verified")
    with engine(context, path) as process:
        yield process


@contextlib.contextmanager
def engine(context, path):
    process = context.start(path)
    try:
        def follows():
            if process.poll() is not None:
                raise SystemExit("bench: the engine ended with %d" % process.returncode)
            status = context.status(path)
            return status.get("running") and status["phase"] in ("following", "reversed")
        until("the engine follows", follows, pause=0.05)
        yield process
    finally:
        stop(process)
