#!/usr/bin/python3
"""tools/demo --no-shell shows what it promises and leaves nothing behind."""

import glob
import os
import re
import subprocess

from ddb_cluster import ROOT, SLOW, check, main


def running():
    """Processes of demo clusters, by the directory in their command line."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]) in (b"ddb-node", b"mariadbd") and any(b"/ddb-demo." in word for word in words):
            found.append(path)
    return set(found)


def demo_without_shell():
    before, directories = running(), set(glob.glob("/tmp/ddb-demo.*"))
    result = subprocess.run([os.path.join(ROOT, "tools", "demo"), "--no-shell", "--no-build"], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=180 * SLOW, check=False)
    text = result.stdout
    check(result.returncode == 0, f"exit {result.returncode}: {result.stderr[-1500:]}\n{text[-1500:]}")
    for needed in ("CREATE TABLE", "INSERT INTO", "SELECT", "Barbara"):
        check(needed in text, f"the demo shows {needed}")
    for node in (1, 2, 3):
        check(f"read by node {node}" in text, f"a read executed by node {node} is shown")
    old = re.search(r"the coordinator is node (\d)", text)
    new = re.search(r"the new coordinator is node (\d)", text)
    check(old and new and old.group(1) != new.group(1), "old and new coordinator are named and differ")
    check(running() <= before, "nothing is left running")
    check(set(glob.glob("/tmp/ddb-demo.*")) <= directories, "no directory is left behind")


if __name__ == "__main__":
    main(demo_without_shell)
