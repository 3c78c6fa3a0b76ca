#!/usr/bin/python3
"""What real clients sent, damaged and sent again: bytes of the command-line client, of a driver and of prepared statements are
recorded against a live node, mutated (seeded) and replayed. The node must neither crash nor hang nor keep what they left.

    tests/system/gateway_replay.py [--seconds S] [--seed N]
"""

import argparse
import os
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

from ddb_cluster import BIN, LONG, MYSQL, SLOW, STEADY, Cluster, check, equal, main, need, note, wait_until  # noqa: E402

USER = "fuzz"  # without a password: a recorded proof of one would not fit another greeting
GROWTH_MAX_KB = 96 << 10
INTERESTING = (0, 1, 3, 0x7F, 0x80, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF)


class Recorder:
    """A listener that passes connections on to the node and keeps what the clients sent."""

    def __init__(self, target):
        self.target = target
        self.sessions = []  # of each connection: its bytes
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client):
        said = bytearray()
        self.sessions.append(said)
        with client, socket.create_connection(self.target) as node:
            while True:
                for source in select.select([client, node], [], [])[0]:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    if source is client:
                        said += data
                    (node if source is client else client).sendall(data)


def packets(said):
    """The packets of one connection, each with its header."""
    found, at = [], 0
    while at + 4 <= len(said):
        end = at + 4 + int.from_bytes(said[at:at + 3], "little")
        found.append(bytes(said[at:end]))
        at = end
    return found


def record(cluster, node):
    recorder = Recorder((cluster.nodes[node]["address"], cluster.port + 2))
    plain = [need("mariadb"), "--no-defaults", "-h", "127.0.0.1", "-P", str(recorder.port), "-u", USER, "-NB"]
    script = ("CREATE DATABASE IF NOT EXISTS r; USE r; DROP TABLE IF EXISTS t; CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100)); "
              "INSERT INTO t VALUES (1, 'a'), (2, REPEAT('b', 90)); BEGIN; UPDATE t SET v = 'c'; ROLLBACK; SELECT * FROM t; "
              "SHOW DDB STATUS; SELEC 1;")
    subprocess.run(plain + ["--force"], input=script, text=True, capture_output=True, timeout=60 * SLOW, check=False)
    subprocess.run([os.path.join(BIN, "gateway_probe"), "127.0.0.1", str(recorder.port), USER, ""], capture_output=True,
                   timeout=60 * SLOW, check=False)
    import pymysql

    connection = pymysql.connect(host="127.0.0.1", port=recorder.port, user=USER, autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM r.t WHERE v = %s", ("a'\\",))
        cursor.executemany("INSERT INTO r.t VALUES (%s, %s)", [(i, "x" * i) for i in range(10, 60)])
    connection.commit()
    connection.select_db("r")
    connection.ping()
    connection.close()
    recorder.listener.close()
    sessions = [packets(said) for said in recorder.sessions]
    check(len(sessions) >= 4 and sum(map(len, sessions)) > 100, f"recorded packets: {[len(one) for one in sessions]}")
    kinds = {packet[4] for session in sessions for packet in session[1:] if len(packet) > 4}
    wanted = {0x03, 0x16, 0x17, 0x11, 0x1F} | (set() if MYSQL else {0x18})  # the probe ends early in front of MySQL
    check(wanted <= kinds, f"commands among them: {sorted(kinds)}")
    return sessions


def damage(session, chance, others):
    """The session with some packets changed, left out, doubled or taken from another one. The login stays whole mostly:
    else hardly anything would ever come behind it."""
    out = list(session)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(0 if chance.random() < 0.1 else 1, len(out)) if len(out) > 1 else 0
        what, packet = chance.randrange(8), bytearray(out[at])
        if what == 0:
            del out[at:at + chance.randrange(1, 4)]
        elif what == 1:
            out.insert(at, chance.choice(chance.choice(others)))
        elif what == 2:
            out[at] = bytes(packet[:chance.randrange(len(packet) + 1)])  # shorter than it says
        elif what == 3 and len(packet) > 4:
            body = packet[4:4 + chance.randrange(len(packet) - 3)]  # shorter, and it says so
            out[at] = len(body).to_bytes(3, "little") + packet[3:4] + body
        elif what == 4 and len(packet) >= 4:
            packet[chance.randrange(4)] = chance.choice(INTERESTING)  # its header
            out[at] = bytes(packet)
        else:
            for _ in range(chance.randrange(1, 6)):
                if len(packet) > 4:
                    packet[chance.randrange(4, len(packet))] = chance.choice((*INTERESTING, chance.randrange(256)))
            out[at] = bytes(packet)
        if not out:
            return list(session)
    return out


def replay(where, session, chance):
    """Sends it in pieces, reads or does not, and leaves in one of several ways. The node has to keep up: no wait is long."""
    with socket.create_connection(where, timeout=10 * SLOW) as client:
        client.settimeout(10 * SLOW)
        client.recv(400)
        reads, patience = chance.random() < 0.8, chance.choice((0, 0.001, 0.01))
        try:
            for packet in session:
                client.sendall(packet)
                if reads and select.select([client], [], [], patience)[0] and not client.recv(1 << 16):
                    return
            if chance.random() < 0.3:
                client.shutdown(socket.SHUT_WR)
            if chance.random() < 0.3:  # a reset instead of an end
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (ConnectionError, socket.timeout):
            pass


def kilobytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1])


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def serves(cluster, node, word):
    begin = time.monotonic()
    result = subprocess.run([need("mariadb"), "--no-defaults", "-h", cluster.nodes[node]["address"], "-P", str(cluster.port + 2),
                             "-u", USER, "-NB", "-e", f"SELECT '{word}'"], capture_output=True, text=True,
                            timeout=60 * SLOW, check=False)
    equal(result.stdout.strip(), word, f"node {node} serves: {result.stderr}")
    check(time.monotonic() - begin < 20 * SLOW, "and soon")


