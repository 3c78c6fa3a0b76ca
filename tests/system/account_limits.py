#!/usr/bin/python3
"""Accounts with MAX_QUERIES_PER_HOUR: wherever among the node's own statements the limit is reached, what was acknowledged is
there, nothing stays prepared or locked, and the coordinator keeps its office.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

from ddb_cluster import SLOW, STEADY, Cluster, check, equal, main, note, wait_until  # noqa: E402
from wire_client import Client  # noqa: E402

LIMITS = range(2, 26)  # a write of one statement takes six or seven, and the session that begins with it some more
REACHED, UNKNOWN, DUPLICATE = 1226, 1180, 1062


def writes(cluster, node, user):
    """Writes until the limit is reached: (acknowledged, unknown)"""
    acknowledged = unknown = 0
    try:
        client = Client(cluster.nodes[node]["address"], cluster.port + 2, user, "secret", deadline_s=60 * SLOW)
    except ConnectionError as error:
        check(str(REACHED) in str(error), f"{user} logs in: {error}")
        return 0, 0
    try:
        for number in range(8):
            answer = client.query(f"INSERT INTO lim.written VALUES ('{user}', {number})")[-1]
            acknowledged += answer[0] == "ok"
            unknown += answer[0] == "error" and answer[1] == UNKNOWN
            if answer[0] == "ok":  # whose rows are locked until it is rolled back
                answer = client.query("INSERT INTO lim.written VALUES ('all', 0)")[-1]
                check(answer[0] == "error", f"{user}: a key twice: {answer}")
            if answer[0] == "error" and answer[1] == REACHED:
                break
        # While it is still connected.
        answer = cluster.cli(node, "UPDATE lim.written SET n = n + 1 WHERE who = 'all'", "UPDATE lim.written SET n = n - 1 WHERE who = 'all'")
        equal(answer.code, 0, f"{user}: what it has failed to write is locked no more: {answer}")
    finally:
        client.close()
    return acknowledged, unknown


def limits():
    with Cluster(settings=[*STEADY, "timing.lock_wait_ms=3000"]) as cluster:
        cluster.sql(1, "CREATE DATABASE lim", "CREATE TABLE lim.written (who VARCHAR(20), n INT, PRIMARY KEY (who, n))",
                    "INSERT INTO lim.written VALUES ('all', 0)")
        coordinator, epoch = cluster.coordinator(), cluster.epoch(1)
        node = cluster.others(coordinator)[0]
        total = 0
        for limit in LIMITS:
            user = f"limited{limit}"
            cluster.sql(1, f"CREATE USER {user}@'%' IDENTIFIED BY 'secret' WITH MAX_QUERIES_PER_HOUR {limit}", f"GRANT ALL ON lim.* TO {user}@'%'")
            acknowledged, unknown = writes(cluster, node, user)
            there = int(cluster.sql(1, f"SELECT COUNT(*) FROM lim.written WHERE who = '{user}'").value)
            check(acknowledged <= there <= acknowledged + unknown, f"limit {limit}: {acknowledged} acknowledged, {unknown} unknown, {there} there")
            total += acknowledged
        check(total > 0, "some were acknowledged")
        note(f"{total} writes acknowledged in front of {len(LIMITS)} limits")
        equal((cluster.coordinator(), cluster.epoch(1)), (coordinator, epoch), "the coordinator and its epoch")
        wait_until(lambda: not cluster.mysql(coordinator, "XA RECOVER"), 20, "nothing stays prepared")
        cluster.same_tables("lim")


if __name__ == "__main__":
    main(limits)
