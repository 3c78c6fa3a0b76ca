#!/usr/bin/python3
"""Clients that are idle: a node ends them as their server would, at the wait_timeout that their session has, and no earlier.
"""

import os
import resource
import time

from ddb_cluster import MYSQL, SLOW, STEADY, Cluster, check, equal, main, note, parallel
from gateway import PASSWORD, USER, PlainServer, account
from wire_client import Client

INTERACTIVE = 1 << 10
SHORT_S, LONG_S, NEVER_S = 2, 5, 40
CLIENTS_OF_A_NODE = 500
GLOBALS = f"SET GLOBAL wait_timeout = {LONG_S}, GLOBAL interactive_timeout = {NEVER_S}"


class Idle:
    """A client with that statement behind its login, which then says nothing."""

    def __init__(self, host, port, statement=None, capabilities=0):
        self.client = Client(host, port, USER, PASSWORD, capabilities=capabilities, deadline_s=60 * SLOW)
        self.value = None
        if statement:
            check(self.client.query(statement)[-1][0] != "error", statement)
            self.value = self.client.query("SELECT @@wait_timeout")[1]
        self.began = time.monotonic()

    def told(self, seconds):
        """What came within that time: None for nothing, else the bytes before the end."""
        self.client.socket.settimeout(seconds)
        told = b""
        try:
            while True:
                part = self.client.socket.recv(1000)
                if not part:
                    return told
                told += part
        except ConnectionResetError:
            return told
        except TimeoutError:
            return None


def ends(host, port):
    """{kind of client: what it is told within some seconds of being idle}"""
    clients = {
        "a short time of its own": Idle(host, port, f"SET wait_timeout = {SHORT_S}"),
        "more than one setting": Idle(host, port, f"SET @s = 1, SESSION wait_timeout = {SHORT_S}, sql_mode = ''"),
        "a long time of its own": Idle(host, port, f"SET SESSION wait_timeout = {NEVER_S}"),
        "a person": Idle(host, port, capabilities=INTERACTIVE),
        "nothing said": Idle(host, port),
    }
    told = {}
    for kind, client in clients.items():
        lasts = kind in ("a long time of its own", "a person")
        told[kind] = (client.value, client.told(0.5 if lasts else (LONG_S + 4) * SLOW))
    return told


def as_their_server():
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        cluster.settle()
        for node in cluster.nodes:
            cluster.mysql(node, GLOBALS)
        with PlainServer(os.path.join(cluster.base, "plain")) as plain:
            plain.server.sql(GLOBALS)
            expected = ends("127.0.0.1", plain.port)
        note(f"a plain server: {expected}")
        check(expected["nothing said"][1] is not None and expected["a person"][1] is None, "the plain server ends its idle clients")
        for node in cluster.nodes:
            equal(ends(cluster.nodes[node]["address"], cluster.port + 2), expected, f"node {node}")


def while_it_works():
    """Who waits for an answer for longer than that is not idle; nor is one that reads slowly."""
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        for node in cluster.nodes:
            client = Idle(cluster.nodes[node]["address"], cluster.port + 2, f"SET wait_timeout = {SHORT_S}").client
            for statement in (f"SELECT SLEEP({SHORT_S + 2})", f"DO SLEEP({SHORT_S + 2})", "SELECT 1"):
                check(client.query(statement)[-1][0] != "error", f"node {node}: {statement}")
            client.close()


def as_many_as_promised():
    """Every node with as many clients as it takes, all of them with a session on the coordinator."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4000)), hard))
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        cluster.settle()

        def fill(node):
            clients = [Idle(cluster.nodes[node]["address"], cluster.port + 2).client for _ in range(CLIENTS_OF_A_NODE)]
            for number, client in enumerate(clients):
                answer = client.query(f"SET @number = {number}")[-1]
                equal(answer[0], "ok", f"client {number} of node {node}: {answer}")
            return clients

        filled = parallel([lambda node=node: fill(node) for node in cluster.nodes])
        for node, clients in zip(cluster.nodes, filled):
            for number, client in enumerate(clients):
                equal(client.query("SELECT @number")[1], ("row", [str(number).encode()]), f"client {number} of node {node}")
            try:
                Idle(cluster.nodes[node]["address"], cluster.port + 2)
                check(False, f"node {node} takes more clients than it says")
            except ConnectionError as error:
                check("Too many connections" in str(error), f"node {node}: {error}")
            for client in clients:
                client.close()


if __name__ == "__main__":
    main(as_their_server, while_it_works, as_many_as_promised)
