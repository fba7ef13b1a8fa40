#!/usr/bin/env python3
"""Proves that includes point down only (docs/architecture.md): run it, it exits non-zero if not.

Also: project includes are root-relative, and headers do not drag spdlog or Boost.Asio along.
Folders named `examples` hold programs of other people, which see an installed header only.
"""
import os
import re
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# From the floor to the roof. Folders of one layer never include each other.
LAYERS = [
    ["engine/core"],
    ["engine/observe"],
    ["engine/sqlite", "engine/postgres", "engine/flow"],
    ["engine/schema"],
    ["capture", "apply", "verify"],
    ["engine/run"],
    ["tools"],
    ["bench"],  # writes as an application does, through tools/client
    ["tests"],
]
HEAVY = re.compile(r"^(spdlog/|boost/asio)")  # not in headers: every includer would pay for them
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
RANKS = {folder: rank for rank, layer in enumerate(LAYERS) for folder in layer}


def folder_of(path):
    """The layered folder that a root-relative path lies in, or None."""
    return next((f for f in RANKS if path.startswith(f + "/")), None)


def violations_in(path, text, exists):
    here = folder_of(path)
    if here is None:
        return ["%s: lies in no layer; add its folder to tests/layers_test.py" % path]
    found = []
    for quoted, angled in INCLUDE.findall(text):
        if angled:
            if HEAVY.match(angled) and path.endswith(".h"):
                found.append("%s: <%s> belongs into a .cc file" % (path, angled))
            if exists(angled):
                found.append("%s: <%s> is ours: use quotes" % (path, angled))
            continue
        there = folder_of(quoted)
        if there is None or not exists(quoted):
            found.append('%s: "%s" is not a root-relative path to a file of ours' % (path, quoted))
        elif RANKS[there] > RANKS[here]:
            found.append('%s: "%s" points up: %s is above %s' % (path, quoted, there, here))
        elif RANKS[there] == RANKS[here] and there != here:
            found.append('%s: "%s" points sideways: %s and %s are siblings' % (path, quoted, there, here))
    return found


def sources():
    for folder in RANKS:
        for base, folders, names in os.walk(os.path.join(ROOT, folder)):
            folders[:] = [f for f in folders if f not in ("examples", "__pycache__")]
            for name in names:
                if name.endswith((".h", ".cc", ".c")):
                    yield os.path.relpath(os.path.join(base, name), ROOT)


class LayersTest(unittest.TestCase):
    def test_includes_point_down_only(self):
        exists = lambda path: os.path.isfile(os.path.join(ROOT, path))
        checked, found = 0, []
        for path in sources():
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                found += violations_in(path, file.read(), exists)
            checked += 1
        self.assertEqual(found, [], "\n" + "\n".join(found))
        self.assertGreater(checked, 50)  # it did look

    def test_every_folder_with_sources_has_a_layer(self):
        for base, folders, names in os.walk(ROOT):
            folders[:] = [f for f in folders
                          if f != "examples" and not f.startswith((".", "build", "__"))]
            for name in names:
                path = os.path.relpath(os.path.join(base, name), ROOT)
                if name.endswith((".h", ".cc")):
                    self.assertIsNotNone(folder_of(path), path)


class SelfTest(unittest.TestCase):
    """What must be caught is caught."""

    def check(self, path, include, caught, exists=True):
        found = violations_in(path, "#pragma once\n  #  include %s\n" % include, lambda _: exists)
        self.assertEqual(bool(found), caught, "%s includes %s: %s" % (path, include, found))

    def test_directions(self):
        self.check("engine/core/value.h", '"engine/core/strong.h"', False)
        self.check("engine/core/value.cc", '"engine/observe/log.h"', True)
        self.check("engine/sqlite/a.cc", '"engine/core/value.h"', False)
        self.check("engine/sqlite/a.cc", '"engine/postgres/quote.h"', True)
        self.check("engine/schema/a.cc", '"apply/encoder.h"', True)
        self.check("engine/schema/a.cc", '"engine/run/route_file.h"', True)
        self.check("verify/a.cc", '"apply/encoder.h"', True)
        self.check("apply/a.cc", '"capture/names.h"', True)
        self.check("apply/a.cc", '"engine/run/route_file.h"', True)
        self.check("engine/run/a.cc", '"apply/applier.h"', False)
        self.check("engine/run/a.cc", '"tools/cli/config.h"', True)
        self.check("tools/cli/a.cc", '"engine/run/route_file.h"', False)
        self.check("tests/unit/a.cc", '"tools/cli/config.h"', False)
        self.check("tools/cli/a.cc", '"tests/support/wait.h"', True)

    def test_forms(self):
        self.check("engine/core/value.cc", '"value.h"', True)
        self.check("engine/core/value.cc", '"../core/value.h"', True)
        self.check("engine/core/value.cc", '"engine/core/value.h"', True, exists=False)
        self.check("engine/core/value.cc", "<engine/core/value.h>", True)
        self.check("engine/observe/log.h", "<spdlog/spdlog.h>", True, exists=False)
        self.check("engine/observe/log.cc", "<spdlog/spdlog.h>", False, exists=False)
        self.check("engine/run/a.h", "<boost/asio.hpp>", True, exists=False)
        self.check("engine/run/a.h", "<vector>", False, exists=False)
        self.check("elsewhere/a.cc", "<vector>", True, exists=False)


if __name__ == "__main__":
    unittest.main()
