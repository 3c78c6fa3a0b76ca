#!/usr/bin/python3
"""Idle sessions whose coordinator goes: random settings, variables, prepared statements, temporary tables, locks. Behind it each is as on a plain server
that nothing happened to, or is told what it has lost.

`--seed`, `--rounds` and `--sessions` repeat and prolong it; a failure prints the session's statements.
"""

import argparse
import random
import sys
import tempfile

from ddb_cluster import MYSQL, SLOW, STEADY, Cluster, Failure, check, main, note, wait_until
from gateway import PASSWORD, USER, PlainServer, account
from wire_client import Client

ARGUMENTS = argparse.ArgumentParser(description=__doc__)
ARGUMENTS.add_argument("--seed", type=int, default=1)
ARGUMENTS.add_argument("--rounds", type=int, default=4)
ARGUMENTS.add_argument("--sessions", type=int, default=40)
PARTS = ("as_on_a_plain_server", "values_of_their_moment", "diagnostics")
OPTIONS = ARGUMENTS.parse_args([word for word in sys.argv[1:] if word not in PARTS])
SEED = OPTIONS.seed

STATEMENTS = 14
TOLD = {1213, 1927}  # a transaction, or state, that went with the coordinator
SCHEMA = ["CREATE DATABASE s1", "CREATE DATABASE s2", "CREATE ROLE r1", "GRANT SELECT ON s1.* TO r1", f"GRANT r1 TO {USER}@'%'"]
READ_ONLY, REFUSED = 1792, 1235
# {n}: the session's own number.
SAID = {
    "variables": ["SET @a = 5", "SET @a = @a + 1", "SET @b = @a", "SET @a = NULL", "SET @c := 'text'", "SET @c = 'te\\'xt', @b = 2",
                  "SET @q = 'SELECT @a + 1'", "SET @b = @@sql_mode", "SET @a = @a"],
    "settings": ["SET sql_mode = ''", "SET sql_mode = 'ANSI_QUOTES'", "SET sql_mode = 'PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'", "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
                 "SET sql_mode = DEFAULT", "SET @old = @@sql_mode, sql_mode = ''", "SET sql_mode = @old", "SET NAMES latin1", "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
                 "SET CHARACTER SET latin1", "SET collation_connection = utf8mb4_general_ci", "SET time_zone = '+05:00'", "SET time_zone = 'SYSTEM'", "SET timestamp = 1000",
                 "SET timestamp = DEFAULT", "SET lc_time_names = 'de_DE'", "SET auto_increment_increment = 3", "SET div_precision_increment = 2", "SET group_concat_max_len = 7",
                 "SET sql_select_limit = 2", "SET sql_select_limit = DEFAULT", "SET LOCAL max_sort_length = 64", "SET @@session.foreign_key_checks = 0",
                 "SET div_precision_increment = @@div_precision_increment + 1", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET SESSION TRANSACTION READ ONLY",
                 "SET SESSION TRANSACTION READ WRITE", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET autocommit = 0", "SET autocommit = 1", "SET last_insert_id = 44",
                 "SET rand_seed1 = 5, rand_seed2 = 6", "SET ROLE r1", "SET ROLE NONE", "SET STATEMENT div_precision_increment = 1 FOR SELECT 1/3"],
    "prepared": ["PREPARE p FROM 'SELECT 1/3, @a'", "PREPARE p FROM 'SELECT \"x\", DATABASE()'", "PREPARE p FROM @q", "PREPARE p FROM 'INSERT INTO t{n} (v) VALUES (77)'",
                 "PREPARE p FROM 'no statement'", "EXECUTE p", "DEALLOCATE PREPARE p", "DROP PREPARE p"],
    "databases": ["USE s1", "USE s2"],
    "ties": ["CREATE TEMPORARY TABLE s1.tt (a INT PRIMARY KEY)", "INSERT INTO s1.tt VALUES (1)", "DROP TEMPORARY TABLE s1.tt", "SELECT GET_LOCK('l{n}', 0)",
             "SELECT RELEASE_LOCK('l{n}')", "DO RELEASE_ALL_LOCKS()", "HANDLER s1.t{n} OPEN AS h", "HANDLER h CLOSE"],
    "lost": ["SET @a = (SELECT COUNT(*) FROM s1.t{n})", "SELECT 7 INTO @a", "SELECT @a := 9", "SET @b = CONCAT(@c, 'x')",
             "PREPARE P FROM CONCAT('SELECT ', '8')", "EXECUTE IMMEDIATE 'SET @a = 3'"],
    "rows": ["INSERT INTO s1.t{n} (v) VALUES (1)", "INSERT INTO s2.t{n} (v) VALUES (2), (3)", "INSERT INTO s1.t{n} (id, v) SELECT id, 9 FROM s1.t{n} LIMIT 1", "UPDATE s1.t{n} SET v = v + 1",
             "INSERT INTO s1.t{n} VALUES (NULL, 5) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)", "SELECT COUNT(*) FROM s1.t{n}", "SELECT v FROM t{n}",
             "DELETE FROM s2.t{n} LIMIT 1", "SELECT LAST_INSERT_ID(9)", "SELECT 1 FROM nowhere"],
    "transactions": ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT x", "ROLLBACK TO x", "START TRANSACTION READ ONLY"],
}
WEIGHTS = {"variables": 5, "settings": 6, "prepared": 4, "databases": 1, "ties": 1, "lost": 1, "rows": 3, "transactions": 1}
ASKED = ["SELECT @a, @b, @c, @old", "SELECT @@sql_mode, @@time_zone, @@lc_time_names, @@auto_increment_increment, @@div_precision_increment, @@group_concat_max_len",
         "SELECT @@character_set_client, @@character_set_results, @@collation_connection, @@max_sort_length, @@foreign_key_checks, @@sql_select_limit",
         "SELECT DATABASE(), LAST_INSERT_ID(), CURRENT_ROLE()", "EXECUTE p", "SELECT @@tx_isolation, @@tx_read_only",
         "SELECT NOW() < '1980-01-01', DAYNAME('2020-01-06'), 1/3", "SELECT * FROM s1.tt", "SELECT IS_USED_LOCK('l{n}') = CONNECTION_ID()", "SELECT GROUP_CONCAT(v) FROM s1.t{n}",
         "INSERT INTO s1.t{n} (v) VALUES (100)", "SELECT LAST_INSERT_ID()", "ROLLBACK", "SELECT id, v FROM s1.t{n} ORDER BY id", "SELECT id, v FROM s2.t{n} ORDER BY id",
         "SELECT v FROM t{n} ORDER BY id", "EXECUTE p", "SELECT 'a' || 'b', 'x\\\\y'", "SELECT @a, @b, @c"]


