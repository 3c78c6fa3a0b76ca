"""Anomalies in a history of transactions that read lists and append elements nobody else appends.

The final lists give the order in which versions were made, and with it who depends on whom: ww (the next append after
mine), wr (read what I appended last), rw (appended right after what I read), and rt (began after I was acknowledged: the
snapshots promised are not older than that). Snapshot isolation forbids every cycle in which no two rw edges follow each
other (Cerone and Gotsman 2016): without any rw that is G0 or G1c, with one G-single, of which the lost update is a case.
Serializability forbids every cycle.
"""

from collections import defaultdict, deque

from history import APPEND, FAILED, OK, READ, UNKNOWN
from linearizable import Violation

PLAIN, AFTER_RW = 0, 1


def show(transaction):
    steps = " ".join(f"r{k}[{'' if len(v) < 4 else '..'}{','.join(v[-3:])}]" if kind == READ else f"a{k}:{v}"
                     for kind, k, v in transaction.steps)
    return f"({transaction.client} {transaction.begin:.3f} {steps} {transaction.end:.3f} {transaction.outcome})"


class Lists:
    """The final lists, who appended what, and what is wrong with either alone."""

    def __init__(self, transactions, final):
        self.final, self.found = final, []
        self.writer, self.position, self.last_of = {}, {}, set()
        for transaction in transactions:
            last = {}
            for kind, key, value in transaction.steps:
                if kind == APPEND:
                    self.writer[(key, value)] = transaction
                    last[key] = value
            self.last_of |= set(last.items())
        for key, elements in final.items():
            self._look_at(key, elements)
        for (key, value), transaction in self.writer.items():
            if transaction.outcome == OK and (key, value) not in self.position:
                self.complain("lost", f"{value} of list {key} was acknowledged: {show(transaction)}")
        self._look_for_parts(transactions)

    def complain(self, kind, text):
        self.found.append(Violation(kind, text))

    def _look_at(self, key, elements):
        for place, value in enumerate(elements):
            if (key, value) in self.position:
                self.complain("duplicated", f"{value} is in list {key} more than once")
                continue
            self.position[(key, value)] = place
            if (key, value) not in self.writer:
                self.complain("garbage", f"{value} is in list {key}, and nobody appended it")
            elif self.writer[(key, value)].outcome == FAILED:
                self.complain("failed present", f"{value} of list {key}: {show(self.writer[(key, value)])}")

    def _look_for_parts(self, transactions):
        for transaction in transactions:
            present = [(key, value) in self.position for kind, key, value in transaction.steps if kind == APPEND]
            if transaction.outcome == UNKNOWN and any(present) and not all(present):
                self.complain("torn transaction", show(transaction))

    def took_effect(self, transaction):
        """Unknown ones count as committed when they are there; those that only read have told all they know."""
        if transaction.outcome == FAILED:
            return False
        if transaction.outcome == OK:
            return True
        return any(kind == APPEND and (key, value) in self.position for kind, key, value in transaction.steps)

    def external(self, transaction):
        """(key, length of the prefix of the final list) of each read, without what the reader itself had appended."""
        own = defaultdict(list)
        for kind, key, value in transaction.steps:
            if kind == APPEND:
                own[key].append(value)
                continue
            mine = own[key]
            if mine and value[-len(mine):] != mine:
                self.complain("internal", f"list {key} read without one's own appends {mine}: {show(transaction)}")
                continue
            seen = value[:len(value) - len(mine)]
            if seen != self.final.get(key, [])[:len(seen)]:
                self._explain_read(transaction, key, seen)
                continue
            if seen and (key, seen[-1]) not in self.last_of and self.writer.get((key, seen[-1])) is not transaction:
                self.complain("G1b", f"read {seen[-1]} of list {key}, an intermediate state: {show(transaction)}")
            yield key, len(seen)

    def _explain_read(self, transaction, key, seen):
        strangers = [value for value in seen if (key, value) not in self.position]
        writers = [self.writer.get((key, value)) for value in strangers]
        if len(set(seen)) < len(seen):
            self.complain("duplicated", f"list {key} read with an element twice: {show(transaction)}")
        elif any(writer is None for writer in writers):
            self.complain("garbage", f"list {key} read with {strangers}: {show(transaction)}")
        elif any(writer.outcome == FAILED for writer in writers):
            self.complain("G1a", f"list {key} read with {strangers}, which was rolled back: {show(transaction)}")
        elif strangers:
            self.complain("lost", f"{strangers[0]} of list {key} was read and is gone: {show(transaction)}")
        else:
            self.complain("incompatible order", f"list {key} read as no prefix of the final list: {show(transaction)}")


