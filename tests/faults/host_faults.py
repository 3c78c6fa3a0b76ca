"""Faults of the host: disk, clock, a slow machine, strangers on the wire."""

import glob
import os
import signal
import socket
import subprocess
import threading
import time

import discovery
import processes
from ddb_cluster import MYSQL, SERVER, SLOW, Cluster, check, equal, fill_disk, need, note, wait_until

MEMORY_MB_MAX = 400  # a node may grow by this while it keeps entries for one that sleeps
DISK_MB = 700
FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"


# -- 11: the journal of a node that was killed


def write_ahead_log(run, node):
    logs = glob.glob(os.path.join(run.cluster.directory, f"node-{node}", "data", "journal", "**", "*.log"), recursive=True)
    check(logs, f"node {node} has a write-ahead log")
    return max(logs, key=os.path.getmtime)


def damaged_journal(run):
    for _ in run.rounds(1, 4):
        node = run.follower()
        run.work()
        run.fault(f"node {node} killed in the middle of a journal write: its log ends in half a record")
        run.kill(node)
        with open(write_ahead_log(run, node), "ab") as log:  # checksum, length 600, a full record; 200 bytes of it
            log.write(os.urandom(4) + (600).to_bytes(2, "little") + b"\x01" + os.urandom(200))
        run.cluster.start(node)
        run.catch_up(node)
        run.work()
        flipped_bit(run, run.follower())


def flipped_bit(run, node):
    run.kill(node)
    path = write_ahead_log(run, node)
    place = os.path.getsize(path) // run.random.randint(2, 5)
    run.fault(f"a bit flips in the journal of node {node}, byte {place}")
    flip(path, place)
    before = len(run.cluster.log(node))
    run.cluster.start(node, wait=False)
    process = run.cluster.record()["nodes"][str(node)]["process"]
    wait_until(lambda: not processes.alive(process), 30, f"node {node} refuses its damaged journal")
    words = run.cluster.log(node)[before:]
    check("journal" in words, f"node {node} says that its journal is damaged: {words[-500:]}")
    run.load.await_served()
    flip(path, place)
    run.cluster.start(node)


def flip(path, place):
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x10]))


# -- 12: full disks


