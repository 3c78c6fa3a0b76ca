"""Crashes at named steps of a write: a node is started with a failpoint and ends itself when it gets there."""

import itertools
import time

import processes
from ddb_cluster import NO_QUORUM, OK, SQL_ERROR, check, note, wait_until
from linearizable import Violation

# Of a transaction: by the coordinator, by a follower.
COMMIT = [("captured", True), ("proposed", True), ("journaled", True), ("decided", True), ("xa_committed", True),
          ("committed", True), ("voting", False), ("applying", False), ("applied", False)]
STATEMENT = [("intent_recorded", True), ("statement_ran", True), ("statement_captured", True), ("statement_decided", True),
             ("statement_applied", False)]
numbers = itertools.count(1)


def alive(run, node):
    return processes.alive(run.cluster.record()["nodes"][str(node)]["process"])


def start_armed(run, node, point, turn):
    run.kill(node)
    run.cluster.start(node, wait=False, settings=[f"debug.failpoint={point}:{turn}"])


def bring_office_to(run, node):
    """Until the node holds the office, or held it and got to its failpoint there: those of a coordinator count only then."""
    before = run.cluster.log(node).count("is open for writes")

    def there():
        if run.cluster.log(node).count("is open for writes") > before:
            return True
        check(alive(run, node), f"node {node} ended before it held the office")
        coordinator = run.cluster.coordinator()
        if coordinator not in (0, node):
            run.cluster.verb(coordinator, "step-down", timeout=3)
            time.sleep(0.2)
        return coordinator == node
    wait_until(there, 60, f"node {node} is coordinator")


def wait_for_the_crash(run, node, point):
    """At once with its server every other time: what that held prepared is lost with it, or stays."""
    wait_until(lambda: not alive(run, node), 60, f"node {node} gets to '{point}'")
    if run.random.random() < 0.5 and run.servers(node):
        run.kill_server(node)
        note("   and its server is killed")


def after_the_crash(run, node):
    note(f"   next write that began then was acknowledged after {run.load.await_served():.2f} s")
    run.cluster.start(node)
    run.catch_up(node)
    run.work(0, 0.3)


def commit_steps(run):
    steps = COMMIT if run.long else run.random.sample(COMMIT, 4)
    for point, as_coordinator in steps:
        node = max(run.cluster.nodes)  # the one that is handed the office
        turn = run.random.randint(1, 40)
        if not as_coordinator:
            node = run.follower()
        start_armed(run, node, point, turn)
        run.fault(f"node {node} kills itself at '{point}', the {turn}. time, as {'coordinator' if as_coordinator else 'follower'}")
        if as_coordinator:
            bring_office_to(run, node)
        wait_for_the_crash(run, node, point)
        after_the_crash(run, node)


def definition_steps(run):
    """Also the fate of the statement: there if it was acknowledged, absent if it was reported as failed."""
    told = {}
    for point, as_coordinator in STATEMENT:
        node = max(run.cluster.nodes) if as_coordinator else run.follower()
        start_armed(run, node, point, 1)
        if as_coordinator:
            bring_office_to(run, node)
        run.fault(f"node {node}, {'the coordinator' if as_coordinator else 'a follower'}, kills itself at '{point}' of a CREATE TABLE")
        other = run.cluster.others(node)[0]
        name = f"made_{next(numbers)}"
        answer = run.cluster.cli(other, f"CREATE TABLE faults.{name} (id INT PRIMARY KEY) COMMENT 'at {point}'", timeout=20)
        told[name] = answer.code
        note(f"   the client was told: exit {answer.code} {answer.errors.strip()[-150:]}")
        wait_for_the_crash(run, node, point)
        after_the_crash(run, node)
    for node in run.cluster.nodes:  # the load goes on: they are never all level at one moment
        run.catch_up(node)
    for name, code in told.items():
        present = {node: name in run.cluster.tables(node, "faults") for node in run.cluster.nodes}
        check(len(set(present.values())) == 1, f"{name}: on some nodes only: {present}")
        wrong = {OK: False, SQL_ERROR: True, NO_QUORUM: True}.get(code)
        if wrong is not None and wrong in present.values():
            run.extra.append(Violation("definition", f"{name}: exit {code}, and present: {present}"))


