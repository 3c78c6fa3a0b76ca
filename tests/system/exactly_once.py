#!/usr/bin/python3
"""MySQL clients of all nodes write in many forms while nodes and their servers die, pause and hand over: what a client was told holds.

An acknowledged write is on every node once, one answered with an error is nowhere, a lock by name or on a table is never held twice.
`--seed` and `--seconds` repeat and prolong it.
"""

import argparse
import collections
import contextlib
import os
import random
import signal
import struct
import sys
import tempfile
import threading
import time

from ddb_cluster import SLOW, Background, Cluster, Failure, check, main, note, wait_until
from wire_client import Client as WireClient, lenenc

ARGUMENTS = argparse.ArgumentParser(description=__doc__)
ARGUMENTS.add_argument("--seed", type=int, default=None)
ARGUMENTS.add_argument("--seconds", type=float, default=45)
OPTIONS = ARGUMENTS.parse_args([word for word in sys.argv[1:] if word != "told_and_held"])
SEED = OPTIONS.seed if OPTIONS.seed is not None else random.randrange(1_000_000)

CLIENTS = 9
KEYS = 6
LONGEST_S = 25  # of a few statements; who waits in a circle does so for the 30 s of a lock wait
UNTIED = 100  # the key of rows that no counter goes with
UNKNOWN = {0, 1158, 1180, 2006, 2013, 2014}  # after these nobody can say what became of the statement
LOST = {0, 2006, 2013, 2014}  # the connection
WORDS_OF_LOSS = "this database must be rebuilt"  # of a node that ended in the middle of a definition: nothing else may stop one
SCHEMA = [
    "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40) NOT NULL, k INT, KEY (token))",  # not unique: duplicates show
    "CREATE TABLE counter (k INT PRIMARY KEY, n BIGINT)", "CREATE TABLE held (k INT PRIMARY KEY, n BIGINT)",
    "CREATE TABLE five (token VARCHAR(40), i INT, PRIMARY KEY (token, i))",
    f"INSERT INTO counter VALUES {','.join(f'({k}, 0)' for k in range(KEYS))}", "INSERT INTO held VALUES (0, 0), (1, 0)",
    "CREATE PROCEDURE add_one(tok VARCHAR(40), kk INT) BEGIN INSERT INTO t (token, k) VALUES (tok, kk); SELECT tok; "
    "UPDATE counter SET n = n + 1 WHERE k = kk; END"]


class Refused(Exception):
    """A statement that ended with an error."""

    def __init__(self, code, text, answered=0):
        super().__init__(f"{code} {text}")
        self.code, self.answered = code, answered  # how many statements of its packet were answered before it


class Book:
    """What clients were told."""

    def __init__(self):
        self.lock, self.fates, self.wrong = threading.Lock(), {}, []
        self.codes = collections.Counter()
        self.held = collections.defaultdict(list)  # by lock: (number written under it, fate)

    def complain(self, text):
        with self.lock:
            self.wrong.append(text)

    def put(self, token, error=None, sure=False):
        """The fate of a write; `sure`: its error came where nothing could have been done."""
        if error is None:
            fate = "acknowledged"
        else:
            fate = "unknown" if error.code in UNKNOWN and not sure else "failed"
        with self.lock:
            self.fates[token] = fate, str(error or "")
        return fate


def insert(token, key=UNTIED):
    return f"INSERT INTO t (token, k) VALUES ('{token}', {key})"


def add(key, count=1):
    return f"UPDATE counter SET n = n + {count} WHERE k = {key}"


