"""MariaDB's own test suite: which tests there are, what a test wants around it, running one, and what it found."""

import functools
import itertools
import os
import re
import subprocess
import time

import paths

PASSED, FAILED, SKIPPED, LATE = "passed", "failed", "skipped", "late"
SKIP_EXIT = 62  # mysqltest's own
# A test, or a file that it includes, that ends or starts servers, reads their files, or wants one built for debugging.
OWN_SERVER_WORDS = re.compile(r"shutdown_server|\.expect\b|\$MYSQLD(_CMD|_DATADIR|_LAST_CMD)?\b|@@datadir|have_debug(_sync)?\.inc|"
                              r"debug_dbug|big_test\.inc|have_wsrep|master-slave\.inc", re.I)
INCLUDED = re.compile(r"^\s*(?:--\s*)?source\s+([^\s;$]+)", re.M | re.I)
# What a test brings along when it wants a server of its own: options, a configuration, several servers.
OWN_SERVER = (".opt", "-master.opt", "-slave.opt", "-client.opt", ".cnf", ".combinations", "-master.sh", "-slave.sh")


class SuiteMissing(Exception):
    pass


def tree(package, *path):
    found = os.path.join(paths.DEBS, package, "usr", *path)
    if not os.path.exists(found):
        raise SuiteMissing(f"{found} is missing: run tools/setup --mtr")
    return found


def data_dir():
    return tree("mariadb-test-data", "share", "mysql", "mysql-test")


class Test:
    """One test file with the result it must give."""

    def __init__(self, suite, name, suite_dir, path, result):
        self.suite, self.name, self.suite_dir, self.path, self.result = suite, name, suite_dir, path, result

    @property
    def full_name(self):
        return f"{self.suite}.{self.name}"


def suite_dir(suite):
    directory = os.path.join(data_dir(), *(["main"] if suite == "main" else ["suite", suite]))
    if not os.path.isdir(directory):
        raise SuiteMissing(f"there is no suite {suite} in {data_dir()}")
    return directory


def disabled(directory):
    """Names that the suite itself does not run."""
    try:
        with open(os.path.join(directory, "disabled.def"), encoding="utf-8", errors="replace") as file:
            return {line.split(":")[0].strip() for line in file if line.strip() and not line.startswith("#")}
    except FileNotFoundError:
        return set()


@functools.lru_cache(maxsize=None)
def wants_own_server(path, top):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = "\n".join(line for line in file.read().splitlines() if not line.lstrip().startswith("#"))
    except OSError:
        return False
    if OWN_SERVER_WORDS.search(text):
        return True
    places = (data_dir(), top, os.path.dirname(path))
    found = (os.path.join(place, name) for name in INCLUDED.findall(text) for place in places)
    return any(wants_own_server(file, top) for file in found if file != path and os.path.exists(file))


def discover(suite):
    """The tests of a suite that can run against a server which is there already, by name."""
    top = suite_dir(suite)
    directory = os.path.join(top, "t") if os.path.isdir(os.path.join(top, "t")) else top
    results = os.path.join(top, "r") if os.path.isdir(os.path.join(top, "r")) else top
    off = disabled(directory)
    found = []
    for file in sorted(os.listdir(directory)):
        name, extension = os.path.splitext(file)
        if extension != ".test" or name in off:
            continue
        if any(os.path.exists(os.path.join(directory, name + end)) for end in OWN_SERVER):
            continue
        if wants_own_server(os.path.join(directory, file), top):
            continue
        result = os.path.join(results, name + ".result")
        if os.path.exists(result):  # without one a test only has to come to its end; next to none is so
            found.append(Test(suite, name, top, os.path.join(directory, file), result))
    return found


