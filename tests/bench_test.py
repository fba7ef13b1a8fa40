#!/usr/bin/env python3
"""Promises of bench/compare and bench/report: a regression is seen, and the page says what was measured.

Run it: it exits non-zero if not.
"""
import copy
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLD = {
    "machine": {"cores": 2}, "build": {"cmake_build_type": "RelWithDebInfo"}, "smoke": False,
    "measurements": {"snapshot": {
        "median": {"crossfade": {"seconds": 10.0, "rows_per_s": 1000, "rows": 5}},
        "ratios": {"over_raw": {"what": "time to raw", "value": 1.0, "better": "lower"},
                   "rate": {"what": "rate to copy", "value": 0.5, "better": "higher"}}}}}


class CompareTest(unittest.TestCase):
    def compare(self, old, new, *flags):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, document in (("old.json", old), ("new.json", new)):
                paths.append(os.path.join(folder, name))
                with open(paths[-1], "w", encoding="utf-8") as file:
                    json.dump(document, file)
            return subprocess.run([sys.executable, os.path.join(ROOT, "bench", "compare"), *paths,
                                   *flags], capture_output=True, text=True)

    def changed(self, ratio, value):
        new = copy.deepcopy(OLD)
        new["measurements"]["snapshot"]["ratios"][ratio]["value"] = value
        return new

    def test_the_same_is_no_regression(self):
        self.assertEqual(self.compare(OLD, OLD, "--medians").returncode, 0)

    def test_either_direction_has_its_regression(self):
        for ratio, worse, better in (("over_raw", 1.2, 0.5), ("rate", 0.4, 0.9)):
            done = self.compare(OLD, self.changed(ratio, worse))
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertEqual(done.stdout.count("WORSE"), 1)
            self.assertEqual(self.compare(OLD, self.changed(ratio, better)).returncode, 0)

    def test_what_is_within_the_threshold_is_none(self):
        self.assertEqual(self.compare(OLD, self.changed("over_raw", 1.14)).returncode, 0)
        done = self.compare(OLD, self.changed("over_raw", 1.14), "--threshold", "0.1")
        self.assertEqual(done.returncode, 1)

    def test_medians_count_when_asked_for(self):
        new = copy.deepcopy(OLD)
        new["measurements"]["snapshot"]["median"]["crossfade"]["rows_per_s"] = 500
        self.assertEqual(self.compare(OLD, new).returncode, 0)
        self.assertEqual(self.compare(OLD, new, "--medians").returncode, 1)

    def test_instructions_have_a_threshold_of_their_own(self):
        old = {"instructions": {"row_digest": {"per_item": 1000.0}}}
        for count, code in ((1010.0, 0), (1050.0, 1), (500.0, 0)):
            new = {"instructions": {"row_digest": {"per_item": count}}}
            self.assertEqual(self.compare(old, new).returncode, code)

    def test_another_machine_is_said(self):
        new = copy.deepcopy(OLD)
        new["machine"]["cores"] = 64
        self.assertIn("not the same machine", self.compare(OLD, new).stdout)

    def test_nothing_in_common_is_an_error(self):
        self.assertEqual(self.compare(OLD, {"measurements": {}}).returncode, 2)


class ReportTest(unittest.TestCase):
    def test_the_page_says_what_the_results_are(self):
        done = subprocess.run([os.path.join(ROOT, "bench", "report"), "--check"], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class FlameTest(unittest.TestCase):
    SCRIPT = """crossfade
\t    55d0 crossfade::apply::(anonymous namespace)::encode[abi:cxx11](int) (/b/crossfade)
\t    55d1 main (/b/crossfade)

crossfade
\t    7f00 [unknown] (/usr/lib/libsqlite3.so.0.8.6)
\t    7f01 [unknown] (/usr/lib/libsqlite3.so.0.8.6)
\t    55d1 main (/b/crossfade)

postgres
\t    5500 a <b> (/usr/lib/postgresql/15/bin/postgres)

bash
\t    1 x (/bin/bash)
"""

    def setUp(self):
        sys.path.insert(0, os.path.join(ROOT, "bench"))
        from harness import flame
        self.flame = flame

    def test_stacks_begin_with_the_process_and_others_are_left_out(self):
        stacks = self.flame.fold(self.SCRIPT, ("crossfade", "postgres"))
        self.assertEqual(sum(stacks.values()), 3)
        self.assertIn((("crossfade", "crossfade"), ("main", "crossfade"),
                       ("crossfade::apply::encode", "crossfade")), stacks)
        self.assertIn((("crossfade", "crossfade"), ("main", "crossfade"),
                       ("libsqlite3.so.0.8.6", "libsqlite3.so.0.8.6")), stacks)

    def test_the_picture_says_shares_and_is_well_formed(self):
        svg = self.flame.draw("t", self.flame.fold(self.SCRIPT, ("crossfade", "postgres")))
        xml.etree.ElementTree.fromstring(svg)
        self.assertIn("<title>main, crossfade: 66.7 %</title>", svg)
        self.assertIn("a &lt;b&gt;, postgres: 33.3 %", svg)


if __name__ == "__main__":
    unittest.main()
