"""Is the history of a register linearizable, when every write has a value of its own?

Gibbons and Korach (1997): put each write and the reads of its value into one cluster. Between its earliest end f and its
latest begin s a cluster holds the register (forward zone [f, s], when f < s); otherwise it may take effect at one point
anywhere in the backward zone [s, f]. The history is linearizable exactly when no read ends before its write begins, no two
forward zones overlap, and no backward zone lies within a forward one.
"""

from collections import namedtuple

from history import FAILED, UNKNOWN

INFINITE = float("inf")

Violation = namedtuple("Violation", "kind text")
Zone = namedtuple("Zone", "low high forward write reads")


def show(operation):
    return f"{operation.kind} {operation.value!r} by {operation.client} [{operation.begin:.4f}, {operation.end:.4f}]"


def clusters(writes, reads, initial, found):
    """(write, reads) of each value that counts; what cannot be right with a value alone goes into `found`."""
    by_value = {}
    for read in reads:
        by_value.setdefault(read.value, []).append(read)
    for write in writes:
        seen = by_value.pop(write.value, [])
        if write.outcome == FAILED:
            if seen:
                found.append(Violation("failed present", f"{show(seen[0])}, but that write was reported as failed"))
        elif seen or write.outcome != UNKNOWN:
            yield write, seen
    for value, seen in by_value.items():
        if value != initial:
            found.append(Violation("garbage", f"{show(seen[0])}, but nobody wrote that"))
        else:
            yield None, seen


def zone(write, reads):
    begins = [read.begin for read in reads] + [write.begin if write else -INFINITE]
    write_end = -INFINITE if write is None else INFINITE if write.outcome == UNKNOWN else write.end
    first_end, last_begin = min([read.end for read in reads] + [write_end]), max(begins)
    low, high = sorted((first_end, last_begin))
    return Zone(low, high, first_end < last_begin, write, reads)


def describe(one):
    latest = max(one.reads, key=lambda read: read.begin, default=None)
    return (show(one.write) if one.write else "the initial value") + (f", last {show(latest)}" if latest else ", never read")


def check_register(operations, initial=""):
    """All violations of one register's history, at most one for each cluster."""
    writes = [one for one in operations if one.kind == "write"]
    reads = [one for one in operations if one.kind == "read"]
    found, zones = [], []
    for write, seen in clusters(writes, reads, initial, found):
        early = [read for read in seen if write and read.end < write.begin]
        if early:
            found.append(Violation("stale or early read", f"{show(early[0])} ended before {show(write)} began"))
        else:
            zones.append(zone(write, seen))
    forward = sorted((one for one in zones if one.forward), key=lambda one: one.low)
    for before, after in zip(forward, forward[1:]):
        if after.low < before.high:
            found.append(Violation("not linearizable", f"{describe(before)} and {describe(after)} overlap"))
    for one in zones:
        around = None if one.forward else next((f for f in forward if f.low < one.low and one.high < f.high), None)
        if around:
            found.append(Violation("not linearizable", f"{describe(one)} falls within {describe(around)}"))
    return found