class Surroundings:
    """Directory, option file and environment that tests see; one server at a time stands behind them."""

    def __init__(self, directory, socket, port, how=()):
        self.var = os.path.join(directory, "var")
        self.how = list(how)  # further options of mysqltest
        self.socket, self.port = socket, port
        self.options = os.path.join(directory, "client.cnf")
        for part in ("tmp", "log", "run"):
            os.makedirs(os.path.join(self.var, part))
        os.symlink(os.path.join(data_dir(), "std_data"), os.path.join(self.var, "std_data"))
        with open(self.options, "w", encoding="utf-8") as file:
            file.write(f"[client]\nuser=root\nsocket={socket}\nport={port}\n")
            for group in ("mysql", "mysqlshow", "mysqlimport", "mysqlcheck"):
                file.write(f"[{group}]\ndefault-character-set=latin1\n")

    def environment(self):
        def client(name, *more):
            return " ".join([paths.program(name), f"--defaults-file={self.options}", *more])

        env = paths.environment()
        library = tree("libpcre2-posix3", "lib", "x86_64-linux-gnu")
        env.update({
            "LD_LIBRARY_PATH": ":".join([library] + [p for p in [env.get("LD_LIBRARY_PATH")] if p]),
            "LC_ALL": "C", "TZ": "GMT-3", "UMASK": "0660", "UMASK_DIR": "0770", "USE_RUNNING_SERVER": "1",
            "MYSQL_TEST_DIR": data_dir(), "MYSQLTEST_VARDIR": self.var, "MYSQLTEST_REAL_VARDIR": self.var,
            "MYSQL_TMP_DIR": os.path.join(self.var, "tmp"), "MASTER_MYSOCK": self.socket, "MASTER_MYPORT": str(self.port),
            "DEFAULT_MASTER_PORT": "3306", "MYSQL_CHARSETSDIR": "/usr/share/mysql/charsets", "HAVE_BROKEN_DNS": "0",
            "MYSQL_SHAREDIR": "/usr/share/mysql", "MYSQL_BINDIR": "/usr", "SECURE_LOAD_PATH": f"{data_dir()}/std_data",
            "MYSQL": client("mariadb"), "MYSQL_DUMP": client("mariadb-dump"), "MYSQL_CHECK": client("mariadb-check"),
            "MYSQL_SHOW": client("mariadb-show"), "MYSQL_IMPORT": client("mariadb-import"), "MYSQLADMIN": client("mariadb-admin"),
            "EXE_MYSQL": paths.program("mariadb"), "MYSQL_TEST": " ".join([self.program(), *self.common()]),
            "CLIENT_TLS_LIBRARY": "OpenSSL", "CLIENT_TLS_LIBRARY_VERSION": "3",
        })
        return env

    @staticmethod
    def program():
        return tree("mariadb-test", "bin", "mariadb-test")

    def common(self):
        return [f"--defaults-file={self.options}", "--silent", f"--tmpdir={self.var}/tmp", f"--logdir={self.var}/log",
                "--character-sets-dir=/usr/share/mysql/charsets", "--database=test", f"--timer-file={self.var}/log/timer"]

    def run(self, test, limit_s, record=None):
        """(state, seconds, what was found wrong). With `record` the output is written there and compared with nothing, and
        errors that the test does not expect are no end of it."""
        for part in ("tmp", "log"):
            subprocess.run(["find", os.path.join(self.var, part), "-mindepth", "1", "-delete"], check=False)
        command = [self.program(), *self.common(), f"--suite-dir={test.suite_dir}/", f"--test-file={test.path}",
                   f"--result-file={record or test.result}", "--tail-lines=20"]
        command += self.how
        if record:
            if os.path.exists(record):
                os.remove(record)
            command += ["--record", "--continue-on-error"]
        begin = time.monotonic()
        process = subprocess.Popen(command, cwd=data_dir(), env=self.environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            output, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # with the clients it has started
            output, _ = process.communicate()
            return LATE, limit_s, f"not within {limit_s} s; was in line {self.line_reached(test)}"
        seconds = round(time.monotonic() - begin, 1)
        text = output.decode("utf-8", "replace")
        if process.returncode == 0:
            return PASSED, seconds, ""
        if process.returncode == SKIP_EXIT:
            return SKIPPED, seconds, text.strip()[-200:]
        came_through = record and os.path.exists(record) and runs_elsewhere(record)
        return (PASSED if came_through else FAILED), seconds, first_difference(text)

    def line_reached(self, test):
        """What the test had printed last."""
        log = os.path.join(self.var, "log", test.name + ".log")
        try:
            with open(log, encoding="utf-8", errors="replace") as file:
                return repr(file.read()[-200:])
        except OSError:
            return "(nothing printed)"


# What a test prints of where it ran: the directories of its files, the server and the suite, ports, the server's number in SHOW EVENTS,
# a client's host, which is one of TCP at a node, and the way out that a node adds to the server's own error about engines.
OF_THE_PLACE = ((re.compile(r"/tmp/ddb-mtr\.\w+/\w+-around"), "VARDIR"),
                (re.compile(r"/tmp/ddb-mtr\.\w+/\w+/(s|c/node-\d+/data/mysql)/data/"), "DATADIR/"),
                (re.compile(r"(@@port - )\d+"), r"\1PORT"),
                (re.compile(r"(\t(ENABLED|DISABLED|SLAVESIDE_DISABLED)\t|\tLAST_ALTERED\tNULL\t[^\t]*\t)\d+(\t)"), r"\1SERVER_ID\3"),
                (re.compile(r"/\S*/\.cache/debs/"), "/"),
                (re.compile(r"(for user '[^']*'@)'127\.0\.0\.1'"), r"\1'localhost'"),
                (re.compile(r"; ddb replicates InnoDB's tables only: .*? to become InnoDB's"), ""))


def recorded_lines(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    for pattern, instead in OF_THE_PLACE:
        text = pattern.sub(instead, text)
    return text.splitlines()


def compare(expected, found):
    """What is the first difference of two recorded outputs; empty when they are equal."""
    lines, others = recorded_lines(expected), recorded_lines(found)
    for number, (line, instead) in enumerate(itertools.zip_longest(lines, others)):
        if line == instead:
            continue
        statement = next((line for line in reversed(lines[:number]) if line.endswith(";")), "")
        if instead and instead.startswith("mysqltest: "):  # an error that the test did not expect, told in several lines
            told = itertools.takewhile(lambda text: text not in lines[number:number + 1], others[number:number + 60])
            return f"behind {statement[-150:]!r}: {unexpected(chr(10).join(told))}"
        return f"behind {statement[-150:]!r}: expected {line!r:.300}, found {instead!r:.300}"
    return ""


def runs_elsewhere(recorded):
    """Whether a test got along without files of the server's, which it can reach only where mysql-test-run has made them."""
    with open(recorded, encoding="utf-8", errors="replace") as file:
        return "is not a subdirectory of MYSQLTEST_VARDIR" not in file.read()


def unexpected(text):
    """The message of an error that a test did not expect, without the statement's whole length."""
    words = " ".join(text.split())
    told = words.rfind("' failed: ")
    return words[:200] + " … " + words[told + 2:][:400] if told > 200 else words[:600]


def first_difference(text):
    """The first line that is otherwise, or the first error that the test did not expect."""
    error = re.search(r"^mysqltest: (?!Result)(.*?)(?:\n\n|\nThe result from queries|\Z)", text, re.M | re.S)
    if error:
        return unexpected(error.group(1))
    expected, found = [], []
    for line in text.split("@@", 2)[-1].splitlines()[1:]:
        if line.startswith("-") and not found:
            expected.append(line[1:])
        elif line.startswith("+"):
            found.append(line[1:])
        elif expected or found:
            break
    if expected or found:
        return f"expected {' / '.join(expected[:2])!r}, found {' / '.join(found[:2])!r}"[:600]
    return text.strip()[-300:] or "ended without a word"
