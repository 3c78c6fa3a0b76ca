"""Starting, watching and ending the nodes of a test cluster."""

import json
import os
import shutil
import signal
import subprocess
import time

import paths
import processes
from layout import ClusterError, DISCOVERY_OFFSET, Layout, choose_port, parse_value, ports_free

NODE_PROGRAMS = {"ddb-node", "mariadbd", "mysqld", "mariadb-install-db", "mariadb", "mariadb-dump", "mysqldump",
                 "mariadb-backup"}
STOP_DEADLINE_S = 20


def log_tail(path, lines=25):
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 16384))
            text = file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"(no log: {error})"
    return "\n".join(text.splitlines()[-lines:])


class Cluster:
    def __init__(self, directory):
        self.layout = Layout(directory)
        self.record = None

    # -- life of the whole cluster ------------------------------------------------------------------------------

    def create_or_open(self, options):
        """A new cluster, or the one of this directory that was taken down before."""
        if os.path.exists(self.layout.record_path):
            self.open()
            if any(processes.alive(node["process"]) for node in self.record["nodes"].values()):
                raise ClusterError(f"the cluster in {self.layout.directory} runs already "
                                   f"(tools/cluster status --dir {self.layout.directory})")
        else:
            self._create(options)
        self.record["settings"] = options.set
        self.layout.write_configs(self.record, [self._setting(text) for text in options.set])
        self.layout.save(self.record)
        self.layout.register(self.record)

    def _create(self, options):
        addresses = [options.address.format(id=i) for i in range(1, options.nodes + 1)]
        if len(set(addresses)) != len(addresses):
            raise ClusterError("--address must contain {id}")
        # Addresses of a network namespace cannot be tried out from here.
        port = choose_port([] if options.netns else addresses, options.port)
        self.record = {
            "name": options.name, "port": port, "discovery": not options.no_discovery,
            "discovery_port": options.discovery_port or port + DISCOVERY_OFFSET, "netns": options.netns,
            "expect": options.nodes, "addresses": options.address, "nodes": {},
        }
        for i, address in enumerate(addresses, start=1):
            self.record["nodes"][str(i)] = {"id": i, "address": address, "process": None}
        self._keygen()

    def add(self, node_id, settings):
        """One more node, fresh, with the keys and settings of the others. It waits for `ddb-cli add`."""
        if not 1 <= node_id <= 250:
            raise ClusterError("ID: 1 to 250")
        if str(node_id) in self.record["nodes"]:
            raise ClusterError(f"node {node_id} is here already (tools/cluster start {node_id}, or wipe)")
        node = {"id": node_id, "address": self.record.get("addresses", "127.0.0.{id}").format(id=node_id), "process": None}
        if not self.record["netns"] and not ports_free([node["address"]], self.record["port"], beacons=False):
            raise ClusterError(f"{node['address']}: a port from {self.record['port']} on is in use")
        self.record["nodes"][str(node_id)] = node
        self.layout.write_config(self.record, node,
                                 [self._setting(text) for text in self.record.get("settings", []) + settings])
        self.layout.save(self.record)
        self.layout.register(self.record)
        self.start(node_id)

    def open(self):
        self.record = self.layout.load()

    def down(self):
        """Ends everything that runs below the directory, and says so when force was needed."""
        nodes = [node["process"] for node in self.record["nodes"].values() if processes.alive(node["process"])]
        killed = processes.stop(nodes, STOP_DEADLINE_S)
        # A node takes its server along; what is left here belongs to a node that was killed.
        left = processes.below(self.layout.directory, NODE_PROGRAMS)
        killed += processes.stop(left, STOP_DEADLINE_S)
        for node in self.record["nodes"].values():
            node["process"] = None
        self.layout.save(self.record)
        self.layout.unregister()
        return killed

    # -- one node -----------------------------------------------------------------------------------------------

    def node(self, node_id):
        node = self.record["nodes"].get(str(node_id))
        if not node:
            raise ClusterError(f"no node {node_id} here; nodes: {', '.join(self.record['nodes'])}")
        return node

    def start(self, node_id, env=(), settings=()):
        node = self.node(node_id)
        if processes.alive(node["process"]):
            raise ClusterError(f"node {node_id} already runs (pid {node['process']['pid']})")
        command = self._in_netns(node) + [paths.program("ddb-node"), "--config", self.layout.config_path(node["id"])]
        for setting in settings:
            command += ["--set", setting]
        with open(self.layout.log_path(node["id"]), "ab") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.layout.node_dir(
                node["id"]), start_new_session=True, env=paths.environment() | dict(env))
        node["process"] = processes.identity(child.pid)
        self.layout.save(self.record)
        if node["process"] is None:
            raise ClusterError(f"node {node_id} ended at once (exit {child.wait()}):\n"
                               + log_tail(self.layout.log_path(node["id"])))

    def signal(self, node_id, number, with_mysql):
        node = self.node(node_id)
        servers = self._servers(node) if with_mysql else []
        if not processes.send(node["process"], number) and not servers:
            raise ClusterError(f"node {node_id} does not run")
        for who in servers:
            processes.send(who, number)
        if number == signal.SIGKILL:
            processes.wait_gone([node["process"]] + servers, 10)

    def stop(self, node_id):
        node = self.node(node_id)
        processes.stop([node["process"]], STOP_DEADLINE_S)
        processes.stop(processes.below(self.layout.node_dir(node["id"]), NODE_PROGRAMS), STOP_DEADLINE_S)
        node["process"] = None
        self.layout.save(self.record)

    def wipe(self, node_id):
        node = self.node(node_id)
        if processes.alive(node["process"]) or self._servers(node):
            raise ClusterError(f"node {node_id} runs: tools/cluster stop {node_id} --dir {self.layout.directory}")
        shutil.rmtree(os.path.join(self.layout.node_dir(node["id"]), "data"), ignore_errors=True)

    # -- looking ------------------------------------------------------------------------------------------------

    def cli(self, node, arguments, deadline_s):
        """Runs ddb-cli against one node; None when it did not end in time."""
        command = self._in_netns(node) + [paths.program("ddb-cli"), "-h", node["address"], "-P", str(self.record["port"]),
                                          "-u", "root", "--format", "json"] + arguments
        try:
            return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=deadline_s,
                                  env=paths.environment(), check=False)
        except subprocess.TimeoutExpired:
            return None

    def serves(self, node):
        """A strong read: the node has a coordinator with a majority, and its server has applied what is decided."""
        result = self.cli(node, ["--timeout", "2", "-e", "SELECT 1"], 6)
        return result is not None and result.returncode == 0

    def wait_until_serving(self, node_ids, deadline_s):
        waiting = [self.node(i) for i in node_ids]
        end = time.monotonic() + deadline_s
        while waiting:
            for node in waiting:
                if not processes.alive(node["process"]):
                    raise ClusterError(f"node {node['id']} ended while starting; the end of its log:\n"
                                       + log_tail(self.layout.log_path(node["id"])))
            waiting = [node for node in waiting if not self.serves(node)]
            if waiting and time.monotonic() > end:
                names = ", ".join(str(node["id"]) for node in waiting)
                logs = "\n".join(f"--- {self.layout.log_path(node['id'])}\n{log_tail(self.layout.log_path(node['id']))}"
                                 for node in waiting)
                raise ClusterError(f"no strong read within {deadline_s} s on node {names}\n{logs}")
            if waiting:
                time.sleep(0.1)

    def wait_until_answering(self, node_id, deadline_s):
        """A node that is no member yet serves nobody, but says so."""
        node = self.node(node_id)
        end = time.monotonic() + deadline_s
        while not self.status(node):
            running = processes.alive(node["process"])
            if not running or time.monotonic() > end:
                raise ClusterError(f"node {node_id} " + ("says nothing" if running else "ended while starting")
                                   + "; the end of its log:\n" + log_tail(self.layout.log_path(node["id"])))
            time.sleep(0.1)

    def status(self, node):
        """The node's own words, or None: it may be down, paused or without a word to say."""
        if not processes.alive(node["process"]):
            return None
        result = self.cli(node, ["--timeout", "2", "status"], 5)
        if result is None or result.returncode != 0:
            return None
        try:
            return json.loads(result.stdout)
        except ValueError:
            return None

    def line(self, node, with_status=False):
        """The JSON line of a node, as CONTRACT has it."""
        said = self.status(node) or {}
        running = processes.alive(node["process"])
        line = {
            "id": node["id"], "address": node["address"], "port": self.record["port"],
            "pid": node["process"]["pid"] if running else None,
            "mysql_socket": said.get("mysql_socket") or self._server_socket(node),
            "mysql_pid": said.get("mysql_pid") or self._server_pid(node), "log": self.layout.log_path(node["id"]),
        }
        if with_status:
            line["running"] = running
            line["status"] = said or None
        return line

    # -- inside -------------------------------------------------------------------------------------------------

    @staticmethod
    def _setting(text):
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise ClusterError(f"--set {text}: expected key.path=value")
        return key, parse_value(value)

    def _keygen(self):
        if os.path.exists(self.layout.key_dir):  # of a start that failed
            return
        result = subprocess.run([paths.program("ddb-node"), "keygen", "--out", self.layout.key_dir], capture_output=True,
                                text=True, check=False)
        if result.returncode != 0:
            raise ClusterError(f"ddb-node keygen failed: {result.stderr.strip()}")

    def _in_netns(self, node):
        prefix = self.record.get("netns")
        return ["ip", "netns", "exec", f"{prefix}{node['id']}"] if prefix else []

    def _servers(self, node):
        return processes.below(self.layout.node_dir(node["id"]), NODE_PROGRAMS - {"ddb-node"})

    def _server_pid(self, node):
        found = self._servers(node)
        return found[0]["pid"] if found else None

    def _server_socket(self, node):
        """From the server's command line, for when its node cannot be asked."""
        for who in self._servers(node):
            try:
                with open(f"/proc/{who['pid']}/cmdline", encoding="utf-8", errors="replace") as file:
                    words = file.read().split("\0")
            except OSError:
                continue
            for word in words:
                if word.startswith("--socket="):
                    return word[len("--socket="):]
        return None
