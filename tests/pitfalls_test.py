#!/usr/bin/env python3
"""Proves that docs/pitfalls.md has its 53 rows and each names tests that exist.

Run it: it exits non-zero if not.
"""
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROWS = 53
ROW = re.compile(r"^\| *(\d+) *\|(.*)\|([^|]*)\|([^|]*)\|$")
NAME = re.compile(r"`(\w+\.\w+)`")
TEST = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)")


def rows_in(page):
    """(number, names of its tests) of each row of the page's table."""
    found = (ROW.match(line) for line in page.splitlines())
    return [(int(row.group(1)), NAME.findall(row.group(4))) for row in found if row]


def problems_in(page, tests):
    rows = rows_in(page)
    found = []
    if [number for number, _ in rows] != list(range(1, ROWS + 1)):
        found.append("the rows are not numbered 1 to %d, once each" % ROWS)
    for number, names in rows:
        if not names:
            found.append("row %d names no test" % number)
        found += ["row %d: there is no test %s" % (number, n) for n in names if n not in tests]
    return found


def tests_in_tree():
    tests = set()
    for base, _, names in os.walk(os.path.join(ROOT, "tests")):
        for name in names:
            if name.endswith(".cc"):
                with open(os.path.join(base, name), encoding="utf-8") as file:
                    tests.update(".".join(found) for found in TEST.findall(file.read()))
    return tests


class PitfallsTest(unittest.TestCase):
    def test_every_row_names_tests_that_exist(self):
        with open(os.path.join(ROOT, "docs/pitfalls.md"), encoding="utf-8") as file:
            found = problems_in(file.read(), tests_in_tree())
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_every_test_of_a_pitfall_is_on_the_page(self):
        with open(os.path.join(ROOT, "docs/pitfalls.md"), encoding="utf-8") as file:
            named = set(NAME.findall(file.read()))
        tests = {test for test in tests_in_tree() if test.startswith("Pitfall")}
        self.assertGreater(len(tests), 30)  # it did look
        self.assertEqual(tests - named, set())


class SelfTest(unittest.TestCase):
    """What must be caught is caught."""

    def page(self, change=lambda number, row: row):
        rows = ((n, "| %d | a | b \\| c | `ATest.Is`, `BTest.Is` |" % n) for n in range(1, ROWS + 1))
        return "\n".join(change(n, row) for n, row in rows)

    def caught(self, page, tests=("ATest.Is", "BTest.Is")):
        return bool(problems_in(page, set(tests)))

    def test_problems(self):
        self.assertFalse(self.caught(self.page()))
        self.assertTrue(self.caught(self.page(), tests=["ATest.Is"]))
        self.assertTrue(self.caught(self.page(lambda n, row: "" if n == 7 else row)))
        self.assertTrue(self.caught(self.page(lambda n, row: row.replace("`", "") if n == 7 else row)))
        self.assertTrue(self.caught(self.page() + "\n| 53 | a | b | `ATest.Is` |"))

    def test_forms(self):
        text = 'TEST(A, B) {\nTEST_F(C,\n       D) {\nTEST_P(E, F)\n// NOT_A_TEST(G, H)'
        self.assertEqual(TEST.findall(text), [("A", "B"), ("C", "D"), ("E", "F")])


if __name__ == "__main__":
    unittest.main()
