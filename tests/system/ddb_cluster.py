"""What the system tests share: a cluster of their own, SQL through ddb-cli, SQL straight into each server."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("DDB_BIN") or os.path.join(ROOT, "build", "bin")
CLUSTER = os.path.join(ROOT, "tools", "cluster")
LONG = os.environ.get("DDB_LONG") == "1"
SLOW = float(os.environ.get("DDB_SLOW") or 1)  # factor on deadlines, for sanitizer builds

SERVER = os.environ.get("DDB_SERVER") or ""  # program of the nodes' database servers; empty: the one found in PATH
MYSQL = os.path.basename(SERVER) == "mysqld"

OK, SQL_ERROR, USAGE, NO_CONNECTION, NO_QUORUM, UNKNOWN = 0, 1, 2, 3, 4, 5


class Failure(Exception):
    """A test found what must not be."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(found, expected, text):
    check(found == expected, f"{text}: found {found!r}, expected {expected!r}")


def note(text):
    print(f"  {text}", flush=True)


def wait_until(condition, deadline_s, what):
    """Polls a condition on other processes; returns its first true value. `what` may be a function, asked at the end."""
    end = time.monotonic() + deadline_s * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"not within {deadline_s * SLOW:.0f} s: {what() if callable(what) else what}")
        time.sleep(0.05)


