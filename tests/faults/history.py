"""What clients did and saw: the only thing the checker knows. Times are seconds of one monotonic clock."""

import json
import threading
from dataclasses import asdict, dataclass, field

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"  # what a client may conclude of its own request

READ, APPEND = "r", "a"


@dataclass
class Operation:
    """One statement on one register. A read that failed is not recorded: it says nothing."""

    kind: str  # "write" or "read"
    key: int
    value: str
    begin: float
    end: float
    outcome: str = OK
    client: str = ""


@dataclass
class Transaction:
    """Reads and appends of one transaction in their order: [READ, key, [elements]] or [APPEND, key, element]."""

    steps: list
    begin: float
    end: float
    outcome: str = OK
    level: str = "REPEATABLE READ"
    client: str = ""


@dataclass
class History:
    operations: list = field(default_factory=list)
    transactions: list = field(default_factory=list)
    strange: list = field(default_factory=list)  # what no client may ever see: a hang, an exit status nobody documented
    names: dict = field(default_factory=dict)  # an element or value of unknown outcome -> what `ddb-cli txn` takes
    final: dict = field(default_factory=dict)  # node -> {"lists": {key: [element]}, "registers": {key: value}}
    final_time: float = 0.0

    def __post_init__(self):
        self._lock = threading.Lock()

    def add(self, record):
        with self._lock:
            (self.operations if isinstance(record, Operation) else self.transactions).append(record)

    def complain(self, text):
        with self._lock:
            self.strange.append(text)

    def name(self, element, name):
        with self._lock:
            self.names[element] = name

    def writes(self):
        """(begin, end, outcome) of everything that changes something."""
        with self._lock:
            found = [(o.begin, o.end, o.outcome) for o in self.operations if o.kind == "write"]
            return found + [(t.begin, t.end, t.outcome) for t in self.transactions if any(s[0] == APPEND for s in t.steps)]

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)


def load(path):
    with open(path, encoding="utf-8") as file:
        raw = json.load(file)
    history = History(strange=raw["strange"], names=raw["names"], final_time=raw["final_time"])
    history.operations = [Operation(**one) for one in raw["operations"]]
    history.transactions = [Transaction(**one) for one in raw["transactions"]]
    history.final = {int(node): {"lists": {int(k): v for k, v in found["lists"].items()},
                                 "registers": {int(k): v for k, v in found["registers"].items()}}
                     for node, found in raw["final"].items()}
    return history
