"""Runs scenarios, checks what their clients saw, and prints the table."""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, field

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", "system"), os.path.join(ROOT, "tools", "lib")]

import network  # noqa: E402
from checker import check_history, summary  # noqa: E402
from ddb_cluster import OK, Cluster, Failure, check, note  # noqa: E402
from history import APPEND, OK as ACKNOWLEDGED  # noqa: E402
from linearizable import Violation  # noqa: E402
from run import Run  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402

NAMES_MAX = 40  # unknown outcomes looked up after a run
REMEMBERED = 5000  # outcomes that a node knows in any case; 10,000 when nothing was cut or restarted
TROUBLE = (Failure, subprocess.SubprocessError, OSError, KeyError, ValueError)
COLUMNS = ("runs", "faults", "acknowledged", "unknown", "lost", "duplicated", "anomalies", "gap_s")


@dataclass
class Result:
    """One line of the table."""

    title: str
    counts: dict = field(default_factory=lambda: dict.fromkeys(COLUMNS, 0))
    verdict: str = "ok"
    repeat: list = field(default_factory=list)

    def add(self, run, found):
        for column in ("acknowledged", "unknown", "lost", "duplicated", "anomalies"):
            self.counts[column] += found[column]
        self.counts["faults"] += run.faults
        self.counts["gap_s"] = max(self.counts["gap_s"], found["gap_s"])


def contents(cluster):
    """Every node's tables, from its own server."""
    found = {}
    for node in cluster.nodes:
        lists = {int(k): [one for one in v.split(",") if one] for k, v in (
            row if len(row) == 2 else [row[0], ""] for row in cluster.mysql(node, "SELECT k, v FROM faults.lists WHERE v <> ''"))}
        registers = {int(row[0]): row[1] if len(row) > 1 else "" for row in cluster.mysql(
            node, "SELECT k, v FROM faults.registers")}
        found[node] = {"lists": lists, "registers": registers}
    return found


def look_up_unknown(cluster, history):
    """A client that could not know can ask; the answer must be what the tables show. For appends, which stay visible."""
    present = {one for elements in history.final[1]["lists"].values() for one in elements}
    appended = {step[2] for t in history.transactions for step in t.steps if step[0] == APPEND}
    # The memory of outcomes is bounded: behind this many entries "too old to know" is right, and the only honest answer.
    many = sum(1 for *_, outcome in history.writes() if outcome == ACKNOWLEDGED) >= REMEMBERED
    for element, name in [pair for pair in history.names.items() if pair[0] in appended][:NAMES_MAX]:
        answer = cluster.verb(1, "txn", name)
        fate, expected = answer.last.get("fate"), "decided" if element in present else "absent"
        if answer.code == OK and fate == "too_old" and many:
            continue
        if answer.code != OK or fate != expected:
            yield Violation("wrong fate", f"{element} is {expected}, but `txn {name}` says {fate} ({answer})")


def verify(run):
    """Stops the clients, waits until the nodes are level, and returns all violations."""
    cluster, history = run.cluster, run.load.history
    run.load.stop()
    cluster.settle()
    history.final_time = time.monotonic()
    history.final = contents(cluster)
    violations = check_history(history) + run.extra
    violations += look_up_unknown(cluster, history)
    try:
        cluster.same_tables("faults")
    except Failure as failure:
        violations.append(Violation("nodes differ", str(failure)))
    return violations


def keep(run, violations):
    """The history of a run that went wrong, for a second look: tests/faults/checker.py FILE."""
    handle, path = tempfile.mkstemp(prefix="ddb-history.", suffix=".json")
    os.close(handle)
    run.load.history.save(path)
    for violation in violations[:10]:
        note(f"VIOLATION {violation.kind}: {violation.text[:1500]}")
    note(f"{len(violations)} violations; the history is kept: tests/faults/checker.py {path}")


