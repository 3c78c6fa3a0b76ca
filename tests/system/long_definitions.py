#!/usr/bin/python3
"""A definition may run, and be applied, for minutes. Reads go on meanwhile, through every node, and are as new as ever: those that it
cannot concern where they are, the others on nodes that do not have it yet, or have it already. So do writes.
"""

import os
import signal
import threading
import time

from ddb_cluster import BIN, SLOW, PATIENT, STEADY, Cluster, check, equal, main, note, wait_until
from wire_client import Client

USER, PASSWORD = "app", "secret"
# Far less than what a read waits before it gives up (10 s).
WAIT_S_MAX = 4 * SLOW


def prepare(cluster):
    cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v BIGINT)", "CREATE TABLE d.u (id INT PRIMARY KEY, v BIGINT)",
                "INSERT INTO d.t VALUES (1, 0)", "INSERT INTO d.u VALUES (1, 0)", "CREATE VIEW d.over_t AS SELECT v FROM d.t",
                "CREATE VIEW d.over_u AS SELECT v FROM d.u", "CREATE VIEW d.above AS SELECT v FROM d.over_t",
                "CREATE FUNCTION d.f() RETURNS BIGINT READS SQL DATA RETURN (SELECT MAX(v) FROM d.above)",
                f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'", f"GRANT ALL ON d.* TO {USER}@'%'")
    cluster.settle()


def connect(cluster, node):
    return Client(cluster.nodes[node]["address"], cluster.port + 2, USER, PASSWORD, "d", deadline_s=60 * SLOW)


def value(client, sql):
    answer = client.query(sql)
    rows = [word[1] for word in answer if word[0] == "row"]
    check(len(rows) == 1, f"{sql}: {answer}")
    return int(rows[0][0])


def good(client, sql):
    answer = client.query(sql)
    check(all(word[0] != "error" for word in answer), f"{sql}: {answer}")


class Longest:
    """Measures each of what is done with it."""

    def __init__(self):
        self.seconds, self.what = 0.0, ""

    def of(self, what, do, *arguments):
        begun = time.monotonic()
        result = do(*arguments)
        took = time.monotonic() - begun
        if took > self.seconds:
            self.seconds, self.what = took, what
        return result


def while_one_runs():
    """It waits for a transaction that has its table in use, as one that copies a table would run."""
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        coordinator = cluster.coordinator()
        holder, definer = connect(cluster, coordinator), connect(cluster, cluster.others(coordinator)[0])
        good(holder, "BEGIN")
        equal(value(holder, "SELECT v FROM t"), 0, "what the transaction sees")
        told = []
        running = threading.Thread(target=lambda: told.append(definer.query("ALTER TABLE t ADD COLUMN more INT")))
        running.start()
        wait_until(lambda: "metadata lock" in str(cluster.mysql(coordinator, "SHOW PROCESSLIST")), 30, "the definition runs")
        clients = {node: connect(cluster, node) for node in cluster.nodes}
        longest = Longest()
        for turn in range(1, 5):
            writer = clients[turn % 3 + 1]
            longest.of("an UPDATE", good, writer, f"UPDATE u SET v = {turn}")
            for node, client in clients.items():
                for sql in ("SELECT v FROM u", "SELECT v FROM over_u"):
                    equal(longest.of(f"{sql} on node {node}", value, client, sql), turn, f"{sql} on node {node}")
                for sql in ("SELECT v FROM t", "SELECT v FROM above", "SELECT f()"):
                    equal(longest.of(f"{sql} on node {node}", value, client, sql), 0, f"{sql} on node {node}")
                good(client, "BEGIN")
                equal(longest.of(f"in a transaction on node {node}", value, client, "SELECT v FROM u"), turn, "what it sees")
                good(client, "COMMIT")
        check(running.is_alive(), f"the definition still runs: {told}")
        good(holder, "COMMIT")
        running.join()
        check(told[0][0][0] == "ok", f"the definition: {told}")
        note(f"the longest wait was {longest.seconds:.2f} s, for {longest.what}; coordinator {coordinator}")
        check(longest.seconds < WAIT_S_MAX, f"{longest.seconds:.1f} s for {longest.what}")
        for node, client in clients.items():
            equal(value(client, "SELECT COUNT(more) FROM t"), 0, f"the new column on node {node}")
        cluster.same_tables("d")


