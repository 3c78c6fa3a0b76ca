#!/usr/bin/python3
"""Runs the commands of README.md: every line of its bash blocks, in order, in one shell that stops at the first error.

A block whose first line is `# not run here: REASON` is left out: it concerns other hosts or ends in a shell.
"""

import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

from layout import choose_port  # noqa: E402
from ddb_cluster import BIN, ROOT, SLOW, check, main, note, path  # noqa: E402


def blocks():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        found = re.findall(r"^( *)```bash\n(.*?)^ *```", file.read(), re.MULTILINE | re.DOTALL)
    check(found, "README.md has bash blocks")
    found = [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]
    return [block for block in found if not block.startswith("# not run here:")]


def commands():
    chosen = blocks()
    check(len(chosen) >= 2, "README.md has commands that can be run")
    for block in chosen:
        note(block.strip().replace("\n", "\n  "))
    script = "set -euo pipefail\n" + "\n".join(chosen)
    with tempfile.TemporaryDirectory(prefix="ddb-system.", dir="/tmp") as home:
        # The README speaks of build/bin, of a directory of the reader's choice, and of the usual port if that is free.
        port = choose_port(["127.0.0.1", "127.0.0.2", "127.0.0.3"], 0)
        script = script.replace("-P 6002", f"-P {port + 2}")
        env = dict(os.environ, XDG_CONFIG_HOME=os.path.join(home, "config"), PATH=path(), DDB_BIN=BIN, TMPDIR=home,
                   DDB_TEST_PORT=str(port))
        try:
            result = subprocess.run(["bash", "-c", script], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                                    text=True, timeout=300 * SLOW, check=False)
        finally:
            subprocess.run([os.path.join(ROOT, "tools", "cluster"), "down", "--dir", os.path.join(home, "ddb")], env=env,
                           capture_output=True, check=False)
    check(result.returncode == 0, f"exit {result.returncode}: {result.stdout[-800:]}\n{result.stderr[-1500:]}")


def links():
    """Files and folders that README.md names are there."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        check(os.path.exists(os.path.join(ROOT, target)), f"README.md links to {target}")
    for folder in re.findall(r"^\| `([\w/.]+/)` \|", text, re.MULTILINE):
        check(os.path.isdir(os.path.join(ROOT, folder)), f"README.md names the folder {folder}")


if __name__ == "__main__":
    main(commands, links)
