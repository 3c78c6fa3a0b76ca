#!/usr/bin/python3
"""The checker itself: it passes histories that are right and goes red on every kind of wrong one."""

import os
import random
import sys
import tempfile
import unittest

import history as histories
from checker import check_history, summary
from history import APPEND, FAILED, OK, READ, UNKNOWN, History, Operation, Transaction
from linearizable import check_register


def write(value, begin, end, outcome=OK, key=1):
    return Operation("write", key, value, begin, end, outcome, "w")


def read(value, begin, end, key=1):
    return Operation("read", key, value, begin, end, OK, "r")


def append(begin, end, *steps, outcome=OK, level="REPEATABLE READ"):
    return Transaction([list(step) for step in steps], begin, end, outcome, level, "c")


def a(key, value):
    return APPEND, key, value


def r(key, *values):
    return READ, key, list(values)


def kinds(operations=(), transactions=(), lists=None, registers=None, nodes=3):
    history = History(operations=list(operations), transactions=list(transactions), final_time=1000.0)
    history.final = {node: {"lists": lists or {}, "registers": registers or {}} for node in range(1, nodes + 1)}
    return {violation.kind for violation in check_history(history)}


def linearizable_by_search(operations, initial=""):
    """Wing and Gong: tries every order that respects time. For small histories."""
    pending = [one for one in operations if one.outcome != FAILED]

    def search(left, value):
        certain = [one for one in left if one.outcome == OK]
        if not certain:
            return True
        horizon = min(one.end for one in certain)
        for one in left:
            if one.begin > horizon or (one.kind == "read" and one.value != value):
                continue
            if search([other for other in left if other is not one], one.value if one.kind == "write" else value):
                return True
        return False
    return search(pending, initial)


class Registers(unittest.TestCase):
    def test_right_ones(self):
        self.assertEqual(kinds([write("a", 1, 2), read("a", 3, 4), write("b", 3, 5), read("b", 3.5, 6)]), set())
        self.assertEqual(kinds([read("", 0, 1), write("a", 0, 9, UNKNOWN), read("a", 5, 6)], registers={1: "a"}), set())
        self.assertEqual(kinds([write("a", 1, 2, UNKNOWN), read("", 3, 4)], registers={1: ""}), set())
        self.assertEqual(kinds([write("a", 1, 2, UNKNOWN), read("", 30, 40)], registers={1: "a"}), set())

    def test_lost_write(self):
        self.assertIn("not linearizable", kinds([write("a", 1, 2)], registers={1: ""}))

    def test_stale_read(self):
        self.assertIn("not linearizable", kinds([write("a", 1, 2), write("b", 3, 4), read("a", 5, 6)]))

    def test_value_that_comes_back(self):
        self.assertIn("not linearizable", kinds([write("a", 1, 9, UNKNOWN), read("a", 2, 3), read("", 4, 5), read("a", 6, 7)]))

    def test_read_before_its_write(self):
        self.assertIn("stale or early read", kinds([read("a", 1, 2), write("a", 3, 4)]))

    def test_failed_write_seen(self):
        self.assertIn("failed present", kinds([write("a", 1, 2, FAILED)], registers={1: "a"}))

    def test_value_of_nobody(self):
        self.assertIn("garbage", kinds([read("x", 1, 2)]))

    def test_against_search(self):
        generator, seen = random.Random(7), {True: 0, False: 0}
        for _ in range(4000):
            writes, reads, times = generator.randint(1, 4), generator.randint(1, 4), list(range(40))
            generator.shuffle(times)
            spans = [sorted((times.pop(), times.pop())) for _ in range(writes + reads)]
            operations = [write(str(i), *spans[i], generator.choice([OK, OK, OK, UNKNOWN])) for i in range(writes)]
            operations += [read(generator.choice(["", *map(str, range(writes))]), *span) for span in spans[writes:]]
            expected = linearizable_by_search(operations)
            seen[expected] += 1
            self.assertEqual(not check_register(operations), expected, operations)
        self.assertGreater(min(seen.values()), 500)


