"""A cluster whose nodes live in network namespaces, clients at the bridge between them, and what can go wrong on the way."""

import functools
import subprocess

import clients  # noqa: F401 - finds the modules of tests/system
from ddb_cluster import Cluster, Failure, need
from discovery import Namespaces

CLIENTS_ADDRESS = "10.77.0.100"


class Network(Namespaces):
    """The namespaces of the discovery test, with an address for clients in the middle."""

    def __enter__(self):
        super().__enter__()
        self.ip("-n", self.prefix + "0", "addr", "add", f"{CLIENTS_ADDRESS}/24", "brd", "+", "dev", "br0")
        return self

    @staticmethod
    def address(node):
        return f"10.77.0.{node}"

    def inside(self, node, *words, check_exit=True):
        result = self.ip("netns", "exec", f"{self.prefix}{node}", *words, check_exit=False)
        if check_exit and result.returncode != 0:
            raise Failure(f"in the namespace of node {node}: {' '.join(words)}: {result.stderr.strip()}")
        return result

    def rule(self, node, *words):
        self.inside(node, need("iptables"), "-w", "-A", *words)

    def deafen(self, node, source):
        """What the source sends no longer arrives at the node; the other direction stays."""
        self.rule(node, "INPUT", "-s", self.address(source), "-j", "DROP")

    def cut(self, node, others):
        """No word between the node and the others; clients still reach all."""
        for other in others:
            self.deafen(node, other)
            self.deafen(other, node)

    def mute_to_clients(self, node):
        """Requests of clients arrive, answers do not."""
        self.rule(node, "OUTPUT", "-d", CLIENTS_ADDRESS, "-j", "DROP")

    def reset(self, node):
        """Ends the established connections of a node by resets, in the middle of whatever they carry."""
        words = ["INPUT", "-p", "tcp", "-m", "state", "--state", "ESTABLISHED", "-j", "REJECT", "--reject-with", "tcp-reset"]
        if self.inside(node, need("ss"), "-K", "-t", "state", "established", check_exit=False).returncode != 0:
            self.rule(node, *words)
            self.inside(node, need("iptables"), "-w", "-D", *words)

    def heal(self):
        for node in (1, 2, 3):
            self.inside(node, need("iptables"), "-w", "-F")


class NetworkCluster(Cluster):
    """Owns its namespaces. Clients run at the bridge and reach every node."""

    def __init__(self, **options):
        self.network = Network()
        super().__init__(arguments=["--netns", self.network.prefix, "--address", "10.77.0.{id}", "--port", "6000"], **options)

    def __enter__(self):
        self.network.__enter__()
        return super().__enter__()

    def close(self, failed=False):
        super().close(failed)
        self.network.__exit__()

    def command(self, node, *arguments, **options):
        inside = [need("ip"), "netns", "exec", f"{self.network.prefix}0"]
        return inside + super().command(node, *arguments, **options)


@functools.cache
def impossible():
    """Why network namespaces cannot be had here; empty when they can."""
    try:
        with Network() as network:
            network.rule(1, "INPUT", "-s", "10.77.0.2", "-j", "DROP")
    except (Failure, subprocess.CalledProcessError, PermissionError) as error:
        return f"skipped: no network namespaces ({error})"
    return ""
