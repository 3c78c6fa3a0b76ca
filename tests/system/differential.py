#!/usr/bin/python3
"""Random statements through every node's MySQL listener and into a plain server: all that a client is told must be equal.

A run is made of chapters, each with a database, a session and a seed of its own:
  differential.py [--statements N] [--seed S]      a run, N statements on each node in all
  differential.py --seed S --node N --chapter C    one chapter again; with --shrink only what its difference needs
"""

import argparse
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

import servers  # noqa: E402
import wire_client as wire  # noqa: E402
from ddb_cluster import LONG, SLOW, Cluster, Failure, check, main, note, parallel  # noqa: E402
from gateway import PASSWORD, PLAIN, USER, account  # noqa: E402
from random_sql import Chapter  # noqa: E402

CHAPTER_STATEMENTS = 250
DIFFERENCES_SHOWN = 20
IN_TRANSACTION, AUTOCOMMIT = 1, 2
SHRINK_S = 60
# What cannot be equal, and is therefore not compared, or not generated.
KNOWN = {
    "FLOAT": "binary rows are made of the text protocol's, which has six digits of a FLOAT",
    "counters": "AUTO_INCREMENT= in SHOW CREATE TABLE may lag behind on a follower; rows carry their own numbers",
    "refused": "XA, HANDLER, COMMIT RELEASE, CREATE EVENT are refused in words of ddb's own, LOCK TABLES does nothing",
    "@@autocommit": "says 1 also under autocommit=0; the status flags, which drivers follow, are compared",
    "autocommit=0": "the flag of a transaction: any statement begins one here, on a server only one that reads or writes a table",
    "rows, then an error": "a statement that may write gives its rows when it is decided, one that fails none, or one result without its end",
    "counts": "ROW_COUNT() and FOUND_ROWS() are put into the statement: their columns' type and length differ",
    "@@in_transaction": "each statement runs in one of ddb's transactions",
    "?": "parameters are put into the text: a column called by an expression is called by its values, and has their type",
    "0x8000": "a flag that servers use inwardly, and clients for themselves",
    "GET DIAGNOSTICS": "knows no ROW_COUNT, and nothing of a read on the client's own node",
    "column": "an UPDATE of two tables may go through a temporary one, which an error then names",
    "row 0": "the server counts a CALL's parameters as row 0 where a transaction is open, as row 1 elsewhere",
    "plan": "row estimates and cardinalities come from each server's own samples",
}


def words():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--statements", type=int, default=100_000 if LONG else 3_000, help="on all nodes together")
    parser.add_argument("--seconds", type=int, default=int((1800 if LONG else 45) * SLOW), help="ends sooner when they are over")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--node", type=int, help="only this one")
    parser.add_argument("--chapter", type=int, help="only this one")
    parser.add_argument("--shrink", action="store_true", help="looks for the fewest statements that differ")
    parser.add_argument("--all", action="store_true", help="goes on in a chapter behind a difference")
    parser.add_argument("--print", action="store_true", help="prints the chapter's statements and answers")
    return parser.parse_args()


OPTIONS = words()


def run(client, statement):
    """The answer to one statement of a chapter."""
    kind, text, parameters = statement
    if kind == "text":
        return client.query(text)
    if kind == "init_db":
        return client.simple(wire.INIT_DB, text.encode())
    if kind == "ping":
        return client.simple(wire.PING)
    if kind == "field_list":
        return client.field_list(text)
    if kind == "reset":
        return client.simple(wire.RESET_CONNECTION) + client.simple(wire.INIT_DB, text.encode())
    if kind == "change_user":
        return client.change_user(text)
    number, out = client.prepare(text)
    if number is not None:
        for values in parameters:
            out = out + client.execute(number, values)
        client.close_statement(number)
    return out


class Pair:
    """The same session on a node and on the plain server."""

    def __init__(self, chapter, node, plain):
        capabilities = (wire.FOUND_ROWS * chapter.found_rows | wire.DEPRECATE_EOF * chapter.deprecate_eof |
                        wire.MULTI_STATEMENTS * chapter.multi)
        self.clients = []
        for host, port in (node, plain):
            client = wire.Client(host, port, USER, PASSWORD, capabilities=capabilities, deadline_s=60 * SLOW)
            self.clients.append(client)
            for text in (f"DROP DATABASE IF EXISTS {chapter.database}", f"CREATE DATABASE {chapter.database}", f"USE {chapter.database}"):
                answer = client.query(text)
                check(answer[0][0] == "ok", f"{host}:{port}: {text}: {answer}")

    def answers(self, statement):
        out = []
        for client in self.clients:
            try:
                out.append(run(client, statement))
            except (OSError, ValueError) as error:
                out.append([("broken", f"{type(error).__name__}: {error}")])
        return out

    def close(self):
        for client in self.clients:
            client.close()