def while_it_is_applied():
    """A follower's server that stands still, as while it runs a definition."""
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        coordinator = cluster.coordinator()
        node, other = cluster.others(coordinator)
        client, writer, read_only = connect(cluster, node), connect(cluster, other), connect(cluster, node)
        equal(value(client, "SELECT v FROM u"), 0, "before")
        server = cluster.nodes[node]["mysql_pid"]
        longest = Longest()
        os.kill(server, signal.SIGSTOP)
        try:
            for turn in range(1, 5):
                good(writer, f"UPDATE u SET v = {turn}")
                equal(longest.of("a read", value, client, "SELECT v FROM u"), turn, "a read through the node")
                good(read_only, "START TRANSACTION READ ONLY")
                equal(longest.of("a transaction's read", value, read_only, "SELECT v FROM over_u"), turn, "in READ ONLY")
                good(read_only, "COMMIT")
                good(client, "SET ddb_read_consistency = 'session'")
                good(client, f"UPDATE u SET v = {turn * 10}")
                equal(longest.of("a session's read", value, client, "SELECT v FROM u"), turn * 10, "its own write")
                good(client, "SET ddb_read_consistency = 'strong'")
        finally:
            os.kill(server, signal.SIGCONT)
        note(f"the longest wait was {longest.seconds:.2f} s, for {longest.what}")
        check(longest.seconds < WAIT_S_MAX, f"{longest.seconds:.1f} s for {longest.what}")
        cluster.settle()
        cluster.same_tables("d")


def stall_with_a_write(cluster, node, file):
    """A disk stands still where something waits for it only."""
    writing = threading.Thread(target=cluster.cli, args=(node, "UPDATE d.t SET v = v + 1"), kwargs={"deadline_s": 60})
    with open(file, "w", encoding="ascii"):
        writing.start()
    return writing


def while_a_disk_stands_still():
    """For a few seconds the coordinator's disk syncs nothing. It keeps its office for the definition that it runs, as its database
    would have to be loaded anew where the log does not get it; without one it hands the office over."""
    with Cluster(settings=PATIENT) as cluster:
        prepare(cluster)
        coordinator = cluster.coordinator()
        stall = os.path.join(cluster.base, "stalled")
        cluster.kill(coordinator)
        cluster.start(coordinator, env={"LD_PRELOAD": os.path.join(BIN, "stalled_disk.so"), "DDB_STALLED_DISK": stall})
        wait_until(lambda: cluster.coordinator() == coordinator, 60, "the node with the highest id has its office again")
        node = cluster.others(coordinator)[0]
        cluster.sql(node, "INSERT INTO d.u VALUES (2, 0), (3, 0), (4, 0)")
        epoch = cluster.epoch(node)
        told = []
        running = threading.Thread(target=lambda: told.append(cluster.cli(
            node, "CREATE TABLE d.copy (PRIMARY KEY (id)) AS SELECT id, SLEEP(1.2) AS slept FROM d.u", deadline_s=60)))
        running.start()
        wait_until(lambda: "AS slept" in str(cluster.mysql(coordinator, "SHOW PROCESSLIST")), 30, "the definition runs")
        writing = stall_with_a_write(cluster, node, stall)
        # Without a definition it is given up after one second.
        time.sleep(3)
        os.remove(stall)
        running.join()
        writing.join()
        equal(told[0].code, 0, f"the definition: {told[0]}")
        equal(cluster.epoch(node), epoch, "the epoch")
        writing = stall_with_a_write(cluster, node, stall)
        wait_until(lambda: cluster.coordinator(node) not in (0, coordinator), 30, "another one has the office")
        os.remove(stall)
        writing.join()
        cluster.settle()
        cluster.same_tables("d")
        equal(cluster.same("SELECT v FROM d.t"), [["2"]], "what was written meanwhile")


if __name__ == "__main__":
    main(while_one_runs, while_it_is_applied, while_a_disk_stands_still)
