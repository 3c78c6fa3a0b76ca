#!/usr/bin/python3
"""Checks a recorded history. Shares nothing with the product; run alone it takes files that tools/faults kept."""

import sys
from collections import Counter, defaultdict

import history as histories
from history import OK, Operation
from linearizable import Violation, check_register
from transactions import check_transactions


def final_reads(history):
    """What each server held in the end is a read like any other: of all nodes, after everything."""
    for node, found in history.final.items():
        for key, value in found["registers"].items():
            yield Operation("read", key, value, history.final_time, history.final_time + 1, OK, f"server {node}")


def check_registers(history):
    by_key = defaultdict(list)
    for one in history.operations + list(final_reads(history)):
        by_key[one.key].append(one)
    return [Violation(v.kind, f"register {key}: {v.text}") for key in sorted(by_key) for v in check_register(by_key[key])]


def check_lists(history):
    contents = [found["lists"] for found in history.final.values()]
    found = [Violation("nodes differ", f"list {key} is not the same on all nodes")
             for key in sorted(set().union(*contents)) if len({tuple(one.get(key, [])) for one in contents}) > 1]
    if not contents:  # the run broke off: everything would seem to be lost
        return found
    return found + check_transactions(history.transactions, contents[0])


def check_history(history):
    return [Violation("strange", text) for text in history.strange] + check_registers(history) + check_lists(history)


def longest_gap(history):
    """Seconds without any acknowledged write, from the first to the last begin of one."""
    writes = history.writes()
    ends = sorted(end for _, end, outcome in writes if outcome == OK)
    return max((b - a for a, b in zip(ends, ends[1:])), default=0.0)


def summary(history, violations):
    kinds = Counter(v.kind for v in violations)
    return {"acknowledged": sum(1 for *_, outcome in history.writes() if outcome == OK),
            "failed": sum(1 for *_, outcome in history.writes() if outcome == histories.FAILED),
            "unknown": sum(1 for *_, outcome in history.writes() if outcome == histories.UNKNOWN),
            "lost": kinds["lost"], "duplicated": kinds["duplicated"],
            "anomalies": sum(kinds.values()) - kinds["lost"] - kinds["duplicated"], "gap_s": longest_gap(history)}


def main():
    bad = False
    for path in sys.argv[1:]:
        history = histories.load(path)
        violations = check_history(history)
        print(f"{path}: {summary(history, violations)}")
        if not history.final:
            print("  the servers' final contents were never read: what was lost cannot be told")
        for violation in violations[:20]:
            print(f"  {violation.kind}: {violation.text}")
        bad = bad or bool(violations)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
