#!/usr/bin/python3
"""Who may write to the server's tables of routines and rights can take the node's own procedures and account away with those of others. The nodes
put them back, and writes go on: through new sessions as well as old ones, and on the next coordinator.
"""

from ddb_cluster import MYSQL, SLOW, STEADY, Cluster, check, equal, good, main, wait_until
from wire_client import Client

USER, PASSWORD = "app", "secret"
OWN = "SELECT name, definer FROM mysql.proc WHERE db = 'ddb_meta' ORDER BY name"
RIGHTS = "SELECT routine_name, proc_priv FROM mysql.procs_priv WHERE db = 'ddb_meta' ORDER BY 1"


class Writes:
    """Rows by an account without rights on anything but its database."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.count = 0
        self.kept = {node: self.client(node) for node in cluster.nodes}

    def client(self, node, user=USER, password=PASSWORD):
        return Client(self.cluster.nodes[node]["address"], self.cluster.port + 2, user, password, "d", deadline_s=60 * SLOW)

    def root(self, node, *statements):
        client = self.client(node, "root", "")
        for sql in statements:
            good(client, sql)
        client.close()

    def one(self, client):
        answer = client.query(f"INSERT INTO t VALUES ({self.count + 1})")[-1]
        self.count += answer[0] == "ok"
        return answer

    def go_on(self, behind):
        for node, kept in self.kept.items():
            fresh = self.client(node)
            for client in (kept, fresh):
                answer = self.one(client)
                check(answer[0] == "ok", f"an INSERT through node {node} behind {behind}: {answer}")
            answer = fresh.query(f"ALTER TABLE t COMMENT '{self.count}'")[-1]
            check(answer[0] == "ok", f"a definition through node {node} behind {behind}: {answer}")
            fresh.close()

    def has(self, asked, expected, what):
        wait_until(lambda: all(self.cluster.mysql(node, asked) == expected for node in self.cluster.nodes), 20, what)

    def settled(self, own, rights, behind):
        self.cluster.settle()
        self.has(OWN, own, f"the procedures behind {behind}")
        self.has(RIGHTS, rights, f"the rights on them behind {behind}")
        equal(self.cluster.same("SELECT COUNT(*) FROM d.t"), [[str(self.count)]], "rows")
        for each in self.cluster.nodes:
            check("fenced" not in self.cluster.log(each), f"node {each} goes on behind {behind}")


def taken_away():
    with Cluster(settings=STEADY) as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'",
                    f"GRANT ALL ON d.* TO {USER}@'%'")
        cluster.settle()
        own, rights = cluster.same(OWN), cluster.same(RIGHTS)
        equal(len(own), 3, "procedures")
        equal(len(rights), 3, "rights")
        writes = Writes(cluster)
        coordinator = cluster.coordinator()
        other = cluster.others(coordinator)[0]
        for node in (coordinator, other):
            for statements in (["DELETE FROM mysql.proc", "CREATE PROCEDURE d.again() SELECT 1", "DROP PROCEDURE d.again"],
                               ["USE mysql", "BEGIN", "DELETE FROM `proc` WHERE db LIKE 'd%'", "INSERT INTO d.t VALUES (-1)", "ROLLBACK"],
                               ["TRUNCATE mysql.proc"],
                               ["UPDATE mysql.proc SET definer = 'nobody@nowhere'", "CREATE PROCEDURE d.again() SELECT 1", "DROP PROCEDURE d.again"],
                               ["DELETE FROM mysql.procs_priv", "FLUSH PRIVILEGES"]):
                writes.root(node, *statements)
                behind = f"{statements} through node {node}"
                if "FLUSH PRIVILEGES" in statements:
                    wait_until(lambda: writes.one(writes.kept[other])[0] == "ok", 20, f"a write behind {behind}")
                writes.go_on(behind)
                writes.settled(own, rights, behind)
        # Where the node does not see the text it looks once a second.
        writes.root(other, "EXECUTE IMMEDIATE CONCAT('DELETE FROM mysql.', 'proc')")
        writes.has(OWN, own, "the procedures behind a hidden text")
        writes.go_on("a hidden text")
        writes.root(other, "DELETE FROM mysql.proc")
        wait_until(lambda: cluster.verb(coordinator, "step-down").code == 0, 30, "step-down")
        wait_until(lambda: cluster.coordinator() not in (None, coordinator), 30, "another coordinator")
        writes.go_on("a change of the coordinator")
        writes.settled(own, rights, "a change of the coordinator")


def account_taken():
    """So with the node's own account, and everybody's rights: who keeps root alone would be alone with servers that no node can reach."""
    with Cluster(settings=STEADY) as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'",
                    f"GRANT ALL ON d.* TO {USER}@'%'")
        cluster.settle()
        table = "mysql.user" if MYSQL else "mysql.global_priv"
        asked = f"SELECT User, Host FROM {table} WHERE User IN ('ddb', 'PUBLIC') ORDER BY 1"
        own = cluster.same(asked)
        keeps = f"User NOT IN ('root', '{USER}') AND User NOT LIKE '%.%'"
        rights = f"DELETE FROM mysql.{'db' if MYSQL else 'procs_priv'} WHERE User <> '{USER}'"
        coordinator = cluster.coordinator()
        for node in (coordinator, cluster.others(coordinator)[0]):
            for statements in ([f"DELETE FROM {table} WHERE {keeps}", "FLUSH PRIVILEGES"],
                               ["USE mysql", f"DELETE FROM {table[6:]} WHERE {keeps}", "FLUSH LOCAL PRIVILEGES", "FLUSH PRIVILEGES"],
                               ["BEGIN", f"DELETE FROM {table} WHERE {keeps}", rights, "COMMIT", "FLUSH PRIVILEGES"],
                               [f"DELETE FROM {table} WHERE {keeps}", "DO SLEEP(2)", rights, "FLUSH PRIVILEGES"]):
                writes = Writes(cluster)
                writes.count = int(cluster.same("SELECT COUNT(*) FROM d.t")[0][0])
                writes.root(node, *statements)
                behind = f"{statements} through node {node}"
                writes.go_on(behind)
                cluster.settle()
                writes.has(asked, own, f"the node's account behind {behind}")
                equal(cluster.same("SELECT COUNT(*) FROM d.t"), [[str(writes.count)]], "rows")
                for each in cluster.nodes:
                    check("fenced" not in cluster.log(each), f"node {each} goes on behind {behind}")


def dropped():
    """The tables themselves are taken from nobody, whoever has the right to: no node would be left to put them back."""
    with Cluster(settings=STEADY) as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
        other = cluster.others(cluster.coordinator())[0]
        for statements in (["DROP TABLE mysql.proc"], ["USE mysql", "DROP TABLE IF EXISTS proc, user"], ["RENAME TABLE mysql.proc TO mysql.p"],
                           ["ALTER TABLE mysql.global_priv RENAME d.p"], ["DROP DATABASE mysql"], ["DROP SCHEMA IF EXISTS sys"],
                           ["RENAME TABLE d.t TO mysql.t"], ["USE mysql", "ALTER TABLE d.t RENAME TO t"], ["EXECUTE IMMEDIATE 'DROP TABLE mysql.proc'"],
                           ["EXECUTE IMMEDIATE CONCAT('DROP TABLE mysql.', 'proc')"]):
            equal(cluster.cli(other, *statements).error.get("code"), 1235, statements)
        cluster.sql(other, "TRUNCATE TABLE mysql.time_zone_leap_second", "ALTER TABLE mysql.time_zone_transition FORCE", "INSERT INTO d.t VALUES (2)",
                    "RENAME TABLE d.t TO d.u", "ALTER TABLE d.u RENAME d.t", "DROP TABLE d.t", "DROP DATABASE d")
        cluster.settle()
        cluster.same("SHOW TABLES FROM mysql; SHOW TABLES FROM sys")


main(*((account_taken,) if MYSQL else (taken_away, account_taken, dropped)))
