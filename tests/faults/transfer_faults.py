"""Faults around a node whose database is loaded from another one's."""

import os
import shutil

from ddb_cluster import Cluster, note, wait_until
from state_transfer import receiving

MEGABYTES = 40  # so that a transfer lasts long enough to be disturbed


def fill(run):
    """Once per load: tables begin empty."""
    run.cluster.sql(1, "CREATE TABLE faults.filler (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(4000) NOT NULL)",
                    "INSERT INTO faults.filler (v) VALUES " + ",".join(["(RPAD(RAND(), 3900, SHA2(RAND(), 256)))"] * 256), timeout=30)
    for _ in range(MEGABYTES - 1):
        run.cluster.sql(1, "INSERT INTO faults.filler (v) SELECT v FROM faults.filler WHERE id <= 256", timeout=60)


def wipe(run, node):
    run.fault(f"node {node} stopped and wiped")
    run.cluster.tool("stop", node)
    run.cluster.tool("wipe", node)


def under_way(run, node):
    """The transfer that the node receives by now."""
    return wait_until(lambda: receiving(run.cluster, node).get("bytes", 0) > 0 and receiving(run.cluster, node), 60,
                      f"node {node} is being loaded")


def wiped(run):
    """Loaded again under the same id, also when it is killed on the way."""
    fill(run)
    for turn in run.rounds(1, 4):
        node = run.coordinator() if turn % 2 else run.follower()
        wipe(run, node)
        run.load.await_served()
        run.work()
        run.cluster.start(node, wait=False)
        wait_loaded(run, node)
    receiver_killed(run)


def wait_loaded(run, node):
    """The node is nobody's pupil any more, has applied what is decided by now, and has its vote again.

    Before that another disk must not be lost: of three voters two would be gone."""
    wait_until(lambda: run.cluster.verb(node, "status", timeout=2).last.get("rebuilding") is False, 120, f"node {node} is loaded")
    run.catch_up(node, 120)
    wait_until(lambda: run.cluster.verb(node, "status", timeout=2).last.get("role") in ("follower", "coordinator"), 60,
               f"node {node} is a voter")


class ShortLogs(Cluster):
    """Nodes that keep few entries, so that seconds of absence are a long time; but those of a transfer's duration."""

    def __init__(self):
        super().__init__(settings=["journal.kept_entries=100", "journal.kept_entries_hard=3000"])


def away_and_donor_killed(run):
    fill(run)
    for _ in run.rounds(1, 4):
        node = run.follower()
        has = run.cluster.applied(node)[0]
        run.fault(f"node {node}, a follower, stopped until the others no longer keep what follows entry {has}")
        run.cluster.tool("stop", node)
        others = run.cluster.others(node)
        wait_until(lambda: all(run.cluster.verb(other, "status").last.get("kept_from", 0) > has + 1 for other in others), 60,
                   "the others' logs begin later")
        run.cluster.start(node, wait=False)
        donor = under_way(run, node)["from"]
        run.fault(f"donor {donor} killed in the middle")
        run.kill(donor, with_server=run.random.random() < 0.5)
        run.work(1, 3)
        run.cluster.start(donor, wait=False)
        for one in (donor, node):
            wait_loaded(run, one)


def receiver_killed(run):
    for _ in run.rounds(1, 3):
        node = run.follower()
        wipe(run, node)
        for kill in run.rounds(2, 5):
            run.cluster.start(node, wait=False)
            transfer = under_way(run, node)
            run.work(0, 0.5)
            run.fault(f"receiver {node} killed, loaded from node {transfer['from']}")
            run.kill(node, with_server=kill % 2 == 0)
            run.cluster.tool("stop", node)  # what the kill left of it
            run.cluster.tool("wipe", node)  # also where the transfer was quicker
        run.cluster.start(node, wait=False)
        wait_loaded(run, node)


def old_copy_restored(run):
    for _ in run.rounds(1, 3):
        node = run.follower()
        data = os.path.join(run.cluster.directory, f"node-{node}", "data")
        run.cluster.tool("stop", node)
        shutil.copytree(data, data + ".old", ignore=lambda _, names: [name for name in names if name.endswith(".sock")])
        run.cluster.start(node)
        run.work(1, 2)
        run.cluster.tool("stop", node)
        run.fault(f"data directory of node {node} replaced by an older copy")
        shutil.rmtree(data)
        os.rename(data + ".old", data)
        run.cluster.start(node, wait=False)
        wait_loaded(run, node)
        note(f"   node {node} is back: " + last_words(run.cluster, node))


def old_server_restored(run):
    """A host that crashed keeps what its disk had: the server alone falls back behind its journal."""
    for _ in run.rounds(1, 3):
        node = run.follower()
        data = os.path.join(run.cluster.directory, f"node-{node}", "data", "mysql")
        run.cluster.tool("stop", node)
        shutil.copytree(data, data + ".old", ignore=lambda _, names: [name for name in names if name.endswith(".sock")])
        run.cluster.start(node)
        run.work(1, 2)
        run.cluster.tool("stop", node)
        run.fault(f"the database server of node {node} falls back to an earlier moment, its journal does not")
        shutil.rmtree(data)
        os.rename(data + ".old", data)
        run.cluster.start(node, wait=False)
        wait_loaded(run, node)


def old_copies(run):
    old_copy_restored(run)
    old_server_restored(run)


def last_words(cluster, node):
    lines = [line for line in cluster.log(node).splitlines() if "incarnation" in line or "loaded" in line or "learner" in line]
    return lines[-1][24:] if lines else "without a word"
