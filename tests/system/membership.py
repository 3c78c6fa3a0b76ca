#!/usr/bin/python3
"""Members come and go by command while clients write: 3 nodes, 5, 3 again; a dead one replaced; the office handed on.

Nothing that was acknowledged is lost, nothing that failed is there, no statement fails because of a change, and what would
lose the majority is refused with the reason.
"""

import concurrent.futures
import time

import gateway
from ddb_cluster import NO_QUORUM, OK, SLOW, SQL_ERROR, STEADY, USAGE, Cluster, check, equal, main, note, wait_until
from failover import Writers
from ledger import TABLE

STEP_DOWNS = 4


def change(cluster, ask, *words, timeout=20):
    """A verb that works, perhaps after the change before it is decided."""
    def done():
        answer = cluster.verb(ask, *words, timeout=timeout)
        check(answer.code in (OK, NO_QUORUM), f"{' '.join(words)}: {answer}")
        return answer if answer.code == OK else None
    return wait_until(done, 30, " ".join(words)).last


def refused(cluster, ask, *words, code, reason, timeout=10):
    answer = cluster.verb(ask, *words, timeout=timeout)
    equal(answer.code, code, f"{' '.join(words)}: {answer}")
    check(reason in answer.errors, f"{' '.join(words)}: the reason is {answer.errors!r}")


def none_failed(ledger):
    equal(dict(list(ledger.reasons.items())[:3]), {}, f"{len(ledger.reasons)} writes that were not acknowledged")


def status(cluster, node):
    return cluster.verb(node, "status", timeout=3).last


def voters(cluster, ask):
    return status(cluster, ask).get("voters")


def address(cluster, node):
    return f"{cluster.nodes[node]['address']}:{cluster.port}"


def wait_voter(cluster, node, ask=1):
    wait_until(lambda: node in (voters(cluster, ask) or []), 120, f"node {node} becomes a voter")
    wait_until(lambda: cluster.cli(node, "SELECT 1", timeout=3).code == OK, 30, f"node {node} serves")


def fresh_node_waits(cluster, node):
    """A node beside a formed cluster forms none of its own, and says what it waits for."""
    wait_until(lambda: "waits to be added" in status(cluster, node).get("waiting_for", ""), 15, f"node {node} says so")
    equal(status(cluster, node)["role"], "unformed", f"role of node {node}")
    health = cluster.verb(node, "health")
    equal(health.code, NO_QUORUM, f"health of node {node}: {health}")
    check(f"ddb-cli add {address(cluster, node)}" in health.last["reason"], f"its remedy: {health.last['reason']}")
    check("waits to be added" in cluster.log(node), f"the log of node {node} says it, too")
    coordinator = cluster.coordinator(1)
    wait_until(lambda: node in [one["id"] for one in status(cluster, coordinator)["newcomers"]], 15,
               "the coordinator knows of it")


def grow(cluster):
    for node, ask in ((4, 2), (5, 3)):
        cluster.grow(node)
        fresh_node_waits(cluster, node)
        said = change(cluster, ask, "add", address(cluster, node) if node == 4 else str(node))
        equal([one["role"] for one in said["members"] if one["id"] == node], ["learner"], f"role of node {node} at first")
        check(said["index"] > 0, "the index of the change")
        wait_voter(cluster, node)
        note(f"node {node} is a voter")
    equal(voters(cluster, 4), [1, 2, 3, 4, 5], "voters")
    refused(cluster, 1, "add", address(cluster, 4), code=SQL_ERROR, reason="member already")
    refused(cluster, 1, "add", "5", code=SQL_ERROR, reason="member already")
    refused(cluster, 1, "add", "77", code=SQL_ERROR, reason="has not said hello")
    refused(cluster, 1, "remove", "77", code=SQL_ERROR, reason="is no member")


class Transactions(Writers):
    """Each writes in transactions of several statements, short ones: at a step-down they are let finish."""

    def command(self, token):
        own = token[1:token.index("-")]  # no two writers change one row: a conflict would be an error of its own
        words = ["BEGIN", f"INSERT INTO load_.t (token) VALUES ('{token}')", "SELECT COUNT(*) FROM load_.counter",
                 f"UPDATE load_.counter SET n = n + 1 WHERE id = {own}", "COMMIT"]
        return [word for sql in words for word in ("-e", sql)]


