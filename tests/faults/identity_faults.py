"""A second process under the id of a node that lives."""

import os
import shutil
import subprocess

from ddb_cluster import BIN, check, note, wait_until


class Second:
    """A process of its own with another node's configuration, at an address and with a directory of its own."""

    def __init__(self, cluster, node, data):
        self.directory = os.path.join(cluster.base, "second")
        self.log_path = os.path.join(self.directory, "log")
        os.makedirs(self.directory, exist_ok=True)
        config = os.path.join(cluster.directory, f"node-{node}", "config.json")
        settings = [f"node.address=127.0.0.{40 + node}", f"node.data_dir={data}"]
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([os.path.join(BIN, "ddb-node"), "--config", config,
                                             *[word for setting in settings for word in ("--set", setting)]],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=cluster.env)

    def words(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            note(f"   the second one: {self.words()[-2000:]}")
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def two_with_one_id(run):
    cluster = run.cluster
    for turn in run.rounds(2, 6):
        node = run.coordinator() if turn % 2 else run.follower()
        data = os.path.join(cluster.base, "second", "data")
        copied = turn % 4 >= 2 or not run.long and turn == 1
        if copied:  # a clone of the machine: its journal has the same identity
            cluster.tool("stop", node)
            shutil.copytree(os.path.join(cluster.directory, f"node-{node}", "data"), data,
                            ignore=lambda _, names: [name for name in names if name.endswith(".sock")])
            cluster.start(node)
        # Of two that have just started nobody could say which is the later one.
        wait_until(lambda: cluster.verb(node, "status").last.get("uptime_s", 0) > 10, 30, f"node {node} has run for a while")
        run.fault(f"a second process with the id of node {node}, {'a copy of its data' if copied else 'without data'}")
        with Second(cluster, node, data) as second:
            wait_until(lambda: second.process.poll() is not None, 40, "the second one stops")
            note(f"   it ended with {second.process.poll()}: {reason(second.words())}")
            check(second.process.poll() != 0 and f"another live node uses node.id {node}" in second.words(),
                  f"it says why: {second.words()[-600:]}")
            check(cluster.verb(node, "status").code == 0, f"node {node} itself goes on")
            run.load.await_served()
            check(cluster.cli(node, "SELECT 1", timeout=5).code == 0, f"node {node} itself goes on")


def reason(words):
    said = [line[24:] for line in words.splitlines() if "node.id" in line]
    return said[-1][:200] if said else words[-200:]
