"""Values for columns of PostgreSQL types, as text: of the kind that a column holds already, so that
SQLite has an equal for each. Only Python's standard library; nothing of the engine."""
import datetime
import decimal
import json
import random
import uuid

WORDS = (" ~", " é~", " it's ~", ' "q" ~', " 漢😀~", " a\\b~", " tab\t~", " line\n~")


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def literal(value):
    """A string literal; its type is what the place asks for."""
    if value is None:
        return "NULL"
    if "\\" in value:
        return " E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    return "'" + value.replace("'", "''") + "'"


def copy_field(value):
    if value is None:
        return "\\N"
    for plain, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        value = value.replace(plain, escaped)
    return value


def uncopy(field):
    if field == "\\N":
        return None
    out, i = [], 0
    while i < len(field):
        if field[i] == "\\":
            i += 1
            out.append({"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}.get(field[i], field[i]))
        else:
            out.append(field[i])
        i += 1
    return "".join(out)


class Column:
    def __init__(self, name, kind, notnull):
        self.name, self.kind, self.notnull = name, kind, notnull
        self.base = kind.split("(")[0]
        self.unique = False
        self.parent = None  # (table's oid, column's name) of a foreign key
        self.pool = []      # values there are; None is NULL
        self.as_is = False  # no others than those

    def has_times(self):
        """Some value has seconds: others may, too. Whole days stay whole days."""
        return any(v and not v.split("+")[0].endswith(":00") and ":" in v for v in self.pool)

    def is_flag(self):
        return bool(self.pool) and all(v in (None, "0", "1") for v in self.pool)

    def invent(self, rng):
        """A first value, for a column that holds none."""
        kind = self.base
        if kind in ("bigint", "integer", "smallint", "numeric"):
            return str(rng.randint(0, 100))
        if kind in ("real", "double precision"):
            return "%d.25" % rng.randint(0, 1000)
        if kind == "boolean":
            return rng.choice("tf")
        if kind == "bytea":
            return "\\x" + rng.randbytes(rng.randint(0, 40)).hex()
        if kind == "uuid":
            return self.fresh_uuid(rng)
        if kind == "date":
            return "2024-%02d-%02d" % (rng.randint(1, 12), rng.randint(1, 28))
        if kind.startswith("timestamp"):
            zone = "+00" if "with time zone" in self.kind else ""
            return "2024-%02d-%02d 00:00:00%s" % (rng.randint(1, 12), rng.randint(1, 28), zone)
        if kind == "jsonb":  # one of SQLite's values, of any class
            return rng.choice(('"text %d"', "%d", "%d.25")) % rng.randint(0, 1000000)
        if kind == "json":
            return '{"n": %d}' % rng.randint(0, 9)
        return "text %d" % rng.randint(0, 1000000)

    def fresh_uuid(self, rng):
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))

    def shift(self, value, rng, days):
        """A time, moved by whole days: what SQLite spells it as stays as long as it is."""
        head, zone = (value[:-3], value[-3:]) if value[-3:-2] in "+-" and ":" in value else (value, "")
        try:
            if len(head) == 10:
                return (datetime.date.fromisoformat(head) + datetime.timedelta(days=days)).isoformat()
            moved = datetime.datetime.strptime(head[:19], "%Y-%m-%d %H:%M:%S") + datetime.timedelta(days=days)
            if self.has_times():
                moved = moved.replace(second=rng.randint(0, 59), minute=rng.randint(0, 59))
            return moved.strftime("%Y-%m-%d %H:%M:%S") + head[19:] + zone
        except (ValueError, OverflowError):
            return value

    def mutate(self, value, rng):
        kind = self.base
        if kind in ("bigint", "integer"):
            return value if self.is_flag() else str(int(value) + rng.randint(0, 9))
        if kind == "numeric":
            changed = decimal.Decimal(value)
            return str(changed + rng.randint(0, 3)) if changed.is_finite() else value
        if kind in ("real", "double precision"):
            changed = round(float(value) * rng.uniform(0.5, 1.2), 3)
            finite = abs(changed) < 1e15
            return value if not finite else repr(changed + 0.25 if changed == int(changed) else changed)
        if kind == "boolean":
            return rng.choice("tf")
        if kind == "bytea":
            return value[:400] + rng.randbytes(3).hex()
        if kind == "date" or kind.startswith("timestamp"):
            return self.shift(value, rng, rng.randint(-30, 30))
        if kind == "uuid":
            return self.fresh_uuid(rng)
        if kind in ("json", "jsonb"):
            return self.mutate_json(value, rng)
        if kind.endswith("]"):
            return self.mutate_array(value, rng)
        if value[:1] in "{[":  # JSON, perhaps, in a text
            return value
        return value[:60] + rng.choice(WORDS) + str(rng.randint(0, 999))

    def mutate_array(self, value, rng):
        items = value.strip("{}").split(",")
        items[rng.randrange(len(items))] = "%.4f" % rng.uniform(-1, 1)
        return "{" + ",".join(items) + "}"

    def mutate_json(self, value, rng):
        """Its class stays: a jsonb may be one value of SQLite's with its class."""
        try:
            found = json.loads(value)
        except ValueError:
            return value
        if isinstance(found, dict) and not any(k.startswith("$") for k in found):
            return json.dumps({**found, "changed": rng.randint(0, 999)}, ensure_ascii=rng.random() < 0.5)
        if isinstance(found, list):
            return json.dumps(found + [rng.randint(0, 9)])
        if isinstance(found, str) and self.base == "jsonb":
            return json.dumps(found[:60] + rng.choice(WORDS[:4]) + str(rng.randint(0, 999)))
        return value

    def pick(self, rng):
        if not self.pool:
            return None if not self.notnull and rng.random() < 0.3 else self.invent(rng)
        value = rng.choice(self.pool)
        if value is None:
            return self.invent(rng) if self.notnull else None
        return self.mutate(value, rng) if self.parent is None and not self.as_is and rng.random() < 0.5 else value

    def fresh(self, rng):
        """One that nobody else has."""
        sample = next((v for v in self.pool if v is not None), None) or self.invent(rng)
        kind = self.base
        if kind in ("bigint", "integer", "numeric"):
            return str(rng.randint(10_000, 2_000_000_000))
        if kind in ("real", "double precision"):
            return repr(rng.getrandbits(30) + 0.5)
        if kind == "bytea":
            return sample[:48] + rng.randbytes(8).hex()
        if kind == "date" or kind.startswith("timestamp"):
            return self.shift(sample, rng, rng.randint(1, 40000))
        if kind in ("uuid", "boolean"):
            return self.mutate(sample, rng)
        if kind == "jsonb":
            return json.dumps("fresh %08x" % rng.getrandbits(32))
        return sample[:24] + "-%08x" % rng.getrandbits(32)

    def numbered(self, value, base):
        """SQL for the n-th value that nobody else has, n being a column of that name."""
        kind = self.base
        if kind in ("bigint", "integer", "numeric"):
            return "%d + n" % base
        if kind in ("real", "double precision"):
            return "%d.5 + n" % base
        if kind == "bytea":
            return "decode(md5(%d || ' ' || n), 'hex')" % base
        if kind == "uuid":
            return "md5(%d || ' ' || n)::uuid" % base
        if kind == "date" or kind.startswith("timestamp"):
            return "(%s::%s + n * interval '1 day')::%s" % (literal(value), self.kind, self.kind)
        if kind in ("text", "character varying"):
            return "%s || '-' || md5(%d || ' ' || n)" % (literal((value or "")[:24]), base)
        return literal(value) + "::" + self.kind