class SmallDisks(Cluster):
    """Nodes whose data lies on small file systems of their own: of node 2 the database alone, of the others everything."""

    def mounts(self):
        return [os.path.join(self.directory, f"node-{node}", "data", *part) for node, part in ((1, ()), (2, ("mysql",)), (3, ()))]

    def __enter__(self):
        for place in self.mounts():
            os.makedirs(place)
            subprocess.run([need("mount"), "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "tmpfs", place], check=True)
        return super().__enter__()

    def close(self, failed=False):
        self.tool("down", check_exit=False)
        for place in self.mounts():
            if os.path.ismount(place):
                subprocess.run([need("umount"), "-l", place], check=False)
        super().close(failed)

    def fill(self, node):
        return fill_disk(self.mounts()[node - 1])


def mounting_impossible():
    return "" if os.getuid() == 0 else "skipped: mounting small file systems needs root"


def full_disks(run):
    cluster = run.cluster
    for turn in run.rounds(2, 6):
        node = run.coordinator() if turn % 2 else run.follower()
        run.work()
        run.fault(f"disk of node {node} full ({'its database' if node == 2 else 'journal and database'})")
        filler = cluster.fill(node)
        try:
            note(f"   next write that began then was acknowledged after {run.load.await_served(60):.2f} s")
            time.sleep(run.seconds(2, 10))
        finally:
            os.remove(filler)
        bring_back(run, node)
        run.catch_up(node)


def bring_back(run, node):
    """What a supervisor does: starts a node again that ended itself."""
    time.sleep(1)
    if not processes.alive(run.cluster.record()["nodes"][str(node)]["process"]):
        note(f"   node {node} had ended itself, and is started again")
        run.cluster.start(node)


# -- 17: wall clocks


def faketime_missing():
    if MYSQL:
        return "skipped: MySQL's server does not come up under libfaketime"
    return "" if glob.glob(FAKETIME) else "skipped: libfaketime is not installed (tools/setup --test)"


WRAPPER = """#!/bin/sh
# A server whose node has a file `clock` beside its data lives by that clock.
clock=$(printf '%s\\n' "$@" | sed -n 's|^--datadir=\\(.*/node-[0-9]*\\)/.*|\\1/clock|p')
if [ -f "$clock" ]; then
    export LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE="$clock" FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1
fi
exec {server} "$@"
"""


class OtherClocks(Cluster):
    """Nodes whose servers start through a wrapper: a node hands none of its environment on to its server."""

    def __init__(self):
        super().__init__()
        prefix = os.path.join(self.base, "server", "usr")  # a node looks for the server's other files beside it
        os.makedirs(os.path.join(prefix, "sbin"))
        real = os.path.realpath(SERVER or need("mariadbd"))
        for name in ("bin", "lib", "share"):
            os.symlink(os.path.join(os.path.dirname(os.path.dirname(real)), name), os.path.join(prefix, name))
        wrapper = os.path.join(prefix, "sbin", "mysqld" if MYSQL else "mariadbd")
        with open(wrapper, "w", encoding="utf-8") as file:
            file.write(WRAPPER.format(library=glob.glob(FAKETIME)[0], server=real))
        os.chmod(wrapper, 0o755)
        self.up_arguments += ["--set", f"mysql.server={wrapper}"]

    def clock_path(self, node):
        return os.path.join(self.directory, f"node-{node}", "clock")

    def shift(self, node, hours):
        path = self.clock_path(node)
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(f"{3600 * hours:+d}\n")
        os.replace(path + ".new", path)

    def clock_environment(self, node):
        return {"LD_PRELOAD": glob.glob(FAKETIME)[0], "FAKETIME_TIMESTAMP_FILE": self.clock_path(node),
                "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def hours_off(self, node):
        return round((float(self.mysql(node, "SELECT UNIX_TIMESTAMP()")[0][0]) - time.time()) / 3600)


def jumping_clock(run):
    cluster = run.cluster
    cluster.sql(1, "CREATE TABLE faults.clock (id BIGINT AUTO_INCREMENT PRIMARY KEY, "
                   "at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), text VARCHAR(60) NOT NULL)")
    for turn in run.rounds(2, 6):
        node = run.coordinator() if turn % 2 == 0 else run.follower()
        cluster.shift(node, 0)
        run.kill(node, with_server=True)
        cluster.start(node, env=cluster.clock_environment(node))
        for hours in (1, -1):
            run.work()
            run.fault(f"wall clock of node {node} jumps to {hours:+d} h")
            cluster.shift(node, hours)
            wait_until(lambda: cluster.hours_off(node) == hours, 30, f"the clock of node {node} is off by {hours:+d} h")
            run.load.await_served()
            for i in cluster.nodes:
                cluster.sql(i, f"INSERT INTO faults.clock (text) VALUES (CONCAT('through {i} at ', NOW(6)))")
            time.sleep(run.seconds(1, 5))
        os.remove(cluster.clock_path(node))
        run.kill(node, with_server=True)
        cluster.start(node)


# -- 18: a slow follower


class Bulk(threading.Thread):
    """Writes rows large enough to show where entries pile up."""

    def __init__(self, run, node):
        super().__init__()
        self.cluster, self.node, self.over, self.rows = run.cluster, node, threading.Event(), 0

    def run(self):
        while not self.over.is_set():
            if self.cluster.cli(self.node, *["INSERT INTO faults.bulk (b) VALUES (RANDOM_BYTES(1000)), (REPEAT('x', 900000))"] * 5,
                                timeout=10).code == 0:
                self.rows += 5


def resident_mb(run, node):
    return processes.usage(run.pid(node))["rss_bytes"] / (1 << 20)


def slow_follower(run):
    run.cluster.sql(1, "CREATE TABLE faults.bulk (id BIGINT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB NOT NULL)")
    for _ in run.rounds(1, 3):
        node, pause_s = run.follower(), run.seconds(6, 60)
        others = run.cluster.others(node)
        before = {other: resident_mb(run, other) for other in others}
        run.fault(f"node {node}, a follower, paused for {pause_s} s while much is written")
        os.kill(run.pid(node), signal.SIGSTOP)
        bulk = Bulk(run, others[0])
        bulk.start()
        try:
            time.sleep(pause_s)
            grown = {other: resident_mb(run, other) - before[other] for other in others}
        finally:
            bulk.over.set()
            bulk.join(120 * SLOW)
            os.kill(run.pid(node), signal.SIGCONT)
        note(f"   {bulk.rows} MB written; memory of the others grew by "
             + ", ".join(f"{mb:.0f} MB (node {other})" for other, mb in grown.items()))
        check(max(grown.values()) < MEMORY_MB_MAX, f"memory is bounded: {grown}")
        run.catch_up(node, 120)


# -- 21: strangers


def strangers(run):
    for _ in run.rounds(1, 3):
        for text, act in (("a node with other keys dials in", discovery.stranger_with_other_keys),
                          ("forged, broken and replayed beacons", discovery.bad_beacons),
                          ("clients without a key", discovery.unauthenticated_client),
                          ("a recorded conversation of a client is sent again", replayed_frames)):
            run.fault(text)
            act(run.cluster)


class Recorder(threading.Thread):
    """Passes one connection on to a node and keeps what the client sent."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.9", 0))
        self.port, self.target, self.sent = self.listener.getsockname()[1], target, b""

    def run(self):
        client, _ = self.listener.accept()
        with client, socket.create_connection(self.target) as node:
            threading.Thread(target=self.pump, args=(node, client), daemon=True).start()
            self.pump(client, node, True)

    def pump(self, source, target, keep=False):
        try:
            while data := source.recv(65536):
                if keep:
                    self.sent += data
                target.sendall(data)
        except OSError:
            pass


def replayed_frames(cluster):
    node = next(iter(cluster.nodes))
    target = (cluster.nodes[node]["address"], cluster.port)
    token = f"replay-{time.monotonic_ns()}"
    cluster.sql(node, "CREATE TABLE IF NOT EXISTS faults.replay (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40))")
    recorder = Recorder(target)
    recorder.start()
    answer = cluster.cli(None, f"INSERT INTO faults.replay (token) VALUES ('{token}')",
                         arguments=["--nodes", f"127.0.0.9:{recorder.port}",
                                    "--key", os.path.join(cluster.directory, "keys", "client.key")])
    equal(answer.code, 0, f"a write through the recorder: {answer}")
    wait_until(lambda: len(recorder.sent) > 500, 5, "something was recorded")
    for _ in range(3):
        with socket.create_connection(target, timeout=5) as link:
            link.settimeout(2)
            try:
                link.sendall(recorder.sent)
                while link.recv(65536):
                    pass
            except OSError:
                pass
    equal(cluster.sql(node, f"SELECT COUNT(*) FROM faults.replay WHERE token = '{token}'").value, 1, "rows after the replay")
    discovery.unharmed(cluster, "replayed frames")
