#!/usr/bin/python3
"""Clients that talk to one node while their reads run on the servers of all: how they are spread, that a session's settings and
rights hold everywhere, that a busy node is spared, and that no node's end is an error or an old answer for them.
"""

import collections
import os
import signal
import threading
import time

from ddb_cluster import MYSQL, SLOW, STEADY, Background, Cluster, check, equal, main, note, wait_until
from wire_client import Client

USER, PASSWORD = "app", "secret"
# Which server answers, in words that may be read on any node.
VARIABLES_OF_SERVER = "performance_schema.global_variables" if MYSQL else "information_schema.GLOBAL_VARIABLES"
WHERE = f"SELECT VARIABLE_VALUE FROM {VARIABLES_OF_SERVER} WHERE VARIABLE_NAME = 'SOCKET'"
LONGLONG = 8


def prepare(cluster):
    cluster.sql(1, "CREATE DATABASE b", "CREATE DATABASE c", "CREATE TABLE b.t (id INT PRIMARY KEY, v BIGINT)",
                "CREATE TABLE c.t (id INT PRIMARY KEY, v BIGINT)", "INSERT INTO b.t VALUES (1, 0)", "INSERT INTO c.t VALUES (1, 77)",
                f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'", f"GRANT SELECT, UPDATE ON b.* TO {USER}@'%'",
                f"GRANT SELECT ON c.* TO {USER}@'%'")
    cluster.settle()
    return {line["mysql_socket"]: node for node, line in cluster.nodes.items()}


def connect(cluster, node, database="b"):
    return Client(cluster.nodes[node]["address"], cluster.port + 2, USER, PASSWORD, database, deadline_s=30 * SLOW)


def value(answer):
    """The one value of an answer that must be one."""
    for word in answer:
        check(word[0] != "error", f"an error for a read: {word}")
    rows = [word[1] for word in answer if word[0] == "row"]
    check(len(rows) == 1, f"one row, not {answer}")
    return rows[0][0].decode() if isinstance(rows[0][0], bytes) else rows[0][0]


def good(client, sql):
    answer = client.query(sql)
    check(all(word[0] != "error" for word in answer), f"{sql}: {answer}")
    return answer


def read_from(client, sockets, sql=WHERE):
    return sockets[value(client.query(sql))]


def balance(client, sockets, how="round_robin", nodes=3):
    """Switches it on and waits until all nodes have read."""
    good(client, f"SET ddb_read_balance = '{how}'")
    seen = set()

    def all_read():
        seen.add(read_from(client, sockets))
        return len(seen) == nodes
    wait_until(all_read, 20, lambda: f"reads on {nodes} nodes, not on {seen} only")


def spread(client, sockets, count=60):
    return collections.Counter(read_from(client, sockets) for _ in range(count))


def evenly():
    with Cluster(settings=STEADY) as cluster:
        sockets = prepare(cluster)
        coordinator = cluster.coordinator()
        for node in (coordinator, cluster.others(coordinator)[0]):
            client = connect(cluster, node)
            equal(spread(client, sockets, 10), {node: 10}, "reads without balancing")
            balance(client, sockets)
            for level in ("strong", "session", "local"):
                good(client, f"SET ddb_read_consistency = '{level}'")
                equal(spread(client, sockets), {1: 20, 2: 20, 3: 20}, f"{level} reads through node {node}")
            statement, _ = client.prepare(f"{WHERE} AND 1 = ?")
            where = collections.Counter(sockets[value(client.execute(statement, [(LONGLONG, False, (1).to_bytes(8, "little"))]))]
                                        for _ in range(30))
            equal(where, {1: 10, 2: 10, 3: 10}, f"prepared statements through node {node}")
            columns = [word.split("\t") if isinstance(word, str) else word[1] for word in good(client, "SHOW DDB NODES")
                       if word[0] == "row"]
            shown = {int(row[0]): int(row[-1]) for row in columns}
            check(all(count >= 60 for count in shown.values()), f"reads of each node in SHOW DDB NODES: {shown}")
            good(client, "SET ddb_read_balance = 'off'")
            equal(spread(client, sockets, 10), {node: 10}, "reads after balancing")
            client.close()
        words = [word for _ in range(60) for word in ("-e", "SELECT 1")]
        answer = cluster.cli(1, arguments=["--read-balance", "round_robin", *words], timeout=60)
        equal(answer.code, 0, "ddb-cli --read-balance")
        nodes = collections.Counter(document["node"] for document in answer.documents)
        check(len(nodes) == 3 and min(nodes.values()) >= 10, f"reads of ddb-cli by node: {nodes}")
        equal({document["rows"][0][0] for document in answer.documents}, {1}, "answers to ddb-cli")