def comparable(statement, answer):
    """What two servers must agree on."""
    ordered = "ORDER BY" in statement[1]
    out, rows, columns = [], [], []
    for item in [*answer, ("nothing",)]:
        if item[0] == "row":
            rows.append(("row", [comparable_value(value, column) for value, column in zip(item[1], columns)]))
            continue
        out += rows if ordered else sorted(rows, key=repr)
        rows, columns = [], item[1] if item[0] == "columns" else []
        out.append(comparable_item(item))
    return out[:-1]


def comparable_item(item):
    if item[0] == "columns":
        return ("columns", [comparable_column(column) for column in item[1]])
    if item[0] == "parameters":
        return ("parameters", len(item[1]))  # KNOWN: ?
    return tuple(comparable_text(word) if isinstance(word, str) else word for word in item)


def comparable_column(column):
    database, table, original_table, name, original, charset, length, kind, flags, decimals = column
    if "ROW_COUNT()" in name or "FOUND_ROWS()" in name:
        return name  # KNOWN: counts
    return database, table, original_table, name, original, charset, length, kind, flags & 0x7FFF, decimals  # KNOWN: 0x8000


def comparable_text(text):
    if text.startswith("status "):
        status = int(text[7:], 16)
        return text if status & AUTOCOMMIT else f"status {status & ~IN_TRANSACTION:#x}"  # KNOWN: autocommit=0
    text = re.sub(r"``\.`\(temporary\)`\.|`\w+`\.`\w+`\.(?=`\w+` at row)", "", text)  # KNOWN: column
    return text.replace(" at row 0", " at row 1")  # KNOWN: row 0


def comparable_value(value, column):
    if isinstance(value, float) and column[7] == wire.FLOAT:
        return f"{value:.6g}"  # KNOWN: FLOAT
    if isinstance(value, bytes):
        text = value.decode("latin1")
        return comparable_text(re.sub(r" AUTO_INCREMENT=\d+", "", text)) if " " in text else text  # KNOWN: counters
    return value


def difference(statement, found, expected):
    """Lines about where two answers part; nothing when they do not."""
    found, expected = comparable(statement, found), comparable(statement, expected)
    if found and expected and found[-1][0] == "error":
        found, expected = found[-1:], expected[-1:]  # KNOWN: rows, then an error
    if statement[0] == "binary":
        found, expected = without_parameters(found, expected)
    if found == expected:
        return []
    for i in range(max(len(found), len(expected))):
        one = found[i] if i < len(found) else "nothing more"
        other = expected[i] if i < len(expected) else "nothing more"
        if one != other:
            if one[0] == other[0] == "columns":
                pairs = [pair for pair in zip(one[1], other[1]) if pair[0] != pair[1]] or [(one, other)]
                one, other = pairs[0]
            return [f"{statement[0]}: {statement[1]} {statement[2] or ''}", f"  node:  {str(one)[:600]}", f"  plain: {str(other)[:600]}"]
    return []


def without_parameters(found, expected):
    """KNOWN: ?"""
    for i, (one, other) in enumerate(zip(found, expected)):
        if one[0] == other[0] == "columns" and len(one[1]) == len(other[1]):
            kept = [not isinstance(column, tuple) or "?" not in column[3] for column in other[1]]
            for answer in (found, expected):
                answer[i] = ("columns", [column for column, keep in zip(answer[i][1], kept) if keep])
    return found, expected


def play(chapter, statements, node, plain, stop):
    """(number of statements that were compared, lines about the first difference; with --all about every one)"""
    pair, lines = Pair(chapter, node, plain), []
    try:
        for count, statement in enumerate(statements, 1):
            if stop.is_set():
                return count - 1, lines
            found, expected = pair.answers(statement)
            if OPTIONS.print:
                note(f"{statement[1][:300]}\n      {str(found)[:300]}")
            lines += difference(statement, found, expected)
            broken = any(answer[-1][0] == "broken" for answer in (found, expected))
            if lines and (broken or not OPTIONS.all or OPTIONS.shrink):
                return count, lines
        return len(statements), lines
    finally:
        pair.close()