def step_down_busy():
    """The office is handed on while transactions run, and while a statement takes longer than a hand-over waits."""
    with Cluster(settings=STEADY) as cluster:
        cluster.sql(1, "CREATE DATABASE load_", f"CREATE TABLE load_.t {TABLE}",
                    "CREATE TABLE load_.counter (id INT PRIMARY KEY, n INT)", "INSERT INTO load_.counter VALUES (0, 0), (1, 0), (2, 0), (3, 0)")
        with Transactions(cluster) as writers:
            wait_until(lambda: writers.ledger.count("acknowledged") > 20, 30, "the load runs")
            step_down(cluster)
        note(writers.ledger.summary())
        slow = "INSERT INTO load_.t (token) SELECT 'slow' FROM (SELECT SLEEP(1.5)) AS s"
        coordinator = wait_until(lambda: cluster.coordinator(1), 30, "a coordinator")
        front = cluster.others(coordinator)[0]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            future = pool.submit(cluster.cli, front, slow, timeout=20)
            time.sleep(0.7)
            change(cluster, coordinator, "step-down")
            answer = future.result()
        equal(answer.code, OK, f"a slow statement during the step-down: {answer}")
        writers.ledger.record("slow", answer)
        cluster.settle()
        writers.ledger.check({node: [row[0] for row in cluster.mysql(node, "SELECT token FROM load_.t ORDER BY id")]
                              for node in cluster.nodes})
        cluster.same_tables("load_")
        equal(cluster.sql(1, "SELECT CAST(SUM(n) AS SIGNED) FROM load_.counter").value, writers.ledger.count("acknowledged") - 1, "counted")
        none_failed(writers.ledger)


def step_down(cluster):
    for _ in range(STEP_DOWNS):
        before = wait_until(lambda: cluster.coordinator(1), 30, "a coordinator")
        change(cluster, before % 3 + 1, "step-down")
        after = wait_until(lambda: (found := cluster.coordinator(1)) != before and found, 30, "another coordinator")
        note(f"office handed on from node {before} to {after}")
        time.sleep(1)


def shrink(cluster):
    """The highest ids get the office by themselves, so the first to go is the coordinator."""
    first = wait_until(lambda: (found := cluster.coordinator(1)) in (4, 5) and found, 90, "a high id as coordinator")
    for node in (first, 9 - first):
        note(f"node {node} is removed, the coordinator is {cluster.coordinator(1)}")
        said = change(cluster, 1, "remove", str(node))
        check(node not in [one["id"] for one in said["members"]], f"members without node {node}: {said}")
        wait_until(lambda: node not in (voters(cluster, 1) or [node]), 30, f"node {node} is no voter")
        wait_until(lambda: "no member of the cluster any more" in status(cluster, node).get("waiting_for", ""), 30,
                   f"node {node} knows that it is out")
    equal(voters(cluster, 1), [1, 2, 3], "voters")


def under_load():
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE load_", f"CREATE TABLE load_.t {TABLE}")
        with Writers(cluster) as writers:
            wait_until(lambda: writers.ledger.count("acknowledged") > 20, 30, "the load runs")
            grow(cluster)
            step_down(cluster)
            shrink(cluster)
        note(writers.ledger.summary())
        nodes = [1, 2, 3]
        cluster.settle(nodes)
        writers.ledger.check({node: [row[0] for row in cluster.mysql(node, "SELECT token FROM load_.t ORDER BY id")]
                              for node in nodes})
        cluster.same_tables("load_", nodes)
        none_failed(writers.ledger)


def replacement():
    """A dead node's place is taken by a new id; a wiped disk under the same id comes back by itself."""
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE load_", f"CREATE TABLE load_.t {TABLE}")
        with Writers(cluster) as writers:
            coordinator = wait_until(lambda: cluster.coordinator(1), 30, "a coordinator")
            dead, other = cluster.others(coordinator)
            cluster.kill(dead, with_mysql=True)
            cluster.tool("wipe", dead)
            time.sleep(2)
            refused(cluster, coordinator, "remove", str(other), code=SQL_ERROR, reason="voters are in reach")
            change(cluster, other, "remove", str(dead))
            cluster.nodes.pop(dead)
            cluster.grow(4)
            change(cluster, coordinator, "add", address(cluster, 4))
            wait_voter(cluster, 4, coordinator)
            note(f"node 4 took the place of node {dead}")
            again = next(node for node in cluster.nodes if node != cluster.coordinator(coordinator))
            ask = next(node for node in cluster.nodes if node != again)
            cluster.kill(again, with_mysql=True)
            cluster.tool("wipe", again)
            cluster.start(again, wait=False)
            wait_until(lambda: "rebuilding" in status(cluster, again) and again in (status(cluster, ask)["learners"]), 60,
                       f"node {again} is back as a learner")
            wait_voter(cluster, again, ask)
            note(f"node {again} is back as a voter after its disk was wiped")
        note(writers.ledger.summary())
        cluster.settle()
        writers.ledger.check({node: [row[0] for row in cluster.mysql(node, "SELECT token FROM load_.t ORDER BY id")]
                              for node in cluster.nodes})
        cluster.same_tables("load_")


