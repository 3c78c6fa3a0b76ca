#!/usr/bin/python3
"""What no well-behaved client sends: each gets a clear error, and every node lives on and serves."""

import os
import random
import signal
import socket
import subprocess
import tempfile
import time

from ddb_cluster import LONG, MYSQL, NO_CONNECTION, OK, SLOW, SQL_ERROR, STEADY, Cluster, check, equal, main, need, note, of_server, wait_until

BINARY_TYPES = {"BINARY(200)": 200, "VARBINARY(300)": 256, "TINYBLOB": 255, "BLOB": 256, "MEDIUMBLOB": 256, "LONGBLOB": 256}
TEXT_TYPES = ("CHAR(255) CHARACTER SET latin1", "VARCHAR(300) CHARACTER SET latin1", "TEXT CHARACTER SET latin1",
              "VARCHAR(300) CHARACTER SET utf8mb4", "ENUM('a','b')", "SET('a','b')", "JSON", "INT", "DATE", "DOUBLE",
              "BIT(64)", "GEOMETRY", "DECIMAL(10,2)", "TIMESTAMP", "YEAR", *(() if MYSQL else ("UUID",)))


def lives(cluster, what):
    """Every node still answers, from the process that was started at first."""
    for node, line in cluster.nodes.items():
        equal(cluster.sql(node, "SELECT 1").value, 1, f"node {node} after {what}")
        equal(cluster.record()["nodes"][str(node)]["process"]["pid"], line["pid"], f"process of node {node} after {what}")
        check(os.path.exists(f"/proc/{line['pid']}"), f"node {node} lives after {what}")


def expect(cluster, node, sql, code, **options):
    answer = cluster.cli(node, sql, **options)
    equal(answer.code, SQL_ERROR, f"{sql[:100]!r}: {answer}")
    check(code is None or answer.error.get("code") == code, f"{sql[:100]!r}: error {code}, not {answer.error}")
    check(answer.error.get("message"), f"{sql[:100]!r}: an error in words")


def malformed_sql(cluster):
    for node in cluster.nodes:
        for sql in ("SELEC 1", "SELECT 'open", "SELECT `open", "SELECT /* open", ")", "INSERT INTO", "SELECT * FROM", "\\",
                    "BEGIN NOT ATOMIC", "/*!99999 x", "CREATE TABLE d.x (", "SELECT 1 SELECT 2"):
            answer = cluster.cli(node, sql)
            check(answer.code in (OK, SQL_ERROR), f"{sql!r}: {answer}")
        expect(cluster, node, "SELEC 1", 1064)
        expect(cluster, node, "SELECT * FROM missing_db.t", None)
        expect(cluster, node, "USE missing_db", 1049)
        answer = cluster.cli(node, "SELECT 1", arguments=["-D", "missing_db"])
        check(answer.code != OK and "missing_db" in answer.text + answer.errors, f"unknown database: {answer}")
        for arguments in (["-pwrong"], ):
            answer = cluster.cli(node, "SELECT 1", arguments=arguments)
            check(answer.code in (SQL_ERROR, NO_CONNECTION) and "denied" in answer.text + answer.errors,
                  f"wrong password: {answer}")
        answer = cluster.cli(node, "SELECT 1", user="nobody")
        check(answer.code in (SQL_ERROR, NO_CONNECTION) and "denied" in answer.text + answer.errors, f"unknown user: {answer}")


def invalid_text(cluster):
    cluster.sql(1, "CREATE TABLE d.text (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(300) CHARACTER SET utf8mb4)")
    for sql in (b"INSERT INTO d.text (v) VALUES ('\xff\xfe\x80');", b"SELECT '\xc3\x28' AS `\xf0\x28\x8c\x28`;",
                b"SELEC\xff;", b"\x00\x00;", b"SELECT 'a\x00b';", bytes(range(1, 256)).replace(b";", b"")):
        answer = cluster.cli(2, text=sql)
        check(answer.code in (OK, SQL_ERROR), f"{sql[:50]!r}: {answer}")


