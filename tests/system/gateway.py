#!/usr/bin/python3
"""MySQL clients on every node: what they are told is compared with a plain server's answers, line by line; logins, the
dump of a database and its return, bytes that are no protocol, and a coordinator that is killed under open sessions.
"""

import concurrent.futures
import difflib
import os
import random
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

from ddb_cluster import BIN, MYSQL, SERVER, SLOW, STEADY, Cluster, check, equal, main, need, note, of_server, wait_until  # noqa: E402
import servers  # noqa: E402

FILES = 60
USER, PASSWORD = "app", "it's \\ secret"
# So that what a client sees of columns and defaults is the same on the plain server.
PLAIN = {"sql-require-primary-key" if MYSQL else "innodb-force-primary-key": "ON", "innodb-flush-log-at-trx-commit": "2"}


def account(name=USER, password=PASSWORD):
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    return [f"CREATE USER {name}@'%' IDENTIFIED BY '{quoted}'", f"GRANT ALL ON *.* TO {name}@'%'"]


class PlainServer:
    """A server of its own that nothing replicates, with the tests' account."""

    def __init__(self, directory):
        self.port, = servers.free_ports(1)
        options = dict(PLAIN, port=str(self.port), **{"bind-address": "127.0.0.1"})
        self.server = servers.MysqlServer(directory, options, SERVER) if MYSQL else servers.Server(directory, options)

    def __enter__(self):
        self.server.install()
        self.server.start()
        try:
            self.server.wait_for("SELECT 1", "1", 60 * SLOW)
            self.server.sql(";".join(account()))
            self.first_login()
        except BaseException:
            self.server.stop()
            raise
        return self

    def first_login(self):
        """MySQL takes a password over an open connection only from an account that it has seen log in over a closed one."""
        subprocess.run([need("mariadb"), "--no-defaults", "-S", self.server.socket, "-u", USER, "-e", "DO 1"],
                       env=dict(os.environ, MYSQL_PWD=PASSWORD), capture_output=True, check=True)

    def __exit__(self, *_):
        self.server.stop()


def client_command(cluster, node, *statements, user=USER, path=None):
    where = ["-S", path] if path else ["-h", cluster.nodes[node]["address"], "-P", str(cluster.port + 2)]
    return [need("mariadb"), "--no-defaults", *where, "-u", user, "-NB", *(word for text in statements for word in ("-e", text))]


def mariadb(cluster, node, *statements, user=USER, password=PASSWORD, text=None, database=None, path=None, deadline_s=60):
    """The command-line client on that node's listener, or its path: (exit code, output, errors)."""
    words = client_command(cluster, node, *statements, user=user, path=path)
    result = subprocess.run(words + ([database] if database else []), input=text or "", capture_output=True, text=True,
                            env=dict(os.environ, MYSQL_PWD=password), timeout=deadline_s * SLOW, check=False)
    return result.returncode, result.stdout.strip(), result.stderr.strip()


def good(cluster, node, *statements, **options):
    code, out, errors = mariadb(cluster, node, *statements, **options)
    check(code == 0, f"node {node}: {statements or 'a script'}: {errors}")
    return out


def probe(host, port):
    result = subprocess.run([os.path.join(BIN, "gateway_probe"), host, str(port), USER, PASSWORD], capture_output=True,
                            text=True, errors="replace", timeout=120 * SLOW, check=False)
    check(result.returncode == 0, f"gateway_probe on {host}:{port}: exit {result.returncode}: {result.stdout[-300:]}")
    return result.stdout.splitlines()


def same_as_a_plain_server():
    if MYSQL:
        note("not compared: the plain server is MariaDB")
        return
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        with PlainServer(os.path.join(cluster.base, "plain")) as plain:
            expected = probe("127.0.0.1", plain.port)
        check(len(expected) > 300, f"the plain server answers the probe: {len(expected)} lines")
        for node in cluster.nodes:
            found = probe(cluster.nodes[node]["address"], cluster.port + 2)
            lines = [line for line in difflib.unified_diff(expected, found, "plain server", f"node {node}", lineterm="", n=1)]
            check(not lines, "\n".join([f"node {node} answers otherwise:", *lines[:40]]))
            note(f"node {node}: {len(found)} lines as on a plain server")