def down_to_one():
    """Of two nodes one does not answer and is removed, while a read waits for its word."""
    with Cluster(nodes=2, settings=["timing.election_ms=5000"]) as cluster:
        office = wait_until(cluster.coordinator, 30, "a coordinator")
        other = 3 - office
        cluster.tool("pause", other)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            read = pool.submit(cluster.cli, office, "SELECT 41 + 1", timeout=20)
            time.sleep(0.5)
            equal(cluster.verb(office, "remove", str(other)).code, OK, f"node {other} is removed")
            equal(read.result().code, OK, f"the read that waited: {read.result()}")
        equal(cluster.sql(office, "SELECT 41 + 1").value, 42, "a read behind it")
        cluster.tool("resume", other)


def removed_with_sessions():
    """What clients of a removed node hold on the coordinator is given up, though the node runs on."""
    with Cluster(settings=STEADY) as cluster:
        for statement in gateway.account():
            cluster.sql(1, statement)
        coordinator = cluster.coordinator(1)
        removed, other = cluster.others(coordinator)
        holder = gateway.connect(cluster, removed).cursor()
        writer = gateway.connect(cluster, other, autocommit=True).cursor()
        writer.execute("CREATE DATABASE held")
        writer.execute("CREATE TABLE held.t (id INT PRIMARY KEY, v INT)")
        writer.execute("INSERT INTO held.t VALUES (1, 0)")
        holder.execute("SELECT GET_LOCK('held', 1)")
        holder.execute("UPDATE held.t SET v = 1")  # the driver has switched autocommit off
        change(cluster, other, "remove", str(removed))
        begun = time.monotonic()
        writer.execute("UPDATE held.t SET v = v + 10")
        writer.execute("SELECT GET_LOCK('held', 5), v FROM held.t")
        equal(writer.fetchall(), ((1, 10),), "the lock, and the row")
        check(time.monotonic() - begun < 5 * SLOW, "at once")


def dialled():
    """A node that nobody heard of is dialled; where none answers the verb ends in time and nothing has changed."""
    with Cluster(arguments=["--no-discovery"]) as cluster:
        cluster.grow(4, "--set", f'discovery.peers=["127.0.0.4:{cluster.port}"]')  # nobody but itself
        waiting = status(cluster, 4)
        equal((waiting["role"], "seen" in waiting["waiting_for"]), ("unformed", True), f"node 4 hears of nobody: {waiting}")
        change(cluster, 1, "add", address(cluster, 4))
        wait_voter(cluster, 4)
        # Handed to it as the highest id; a verb that still waits for a hello would end with the old office.
        wait_until(lambda: cluster.coordinator(1) == 4, 60, "node 4 is coordinator")
        begun = time.monotonic()
        refused(cluster, 2, "add", f"127.0.0.9:{cluster.port}", code=NO_QUORUM, reason="no fresh node said hello", timeout=3)
        check(time.monotonic() - begun < 5, "within its deadline")
        refused(cluster, 2, "add", "nonsense", code=USAGE, reason="add needs HOST:PORT")
        equal(voters(cluster, 1), [1, 2, 3, 4], "voters")
        # More than a node loads of its log when it starts: the change of members is not among the newest entries.
        cluster.sql(1, "CREATE DATABASE load_", "CREATE TABLE load_.t (id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT)")
        for _ in range(40):
            cluster.sql(1, "INSERT INTO load_.t (v) VALUES (REPEAT('x', 1000000))")
        # A full stop: whoever is back first names those it waits for.
        for node in list(cluster.nodes):
            cluster.kill(node, with_mysql=True)
        cluster.start(1, wait=False)
        wait_until(lambda: "not heard: nodes 2, 3, 4" in cluster.verb(1, "health", timeout=3).last.get("reason", ""), 30,
                   "health names the nodes it waits for")
        for node in (2, 3, 4):
            cluster.start(node, wait=False)
        wait_until(lambda: cluster.cli(1, "SELECT 1", timeout=3).code == OK, 60, "served again")
        equal(cluster.sql(1, "SELECT COUNT(*) FROM load_.t").value, 40, "rows behind the full stop")


if __name__ == "__main__":
    main(under_load, step_down_busy, replacement, down_to_one, removed_with_sessions, dialled)