def shrink(chapter, count, node, plain):
    """The fewest of the chapter's first statements that still differ somewhere, by leaving out ever smaller pieces."""
    statements, never = chapter.statements[:count], threading.Event()
    size, end = len(statements) // 2, time.monotonic() + SHRINK_S * SLOW
    while size >= 1 and time.monotonic() < end:
        at = 0
        while at < len(statements) and time.monotonic() < end:
            fewer = statements[:at] + statements[at + size:]
            reached, lines = play(chapter, fewer, node, plain, never)
            if lines:
                statements = fewer[:reached]
            else:
                at += size
        size //= 2
    return statements


class Plain:
    """A server of its own that nothing replicates."""

    def __init__(self, directory):
        self.port, = servers.free_ports(1)
        self.server = servers.Server(directory, dict(PLAIN, port=str(self.port), **{"bind-address": "127.0.0.1"}))

    def __enter__(self):
        self.server.install()
        self.server.start()
        self.server.wait_for("SELECT 1", "1", 60 * SLOW)
        self.server.sql(";".join(account()))
        return self

    def __exit__(self, *_):
        self.server.stop()


class Campaign:
    def __init__(self, cluster, plain):
        self.cluster, self.plain = cluster, ("127.0.0.1", plain.port)
        self.stop = threading.Event()
        self.timer = threading.Timer(OPTIONS.seconds, self.stop.set)
        self.timer.daemon = True
        self.timer.start()
        self.differences, self.lock = 0, threading.Lock()

    def chapter(self, node, number):
        chapter = Chapter(f"{OPTIONS.seed}.{node}.{number}", f"diff{node}", CHAPTER_STATEMENTS)
        address = self.cluster.nodes[node]["address"], self.cluster.port + 2
        count, lines = play(chapter, chapter.statements, address, self.plain, self.stop)
        if lines:
            if OPTIONS.shrink:
                fewer = shrink(chapter, count, address, self.plain)
                lines = ["with only"] + [f"    {kind}: {text} {parameters or ''}" for kind, text, parameters in fewer] + lines
            self.report(node, number, count, lines)
        return count

    def report(self, node, number, count, lines):
        with self.lock:
            self.differences += 1
            note("\n  ".join([f"DIFFERENCE at statement {count} of --seed {OPTIONS.seed} --node {node} --chapter {number}", *lines]))
            if self.differences >= DIFFERENCES_SHOWN:
                self.stop.set()

    def node(self, node):
        chapters = [OPTIONS.chapter] if OPTIONS.chapter is not None else range(10 ** 9)
        wanted, count = OPTIONS.statements / len(self.cluster.nodes), 0
        for number in chapters:
            if count >= wanted or self.stop.is_set():
                break
            count += self.chapter(node, number)
        return count


def as_a_plain_server():
    with Cluster() as cluster:
        for statement in account():
            cluster.sql(1, statement)
        with Plain(os.path.join(cluster.base, "plain")) as plain:
            campaign = Campaign(cluster, plain)
            begin = time.monotonic()
            # As the threads end by themselves, so does a run that is told to stop.
            signal.signal(signal.SIGTERM, lambda *_: campaign.stop.set())
            nodes = [OPTIONS.node] if OPTIONS.node else list(cluster.nodes)
            counts = parallel([lambda node=node: campaign.node(node) for node in nodes])
            campaign.timer.cancel()
            spent = time.monotonic() - begin
        note(f"{sum(counts)} statements in {spent:.0f} s, seed {OPTIONS.seed}, coordinator {cluster.coordinator()}")
        for name, reason in KNOWN.items():
            note(f"not compared: {name}: {reason}")
        check(min(counts) > 0, f"statements compared on each node: {counts}")
        if campaign.differences:
            raise Failure(f"{campaign.differences} answers differ from a plain server's")
        cluster.settle()
        for node in nodes:
            cluster.same_tables(f"diff{node}")


if __name__ == "__main__":
    sys.argv[1:] = []
    main(as_a_plain_server)