def logins():
    with Cluster(settings=STEADY) as cluster:
        coordinator = cluster.coordinator()
        one, other = coordinator, cluster.others(coordinator)[0]
        for statement in account():
            cluster.sql(one, statement)
        equal(good(cluster, other, "SELECT 1 + 1"), "2", "a new account on another node")
        for password in ("", "wrong"):
            code, _, errors = mariadb(cluster, other, "SELECT 1", password=password)
            check(code != 0 and "1045" in errors and PASSWORD not in errors, f"password '{password}': {errors}")
        code, _, errors = mariadb(cluster, one, "SELECT 1", user="ddb")
        check(code != 0 and "1045" in errors, f"the node's own account: {errors}")
        code, _, errors = mariadb(cluster, one, "SELECT 1", database="nowhere")
        check(code != 0 and "1049" in errors, f"a database that is not there: {errors}")
        good(cluster, one, f"ALTER USER {USER}@'%' IDENTIFIED BY 'another'")
        equal(good(cluster, other, "SELECT 2", password="another"), "2", "a changed password on another node")
        for node in cluster.nodes:
            check("another" not in cluster.log(node) and "secret" not in cluster.log(node), f"no password in the log of node {node}")


def local_clients():
    """Through a path of the host, as clients take "localhost"; one that a killed node leaves behind is taken over."""
    def path(node):
        return os.path.join(cluster.directory, f"node-{node}", "mysql.sock")

    def served(node):
        return mariadb(cluster, node, "SELECT COUNT(*) FROM d.t", path=path(node))

    with Cluster(settings=STEADY + ["gateway.socket=mysql.sock"]) as cluster:
        for statement in account() + ["CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)"]:
            cluster.sql(1, statement)
        for node in cluster.nodes:
            good(cluster, node, f"INSERT INTO d.t VALUES ({node})", path=path(node))
            equal(good(cluster, node, "SELECT COUNT(*) FROM d.t", path=path(node)), str(node), f"what node {node} has written")
        code, _, errors = mariadb(cluster, 1, "SELECT 1", password="wrong", path=path(1))
        check(code == 1 and "1045" in errors and f"'{USER}'@'localhost'" in errors, f"a wrong password: {errors}")
        victim = cluster.others(cluster.coordinator())[0]
        cluster.kill(victim)
        check(os.path.exists(path(victim)), "a killed node leaves its path behind")
        cluster.start(victim)
        wait_until(lambda: served(victim)[:2] == (0, "3"), 30, "served through the path again")
        cluster.tool("stop", victim)
        check(not os.path.exists(path(victim)), "a node that stops takes its path along")
        cluster.start(victim, settings=[f"gateway.socket={path(victim)}", "gateway.port=0"])
        wait_until(lambda: served(victim)[:2] == (0, "3"), 30, "served through the path alone")
        code, _, errors = mariadb(cluster, victim, "SELECT 1")
        check(code == 1 and "2002" in errors, f"nobody listens on the network: {errors}")


def dump_and_return():
    with Cluster(settings=STEADY) as cluster:
        node = cluster.others(cluster.coordinator())[0]
        for statement in account():
            cluster.sql(node, statement)
        good(cluster, node, "CREATE DATABASE a; CREATE TABLE a.t (id INT PRIMARY KEY, v LONGBLOB); "
             + of_server("INSERT INTO a.t SELECT seq, REPEAT(CHAR(seq), 20000) FROM a.seq_1_to_200; CREATE DATABASE b"))
        dump = subprocess.run([need("mariadb-dump"), "--no-defaults", "-h", cluster.nodes[node]["address"], "-P",
                               str(cluster.port + 2), "-u", USER, "--single-transaction", "--routines", "--hex-blob", "--no-autocommit", "a"],
                              capture_output=True, text=True, env=dict(os.environ, MYSQL_PWD=PASSWORD), timeout=60 * SLOW, check=False)
        equal(dump.returncode, 0, f"mariadb-dump: {dump.stderr}")
        good(cluster, node, text=dump.stdout, database="b")
        sums = good(cluster, node, "CHECKSUM TABLE a.t, b.t").split()
        equal(len(sums), 4, f"words of CHECKSUM: {sums}")
        equal(sums[1], sums[3], "checksums of the table and of its copy")


