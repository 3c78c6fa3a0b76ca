#!/usr/bin/python3
"""Transactions far larger than a log entry: whole on every node or nowhere, through bounded memory, while others go on."""

import os
import random
import subprocess
import threading
import time

from ddb_cluster import SLOW, STEADY, Background, Cluster, check, equal, main, note, of_server, wait_until
from gateway import PASSWORD, account, client_command, good

LONG = "DDB_LONG" in os.environ
ROWS = 1_000_000 if LONG else 24_000  # of about a kilobyte each
FILL = of_server(f"INSERT INTO d.big SELECT seq, REPEAT(LEFT(SHA2(seq, 256), 32), 31) FROM d.seq_1_to_{ROWS}")
STATEMENT_S = int((1800 if LONG else 120) * SLOW)
MEMORY_MB_MAX = 256
PIECES_MB = 64  # of a client's file, at each place where they pass through


class Others(Background):
    """A client that writes rows one by one meanwhile, and remembers the longest it had to wait for ten of them."""

    def __init__(self, cluster, node):
        super().__init__()
        self.cluster, self.node, self.gap_s, self.rows = cluster, node, 0.0, 0

    def step(self):
        begin = time.monotonic()
        self.cluster.sql(self.node, *["INSERT INTO d.other (note) VALUES ('x')"] * 10, timeout=60, deadline_s=120)
        self.gap_s = max(self.gap_s, time.monotonic() - begin)
        self.rows += 10


def memory_mb(cluster):
    """The most each ddb-node ever had in memory."""
    found = {}
    for node, line in cluster.nodes.items():
        with open(f"/proc/{line['pid']}/status", encoding="ascii") as status:
            found[node] = next(int(text.split()[1]) for text in status if text.startswith("VmHWM:")) // 1024
    return found


def large(cluster, node, sql):
    begin = time.monotonic()
    with Others(cluster, node) as others:
        answer = cluster.sql(node, sql, timeout=STATEMENT_S, deadline_s=STATEMENT_S).last
        took_s = time.monotonic() - begin
        applied = f"SELECT 1 FROM ddb_meta.transactions_log WHERE txn = '{answer['txn']}'"
        wait_until(lambda: all(cluster.mysql(each, applied) for each in cluster.nodes), STATEMENT_S, "all nodes have it")
        everywhere_s = time.monotonic() - begin
    cluster.settle(deadline_s=STATEMENT_S)
    note(f"{sql.split()[0]} in {took_s:.1f} s, on every node after {everywhere_s:.1f} s; "
         f"others: {others.rows} rows, longest wait for ten {others.gap_s:.2f} s; memory {memory_mb(cluster)} MB")
    check(others.rows > 0, "others wrote meanwhile")
    return answer


def prepare(cluster):
    cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.big (id INT PRIMARY KEY, text VARCHAR(1000))",
                "CREATE TABLE d.other (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(10))")


def in_parts():
    """One INSERT, one UPDATE, one DELETE and a CREATE ... SELECT of many times an entry's size."""
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        node = cluster.others(cluster.coordinator())[0]
        answer = large(cluster, node, FILL)
        equal(answer["affected_rows"], ROWS, "rows inserted")
        for each in cluster.nodes:
            equal(cluster.mysql(each, f"SELECT kind, `rows` FROM ddb_meta.transactions_log WHERE txn = '{answer['txn']}'"),
                  [["rows", str(ROWS)]], f"the log of node {each}")
        fate = cluster.verb(node, "txn", answer["txn"])
        equal(fate.code, 0, f"its fate: {fate}")
        cluster.same_tables("d")
        # Rows are logged as they were and as they are: half of them are as much as the INSERT.
        large(cluster, node, "UPDATE d.big SET text = REPEAT('u', 1000) WHERE id % 2 = 0")
        cluster.same_tables("d")
        large(cluster, node, "CREATE TABLE d.copy (PRIMARY KEY (id)) AS SELECT * FROM d.big")
        cluster.same_tables("d")
        answer = large(cluster, node, "DELETE FROM d.big")
        equal(answer["affected_rows"], ROWS, "rows deleted")
        cluster.same_tables("d")
        equal(cluster.sql(node, "SELECT COUNT(*) FROM d.copy").value, ROWS, "rows of the copy")
        for each, mb in memory_mb(cluster).items():
            check(mb <= MEMORY_MB_MAX, f"node {each} had {mb} MB in memory")


class SlowFile:
    """A pipe that a client takes for its file: it ends, or its client does, when the test says so."""

    def __init__(self, cluster):
        self.path = os.path.join(cluster.base, "pipe.tsv")
        os.mkfifo(self.path)

    def open(self):
        self.file = open(self.path, "wb")  # once its reader has
        return self.file


def rows_of_file(first, count):
    return b"".join(b"%d\t%s\n" % (number, b"x%d" % (number % 10) * 500) for number in range(first, first + count))


