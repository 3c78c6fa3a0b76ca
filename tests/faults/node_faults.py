"""Faults of nodes and their database servers."""

import os
import signal
import subprocess
import threading
import time

from ddb_cluster import OK, SLOW, UNKNOWN, Answer, check, equal, note, wait_until


def coordinator_killed(run):
    for turn in run.rounds(2, 8):
        node, with_server = run.coordinator(), turn % 2 == 1
        run.work()
        run.fault(f"node {node}, the coordinator, killed{' with its server' if with_server else ''}")
        run.kill(node, with_server)
        gap = run.load.await_served()
        note(f"   next write that began then was acknowledged after {gap:.2f} s")
        run.work()
        run.cluster.start(node)


def all_killed(run):
    for _ in run.rounds(1, 4):
        nodes = list(run.cluster.nodes)
        run.work(0.5, 1.5)
        run.random.shuffle(nodes)
        run.fault(f"nodes {nodes} and their servers killed, in this order")
        for node in nodes:
            run.kill(node, with_server=True)
            time.sleep(run.random.uniform(0, 0.3))
        run.random.shuffle(nodes)
        note(f"   started in the order {nodes}")
        for node in nodes:
            run.cluster.start(node, wait=False)
            time.sleep(run.random.uniform(0, run.seconds(0.5, 3)))
        gap = run.load.await_served(60)
        note(f"   served again {gap:.2f} s after the last start")


def coordinator_paused(run):
    for _ in run.rounds(1, 4):
        node, pause_s = run.coordinator(), run.seconds(3, 10)
        run.work()
        run.fault(f"node {node}, the coordinator, paused for {pause_s} s")
        os.kill(run.pid(node), signal.SIGSTOP)
        try:
            note(f"   next write that began then was acknowledged after {run.load.await_served():.2f} s")
            time.sleep(pause_s)
        finally:
            os.kill(run.pid(node), signal.SIGCONT)
        run.work(1, 2)


def server_killed(run):
    for turn in run.rounds(2, 10):
        commits = turn % 2 == 0
        node = run.coordinator() if commits else run.follower()
        run.work()
        run.fault(f"server of node {node} killed, which {'commits' if commits else 'applies'}")
        run.kill_server(node)
        note(f"   next write that began then was acknowledged after {run.load.await_served():.2f} s")
        wait_until(lambda: run.servers(node), 30, f"node {node} starts its server again")
        run.work(1, 2)


class Stuck(threading.Thread):
    """A client whose one statement is under way while something happens to its node."""

    def __init__(self, run, node, sql):
        super().__init__()
        nodes = [node, *run.cluster.others(node)]
        addresses = ",".join(f"{run.cluster.nodes[i]['address']}:{run.cluster.port}" for i in nodes)
        self.command = run.cluster.command(None, ["--nodes", addresses, "-e", sql], timeout=20)
        self.env, self.answer = run.cluster.env, None

    def run(self):
        process = subprocess.run(self.command, stdin=subprocess.DEVNULL, capture_output=True, env=self.env, check=False,
                                 timeout=90 * SLOW)
        self.answer = Answer(process)


def answer_lost(run):
    """Clients hear nothing from the node while it commits; then it dies, and they ask another one for the outcome."""
    cluster = run.cluster
    cluster.sql(1, "CREATE TABLE faults.once (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(20) NOT NULL)")
    for turn in run.rounds(2, 8):
        coordinator = run.coordinator()
        node = coordinator if turn % 2 == 0 else run.follower()
        witness = next(i for i in cluster.nodes if i not in (node, coordinator))
        token = f"once-{turn}"
        count = f"SELECT COUNT(*) FROM faults.once WHERE token = '{token}'"
        insert = f"INSERT INTO faults.once (token) SELECT '{token}' FROM (SELECT SLEEP(1.5)) AS slow"
        stuck = Stuck(run, node, insert)
        stuck.start()
        time.sleep(0.8)  # the statement is under way
        run.fault(f"node {node} ({'coordinator' if node == coordinator else 'follower'}) killed between commit and answer")
        cluster.network.mute_to_clients(node)
        wait_until(lambda: cluster.mysql(witness, count)[0][0] == "1", 30, f"{token} applied")
        run.kill(node)
        cluster.network.heal()
        stuck.join(60 * SLOW)
        check(not stuck.is_alive(), f"{token}: the client hangs")
        equal(cluster.sql(witness, count).value, 1, f"{token}: rows of a write that was retried")
        check(stuck.answer.code in (OK, UNKNOWN), f"{token}: told as failed, and is there: {stuck.answer}")
        note(f"   the client that retried: exit {stuck.answer.code}")
        cluster.start(node)


def updates_at_once(run):
    time.sleep(run.seconds(3, 20))
