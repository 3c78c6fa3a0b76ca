#!/usr/bin/python3
"""pt-online-schema-change (percona-toolkit) through the MySQL listener, while clients of every node change the table."""

import contextlib
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

import wire_client as wire  # noqa: E402
from ddb_cluster import MYSQL, SLOW, STEADY, Background, Cluster, Failure, check, equal, main, note, of_server  # noqa: E402
from gateway import PASSWORD, USER, account  # noqa: E402

ROWS = 20_000
TOOL_S = int(180 * SLOW)
CHANGES = ["ADD COLUMN more VARCHAR(20) NOT NULL DEFAULT 'new', ADD INDEX (n)", "MODIFY note VARCHAR(200) CHARACTER SET utf8mb4, DROP COLUMN more"]


class Changes(Background):
    """Inserts, updates and deletes rows of its own, and keeps what the table must have of them."""

    def __init__(self, cluster, node):
        super().__init__()
        self.who, self.rows, self.count, self.failed = node, {}, 0, None
        self.random = random.Random(node)
        self.client = wire.Client(cluster.nodes[node]["address"], cluster.port + 2, USER, PASSWORD, deadline_s=60 * SLOW)

    def run(self, text):
        answer = self.client.query(text)
        if answer[0][0] == "error" and answer[0][1] in (1205, 1213):
            return False  # in the tool's way for a moment
        if answer[0][0] != "ok":
            self.failed = f"{text}: {answer}"
            self.over.set()
        return True

    def step(self):
        number = self.random.randrange(1_000)
        where = f"WHERE who = {self.who} AND number = {number}"
        if number not in self.rows:
            if self.run(f"INSERT INTO d.t (who, number, n) VALUES ({self.who}, {number}, 0)"):
                self.rows[number] = 0
        elif self.random.random() < 0.2:
            if self.run(f"DELETE FROM d.t {where}"):
                del self.rows[number]
        elif self.run(f"UPDATE d.t SET n = n + 1 {where}"):
            self.rows[number] += 1
        self.count += 1


def change(cluster, node, words):
    place = f"h={cluster.nodes[node]['address']},P={cluster.port + 2},u={USER},p={PASSWORD},D=d,t=t"
    tool = subprocess.run(["pt-online-schema-change", "--alter", words, place, "--execute", "--no-version-check", "--charset", "utf8mb4",
                           "--chunk-time", "0.2", "--max-load", "", "--critical-load", ""], capture_output=True, text=True, timeout=TOOL_S, check=False)
    check(tool.returncode == 0 and "Successfully altered" in tool.stdout, f"pt-online-schema-change on node {node}: {tool.stdout[-2000:]} {tool.stderr[-2000:]}")


def under_changes():
    if MYSQL:
        note("skipped: the tool speaks an SQL that MySQL has given up (SHOW SLAVE HOSTS)")
        return
    with Cluster(settings=STEADY) as cluster:
        for text in account():
            cluster.sql(1, text)
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, who INT NOT NULL, number INT NOT NULL, n INT NOT NULL, "
                    "note VARCHAR(100) CHARACTER SET latin1 DEFAULT 'grün', UNIQUE (who, number))",
                    of_server(f"INSERT INTO d.t (who, number, n) SELECT 0, seq, seq % 7 FROM d.seq_1_to_{ROWS}"), timeout=60)
        coordinator = cluster.coordinator()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Changes(cluster, node)) for node in cluster.nodes]
            for node, words in zip([cluster.others(coordinator)[0], coordinator], CHANGES):
                before = sum(client.count for client in clients)
                change(cluster, node, words)
                note(f"through node {node}: {words}; {sum(client.count for client in clients) - before} changes meanwhile")
        for client in clients:
            check(client.failed is None, client.failed)
        cluster.settle()
        cluster.same_tables("d")
        equal([row[0] for row in cluster.mysql(1, "SHOW TABLES FROM d")], ["t"], "tables")
        equal(cluster.mysql(1, "SHOW TRIGGERS FROM d"), [], "triggers")
        equal(cluster.mysql(1, "SELECT COUNT(*) FROM d.t WHERE who = 0"), [[str(ROWS)]], "rows nobody changed")
        for client in clients:
            found = {int(number): int(n) for number, n in cluster.mysql(1, f"SELECT number, n FROM d.t WHERE who = {client.who}")}
            if found != client.rows:
                raise Failure(f"rows of node {client.who}'s client: {set(found.items()) ^ set(client.rows.items())}")


if __name__ == "__main__":
    main(under_changes)