def client_file():
    """LOAD DATA LOCAL of a file that no node keeps whole: through every node, by both clients; and ended in its middle."""
    rows = 30 * 1000 if not LONG else 400 * 1000  # of a kilobyte; a transaction has them twice, and at most a gigabyte
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        prepare(cluster)
        path = os.path.join(cluster.base, "large.tsv")
        with open(path, "wb") as file:
            for first in range(0, rows, 1000):
                file.write(rows_of_file(first, 1000))
        load = f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE d.big"
        first = cluster.coordinator()
        before = memory_mb(cluster)
        for node in (first, cluster.others(first)[0]):
            good(cluster, node, load, deadline_s=STATEMENT_S)
            equal(good(cluster, node, "SELECT COUNT(*), SUM(LENGTH(text)) FROM d.big"), f"{rows}\t{rows * 1000}", "the file's rows")
            good(cluster, node, "BEGIN; DELETE FROM d.big; " + load + "; ROLLBACK; DELETE FROM d.big", deadline_s=STATEMENT_S)
        cluster.sql(node, load, timeout=STATEMENT_S, deadline_s=STATEMENT_S)
        equal(cluster.sql(node, "SELECT COUNT(*) FROM d.big").value, rows, "rows that ddb-cli loaded")
        cluster.settle(deadline_s=STATEMENT_S)
        cluster.same_tables("d")
        note(f"a file of {os.path.getsize(path) >> 20} MB; memory {before} MB before, {memory_mb(cluster)} MB at most")
        for each, mb in memory_mb(cluster).items():
            check(mb <= MEMORY_MB_MAX + PIECES_MB, f"node {each} had {mb} MB in memory")
        cluster.sql(node, "DELETE FROM d.big")
        slow = SlowFile(cluster)
        for what in ("the client", "the coordinator"):
            node = cluster.others(cluster.coordinator())[0]
            client = subprocess.Popen(client_command(cluster, node, f"LOAD DATA LOCAL INFILE '{slow.path}' INTO TABLE d.big"),
                                      env=dict(os.environ, MYSQL_PWD=PASSWORD), stderr=subprocess.PIPE, text=True)
            with slow.open() as file:
                file.write(rows_of_file(0, 20_000))
                file.flush()
                running = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'LOAD DATA LOCAL%'"
                wait_until(lambda: good(cluster, node, running) == "1", 30, "the load runs")
                victim = cluster.coordinator()
                client.kill() if what == "the client" else cluster.kill(victim, with_mysql=True)
                try:
                    file.write(rows_of_file(20_000, 10_000))
                except BrokenPipeError:
                    pass
            errors = client.communicate(timeout=60 * SLOW)[1]
            check(what == "the client" or "1213" in errors, f"{what} is lost: {errors}")
            wait_until(lambda: good(cluster, node, running) == "0", 30, "it runs no more")
            equal(good(cluster, node, "SELECT COUNT(*) FROM d.big"), "0", f"rows, {what} lost")
        cluster.start(victim)
        cluster.settle(deadline_s=STATEMENT_S)
        cluster.same_tables("d")


def many_rows():
    """Small ones, ten millions in the long form: made, then deleted by one statement."""
    rows = ROWS * 10
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        node = cluster.others(cluster.coordinator())[0]
        cluster.sql(1, "CREATE TABLE d.small (id INT PRIMARY KEY, n INT)")
        equal(large(cluster, node, of_server(f"INSERT INTO d.small SELECT seq, seq % 7 FROM d.seq_1_to_{rows}"))["affected_rows"], rows, "rows inserted")
        equal(large(cluster, node, "DELETE FROM d.small")["affected_rows"], rows, "rows deleted")
        cluster.same_tables("d")
        for each, mb in memory_mb(cluster).items():
            check(mb <= MEMORY_MB_MAX, f"node {each} had {mb} MB in memory")


def one_large_row():
    """It travels in pieces, so heartbeats do not wait behind it, and an UPDATE has it twice."""
    megabytes = 50 if LONG else 24
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.blobs (id INT PRIMARY KEY, note VARCHAR(10), b LONGBLOB)",
                    "CREATE TABLE d.other (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(10))")
        node = cluster.others(cluster.coordinator())[0]
        epoch = cluster.epoch(node)
        large(cluster, node, f"INSERT INTO d.blobs VALUES (1, 'a', REPEAT('x', {megabytes << 20}))")
        large(cluster, node, "UPDATE d.blobs SET note = 'b'")
        equal(cluster.same("SELECT id, note, LENGTH(b), SHA2(b, 256) FROM d.blobs")[0][1:3], ["b", str(megabytes << 20)], "the row")
        large(cluster, node, "DELETE FROM d.blobs")
        # On a busy machine one election may have other reasons; each resending of such an entry used to bring the next.
        changes = cluster.epoch(node) - epoch
        check(changes <= 1, f"the coordinator changed {changes} times")
        answer = cluster.cli(node, f"INSERT INTO d.blobs VALUES (1, 'a', REPEAT('x', {200 << 20}))", timeout=STATEMENT_S, deadline_s=STATEMENT_S)
        check("larger than 144 MiB" in str(answer), f"a row beyond the limit: {answer}")
        equal(cluster.same("SELECT COUNT(*) FROM d.blobs"), [["0"]], "nothing of it")


