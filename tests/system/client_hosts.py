#!/usr/bin/python3
"""Accounts are for the hosts that they name, as on a plain server: each client is known to the servers by the address that it comes from, whichever
node it goes to and wherever its statements run. The nodes are in network namespaces.
"""

import os
import subprocess

from ddb_cluster import MYSQL, SLOW, check, equal, main, need, note, wait_until
from discovery import Namespaces, RemoteCluster

DENIED = ("1045", "1130", "1698")


class Hosts(RemoteCluster):
    """Clients on one node's host, of another node."""

    def told(self, host, node, user, password=""):
        """USER() and CURRENT_USER() of a write and of a read; None for who is not let in."""
        inside = [need("ip"), "netns", "exec", f"{self.spaces.prefix}{host}"]
        where = ["-h", f"10.77.0.{node}", "-P", str(self.port + 2), "-u", user]
        text = "REPLACE INTO h.seen VALUES (1, USER(), CURRENT_USER()); SELECT a, b FROM h.seen; SELECT USER(), CURRENT_USER();"
        client = subprocess.run([*inside, need("mariadb"), "--no-defaults", *where, "-NB"], input=text, capture_output=True, text=True,
                                env=dict(os.environ, MYSQL_PWD=password), timeout=60 * SLOW, check=False)
        if client.returncode != 0:
            check(any(f"ERROR {number}" in client.stderr for number in DENIED), f"{user} of host {host} at node {node}: {client.stderr}")
            return None
        lines = client.stdout.splitlines()
        equal(len(lines), 2, f"answers to {user} of host {host} at node {node}")
        equal(lines[0], lines[1], "where it was written and where it is read")
        return lines[0].split("\t")


def names(user, host, account):
    return [f"{user}@{host}", f"{user}@{account}"]


def accounts_of_hosts():
    if os.getuid() != 0 or MYSQL:
        note("skipped: network namespaces need root" if not MYSQL else "skipped: MySQL is not told where clients come from")
        return
    with Namespaces() as spaces, Hosts(spaces) as cluster:
        cluster.sql(2, "CREATE DATABASE h", "CREATE TABLE h.seen (id INT PRIMARY KEY, a VARCHAR(200), b VARCHAR(200))")
        for name, password in (("near@10.77.0.1", "one"), ("near@10.77.0.2", "two"), ("net@'10.77.0.%'", "net"), ("sealed@'10.77.0.%'", "sealed"), ("home@localhost", "home"), ("far@'10.99.%'", "far"), ("anyone@'%'", "")):
            user, host = name.split("@")
            secret = f"IDENTIFIED BY '{password}'" if password else ""
            secret += " REQUIRE SSL" if user == "sealed" else ""  # which the client speaks where it can
            cluster.sql(3, f"CREATE USER {user}@'{host.strip(chr(39))}' {secret}", f"GRANT ALL ON h.* TO {user}@'{host.strip(chr(39))}'")
        cluster.settle()
        for node in cluster.nodes:
            for host in (1, 2, 3):
                address = f"10.77.0.{host}"
                at = f"host {host}, node {node}"
                equal(cluster.told(host, node, "near", "one"), names("near", address, address) if host == 1 else None, f"{at}: near, host 1's password")
                equal(cluster.told(host, node, "near", "two"), names("near", address, address) if host == 2 else None, f"{at}: near, host 2's password")
                equal(cluster.told(host, node, "net", "net"), names("net", address, "10.77.0.%"), f"{at}: the network's")
                equal(cluster.told(host, node, "sealed", "sealed"), names("sealed", address, "10.77.0.%"), f"{at}: the network's, by TLS only")
                equal(cluster.told(host, node, "anyone"), names("anyone", address, "%"), f"{at}: everybody's")
                equal(cluster.told(host, node, "far", "far"), None, f"{at}: another network's")
                own = names("home", "localhost", "localhost") if host == node else None
                equal(cluster.told(host, node, "home", "home"), own, f"{at}: localhost's")
                root = names("root", "localhost", "localhost") if host == node else None
                equal(cluster.told(host, node, "root"), root, f"{at}: root, which has no password")
        goes_on_elsewhere(cluster)


def goes_on_elsewhere(cluster):
    """Its host is known to the next coordinator as well."""
    first = cluster.coordinator()
    other = cluster.others(first)[0]
    cluster.kill(first)
    wait_until(lambda: cluster.told(other, other, "net", "net") is not None, 20 * SLOW, "another coordinator")
    address = f"10.77.0.{other}"
    equal(cluster.told(other, other, "net", "net"), names("net", address, "10.77.0.%"), "behind a change of coordinator")
    cluster.start(first)
    wait_until(lambda: cluster.told(other, first, "net", "net") == names("net", address, "10.77.0.%"), 30 * SLOW, "the node is back")


if __name__ == "__main__":
    main(accounts_of_hosts)
