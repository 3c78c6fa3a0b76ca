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

import wire_client as wire  # noqa: E402
from ddb_cluster import LONG, MYSQL, SLOW, STEADY, Cluster, Failure, check, main, note, parallel  # noqa: E402
from gateway import PASSWORD, USER, PlainServer, account  # noqa: E402
from random_sql import Chapter  # noqa: E402

CHAPTER_STATEMENTS = 250
DIFFERENCES_SHOWN = 20
IN_TRANSACTION, AUTOCOMMIT = 1, 2
SHRINK_S = 60
HAND_OVERS_MAX = 5
READ_ONLY = ("error", 1792, "25006", "Cannot execute statement in a READ ONLY transaction")
AFTERWARDS = re.compile("ROW_COUNT|WARNINGS|ERRORS|_count|DIAGNOSTICS")
UNCOUNTED = re.compile(r"SELECT (DISTINCT )?(COUNT|SUM|AVG|MIN|MAX|BIT_\w+|STD\w*|VAR\w*|GROUP_CONCAT|JSON_\w+AGG)\(.* WHERE ")
DIAGNOSTICS = re.compile("^SHOW .*(WARNINGS|ERRORS)|_count|GET DIAGNOSTICS")
ASKED_BEHIND = re.compile("^(CALL|EXECUTE)|LAST_INSERT_ID")
OWN_GRANT = re.compile(r" ON (PROCEDURE )?.?ddb_meta\W")
# What cannot be equal, and is therefore not compared, or not generated.
KNOWN = {
    "FLOAT": "binary rows are made of the text protocol's, which has six digits of a FLOAT, and of a DOUBLE with decimals those",
    "counters": "AUTO_INCREMENT= in SHOW CREATE TABLE may lag behind on a follower; rows carry their own numbers",
    "refused": "XA, CREATE EVENT with a last time are refused in words of ddb's own",
    "@@autocommit": "says 1 also under autocommit=0; the status flags, which drivers follow, are compared",
    "autocommit=0": "the flag of a transaction: any statement begins one here, on a server only one that reads or writes a table",
    "rows, then an error": "a statement that may write gives the rows of a result when that has ended, as a CALL's; of one broken off by an error none",
    "counts": "ROW_COUNT() and FOUND_ROWS() are put into the statement: their columns' type and length differ; behind an error, servers go by what ran before it, and behind "
              "the row of an aggregate that they gave without a look into tables; how many rows LIMIT passed over is not known when it left none; "
              "an error of PREPARE itself, told to the client, is not asked for by SHOW WARNINGS",
    "FIELD_LIST": "of a view has the flags of the table's columns, as a SELECT has",
    "ORACLE": "BEGIN begins a transaction under that sql_mode too, which has blocks instead",
    "microseconds": "of a parameter are cut off by a server in a UNION; one of an unsigned SMALLINT gets a sign when it is read",
    "@@in_transaction": "each statement runs in one of ddb's transactions",
    "?": "parameters are put into the text: a column called by an expression is called by its values, and has their type",
    "0x8000": "a flag that servers use inwardly, and clients for themselves",
    "GET DIAGNOSTICS": "knows nothing of a read on the client's own node",
    "diagnostics": "on MySQL a statement outside of a transaction leaves SHOW WARNINGS alone behind, as what ends its XA makes the server forget them, and so does a CALL or one that fails; "
                   "those of a text's syntax belong to its preparation there, and are of the execution here; "
                   "and the warnings in answers that are no statement's own (COM_PING, COM_INIT_DB, of FOUND_ROWS() itself, ROLLBACK, START) are not told",
    "column": "an UPDATE of two tables may go through a temporary one, which an error then names",
    "row 0": "the server counts a CALL's parameters as some row of the statement before, or as any number",
    "GRANT": "everybody may call ddb_meta.mark, by which a node proves that a transaction came through it",
    "near": "several statements in one text are run one by one; what an error of syntax quotes ends with the statement",
    "no such table": "a statement is prepared outside a READ ONLY transaction, of which its server would speak first",
    "hand-over": "a coordinator that changes in a chapter may end transactions (1213) and state (1927), and counts an id that a statement gave "
                 "itself as LAST_INSERT_ID(): servers do not tell them apart; the chapter is played again",
    "READ ONLY": "such a transaction reads on the client's node, and refuses what only the coordinator can do: the chapter ends there",
    "plan": "row estimates, flags and computed columns' types of a join and cardinalities come from each server's own samples; "
            "so do plans, and a condition warns as often as its plan evaluates it",
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
                        wire.MULTI_STATEMENTS * chapter.multi | wire.EXTENDED_METADATA * (chapter.extended and not MYSQL))
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
            if item[1] and OWN_GRANT.search(str(item[1][0])):
                continue  # KNOWN: GRANT
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
    if item[0] == "column" and item[1][1].startswith("v"):
        return ("column", item[1][:5])  # KNOWN: FIELD_LIST
    return tuple(comparable_text(word) if isinstance(word, str) else word for word in item)