def by_configuration():
    with Cluster(settings=[*STEADY, "reads.balance=round_robin"]) as cluster:
        sockets = prepare(cluster)
        client = connect(cluster, 1)
        seen = set()
        wait_until(lambda: seen.add(read_from(client, sockets)) or len(seen) == 3, 20, "reads on all nodes")
        equal(spread(client, sockets), {1: 20, 2: 20, 3: 20}, "reads by configuration")
        good(client, "SET ddb_read_balance = 'off'")
        equal(spread(client, sockets, 10), {1: 10}, "switched off for one session")
        good(client, "SET ddb_read_balance = DEFAULT")
        equal(len(spread(client, sockets, 12)), 3, "nodes that read by default again")


def settings_hold():
    with Cluster(settings=STEADY) as cluster:
        sockets = prepare(cluster)
        client = connect(cluster, cluster.others(cluster.coordinator())[0])
        good(client, "SET time_zone = '+07:00', sql_mode = 'PIPES_AS_CONCAT', group_concat_max_len = 5")
        good(client, "SET NAMES latin1")
        balance(client, sockets)

        def everywhere(sql, expected):
            for _ in range(6):
                equal(value(client.query(sql)), expected, sql)
            # The reads above take their turns among three nodes, and so do these.
            equal(len(spread(client, sockets, 6)), 3, f"nodes that read: {sql}")
        everywhere("SELECT FROM_UNIXTIME(1)", "1970-01-01 07:00:01")
        everywhere("SELECT 'a' || 'b'", "ab")
        everywhere("SELECT GROUP_CONCAT('abcdefg')", "abcde")
        everywhere("SELECT HEX(CONVERT('\udce4' USING utf8mb4))", "C3A4")
        everywhere("SELECT v FROM t", "0")
        good(client, "USE c")
        everywhere("SELECT v FROM t", "77")
        good(client, "SET group_concat_max_len = 4")
        everywhere("SELECT GROUP_CONCAT('abcdefg')", "abcd")
        for _ in range(6):
            answer = client.query(f"SELECT * FROM mysql.{'user' if MYSQL else 'global_priv'}")
            equal((answer[0][0], "1142" in str(answer)), ("error", True), f"a table without a right to it: {answer}")
        cluster.sql(1, f"REVOKE SELECT ON c.* FROM {USER}@'%'")
        late = connect(cluster, cluster.others(cluster.coordinator())[0])
        balance(late, sockets)
        for _ in range(6):
            answer = late.query("SELECT v FROM c.t")
            equal(answer[0][0], "error", f"a right that was taken away: {answer}")
        # What cannot be said elsewhere stays where it is.
        good(client, "USE b")
        good(client, "SET @a = 5")
        equal(len(spread(client, sockets, 6)), 1, "nodes that read for a session with user variables")


def busy_node_is_spared():
    with Cluster(settings=STEADY) as cluster:
        sockets = prepare(cluster)
        node, busy = cluster.others(cluster.coordinator())
        client = connect(cluster, node)
        balance(client, sockets, "least_loaded")
        equal(spread(client, sockets), {1: 20, 2: 20, 3: 20}, "reads on idle nodes")
        sleepers = [connect(cluster, busy) for _ in range(4)]
        threads = [threading.Thread(target=sleeper.query, args=("SELECT SLEEP(4)",)) for sleeper in sleepers]
        for thread in threads:
            thread.start()
        time.sleep(1)
        found = spread(client, sockets)
        equal(found[busy], 0, f"reads on the busy node {busy}, of {found}")
        check(min(found[other] for other in cluster.others(busy)) >= 25, f"the others share them: {found}")
        for thread in threads:
            thread.join()
        wait_until(lambda: spread(client, sockets, 12)[busy] == 4, 10, "the node that was busy reads again")