def altered():
    """Definitions that read or rewrite the whole table, while others write."""
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        node = cluster.others(cluster.coordinator())[0]
        cluster.sql(node, FILL, timeout=STATEMENT_S, deadline_s=STATEMENT_S)
        for change in ["ADD COLUMN n INT NOT NULL DEFAULT 7 FIRST", "ADD INDEX (text(20))", "MODIFY text VARCHAR(1000) CHARACTER SET latin1"]:
            large(cluster, node, f"ALTER TABLE d.big {change}")
        cluster.same_tables("d")


def coordinator_killed():
    """At any moment of it: all or nothing, and nothing where the client was told so."""
    with Cluster() as cluster:
        prepare(cluster)
        for attempt in range(3):
            coordinator = cluster.coordinator()
            node = cluster.others(coordinator)[0]
            while_it_runs_s = random.uniform(0.1, ROWS / 20_000) * SLOW
            killer = threading.Timer(while_it_runs_s, lambda c=coordinator: cluster.kill(c, with_mysql=attempt == 2))
            killer.start()
            answer = cluster.cli(node, FILL, timeout=STATEMENT_S, deadline_s=STATEMENT_S)
            killer.join()
            cluster.start(coordinator, wait=False)  # it serves when it has applied what may be the whole transaction
            cluster.settle(deadline_s=STATEMENT_S)
            count = cluster.sql(node, "SELECT COUNT(*) FROM d.big", timeout=60).value
            note(f"node {coordinator} killed: {answer}, then {count} rows")
            check(count in (0, ROWS), f"{count} of {ROWS} rows")
            check(answer.code not in (0, 1) or count == (ROWS if answer.code == 0 else 0), f"told {answer}, found {count} rows")
            cluster.same_tables("d")
            cluster.sql(node, "TRUNCATE d.big", timeout=60)
            wait_until(lambda c=coordinator: cluster.coordinator(c) != 0, 30, "a coordinator")


class Notes(Background):
    """A client that writes rows of its own, and remembers which it was told of, and how."""

    def __init__(self, cluster, node):
        super().__init__()
        self.cluster, self.node, self.last, self.codes = cluster, node, 0, {}

    def step(self):
        self.last += 1
        self.codes[self.last] = self.cluster.cli(self.node, f"INSERT INTO d.other (note) VALUES ('{self.last}')", deadline_s=60).code


def copy_killed():
    """CREATE ... SELECT while others write, and its coordinator dies: what overtook it stays, it is whole or nowhere."""
    with Cluster() as cluster:
        prepare(cluster)
        cluster.sql(1, FILL, timeout=STATEMENT_S, deadline_s=STATEMENT_S)
        for attempt in range(3):
            coordinator = cluster.coordinator()
            node, other = cluster.others(coordinator)
            seconds = random.uniform(0.3, ROWS / 12_000) * SLOW
            killer = threading.Timer(seconds, lambda c=coordinator: cluster.kill(c, with_mysql=attempt == 2))
            with Notes(cluster, other) as notes:
                killer.start()
                answer = cluster.cli(node, "CREATE TABLE d.copy (PRIMARY KEY (id)) AS SELECT * FROM d.big", timeout=STATEMENT_S,
                                     deadline_s=STATEMENT_S)
                killer.join()
            cluster.start(coordinator, wait=False)
            cluster.settle(deadline_s=STATEMENT_S)
            cluster.same_tables("d")
            made = cluster.sql(node, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'd' AND table_name = 'copy'").value
            note(f"node {coordinator} killed after {seconds:.1f} s: {answer}, then {made} tables; {notes.last} rows of others")
            check(answer.code not in (0, 1) or made == (answer.code == 0), f"told {answer}, found {made} tables")
            if made:
                equal(cluster.sql(node, "SELECT COUNT(*) FROM d.copy", timeout=60).value, ROWS, "rows of the copy")
            found = {int(text) for (text,) in cluster.mysql(node, "SELECT note FROM d.other")}
            for number, code in notes.codes.items():
                check(code not in (0, 1) or (number in found) == (code == 0), f"row {number} of others: code {code}, found: {number in found}")
            cluster.sql(node, "DELETE FROM d.other", "DROP TABLE IF EXISTS d.copy", timeout=60)
            wait_until(lambda c=coordinator: cluster.coordinator(c) != 0, 30, "a coordinator")


def beyond_the_limit():
    """Refused with an error, rolled back, and the session goes on."""
    with Cluster(settings=["limits.transaction_mb=8"]) as cluster:
        prepare(cluster)
        answer = cluster.cli(2, FILL, timeout=STATEMENT_S, deadline_s=STATEMENT_S)
        equal(answer.code, 1, f"exit code: {answer}")
        equal(answer.error.get("code"), 1197, "error")
        cluster.sql(2, "INSERT INTO d.big VALUES (1, 'small')")
        cluster.settle()
        cluster.same_tables("d")
        equal(cluster.sql(1, "SELECT COUNT(*) FROM d.big").value, 1, "rows")


if __name__ == "__main__":
    main(in_parts, client_file, many_rows, one_large_row, altered, coordinator_killed, copy_killed, beyond_the_limit)
