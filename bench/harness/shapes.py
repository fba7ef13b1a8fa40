"""The tables that are measured: their DDL, and rows that depend on the seed alone."""
import os
import random
import sqlite3
import string
import struct

WIDE_COLUMNS = 40
BLOB_BYTES = 8192
DIMENSIONS = 768  # of an embedding, 4 bytes each
KINDS = ("text", "image", "code")


class Shape:
    """`table` has an INTEGER PRIMARY KEY `id`; `update` names the columns that an update sets."""

    def __init__(self, table, columns, indexes, rows_default, update, row):
        self.table = table
        self.columns = columns  # [(name, declaration)]
        self.indexes = indexes
        self.rows_default = rows_default
        self.update = update
        self.row = row  # f(noise, key, rows) -> tuple

    def names(self):
        return [name for name, _ in self.columns]

    def create_sql(self):
        return "CREATE TABLE %s(%s)" % (
            self.table, ", ".join("%s %s" % column for column in self.columns))

    def blobs(self):
        return {name for name, declared in self.columns if declared.startswith("BLOB")}


class Noise:
    """Cheap values out of one generator: slices of a random text rather than new texts."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        letters = string.ascii_letters + " "
        self.letters = "".join(self.random.choice(letters) for _ in range(5000))
        self.bytes = self.random.randbytes(1 << 20)

    def text(self, size):
        at = self.random.randrange(len(self.letters) - size)
        return self.letters[at:at + size]

    def blob(self, size):
        at = self.random.randrange(len(self.bytes) - size)
        return self.bytes[at:at + size]

    def number(self, below):
        return int(self.random.random() * below)


def stamp(key):
    return "2025-%02d-%02d %02d:%02d:%02d" % (
        key % 12 + 1, key % 28 + 1, key % 24, key % 60, key % 60)


def narrow_row(noise, key, rows):
    return key, noise.number(max(1, rows // 10)), noise.text(16), noise.random.random()


def segments_row(noise, key, rows):
    text = noise.text(110)
    return (key, noise.number(max(1, rows // 10)), text[:20], text, KINDS[key % 3],
            noise.random.random(), stamp(key), text[:64].encode("ascii"))


def wide_row(noise, key, rows):
    cells = []
    for i in range(WIDE_COLUMNS):
        kind = i % 4
        cells.append(noise.number(1 << 40) if kind == 0 else noise.random.random() if kind == 1
                     else noise.text(24) if kind == 2 else None if key % 5 == 0 else stamp(key))
    return (key, *cells)


def blobs_row(noise, key, rows):
    return key, "file-%d.bin" % key, noise.blob(BLOB_BYTES)


def embeddings_row(noise, key, rows):
    vector = struct.pack("<%df" % DIMENSIONS, *struct.unpack(
        "<%db" % DIMENSIONS, noise.blob(DIMENSIONS)))
    return key, noise.number(max(1, rows // 10)), noise.text(300), vector


WIDE = [("c%d" % i, ("INTEGER", "REAL", "TEXT", "TEXT")[i % 4]) for i in range(WIDE_COLUMNS)]
KEY = ("id", "INTEGER PRIMARY KEY")
SHAPES = {
    "narrow": Shape(
        "items", [KEY, ("ref", "INTEGER NOT NULL"), ("name", "TEXT"), ("amount", "REAL")],
        ["CREATE INDEX items_ref ON items(ref)"], 1_000_000, ["name", "amount"], narrow_row),
    # bench/memory's table: 270 bytes a row.
    "segments": Shape(
        "segments",
        [KEY, ("thought_id", "INTEGER NOT NULL"), ("title", "TEXT"), ("content", "TEXT NOT NULL"),
         ("kind", "TEXT"), ("weight", "REAL"), ("created_at", "TEXT"), ("embedding", "BLOB")],
        ["CREATE INDEX segments_thought ON segments(thought_id)",
         "CREATE INDEX segments_created ON segments(created_at)",
         "CREATE INDEX segments_kind ON segments(kind, weight)"],
        1_000_000, ["title", "weight"], segments_row),
    "wide": Shape("records", [KEY, *WIDE], ["CREATE INDEX records_c0 ON records(c0)"],
                  200_000, ["c1", "c2"], wide_row),
    "blobs": Shape("files", [KEY, ("name", "TEXT"), ("body", "BLOB")], [], 50_000, ["name"],
                   blobs_row),
    "embeddings": Shape(
        "passages", [KEY, ("doc", "INTEGER"), ("body", "TEXT"), ("vector", "BLOB")],
        ["CREATE INDEX passages_doc ON passages(doc)"], 80_000, ["body"], embeddings_row),
}


def make(path, shape, rows, seed):
    """A new file with the shape's table; the same bytes for the same seed."""
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.remove(path + suffix)
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous=off")
    db.execute("PRAGMA journal_mode=wal")
    db.execute(shape.create_sql())
    noise = Noise(seed)
    marks = ", ".join("?" * len(shape.columns))
    db.executemany("INSERT INTO %s VALUES(%s)" % (shape.table, marks),
                   (shape.row(noise, key, rows) for key in range(1, rows + 1)))
    for sql in shape.indexes:
        db.execute(sql)
    db.commit()
    db.execute("PRAGMA wal_checkpoint(truncate)")
    db.close()
    os.chmod(path, 0o644)