class Lists(unittest.TestCase):
    def test_right_ones(self):
        right = [append(1, 2, a(1, "x"), a(1, "y")), append(3, 4, r(1, "x", "y"), a(1, "z"), r(1, "x", "y", "z"))]
        self.assertEqual(kinds(transactions=right, lists={1: ["x", "y", "z"]}), set())
        unknown = [append(1, 2, a(1, "x"), outcome=UNKNOWN)]
        self.assertEqual(kinds(transactions=unknown, lists={1: ["x"]}), set())
        self.assertEqual(kinds(transactions=unknown, lists={1: []}), set())

    def test_write_skew_is_permitted_up_to_snapshot_isolation(self):
        def skew(level):
            return [append(1, 9, r(1), r(2), a(1, "x"), level=level), append(2, 8, r(1), r(2), a(2, "y"), level=level)]
        self.assertEqual(kinds(transactions=skew("REPEATABLE READ"), lists={1: ["x"], 2: ["y"]}), set())
        self.assertEqual(kinds(transactions=skew("SERIALIZABLE"), lists={1: ["x"], 2: ["y"]}), {"G2"})

    def test_lost_write(self):
        history = [append(1, 2, a(1, "x")), append(3, 4, a(1, "y"))]
        self.assertEqual(kinds(transactions=history, lists={1: ["y"]}), {"lost"})
        found = History(transactions=history, final={1: {"lists": {1: ["y"]}, "registers": {}}})
        self.assertEqual(summary(found, check_history(found))["lost"], 1)

    def test_duplicate(self):
        self.assertEqual(kinds(transactions=[append(1, 2, a(1, "x"))], lists={1: ["x", "x"]}), {"duplicated"})

    def test_failed_present(self):
        self.assertEqual(kinds(transactions=[append(1, 2, a(1, "x"), outcome=FAILED)], lists={1: ["x"]}), {"failed present"})

    def test_garbage(self):
        self.assertEqual(kinds(lists={1: ["x"]}), {"garbage"})

    def test_torn_transaction(self):
        torn = [append(1, 2, a(1, "x"), a(2, "y"), outcome=UNKNOWN)]
        self.assertEqual(kinds(transactions=torn, lists={1: ["x"], 2: []}), {"torn transaction"})

    def test_contents_never_read(self):
        self.assertEqual(check_history(History(transactions=[append(1, 2, a(1, "x"))], final_time=9)), [])

    def test_nodes_differ(self):
        history = History(transactions=[append(1, 2, a(1, "x"))], final_time=9)
        history.final = {1: {"lists": {1: ["x"]}, "registers": {}}, 2: {"lists": {1: []}, "registers": {}}}
        self.assertEqual({v.kind for v in check_history(history)}, {"nodes differ"})

    def test_dirty_write(self):
        crossed = [append(1, 9, a(1, "x1"), a(2, "x2")), append(1, 9, a(1, "y1"), a(2, "y2"))]
        self.assertEqual(kinds(transactions=crossed, lists={1: ["x1", "y1"], 2: ["y2", "x2"]}), {"G0"})

    def test_aborted_read(self):
        history = [append(1, 9, a(1, "x"), outcome=FAILED), append(2, 8, r(1, "x"))]
        self.assertEqual(kinds(transactions=history, lists={1: []}), {"G1a"})

    def test_intermediate_read(self):
        history = [append(1, 9, a(1, "x"), a(1, "y")), append(2, 8, r(1, "x"))]
        self.assertIn("G1b", kinds(transactions=history, lists={1: ["x", "y"]}))

    def test_circular_information(self):
        history = [append(1, 9, a(1, "x"), r(2, "y")), append(1, 9, a(2, "y"), r(1, "x"))]
        self.assertEqual(kinds(transactions=history, lists={1: ["x"], 2: ["y"]}), {"G1c"})

    def test_lost_update(self):
        history = [append(1, 9, r(1), a(1, "x")), append(1, 9, r(1), a(1, "y"))]
        self.assertEqual(kinds(transactions=history, lists={1: ["x", "y"]}), {"G-single"})

    def test_read_skew(self):
        history = [append(1, 9, a(1, "x"), a(2, "y")), append(1, 9, r(1), r(2, "y"))]
        self.assertEqual(kinds(transactions=history, lists={1: ["x"], 2: ["y"]}), {"G-single"})

    def test_long_fork(self):
        history = [append(1, 9, a(1, "x")), append(1, 9, a(2, "y")), append(1, 9, r(1, "x"), r(2)), append(1, 9, r(1), r(2, "y"))]
        self.assertEqual(kinds(transactions=history, lists={1: ["x"], 2: ["y"]}), {"G-nonadjacent"})

    def test_snapshot_older_than_an_acknowledgement(self):
        history = [append(1, 2, a(1, "x")), append(3, 4, r(1))]
        self.assertEqual(kinds(transactions=history, lists={1: ["x"]}), {"G-single-realtime"})

    def test_own_append_unseen(self):
        self.assertEqual(kinds(transactions=[append(1, 2, a(1, "x"), r(1))], lists={1: ["x"]}), {"internal"})

    def test_order_that_changed(self):
        history = [append(1, 2, a(1, "x")), append(1, 2, a(1, "y")), append(3, 4, r(1, "x", "y"))]
        self.assertIn("incompatible order", kinds(transactions=history, lists={1: ["y", "x"]}))


