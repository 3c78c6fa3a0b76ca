#!/usr/bin/python3
"""READ ONLY transactions run on the server of the node that the client talks to: they see one state of the database and the newest
that was acknowledged before them, outlive the coordinator, and are told when a definition had to end them.
"""

import threading
import time

from ddb_cluster import SLOW, STEADY, Background, Cluster, check, code, equal, good, main, note, wait_until
from wire_client import Client

USER, PASSWORD = "app", "secret"
ACCOUNTS, MONEY = 20, 1000
BY_STATEMENT = ("START TRANSACTION READ ONLY",)
AS_DRIVERS_DO = ("SET SESSION TRANSACTION READ ONLY", "SET autocommit = 0")


def prepare(cluster):
    accounts = ", ".join(f"({number}, {MONEY})" for number in range(1, ACCOUNTS + 1))
    cluster.sql(1, "CREATE DATABASE b", "CREATE TABLE b.t (id INT PRIMARY KEY, v INT)", f"INSERT INTO b.t VALUES {accounts}",
                f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'", f"GRANT ALL ON b.* TO {USER}@'%'")
    cluster.settle()


def connect(cluster, node):
    return Client(cluster.nodes[node]["address"], cluster.port + 2, USER, PASSWORD, "b", deadline_s=30 * SLOW)


def local_reads(cluster, node):
    return cluster.verb(node, "status").last["local_reads"]


def on_the_node_of_the_client():
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        writer = connect(cluster, cluster.coordinator())
        for node in cluster.nodes:
            for begin in (BY_STATEMENT, AS_DRIVERS_DO):
                client = connect(cluster, node)
                good(client, "SET NAMES utf8mb4")
                for sql in begin:
                    good(client, sql)
                good(writer, "UPDATE t SET v = v + 1 WHERE id = 1")
                before = local_reads(cluster, node)
                first = good(client, "SELECT v FROM t WHERE id = 1")
                equal(first, good(writer, "SELECT v FROM t WHERE id = 1"), "what was acknowledged before the first read")
                good(writer, "UPDATE t SET v = v + 1 WHERE id = 1")
                for _ in range(3):
                    equal(good(client, "SELECT v FROM t WHERE id = 1"), first, "one state for the whole transaction")
                check(local_reads(cluster, node) >= before + 4, f"node {node} reads itself behind {begin}")
                equal(code(client, "UPDATE t SET v = 0"), 1792, "a write in a READ ONLY transaction")
                good(client, "COMMIT")
                equal(good(client, "SELECT v FROM t WHERE id = 1"), good(writer, "SELECT v FROM t WHERE id = 1"), "behind its end")
                good(client, "COMMIT")


class Transfers(Background):
    """Moves money between accounts through one node; what it had been told is of no interest here."""

    def __init__(self, cluster, node):
        super().__init__()
        self.client, self.done, self.last = connect(cluster, node), 0, 0

    def step(self):
        self.last = self.last % (ACCOUNTS - 1) + 1
        ok = True
        for sql in ("BEGIN", f"UPDATE t SET v = v - 1 WHERE id = {self.last}", f"UPDATE t SET v = v + 1 WHERE id = {self.last + 1}",
                    "COMMIT"):
            ok = ok and not code(self.client, sql)
        if not ok:
            self.client.query("ROLLBACK")
        self.done += ok


class Auditor(Background):
    """Reads all accounts twice in one transaction."""

    def __init__(self, cluster, node):
        super().__init__()
        self.client, self.audits, self.ended, self.wrong = connect(cluster, node), 0, 0, []

    def step(self):
        answers = [self.client.query(sql) for sql in ("START TRANSACTION READ ONLY", "SELECT SUM(v), MAX(v), MIN(v) FROM t",
                                                      "SELECT SUM(v), MAX(v), MIN(v) FROM t", "COMMIT")]
        errors = [word for answer in answers for word in answer if word[0] == "error"]
        if errors:
            self.ended += 1
            if any(word[1] != 1213 for word in errors):
                self.wrong.append(errors)
            self.client.query("ROLLBACK")
            return
        first, second = ([word[1] for word in answer if word[0] == "row"] for answer in answers[1:3])
        if first != second or int(first[0][0]) != ACCOUNTS * MONEY:
            self.wrong.append((first, second))
        self.audits += 1


def sums_hold_while_the_coordinator_ends():
    with Cluster() as cluster:
        prepare(cluster)
        coordinator = cluster.coordinator()
        node, other = cluster.others(coordinator)
        idle = connect(cluster, other)
        good(idle, "START TRANSACTION READ ONLY")
        seen = good(idle, "SELECT id, v FROM t")
        writer, auditors = Transfers(cluster, node), [Auditor(cluster, member) for member in (node, other)]
        with writer, auditors[0], auditors[1]:
            time.sleep(3 * SLOW)
            cluster.kill(coordinator, with_mysql=True)
            time.sleep(5 * SLOW)
            done = writer.done
            wait_until(lambda: writer.done > done, 30, "transfers at the next coordinator")
        for auditor in auditors:
            check(not auditor.wrong, f"wrong: {auditor.wrong[:3]}")
            check(auditor.audits > 20, f"{auditor.audits} audits only")
            note(f"{auditor.audits} audits, {auditor.ended} ended with 1213, {writer.done} transfers")
        # Where the next coordinator is, it was made to end when that took office, or lives on.
        answer = idle.query("SELECT id, v FROM t")
        rows = [word[1] for word in answer if word[0] == "row"]
        check(rows == seen or answer[0][:2] == ("error", 1213), f"the transaction from before: {answer[:2]}")
        equal(auditors[cluster.coordinator(node) == node].ended, 0, "transactions that ended on the node that stayed what it was")


def definitions_end_them():
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        coordinator = cluster.coordinator()
        node, other = cluster.others(coordinator)
        for number, read in enumerate(("SELECT COUNT(*) FROM t", "SELECT * FROM t WHERE 1 = 0")):
            client, bystander = connect(cluster, node), connect(cluster, other)
            for each in (client, bystander):
                good(each, "START TRANSACTION READ ONLY")
                good(each, read if each is client else "SELECT 1")
            begun = time.monotonic()
            cluster.sql(coordinator, f"ALTER TABLE b.t ADD COLUMN c{number} INT")
            cluster.settle()
            took = time.monotonic() - begun
            check(took < 15 * SLOW, f"the definition is in force after {took:.1f} s")
            note(f"{read}: the definition was applied everywhere after {took:.1f} s")
            equal(code(client, read), 1213, "the transaction in its way")
            equal(code(client, read), 0, "the session goes on")
            equal(code(bystander, read), 0, "a transaction that was in nobody's way")
        cluster.same_tables("b")


if __name__ == "__main__":
    main(on_the_node_of_the_client, sums_hold_while_the_coordinator_ends, definitions_end_them)
