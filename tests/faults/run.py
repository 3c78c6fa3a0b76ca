"""One run of one scenario: the cluster, its load, chance with a seed, and what was done to it."""

import os
import random
import signal
import time
from dataclasses import dataclass
from typing import Callable

from clients import ListClient, Load, RegisterClient
from ddb_cluster import note, wait_until

import processes  # of tools/lib; the runner makes it visible

SERVERS = {"mariadbd", "mysqld"}


@dataclass
class Scenario:
    number: int
    title: str
    act: Callable = None
    cluster: Callable = None  # makes the cluster it needs; without one it can share an ordinary one
    network: bool = False
    missing: Callable = lambda: ""  # why it cannot be run
    parts: tuple = ((ListClient, RegisterClient),)  # clients; each part is a load and a history of its own


class Run:
    def __init__(self, cluster, seed, long, kinds):
        self.cluster, self.seed, self.long = cluster, seed, long
        self.random = random.Random(seed)
        self.load = Load(cluster, seed, kinds)
        self.faults = 0
        self.extra = []  # violations that scenarios find themselves

    def rounds(self, short, long):
        return range(long if self.long else short)

    def seconds(self, short, long):
        return long if self.long else short

    def fault(self, text):
        self.faults += 1
        note(f"{self.faults}: {text}")

    def work(self, at_least=0.3, at_most=1.2):
        """Lets the clients go on for a while."""
        time.sleep(self.random.uniform(at_least, at_most))

    def coordinator(self):
        return wait_until(self.cluster.coordinator, 30, "a coordinator")

    def follower(self):
        return self.random.choice(self.cluster.others(self.coordinator()))

    def pid(self, node):
        return self.cluster.record()["nodes"][str(node)]["process"]["pid"]

    def servers(self, node):
        """Database servers of a node, as recorded identities."""
        return processes.below(os.path.join(self.cluster.directory, f"node-{node}"), SERVERS)

    def kill(self, node, with_server=False):
        victims = self.servers(node) if with_server else []
        os.kill(self.pid(node), signal.SIGKILL)
        for who in victims:
            processes.send(who, signal.SIGKILL)
        processes.wait_gone([self.cluster.record()["nodes"][str(node)]["process"], *victims], 10)

    def kill_server(self, node):
        victims = wait_until(lambda: self.servers(node), 30, f"a server of node {node}")
        for who in victims:
            processes.send(who, signal.SIGKILL)

    def catch_up(self, node, deadline_s=60):
        """The node applies what is decided by now."""
        target = self.cluster.applied(self.coordinator())[1]
        wait_until(lambda: self.cluster.applied(node)[0] >= target, deadline_s, f"node {node} catches up to {target}")

    def recovered(self):
        """After the faults: service for every client."""
        self.load.await_all_served()
