#!/usr/bin/python3
"""Nodes and clients find each other with no address configured, on loopback and across network namespaces; programs
without the cluster's keys are refused, noticed once, and change nothing."""

import json
import os
import re
import shutil
import socket
import subprocess
import time

from ddb_cluster import BIN, OK, SLOW, Cluster, Failure, check, equal, main, need, note, wait_until

REFUSED = re.compile(r"refus|reject|drop|ignor|denied|fail", re.IGNORECASE)


def forget_addresses(cluster):
    """Leaves clients their key and the port of the beacons, and nothing that says where the nodes are."""
    shutil.rmtree(os.path.join(cluster.base, "config"))
    cluster.env["DDB_CLIENT_KEY"] = os.path.join(cluster.directory, "keys", "client.key")
    cluster.env["DDB_DISCOVERY_PORT"] = str(cluster.record()["discovery_port"])


class LogWatch:
    """Lines that the nodes' logs gain."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.sizes = {node: len(cluster.log(node)) for node in cluster.nodes}

    def refusals(self, word):
        """Per node, new lines that speak of a refusal and of the word."""
        found = {}
        for node, size in self.sizes.items():
            lines = self.cluster.log(node)[size:].splitlines()
            found[node] = [line for line in lines if REFUSED.search(line) and re.search(word, line, re.IGNORECASE)]
        return found

    def expect_once(self, word, what):
        def noticed():
            return any(self.refusals(word).values())
        wait_until(noticed, 10, f"{what} is noticed in a log (a refusal that mentions {word})")
        time.sleep(1)
        for node, lines in self.refusals(word).items():
            check(len(lines) <= 2, f"{what}: node {node} logs it {len(lines)} times: {lines[:4]}")


def unharmed(cluster, what):
    for node in cluster.nodes:
        cluster.sql(node, "SELECT 1")
    nodes = cluster.verb(1, "nodes").last["nodes"]
    equal(sorted(node["id"] for node in nodes), sorted(cluster.nodes), f"members after {what}")


def stranger_with_other_keys(cluster):
    directory = os.path.join(cluster.base, "stranger")
    shutil.rmtree(directory, ignore_errors=True)  # of an earlier one in the same cluster
    os.makedirs(directory)
    subprocess.run([os.path.join(BIN, "ddb-node"), "keygen", "--out", os.path.join(directory, "keys")], check=True,
                   capture_output=True)
    record = cluster.record()
    config = {"cluster": {"name": record["name"], "expect": 3, "key_dir": "keys"},
              "node": {"id": 4, "address": "127.0.0.4", "port": cluster.port, "data_dir": "data"},
              "discovery": {"beacon": True, "port": record["discovery_port"],
                            "peers": [f"127.0.0.{i}:{cluster.port}" for i in (1, 2, 3)]}}
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    watch = LogWatch(cluster)
    with open(os.path.join(directory, "log"), "w", encoding="utf-8") as log:
        node = subprocess.Popen([os.path.join(BIN, "ddb-node"), "--config", os.path.join(directory, "config.json")],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=cluster.env)
    try:
        watch.expect_once("key|beacon|handshake", "a node with other keys")
        unharmed(cluster, "a node with other keys")
        check(node.poll() is None or node.returncode != 0, "the stranger did not join")
    finally:
        node.terminate()
        try:
            node.wait(20)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()


def beacon_socket(port):
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    try:
        receiver.bind(("", port))
    except OSError:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        receiver.bind(("", port))
    receiver.settimeout(10)
    return receiver


def bad_beacons(cluster):
    port = cluster.record()["discovery_port"]
    target = ("127.255.255.255", port)
    with beacon_socket(port) as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.bind(("127.0.0.9", 0))
        beacon = listener.recv(65536)
        watch = LogWatch(cluster)
        forged = bytearray(beacon)
        forged[len(forged) // 2] ^= 0x55
        for _ in range(10):
            sender.sendto(bytes(forged), target)
        watch.expect_once("beacon", "a forged beacon")
        for junk in (os.urandom(len(beacon)), b"", b"\0" * 1400, beacon[: len(beacon) // 2]):
            for _ in range(5):
                sender.sendto(junk, target)
        unharmed(cluster, "forged beacons")
        time.sleep(1)  # newer beacons of that node have arrived meanwhile
        watch = LogWatch(cluster)
        for _ in range(20):
            sender.sendto(beacon, target)
        watch.expect_once("beacon", "a replayed beacon")
        unharmed(cluster, "replayed beacons")


def null_greeting():
    """ZMTP 3.1 greeting that asks for no security at all."""
    return b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x01" + b"NULL".ljust(20, b"\0") + b"\0" + b"\0" * 31


def unauthenticated_client(cluster):
    watch = LogWatch(cluster)
    ready = b"\x04\x26\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"
    for port in (cluster.port, cluster.port + 1):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
                link.settimeout(3)
                link.sendall(null_greeting() + ready)
                answer = b""
                try:
                    while len(answer) < 4096:
                        got = link.recv(4096)
                        if not got:
                            break
                        answer += got
                except (TimeoutError, ConnectionError):
                    pass
                check(b"READY" not in answer[64:], f"port {port} lets a client without a key in")
    watch.expect_once("handshake|mechanism|security|key|authent", "a client without a key")
    unharmed(cluster, "unauthenticated clients")


def loopback():
    with Cluster() as cluster:
        equal([node["address"] for node in cluster.nodes.values()], ["127.0.0.1", "127.0.0.2", "127.0.0.3"], "addresses")
        forget_addresses(cluster)
        answer = cluster.cli(None, "SELECT 41 + 1")
        check(answer.code == OK and answer.value == 42, f"ddb-cli finds the cluster by its beacons: {answer}")
        stranger_with_other_keys(cluster)
        bad_beacons(cluster)
        unauthenticated_client(cluster)


def static_peers():
    with Cluster(arguments=["--no-discovery"]) as cluster:
        cluster.sql(3, "CREATE DATABASE listed")
        cluster.settle()
        equal(len(cluster.same("SHOW DATABASES LIKE 'listed'")), 1, "the cluster forms from a list of peers")


class Namespaces:
    """Three network namespaces whose interfaces meet at a bridge in a fourth one."""

    def __init__(self):
        self.prefix = f"ddb{os.getpid()}n"

    def ip(self, *words, check_exit=True):
        return subprocess.run([need("ip"), *words], check=check_exit, capture_output=True, text=True)

    def __enter__(self):
        try:
            hub = self.prefix + "0"
            for i in range(4):
                self.ip("netns", "add", f"{self.prefix}{i}")
                self.ip("-n", f"{self.prefix}{i}", "link", "set", "lo", "up")
            self.ip("-n", hub, "link", "add", "br0", "type", "bridge")
            self.ip("-n", hub, "link", "set", "br0", "up")
            for i in (1, 2, 3):
                own = f"{self.prefix}{i}"
                self.ip("-n", hub, "link", "add", f"port{i}", "type", "veth", "peer", "name", "eth0", "netns", own)
                self.ip("-n", hub, "link", "set", f"port{i}", "master", "br0", "up")
                self.ip("-n", own, "addr", "add", f"10.77.0.{i}/24", "brd", "+", "dev", "eth0")
                self.ip("-n", own, "link", "set", "eth0", "up")
        except subprocess.CalledProcessError as error:
            self.__exit__()
            raise Failure(f"network namespaces: {error.stderr.strip()}") from error
        return self

    def __exit__(self, *_):
        for i in range(4):
            self.ip("netns", "del", f"{self.prefix}{i}", check_exit=False)

    def cable(self, node, state):
        self.ip("-n", self.prefix + "0", "link", "set", f"port{node}", state)


class RemoteCluster(Cluster):
    """A cluster in namespaces: clients run beside their node."""

    def __init__(self, spaces):
        super().__init__(arguments=["--netns", spaces.prefix, "--address", "10.77.0.{id}", "--port", "6000"])
        self.spaces = spaces

    def command(self, node, *arguments, **options):
        inside = [need("ip"), "netns", "exec", f"{self.spaces.prefix}{node or 1}"]
        return inside + super().command(node, *arguments, **options)


def namespaces():
    if os.getuid() != 0:
        note("skipped: network namespaces need root")
        return
    with Namespaces() as spaces, RemoteCluster(spaces) as cluster:
        forget_addresses(cluster)
        answer = cluster.cli(None, "SELECT 41 + 1")
        check(answer.code == OK and answer.value == 42, f"ddb-cli finds the nodes across the bridge: {answer}")
        cluster.sql(2, "CREATE DATABASE apart", "CREATE TABLE apart.t (id INT PRIMARY KEY)")
        first = cluster.coordinator()
        other = cluster.others(first)[0]
        spaces.cable(first, "down")
        wait_until(lambda: cluster.cli(other, "INSERT INTO apart.t VALUES (1)", timeout=5).code == OK, 20,
                   "the others go on when the coordinator's cable is out")
        check(cluster.cli(first, "INSERT INTO apart.t VALUES (2)", timeout=2).code != OK, "the lonely node takes no write")
        spaces.cable(first, "up")
        wait_until(lambda: cluster.cli(first, "SELECT COUNT(*) FROM apart.t", timeout=2).value == 1, 20 * SLOW,
                   "the node is back and has what it missed")
        cluster.same_tables("apart")


def moved():
    """Without beacons nobody but the moved node itself can say where it is now; then all move, as their new lists say."""
    with Cluster(arguments=("--no-discovery",)) as cluster:
        cluster.env["DDB_CLIENT_KEY"] = os.path.join(cluster.directory, "keys", "client.key")
        cluster.sql(1, "CREATE DATABASE moved", "CREATE TABLE moved.t (id INT PRIMARY KEY)")
        cluster.tool("stop", 2)
        move(cluster, 2)
        serves_at_new_address(cluster, [2])
        cluster.sql(2, "INSERT INTO moved.t VALUES (2)")
        listed = cluster.verb(cluster.coordinator(), "nodes").last["nodes"]
        equal([node["address"] for node in listed if node["id"] == 2], [cluster.nodes[2]["address"]], "where `nodes` sees it")
        for node in cluster.nodes:
            cluster.tool("stop", node)
        peers = ",".join(f'"127.0.0.{60 + node}:{cluster.port}"' for node in cluster.nodes)
        for node in (1, 3, 2):
            move(cluster, node, 60 + node, [f"discovery.peers=[{peers}]"])
        serves_at_new_address(cluster, [1, 2, 3])
        for node in cluster.nodes:
            equal(cluster.sql(node, "SELECT COUNT(*) FROM moved.t").value, 1, f"node {node} reads")


def move(cluster, node, last=50, settings=()):
    cluster.start(node, wait=False, settings=[f"node.address=127.0.0.{last}", *settings])
    cluster.nodes[node]["address"] = f"127.0.0.{last}"


def serves_at_new_address(cluster, nodes):
    for node in nodes:
        wait_until(lambda: cluster.cli(node, "SELECT 1", timeout=5).code == OK, 40, f"node {node} serves where it is now")


if __name__ == "__main__":
    main(loopback, static_peers, moved, namespaces)
