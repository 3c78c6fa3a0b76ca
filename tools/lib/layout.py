"""A test cluster on disk: addresses, ports, configuration files, what was started."""

import errno
import fcntl
import hashlib
import json
import os
import random
import socket

DEFAULT_PORT = 6000
PORTS_PER_NODE = 4  # bus, PUB, gateway, metrics
DISCOVERY_OFFSET = 100


class ClusterError(Exception):
    """Something the user has to know; printed without a stack."""


def parse_value(text):
    """Values of --set are JSON, or plain text where that fails."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def assign(config, dotted, value):
    keys = dotted.split(".")
    for key in keys[:-1]:
        config = config.setdefault(key, {})
        if not isinstance(config, dict):
            raise ClusterError(f"--set {dotted}: {key} is no section")
    config[keys[-1]] = value


def _free(address, port, kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:  # connections of an earlier cluster that linger do not make a port busy
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            return True
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise ClusterError(f"address {address} is not on this host") from error
            return False


def ports_free(addresses, base, beacons=True):
    wanted = range(base, base + PORTS_PER_NODE)
    return all(_free(address, port, socket.SOCK_STREAM) for address in addresses for port in wanted) and (
        not beacons or _free("127.255.255.255", base + DISCOVERY_OFFSET, socket.SOCK_DGRAM))


def choose_port(addresses, asked):
    """The base port: the asked one, else 6000, else a free one below the range the kernel hands out. With DDB_ANY_PORT in the
    environment not 6000: two clusters that start at the same moment would both find it free."""
    if asked:
        return asked
    if not os.environ.get("DDB_ANY_PORT") and ports_free(addresses, DEFAULT_PORT):
        return DEFAULT_PORT
    for _ in range(200):
        base = random.randrange(10000, 32000, 10)
        if ports_free(addresses, base):
            return base
    raise ClusterError("no free base port found between 10000 and 32000")


class Layout:
    """Paths of one cluster and the record of what runs (D/cluster.json)."""

    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        self.record_path = os.path.join(self.directory, "cluster.json")
        self._lock = None

    def node_dir(self, node):
        return os.path.join(self.directory, f"node-{node}")

    def config_path(self, node):
        return os.path.join(self.node_dir(node), "config.json")

    def log_path(self, node):
        return os.path.join(self.node_dir(node), "log")

    @property
    def key_dir(self):
        return os.path.join(self.directory, "keys")

    @property
    def registry_path(self):
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
        name = hashlib.sha256(self.directory.encode()).hexdigest()[:16]
        return os.path.join(base, "ddb", "clusters", name + ".json")

    def lock(self):
        """One tools/cluster at a time changes a cluster; a second one waits."""
        if not os.path.isdir(self.directory):
            raise ClusterError(f"no directory {self.directory}")
        self._lock = open(os.path.join(self.directory, ".lock"), "w", encoding="utf-8")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def unlock(self):
        if self._lock:
            self._lock.close()
            self._lock = None

    def load(self):
        try:
            with open(self.record_path, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            raise ClusterError(f"no cluster under {self.directory} (tools/cluster up --dir {self.directory})") from None

    def save(self, record):
        temporary = self.record_path + ".new"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=2)
        os.replace(temporary, self.record_path)

    def write_configs(self, record, settings):
        """One config.json per node; they differ in node.id and node.address only."""
        for node in record["nodes"].values():
            self.write_config(record, node, settings)

    def write_config(self, record, node, settings):
        members = record["nodes"].values()
        config = {
            "cluster": {"name": record["name"], "expect": record.get("expect", len(members)), "key_dir": self.key_dir},
            "node": {"id": node["id"], "address": node["address"], "port": record["port"], "data_dir": "data"},
            "discovery": {"beacon": record["discovery"], "port": record["discovery_port"], "peers": []},
            "mysql": {"mode": "managed"},
        }
        if not record["discovery"]:
            config["discovery"]["peers"] = [f"{m['address']}:{record['port']}" for m in members]
        for key, value in settings:
            assign(config, key, value)
        os.makedirs(self.node_dir(node["id"]), exist_ok=True)
        with open(self.config_path(node["id"]), "w", encoding="utf-8") as file:
            json.dump(config, file, indent=2)
            file.write("\n")

    def register(self, record):
        """Tells ddb-cli of this user about the cluster: where its client key and its nodes are."""
        os.makedirs(os.path.dirname(self.registry_path), mode=0o700, exist_ok=True)
        entry = {
            "name": record["name"],
            "client_key": os.path.join(self.key_dir, "client.key"),
            "nodes": [f"{node['address']}:{record['port']}" for node in record["nodes"].values()],
            "discovery_port": record["discovery_port"],
        }
        temporary = self.registry_path + ".new"  # a client that reads meanwhile must not see half of it
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(entry, file, indent=2)
        os.replace(temporary, self.registry_path)

    def unregister(self):
        try:
            os.unlink(self.registry_path)
        except FileNotFoundError:
            pass
