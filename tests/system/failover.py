#!/usr/bin/python3
"""The coordinator is killed again and again under write load, alone and together with its database server.

Every acknowledged row is on every node exactly once, nothing that was reported as failed is there, writing goes on within
two seconds, and the killed node comes back and catches up by itself. DDB_LONG=1: 20 kills.
"""

import concurrent.futures
import os
import signal
import statistics
import subprocess
import threading
import time

from ddb_cluster import LONG, OK, SLOW, Answer, Cluster, Failure, check, equal, main, note, wait_until
from ledger import TABLE, Ledger

KILLS = 20 if LONG else 4
WRITERS = 4
ANSWER_S = 5  # how long they wait for one
WORST_S = 2.0 if LONG else 4.0  # the short run shares its two cores with whatever else the host does


class Writers:
    """Clients that insert one row per run of ddb-cli, each with all nodes to choose from, until told to stop."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.ledger = Ledger()
        self.acknowledged = []  # (begun, answered) of each acknowledged write
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def command(self, token):
        return ["-e", f"INSERT INTO load_.t (token) VALUES ('{token}')"]

    def _write(self, writer):
        addresses = [f"{node['address']}:{self.cluster.port}" for node in self.cluster.nodes.values()]
        first = writer % len(addresses)
        nodes = ",".join(addresses[first:] + addresses[:first])
        number = 0
        while not self.over.is_set():
            token = f"w{writer}-{number}"
            number += 1
            begun = time.monotonic()
            try:
                process = subprocess.run(
                    self.cluster.command(None, ["--nodes", nodes, *self.command(token)], timeout=ANSWER_S),
                    stdin=subprocess.DEVNULL, capture_output=True, env=self.cluster.env, timeout=30 * SLOW, check=False)
                kind = self.ledger.record(token, Answer(process))
            except subprocess.TimeoutExpired:
                self.ledger.strange.append(f"{token}: the client hangs")
                continue
            except Failure as failure:
                self.ledger.strange.append(f"{token}: {failure}")
                continue
            if kind == "acknowledged":
                self.acknowledged.append((begun, time.monotonic()))

    def gap_after(self, moment):
        """Seconds from the moment to the first answer to a write that began after it."""
        answered = [end for begun, end in list(self.acknowledged) if begun >= moment]
        return min(answered) - moment if answered else None


def kill_coordinator(cluster, writers, with_mysql):
    coordinator = wait_until(cluster.coordinator, 30, "a coordinator")
    pids = [cluster.record()["nodes"][str(coordinator)]["process"]["pid"]]
    if with_mysql:
        pids.append(cluster.verb(coordinator, "status").last["mysql_pid"])
    moment = time.monotonic()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    gap = wait_until(lambda: writers.gap_after(moment), 30, f"a write acknowledged after node {coordinator} was killed")
    time.sleep(0.5)  # the others go on for a while without it
    cluster.start(coordinator)
    return coordinator, gap


def look_up_unknown(cluster, ledger, present):
    """What a client could not know, it can ask for."""
    for token, name in ledger.names.items():
        answer = cluster.verb(1, "txn", name)
        equal(answer.code, OK, f"txn {name}")
        fate = answer.last.get("fate")
        check(fate == ("decided" if token in present else "absent"),
              f"{token}: `txn {name}` says {fate}; in the table: {token in present}")
    note(f"{len(ledger.names)} unknown ones looked up")


def failover():
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE load_", f"CREATE TABLE load_.t {TABLE}")
        gaps = []
        with Writers(cluster) as writers:
            wait_until(lambda: writers.ledger.count("acknowledged") > 20, 30, "the load runs")
            for kill in range(KILLS):
                with_mysql = kill % 2 == 1
                node, gap = kill_coordinator(cluster, writers, with_mysql)
                gaps.append(gap)
                note(f"kill {kill + 1}: node {node}{' and its server' if with_mysql else ''}, "
                     f"next acknowledged write after {gap:.2f} s")
        note(writers.ledger.summary())
        cluster.settle()
        rows = {node: [row[0] for row in cluster.mysql(node, "SELECT token FROM load_.t ORDER BY id")]
                for node in cluster.nodes}
        writers.ledger.check(rows)
        cluster.same_tables("load_")
        look_up_unknown(cluster, writers.ledger, set(rows[1]))
        median, worst = statistics.median(gaps), max(gaps)
        note(f"from kill to next acknowledged write: median {median:.2f} s, worst {worst:.2f} s")
        if median > 1.0 * SLOW or worst > WORST_S * SLOW:
            raise Failure(f"too slow: median {median:.2f} s (limit 1.0), worst {worst:.2f} s (limit {WORST_S})")


def hung_server():
    """The coordinator's database server says nothing any more, but keeps its connections: somebody else takes over."""
    with Cluster() as cluster:
        coordinator = wait_until(cluster.coordinator, 30, "a coordinator")
        cluster.sql(coordinator, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)")
        server = cluster.verb(coordinator, "status").last["mysql_pid"]
        os.kill(server, signal.SIGSTOP)
        begun = time.monotonic()
        try:
            cluster.sql(cluster.others(coordinator)[0], "INSERT INTO d.t VALUES (1)", timeout=25)
            note(f"written after {time.monotonic() - begun:.1f} s")
        finally:
            os.kill(server, signal.SIGCONT)
        check(time.monotonic() - begun < 15 * SLOW, "the write did not wait for the server")
        cluster.same_tables("d")


def stopped():
    """Each node in turn is told to stop, as for an upgrade: who has the office hands it over first, and no write fails. The servers take
    longer to end than clients wait for an answer."""
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE load_", f"CREATE TABLE load_.t {TABLE}")
        with Writers(cluster) as writers:
            held = 0
            for _ in range(6):
                coordinator = wait_until(cluster.coordinator, 30, "a coordinator")
                held += stop_slowly(cluster, coordinator)
                said = cluster.log(coordinator)
                check("hands its office over before it stops" in said and "stops with its office" not in said,
                      f"node {coordinator} says what it does:\n{said[-2000:]}")
                cluster.start(coordinator)
                if held == 3:
                    break
        cluster.settle()
        check(held > 0, "no server could be held up: each had ended before")
        writers.ledger.check({node: [row[0] for row in cluster.mysql(node, "SELECT token FROM load_.t ORDER BY id")]
                              for node in cluster.nodes})
        cluster.same_tables("load_")
        ledger = writers.ledger
        note(f"{ledger.count('acknowledged')} writes acknowledged, {ledger.count('unknown')} unknown")
        check(not ledger.reasons, f"not acknowledged: {ledger.reasons}")


def stop_slowly(cluster, node):
    """As of a server with much to write: it is held up once it was told to end. Returns whether it was: a quick one may have ended before."""
    server = cluster.verb(node, "status").last["mysql_pid"]
    stops = cluster.log(node).count(" stopping")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(cluster.tool, "stop", node)
        wait_until(lambda: cluster.log(node).count(" stopping") > stops, 20, f"node {node} stops")
        try:
            os.kill(server, signal.SIGSTOP)
            time.sleep(ANSWER_S + 1)
            os.kill(server, signal.SIGCONT)
        except ProcessLookupError:
            return False
        stopping.result()
    return True


if __name__ == "__main__":
    main(failover, hung_server, stopped)