def binary_in_every_type(cluster):
    every_byte = bytes(range(256))
    quoted = b"'" + every_byte.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\0", b"\\0") + b"'"
    for number, (kind, length) in enumerate(BINARY_TYPES.items()):
        cluster.sql(1, f"CREATE TABLE d.bin{number} (id INT AUTO_INCREMENT PRIMARY KEY, v {kind})")
        for node, value in ((2, f"UNHEX('{every_byte[:length].hex()}')".encode()), (3, quoted)):
            text = b"SET NAMES binary; INSERT INTO d.bin%d (v) VALUES (LEFT(%s, %d));" % (number, value, length)
            answer = cluster.cli(node, text=text)
            equal(answer.code, OK, f"binary into {kind}: {answer}")
        found = cluster.sql(3, f"SELECT DISTINCT HEX(v) FROM d.bin{number}").rows
        equal(found, [[every_byte[:length].hex().upper()]], f"bytes in {kind}")
    for number, kind in enumerate(TEXT_TYPES):
        cluster.sql(1, f"CREATE TABLE d.txt{number} (id INT AUTO_INCREMENT PRIMARY KEY, v {kind})")
        for node in (2, 3):
            answer = cluster.cli(node, text=b"SET NAMES latin1; INSERT INTO d.txt%d (v) VALUES (%s);" % (number, quoted))
            check(answer.code in (OK, SQL_ERROR), f"binary into {kind}: {answer}")
    cluster.same_tables("d")


def large_statements(cluster):
    cluster.sql(1, "CREATE TABLE d.large (id INT PRIMARY KEY, v LONGBLOB)")
    for megabytes in (8, 64):
        text = b"INSERT INTO d.large VALUES (%d, '%s');" % (megabytes, b"x" * (megabytes << 20))
        answer = cluster.cli(2, text=text, timeout=60)
        check(answer.code in (OK, SQL_ERROR, 4), f"statement of {megabytes} MB: {answer}")
        if answer.code != OK:
            note(f"{megabytes} MB refused: {(answer.error.get('message') or answer.errors)[:160]}")
        check(megabytes > 8 or answer.code == OK, f"a statement of 8 MB works: {answer}")
    size = (1 << 30) if LONG else (200 << 20)
    with tempfile.NamedTemporaryFile(dir=cluster.base) as file:  # a pipe, as `mysqldump | ddb-cli` would be
        file.write(b"INSERT INTO d.large VALUES (1, '")
        for _ in range(size >> 20):
            file.write(b"y" * (1 << 20))
        file.write(b"');\n")
        file.seek(0)
        process = subprocess.run(cluster.command(2, timeout=60), stdin=file, env=cluster.env, capture_output=True, check=False,
                                 timeout=300 * SLOW)
    said = process.stdout.decode("utf-8", "replace") + process.stderr.decode("utf-8", "replace")
    check(process.returncode in (SQL_ERROR, 2, 4), f"statement of {size >> 20} MB: exit {process.returncode}: {said[-300:]}")
    check(said.strip(), "a reason for refusing it")
    note(f"{size >> 20} MB refused: {said.strip()[:160]}")
    cluster.same_tables("d")


def slow_reader(cluster):
    """A large result read slowly is neither cut short nor kept in memory."""
    rows = 10_000_000 if LONG else 500_000
    sql = of_server(f"SELECT seq, REPEAT('r', 20) FROM d.seq_1_to_{rows}")
    words = [word if word != "json" else "tsv" for word in cluster.command(3, ["-e", sql], timeout=120)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=cluster.env)
    lines, highest = 0, 0
    try:
        for chunk in iter(lambda: process.stdout.read(1 << 20), b""):
            lines += chunk.count(b"\n")
            time.sleep(0.2)
            highest = max(highest, memory_mb(cluster.nodes[3]["pid"]))
        equal(process.wait(60), OK, "exit of the slow reader")
    finally:
        process.kill()
    check(lines in (rows, rows + 1), f"{rows} rows read slowly, found {lines}")  # with or without the line of names
    note(f"{rows} rows; the node's memory was at most {highest} MB")
    check(SLOW > 1 or highest < 600, f"the node keeps no result in memory: {highest} MB")


