#!/usr/bin/python3
"""Two of three nodes are gone: writes in flight are unknown, later ones fail in time and say why, local reads go on, and
service comes back by itself with the majority."""

import concurrent.futures
import os
import shutil
import time

from ddb_cluster import NO_QUORUM, OK, SLOW, UNKNOWN, Cluster, check, equal, main, note, wait_until
from ledger import TABLE, Ledger


def lose_and_regain(cluster, take, give_back, prefix):
    """`take` and `give_back` make a node unreachable and reachable again."""
    ledger = Ledger()
    coordinator = wait_until(cluster.coordinator, 30, "a coordinator")
    followers = cluster.others(coordinator)
    insert = "INSERT INTO lost.t (token) VALUES ('{}')"
    ledger.record(f"{prefix}-before", cluster.sql(coordinator, insert.format(f"{prefix}-before")))
    cluster.settle()
    known = cluster.mysql(coordinator, "SELECT COUNT(*) FROM lost.t")[0][0]
    for node in followers:
        take(node)

    # At once, while the coordinator still believes in its office: these are in flight when the majority is lost.
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = {f"{prefix}-flight-{n}": pool.submit(cluster.cli, coordinator, insert.format(f"{prefix}-flight-{n}"),
                                                       timeout=8) for n in range(4)}
        answers = {token: future.result() for token, future in futures.items()}
    for token, answer in answers.items():
        ledger.record(token, answer)
        check(answer.code in (UNKNOWN, NO_QUORUM), f"{token}, in flight: {answer}")
    note(f"in flight: exits {sorted(answer.code for answer in answers.values())}")
    check(prefix != "paused" or any(answer.code == UNKNOWN for answer in answers.values()),
          "a write that was in flight ends as unknown (exit 5)")

    # After the step-down.
    for what, sql in (("write", insert.format(f"{prefix}-later")), ("strong read", "SELECT COUNT(*) FROM lost.t")):
        begun = time.monotonic()
        answer = cluster.cli(coordinator, sql, timeout=3)
        took = time.monotonic() - begun
        if what == "write":
            ledger.record(f"{prefix}-later", answer)
        equal(answer.code, NO_QUORUM, f"{what} without a majority: {answer}")
        check(took < 3 + 2 * SLOW, f"{what} answered within its deadline, not after {took:.1f} s")
        reason = answer.error.get("message") or answer.errors
        check("majority" in reason or "quorum" in reason, f"{what}: the reason in words: {reason}")
    local = cluster.sql(coordinator, "SELECT COUNT(*) FROM lost.t", arguments=["--consistency", "local"])
    check(local.value >= int(known), f"a local read goes on and sees what was there: {local.value} rows")

    said = cluster.log(coordinator).count("no coordinator heard")
    time.sleep(5)
    grown = cluster.log(coordinator).count("no coordinator heard") - said
    check(grown <= 1, f"a node that waits for a majority does not fill its log: {grown} lines in 5 s")

    begun = time.monotonic()
    for node in followers:
        give_back(node)
    wait_until(lambda: cluster.cli(coordinator, "SELECT 1", timeout=2).code == OK, 30, "service returns by itself")
    note(f"served again {time.monotonic() - begun:.1f} s after the majority was back")
    after = cluster.cli(coordinator, insert.format(f"{prefix}-after"), timeout=10)
    equal(after.code, OK, f"write afterwards: {after}")
    ledger.record(f"{prefix}-after", after)
    verify(cluster, ledger, prefix)


def verify(cluster, ledger, prefix):
    cluster.settle()
    rows = {node: [row[0] for row in cluster.mysql(node, f"SELECT token FROM lost.t WHERE token LIKE '{prefix}-%'")]
            for node in cluster.nodes}
    ledger.check(rows)
    unknown = [token for token, told in ledger.told.items() if told == "unknown"]
    equal(sorted(ledger.names), sorted(unknown), "unknown writes that came with an id")
    for token, name in ledger.names.items():
        answer = cluster.verb(1, "txn", name)
        equal(answer.code, OK, f"txn {name}: {answer}")
        equal(answer.last.get("fate"), "decided" if token in rows[1] else "absent", f"{token}: fate of {name}")
    note(ledger.summary() + f"; {len(unknown)} unknown ones found by `txn`")


def majority_lost():
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE lost", f"CREATE TABLE lost.t {TABLE}")
        lose_and_regain(cluster, lambda node: cluster.tool("pause", node), lambda node: cluster.tool("resume", node), "paused")
        lose_and_regain(cluster, cluster.kill, lambda node: cluster.start(node, wait=False), "killed")
        cluster.same_tables("lost")


def lost_for_good():
    """As README has it: of three hosts one is left, and a new cluster begins with its database."""
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE lost", f"CREATE TABLE lost.t {TABLE}", "INSERT INTO lost.t (token) VALUES ('kept')",
                    "CREATE USER app@'%' IDENTIFIED BY 'secret'", "GRANT ALL ON lost.* TO app@'%'")
        cluster.settle()
        left = cluster.others(wait_until(cluster.coordinator, 30, "a coordinator"))[0]
        for node in cluster.others(left):
            cluster.kill(node, with_mysql=True)
        cluster.mysql(left, "SET GLOBAL read_only = 0; DROP DATABASE ddb_meta")
        cluster.tool("stop", left)
        shutil.rmtree(os.path.join(cluster.directory, f"node-{left}", "data", "journal"))
        for node in cluster.others(left):
            cluster.tool("wipe", node)
        for node in cluster.nodes:
            cluster.start(node, wait=False)
        for node in cluster.nodes:
            wait_until(lambda: cluster.cli(node, "SELECT 1", timeout=5).code == OK, 60, f"node {node} serves")
            equal(cluster.sql(node, "SELECT token FROM lost.t").value, "kept", f"node {node} has what was there")
            user = cluster.cli(node, "SELECT COUNT(*) FROM lost.t", arguments=["-psecret"], user="app")
            equal(user.code, OK, f"node {node} knows the accounts: {user}")
        cluster.sql(left, "INSERT INTO lost.t (token) VALUES ('new')")
        cluster.same_tables("lost")


if __name__ == "__main__":
    main(majority_lost, lost_for_good)