class Client(Background):
    def __init__(self, cluster, book, number, file):
        super().__init__()
        self.cluster, self.book, self.number, self.file = cluster, book, number, file
        self.rnd, self.count = random.Random(SEED + number), 0
        self.text = self.wire = None
        self.prepared, self.inserted, self.affected = {}, 0, 0

    # -- connections ------------------------------------------------------------------------------------------------

    def connect(self, make):
        nodes = list(self.cluster.nodes)
        first = self.number % len(nodes)
        for node in nodes[first:] + nodes[:first]:
            with contextlib.suppress(Exception):
                return make(self.cluster.nodes[node]["address"], self.cluster.port + 2)
        raise Refused(2003, "no node lets anybody in")

    def drop(self):
        for connection in (self.text, self.wire):
            with contextlib.suppress(Exception):
                if connection:
                    connection.close()
        self.text = self.wire = None
        self.prepared = {}

    def ask(self, *statements):
        """The rows of each of the statements, which travel in one packet."""
        import pymysql
        from pymysql.constants import CLIENT

        self.text = self.text or self.connect(lambda host, port: pymysql.connect(
            host=host, port=port, user="app", password="p", database="d", autocommit=True, local_infile=True, connect_timeout=5,
            read_timeout=90 * SLOW, client_flag=CLIENT.MULTI_STATEMENTS))
        answers = []
        try:
            with self.text.cursor() as cursor:
                cursor.execute(";".join(statements))
                while True:
                    self.affected, self.inserted = cursor.rowcount, cursor.lastrowid
                    answers.append(cursor.fetchall())
                    if not cursor.nextset():
                        return answers
        except pymysql.err.Error as error:
            raise self.refused(error.args[0] if error.args else 0, error, len(answers)) from None

    def refused(self, code, error, answered=0):
        if code in LOST:
            self.drop()
        with self.book.lock:
            self.book.codes[code] += 1
        return Refused(code, error, answered)

    def execute(self, sql, *values):
        """As a prepared statement, which lasts as long as its connection."""
        try:
            self.wire = self.wire or self.connect(lambda host, port: WireClient(host, port, "app", "p", "d", deadline_s=90 * SLOW))
            if sql not in self.prepared:
                number, answer = self.wire.prepare(sql)
                if number is None:
                    raise self.refused(answer[0][1], f"at PREPARE: {answer[0]}")
                self.prepared[sql] = number
            parameters = [(8, False, struct.pack("<q", value)) if isinstance(value, int) else (0xFD, False, lenenc(value.encode()))
                          for value in values]
            answer = self.wire.execute(self.prepared[sql], parameters)
        except OSError as error:
            raise self.refused(2013, error) from None
        failed = next((word for word in answer if word[0] == "error"), None)
        if failed:
            raise self.refused(failed[1], failed)

    # -- forms ------------------------------------------------------------------------------------------------------

    def step(self):
        form = self.rnd.choice([
            self.one, self.several, self.transaction, self.without_autocommit, self.called, self.called, self.prepared_one,
            self.prepared_transaction, self.file_of_client, self.temporary_table, self.under_a_name, self.under_lock_tables])
        begun = time.monotonic()
        try:
            form()
        except Refused:
            time.sleep(self.rnd.uniform(0.01, 0.1))
        except Exception as error:  # pylint: disable=broad-except
            self.book.complain(f"{form.__name__}: {type(error).__name__}: {error}")
            self.drop()
        took = time.monotonic() - begun
        if took > LONGEST_S * SLOW:
            self.book.complain(f"{form.__name__} took {took:.0f} s")

    def token(self):
        self.count += 1
        return f"{self.number}-{self.count}"

    def key(self):
        return self.rnd.randrange(KEYS)

    def write(self, token, run):
        try:
            run()
        except Refused as error:
            self.book.put(token, error)
            raise
        self.book.put(token)

    def whole(self, tokens, ask, *steps, commit="COMMIT"):
        """Steps that stand and fall with their COMMIT."""
        at_commit = False
        try:
            for step in steps:
                if callable(step):
                    step()
                else:
                    ask(*([step] if isinstance(step, str) else step))
            at_commit = True
            ask(commit)
        except Refused as error:
            for token in tokens:
                self.book.put(token, error, sure=not at_commit)
            try:
                ask("ROLLBACK")
            except Refused:
                self.drop()
            raise
        for token in tokens:
            self.book.put(token)

    def one(self):
        token = self.token()
        self.write(token, lambda: self.ask(insert(token)))
        number = self.inserted
        found = self.ask("SELECT LAST_INSERT_ID()")[0][0][0]
        if found != number:
            self.book.complain(f"{token}: row {number} is told, LAST_INSERT_ID() says {found}")
        found = self.ask(f"SELECT token FROM t WHERE id = {number}")[0]
        if found != ((token,),):
            self.book.complain(f"{token}: row {number} holds {found}")

    def several(self):
        tokens = [self.token() for _ in range(4)]
        answered, error = 4, None
        try:
            self.ask(*map(insert, tokens))
        except Refused as refused:
            answered, error = refused.answered, refused
        for place, token in enumerate(tokens):
            # What follows an error does not run; behind a lost connection, who knows.
            self.book.put(token, None if place < answered else error, sure=place > answered and error.code not in LOST)

    def transaction(self):
        kept, undone, after, key = self.token(), self.token(), self.token(), self.key()
        self.book.put(undone, Refused(1, "rolled back to its savepoint"))

        def read_modify_write():
            number = self.ask(f"SELECT n FROM counter WHERE k = {key} FOR UPDATE")[0][0][0]
            self.ask(f"UPDATE counter SET n = {number + 1} WHERE k = {key}")

        self.whole([kept, after], self.ask, "BEGIN", read_modify_write, insert(kept, key), "SAVEPOINT s", insert(undone, key), add(key, 100),
                   "ROLLBACK TO s", insert(after, key), add(key))

    def without_autocommit(self):
        first, second, key = self.token(), self.token(), self.key()
        try:
            self.ask("SET autocommit = 0")
            self.whole([first], self.ask, insert(first, key), add(key))
            self.whole([second], self.ask, insert(second, key), add(key), commit=self.rnd.choice(["COMMIT", "BEGIN", "SET autocommit = 1"]))
            self.ask("ROLLBACK")
        finally:
            self.drop()

    def called(self):
        token, key = self.token(), self.key()
        self.write(token, lambda: self.ask(f"CALL add_one('{token}', {key})"))

    def prepared_one(self):
        token = self.token()
        self.write(token, lambda: self.execute("INSERT INTO t (token, k) VALUES (?, ?)", token, UNTIED))

    def prepared_transaction(self):
        token, key = self.token(), self.key()
        self.whole([token], self.execute, "BEGIN", ("INSERT INTO t (token, k) VALUES (?, ?)", token, key),
                   ("UPDATE counter SET n = n + ? WHERE k = ?", 1, key))

    def file_of_client(self):
        token = self.token()
        with open(self.file, "w", encoding="utf-8") as file:
            file.writelines(f"{token}\t{i}\n" for i in range(5))
        self.write(token, lambda: self.ask(f"LOAD DATA LOCAL INFILE '{self.file}' INTO TABLE five (token, i)"))

    def temporary_table(self):
        token, key = self.token(), self.key()

        def copy():
            self.ask("INSERT INTO t (token, k) SELECT token, k FROM mine")
            if self.affected != 1:
                self.book.complain(f"{token}: its temporary table has {self.affected} rows")

        try:
            self.ask("CREATE TEMPORARY TABLE mine (k INT PRIMARY KEY, token VARCHAR(40))")
            self.whole([token], self.ask, "BEGIN", f"INSERT INTO mine VALUES ({key}, '{token}')", copy, add(key))
        finally:
            self.drop()

    def under_a_name(self):
        self.section(0, "SELECT GET_LOCK('held', 5)", "SELECT RELEASE_LOCK('held')")

    def under_lock_tables(self):
        self.section(1, "LOCK TABLES held WRITE", "UNLOCK TABLES")

    def section(self, row, enter, leave):
        """What is read may be written back, one higher, as long as nobody else is inside."""
        try:
            if self.ask(enter)[0] == ((0,),):
                return
            number = self.ask(f"SELECT n FROM held WHERE k = {row}")[0][0][0] + 1
            time.sleep(self.rnd.uniform(0, 0.03))
            token = self.token()
            try:
                self.write(token, lambda: self.ask(f"UPDATE held SET n = {number} WHERE k = {row}"))
            finally:
                with self.book.lock:
                    self.book.held[row].append((number, self.book.fates.pop(token)[0]))
            self.ask(leave)
        except Refused:
            self.drop()
            raise


