#!/usr/bin/env python3
"""Proves that docs/findings.md has every code that the engine reports, no other, and a test for each.

Run it: it exits non-zero if not.
"""
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROW = re.compile(r"^\| `(\w+)` \|(.*)\|$", re.MULTILINE)
# A finding is made of its severity and code, or of a code that is set, or of rows that were counted.
MADE = re.compile(r'(?:Severity::k\w+|severity\([^)]*\)),\s*"([a-z][a-z0-9_]+)"'
                  r'|\b\w+\.code = "(\w+)"|\badd\("(\w+)", table\.name|\b(?:add\(evidence|find\(forms_)[\w.]+, "(\w+)"')
EFFORT = re.compile(r'^ +\{"(\w+)", Effort::', re.MULTILINE)


def texts(folder, end):
    """Path and text of each file below `folder`."""
    for base, _, names in os.walk(os.path.join(ROOT, folder)):
        for name in names:
            if name.endswith(end):
                with open(os.path.join(base, name), encoding="utf-8") as file:
                    yield os.path.join(base, name), file.read()


def codes_in(text):
    return {code for found in MADE.findall(text) for code in found if code}


class FindingsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "docs/findings.md"), encoding="utf-8") as file:
            cls.rows = dict(ROW.findall(file.read()))
        sources = list(texts("engine", ".cc"))
        cls.made = set().union(*(codes_in(text) for _, text in sources))
        cls.efforts = set().union(*(EFFORT.findall(text) for _, text in sources))

    def test_the_page_has_every_code_and_no_other(self):
        self.assertGreater(len(self.made), 40)  # it did look
        self.assertEqual(set(self.rows), self.made)

    def test_every_effort_is_of_a_code_that_is_made(self):
        self.assertGreater(len(self.efforts), 40)
        self.assertEqual(self.efforts - self.made, set())

    def test_every_code_is_met_by_a_test(self):
        tests = "".join(text for _, text in texts("tests", ".cc"))
        self.assertEqual({code for code in self.made if not re.search(r"\b%s\b" % code, tests)}, set())


class SelfTest(unittest.TestCase):
    """What must be found is found."""

    def test_forms(self):
        self.assertEqual(codes_in('make(Severity::kInfo, "aa", t);\nadd(severity(claims_.b),\n "ccc", 1)'
                                  '\nfinding.code = "d";\nif (finding.code == "e") add(evidence.f, "g", x)'),
                         {"aa", "ccc", "d", "g"})
        self.assertEqual(ROW.findall("| `a_b` | c | d |\n| x | `y` |"), [("a_b", " c | d ")])


if __name__ == "__main__":
    unittest.main()
