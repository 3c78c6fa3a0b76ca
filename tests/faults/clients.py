"""Clients that work while faults happen, each through one long-lived ddb-cli, and record what they did and saw."""

import collections
import os
import random
import re
import selectors
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

import ddb_cluster as system  # noqa: E402
from history import APPEND, FAILED, OK, READ, UNKNOWN, History, Operation, Transaction  # noqa: E402
from ledger import NAME  # noqa: E402

STATEMENT_S = 5  # what ddb-cli is given for a statement
HANG_S = 30  # a client without any word for so long hangs
LISTS, LISTS_AT_ONCE, LIST_LENGTH = 1500, 4, 40
REGISTERS = 4
# At which no update gets lost: MySQL permits that at REPEATABLE READ.
LEVEL = "SERIALIZABLE" if system.MYSQL else "REPEATABLE READ"
PROCESS_LIFE_S = 6.0  # then the client begins again at its own node, so that all nodes keep having clients

OUTCOMES = {system.OK: OK, system.SQL_ERROR: FAILED, system.NO_CONNECTION: FAILED, system.NO_QUORUM: FAILED,
            system.UNKNOWN: UNKNOWN}


class Lost(Exception):
    """The process is gone, or said what its user must heed before going on. `outcome` is what that lets conclude."""

    def __init__(self, outcome, text):
        super().__init__(text)
        self.outcome = outcome


class Session:
    """One ddb-cli, its statements on standard input, one JSON document per statement on standard output."""

    def __init__(self, cluster, nodes, settings=()):
        self.cluster, self.nodes, self.settings = cluster, nodes, settings
        self.process, self.buffer, self.started = None, b"", 0.0

    def start(self):
        self.close()
        command = self.cluster.command(None, ["--force", "--nodes", ",".join(self.nodes)], timeout=STATEMENT_S)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=self.cluster.env)
        self.buffer, self.started = b"", time.monotonic()
        for setting in self.settings:
            self.ask(setting)

    def close(self):
        """Ends the process in good order; its exit status and last words."""
        if self.process is None:
            return None, ""
        process, self.process = self.process, None
        try:
            _, errors = process.communicate(timeout=HANG_S * system.SLOW)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None, "the client hangs at its end"
        return process.returncode, errors.decode("utf-8", "replace").strip()[-300:]

    def kill(self):
        if self.process:
            self.process.kill()
            self.close()

    def ask(self, sql):
        """The document of a statement that succeeded. Raises Lost for one that did not."""
        if self.process is None:
            self.start()
        try:
            self.process.stdin.write(sql.encode() + b";\n")
            self.process.stdin.flush()
        except OSError:
            pass  # what the process said before it ended comes next
        line = self._line()
        if not line:
            raise self._gone(sql)
        document = system.documents(line.decode("utf-8", "replace"))[0]
        if document["error"]:
            raise self._refused(sql, document["error"])
        return document

    def _line(self):
        end = time.monotonic() + HANG_S * system.SLOW
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.buffer:
                if not selector.select(max(0.0, end - time.monotonic())):
                    self.kill()
                    raise Lost(None, "the client hangs")
                got = os.read(self.process.stdout.fileno(), 1 << 16)
                if not got:
                    return b""
                self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def _gone(self, sql):
        code, errors = self.close()
        if code not in OUTCOMES or code == system.OK:
            return Lost(None, f"exit {code} after {sql[:100]}: {errors}")
        return Lost(OUTCOMES[code], errors)

    def _refused(self, sql, error):
        text = f"{error['code']}: {error['message']}"
        # An error of the server leaves the session as it is; every other one ends the process, and its exit status tells.
        if error["code"] in (1213, 1205, 1020):
            if not re.match(r"COMMIT|UPDATE reg", sql):
                return Lost(FAILED, text)
        code, _ = self.close()
        return Lost(OUTCOMES.get(code), text if code in OUTCOMES else f"exit {code} after {sql[:100]}: {text}")