class Writer(Background):
    """Counts up through another node; `acknowledged` is what every strong read from then on must see."""

    def __init__(self, cluster, node):
        super().__init__()
        self.cluster, self.node, self.client = cluster, node, connect(cluster, node)
        self.acknowledged = self.written = 0

    def step(self):
        answer = self.client.query("UPDATE t SET v = v + 1 WHERE id = 1")
        if answer[0][0] == "ok":
            self.written += 1
            self.acknowledged = self.written


class Reader(Background):
    """Reads by turns at one node; an error or an old value is remembered."""

    def __init__(self, cluster, node, writer):
        super().__init__()
        self.client, self.writer, self.wrong = connect(cluster, node), writer, []
        self.reads = 0
        good(self.client, "SET ddb_read_balance = 'round_robin'")

    def step(self):
        at_least = self.writer.acknowledged
        answer = self.client.query("SELECT v FROM t WHERE id = 1")
        rows = [word[1] for word in answer if word[0] == "row"]
        if len(rows) != 1 or int(rows[0][0]) < at_least:
            self.wrong.append((at_least, answer))
        self.reads += 1


def nodes_end_under_reads():
    with Cluster() as cluster:
        sockets = prepare(cluster)
        coordinator = cluster.coordinator()
        node, target = cluster.others(coordinator)
        probe = connect(cluster, node)
        writer = Writer(cluster, coordinator)
        readers = [Reader(cluster, node, writer) for _ in range(4)]

        def go_on(what, seconds=3):
            before, written = [reader.reads for reader in readers], writer.acknowledged
            time.sleep(seconds * SLOW)
            for reader, count in zip(readers, before):
                check(not reader.wrong, f"{what}: {len(reader.wrong)} wrong reads, first {reader.wrong[:1]}")
                check(reader.reads > count, f"{what}: no reads any more")
            check(writer.acknowledged > written, f"{what}: no writes any more")
            note(f"{what}: {sum(reader.reads for reader in readers) - sum(before)} reads, {writer.acknowledged - written} writes")
        with writer:
            for reader in readers:
                reader.__enter__()
            try:
                balance(probe, sockets)
                go_on("all nodes")
                cluster.kill(target, with_mysql=True)
                go_on(f"node {target} killed")
                cluster.start(target)
                balance(probe, sockets)
                go_on(f"node {target} back")
                cluster.tool("pause", target)
                go_on(f"node {target} paused")
                cluster.tool("resume", target)
                balance(probe, sockets)
                server = cluster.nodes[target]["mysql_pid"]
                os.kill(server, signal.SIGKILL)
                go_on(f"server of node {target} killed")
                balance(probe, sockets)
                go_on("all nodes again")
            finally:
                for reader in readers:
                    reader.__exit__()
        status = cluster.verb(node, "status").last
        check(status["balanced_reads"] > 0 and status["reads_asked_again"] > 0, f"what the node counted: {status}")
        note(f"{status['balanced_reads']} reads went to guests, {status['reads_asked_again']} were asked again")


def coordinator_ends_under_reads():
    with Cluster() as cluster:
        sockets = prepare(cluster)
        coordinator = cluster.coordinator()
        node = cluster.others(coordinator)[0]
        client = connect(cluster, node)
        balance(client, sockets)
        end = time.monotonic() + 4 * SLOW
        cluster.kill(coordinator, with_mysql=True)
        reads = 0
        while time.monotonic() < end:
            equal(value(client.query("SELECT v FROM t WHERE id = 1")), "0", "a read while the coordinator is replaced")
            reads += 1
        note(f"{reads} reads while the coordinator was replaced")
        equal(set(spread(client, sockets, 20)), set(cluster.others(coordinator)), "nodes that read")


if __name__ == "__main__":
    main(evenly, by_configuration, settings_hold, busy_node_is_spared, nodes_end_under_reads, coordinator_ends_under_reads)