def damaged_sessions():
    with Cluster(settings=STEADY) as cluster:
        node = cluster.others(cluster.coordinator())[0]
        # Rights on these two only: a damaged statement shall not end the test by other means.
        cluster.sql(node, f"CREATE USER {USER}@'%'", f"GRANT ALL ON r.* TO {USER}@'%'", f"GRANT ALL ON probe.* TO {USER}@'%'")
        cluster.settle()
        sessions = record(cluster, node)
        where, pid = (cluster.nodes[node]["address"], cluster.port + 2), cluster.nodes[node]["pid"]
        chance = random.Random(OPTIONS.seed)
        begin, rounds, base_kb, base_fds = time.monotonic(), 0, None, None
        while time.monotonic() - begin < OPTIONS.seconds:
            replay(where, damage(chance.choice(sessions), chance, sessions), chance)
            rounds += 1
            if rounds % 100 == 0:
                serves(cluster, node, f"round {rounds}")
            if base_kb is None and time.monotonic() - begin > OPTIONS.seconds / 4:
                base_kb, base_fds = kilobytes(pid), descriptors(pid)
        check(rounds >= 20, f"replayed sessions: {rounds}")
        wait_until(lambda: descriptors(pid) <= base_fds + 10, 60,
                   lambda: f"descriptors of clients that are gone: {descriptors(pid)}, {base_fds} at first")
        serves(cluster, node, "at last")
        grown = kilobytes(pid) - base_kb
        note(f"{rounds} damaged sessions in {OPTIONS.seconds:.0f} s (seed {OPTIONS.seed}), {grown} kB grown from {base_kb} kB")
        check(grown < GROWTH_MAX_KB, f"the node has grown by {grown} kB")
        for other in cluster.nodes:
            equal(cluster.record()["nodes"][str(other)]["process"]["pid"], cluster.nodes[other]["pid"], f"process of node {other}")
            check(os.path.exists(f"/proc/{cluster.nodes[other]['pid']}"), f"node {other} lives")
            check("assertion failed" not in cluster.log(other), f"no assertion in the log of node {other}")
        cluster.same_tables("r")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="damaged sessions of MySQL clients against a live node")
    parser.add_argument("--seconds", type=float, default=600 if LONG else 25)
    parser.add_argument("--seed", type=int, default=1)
    OPTIONS, sys.argv[1:] = parser.parse_known_args()
    main(damaged_sessions)
