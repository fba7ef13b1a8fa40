"""Waiting for a move to get somewhere."""
import time

PATIENCE_S = 60


def until(what, condition, seconds=PATIENCE_S, pause=0.005):
    """The moment at which the condition was first seen to hold."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_at:
            raise SystemExit("bench: not within %d s: %s" % (seconds, what))
        time.sleep(pause)
    return time.monotonic()