def memory_mb(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def killed_client(cluster):
    """Its transaction goes away and its locks with it."""
    cluster.sql(1, "CREATE TABLE d.locked (id INT PRIMARY KEY, v INT)", "INSERT INTO d.locked VALUES (1, 0)")
    for node in cluster.nodes:
        process = subprocess.Popen(cluster.command(node), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=cluster.env)
        process.stdin.write(b"BEGIN;\nUPDATE d.locked SET v = 99 WHERE id = 1;\nSELECT SLEEP(0);\n")
        process.stdin.flush()
        time.sleep(1.0 * SLOW)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        begun = time.monotonic()
        wait_until(lambda: cluster.cli(1, "UPDATE d.locked SET v = v + 1 WHERE id = 1", timeout=20).code == OK, 60,
                   "the lock of a killed client is released")
        note(f"client on node {node} killed in mid-transaction: its lock is free after {time.monotonic() - begun:.1f} s")
    equal(cluster.sql(2, "SELECT v FROM d.locked").value, 3, "nothing of the killed transactions is there")


def random_frames(cluster):
    chance = random.Random(7)
    greeting = b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x00" + b"CURVE".ljust(20, b"\0") + b"\0" + b"\0" * 31
    payloads = [b"", b"\xff", greeting[:11], greeting, greeting + b"\x04\xff" + b"A" * 300,
                greeting + b"\x06" + b"\xff" * 8 + b"B" * 1000, b"GET / HTTP/1.1\r\n\r\n" + b"h: x\r\n" * 5000,
                b"\x00" * 4096, b"\xff\xff\xff\x00" + b"\x85" * 100] + [chance.randbytes(chance.randrange(1, 9000))
                                                                         for _ in range(30)]
    refused = 0
    for offset in range(4):
        for payload in payloads:
            try:
                with socket.create_connection(("127.0.0.1", cluster.port + offset), timeout=5) as link:
                    link.sendall(payload)
                    link.settimeout(0.05)
                    try:
                        link.recv(4096)
                    except (TimeoutError, ConnectionError):
                        pass
            except ConnectionRefusedError:  # a port that this version leaves closed
                refused += 1
            except ConnectionError:
                pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for payload in payloads:
            sender.sendto(payload, ("127.0.0.1", cluster.record()["discovery_port"]))
    check(refused < 4 * len(payloads), "some port is open")


def full_cluster():
    with Cluster(settings=STEADY) as cluster:
        cluster.sql(1, "CREATE DATABASE d")
        for part in (malformed_sql, invalid_text, binary_in_every_type, large_statements, slow_reader, killed_client,
                     random_frames):
            begun = time.monotonic()
            part(cluster)
            lives(cluster, part.__name__)
            note(f"{part.__name__} ({time.monotonic() - begun:.1f} s)")
        cluster.same_tables("d")


def full_disk():
    """A node whose disk fills up leaves the others working; with space again it comes back."""
    if os.getuid() != 0:
        note("skipped: mounting a small file system needs root")
        return
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, v LONGBLOB)")
        victim = min(cluster.others(cluster.coordinator()))
        cluster.tool("stop", victim)
        data = os.path.join(cluster.directory, f"node-{victim}", "data")
        os.rename(data, data + ".kept")
        os.mkdir(data)
        mounted = subprocess.run([need("mount"), "-t", "tmpfs", "-o", "size=420M", "tmpfs", data], check=False)
        if mounted.returncode != 0:
            note("skipped: no tmpfs can be mounted here")
            return
        try:
            subprocess.run(["cp", "-a", data + ".kept/.", data], check=True)
            cluster.start(victim)
            filler = os.path.join(data, "filler")
            with open(filler, "wb") as file:
                try:
                    while True:
                        file.write(b"\0" * (1 << 20))
                        file.flush()
                except OSError:
                    pass
            alive = [node for node in cluster.nodes if node != victim]
            for n in range(20):
                cluster.sql(alive[n % 2], "INSERT INTO d.t (v) VALUES (REPEAT('x', 1000000))", timeout=20)
            equal(cluster.sql(alive[0], "SELECT COUNT(*) FROM d.t").value, 20, "the others go on")
            os.unlink(filler)
            cluster.tool("stop", victim)
            cluster.start(victim)
            cluster.same_tables("d")
        finally:
            cluster.tool("down", check_exit=False)
            subprocess.run([need("umount"), "-l", data], check=False)


if __name__ == "__main__":
    main(full_cluster, full_disk)
