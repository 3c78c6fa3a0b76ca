#!/usr/bin/python3
"""Starts that cannot work: each ends at once, with an error that names what is wrong and what was expected.

And one that can: where few files may be open, a node takes what it may have, and as many clients as always."""

import json
import os
import resource
import shutil
import subprocess
import tempfile

from ddb_cluster import BIN, SLOW, Cluster, check, equal, main, note
from wire_client import Client

NODE = os.path.join(BIN, "ddb-node")


def run(arguments, deadline_s=20, **options):
    """Ends by itself; a daemon that starts nevertheless is a failure (TimeoutExpired)."""
    result = subprocess.run([NODE, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                            timeout=deadline_s * SLOW, **options)
    return result.returncode, result.stdout + result.stderr


def refuses(text, config, *words):
    with tempfile.TemporaryDirectory(prefix="ddb-system.", dir="/tmp") as directory:
        path = os.path.join(directory, "config.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config if isinstance(config, str) else json.dumps(config))
        code, said = run(["--check-config", "--config", path])
        check(code != 0, f"{text}: accepted")
        for word in words:
            check(word in said, f"{text}: the error names {word}: {said.strip()}")


def configurations():
    good = {"cluster": {"name": "x", "key_dir": "keys"}, "node": {"id": 1, "data_dir": "data"}}
    refuses("an unknown key", dict(good, nod={"id": 1}), "nod")
    refuses("an unknown key inside", dict(good, node={"id": 1, "prot": 6000}), "node.prot")
    refuses("a mistyped key", dict(good, timing={"heartbeat_ms": "fast"}), "timing.heartbeat_ms", "fast")
    refuses("a value out of range", dict(good, node={"id": 70000}), "node.id", "70000", "65535")
    refuses("a negative value", dict(good, node={"id": -1}), "node.id", "-1")
    refuses("a port that is none", dict(good, node={"id": 1, "port": 65535}), "node.port")
    refuses("an impossible pair", dict(good, timing={"heartbeat_ms": 500, "election_ms": 600}), "timing.election_ms")
    refuses("a section that is a number", dict(good, discovery=5), "discovery")
    refuses("no node.id", {"cluster": {"name": "x"}}, "node.id")
    refuses("no JSON", "{\"node\": ", "line")
    refuses("an empty file", "")
    refuses("bytes", "\x00\x01\x02")
    refuses("an unset variable", dict(good, log={"file": "${DDB_SURELY_UNSET}"}), "DDB_SURELY_UNSET")
    code, said = run(["--check-config", "--config", "/nonexistent/config.json"])
    check(code != 0 and "/nonexistent/config.json" in said, f"a missing file is named: {said}")
    code, said = run(["--no-such-option"])
    check(code == 2, f"an unknown option is a usage error: {code}: {said}")


def keys():
    with tempfile.TemporaryDirectory(prefix="ddb-system.", dir="/tmp") as directory:
        out = os.path.join(directory, "keys")
        equal(run(["keygen", "--out", out])[0], 0, "keygen")
        for name in os.listdir(out):
            equal(os.stat(os.path.join(out, name)).st_mode & 0o777, 0o600, f"mode of {name}")
        code, said = run(["keygen", "--out", out])
        check(code != 0, f"keygen does not overwrite keys: {said}")
        config = os.path.join(directory, "config.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"cluster": {"key_dir": "keys"}, "node": {"id": 1, "address": "127.0.0.1", "data_dir": "data"}}, file)
        os.chmod(os.path.join(out, "cluster.key"), 0o644)
        code, said = run(["--config", config])
        check(code != 0 and "cluster.key" in said, f"keys that others can read are refused: {said}")
        shutil.rmtree(out)
        code, said = run(["--config", config])
        check(code != 0 and "keygen" in said, f"missing keys: the remedy is named: {said}")


def places():
    """A port in use; the data directory of another node, running or not."""
    with Cluster(nodes=1) as cluster:
        config = os.path.join(cluster.directory, "node-1", "config.json")
        data = os.path.join(cluster.directory, "node-1", "data")
        with tempfile.TemporaryDirectory(prefix="ddb-system.", dir="/tmp") as directory:
            code, said = run(["--config", config, "--set", f"node.data_dir={directory}/data"], env=cluster.env)
            check(code != 0 and str(cluster.port) in said, f"a port in use is named: {said}")
        code, said = run(["--config", config, "--set", f"node.port={cluster.port + 40}"], env=cluster.env)
        check(code != 0 and data in said, f"a data directory in use is named: {said}")
        cluster.sql(1, "SELECT 1")
        cluster.tool("stop", 1)
        code, said = run(["--config", config, "--set", "node.id=2"], env=cluster.env)
        check(code != 0 and "1" in said, f"the data directory of node 1 is refused to node 2: {said}")
        # Root may read everything; a link to itself nobody can follow.
        database = os.path.join(data, "mysql", "data")
        os.rename(database, database + ".away")
        os.symlink(database, database)
        code, said = run(["--config", config], env=cluster.env)
        check(code == 1 and database in said, f"a database directory that cannot be read is named: {code}: {said}")
        os.unlink(database)
        os.rename(database + ".away", database)
        cluster.start(1)
        cluster.sql(1, "SELECT 1")


def full_disk():
    if os.getuid() != 0:
        return note("skipped: mounting a small file system needs root")
    with tempfile.TemporaryDirectory(prefix="ddb-system.", dir="/tmp") as directory:
        run(["keygen", "--out", os.path.join(directory, "keys")])
        data = os.path.join(directory, "data")
        config = os.path.join(directory, "config.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"cluster": {"key_dir": "keys"}, "node": {"id": 1, "address": "127.0.0.1", "data_dir": "data"}}, file)
        os.mkdir(data)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", data], check=True)
        try:
            for left_kb in (0, 16, 900):
                with open(os.path.join(data, "filler"), "wb") as file:
                    file.write(bytes((1024 - left_kb) << 10))
                code, said = run(["--config", config])
                check(code == 1 and "no space left on the disk" in said, f"{left_kb} KB are left: {code}: {said}")
        finally:
            subprocess.run(["umount", "-l", data], check=True)


def few_files():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        with Cluster(nodes=1, settings=["mysql.user=keeper"]) as cluster:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            equal(cluster.cli(1, "DROP USER keeper@localhost").error.get("code"), 1235, "the node's own account is not dropped")
            address = cluster.nodes[1]["address"], cluster.port + 2
            clients = [Client(*address, "root", "") for _ in range(500)]
            for client in clients:
                equal(client.query("DO 0")[-1][0], "ok", "each of 500 clients is served")
            try:
                Client(*address, "root", "")
                check(False, "one more is accepted")
            except (ConnectionError, IndexError) as error:
                note(f"one more: {error}")
            clients.pop().close()
            for client in clients:
                client.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


if __name__ == "__main__":
    main(configurations, keys, places, full_disk, few_files)
