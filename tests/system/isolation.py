#!/usr/bin/python3
"""Which anomalies two or three sessions on different nodes can see, at each isolation level, beside those on a plain server.

The scripts are those by which databases are commonly compared. An anomaly is told from the values that were read and from which
transactions committed, so that a slow step never makes one. A step that waits for a lock is left alone while the others go on.
"""

import concurrent.futures
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

from ddb_cluster import MYSQL, SLOW, STEADY, Cluster, Failure, check, main, note  # noqa: E402
from gateway import PASSWORD, USER, PlainServer, account  # noqa: E402

LEVELS = ["READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
RU, RC, RR, SER = LEVELS
STEP_S = 0.25  # a step that has no answer by then waits for a lock
DEADLINE_S = 25
# The transaction has ended: deadlock, and the row has changed since it was read.
GONE = (1213, 1020)

ALL, ONE, TWO = "SELECT id, value FROM iso.t ORDER BY id", "SELECT value FROM iso.t WHERE id = 1", "SELECT value FROM iso.t WHERE id = 2"
THREES = "SELECT id, value FROM iso.t WHERE value % 3 = 0 ORDER BY id"


def put(key, value):
    return f"UPDATE iso.t SET value = {value} WHERE id = {key}"


class Run:
    """What one run of a script showed. read(T, n): rows of that transaction's n-th SELECT, None where it has none."""

    def __init__(self):
        self.reads, self.committed, self.rows, self.failed = {}, set(), (), set()

    def read(self, who, number):
        reads = self.reads.get(who, [])
        return reads[number] if number < len(reads) else None

    def value(self, who, number):
        rows = self.read(who, number)
        return rows[0][0] if rows else None

    def both(self, *who):
        return self.committed.issuperset(who)


# name: (what it is, levels at which it is permitted, steps, how it is told)
ANOMALIES = {
    "G0": ("dirty write", [],
           [(1, put(1, 11)), (2, put(1, 12)), (2, put(2, 22)), (1, put(2, 21)), (1, "COMMIT"), (2, "COMMIT")],
           lambda r: r.both(1, 2) and r.rows not in (((1, 11), (2, 21)), ((1, 12), (2, 22)))),
    "G1a": ("aborted read", [RU],
            [(1, put(1, 101)), (2, ONE), (1, "ROLLBACK"), (2, ONE), (2, "COMMIT")],
            lambda r: 101 in (r.value(2, 0), r.value(2, 1))),
    "G1b": ("intermediate read", [RU],
            [(1, put(1, 101)), (2, ONE), (1, put(1, 11)), (1, "COMMIT"), (2, ONE), (2, "COMMIT")],
            lambda r: 101 in (r.value(2, 0), r.value(2, 1))),
    "G1c": ("circular information flow", [RU],
            [(1, put(1, 11)), (2, put(2, 22)), (1, TWO), (2, ONE), (1, "COMMIT"), (2, "COMMIT")],
            lambda r: r.value(1, 0) == 22 and r.value(2, 0) == 11),
    "OTV": ("observed transaction vanishes", [RU],
            [(1, put(1, 11)), (1, put(2, 19)), (2, put(1, 12)), (1, "COMMIT"), (3, ONE), (3, TWO), (2, put(2, 18)), (3, TWO), (2, "COMMIT"),
             (3, TWO), (3, ONE), (3, "COMMIT")],
            lambda r: r.value(3, 0) == 12 and 19 in (r.value(3, 1), r.value(3, 2), r.value(3, 3))),
    "PMP": ("predicate with many preceders", [RU, RC],
            [(1, "SELECT id, value FROM iso.t WHERE value = 30"), (2, "INSERT INTO iso.t VALUES (3, 30)"), (2, "COMMIT"), (1, THREES), (1, "COMMIT")],
            lambda r: r.read(1, 0) == () and bool(r.read(1, 1))),
    "PMP write": ("the same, by a DELETE", [RU, RC],
                  [(2, TWO), (1, "UPDATE iso.t SET value = value + 10"), (2, "DELETE FROM iso.t WHERE value = 20"), (1, "COMMIT"), (2, "COMMIT")],
                  lambda r: r.both(1, 2) and r.value(2, 0) == 20 and r.rows != ((1, 20),)),
    "P4": ("lost update", [RU, RC],
           [(1, ONE), (2, ONE), (1, put(1, 11)), (2, put(1, 12)), (1, "COMMIT"), (2, "COMMIT")],
           lambda r: r.both(1, 2) and r.value(1, 0) == r.value(2, 0) == 10),
    "G-single": ("read skew", [RU, RC],
                 [(1, ONE), (2, put(1, 12)), (2, put(2, 18)), (2, "COMMIT"), (1, TWO), (1, "COMMIT")],
                 lambda r: r.value(1, 0) == 10 and r.value(1, 1) == 18),
    "G-single write": ("read skew, then a write by what was read", [RU, RC],
                       [(1, ALL), (2, put(1, 12)), (2, put(2, 18)), (2, "COMMIT"), (1, "DELETE FROM iso.t WHERE value = 20"), (1, "COMMIT")],
                       lambda r: r.both(1, 2) and r.read(1, 0) == ((1, 10), (2, 20)) and r.rows == ((1, 12), (2, 18))),
    "G2-item": ("write skew", [RU, RC, RR],
                [(1, ALL), (2, ALL), (1, put(1, 11)), (2, put(2, 21)), (1, "COMMIT"), (2, "COMMIT")],
                lambda r: r.both(1, 2) and r.read(1, 0) == r.read(2, 0) == ((1, 10), (2, 20))),
    "G2": ("write skew on a predicate", [RU, RC, RR],
           [(1, THREES), (2, THREES), (1, "INSERT INTO iso.t VALUES (3, 30)"), (2, "INSERT INTO iso.t VALUES (4, 42)"), (1, "COMMIT"), (2, "COMMIT")],
           lambda r: r.both(1, 2) and r.read(1, 0) == r.read(2, 0) == ()),
    "G2 read-only": ("a reader between two writers", [RU, RC, RR],
                     [(1, ALL), (2, "UPDATE iso.t SET value = value + 5 WHERE id = 2"), (2, "COMMIT"), (3, ALL), (3, "COMMIT"), (1, put(1, 0)), (1, "COMMIT")],
                     lambda r: r.both(1, 2) and r.read(1, 0) == ((1, 10), (2, 20)) and r.read(3, 0) == ((1, 10), (2, 25))),
}
# MySQL's InnoDB lets a transaction of this level write over what others have written since its snapshot.
ON_MYSQL = {(name, "REPEATABLE READ") for name in ("PMP write", "P4", "G-single write")}


def is_permitted(name, level):
    return level in ANOMALIES[name][1] or (MYSQL and (name, level) in ON_MYSQL)


# Seen on every run on a plain server: where one of these is not, the script has gone blind.
CERTAIN = {(name, level) for name, levels in {
    "G1a": [RU], "G1b": [RU], "G1c": [RU], "OTV": [RU], "PMP": [RU, RC], "P4": [RU, RC], "G-single": [RU, RC], "G-single write": [RU, RC],
    "G2-item": [RU, RC, RR], "G2": [RU, RC, RR], "G2 read-only": [RU, RC, RR]}.items() for level in levels}


class Session:
    """A connection with a thread of its own, in which its statements run one after another."""

    def __init__(self, address, port):
        import pymysql

        self.connection = pymysql.connect(host=address, port=port, user=USER, password=PASSWORD, autocommit=True,
                                          read_timeout=DEADLINE_S * SLOW, write_timeout=DEADLINE_S * SLOW)
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.running = None

    def _execute(self, sql):
        """(rows, 0), or (None, number of the error)"""
        import pymysql

        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
                return tuple(cursor.fetchall()), 0
        except pymysql.err.MySQLError as error:
            return None, error.args[0]

    def start(self, sql):
        self.running = self.pool.submit(self._execute, sql)

    def result(self, deadline_s):
        """None when there is no answer by then."""
        try:
            return self.running.result(deadline_s * SLOW)
        except concurrent.futures.TimeoutError:
            return None

    def good(self, sql):
        rows, error = self._execute(sql)
        check(error == 0, f"{sql}: error {error}")
        return rows

    def close(self):
        self.pool.shutdown()
        self.connection.close()


class Script:
    """Runs one anomaly's steps on sessions 1, 2 and 3."""

    def __init__(self, sessions, steps):
        self.sessions, self.steps, self.run = sessions, steps, Run()
        self.open, self.waiting = {}, {who: [] for who in sessions}

    def take(self, who, deadline_s):
        """Notes down the answer to the session's running statement; False when there is none yet."""
        sql = self.open.get(who)
        if sql is None:
            return True
        answer = self.sessions[who].result(deadline_s)
        if answer is None:
            return False
        del self.open[who]
        rows, error = answer
        if error:
            check(error in GONE, f"T{who}: {sql}: error {error}")
            self.run.failed.add(who)
        elif sql.startswith("SELECT"):
            self.run.reads.setdefault(who, []).append(rows)
        elif sql == "COMMIT":
            self.run.committed.add(who)
        return True

    def go_on(self, who, deadline_s=0.0):
        """Runs what waits in the session until one of its statements waits for a lock."""
        while self.take(who, deadline_s) and self.waiting[who]:
            sql = self.waiting[who].pop(0)
            if who not in self.run.failed:
                self.open[who] = sql
                self.sessions[who].start(sql)
            deadline_s = STEP_S

    def play(self):
        for who, sql in self.steps:
            self.waiting[who].append(sql)
            for session in self.sessions:
                self.go_on(session)
        end = time.monotonic() + DEADLINE_S * SLOW
        while self.open or any(self.waiting.values()):
            check(time.monotonic() < end, f"no answer within {DEADLINE_S} s: {self.open}, waiting behind it {self.waiting}")
            for who in self.sessions:
                self.go_on(who, STEP_S)
        return self.run


class Unisolated:
    """Stands in for a session on a store that isolates nothing: every script must see its anomaly there."""

    def __init__(self, rows):
        self.rows, self.before, self.answer = rows, dict(rows), ()

    def start(self, sql):
        condition = (re.findall(r"WHERE (.*?)(?: ORDER|$)", sql) or ["True"])[0].replace(" = ", " == ")
        chosen = [(i, v) for i, v in sorted(self.rows.items()) if eval(condition, {"id": i, "value": v})]
        if sql.startswith("SELECT"):
            self.answer = tuple(pair if "id, value" in sql else pair[1:] for pair in chosen)
        elif sql.startswith("UPDATE"):
            expression = re.findall(r"SET value = (.*?)(?: WHERE|$)", sql)[0]
            self.rows.update({i: eval(expression, {"value": v}) for i, v in chosen})
        elif sql.startswith("DELETE"):
            for i, _ in chosen:
                del self.rows[i]
        elif sql.startswith("INSERT"):
            self.rows.update([eval(sql.split("VALUES")[1])])
        elif sql == "ROLLBACK":
            self.rows.update(self.before)

    def result(self, _):
        return self.answer, 0


def scripts_see():
    for name, (_, _, steps, told) in ANOMALIES.items():
        rows = {1: 10, 2: 20}
        run = Script({i: Unisolated(rows) for i in (1, 2, 3)}, steps).play()
        run.rows = tuple(sorted(rows.items()))
        check(told(run), f"{name} is not seen where nothing is isolated")


def fresh(session):
    session.good("DELETE FROM iso.t")
    session.good("INSERT INTO iso.t VALUES (1, 10), (2, 20)")


def seen(places, name, level):
    """Whether the anomaly showed to sessions at these three (address, port)."""
    _, _, steps, told = ANOMALIES[name]
    sessions = {i: Session(*place) for i, place in enumerate(places, 1)}
    try:
        fresh(sessions[1])
        for session in sessions.values():
            session.good(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
            session.good("BEGIN")
        run = Script(sessions, steps).play()
        for session in sessions.values():
            session.good("ROLLBACK")
        run.rows = tuple(sessions[1].good(ALL))
        return bool(told(run))
    finally:
        for session in sessions.values():
            session.close()


def seen_in_one_epoch(places, name, level, epoch):
    """seen(), again where the coordinator changed meanwhile: that ends transactions, which hides anomalies."""
    for _ in range(4):
        before, found = epoch(), None
        try:
            found = seen(places, name, level)
        except Failure as failure:
            if epoch() == before:
                raise
            note(f"{failure}")
        if found is not None and epoch() == before:
            return found
        note(f"the coordinator changed during {name} at {level}; once more")
    raise Failure(f"the coordinator changed in each of 4 attempts at {name}, {level}")


def all_seen(places, epoch=lambda: 0):
    """{(anomaly, level): seen}"""
    return {(name, level): seen_in_one_epoch(places, name, level, epoch) for name in ANOMALIES for level in LEVELS}


def prepare(sessions_of):
    session = Session(*sessions_of)
    session.good("CREATE DATABASE iso")
    session.good("CREATE TABLE iso.t (id INT PRIMARY KEY, value INT)")
    session.close()


def table(results):
    """As it stands in README.md: a cell says what is promised, and what of it was seen."""
    lines = ["| anomaly | " + " | ".join(LEVELS) + " |", "|---" * (len(LEVELS) + 1) + "|"]
    for name, (what, _, _, _) in ANOMALIES.items():
        cells = []
        for level in LEVELS:
            times = sum(result[name, level] for result in results)
            cells.append("allowed, " + ("seen" if times else "not seen") if is_permitted(name, level) else "SEEN, FORBIDDEN" if times else "forbidden")
        lines.append(f"| {name}: {what} | " + " | ".join(cells) + " |")
    return lines


def on_plain():
    """The scripts on one plain server, which shows that they see what there is."""
    with tempfile.TemporaryDirectory(prefix="ddb-system.", dir="/tmp") as directory, PlainServer(os.path.join(directory, "plain")) as plain:
        prepare(("127.0.0.1", plain.port))
        return all_seen([("127.0.0.1", plain.port)] * 3)


def plain_server():
    found = on_plain()
    blind = sorted(pair for pair in CERTAIN if not found[pair])
    check(not blind, f"not seen on a plain server: {blind}")
    note(f"{len(CERTAIN)} anomalies that a plain server permits were seen there")


def promised_levels():
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        coordinator = cluster.coordinator()
        first, second = cluster.others(coordinator)
        where = {node: (cluster.nodes[node]["address"], cluster.port + 2) for node in cluster.nodes}
        prepare(where[coordinator])
        placements = [(coordinator, first, second), (first, coordinator, second), (first, second, coordinator)]
        results = []
        for placement in placements:
            results.append(all_seen([where[node] for node in placement], lambda: cluster.epoch(1)))
            note(f"sessions on nodes {placement}, coordinator {cluster.coordinator()}: {sum(results[-1].values())} anomalies seen")
        lines = table(results)
        for line in lines:
            note(line)
        bad = [(name, level) for name in ANOMALIES for level in LEVELS
               if not is_permitted(name, level) and any(result[name, level] for result in results)]
        if bad:
            raise Failure(f"forbidden anomalies were seen: {bad}")
        cluster.settle()
        cluster.same("SELECT * FROM iso.t ORDER BY id")


if __name__ == "__main__":
    main(scripts_see, plain_server, promised_levels)
