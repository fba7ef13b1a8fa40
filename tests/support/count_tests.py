#!/usr/bin/python3
"""Prints "PASSED FAILED SKIPPED" test cases of one ctest run, from the folder of its results.

ctest.junit lists the test programs; each GoogleTest program left NAME.xml with its cases. A program
that failed without a failed case (it crashed, a sanitizer spoke, it left no file) counts as one.
The names of those that failed go to standard error, a line each.
"""
import os
import sys
import xml.etree.ElementTree as ElementTree


def number(element, name):
    return int(element.get(name) or 0)


def cases(path):
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    failed = number(root, "failures") + number(root, "errors")
    skipped = sum(number(suite, "skipped") for suite in root.iter("testsuite"))
    for case in root.iter("testcase"):
        if case.find("failure") is not None:
            print(f"FAILED: {case.get('classname')}.{case.get('name')}", file=sys.stderr)
    return number(root, "tests") - number(root, "disabled") - failed - skipped, failed, skipped


def main():
    folder = sys.argv[1]
    passed = failed = skipped = 0
    for program in ElementTree.parse(os.path.join(folder, "ctest.junit")).getroot().iter("testcase"):
        succeeded = program.get("status") == "run"
        counted = cases(os.path.join(folder, program.get("name") + ".xml"))
        if counted is None:
            counted = (1, 0, 0) if succeeded else (0, 1, 0)
            if not succeeded:
                print(f"FAILED: {program.get('name')} (no case's result)", file=sys.stderr)
        elif not succeeded and counted[1] == 0:
            counted = (counted[0], 1, counted[2])
            print(f"FAILED: {program.get('name')} (outside of its cases)", file=sys.stderr)
        passed, failed, skipped = passed + counted[0], failed + counted[1], skipped + counted[2]
    if passed + failed == 0:
        failed = 1  # no test ran
    print(passed, failed, skipped)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
