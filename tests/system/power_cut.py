#!/usr/bin/python3
"""Hosts lose their power under write load: what was not forced to their disks is gone, and what comes back goes on by itself.

Each node's data lies on a file system of its own, which is shut down without writing anything more (FS_IOC_SHUTDOWN). Disks also die alone.
Every acknowledged row is on every node exactly once, nothing that was reported as failed is there. DDB_LONG=1: more cuts.
"""

import contextlib
import fcntl
import os
import random
import signal
import struct
import subprocess
import tempfile
import threading
import time

from ddb_cluster import LONG, OK, Cluster, check, equal, main, need, note, wait_until
from failover import Writers, look_up_unknown
from ledger import TABLE

DISK_MB = 1024
CUTS = 12 if LONG else 3
# A definition that the coordinator alone had begun, or had run, when it ended.
DONE_ALONE = ("under way when the database server ended", "ran here but is not in the log")
FS_IOC_SHUTDOWN = 0x8004587D
WITHOUT_WRITING = 2


class Disk:
    """An ext4 in a file, mounted where a node keeps its data."""

    def __init__(self, image, place):
        self.image = image
        self.place = place

    def make(self, megabytes=DISK_MB):
        os.makedirs(self.place)
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run([need("mkfs.ext4"), "-q", "-F", self.image], check=True)
        self.mount()
        os.rmdir(os.path.join(self.place, "lost+found"))

    def mount(self):
        subprocess.run([need("mount"), "-o", "loop", self.image, self.place], check=True)

    def unforced(self):
        return os.path.join(self.place, "unforced")

    def write_unforced(self):
        with open(self.unforced(), "w", encoding="utf-8") as file:
            file.write("lost")

    def cut(self):
        place = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(place, FS_IOC_SHUTDOWN, struct.pack("I", WITHOUT_WRITING))
        finally:
            os.close(place)

    def unmount(self):
        return subprocess.run([need("umount"), self.place], check=False, capture_output=True).returncode == 0

    def come_back(self):
        wait_until(self.unmount, 20, f"nobody uses {self.place}")
        self.mount()
        check(not os.path.exists(self.unforced()) or os.path.getsize(self.unforced()) == 0, "what nobody forced to the disk is lost")


