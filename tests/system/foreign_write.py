#!/usr/bin/python3
"""Rows written straight into a node's server, past ddb: told in its log once, and counted, on a follower and on the
coordinator; what ddb itself does, definitions and offices that change hands included, is never taken for it.
"""

from ddb_cluster import MYSQL, SLOW, Cluster, check, equal, good, main, note, wait_until
from wire_client import Client

WORDS = ", not replicated: "


def foreign(cluster, node):
    return cluster.verb(node, "status").last.get("foreign_writes", -1)


def own_work(cluster):
    """Everything that ddb writes by itself or for its clients, through every node."""
    for node in cluster.nodes:
        cluster.sql(node, f"CREATE TABLE d.t{node} (id INT AUTO_INCREMENT PRIMARY KEY, v INT)", f"INSERT INTO d.t{node} (v) VALUES (1)",
                    f"CREATE USER u{node}@localhost IDENTIFIED BY 'pw'", f"GRANT SELECT ON d.* TO u{node}@localhost",
                    f"CREATE TABLE d.c{node} (id INT PRIMARY KEY) SELECT id FROM d.t{node}", f"ANALYZE TABLE d.t{node}",
                    f"TRUNCATE TABLE d.c{node}")
        if not MYSQL:
            cluster.sql(node, f"CREATE SEQUENCE d.s{node}", f"SELECT NEXTVAL(d.s{node})")
    before = cluster.coordinator()
    cluster.sql(before, "INSERT INTO d.t1 (v) VALUES (2)")
    equal(cluster.verb(before, "step-down").code, 0, "step-down")
    after = wait_until(lambda: cluster.coordinator() not in (0, before) and cluster.coordinator(), 10, "another coordinator")
    cluster.sql(after, "INSERT INTO d.t2 (v) VALUES (3)")
    cluster.settle()


def foreign_write():
    # The office stays where it is while the test looks at it.
    with Cluster(settings=["election.take_over=false"]) as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "INSERT INTO d.t VALUES (1, 1)")
        own_work(cluster)
        coordinator = cluster.coordinator()
        follower = cluster.others(coordinator)[0]
        # A look every second: what was seen by now would have been told.
        wait_until(lambda: cluster.verb(follower, "status").last["uptime_s"] > 4, 20, "the nodes have looked at their logs")
        for node in cluster.nodes:
            equal(foreign(cluster, node), 0, f"foreign writes of node {node} before there are any: {cluster.log(node)[-600:]}")
        for node, sql in ((follower, "INSERT INTO d.t VALUES (100, 1)"), (coordinator, "CREATE TABLE d.behind (id INT PRIMARY KEY)")):
            cluster.mysql(node, sql)
            wait_until(lambda: foreign(cluster, node) > 0, 10, f"node {node} counts a foreign write")
            told = cluster.log(node).count(WORDS)
            check(0 < told <= 2, f"node {node} tells it once: {told} times")
            note(f"node {node}: " + next(line for line in cluster.log(node).splitlines() if WORDS in line)[24:180])
        cluster.sql(follower, "INSERT INTO d.t VALUES (2, 2)")


def waited_for():
    """A definition that waits for every member ends although no other one can apply it: they are loaded from its coordinator."""
    with Cluster(settings=["election.take_over=false"]) as cluster:
        cluster.sql(1, "CREATE DATABASE d")
        cluster.settle()
        coordinator = cluster.coordinator()
        for node in cluster.others(coordinator):
            cluster.mysql(node, "SET sql_log_bin = 0; CREATE TABLE d.t (id INT PRIMARY KEY)")
        client = Client(cluster.nodes[coordinator]["address"], cluster.port + 2, "root", "", "d", deadline_s=100 * SLOW)
        good(client, "SET ddb_write_concern = 'all'")
        good(client, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
        good(client, "INSERT INTO t VALUES (1, 1)")
        client.close()
        for node in cluster.others(coordinator):
            check("this node's database is that of node" in cluster.log(node), f"node {node} was loaded anew")
        cluster.settle()
        cluster.same_tables("d")


if __name__ == "__main__":
    main(foreign_write, waited_for)
