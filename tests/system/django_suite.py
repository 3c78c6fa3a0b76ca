#!/usr/bin/python3
"""Django's own tests (tools/setup --drivers unpacks them) through a node's MySQL listener: all that pass on a plain server pass there.

django_suite.py [LABEL…]      (backends transactions)
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

from ddb_cluster import SLOW, STEADY, Cluster, check, main, note  # noqa: E402
from gateway import PASSWORD, USER, PlainServer, account  # noqa: E402

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), ".cache", "django", "tests")
LABELS = sys.argv[1:] or ["backends", "transactions"]
SUITE_S = int(240 * SLOW) * (1 + len(LABELS) // 4)
DATABASES = ["dj1", "dj2"]
SETTINGS = """
import os
place = {"ENGINE": "django.db.backends.mysql", "HOST": os.environ["DB_HOST"], "PORT": os.environ["DB_PORT"],
         "USER": os.environ["DB_USER"], "PASSWORD": os.environ["DB_PASSWORD"],
         "TEST": {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_general_ci"}}
DATABASES = {"default": dict(place, NAME="dj1"), "other": dict(place, NAME="dj2")}
SECRET_KEY = "x"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
"""


def suite(base, host, port):
    """(tests that failed, what the runner says of all)"""
    with open(os.path.join(base, "ddb_settings.py"), "w", encoding="utf-8") as file:
        file.write(SETTINGS)
    run = subprocess.run(["/usr/bin/python3", "runtests.py", "--settings=ddb_settings", "--parallel=1", "--noinput", *LABELS], cwd=SOURCE,
                         capture_output=True, text=True, timeout=SUITE_S, check=False,
                         env=dict(os.environ, DB_HOST=host, DB_PORT=str(port), DB_USER=USER, DB_PASSWORD=PASSWORD, PYTHONPATH=base,
                                  PYTHONDONTWRITEBYTECODE="1"))
    counted, verdict = (re.search(text, run.stderr, re.M) for text in (r"^Ran (\d+) tests? in .*$", r"^(OK|FAILED).*$"))
    check(counted and verdict and int(counted[1]) > 0, f"{host}: no test ran: {run.stdout[-1000:]} {run.stderr[-2000:]}")
    failed = set(re.findall(r"^(?:FAIL|ERROR): (.*)$", run.stderr, re.M))
    return failed, f"{counted[0]}, {verdict[0]}" if not failed else run.stderr[-3000:]


def as_on_a_plain_server():
    if not os.path.exists(os.path.join(SOURCE, "runtests.py")):
        note("skipped: tools/setup --drivers unpacks Django's source")
        return
    databases = [f"CREATE DATABASE {name}" for name in DATABASES]
    with Cluster(settings=STEADY) as cluster:
        with PlainServer(os.path.join(cluster.base, "plain")) as plain:
            plain.server.sql(";".join(databases))
            expected, words = suite(cluster.base, "127.0.0.1", plain.port)
        note(f"plain: {words if not expected else len(expected)}")
        for statement in account() + databases:
            cluster.sql(1, statement)
        coordinator = cluster.coordinator()
        for node in [cluster.others(coordinator)[0], coordinator]:
            failed, words = suite(cluster.base, cluster.nodes[node]["address"], cluster.port + 2)
            check(failed <= expected, f"node {node}, coordinator {coordinator}: {sorted(failed - expected)}: {words}")
            note(f"node {node}: {words if not failed else sorted(failed)}")
        cluster.settle()


if __name__ == "__main__":
    sys.argv[1:] = []
    main(as_on_a_plain_server)