def nonsense():
    with Cluster() as cluster:
        for statement in account():
            cluster.sql(1, statement)
        where = (cluster.nodes[1]["address"], cluster.port + 2)
        chance = random.Random(5)
        for _ in range(200):
            with socket.create_connection(where, timeout=5) as client:
                client.settimeout(5)
                client.recv(200)
                payload = chance.randbytes(chance.randrange(1, 300))
                if chance.random() < 0.5:
                    payload = len(payload).to_bytes(3, "little") + b"\x01" + payload
                try:
                    client.sendall(payload)
                    if chance.random() < 0.3:
                        client.recv(200)
                except OSError:
                    pass
        with socket.create_connection(where, timeout=5) as client:
            client.settimeout(20)
            client.recv(200)
            client.sendall(b"\xff\xff\xff\x01" + b"x" * 1000)  # 16 MB are announced
            check(b"#08S01" in client.recv(500), "a login of 16 MB is refused at once")
        idle = [socket.create_connection(where, timeout=5) for _ in range(50)]
        equal(good(cluster, 1, "SELECT 3"), "3", "the node serves meanwhile")
        for client in idle:
            client.settimeout(20 * SLOW)
            said = b"".join(iter(lambda client=client: client.recv(200), b""))
            check(b"08S01" in said, f"a client that says nothing is let go: {said}")
            client.close()


def connect(cluster, node, user=USER, password=PASSWORD, autocommit=False):
    import pymysql  # only here: the other tests do without

    return pymysql.connect(host=cluster.nodes[node]["address"], port=cluster.port + 2, user=user, password=password,
                           autocommit=autocommit, read_timeout=30 * SLOW, write_timeout=30 * SLOW)


def told(run):
    """The number of the error that run() ends with; 0 without one."""
    import pymysql

    try:
        run()
        return 0
    except pymysql.err.Error as error:
        return error.args[0]


def ddb_statements():
    with Cluster() as cluster:
        for statement in account():
            cluster.sql(1, statement)
        good(cluster, 1, "CREATE DATABASE s; CREATE TABLE s.t (id INT PRIMARY KEY); INSERT INTO s.t VALUES (1)")
        cluster.settle()
        for node in cluster.nodes:
            rows = [line.split("\t") for line in good(cluster, node, "SHOW DDB NODES").splitlines()]
            equal(sorted(row[0] for row in rows), ["1", "2", "3"], f"nodes that node {node} shows")
            values = dict(line.split("\t", 1) for line in good(cluster, node, "SHOW DDB STATUS").splitlines())
            equal(values["id"], str(node), "the node that answers")
            wait_until(lambda node=node: "TXN-" in good(cluster, node, "SHOW DDB TRANSACTIONS"), 10,
                       f"transactions that node {node} shows")
            equal(good(cluster, node, "SET ddb_write_concern = 'all'; INSERT INTO s.t VALUES "
                       f"({node + 10}); SET ddb_read_consistency = 'local'; SELECT COUNT(*) FROM s.t"), str(node + 1), "rows")
        down = cluster.others(1)
        for node in down:
            cluster.kill(node, with_mysql=True)
        equal(good(cluster, 1, "SET ddb_read_consistency = 'local'; SELECT COUNT(*) FROM s.t"), "4", "a local read without majority")


def listed(client, sql, text):
    """The row of the session that runs `text`."""
    with client.cursor() as cursor:
        cursor.execute(sql)
        return next((row for row in cursor.fetchall() if text in row), None)


def kills():
    with Cluster(settings=STEADY) as cluster:
        for statement in account() + account("other", "x"):
            cluster.sql(1, statement)
        node = cluster.others(cluster.coordinator())[0]
        victim, killer, stranger = connect(cluster, node), connect(cluster, node), connect(cluster, node, "other", "x")
        elsewhere = connect(cluster, cluster.coordinator())
        number = victim.thread_id()
        answers = []
        sleeper = threading.Thread(target=lambda: answers.append(told(lambda: victim.query("SELECT SLEEP(60) FROM mysql.user"))))
        begin = time.monotonic()
        sleeper.start()
        time.sleep(0.5)
        equal(told(lambda: stranger.query(f"KILL QUERY {number}")), 1095, "of another user")
        equal(told(lambda: elsewhere.query(f"KILL QUERY {number}")), 1094, "on another node")
        killer.query(f"KILL QUERY {number}")
        sleeper.join()
        # By the number in the list, whose statement runs on the coordinator.
        lock_waiter = threading.Thread(target=lambda: answers.append(told(lambda: victim.query("SELECT GET_LOCK('kills', 60)"))))
        killer.query("SELECT GET_LOCK('kills', 0)")
        lock_waiter.start()
        watcher = connect(cluster, node, autocommit=True)
        for shown in ("SELECT ID, INFO FROM information_schema.PROCESSLIST", "SHOW FULL PROCESSLIST"):
            found = wait_until(lambda: listed(watcher, shown, "SELECT GET_LOCK('kills', 60)"), 20, shown)  # noqa: B023
        watcher.query(f"KILL QUERY {found[0]}")
        lock_waiter.join(30)
        check(time.monotonic() - begin < 30, "they ended early")
        check(answers[0] in (0, 1317), f"a killed statement: {answers}")
        equal(told(lambda: victim.query("SELECT 1")), 0, "the session goes on")
        killer.kill(number)
        check(told(lambda: victim.query("SELECT 1")) in (1927, 2006, 2013), "the connection has ended")
        equal(told(lambda: killer.query(f"KILL {number}")), 1094, "nobody any more")
        check(told(lambda: killer.query("KILL CONNECTION_ID()")) in (1927, 1317, 2013), "oneself")


