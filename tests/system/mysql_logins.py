#!/usr/bin/python3
"""Logins in front of MySQL (caching_sha2_password): a client needs no setting that a MySQL server would not ask of it, and
gives its password only once; the servers have the last word, whatever is remembered. Roles.
"""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

from ddb_cluster import MYSQL, SERVER, SLOW, STEADY, Cluster, check, equal, good, main, note, wait_until  # noqa: E402
from wire_client import Client  # noqa: E402

USER = "known"


class Watched(Client):
    """Sees whether it was asked for its password."""

    def __init__(self, cluster, node, password):
        self.password, self.asked = password, False
        super().__init__(cluster.nodes[node]["address"], cluster.port + 2, USER, password, deadline_s=30 * SLOW)

    def _send(self, payload):
        self.asked = self.asked or payload == self.password.encode() + b"\0"
        super()._send(payload)


def asked(cluster, node, password):
    client = Watched(cluster, node, password)
    equal(client.query("SELECT 1")[1], ("row", [b"1"]), f"node {node} serves")
    client.close()
    return client.asked


def refused(cluster, node, password):
    try:
        asked(cluster, node, password)
    except ConnectionError as error:
        return "1045" in str(error)
    return False


def without_settings(cluster):
    """MySQL's own client gives its password over TLS, which it uses where it is offered."""
    client = os.path.join(os.path.dirname(os.path.dirname(SERVER)), "bin", "mysql")
    for node in cluster.nodes:
        for words in ([], ["--ssl-mode=REQUIRED"]):
            result = subprocess.run([client, "--no-defaults", *words, "-h", cluster.nodes[node]["address"], "-P", str(cluster.port + 2),
                                     "-u", USER, "-NB", "-e", "SELECT 1"], env=dict(os.environ, MYSQL_PWD="first"), capture_output=True,
                                    text=True, timeout=60 * SLOW, check=False)
            equal((result.returncode, result.stdout.strip()), (0, "1"), f"node {node} {words}: {result.stderr}")


def asked_once(cluster):
    for node in cluster.nodes:
        check(not asked(cluster, node, "first"), f"node {node} knows the password: the client has logged in before")
        check(refused(cluster, node, "wrong"), f"node {node} takes no other")
    cluster.sql(1, f"ALTER USER {USER}@'%' IDENTIFIED BY 'second'")
    cluster.settle()
    for node in cluster.nodes:
        check(refused(cluster, node, "first"), f"node {node} takes the old password no more")
        equal([asked(cluster, node, "second") for _ in range(2)], [True, False], f"node {node}: the new password is asked for once")
    cluster.sql(1, f"ALTER USER {USER}@'%' IDENTIFIED BY 'third' RETAIN CURRENT PASSWORD")
    cluster.settle()
    equal([asked(cluster, 1, word) for word in ("second", "third", "third", "second")], [False, True, False, False], "two passwords at once")


def server_restarted(cluster):
    """The server has forgotten whom it has seen, the node has not."""
    for node in cluster.nodes:
        pid = cluster.verb(node, "status").last["mysql_pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda node=node, pid=pid: cluster.verb(node, "status").last.get("mysql_pid") not in (None, 0, pid) and
                   cluster.cli(node, "SELECT 1").code == 0, 60, f"node {node} serves again")
        check(not asked(cluster, node, "second"), f"node {node} knows the password behind a restart of its server")
    cluster.sql(1, f"DROP USER {USER}@'%'")
    cluster.settle()
    check(all([refused(cluster, node, "second") for node in cluster.nodes]), "the account is gone")


def written(client, text, tables=("one", "two")):
    """Which of the tables the session can write to."""
    answers = client.query(text)
    equal(answers[-1][0], "ok", f"{text}: {answers}")
    done = []
    for table in tables:
        answer = client.query(f"INSERT INTO roles.{table} VALUES ()")[-1]
        check(answer[0] == "ok" or answer[1] == 1142, f"{text}: INSERT into {table}: {answer}")
        done += [table] if answer[0] == "ok" else []
    return done


