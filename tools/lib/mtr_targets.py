"""What the tests of MariaDB's suite run against: a plain server, and the listener of a ddb node."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import paths
import servers

# What a managed server runs with (node/storage/managed_server.cpp) and servers.COMMON does not have already.
MANAGED = {
    "innodb-force-primary-key": "ON", "innodb-flush-log-at-trx-commit": "2", "innodb-lock-wait-timeout": "30",
    "lock-wait-timeout": "30", "local-infile": "ON", "default-storage-engine": "InnoDB", "max-connections": "200",
    "loose-feedback": "OFF", "log-warnings": "1", "gtid-strict-mode": "OFF", "binlog-annotate-row-events": "OFF",
    "log-bin-trust-function-creators": "ON", "skip-name-resolve": False,
    "session-track-system-variables": "autocommit,character_set_client,character_set_connection,character_set_results,"
                                      "time_zone,last_gtid",
}
# What most tests take for granted, and a managed server has otherwise. Only for the sake of the tests; on all servers alike.
# Estimates must not depend on when a server counts a table's rows anew, which it does by itself while they are inserted.
SUITE_SETTINGS = ("SET GLOBAL innodb_force_primary_key = OFF", "SET GLOBAL character_set_server = latin1",
                  "SET GLOBAL collation_server = latin1_swedish_ci",
                  "SET GLOBAL innodb_stats_auto_recalc = OFF",
                  "SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER'")
KEPT = {"information_schema", "mysql", "performance_schema", "sys", "ddb_meta", "mtr", "test"}
ACCOUNTS = ("global_priv", "db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv", "roles_mapping", "proc", "func",
            "plugin", "servers", "event")
ALL_SETTINGS = "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES"
# Settings that change by themselves.
MOVING = re.compile(r"gtid_.*|timestamp|.*_gtid|pseudo_thread_id|rand_seed.|in_transaction|warning_count|error_count|"
                    r"innodb_ft_.*|innodb_buffer_pool_.*|read_only")
# What a node logs when its data differ, or what its server did was not replicated.
GRAVE = re.compile(r" fenced, | foreign write |database server is down")
DEADLINE_S = 60
CLUSTER_WAIT_S = 180
LOGIN_CHARSET_AT = 12  # behind the packet's header, capabilities and packet size
UTF8MB4_GENERAL_CI = 45


class TargetLost(Exception):
    """The target does not serve any more."""


class Relay:
    """A socket file and a port of this host that lead to a listener elsewhere: tests say "localhost" for their server.
    With `utf8mb4` logins ask for that character set, whatever the client wants: mysqltest knows latin1 only.
    """

    def __init__(self, path, port, to, utf8mb4):
        self.to, self.utf8mb4 = to, utf8mb4
        self.listeners = [socket.socket(socket.AF_UNIX), socket.socket()]
        self.listeners[1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listeners[0].bind(path)
        self.listeners[1].bind(("127.0.0.1", port))
        for listener in self.listeners:
            listener.listen(64)
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._pump, args=(client, server, self.utf8mb4), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _connect(self):
        if isinstance(self.to, str):
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.to)
            return server
        server = socket.create_connection(self.to, 5)
        server.settimeout(None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server

    @staticmethod
    def _pump(source, sink, login):
        try:
            while data := source.recv(1 << 16):
                if login and len(data) > LOGIN_CHARSET_AT:
                    data = data[:LOGIN_CHARSET_AT] + bytes([UTF8MB4_GENERAL_CI]) + data[LOGIN_CHARSET_AT + 1:]
                login = False
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


def client(socket_path, text, deadline_s=DEADLINE_S):
    """Rows (lists of text) of statements on a server's socket."""
    command = [paths.program("mariadb"), "--no-defaults", "-S", socket_path, "-uroot", "-NB", "--default-character-set=utf8mb4"]
    try:
        result = subprocess.run(command, input=text.encode(), capture_output=True, env=paths.environment(), check=False,
                                timeout=deadline_s)
    except subprocess.TimeoutExpired:
        raise TargetLost(f"no answer within {deadline_s} s to {text[:200]}") from None
    if result.returncode != 0:
        raise TargetLost(f"{result.stderr.decode('utf-8', 'replace').strip()} in {text[:200]}")
    return [line.split("\t") for line in result.stdout.decode("utf-8", "replace").splitlines()]


