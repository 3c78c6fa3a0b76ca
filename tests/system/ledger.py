"""Holds what clients were told about their writes against what the servers hold."""

import re
import threading

from ddb_cluster import Failure, NO_CONNECTION, NO_QUORUM, OK, SQL_ERROR, UNKNOWN

TABLE = "(id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40) NOT NULL, KEY (token))"  # not unique: duplicates show

# What `ddb-cli txn` takes: a transaction, or the request whose transaction never became known to the client.
NAME = re.compile(r"TXN-\d+-\d+|REQ-[0-9a-f]{32}-\d+")


class Ledger:
    """One token per attempted write. Any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self.told = {}  # token -> "acknowledged", "failed" or "unknown"
        self.names = {}  # token of an unknown write -> transaction id, when the client was given one
        self.strange = []
        self.reasons = {}  # token of a write that was not acknowledged -> what the client said

    def record(self, token, answer):
        """What an exit status of ddb-cli lets its user conclude."""
        kinds = {OK: "acknowledged", SQL_ERROR: "failed", NO_CONNECTION: "failed", NO_QUORUM: "failed", UNKNOWN: "unknown"}
        kind = kinds.get(answer.code, "unknown")
        with self._lock:
            self.told[token] = kind
            if kind != "acknowledged":
                self.reasons[token] = str(answer)
            if answer.code not in kinds:
                self.strange.append(f"{token}: {answer}")
            name = NAME.search(answer.last.get("txn") or "") or NAME.search(answer.text) or NAME.search(answer.errors)
            if kind == "unknown" and name:
                self.names[token] = name.group(0)
        return kind

    def count(self, kind):
        return sum(1 for told in self.told.values() if told == kind)

    def check(self, rows_by_node):
        """Every acknowledged row on every node exactly once, no failed one, nothing nobody sent, all nodes equal."""
        wrong = list(self.strange)
        for node, rows in rows_by_node.items():
            seen = {}
            for token in rows:
                seen[token] = seen.get(token, 0) + 1
            for token, told in self.told.items():
                times = seen.pop(token, 0)
                if told == "acknowledged" and times != 1:
                    wrong.append(f"node {node} has the acknowledged {token} {times} times")
                elif told == "failed" and times:
                    wrong.append(f"node {node} has {token}, which was reported as failed")
                elif times > 1:
                    wrong.append(f"node {node} has the unknown {token} {times} times")
            wrong += [f"node {node} has {token}, which nobody wrote" for token in seen]
        contents = {tuple(sorted(rows)) for rows in rows_by_node.values()}
        if len(contents) > 1:
            wrong.append("the nodes differ: " + ", ".join(f"{n}: {len(r)} rows" for n, r in rows_by_node.items()))
        if wrong:
            raise Failure(f"{len(wrong)} violations, first: " + "; ".join(wrong[:5]))

    def summary(self):
        return ", ".join(f"{self.count(kind)} {kind}" for kind in ("acknowledged", "failed", "unknown"))
