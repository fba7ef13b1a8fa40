#!/usr/bin/python3
"""Stops and removes the PostgreSQL clusters named on stdin, once stdin closes.

Its writer is a test process: stdin closes when that ends, however it ends. A cluster that the tests
took down themselves is not there any more, and nothing happens.
"""
import os
import shutil
import signal
import sys
import time


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def runs(pid, data):
    try:
        return os.readlink("/proc/%d/cwd" % pid) == os.path.realpath(data)
    except OSError:
        return False


def reap(folder):
    location = read(os.path.join(folder, "location")).strip() or folder
    data = os.path.join(location, "data")
    pid = int(read(os.path.join(data, "postmaster.pid")).split("\n")[0] or 0)
    for number in (signal.SIGQUIT, signal.SIGKILL):
        end = time.monotonic() + 10
        if pid > 1 and runs(pid, data):
            os.kill(pid, number)
        while pid > 1 and runs(pid, data) and time.monotonic() < end:
            time.sleep(0.05)
    for path in (location, folder):
        shutil.rmtree(path, ignore_errors=True)


for line in set(sys.stdin.read().split("\n")):
    if line and os.path.isdir(line):
        reap(line)