class Target:
    """Where tests run. `front` is the socket that tests use, `backs` lead straight into the database servers."""

    everywhere = ""  # makes a session's statements wait until all of `backs` have done what they do

    def __init__(self, directory, as_suite, utf8mb4):
        self.directory, self.as_suite, self.utf8mb4 = directory, as_suite, utf8mb4
        self.front = os.path.join(directory, "front.sock")
        self.port, = servers.free_ports(1)
        self.relay = None
        self.backs = []
        self.settings, self.accounts = {}, None

    def prepare(self):
        """What tests find; remembered, so that it can be had again after each."""
        for back in self.backs:
            for statement in SUITE_SETTINGS if self.as_suite else ():
                client(back, statement)
            self.settings[back] = dict(client(back, ALL_SETTINGS))
        # Tests name there what a server's log may say. Nobody looks at it here.
        client(self.front, self.everywhere + "CREATE DATABASE IF NOT EXISTS mtr; CREATE DATABASE IF NOT EXISTS test; "
               "CREATE OR REPLACE PROCEDURE mtr.add_suppression(pattern VARCHAR(255)) DO 0")
        self.accounts = self._accounts()

    def _accounts(self):
        return {back: client(back, "CHECKSUM TABLE " + ", ".join(f"mysql.{name}" for name in ACCOUNTS)) for back in self.backs}

    def _users(self):
        return {(row[0], row[1], row[2]) for row in
                client(self.front, "SELECT User, Host, COALESCE(JSON_VALUE(Priv, '$.is_role'), '') FROM mysql.global_priv")}

    def clean(self):
        """Removes what a test has left behind. Says what stays and needs a fresh server; empty when nothing does."""
        databases = [row[0] for row in client(self.front, "SHOW DATABASES") if row[0] not in KEPT]
        text = "".join(f"DROP DATABASE IF EXISTS `{name.replace('`', '``')}`;" for name in databases)
        text += "DROP DATABASE IF EXISTS test; CREATE DATABASE test;"
        for user, host, role in self._users() - self.users:
            quoted = "'" + user.replace("'", "''") + "'"
            text += f"DROP ROLE IF EXISTS {quoted};" if role == "1" or (host == "" and user) else (
                f"DROP USER IF EXISTS {quoted}@'{host}';")
        client(self.front, self.everywhere + "SET foreign_key_checks = 0;" + text)
        for back in self.backs:
            for name, value in client(back, ALL_SETTINGS):
                was = self.settings[back].get(name)
                if was == value or MOVING.fullmatch(name.lower()):
                    continue
                try:
                    number = re.fullmatch(r"-?\d+(\.\d+)?", was or "")
                    client(back, f"SET GLOBAL {name} = " + (was if number else "'" + (was or "").replace("'", "''") + "'"))
                except TargetLost as error:
                    return f"setting {name}: {error}"
        return "" if self._accounts() == self.accounts else "the server's own tables"

    def left_over(self):
        """Called before a test: why the target is not as it was at the beginning; empty when it is."""
        try:
            return self.clean()
        except TargetLost as error:
            return str(error)

    def begin(self):
        os.makedirs(self.directory)
        self.start()
        self.prepare()
        self.users = self._users()

    def again(self):
        self.end()
        self.begin()

    def end(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class PlainServer(Target):
    """A MariaDB server with the settings of one that a node manages."""

    def __init__(self, directory, as_suite, utf8mb4, name="plain"):
        super().__init__(directory, as_suite, utf8mb4)
        self.name = name

    def start(self):
        options = dict(MANAGED, port=str(servers.free_ports(1)[0]), **{
            "bind-address": "127.0.0.1", "innodb-log-file-size": "16M", "secure-file-priv": os.path.join(self.directory, "files")})
        os.makedirs(os.path.join(self.directory, "files"))
        self.server = servers.Server(os.path.join(self.directory, "s"), options)
        self.server.install()
        self.server.start()
        self.server.wait_for("SELECT 1", "1", DEADLINE_S)
        self.server.sql("SET GLOBAL enforce_storage_engine = InnoDB")
        self.relay = Relay(self.front, self.port, self.server.socket, self.utf8mb4)
        self.backs = [self.server.socket]

    def trouble(self):
        return "" if self.server.process.poll() is None else "the server has ended"

    def stop(self):
        if self.relay:
            self.relay.close()
        self.server.stop()


class Node(Target):
    """The listener of a node: of the coordinator, or of another one."""

    everywhere = "SET ddb_write_concern = 'all';"

    def __init__(self, directory, as_suite, utf8mb4, on_coordinator):
        super().__init__(directory, as_suite, utf8mb4)
        self.on_coordinator = on_coordinator
        self.name = "coordinator" if on_coordinator else "other node"

    def tool(self, verb, *arguments):
        result = subprocess.run([os.path.join(paths.ROOT, "tools", "cluster"), verb, *arguments, "--dir", self.cluster],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=CLUSTER_WAIT_S + 60)
        if result.returncode != 0 and verb != "down":
            raise TargetLost(f"tools/cluster {verb}: {result.stderr.strip()}")
        return result.stdout

    def cli(self, node, *words):
        command = [paths.program("ddb-cli"), "-h", node["address"], "-P", str(node["port"]), "-u", "root", "--format", "json",
                   *words]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120)
        try:
            return result.returncode, json.loads(result.stdout)
        except ValueError:
            return result.returncode, {}

    def start(self):
        self.cluster = os.path.join(self.directory, "c")
        options = ["--nodes", "3", "--wait", str(CLUSTER_WAIT_S), "--set", "timing.election_ms=3000"]  # a busy host changes no coordinator
        if self.as_suite:  # a coordinator would demand a key of each table that is defined, whatever its server's setting
            options += ["--set", "debug.demand_keys=false"]
        self.nodes = [json.loads(line) for line in self.tool("up", *options).splitlines()]
        self.backs = [node["mysql_socket"] for node in self.nodes]
        self.log_read = {node["id"]: 0 for node in self.nodes}
        coordinator = self.cli(self.nodes[0], "-e", "SELECT 1")[1]["coordinator"]
        chosen = next(node for node in self.nodes if (node["id"] == coordinator) == self.on_coordinator)
        self.relay = Relay(self.front, self.port, (chosen["address"], chosen["port"] + 2), self.utf8mb4)

    def trouble(self):
        """What is wrong with the nodes after a test: one that has ended, does not serve, or had to be repaired meanwhile."""
        for node in self.nodes:
            if not os.path.exists(f"/proc/{node['pid']}"):
                return f"node {node['id']} has ended: {self.log_end(node)}"
        grave = [line for node in self.nodes for line in self.new_in_log(node) if GRAVE.search(line)]
        if grave:
            return f"{grave[0][:300]} ({len(grave)} such lines)"
        end = time.monotonic() + 10
        while True:
            found = [(node, self.cli(node, "health")[1]) for node in self.nodes]
            unfit = [(node, said) for node, said in found if not said.get("healthy")]
            if not unfit:
                return ""
            if time.monotonic() > end:
                node, said = unfit[0]
                return f"node {node['id']} is not healthy: {json.dumps(said)[:300]}; {self.log_end(node)}"
            time.sleep(0.2)

    def audit(self):
        """Whether the nodes have equal data; what differs, else."""
        code, found = self.cli(self.nodes[0], "audit")
        return "" if code == 0 else f"audit: {json.dumps(found)[:500]}"

    def new_in_log(self, node):
        with open(node["log"], encoding="utf-8", errors="replace") as file:
            file.seek(self.log_read[node["id"]])
            lines = file.readlines()
            self.log_read[node["id"]] = file.tell()
        return [line.strip() for line in lines]

    @staticmethod
    def log_end(node):
        with open(node["log"], encoding="utf-8", errors="replace") as file:
            return " | ".join(line.strip() for line in file.readlines()[-3:])[-500:]

    def stop(self):
        if self.relay:
            self.relay.close()
        self.tool("down")