class Model:
    """A store with snapshot isolation, as right as can be, driven by random clients that overlap."""

    def __init__(self, seed):
        self.random, self.state, self.commits, self.history, self.count = random.Random(seed), {k: [] for k in range(4)}, [], [], 0

    def run(self, transactions):
        now, running = 0.0, []
        for _ in range(transactions * 8):
            now += 1
            if len(running) < 4 and self.random.random() < 0.5:
                running.append({"begin": now, "snapshot": {k: list(v) for k, v in self.state.items()}, "own": {}, "steps": []})
            elif running and self.random.random() < 0.3:
                self.commit(running.pop(self.random.randrange(len(running))), now)
            elif running:
                self.step(self.random.choice(running))
        return self.history, self.state

    def step(self, one):
        key = self.random.randrange(4)
        if self.random.random() < 0.5:
            one["steps"].append([READ, key, one["snapshot"][key] + one["own"].get(key, [])])
        else:
            self.count += 1
            one["own"].setdefault(key, []).append(f"e{self.count}")
            one["steps"].append([APPEND, key, f"e{self.count}"])

    def commit(self, one, now):
        conflict = any(self.state[key] != one["snapshot"][key] for key in one["own"])
        for key, own in ({} if conflict else one["own"]).items():
            self.state[key] = self.state[key] + own
        outcome = FAILED if conflict else self.random.choice([OK, OK, OK, UNKNOWN])
        self.history.append(Transaction(one["steps"], one["begin"], now + 0.5, outcome, "REPEATABLE READ", "m"))


class Generated(unittest.TestCase):
    def test_right_histories_pass_and_a_broken_one_does_not(self):
        noticed = 0
        for seed in range(60):
            transactions, state = Model(seed).run(60)
            self.assertEqual(kinds(transactions=transactions, lists=state), set(), f"seed {seed}")
            generator = random.Random(seed)
            acknowledged = [(s[1], s[2]) for t in transactions if t.outcome == OK for s in t.steps if s[0] == APPEND]
            key, element = generator.choice(acknowledged)
            without = state | {key: [one for one in state[key] if one != element]}
            self.assertTrue(kinds(transactions=transactions, lists=without) & {"lost"}, f"seed {seed}")
            swapped = list(state[key])
            i = generator.randrange(len(swapped) - 1)
            swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
            noticed += bool(kinds(transactions=transactions, lists=state | {key: swapped}))
        self.assertGreater(noticed, 55)

    def test_saved_and_loaded(self):
        transactions, state = Model(1).run(20)
        history = History(operations=[write("a", 1, 2)], transactions=transactions, names={"a": "TXN-1-1"}, final_time=99)
        history.final = {1: {"lists": state, "registers": {1: "a"}}}
        path = os.path.join(tempfile.mkdtemp(), "history.json")
        history.save(path)
        self.assertEqual(histories.load(path), history)
        os.remove(path)
        os.rmdir(os.path.dirname(path))


if __name__ == "__main__":
    sys.exit(unittest.main())