def comparable(answer):
    """Rows, or the error's code, of every result."""
    out = []
    for item in answer:
        if item[0] == "error":
            out.append(("error", item[1]))
        elif item[0] in ("row", "rows"):
            out.append(item)
    return out


def code_of(answer):
    return next((item[1] for item in answer if item[0] == "error"), 0)


class Pair:
    """The same session on a node and on the plain server."""

    def __init__(self, number, node, plain, rnd):
        self.number, self.node, self.rnd, self.said, self.told = number, node, rnd, [], None
        self.weights = dict(WEIGHTS) if rnd.random() < 0.3 else dict(WEIGHTS, ties=0, lost=0, transactions=0)  # most lose nothing
        self.clients = [Client(host, port, USER, PASSWORD, database="s1", deadline_s=60 * SLOW) for host, port in (node, plain)]

    def say(self, text):
        """False: the session was told what it has lost."""
        text = text.format(n=self.number)
        self.said.append(text)
        try:
            ours, theirs = (client.query(text) for client in self.clients)
        except (OSError, ValueError) as error:
            raise Failure(f"{text} through {self.node[0]}: {error}\n  behind " + ";\n         ".join(self.said[:-1])) from error
        if code_of(ours) in TOLD and code_of(theirs) not in TOLD:
            self.told = code_of(ours)
            return False
        if READ_ONLY in (code_of(ours), code_of(theirs)) and code_of(ours) != code_of(theirs):
            return False  # said at another point of a statement that is prepared
        if code_of(ours) == REFUSED:
            return False  # by a READ ONLY transaction, of what only the coordinator can do
        if comparable(ours) != comparable(theirs):
            raise Failure(f"{text} through {self.node[0]}:\n  ddb   {ours}\n  plain {theirs}\n  behind " + ";\n         ".join(self.said[:-1]))
        return True

    def go_on(self, count):
        for _ in range(count):
            kind = self.rnd.choices(list(self.weights), self.weights.values())[0]
            if not self.say(self.rnd.choice(SAID[kind])):
                return False
        return True

    def close(self):
        for client in self.clients:
            client.close()


def another_coordinator(cluster, rnd):
    before = cluster.coordinator()
    if rnd.random() < 0.5:
        wait_until(lambda: cluster.verb(before, "step-down").code == 0, 30, "step-down")
    else:
        cluster.kill(before)
        cluster.start(before)
    wait_until(lambda: cluster.coordinator() is not None, 30, "a coordinator")
    return "step-down" if cluster.coordinator() == before else f"node {before} is it no more"