def killed_behind_first_replies():
    """What ends while the server has answered only what went ahead of the statement: its rest is not waited for."""
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        cluster.sql(1, "CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)", "INSERT INTO w.t VALUES (1)")
        for node in cluster.nodes:
            holder, killer = connect(cluster, node), connect(cluster, node)
            for first, statement, error in (("DO 1", "SELECT SLEEP(60)", 1317), ("DO 1", "UPDATE w.t SET id = 2", 1927),
                                            ("BEGIN", "UPDATE w.t SET id = 2", 1213)):
                holder.query("SELECT * FROM w.t FOR UPDATE")
                victim, answers = connect(cluster, node, autocommit=True), []
                number = victim.thread_id()
                if error != 1317:  # the one of its server's, by which the node itself is not told
                    with victim.cursor() as cursor:
                        cursor.execute("SELECT CONNECTION_ID()")
                        number = cursor.fetchone()[0]
                victim.query(first)
                run = threading.Thread(target=lambda: answers.append(told(lambda: victim.query(statement))))  # noqa: B023
                run.start()
                time.sleep(0.5)
                killer.query(f"KILL {'QUERY' if error == 1317 else ''} {number}")
                run.join(20 * SLOW)
                equal(answers, [error], f"{statement} behind {first}, killed through node {node}")
                holder.rollback()
                equal(told(lambda: victim.query("SELECT 1 FROM w.t")), 0, "the session goes on")
                victim.close()