# -- faults -----------------------------------------------------------------------------------------------------------


def stopped_for(pid, seconds):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)


def fault(cluster, rnd):
    node = cluster.coordinator() if rnd.random() < .7 else rnd.choice(list(cluster.nodes))
    if not node:
        return
    server = cluster.verb(node, "status", timeout=2).last.get("mysql_pid")
    kind = rnd.choice(["node killed", "node and server killed", "server killed", "node paused", "server paused", "step-down", "step-down"])
    note(f"node {node}: {kind}")
    if kind == "step-down":
        cluster.verb(node, "step-down", timeout=3)
    elif kind == "node paused":
        stopped_for(cluster.record()["nodes"][str(node)]["process"]["pid"], rnd.choice([0.3, 1, 4]))
    elif kind == "server paused" and server:
        stopped_for(server, rnd.choice([0.3, 1, 4]))
    elif kind == "server killed" and server:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGKILL)
    elif kind.endswith("killed"):
        cluster.kill(node, with_mysql=kind == "node and server killed")
        time.sleep(rnd.uniform(0.1, 1.5))
        cluster.start(node, wait=False)


# -- in the end -------------------------------------------------------------------------------------------------------


def check_rows(cluster, book):
    times = {token: int(count) for token, count in cluster.mysql(1, "SELECT token, COUNT(*) FROM d.t GROUP BY token")}
    times |= {token: int(count) / 5 for token, count in cluster.mysql(1, "SELECT token, COUNT(*) FROM d.five GROUP BY token")}
    for token, (fate, why) in book.fates.items():
        count = times.pop(token, 0)
        allowed = {"acknowledged": (1,), "failed": (0,), "unknown": (0, 1)}[fate]
        if count not in allowed:
            book.complain(f"{token}: told as {fate} ({why}), and there {count} times")
    if times:
        book.complain(f"nobody wrote {list(times)[:5]}")
    for key, count, rows in cluster.mysql(1, "SELECT k, n, (SELECT COUNT(*) FROM d.t WHERE t.k = counter.k) FROM d.counter"):
        if count != rows:
            book.complain(f"counter {key} is {count}, and {rows} rows were written with it")