def path():
    extra = [os.path.join(ROOT, ".cache", "debs", "mariadb-client", "usr", "bin"), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    return ":".join([os.environ.get("PATH", "/usr/bin:/bin")] + extra)


def fill_disk(directory):
    """Leaves no byte free on its file system; returns the file to remove."""
    path = os.path.join(directory, "filler")
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass
    return path


def need(name):
    found = shutil.which(name, path=path())
    check(found, f"{name} is missing: run tools/setup --test")
    return found


def numbers(last, database="d"):
    """What stands behind FROM for a table of one column, seq, with 1 to `last`."""
    if not MYSQL:
        return f"{database}.seq_1_to_{last}"
    digits = "(" + " UNION ALL ".join(f"SELECT {n} AS n" for n in range(10)) + ")"
    places = range(len(str(last)))
    number = " + ".join(f"{10 ** place} * p{place}.n" for place in places)
    return (f"(SELECT seq FROM (SELECT 1 + {number} AS seq FROM {' JOIN '.join(f'{digits} AS p{place}' for place in places)}) AS all_of "
            f"WHERE seq <= {last}) AS numbers")


def of_server(sql, on_mysql=()):
    """As the nodes' servers have it: MySQL has neither tables of numbers nor versions, and other words for those of `on_mysql`."""
    if MYSQL:
        for theirs in on_mysql:
            sql = sql.replace(theirs, on_mysql[theirs])
        sql = re.sub(r"\b(\w+)\.seq_1_to_(\d+)", lambda found: numbers(int(found[2]), found[1]), sql).replace("WITH SYSTEM VERSIONING", "")
    return sql


def documents(text):
    """The JSON documents that ddb-cli printed, one after another."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at >= len(text):
            return found
        try:
            document, at = decoder.raw_decode(text, at)
        except ValueError:
            raise Failure(f"ddb-cli printed no JSON: {text[at:at + 300]!r}") from None
        found.append(document)


class Answer:
    """What one run of ddb-cli gave."""

    def __init__(self, process):
        self.code = process.returncode
        self.text = process.stdout.decode("utf-8", "replace")
        self.errors = process.stderr.decode("utf-8", "replace")
        self.documents = documents(self.text) if self.text.lstrip().startswith("{") else []

    @property
    def last(self):
        return self.documents[-1] if self.documents else {}

    @property
    def rows(self):
        return self.last.get("rows", [])

    @property
    def value(self):
        return self.rows[0][0] if self.rows else None

    @property
    def error(self):
        return self.last.get("error") or {}

    def __str__(self):
        return f"exit {self.code}, {self.error.get('message') or self.errors.strip()[-400:] or self.text[-400:]}"


def good(client, sql):
    """Rows that a wire client is given for it, without an error."""
    answer = client.query(sql)
    check(all(word[0] != "error" for word in answer), f"{sql}: {answer}")
    return [word[1] for word in answer if word[0] == "row"]


def code(client, sql):
    """The error's number, or 0."""
    return next((word[1] for word in client.query(sql) if word[0] == "error"), 0)


class Background:
    """Does step() again and again in a thread of its own while the block lasts. The thread begins with the block."""

    def __init__(self):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def step(self):
        raise NotImplementedError

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _run(self):
        while not self.over.is_set():
            self.step()


class Guard:
    """Takes a cluster down when the test is killed, as ctest does at the time limit: what it left would run on, and starve the tests behind it. Not
    one of the test's children, which are killed with it."""

    WATCH = 'exec 3<&0; (read -r over <&3 || { "$0" down --dir "$1"; rm -rf "$2"; }) > /dev/null 2>&1 &'

    def __init__(self, base, directory, env):
        self.shell = subprocess.Popen(["sh", "-c", self.WATCH, CLUSTER, directory, base], env=env, stdin=subprocess.PIPE, start_new_session=True)
        self.shell.wait()

    def dismiss(self):
        self.shell.stdin.write(b"over\n")
        self.shell.stdin.close()


# A machine that is slow for a second is no reason for a change of coordinator.
PATIENT = ["timing.election_ms=3000"]
# For tests of what such a change may end (transactions, user variables): nor is a node that was late at the start.
STEADY = [*PATIENT, "election.take_over=false"]


class Cluster:
    """A loopback cluster under a directory that goes away with it. Use as a context manager."""

    def __init__(self, nodes=3, arguments=(), settings=(), wait=True):
        self.base = tempfile.mkdtemp(prefix="ddb-system.", dir="/tmp")
        self.directory = os.path.join(self.base, "c")
        self.env = dict(os.environ, XDG_CONFIG_HOME=os.path.join(self.base, "config"), PATH=path(), DDB_ANY_PORT="1")
        self.up_arguments = ["--nodes", str(nodes), *arguments] + ([] if wait else ["--no-wait"])
        self.up_arguments += ["--wait", str(int(60 * SLOW))]
        self.server_arguments = ["--set", f"mysql.server={SERVER}"] if SERVER else []
        self.up_arguments += self.server_arguments
        settings = list(settings)
        if SLOW > 1:
            settings.append(f"timing.election_ms={int(600 * SLOW)}")
        for setting in settings:
            self.up_arguments += ["--set", setting]
        self.nodes = {}
        self.port = 0
        self.guard = None

    def __enter__(self):
        self.guard = Guard(self.base, self.directory, self.env)
        try:
            lines = self.tool("up", *self.up_arguments, deadline_s=120).splitlines()
        except BaseException:
            self.close(failed=True)
            raise
        self.nodes = {line["id"]: line for line in map(json.loads, lines)}
        self.port = self.nodes[1]["port"]
        return self

    def __exit__(self, kind, value, trace):
        self.close(failed=kind is not None)
        return False

    def close(self, failed=False):
        subprocess.run([CLUSTER, "down", "--dir", self.directory], env=self.env, check=False, capture_output=True)
        self.guard.dismiss()
        if failed and os.environ.get("DDB_KEEP") == "1":
            print(f"  kept: {self.base}", flush=True)
            return
        if failed:
            self.print_logs()
        shutil.rmtree(self.base, ignore_errors=True)

    def print_logs(self):
        for i in range(1, 10):
            log = self.log_path(i)
            if os.path.exists(log):
                with open(log, encoding="utf-8", errors="replace") as file:
                    print(f"--- end of the log of node {i}\n{''.join(file.readlines()[-30:])}", flush=True)

    # -- steering -----------------------------------------------------------------------------------------------

    def tool(self, verb, *arguments, deadline_s=90, check_exit=True):
        result = subprocess.run([CLUSTER, verb, *map(str, arguments), "--dir", self.directory], env=self.env, check=False,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=deadline_s * SLOW)
        if check_exit and result.returncode != 0:
            raise Failure(f"tools/cluster {verb} {' '.join(map(str, arguments))}: {result.stderr.strip()}")
        return result.stdout

    def kill(self, node, with_mysql=False):
        self.tool("kill", node, *(["--with-mysql"] if with_mysql else []))

    def start(self, node, wait=True, env=(), settings=()):
        """`env` is what the node's environment has beyond the usual, `settings` its configuration for this start."""
        more = [word for key, value in dict(env).items() for word in ("--env", f"{key}={value}")]
        more += [word for setting in settings for word in ("--set", setting)]
        out = self.tool("start", node, *([] if wait else ["--no-wait"]), *more)
        # What a node that is still starting cannot say yet stays as it was.
        self.nodes[node].update({key: value for key, value in json.loads(out).items() if value is not None})

    def grow(self, node, *arguments):
        """A further, fresh node, which waits to be added."""
        self.nodes[node] = json.loads(self.tool("add", node, *arguments))

    def record(self):
        with open(os.path.join(self.directory, "cluster.json"), encoding="utf-8") as file:
            return json.load(file)

    def log_path(self, node):
        return os.path.join(self.directory, f"node-{node}", "log")

    def log(self, node):
        with open(self.log_path(node), encoding="utf-8", errors="replace") as file:
            return file.read()

    # -- ddb-cli ------------------------------------------------------------------------------------------------

    def command(self, node, arguments=(), user="root", timeout=10):
        where = ["-h", self.nodes[node]["address"], "-P", str(self.port)] if node else []
        return [os.path.join(BIN, "ddb-cli"), *where, "-u", user, "--format", "json", "--timeout", str(timeout), *arguments]

    def cli(self, node, *statements, arguments=(), text=None, timeout=10, user="root", deadline_s=None):
        """Statements as -e, or text on standard input. The process must end in time: a client never hangs."""
        words = list(arguments)
        for statement in statements:
            words += ["-e", statement]
        try:
            process = subprocess.run(self.command(node, words, user, timeout), input=text, env=self.env, check=False,
                                     stdin=subprocess.DEVNULL if text is None else None, capture_output=True,
                                     timeout=(deadline_s or timeout * max(1, len(statements)) + 15) * SLOW)
        except subprocess.TimeoutExpired:
            raise Failure(f"ddb-cli on node {node} hangs: {(statements or ['standard input'])[0][:200]}") from None
        return Answer(process)

    def sql(self, node, *statements, **options):
        """As cli(), for what must work."""
        answer = self.cli(node, *statements, **options)
        check(answer.code == OK, f"node {node}: {(statements or ['standard input'])[-1][:200]}: {answer}")
        return answer

    def verb(self, node, *words, timeout=10):
        process = subprocess.run(self.command(node, words, timeout=timeout), stdin=subprocess.DEVNULL, env=self.env,
                                 capture_output=True, timeout=(timeout + 15) * SLOW, check=False)
        return Answer(process)

    def coordinator(self, ask=None):
        """Its id, as a node that serves says; 0 when none does."""
        for node in [ask] if ask else self.nodes:
            answer = self.cli(node, "SELECT 1", timeout=2)
            if answer.code == OK and answer.last.get("coordinator"):
                return answer.last["coordinator"]
        return 0

    def epoch(self, node):
        return self.verb(node, "status").last["epoch"]

    def others(self, node):
        return [i for i in self.nodes if i != node]

    # -- straight into the servers ------------------------------------------------------------------------------

    def mysql(self, node, text, check_exit=True):
        """Rows (lists of text) from the node's own server, past ddb."""
        socket = self.nodes[node]["mysql_socket"]
        for _ in range(3):
            result = subprocess.run([need("mariadb"), "--no-defaults", "-S", socket, "-uroot", "-NB", "--binary-mode", "--comments",
                                     "--default-character-set=utf8mb4"],
                                    input=text.encode(), capture_output=True, check=False, timeout=120 * SLOW)
            # A node that leaves the coordinator's office ends the connections of users, this one too.
            if not any(word in result.stderr for word in (b"ERROR 2006", b"ERROR 2013", b"ERROR 2026", b"ERROR 1927")):
                break
        if check_exit and result.returncode != 0:
            raise Failure(f"server of node {node}: {result.stderr.decode('utf-8', 'replace').strip()}")
        lines = result.stdout.decode("utf-8", "replace").splitlines()
        return [line.split("\t") for line in lines]

    def applied(self, node):
        status = self.verb(node, "status").last
        return status.get("applied", -1), status.get("decided", -2)

    def settle(self, nodes=None, deadline_s=60):
        """Waits until the nodes have applied all that is decided, and the same. For a cluster that is not being written to."""
        nodes = nodes or list(self.nodes)

        def level():
            found = {self.applied(node) for node in nodes}
            return len(found) == 1 and len(set(next(iter(found)))) == 1
        wait_until(level, deadline_s, lambda: f"nodes {nodes} level: {[self.applied(node) for node in nodes]}")

    def tables(self, node, database):
        return [row[0] for row in self.mysql(node, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE "
                                                   f"TABLE_SCHEMA = '{database}' AND TABLE_TYPE <> 'VIEW' ORDER BY 1")]

    def same(self, text, nodes=None, view=lambda answer: answer):
        """Asks every server the same; the answers (what `view` makes of them) must be equal. Returns the answer."""
        answers = {node: view(self.mysql(node, text)) for node in nodes or self.nodes}
        first = next(iter(answers.values()))
        for node, answer in answers.items():
            if answer != first:
                differing = [pair for pair in zip(first, answer) if pair[0] != pair[1]][:3]
                raise Failure(f"servers differ (node {node}) in {text[:200]}: {len(first)} and {len(answer)} rows, "
                              f"first differences {differing}")
        return first

    def same_tables(self, database, nodes=None):
        """CHECKSUM TABLE and SHOW CREATE TABLE of every table, equal on all servers. Returns the tables."""
        self.settle(nodes)
        tables = self.tables(next(iter(nodes or self.nodes)), database)
        for table in tables:
            # With generated columns CHECKSUM TABLE gives different sums for equal contents on two servers.
            generated = self.mysql(next(iter(nodes or self.nodes)),
                                 f"SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{database}' AND "
                                 f"TABLE_NAME = '{table}' AND EXTRA LIKE '% GENERATED%' LIMIT 1")
            if generated:
                self.same(f"SELECT * FROM `{database}`.`{table}` ORDER BY 1", nodes)
            else:
                self.same(f"CHECKSUM TABLE `{database}`.`{table}` EXTENDED", nodes)
            # The counter is where that server would look for the next free number; rows carry their own.
            self.same(f"SHOW CREATE TABLE `{database}`.`{table}`", nodes,
                      lambda rows: [[re.sub(r" AUTO_INCREMENT=\d+", "", str(value)) for value in row] for row in rows])
        return tables


def parallel(functions):
    """Runs functions at once and returns their results; the first exception is raised after all have ended."""
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(max(1, len(functions))) as pool:
        futures = [pool.submit(function) for function in functions]
    return [future.result() for future in futures]


def main(*tests):
    """Runs the tests of a file, or those named on the command line, and says how to repeat a failed one."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [test for test in tests if not sys.argv[1:] or test.__name__ in sys.argv[1:]]
    failed = []
    for test in chosen:
        print(f"{test.__name__}:", flush=True)
        begin = time.monotonic()
        try:
            test()
            print(f"  passed ({time.monotonic() - begin:.1f} s)", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed.append(test.__name__)
            if not isinstance(error, (Failure, subprocess.TimeoutExpired)):
                traceback.print_exc(file=sys.stdout)  # a fault of the test's own, or an answer it did not expect
            print(f"  FAILED: {type(error).__name__}: {error}\n  repeat with: {os.path.relpath(sys.argv[0], ROOT)} "
                  f"{test.__name__}   (DDB_KEEP=1 keeps the cluster's files)", flush=True)
    sys.exit(1 if failed or not chosen else 0)