class Graph:
    """Dependencies. Nodes are transactions by number; a number below zero is a moment between acknowledgements."""

    def __init__(self):
        self.edges = defaultdict(dict)  # node -> {node: kinds}

    def add(self, a, b, kind):
        if a != b and a is not None and b is not None:
            self.edges[a].setdefault(b, set()).add(kind)

    def neighbours(self, state, any_cycle):
        """States are (node, whether the edge that led here was rw): snapshot isolation forbids what has no two in a row."""
        node, after = state
        for other, kinds in self.edges[node].items():
            if kinds - {"rw"}:
                yield (other, PLAIN), min(kinds - {"rw"}, key=("ww", "wr", "rt").index)
            if "rw" in kinds and (any_cycle or after == PLAIN):
                yield (other, PLAIN if any_cycle else AFTER_RW), "rw"

    def components(self, any_cycle):
        """Strongly connected components with more than one state (Tarjan, without recursion)."""
        index, low, on_stack, stack, count = {}, {}, set(), [], 0
        for root in [(node, layer) for node in list(self.edges) for layer in (PLAIN, AFTER_RW)]:
            if root in index:
                continue
            work = [(root, None)]
            while work:
                state, rest = work.pop()
                if rest is None:
                    index[state] = low[state] = count
                    count += 1
                    stack.append(state)
                    on_stack.add(state)
                    rest = iter([other for other, _ in self.neighbours(state, any_cycle)])
                for other in rest:
                    if other not in index:
                        work += [(state, rest), (other, None)]
                        break
                    if other in on_stack:
                        low[state] = min(low[state], index[other])
                else:
                    if work:
                        parent = work[-1][0]
                        low[parent] = min(low[parent], low[state])
                    if low[state] == index[state]:
                        place = stack.index(state)
                        component = set(stack[place:])
                        del stack[place:]
                        on_stack -= component
                        if len(component) > 1:
                            yield component

    def shortest_cycle(self, component, any_cycle):
        """[(node, kind of the edge that leaves it)] of a short cycle."""
        best = None
        for start in sorted(component)[-40:]:
            came, queue = {}, deque([start])
            while queue and start not in came:
                state = queue.popleft()
                for other, kind in self.neighbours(state, any_cycle):
                    if other in component and other not in came:
                        came[other] = (state, kind)
                        queue.append(other)
            cycle, state = [], start
            while not cycle or state != start:
                state, kind = came[state]
                cycle.append((state[0], kind))
            if best is None or len(cycle) < len(best):
                best = cycle
        return best[::-1]


def name_of(kinds):
    rw, real_time = kinds.count("rw"), "-realtime" if "rt" in kinds else ""
    if rw == 0:
        return ("G1c" if "wr" in kinds else "G0") + real_time
    return ("G-single" if rw == 1 else "G2" if all(k == "rw" for k in kinds) else "G-nonadjacent") + real_time


def build(transactions, lists):
    graph, number = Graph(), {id(one): i for i, one in enumerate(transactions)}
    writer = {place: number.get(id(one)) for place, one in lists.writer.items()}
    for key, elements in lists.final.items():
        for before, after in zip(elements, elements[1:]):
            graph.add(writer.get((key, before)), writer.get((key, after)), "ww")
    for i, transaction in enumerate(transactions):
        for key, length in lists.external(transaction):
            elements = lists.final.get(key, [])
            if length > 0:
                graph.add(writer.get((key, elements[length - 1])), i, "wr")
            if length < len(elements):
                graph.add(i, writer.get((key, elements[length])), "rw")
    add_real_time(graph, transactions)
    return graph


def add_real_time(graph, transactions):
    """A chain of moments keeps these edges linear in number: acknowledged -> moment -> … -> begun later."""
    ends = [(one.end, 1, i) for i, one in enumerate(transactions) if one.outcome == OK]
    moment = None
    for _, is_end, i in sorted(ends + [(one.begin, 0, i) for i, one in enumerate(transactions)]):
        if not is_end:
            graph.add(moment, i, "rt")
            continue
        following = -1 if moment is None else moment - 1
        graph.add(moment, following, "rt")
        graph.add(i, following, "rt")
        moment = following


def check_transactions(transactions, final):
    """All that is wrong with the lists, and the dependency cycles that the isolation level of the history forbids."""
    lists = Lists(transactions, final)
    counted = [one for one in transactions if lists.took_effect(one)]
    any_cycle = bool(counted) and all(one.level == "SERIALIZABLE" for one in counted)
    graph = build(counted, lists)
    for component in graph.components(any_cycle):
        cycle = graph.shortest_cycle(component, any_cycle)
        kinds = [kind for _, kind in cycle]
        path = " ".join(f"{show(counted[node])} -{kind}->" for node, kind in cycle if node >= 0)
        lists.complain(name_of(kinds), path)
    return lists.found