def client_files():
    """LOAD DATA LOCAL: the file comes from the client, whichever node it talks to, and is loaded once."""
    with Cluster() as cluster:
        for statement in account():
            cluster.sql(1, statement)
        good(cluster, 1, "CREATE DATABASE f; CREATE TABLE f.t (node INT, a INT, b VARCHAR(20), PRIMARY KEY (node, a))")
        plain, path = (os.path.join(cluster.base, name) for name in ("plain.tsv", "it's.tsv"))
        for name in (plain, path):
            with open(name, "w", encoding="utf-8") as file:
                file.write("1\tx\n2\t\\N\n3\tz\n")
        named = path.replace("'", "''")
        warnings = 0 if MYSQL else 3  # where any statement makes the server forget those of the one before
        for node in cluster.nodes:
            load = f"LOAD DATA LOCAL INFILE '{named}' INTO TABLE f.t (a, b) SET node = {node}"
            equal(good(cluster, node, f"{load}; SELECT ROW_COUNT(); {load}; SELECT ROW_COUNT(), @@warning_count"), f"3\n0\t{warnings}",
                  f"rows loaded through node {node}, twice")
            good(cluster, node, f"BEGIN; LOAD DATA LOCAL INFILE '{named}' INTO TABLE f.t (a, b) SET node = {node + 20}; ROLLBACK")
            cluster.sql(node, f"LOAD DATA LOCAL INFILE '{plain}' INTO TABLE f.t (a, b) SET node = {node + 10}")
            code, _, errors = mariadb(cluster, node, f"LOAD DATA LOCAL INFILE '{named}' INTO TABLE f.missing")
            check(code == 1 and "1146" in errors, f"a table that is not there: {errors}")
            code, _, errors = mariadb(cluster, node, "LOAD DATA LOCAL INFILE '/nowhere' INTO TABLE f.t")
            check(code == 1 and "/nowhere" in errors, f"a file that is not there: {errors}")
        equal(good(cluster, 1, "SELECT COUNT(*), COUNT(b) FROM f.t"), "18\t12", "rows in all")
        first = cluster.coordinator()
        node = cluster.others(first)[0]
        loads = [f"LOAD DATA LOCAL INFILE '{plain}' INTO TABLE f.t (a, b) SET node = {100 + i};\nDO SLEEP(0.02);" for i in range(FILES)]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            loading = pool.submit(good, cluster, node, text="\n".join(loads))
            wait_until(lambda: int(good(cluster, node, "SELECT COUNT(*) FROM f.t")) > 18 + FILES // 4, 30, "some files")
            cluster.kill(first, with_mysql=True)
            loading.result()
        equal(good(cluster, node, "SELECT COUNT(*) FROM f.t WHERE node >= 100"), str(3 * FILES), "each file once")
        cluster.start(first)
        cluster.settle()
        cluster.same_tables("f")


def read_only_transactions():
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        cluster.sql(1, "CREATE DATABASE r", "CREATE TABLE r.t (id INT PRIMARY KEY)")
        for node in cluster.nodes:
            client = connect(cluster, node)
            client.autocommit(True)

            def run(*statements, client=client):
                for statement in statements:
                    client.query(statement)

            def mine(client=client):
                with client.cursor() as cursor:
                    cursor.execute("SELECT COUNT(*) FROM r.mine")
                    return cursor.fetchone()[0]
            refused = lambda text, run=run: told(lambda: run(text))  # noqa: E731
            insert = f"INSERT INTO r.t VALUES ({node})"
            run("CREATE TEMPORARY TABLE r.mine (id INT PRIMARY KEY)", "START TRANSACTION READ ONLY", "INSERT INTO r.mine VALUES (1)")
            equal(refused(insert), 1792, "a write in a READ ONLY transaction")
            equal(refused("CREATE TEMPORARY TABLE r.more (id INT)"), 1792, "a temporary table made in one")
            run("COMMIT")
            equal(mine(), 1, "what it wrote to a temporary table")
            run("SET TRANSACTION READ ONLY")
            equal(refused(insert), 1792, "a READ ONLY statement of its own")
            run("SET TRANSACTION READ ONLY", "BEGIN", "COMMIT", "SET SESSION TRANSACTION READ ONLY")
            equal(refused(insert), 1792, "a write in a READ ONLY session")
            run("SET SESSION TRANSACTION READ WRITE", insert)
            equal(refused("SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 2013"), 2013, "an error as the client's library has them")
            equal(mine(), 1, "the session's temporary table")
        cluster.same_tables("r")


def databases():
    """The session's database, on whichever connection of the node's a statement runs: changed by a statement that hides a USE, and dropped."""
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        for node in cluster.nodes:
            client = connect(cluster, node, autocommit=True)  # one that says SET is never read for on its own node

            def first(statement, client=client):
                with client.cursor() as cursor:
                    cursor.execute(statement)
                    return cursor.fetchone()[0] if cursor.rowcount and cursor.description else None

            def change(to, client=client):
                client.query(f"USE {to}" if MYSQL else f"EXECUTE IMMEDIATE 'USE {to}'")
            for name in ("da", "db"):
                client.query(f"CREATE DATABASE {name}")
                client.query(f"CREATE TABLE {name}.t (v VARCHAR(9) PRIMARY KEY)")
                client.query(f"INSERT INTO {name}.t VALUES ('{name}')")
            client.query("USE da")
            equal(first("SELECT v FROM t"), "da", "a read behind USE")
            change("db")
            equal([first("SELECT v FROM t"), first("SELECT v FROM t FOR UPDATE")], ["db", "db"], "reads here and there behind another")
            client.query("DROP DATABASE db")
            equal([first("SELECT DATABASE()"), first("SELECT DATABASE() FOR UPDATE")], [None, None], "the database that was dropped")
            client.query("CREATE DATABASE db")
            client.query("CREATE TABLE db.t (v VARCHAR(9) PRIMARY KEY)")
            equal(told(lambda: first("SELECT v FROM t")), 1046, "a read of a database that came back, and is not chosen")
            equal(told(lambda: first("INSERT INTO t VALUES ('x')")), 1046, "a write to it")
            client.query("USE da")
            equal(first("SELECT v FROM t"), "da", "a read behind USE")
            client.query("DROP DATABASE da")
            client.query("DROP DATABASE db")
            client.close()


def tables_without_key():
    """Applications make them so (Redmine, Liquibase), or give them a key when they are filled (what phpMyAdmin exports)."""
    refused = 3750 if MYSQL else 1173
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        client = connect(cluster, cluster.others(cluster.coordinator())[0], autocommit=True)

        def rows(*statements):
            with client.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall()
        rows("CREATE DATABASE n", "CREATE TABLE n.t (id INT NOT NULL, a VARCHAR(9))", "INSERT INTO n.t VALUES (1, 'x'), (5, 'y')",
             "ALTER TABLE n.t ADD PRIMARY KEY (id), ADD KEY a (a)", "ALTER TABLE n.t MODIFY id INT NOT NULL AUTO_INCREMENT", "INSERT INTO n.t (a) VALUES ('z')")
        check("ddb_row_key" not in rows("SHOW CREATE TABLE n.t")[0][1], "the key given later takes the place of ours")
        rows("CREATE TABLE IF NOT EXISTS n.log (a INT, b DOUBLE, KEY (a))", "INSERT INTO n.log VALUES (1, 0.1), (1, 0.1), (2, 0.2)")
        equal(rows("SELECT LAST_INSERT_ID()"), ((6,),), "the number given last")
        rows("DELETE FROM n.log WHERE a = 1 LIMIT 1", "UPDATE n.log SET b = b + 1", "CREATE TABLE n.copied AS SELECT * FROM n.log",
             "ALTER TABLE n.copied ADD id INT AUTO_INCREMENT PRIMARY KEY FIRST")
        equal(rows("SELECT a FROM n.log ORDER BY a"), ((1,), (2,)), "one of two equal rows")
        if not MYSQL:
            equal(told(lambda: rows("CREATE OR REPLACE TABLE n.log (a INT)")), refused, "not behind what drops another one")
        equal(told(lambda: rows("ALTER TABLE n.t MODIFY id INT, DROP PRIMARY KEY")), refused, "nor may a key be taken away")
        # MySQL calculates no key where an INSERT names no columns.
        rows("CREATE TABLE n.all_ways (a INT CHECK (a < 100), `b c` VARCHAR(9))", "INSERT INTO n.all_ways VALUES (1, 'x'), (2, 'y')",
             "INSERT IGNORE INTO n.all_ways VALUES (3, DEFAULT), (4, 'z')", "REPLACE n.all_ways VALUES (5, 'r')",
             "INSERT INTO n.all_ways VALUES (6, 'd') ON DUPLICATE KEY UPDATE a = 0", "INSERT INTO n.all_ways SELECT 7, 's'",
             "BEGIN", "INSERT INTO n.all_ways VALUES (8, 't')", "INSERT IGNORE INTO n.all_ways VALUES (9, 't')", "COMMIT", "USE n",
             "CREATE TABLE n.alike LIKE n.all_ways", "CREATE TABLE n.`grün` (`ü``` INT, b INT)", "INSERT INTO n.`grün` VALUES (1, 2)", "INSERT INTO alike VALUES (10, NULL)", "CREATE VIEW n.view AS SELECT `b c`, a FROM all_ways",
             "INSERT INTO view VALUES ('v', 11)")
        equal(rows("SELECT COUNT(*), SUM(a), LAST_INSERT_ID() FROM n.all_ways")[0][:2], (10, 56), "rows, however they were inserted")
        equal(told(lambda: rows("INSERT INTO n.all_ways VALUES (100, 'no')")), 3819 if MYSQL else 4025, "the table's own constraint")
        equal(told(lambda: rows("BEGIN", "INSERT INTO n.all_ways VALUES (100, 'no')")), 3819 if MYSQL else 4025, "in a transaction")
        rows("INSERT INTO n.all_ways VALUES (12, 'last')", "COMMIT")
        for insert in ("INSERT", "INSERT IGNORE"):  # what was said of the next transaction holds for the one that it begins
            level = rows("SET autocommit = 0", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", f"{insert} INTO n.alike VALUES (20, 'x')",
                         "SELECT trx_isolation_level FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id = CONNECTION_ID()")
            equal(level, (("READ COMMITTED",),), f"the level of what an {insert} begins")
            rows("ROLLBACK", "SET autocommit = 1")
        program = os.path.join(os.path.dirname(os.path.dirname(SERVER)), "bin", "mysqldump") if MYSQL else need("mariadb-dump")
        options = ["--get-server-public-key", "--set-gtid-purged=OFF", "--no-tablespaces"] if MYSQL else []
        dump = subprocess.run([program, "--no-defaults", "-h", cluster.nodes[1]["address"], "-P", str(cluster.port + 2), "-u", USER, *options,
                               "--single-transaction", "n", "all_ways"], capture_output=True, text=True,
                              env=dict(os.environ, MYSQL_PWD=PASSWORD), timeout=60 * SLOW, check=False)
        equal(dump.returncode, 0, f"the dump: {dump.stderr}")
        good(cluster, 2, text=dump.stdout, database="n")
        equal(len(rows("SELECT * FROM n.all_ways")), 11, "rows that were dumped and loaded")
        cluster.settle()
        equal(cluster.same("SELECT id, a FROM n.t ORDER BY id"), [["1", "x"], ["5", "y"], ["6", "z"]], "rows on every server")
        cluster.same_tables("n")


def temporary_tables_without_key():
    """Applications make them so (Bacula's batches): they come out as on a plain server, whose rows need no key either."""
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        cluster.sql(1, "CREATE DATABASE y", "CREATE TABLE y.t (id INT AUTO_INCREMENT PRIMARY KEY, a INT)")
        for node in cluster.nodes:
            client = connect(cluster, node, autocommit=True)

            def rows(*statements, client=client):
                with client.cursor() as cursor:
                    for statement in statements:
                        cursor.execute(statement)
                    return cursor.fetchall()
            equal(rows("CREATE TEMPORARY TABLE y.one (a INT, b BLOB)", "INSERT INTO y.one VALUES (2, 'x'), (1, 'y'), (2, 'x')", "SELECT * FROM y.one"),
                  ((2, b"x"), (1, b"y"), (2, b"x")), "rows that are equal, in their order")
            equal(rows("SELECT LAST_INSERT_ID()"), ((0,),), "no number was given")
            equal(rows("CREATE TEMPORARY TABLE y.two AS SELECT a FROM y.one", "SELECT * FROM y.two"), ((2,), (1,), (2,)), "filled by a query")
            rows("START TRANSACTION", "CREATE TEMPORARY TABLE y.three (a INT)", "INSERT INTO y.three SELECT DISTINCT a FROM y.one",
                 "INSERT INTO y.t (a) SELECT a FROM y.three", "COMMIT")
            equal(rows("SELECT COUNT(*) FROM y.three"), ((2,),), "made inside a transaction")
            rows("ALTER TABLE y.three ADD PRIMARY KEY (a)", "ALTER TABLE y.two ADD id INT AUTO_INCREMENT PRIMARY KEY FIRST")
            equal(rows("SELECT * FROM y.two"), ((1, 2), (2, 1), (3, 2)), "given a key later")
            equal(told(lambda: rows("INSERT INTO y.three VALUES (1)")), 1062, "which counts")
            equal(rows("CREATE TEMPORARY TABLE y.four (a INT, KEY USING HASH (a)) ENGINE=MEMORY SELECT a FROM y.two", "SELECT COUNT(*) FROM y.four"), ((3,),),
                  "of another engine, and without a key")
            equal(told(lambda: rows("CREATE TABLE y.five (id INT PRIMARY KEY) ENGINE=MEMORY")), 3161 if MYSQL else 1290, "one that would be replicated")
        cluster.settle()
        equal(len(cluster.same("SELECT * FROM y.t")), 2 * len(cluster.nodes), "rows that were taken from them")


def temporary_tables_of_routines():
    """Made in a procedure, without a key and of other engines, as reports do."""
    if MYSQL:
        return note("MySQL refuses tables without a key")
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        cluster.sql(1, "CREATE DATABASE r", "CREATE TABLE r.t (id INT AUTO_INCREMENT PRIMARY KEY, a INT)")
        with connect(cluster, 1, autocommit=True).cursor() as cursor:
            cursor.execute("""CREATE PROCEDURE r.report(n INT) BEGIN
                                DROP TABLE IF EXISTS r.one, r.two;
                                DROP TEMPORARY TABLE IF EXISTS r.three;
                                CREATE TEMPORARY TABLE r.one (a INT, b VARCHAR(9), KEY (a)) ENGINE=MEMORY;
                                INSERT INTO r.one VALUES (n, 'x'), (n + 1, 'y'), (n, 'x');
                                CREATE TEMPORARY TABLE r.two AS SELECT a, COUNT(*) c FROM r.one GROUP BY a;
                                INSERT INTO r.t (a) SELECT a FROM r.two;
                                SELECT * FROM r.one;
                              END""")
            cursor.execute("""CREATE PROCEDURE r.put_together(n INT) BEGIN
                                CREATE TEMPORARY TABLE IF NOT EXISTS r.four (id INT AUTO_INCREMENT PRIMARY KEY, a INT);
                                TRUNCATE TABLE r.four;
                                EXECUTE IMMEDIATE CONCAT('CREATE OR REPLACE TEMPORARY TABLE r.', 'five (a INT)');
                                SET @made = CONCAT('CREATE OR REPLACE TEMPORARY TABLE r.six AS SELECT seq AS a FROM r.seq_1_to_', n);
                                PREPARE made FROM @made;
                                EXECUTE made;
                                INSERT INTO r.five SELECT a FROM r.six;
                                INSERT INTO r.four (a) SELECT a + 10 FROM r.five;
                                SELECT * FROM r.four;
                              END""")
        for node in cluster.nodes:
            client = connect(cluster, node, autocommit=True)
            with client.cursor() as cursor:
                for _ in range(2):
                    cursor.execute("CALL r.report(5)")
                    equal(cursor.fetchall(), ((5, "x"), (6, "y"), (5, "x")), "what the procedure tells")
                for last in (3, 2):
                    cursor.execute(f"CALL r.put_together({last})")
                    equal(cursor.fetchall(), tuple((n, n + 10) for n in range(1, last + 1)), "put together by the procedure")
                cursor.execute("BEGIN NOT ATOMIC CREATE TEMPORARY TABLE r.three ENGINE=MyISAM SELECT * FROM r.two; END")
                cursor.execute("SELECT a, c FROM r.three")
                equal(cursor.fetchall(), ((5, 2), (6, 1)), "made by a block")
        cluster.settle()
        equal(cluster.same("SELECT a, COUNT(*) FROM r.t GROUP BY a"), [["5", "6"], ["6", "6"]], "rows on every server")


def coordinator_killed():
    import pymysql

    with Cluster() as cluster:
        first = cluster.coordinator()
        node = cluster.others(first)[0]
        for statement in account():
            cluster.sql(node, statement)

        idle, busy = connect(cluster, node), connect(cluster, node)
        with idle.cursor() as cursor:
            cursor.execute("CREATE DATABASE k")
            cursor.execute("CREATE TABLE k.t (id INT PRIMARY KEY)")
            cursor.execute("SET @mine = 5, sql_mode = 'ANSI_QUOTES'")
            for statement in ("SET @n = 0", "SET @n = @n + 1", "SET @n = @n + 1", "PREPARE p FROM 'SELECT \"id\" + ? FROM k.t'", "SET @n = @n + 1"):
                cursor.execute(statement)
            idle.commit()
        with busy.cursor() as cursor:
            cursor.execute("INSERT INTO k.t VALUES (1)")  # the driver has switched autocommit off
        cluster.kill(first, with_mysql=True)
        with idle.cursor() as cursor:
            cursor.execute('INSERT INTO k.t VALUES (2)')
            idle.commit()
            cursor.execute('SELECT @mine, "id" FROM k.t')
            equal(cursor.fetchall(), ((5, 2),), "an idle session goes on as it was")
            cursor.execute("SELECT @n")
            equal(cursor.fetchall(), ((3,),), "and its variables, step by step")
            cursor.execute("EXECUTE p USING @mine")
            equal(cursor.fetchall(), ((7,),), "and what it had prepared")
        with busy.cursor() as cursor:
            try:
                cursor.execute("INSERT INTO k.t VALUES (3)")
                check(False, "an open transaction does not go on")
            except pymysql.err.OperationalError as error:
                equal(error.args[0], 1213, "an open transaction is told")
            busy.rollback()
            cursor.execute("INSERT INTO k.t VALUES (4)")
            busy.commit()
        cluster.start(first)
        wait_until(lambda: cluster.verb(first, "health").last.get("healthy"), 30, "healthy")
        cluster.settle()
        equal(cluster.same("SELECT GROUP_CONCAT(id ORDER BY id) FROM k.t"), [["2,4"]], "rows on every server")


if __name__ == "__main__":
    main(same_as_a_plain_server, logins, local_clients, dump_and_return, nonsense, ddb_statements, kills, killed_behind_first_replies, client_files,
         read_only_transactions, databases, tables_without_key, temporary_tables_without_key, temporary_tables_of_routines, coordinator_killed)