def one_part(scenario, cluster, seed, long, kinds, result):
    run, violations = Run(cluster, seed, long, kinds), []
    try:
        with run.load:
            run.load.await_all_served()
            scenario.act(run)
            run.recovered()
    except TROUBLE as error:
        violations.append(Violation("failed", f"{type(error).__name__}: {error}"))
    try:
        violations += verify(run)
    except TROUBLE as error:
        violations.append(Violation("not verified", f"{type(error).__name__}: {error}"))
    found = summary(run.load.history, violations)
    result.add(run, found)
    note("acknowledged {acknowledged}, failed {failed}, unknown {unknown}, longest gap {gap_s:.2f} s".format(**found))
    if violations:
        keep(run, violations)
    return not violations


def one_run(scenario, seed, options, shared, result):
    command = f"tools/faults --only {scenario.number} --seed {seed}" + (" --short" if options.short else "")
    print(f"{scenario.number} {scenario.title} (seed {seed}):", flush=True)
    result.counts["runs"] += 1
    good = True
    try:
        with nullcontext(shared) if shared else make_cluster(scenario) as cluster:
            for kinds in scenario.parts:
                good = one_part(scenario, cluster, seed, not options.short, kinds, result) and good
            check(good, "violations")
    except TROUBLE as error:
        good = False
        note(f"FAILED: {type(error).__name__}: {error}")
    if not good:
        result.verdict = "FAILED"
        result.repeat.append(command)
        note(f"repeat with: {command}   (DDB_KEEP=1 keeps the cluster's files)")
    return good


def make_cluster(scenario):
    if scenario.cluster:
        return scenario.cluster()
    return network.NetworkCluster() if scenario.network else Cluster()


def get_shared(scenario, shared, wanted):
    """The cluster that scenarios of this kind have in common; None for one that needs its own."""
    if not wanted or scenario.cluster:
        return None
    if scenario.network not in shared:
        shared[scenario.network] = make_cluster(scenario).__enter__()
    return shared[scenario.network]


def print_table(results):
    width = max(len(result.title) for result in results)
    print(f"\n{'scenario':{width}} " + " ".join(f"{column:>12}" for column in COLUMNS) + "  verdict")
    for result in results:
        cells = [f"{value:.2f}" if isinstance(value, float) else str(value) for value in result.counts.values()]
        print(f"{result.title:{width}} " + " ".join(f"{cell:>12}" for cell in cells) + f"  {result.verdict}")
    for result in results:
        for command in result.repeat:
            print(f"repeat with: {command}")


def arguments():
    parser = argparse.ArgumentParser(prog="tools/faults", description="Named faults on real processes, under load, checked.")
    parser.add_argument("--only", metavar="N,N…", help="numbers of scenarios (all)")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="runs of each (1)")
    parser.add_argument("--seed", type=int, help="chance of the first run (random)")
    parser.add_argument("--short", action="store_true", help="a few seconds each, as the test suite runs them")
    parser.add_argument("--shared", action="store_true", help="one cluster for all scenarios that can share it")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    return parser.parse_args()


def run_all(chosen, options):
    results, shared = [], {}
    first = random.randrange(1 << 30) if options.seed is None else options.seed
    try:
        for scenario in chosen:
            result = Result(f"{scenario.number:2} {scenario.title}", verdict=scenario.missing() or "ok")
            results.append(result)
            for turn in range(0 if scenario.missing() else options.times):
                cluster = get_shared(scenario, shared, options.shared)
                if not one_run(scenario, first + turn, options, cluster, result) and cluster:
                    shared.pop(scenario.network).close(failed=True)  # what it left behind must not fail the next ones
    finally:
        for cluster in shared.values():
            cluster.close()
    return results


def main():
    options = arguments()
    numbers = [int(word) for word in options.only.split(",")] if options.only else sorted(SCENARIOS)
    unknown = [number for number in numbers if number not in SCENARIOS]
    if unknown:
        print(f"tools/faults: no scenario {unknown[0]} (tools/faults --list)", file=sys.stderr)
        return 2
    chosen = [SCENARIOS[number] for number in numbers]
    if options.list:
        for one in chosen:
            print(f"{one.number:2} {one.title}" + (f"  -- {one.missing()}" if one.missing() else ""))
        return 0
    results = run_all(chosen, options)
    print_table(results)
    return 1 if any(result.verdict == "FAILED" for result in results) else 0