def one_round(cluster, plain, rnd, first):
    nodes = [cluster.nodes[node]["address"] for node in cluster.others(cluster.coordinator())]
    pairs = []
    for number in range(first, first + OPTIONS.sessions):
        for client in (Client(nodes[0], cluster.port + 2, USER, PASSWORD), Client("127.0.0.1", plain.port, USER, PASSWORD)):
            for database in ("s1", "s2"):
                answer = client.query(f"CREATE TABLE {database}.t{number} (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
                check(code_of(answer) == 0, answer)
            client.close()
        pairs.append(Pair(number, (nodes[number % 2], cluster.port + 2), ("127.0.0.1", plain.port), random.Random(rnd.random())))
    pairs = [pair for pair in pairs if pair.go_on(STATEMENTS) or check(pair.told is None, "told of a loss before there is one: " + "; ".join(pair.said))]
    note(another_coordinator(cluster, rnd))
    for pair in pairs:
        pair.said.append("-- another coordinator")
        for text in ASKED:
            if not pair.say(text):
                break
    told = sum(pair.told is not None for pair in pairs)
    note(f"{len(pairs)} sessions, {told} were told of a loss")
    for pair in pairs:
        pair.close()


def as_on_a_plain_server():
    rnd = random.Random(SEED)
    note(f"repeat with --seed {SEED} --rounds {OPTIONS.rounds} --sessions {OPTIONS.sessions}")
    with tempfile.TemporaryDirectory(prefix="ddb-system.") as directory, PlainServer(directory) as plain, Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        for statement in SCHEMA:
            cluster.sql(1, statement)
            plain.server.sql(statement)
        for each in range(OPTIONS.rounds):
            one_round(cluster, plain, rnd, each * OPTIONS.sessions)
            cluster.settle()


def values_of_their_moment():
    """What a SET has found in its moment would be something else at the next coordinator: the session is told that it is lost."""
    texts = ["SET @a = @@identity", "SET @a = @@warning_count", "SET @a = CURRENT_TIMESTAMP", "SET @b = 1, @a = @@last_insert_id + 1",
             "GET DIAGNOSTICS @a = ROW_COUNT", "SET @a = 7", "SET @a = @@sql_mode"]
    with Cluster(settings=STEADY) as cluster:
        for statement in [*account(), "CREATE DATABASE s1", "CREATE TABLE s1.moment (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"]:
            cluster.sql(1, statement)
        before = cluster.coordinator()
        node = cluster.nodes[cluster.others(before)[0]]["address"]
        clients = {text: Client(node, cluster.port + 2, USER, PASSWORD, database="s1", deadline_s=60 * SLOW) for text in texts}
        found = {}
        for text, client in clients.items():
            for statement in ("INSERT INTO moment (v) VALUES (1), (2)", text):
                check(code_of(client.query(statement)) == 0, statement)
            found[text] = comparable(client.query("SELECT @a"))
        wait_until(lambda: cluster.verb(before, "step-down").code == 0, 30 * SLOW, "step-down")
        wait_until(lambda: cluster.coordinator() not in (None, before), 30 * SLOW, "another coordinator")
        for text, client in clients.items():
            answer = client.query("SELECT @a")
            if text in texts[-2:]:
                check(comparable(answer) == found[text], f"{text}: was {found[text]}, is {answer}")
            else:
                check(code_of(answer) == 1927, f"{text}: was {found[text]}, and behind another coordinator {answer}")
            client.close()


def diagnostics():
    """GET DIAGNOSTICS knows how many rows the statement before has changed."""
    before = ["INSERT INTO counted (v) VALUES (1), (2), (3)", "UPDATE counted SET v = v", "UPDATE counted SET v = v + 1", "INSERT INTO counted VALUES (1, 1)",
              "INSERT IGNORE INTO counted VALUES (1, 1), (9, 9)", "CREATE TABLE counted_too (a INT PRIMARY KEY)", "SET @x = 1", "DELETE FROM counted"]
    ask = ["GET DIAGNOSTICS @r = ROW_COUNT", "get current diagnostics @n = number, @`r` = row_count", "GET DIAGNOSTICS @r = ROW_COUNT, @n = NUMBER",
           "GET DIAGNOSTICS r = ROW_COUNT", "GET DIAGNOSTICS CONDITION 1 @r = ROW_COUNT"]
    with tempfile.TemporaryDirectory(prefix="ddb-system.") as directory, PlainServer(directory) as plain, Cluster(settings=STEADY) as cluster:
        for statement in [*account(), "CREATE DATABASE s1"]:
            cluster.sql(1, statement)
        plain.server.sql("CREATE DATABASE s1")
        for text in ask:
            if MYSQL and "number" in text.lower():
                continue  # what ends a statement's XA makes the server forget how many messages there were
            told = []
            for host, port in [("127.0.0.1", plain.port)] + [(cluster.nodes[node]["address"], cluster.port + 2) for node in cluster.nodes]:
                client = Client(host, port, USER, PASSWORD, database="s1", deadline_s=60 * SLOW)
                client.query("CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
                told.append([])
                for statement in before:
                    client.query("SET @r = 'r', @n = 'n'")
                    client.query(statement)
                    told[-1].append((statement, comparable(client.query(text)), comparable(client.query("SELECT @r, @n"))))
                    client.query(statement)
                    told[-1].append([comparable(client.query(each)) for each in (text, text, "SELECT @r, @n")])
                    client.query(statement)
                    told[-1].append([comparable(client.query(each)) for each in (text, "SELECT ROW_COUNT()")])
                client.query("DROP TABLE counted, counted_too")
                client.close()
            for other in told[1:]:
                check(other == told[0], f"{text}:\n  ddb   {other}\n  plain {told[0]}")


if __name__ == "__main__":
    sys.argv = [word for word in sys.argv if word == sys.argv[0] or word in PARTS]  # the options are read
    main(as_on_a_plain_server, values_of_their_moment, diagnostics)