def roles(cluster):
    """Whatever roles are active, the session has the rights by which the node runs its writes."""
    cluster.sql(1, "CREATE DATABASE roles", "CREATE TABLE roles.one (id INT AUTO_INCREMENT PRIMARY KEY)",
                "CREATE TABLE roles.two (id INT AUTO_INCREMENT PRIMARY KEY)", "CREATE ROLE one, two", "GRANT INSERT ON roles.one TO one",
                "GRANT INSERT ON roles.two TO two", f"CREATE USER {USER}@'%' IDENTIFIED BY 'first' DEFAULT ROLE one",
                f"GRANT one, two TO {USER}@'%'", f"SET DEFAULT ROLE one TO {USER}@'%'")
    cluster.settle()
    for node in cluster.nodes:
        client = Watched(cluster, node, "first")
        equal(written(client, "DO 0"), ["one"], f"node {node}, as it begins")
        for text, expected in (("SET ROLE two", ["two"]), ("SET ROLE ALL", ["one", "two"]), ("SET ROLE NONE", []), ("SET ROLE ALL EXCEPT one", ["two"]),
                               ("SET ROLE DEFAULT", ["one"])):
            equal(written(client, text), expected, f"node {node}, {text}")
        client.query("BEGIN")
        equal(written(client, "SET ROLE two"), ["two"], f"node {node}, in a transaction")
        equal(written(client, "COMMIT"), ["two"], f"node {node}, behind it")
        client.close()
    # Whoever takes a role's rights, or makes it anew, takes also those that only the node knows of.
    for texts in (["REVOKE ALL PRIVILEGES, GRANT OPTION FROM one", "GRANT INSERT ON roles.one TO one"],
                  ["DROP ROLE one", "CREATE ROLE one", "GRANT INSERT ON roles.one TO one", f"GRANT one TO {USER}@'%'", f"SET DEFAULT ROLE one TO {USER}@'%'"]):
        cluster.sql(1, *texts)
        cluster.settle()
        for node in cluster.nodes:
            client = Watched(cluster, node, "first")
            equal(written(client, "DO 0"), ["one"], f"node {node}, behind {texts[0]}")
            client.close()
    client = Watched(cluster, 1, "first")
    equal(written(client, "SET ROLE two"), ["two"], "in front of a change of coordinators")
    before = cluster.coordinator()
    cluster.verb(1, "step-down")
    wait_until(lambda: cluster.coordinator() not in (0, before), 30, "another coordinator")
    equal(written(client, "DO 0"), ["two"], "the role holds at the next coordinator")
    client.close()
    cluster.settle()
    cluster.same_tables("roles")


def other_characters(cluster):
    """MySQL logs some statements about accounts in UTF-8, whatever the client speaks, and others as they came."""
    client = Client(cluster.nodes[cluster.coordinator()]["address"], cluster.port + 2, "root", "", deadline_s=30 * SLOW)
    for name, encoding in (("latin1", "latin1"), ("koi8r", "koi8-r"), ("utf8mb4", "utf8")):
        word = {"latin1": "ren\u00e9", "koi8r": "\u044e\u0437"}.get(name, "\u043b\u0435\u0432")
        good(client, f"SET NAMES {name}")
        for sql in (f"CREATE DATABASE `{word}`", f"CREATE USER '{word}'@'%' IDENTIFIED BY 'p{word}'", f"GRANT SELECT, INSERT ON `{word}`.* TO '{word}'@'%'",
                    f"CREATE ROLE 'r{word}'", f"GRANT 'r{word}' TO '{word}'", f"ALTER USER '{word}'@'%' IDENTIFIED BY 'q{word}'",
                    f"REVOKE INSERT ON `{word}`.* FROM '{word}'@'%'", f"CREATE USER 'x{word}'@'%'", f"RENAME USER 'x{word}'@'%' TO 'y{word}'@'%'",
                    f"SET PASSWORD FOR 'y{word}'@'%' = 'n{word}'", f"CREATE USER 'z{word}'@'%'", f"DROP USER 'z{word}'@'%'"):
            good(client, sql.encode(encoding).decode("utf-8", "surrogateescape"))
    client.close()
    cluster.settle()
    found = cluster.same("SELECT User, HEX(authentication_string) FROM mysql.user WHERE User <> 'ddb' ORDER BY User, Host; SELECT * FROM mysql.role_edges ORDER BY 2, 4; "
                         "SELECT Host, Db, User, Select_priv, Insert_priv FROM mysql.db WHERE Db <> 'ddb_meta' ORDER BY 2, 3")
    for word in ("ren\u00e9", "\u044e\u0437", "\u043b\u0435\u0432"):
        check({word, "r" + word, "y" + word} <= {row[0] for row in found}, f"the accounts of {word}: {found}")
    for node in cluster.nodes:
        check("fenced" not in cluster.log(node), f"node {node} goes on")


def logins():
    if not MYSQL:
        note("skipped: with MySQL servers only (DDB_SERVER)")
        return
    with Cluster(settings=STEADY) as cluster:
        cluster.sql(1, f"CREATE USER {USER}@'%' IDENTIFIED BY 'first'")
        cluster.settle()
        for part in (without_settings, asked_once, server_restarted, roles, other_characters):
            part(cluster)


if __name__ == "__main__":
    main(logins)