def tell(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.kill(pid, number)


class Hosts(Cluster):
    """Each node's data on a disk of its own."""

    def __init__(self, settings=()):
        super().__init__(settings=settings)
        self.disks = {node: Disk(os.path.join(self.base, f"disk-{node}"), os.path.join(self.directory, f"node-{node}", "data")) for node in (1, 2, 3)}

    def __enter__(self):
        for disk in self.disks.values():
            disk.make()
        return super().__enter__()

    def close(self, failed=False):
        self.tool("down", check_exit=False)
        for disk in self.disks.values():
            subprocess.run([need("umount"), "-l", disk.place], check=False, capture_output=True)
        super().close(failed)

    def programs(self, node):
        """The node's server, and whatever else works on its data."""
        found = subprocess.run(["pgrep", "-f", self.disks[node].place], capture_output=True, text=True, check=False).stdout
        return [int(pid) for pid in found.split()]

    def lose_power(self, nodes):
        """All at one moment; nothing is told to anybody in between. None of them runs when this returns, and what their disks have is there."""
        pids = [self.record()["nodes"][str(node)]["process"]["pid"] for node in nodes]
        tell(pids, signal.SIGSTOP)  # from here on they start nothing
        pids += [pid for node in nodes for pid in self.programs(node)]
        tell(pids, signal.SIGSTOP)
        for node in nodes:
            self.disks[node].write_unforced()  # what is lost
            self.disks[node].cut()
        tell(pids, signal.SIGKILL)
        for node in nodes:
            self.disks[node].come_back()

    def power_on(self, nodes):
        for node in nodes:
            self.start(node, wait=False)
        for node in nodes:
            wait_until(lambda node=node: self.coordinator(node), 90, f"node {node} serves")


def texts(table, number):
    account = f"someone{number % 7}"
    return (f"CREATE TABLE IF NOT EXISTS {table} (id INT PRIMARY KEY, v VARCHAR(100))", f"INSERT IGNORE INTO {table} VALUES ({number}, 'a')",
            f"ALTER TABLE {table} ADD COLUMN n{number} INT, ADD KEY (v)", f"UPDATE {table} SET n{number} = {number}",
            f"CREATE TABLE {table}_copy (PRIMARY KEY (id)) AS SELECT * FROM {table}", f"CREATE USER {account} IDENTIFIED BY 'x{number}'",
            f"GRANT SELECT, INSERT ON load_.* TO {account}", f"CREATE VIEW {table}_view AS SELECT id FROM {table}", f"TRUNCATE TABLE {table}_copy",
            f"CREATE PROCEDURE {table}_p() SELECT {number}", f"CREATE TRIGGER {table}_t BEFORE INSERT ON {table} FOR EACH ROW SET NEW.v = 'b'",
            f"RENAME TABLE {table}_copy TO {table}_moved", f"ALTER USER {account} IDENTIFIED BY 'y{number}'", f"DROP VIEW {table}_view",
            f"CREATE DATABASE more{number}", f"CREATE TABLE more{number}.t (id INT PRIMARY KEY) AS SELECT 1 AS id", f"DROP DATABASE more{number}",
            f"DROP PROCEDURE {table}_p", f"DROP USER {account}", f"DROP TABLE {table}_moved", f"DROP TABLE {table}")


class Definitions:
    """Tables are made, changed and dropped meanwhile, by one client."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._define)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _define(self):
        number = 0
        while not self.over.is_set():
            number += 1
            table = f"load_.d{number % 5}"
            for text in texts(table, number):
                if self.over.is_set():
                    return
                self.cluster.cli(number % 3 + 1, text, timeout=5)


def cannot_cut():
    """Why this host has no file system that could lose what was not forced to it; empty: it has."""
    if os.getuid() != 0:
        return "mounting file systems needs root"
    with tempfile.TemporaryDirectory(prefix="ddb-system.", dir="/tmp") as directory:
        disk = Disk(os.path.join(directory, "disk"), os.path.join(directory, "place"))
        try:
            disk.make(megabytes=16)
        except subprocess.CalledProcessError as error:
            return str(error)
        try:
            disk.cut()
        except OSError as error:
            return f"no shutdown of a file system: {error}"
        finally:
            disk.unmount()
    return ""


def end(cluster, writers):
    note(writers.ledger.summary())
    cluster.settle()
    rows = {node: [row[0] for row in cluster.mysql(node, "SELECT token FROM load_.t ORDER BY id")] for node in cluster.nodes}
    writers.ledger.check(rows)
    cluster.same_tables("load_")
    look_up_unknown(cluster, writers.ledger, set(rows[1]))
    for account in cluster.same("SELECT User FROM mysql.user WHERE User LIKE 'someone%' ORDER BY 1"):
        cluster.same(f"SHOW GRANTS FOR {account[0]}")
    equal(cluster.verb(1, "audit", timeout=60).code, OK, "an audit")
    for node in cluster.nodes:
        fenced = [line for line in cluster.log(node).splitlines() if "fenced" in line]
        equal([line for line in fenced if not any(word in line for word in DONE_ALONE)], [], f"node {node} was fenced")


def cut_power(whose):
    """whose(cluster) says which nodes have none."""
    if reason := cannot_cut():
        return note(f"skipped: {reason}")
    with Hosts() as cluster:
        cluster.sql(1, "CREATE DATABASE load_", f"CREATE TABLE load_.t {TABLE}")
        with Writers(cluster) as writers, Definitions(cluster):
            for cut in range(CUTS):
                before = writers.ledger.count("acknowledged")
                wait_until(lambda before=before: writers.ledger.count("acknowledged") > before + 20, 60, "the load runs")
                time.sleep(random.uniform(0, 2))
                nodes = whose(cluster)
                cluster.lose_power(nodes)
                begun = time.monotonic()
                cluster.power_on(nodes)
                note(f"cut {cut + 1}: nodes {nodes} serve after {time.monotonic() - begun:.1f} s")
        end(cluster, writers)


def all_hosts():
    """The power of the whole room."""
    cut_power(lambda cluster: list(cluster.nodes))


def one_host():
    """The coordinator's, or another one's."""
    cut_power(lambda cluster: [random.choice(list(cluster.nodes))])


def dead_disk():
    """The coordinator's disk takes nothing any more, then another node's: that node ends, as it cannot know what it has, and the others go on."""
    if reason := cannot_cut():
        return note(f"skipped: {reason}")
    with Hosts() as cluster:
        cluster.sql(1, "CREATE DATABASE load_", f"CREATE TABLE load_.t {TABLE}")
        with Writers(cluster) as writers:
            for chosen in (cluster.coordinator, lambda: cluster.others(cluster.coordinator())[0]):
                before = writers.ledger.count("acknowledged")
                wait_until(lambda before=before: writers.ledger.count("acknowledged") > before + 20, 60, "the load runs")
                node = chosen()
                moment = time.monotonic()
                cluster.disks[node].cut()
                gap = wait_until(lambda moment=moment: writers.gap_after(moment), 30, "a write is acknowledged")
                note(f"node {node}: next acknowledged write after {gap:.2f} s")
                wait_until(lambda node=node: "the node ends now" in cluster.log(node), 30, f"node {node} says why it ends")
                tell(cluster.programs(node), signal.SIGKILL)
                cluster.disks[node].come_back()
                cluster.power_on([node])
        end(cluster, writers)


if __name__ == "__main__":
    main(all_hosts, one_host, dead_disk)