class Client(threading.Thread):
    """Repeats `act` until told to stop."""

    settings = ()

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number, self.name = load, number, f"{type(self).letter}{number}"
        self.random = random.Random(f"{load.seed}-{self.name}")
        addresses = [f"{node['address']}:{load.cluster.port}" for node in load.cluster.nodes.values()]
        home = number % len(addresses)
        self.session = Session(load.cluster, addresses[home:] + addresses[:home], ["USE faults", *self.settings])
        self.count = 0

    def run(self):
        while not self.load.over.is_set():
            try:
                if self.session.process is None or time.monotonic() - self.session.started > PROCESS_LIFE_S:
                    self.session.start()
                self.act()
            except Lost as lost:
                if lost.outcome is None:
                    self.load.history.complain(f"{self.name}: {lost}")
                time.sleep(0.05)
            except (system.Failure, ValueError) as failure:
                self.load.history.complain(f"{self.name}: {failure}")
                self.session.kill()
            time.sleep(self.random.uniform(0, self.load.pause_s))
        self.session.close()

    def element(self):
        self.count += 1
        return f"{self.name}-{self.count}"

    def conclude(self, lost, elements):
        """The outcome of a write that did not succeed. Without one that is documented it is unknown, and a complaint."""
        if lost.outcome is None:
            self.load.history.complain(f"{self.name}: {lost}")
        name = NAME.search(str(lost))
        if lost.outcome == UNKNOWN and name and elements:
            self.load.history.name(elements[0], name.group(0))
        return lost.outcome or UNKNOWN


class RegisterClient(Client):
    """Single-statement writes and strong reads."""

    letter = "r"

    def act(self):
        key = self.random.randrange(REGISTERS)
        if self.random.random() < 0.5:
            self.write(key)
        else:
            begin = time.monotonic()
            rows = self.session.ask(f"SELECT v FROM registers WHERE k = {key}")["rows"]
            self.load.record(Operation("read", key, rows[0][0], begin, time.monotonic(), OK, self.name))

    def write(self, key):
        value, outcome, begin = self.element(), OK, time.monotonic()
        try:
            document = self.session.ask(f"UPDATE registers SET v = '{value}' WHERE k = {key}")
            if document["affected_rows"] != 1:
                self.load.history.complain(f"{value} was acknowledged with {document['affected_rows']} affected rows")
        except Lost as lost:
            outcome = self.conclude(lost, [value])
        self.load.record(Operation("write", key, value, begin, time.monotonic(), outcome, self.name))


class ListClient(Client):
    """Transactions that read lists and append to them: by CONCAT, or by writing back what was read and one element more."""

    letter = "t"
    level = LEVEL

    @property
    def settings(self):
        return [f"SET SESSION TRANSACTION ISOLATION LEVEL {self.level}"]

    def plan(self):
        """(APPEND or READ, key) in order. Keys that grew enough are left behind for new ones."""
        keys = self.random.sample(self.load.keys(), 2)
        return [(self.random.choice((READ, APPEND)), self.random.choice(keys)) for _ in range(self.random.randint(1, 4))]

    def act(self):
        steps, seen, outcome, begin = [], {}, OK, time.monotonic()
        plan = self.plan()
        try:
            self.session.ask("BEGIN")
            for kind, key in plan:
                self.read(key, steps, seen) if kind == READ else self.append(key, steps, seen)
        except Lost as lost:
            outcome = FAILED  # without COMMIT nothing happens, whatever became of the client
            if lost.outcome is None:
                self.load.history.complain(f"{self.name}: {lost}")
            self.give_up()
        if outcome == OK:
            outcome = self.commit(steps)
        self.load.record(Transaction(steps, begin, time.monotonic(), outcome, self.level, self.name))

    def read(self, key, steps, seen):
        rows = self.session.ask(f"SELECT v FROM lists WHERE k = {key}")["rows"]
        seen[key] = [one for one in rows[0][0].split(",") if one]
        steps.append([READ, key, list(seen[key])])

    def append(self, key, steps, seen):
        element = self.element()
        steps.append([APPEND, key, element])  # also when the statement fails: it must not be there then
        if key in seen and self.random.random() < 0.6:
            seen[key].append(element)
            self.session.ask(f"UPDATE lists SET v = '{''.join(one + ',' for one in seen[key])}' WHERE k = {key}")
        else:
            seen.pop(key, None)
            self.session.ask(f"UPDATE lists SET v = CONCAT(v, '{element},') WHERE k = {key}")
        self.load.appended(key)

    def commit(self, steps):
        try:
            self.session.ask("COMMIT")
            return OK
        except Lost as lost:
            return self.conclude(lost, [value for kind, _, value in steps if kind == APPEND])

    def give_up(self):
        try:
            if self.session.process:
                self.session.ask("ROLLBACK")
        except Lost:
            self.session.close()


