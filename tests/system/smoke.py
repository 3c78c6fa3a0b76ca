#!/usr/bin/python3
"""One small cluster through its whole life: writes, reads, a transaction, a killed coordinator, catching up, the end.

Run under a sanitizer build as well (DDB_BIN=build-asan/bin DDB_SLOW=4): its reports in a node's log fail the test.
"""

import os
import re
import signal

from ddb_cluster import Cluster, check, equal, main, note, wait_until

REPORT = re.compile(r"(ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:|assertion failed).*")


def polite(cluster, node):
    """A woken thread of a node waits for its turn (node/main.cpp); of the server that the node started, none does."""
    line = cluster.nodes[node]
    for pid, wanted in ((line["pid"], os.SCHED_BATCH), (line["mysql_pid"], os.SCHED_OTHER)):
        found = {os.sched_getscheduler(int(thread)) for thread in os.listdir(f"/proc/{pid}/task")}
        equal(found, {wanted}, f"node {node}, policies of process {pid}")


def whole_life():
    with Cluster() as cluster:
        first = cluster.coordinator()
        note(f"coordinator: node {first}")
        polite(cluster, 1)
        cluster.sql(1, "CREATE DATABASE smoke", "CREATE TABLE smoke.t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(40))")
        for node in cluster.nodes:
            cluster.sql(node, f"INSERT INTO smoke.t (v) VALUES ('from node {node}')")
        for node in cluster.nodes:
            equal(cluster.sql(node, "SELECT COUNT(*) FROM smoke.t").value, 3, f"strong read on node {node}")
        cluster.sql(2, "BEGIN", "INSERT INTO smoke.t (v) VALUES ('kept')", "SAVEPOINT a",
                    "INSERT INTO smoke.t (v) VALUES ('undone')", "ROLLBACK TO a", "COMMIT")
        cluster.sql(3, "BEGIN", "DELETE FROM smoke.t", "ROLLBACK")
        equal(cluster.sql(1, "SELECT COUNT(*) FROM smoke.t").value, 4, "rows after the transactions")

        # Write concern `all`: once answered, every live node has it, also for a read that waits for nothing.
        for round_ in range(5):
            cluster.sql(1 + round_ % 3, f"UPDATE smoke.t SET v = 'round {round_}' WHERE id = 1", arguments=("--write-concern", "all"))
            for node in cluster.nodes:
                seen = cluster.sql(node, "SELECT v FROM smoke.t WHERE id = 1", arguments=("--consistency", "local")).value
                equal(seen, f"round {round_}", f"local read on node {node}")

        cluster.kill(first)
        other = cluster.others(first)[0]
        cluster.sql(other, "INSERT INTO smoke.t (v) VALUES ('after the kill')")
        second = cluster.coordinator(other)
        check(second not in (0, first), f"a new coordinator after node {first} was killed, not {second}")
        note(f"new coordinator: node {second}")
        cluster.start(first)
        equal(cluster.same_tables("smoke"), ["t"], "tables")
        equal(cluster.same("SELECT COUNT(*) FROM smoke.t"), [["5"]], "rows on every server")
        health = wait_until(lambda: cluster.verb(first, "health").last, 20, "health")
        check(health.get("healthy"), f"healthy at the end: {health}")
        for node in cluster.nodes:
            cluster.tool("stop", node)
        for node in cluster.nodes:
            report = REPORT.search(cluster.log(node))
            check(not report, f"node {node} reports: {report and report.group(0)}")


def log_rotated():
    """SIGHUP, with which other programs rotate logs, opens the log's file anew and ends nobody."""
    with Cluster(nodes=1, settings=["log.file=own.log"]) as cluster:
        path = os.path.join(os.path.dirname(cluster.log_path(1)), "own.log")
        os.rename(path, path + ".1")
        os.kill(cluster.nodes[1]["pid"], signal.SIGHUP)
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path), 10, "a new file")
        equal(cluster.sql(1, "SELECT 41 + 1").value, 42, "the node goes on")
        os.rename(path, path + ".2")
        os.mkdir(path)
        os.kill(cluster.nodes[1]["pid"], signal.SIGHUP)
        wait_until(lambda: "own.log" in cluster.log(1), 10, "why there is none, on its standard error")
        equal(cluster.sql(1, "SELECT 41 + 1").value, 42, "the node goes on without")
        cluster.tool("stop", 1)
        with open(path + ".2", encoding="utf-8") as log:
            check("stopping" in log.read(), "what it says goes on into the file that it has")


if __name__ == "__main__":
    main(whole_life, log_rotated)
