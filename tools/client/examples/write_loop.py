#!/usr/bin/env python3
"""The smallest application that lives through a cutover, in Python.

    CROSSFADE_CLIENT=build/tools/client/libcrossfade_client.so.1 write_loop.py app.db [notes]

It adds notes to the table note(id TEXT PRIMARY KEY, body TEXT), on whichever side is primary. On
PostgreSQL it uses psycopg2 when it is installed, and else the psql program.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import time

import crossfade_route


class Moved(Exception):
    """The write was refused and rolled back: another side is, or is about to be, primary."""


class SqliteNotes:
    def __init__(self, path):
        # Autocommit: the transaction below is ours to begin. The timeout is longer than the
        # cutover's --max-pause.
        self._db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=30, isolation_level=None)

    def add(self, note_id, body):
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(
                "INSERT INTO note VALUES (?, ?) ON CONFLICT (id) DO NOTHING", (note_id, body)
            )
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if crossfade_route.is_moved_error(error):
                raise Moved from error
            raise


class Psycopg2Notes:
    def __init__(self, driver, url):
        self._connection = driver.connect(url)

    def add(self, note_id, body):
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO note VALUES (%s, %s) ON CONFLICT (id) DO NOTHING", (note_id, body)
            )


class PsqlNotes:
    def __init__(self, url):
        self._url = url

    def add(self, note_id, body):
        subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"id={note_id}", "-v",
             f"body={body}", "-d", self._url],
            input="INSERT INTO note VALUES (:'id', :'body') ON CONFLICT (id) DO NOTHING;",
            text=True,
            check=True,
        )


def postgres_notes(url):
    try:
        import psycopg2

        return Psycopg2Notes(psycopg2, url)
    except ImportError:
        pass
    if shutil.which("psql"):
        return PsqlNotes(url)
    sys.exit("the data moved to PostgreSQL, and there is neither psycopg2 nor psql to follow it")


class Notes:
    """Follows the route: each note is stored once, on the side that is primary when it is."""

    def __init__(self, path):
        self._route = crossfade_route.Route(path)
        self._sqlite = SqliteNotes(path)
        self._postgres = None

    def add(self, note_id, body):
        while True:
            route = self._route.read()
            try:
                self._side(route).add(note_id, body)
                return
            except Moved:
                # A cutover that stepped back names no new side; then the old one is tried again.
                self._route.wait(route.epoch, timeout_ms=100)

    def _side(self, route):
        if route.primary != crossfade_route.POSTGRES:
            return self._sqlite
        if self._postgres is None:
            self._postgres = postgres_notes(route.url)
        return self._postgres

    def followed(self):
        return self._postgres is not None


def main():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} DATABASE [NOTES]")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    try:
        notes = Notes(sys.argv[1])
    except OSError as error:
        sys.exit(f"the route cannot be read ({error}); is CROSSFADE_CLIENT the client library?")
    for i in range(count):
        # The id is chosen before the first attempt, so that a repeated attempt finds its own note.
        note_id = f"py-{os.getpid()}-{i}"
        try:
            notes.add(note_id, "from the Python example")
        except subprocess.CalledProcessError:
            sys.exit(f"{note_id} is not known to be written: psql says why above; repeat it")
        time.sleep(0.01)
    print(f"{count} notes written, the last to {'postgres' if notes.followed() else 'sqlite'}")


if __name__ == "__main__":
    main()