def comparable_column(column):
    database, table, original_table, name, original, charset, length, kind, flags, decimals, more = column
    if "ROW_COUNT()" in name or "FOUND_ROWS()" in name:
        return name  # KNOWN: counts
    return database, table, original_table, name, original, charset, length, kind, flags & 0x7FFF, decimals, more  # KNOWN: 0x8000


def comparable_text(text):
    if text.startswith("status "):
        status = int(text[7:], 16)
        return text if status & AUTOCOMMIT else f"status {status & ~IN_TRANSACTION:#x}"  # KNOWN: autocommit=0
    text = re.sub(r"``\.`\(temporary\)`\.|`\w+`\.`\w+`\.(?=`\w+` at row)", "", text)  # KNOWN: column
    return re.sub(r"(``.``.`\w+`|'m') (at row|in Zeile) \d+|(at row|in Zeile) \d{6,}", r"\1", text).replace(" at row 0", " at row 1")  # KNOWN: row 0


def comparable_value(value, column):
    if isinstance(value, float) and column[7] == wire.FLOAT:
        return f"{value:.6g}"  # KNOWN: FLOAT
    if isinstance(value, float) and column[9] < 31:
        return f"{value:.{column[9]}f}"  # KNOWN: FLOAT
    if isinstance(value, bytes):
        text = re.sub(r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d$", "a trigger's age", value.decode("latin1"))
        return comparable_text(re.sub(r" AUTO_INCREMENT=\d+", "", text)) if " " in text else text  # KNOWN: counters
    return value


def difference(statement, found, expected):
    """Lines about where two answers part; nothing when they do not."""
    found, expected = (reduced(statement, answer) for answer in (found, expected))
    if MYSQL and statement[0] == "binary" and found and found[-1][:2] == ("error", 1690) and statement[2] != [[]]:
        return []  # KNOWN: ?
    if expected and expected[-1][0] == "error" and excused(statement, found, expected):
        return []
    if statement[0] == "binary":
        found, expected = without_parameters(found, expected)
        if MYSQL and statement[2] != [[]]:
            found, expected = (typeless(without_flags(answer)) for answer in (found, expected))
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


def reduced(statement, answer):
    """What is left to be compared, by the statement's kind."""
    answer = without_broken(comparable(statement, answer))
    # Of an EXECUTE nobody knows here; and MySQL makes a join of a subquery.
    if " JOIN " in statement[1] or statement[1].startswith("EXECUTE") or MYSQL and "(SELECT" in statement[1]:
        answer = without_flags(answer)
    if MYSQL and (statement[0] in ("ping", "init_db") or "FOUND_ROWS" in statement[1] or statement[1].startswith(("ROLLBACK", "START"))):
        return without_warnings(answer)  # KNOWN: diagnostics
    return without_warnings(answer) if statement[0] == "binary" else answer


def forgotten(text, about, status):
    """Whether it asks for diagnostics, of the statement `about`, that the node's server keeps no longer. `status`: before it."""
    if not MYSQL or not DIAGNOSTICS.search(text):
        return False
    kind, other = about
    if kind == "binary" or "FOUND_ROWS" in other:
        return True  # KNOWN: diagnostics
    return text != "SHOW WARNINGS" and (not status & IN_TRANSACTION or ASKED_BEHIND.search(other))  # KNOWN: diagnostics


def status_of(answer, before):
    """The flags that an answer ends with; those before it where it has none, but none behind an error, which keeps nothing."""
    words = [word for word in answer[-1] if isinstance(word, str) and word.startswith("status ")]
    return int(words[0][7:], 16) if words else 0 if answer[-1][0] == "error" else before


def excused(statement, found, expected):
    """A plain server's error that the node need not share."""
    kind, text, parameters = statement
    other = expected[-1][1]
    if text.startswith("PREPARE") and expected[-1] == READ_ONLY or text.startswith("DEALLOCATE") and other == 1243:
        return True  # KNOWN: no such table
    if kind == "binary" and parameters != [[]] and found and other == 1690:
        return True  # KNOWN: ?
    if not found or found[-1][0] != "error":
        return False
    one = found[-1][1]
    return ((text.startswith("EXECUTE ps") and other == 1243) or other == 1792 or  # KNOWN: no such table
            (";" in text and one == other == 1064))  # KNOWN: near


def without_warnings(answer):
    """KNOWN: ?"""
    return [item[:-1] if item[0] == "end" else item[:4] if item[0] == "ok" else item for item in answer]


def without_parameters(found, expected):
    """KNOWN: ?"""
    for i, (one, other) in enumerate(zip(found, expected)):
        if one[0] == other[0] == "error" and one[1] == other[1] in (4078, 4079):
            found[i] = other  # tells the parameter's type
        if one[0] == other[0] == "columns" and len(one[1]) == len(other[1]):
            kept = ["?" not in (column[3] if isinstance(column, tuple) else column) for column in other[1]]
            for answer in (found, expected):
                answer[i] = ("columns", [without_length(column) for column, keep in zip(answer[i][1], kept) if keep])
    return found, expected


def typeless(answer):
    """KNOWN: ?. MySQL keeps the parameter's type through an aggregate, whose column is not called by it."""
    def value_of(value):
        try:
            return f"{float(value):.6g}"
        except (TypeError, ValueError):
            return value
    return [("row", [value_of(value) for value in item[1]]) if item[0] == "row" else item for item in answer]


def without_broken(answer):
    """KNOWN: rows, then an error"""
    out = []
    for item in answer:
        while item[0] == "error" and out and out[-1][0] in ("row", "columns"):
            out.pop()
        out.append(item)
    return out


def of_a_join(column):
    return column if isinstance(column, str) else (*column[:2], "a table", *column[3:8], 0, *column[9:]) if column[2] else column[3]


def without_flags(answer):
    """KNOWN: plan"""
    return [(item[0], [of_a_join(column) for column in item[1]]) if item[0] == "columns" else item for item in answer]


def without_length(column):
    """Of a column that no table has: an alias may stand for a parameter. A second execution changes a server's mind on NOT NULL."""
    if isinstance(column, str):
        return column
    return (*column[:8], column[8] & ~1, *column[9:]) if column[2] else column[3]


def passed_over(text, answer):
    """Whether LIMIT left nothing of what may have been found."""
    return re.search(r" LIMIT (\d+, |\d+ OFFSET )", text) and not any(item[0] == "row" for item in answer)


def of_another_plan(pair, statement, found, expected):
    """Whether the answers part in nothing but how often a condition warned, and the servers evaluate it by other plans. KNOWN: plan"""
    if statement[0] != "text" or difference(statement, *map(without_warnings, (found, expected))):
        return False
    one, other = pair.answers(("text", "EXPLAIN " + statement[1], ()))
    return one != other


def play(chapter, statements, node, plain, stop):
    """(number of statements that were compared, lines about the first difference; with --all about every one)"""
    pair, lines, failed, status, about = Pair(chapter, node, plain), [], False, AUTOCOMMIT, ("", "")
    try:
        for count, statement in enumerate(statements, 1):
            if stop.is_set():
                return count - 1, lines
            found, expected = pair.answers(statement)
            if found[-1][:2] == ("error", 1235) and "this READ ONLY transaction" in found[-1][3]:
                return count, lines  # KNOWN: READ ONLY
            if OPTIONS.print:
                note(f"{statement[1][:300]}\n      {str(found)[:300]}")
            if not (failed and "FOUND_ROWS" in statement[1] or failed == "binary" and AFTERWARDS.search(statement[1]) or  # KNOWN: counts
                    forgotten(statement[1], about, status)):
                parting = difference(statement, found, expected)
                lines += [] if parting and of_another_plan(pair, statement, found, expected) else parting
            if not DIAGNOSTICS.search(statement[1]):
                status, about = status_of(expected, status), statement[:2]
            failed = statement[0] if expected[-1][0] == "error" or statement[2] not in ((), [[]]) or " INTO @" in statement[1] else (
                "uncounted" if UNCOUNTED.match(statement[1]) or passed_over(statement[1], expected) else False)  # KNOWN: counts
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
        for _ in range(HAND_OVERS_MAX):
            epoch = self.cluster.epoch(node)
            count, lines = play(chapter, chapter.statements, address, self.plain, self.stop)
            if not lines or epoch == self.cluster.epoch(node):
                break
            note(f"the coordinator changed in chapter {number} of node {node}")  # KNOWN: hand-over
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
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        with PlainServer(os.path.join(cluster.base, "plain")) as plain:
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