class UpdateClient(ListClient):
    """Nothing but read-modify-write of few lists: the shape in which updates get lost."""

    letter = "u"

    def plan(self):
        key = self.random.choice(self.load.keys()[:2])
        return [(READ, key), (APPEND, key)]


class SerialClient(ListClient):
    """Transactions that would skew each other's writes if they could."""

    letter = "s"
    level = "SERIALIZABLE"

    def plan(self):
        first, second = self.random.sample(self.load.keys()[:3], 2)
        return [(READ, first), (READ, second), (APPEND, self.random.choice((first, second)))]


class Load:
    """All clients of one scenario. Use as a context manager; `verify` afterwards."""

    def __init__(self, cluster, seed, kinds=(ListClient, RegisterClient), each=3, pause_s=0.02):
        self.cluster, self.seed, self.kinds, self.each, self.pause_s = cluster, seed, kinds, each, pause_s
        self.history, self.over = History(), threading.Event()
        self.lock, self.lengths, self.fresh = threading.Lock(), {}, 0
        self.acknowledged = collections.Counter()  # client -> writes
        self.clients = []

    def prepare(self):
        """Fresh tables. Every list that may be used is there from the start: appending is the same statement always."""
        self.fresh = LISTS_AT_ONCE
        self.lengths = dict.fromkeys(range(self.fresh), 0)
        self.cluster.sql(1, "DROP DATABASE IF EXISTS faults", "CREATE DATABASE faults",
                         "CREATE TABLE faults.lists (k INT PRIMARY KEY, v TEXT NOT NULL)",
                         "CREATE TABLE faults.registers (k INT PRIMARY KEY, v VARCHAR(40) NOT NULL)",
                         "INSERT INTO faults.lists VALUES " + ",".join(f"({k}, '')" for k in range(LISTS)),
                         "INSERT INTO faults.registers VALUES " + ",".join(f"({k}, '')" for k in range(REGISTERS)))

    def __enter__(self):
        self.prepare()
        self.clients = [kind(self, number) for kind in self.kinds for number in range(self.each)]
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.over.set()
        for client in self.clients:
            client.join(2 * HANG_S * system.SLOW)
            if client.is_alive():
                self.history.complain(f"{client.name}: does not end")
                client.session.kill()

    def keys(self):
        with self.lock:
            return sorted(self.lengths)

    def appended(self, key):
        with self.lock:
            if key not in self.lengths:
                return
            self.lengths[key] += 1
            if self.lengths[key] >= LIST_LENGTH and self.fresh < LISTS:
                del self.lengths[key]
                self.lengths[self.fresh] = 0
                self.fresh += 1

    def record(self, one):
        self.history.add(one)
        wrote = one.kind == "write" if isinstance(one, Operation) else any(s[0] == APPEND for s in one.steps)
        if one.outcome == OK and wrote:
            with self.lock:
                self.acknowledged[one.client] += 1

    def await_all_served(self, deadline_s=30):
        """Every client gets a write acknowledged from now on: the faults are over, and so must be their effects."""
        before = self.acknowledged.copy()
        names = [client.name for client in self.clients]
        system.wait_until(lambda: all(self.acknowledged[name] > before[name] for name in names), deadline_s,
                          "a write acknowledged for every client")

    def await_served(self, deadline_s=30):
        """Some client gets a write acknowledged that began from now on. Returns how long that took."""
        moment = time.monotonic()

        def answered():
            return [end for begin, end, outcome in self.history.writes() if begin >= moment and outcome == OK]
        return min(system.wait_until(answered, deadline_s, "an acknowledged write")) - moment