def check_sections(cluster, book):
    for row, written in book.held.items():
        sure = [number for number, fate in written if fate == "acknowledged"]
        twice = [number for number, count in collections.Counter(sure).items() if count > 1]
        if twice:
            book.complain(f"lock {row}: two were inside, who wrote {twice[:5]}")
        last = int(cluster.mysql(1, f"SELECT n FROM d.held WHERE k = {row}")[0][0])
        missing = set(range(1, last + 1)) - {number for number, fate in written if fate != "failed"}
        if missing or last < max(sure, default=0):
            book.complain(f"lock {row}: {last} in the end, {max(sure, default=0)} acknowledged, nobody wrote {sorted(missing)[:5]}")


def check_nodes(cluster):
    wait_until(lambda: all(cluster.verb(node, "health", timeout=3).last.get("healthy") for node in cluster.nodes), 90, "all healthy")
    cluster.settle(deadline_s=60)
    for node in cluster.nodes:
        for line in cluster.log(node).splitlines():
            check("fenced, nothing" not in line or WORDS_OF_LOSS in line, f"node {node} was stopped: {line}")
    cluster.same_tables("d")


def make_schema(cluster):
    cluster.sql(1, "CREATE DATABASE d", "CREATE USER app@'%' IDENTIFIED BY 'p'", "GRANT ALL ON *.* TO app@'%'")
    maker = Client(cluster, Book(), 0, "")
    for sql in SCHEMA:
        maker.ask(sql)
    maker.drop()


def told_and_held():
    note(f"seed {SEED}")
    rnd, book = random.Random(SEED), Book()
    with Cluster() as cluster, tempfile.TemporaryDirectory() as files, contextlib.ExitStack() as running:
        make_schema(cluster)
        clients = [Client(cluster, book, number, os.path.join(files, str(number))) for number in range(CLIENTS)]
        for client in clients:
            running.enter_context(client)
        end = time.monotonic() + OPTIONS.seconds
        while time.monotonic() < end:
            time.sleep(rnd.uniform(0.3, 2.5))
            fault(cluster, rnd)
            wait_until(cluster.coordinator, 60, "a coordinator")
        running.close()
        for client in clients:
            client.drop()
        fates = collections.Counter(fate for fate, _ in book.fates.values())
        note(f"{dict(fates)}, written under locks {sum(map(len, book.held.values()))}; errors {dict(book.codes)}")
        check_nodes(cluster)
        check_rows(cluster, book)
        check_sections(cluster, book)
        if book.wrong:
            raise Failure(f"{len(book.wrong)} wrong, first: {'; '.join(book.wrong[:5])}")


sys.argv[1:] = []
main(told_and_held)
