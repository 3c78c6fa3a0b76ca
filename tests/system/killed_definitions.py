#!/usr/bin/python3
"""Servers do not undo every definition that they are in the middle of when they end: MariaDB comes back without the table that was to be
replaced, and its binary log has not a word of it. Such a database is loaded anew; the only copy there is stays.
"""

import os
import shutil
import signal
import threading
import time

from ddb_cluster import MYSQL, OK, SLOW, STEADY, UNKNOWN, Cluster, Failure, check, equal, good, main, note, wait_until
from wire_client import Client

USER, PASSWORD = "app", "secret"
ACCOUNT = [f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'", f"GRANT ALL ON d.* TO {USER}@'%'"]

ROWS = 150_000
REPLACE = ("CREATE OR REPLACE TABLE d.replaced (id INT PRIMARY KEY, v INT) AS SELECT seq AS id, 1 AS v, REPEAT('x', 900) AS t "
           f"FROM d.seq_1_to_{ROWS}")



def ask(client, sql, told):
    """Over the gateway, as nobody sends it again there."""
    try:
        told.append(client.query(sql))
    except (OSError, EOFError) as error:
        told.append(str(error))


def grows(folder):
    """The table that is being made: the server has dropped the old one by then."""
    path = os.path.join(folder, "d", "replaced.ibd")
    return os.path.exists(path) and os.path.getsize(path) > 2**23


def replaced_table():
    """The coordinator and its server are killed while they fill the new table."""
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.replaced (id INT PRIMARY KEY, v INT)", "INSERT INTO d.replaced VALUES (1, 1)",
                    "CREATE TABLE d.other (id INT PRIMARY KEY)", *ACCOUNT)
        node = cluster.coordinator()
        server = cluster.verb(node, "status").last["mysql_pid"]
        folder = cluster.mysql(node, "SELECT @@datadir")[0][0]
        client, told = Client(cluster.nodes[node]["address"], cluster.port + 2, USER, PASSWORD, "d", deadline_s=60 * SLOW), []
        sender = threading.Thread(target=ask, args=(client, REPLACE, told))
        sender.start()
        wait_until(lambda: grows(folder), 30, "the new table grows")
        os.kill(cluster.record()["nodes"][str(node)]["process"]["pid"], signal.SIGKILL)
        os.kill(server, signal.SIGKILL)
        sender.join(60 * SLOW)
        note(f"the client was told: {told}")
        cluster.start(node)
        cluster.sql(cluster.others(node)[0], "INSERT INTO d.other VALUES (1)", deadline_s=60)
        wait_until(lambda: cluster.mysql(node, "SELECT COUNT(*) FROM d.replaced", check_exit=False), 60, f"node {node} has the table")
        cluster.settle()
        equal(cluster.same_tables("d"), ["other", "replaced"], "tables")


def only_voter():
    """A node that ends behind a definition, before it is in the log: nobody else has the database."""
    with Cluster(nodes=1) as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)")
        cluster.kill(1)
        cluster.start(1, settings=["debug.failpoint=statement_ran:1"])
        answer = cluster.cli(1, "CREATE TABLE d.u (id INT PRIMARY KEY)")
        equal(answer.code, UNKNOWN, f"CREATE TABLE while the node ends: {answer}")
        cluster.start(1)
        cluster.sql(1, "INSERT INTO d.t VALUES (1)", "INSERT INTO d.u VALUES (1)")
        check("only copy" in cluster.log(1), "the node says what it keeps")
        cluster.grow(2)
        equal(cluster.verb(1, "add", "2", timeout=60).code, OK, "add 2")
        cluster.settle()
        equal(cluster.same_tables("d"), ["t", "u"], "tables")


def only_copy():
    """As above, of a cluster whose other nodes have to be loaded: they would wait for this one, and it for them."""
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1), (2)", *ACCOUNT)
        cluster.settle()
        node = max(cluster.nodes)  # the one that is handed the office
        cluster.kill(node)
        cluster.start(node, settings=["debug.failpoint=statement_ran:1"])
        wait_until(lambda: cluster.coordinator() == node, 30, f"node {node} is coordinator")
        folders = {other: os.path.dirname(cluster.mysql(other, "SELECT @@datadir")[0][0].rstrip("/")) for other in cluster.others(node)}
        told = []
        ask(Client(cluster.nodes[node]["address"], cluster.port + 2, USER, PASSWORD, "d"), "CREATE TABLE u (id INT PRIMARY KEY)", told)
        equal(told, ["the server closed the connection"], "CREATE TABLE while the node ends")
        for other, folder in folders.items():
            cluster.kill(other, with_mysql=True)
            shutil.rmtree(folder)
        for each in cluster.nodes:
            cluster.start(each, wait=False)
        wait_until(lambda: cluster.cli(node, "INSERT INTO d.u VALUES (1)").code == OK, 60, "it serves")
        check("only copy" in cluster.log(node), "the node says what it keeps")
        cluster.settle()
        equal(cluster.same_tables("d"), ["t", "u"], "tables")
        equal(cluster.sql(1, "SELECT COUNT(*) FROM d.t").value, 2, "rows")


def ended_while_it_drops(cluster, node, drop):
    """Until the server's time limit meets it when its tables are gone, which it says by its warnings."""
    limit_s = 0.002
    client = Client(cluster.nodes[node]["address"], cluster.port + 2, "root", "", deadline_s=60 * SLOW)
    while limit_s < 60:
        client.query("SET max_statement_time = 0")
        for sql in ["CREATE OR REPLACE DATABASE gone", *[f"CREATE TABLE gone.t{i} (id INT PRIMARY KEY)" for i in range(40)],
                    "CREATE PROCEDURE gone.kept() SELECT 1", "CREATE FUNCTION gone.twice(n INT) RETURNS INT RETURN 2 * n"]:
            good(client, sql)
        cluster.settle()
        client.query(f"SET max_statement_time = {limit_s}")
        answer = client.query(drop)[-1]
        if answer[0] == "ok" and "warnings 0" not in answer:
            return answer
        check(answer[0] == "ok" or answer[1] == 1969, f"{drop} with {limit_s} s: {answer}")
        limit_s *= 1.6 if answer[0] == "error" else 0.7
    raise Failure(f"{drop} never ends in its middle")


def dropped_database():
    """MariaDB says OK where it is ended behind the tables, keeps the routines, and logs the statement as one that timed out."""
    if MYSQL:
        return  # drops a database whole or not at all
    with Cluster(settings=STEADY) as cluster:
        routines = "SELECT db, name FROM mysql.proc WHERE db = 'gone' ORDER BY 1, 2"
        for drop, left in (("DROP DATABASE gone", []), ("CREATE OR REPLACE DATABASE gone", [["gone"]])):
            note(f"{drop}: {ended_while_it_drops(cluster, cluster.coordinator(), drop)}")
            cluster.settle()
            equal(cluster.same(routines), [], f"routines behind {drop}")
            equal(cluster.same("SHOW DATABASES LIKE 'gone'"), left, f"database behind {drop}")
            for each in cluster.nodes:
                check("fenced" not in cluster.log(each), f"node {each} goes on behind {drop}")


main(replaced_table, only_voter, only_copy, dropped_database)
