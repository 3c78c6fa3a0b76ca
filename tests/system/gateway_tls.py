#!/usr/bin/python3
"""MySQL clients under TLS: the command-line client and a driver, each with the certificate verified; large rows; clients
without TLS beside them and refused where TLS is required; handshakes that are none; accounts that REQUIRE SSL; the
certificate of the node's making.
"""

import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

from ddb_cluster import MYSQL, SLOW, Cluster, check, equal, main, need, of_server, wait_until  # noqa: E402

USER, PASSWORD = "app", "secret"
CLIENT_SSL = 1 << 11


def certificate(directory, name):
    """A certificate of its own making, for every loopback address of the cluster: its file and its key's."""
    cert, key = os.path.join(directory, f"{name}.pem"), os.path.join(directory, f"{name}.key")
    subprocess.run([need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=ddb-test",
                    "-addext", "subjectAltName=IP:127.0.0.1,IP:127.0.0.2,IP:127.0.0.3", "-keyout", key, "-out", cert],
                   check=True, capture_output=True, timeout=60 * SLOW)
    return cert, key


def mariadb(cluster, node, *words, text="SELECT 1", user=USER, password=PASSWORD):
    command = [need("mariadb"), "--no-defaults", "-h", cluster.nodes[node]["address"], "-P", str(cluster.port + 2), "-u", user,
               "-NB", *words, "-e", text]
    result = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, MYSQL_PWD=password), check=False,
                            timeout=60 * SLOW)
    return result.returncode, result.stdout.strip(), result.stderr.strip()


def connect(cluster, node, cert=None, user=USER):
    import pymysql

    options = {"ssl": {"ca": cert, "check_hostname": True}} if cert else {}
    return pymysql.connect(host=cluster.nodes[node]["address"], port=cluster.port + 2, user=user, password=PASSWORD,
                           read_timeout=60 * SLOW, write_timeout=60 * SLOW, autocommit=True, **options)


def command_line(cluster, cert, other):
    verified = ["--ssl", f"--ssl-ca={cert}", "--ssl-verify-server-cert"]
    for node in cluster.nodes:
        code, out, errors = mariadb(cluster, node, *verified, text="status")
        equal(code, 0, f"node {node} with a verified certificate: {errors}")
        check("Cipher in use is TLS" in out, f"node {node}: the client says that it uses TLS: {out}")
    code, _, errors = mariadb(cluster, 1, "--ssl", f"--ssl-ca={other}", "--ssl-verify-server-cert")
    check(code != 0 and "2026" in errors, f"a certificate of nobody the client knows: {errors}")
    code, out, errors = mariadb(cluster, 1, "--skip-ssl", text="status")
    check(code == 0 and "Not in use" in out, f"a client without TLS is served as well: {out} {errors}")


def driver(cluster, cert):
    connection = connect(cluster, 2, cert)
    check(isinstance(connection._sock, ssl.SSLSocket), "the driver speaks TLS")  # pylint: disable=protected-access
    content = os.urandom(1 << 20)
    large = "0123456789abcdef" * (17 << 16)  # 17 MiB: more than one packet
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE s")
        cursor.execute("CREATE TABLE s.t (id INT PRIMARY KEY, v LONGBLOB)")
        cursor.execute("INSERT INTO s.t VALUES (1, %s)", (content,))
        cursor.execute("SELECT v FROM s.t")
        equal(hashlib.sha256(cursor.fetchone()[0]).digest(), hashlib.sha256(content).digest(), "a row there and back")
        cursor.execute("SELECT SHA2(%s, 256), LENGTH(REPEAT('x', 17 << 20)), REPEAT('x', 17 << 20)", (large,))
        digest, length, back = cursor.fetchone()
        equal(digest, hashlib.sha256(large.encode()).hexdigest(), "a command of two packets")
        equal((length, back.count("x")), (17 << 20, 17 << 20), "a row of two packets")
        cursor.execute(of_server("SELECT seq, REPEAT('x', 500) FROM s.seq_1_to_20000"))
        equal(len(cursor.fetchall()), 20000, "rows of a long result")
    connection.close()
    with connect(cluster, 3).cursor() as cursor:
        cursor.execute("SELECT LENGTH(v) FROM s.t")
        equal(cursor.fetchone()[0], len(content), "what was written under TLS, read without it")


def ask_for_tls(cluster, node):
    client = socket.create_connection((cluster.nodes[node]["address"], cluster.port + 2), timeout=10 * SLOW)
    client.settimeout(30 * SLOW)
    client.recv(200)
    flags = 0x0200 | 0x8000 | CLIENT_SSL  # protocol 4.1, secure connection
    client.sendall(b"\x20\x00\x00\x01" + flags.to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + b"\x2d" + bytes(23))
    return client


def bad_handshakes(cluster, cert):
    silent = [ask_for_tls(cluster, 1) for _ in range(40)]
    begin = time.monotonic()
    with connect(cluster, 1, cert).cursor() as cursor:
        cursor.execute("SELECT 1")
    check(time.monotonic() - begin < 5 * SLOW, "the node serves while others say nothing")
    for _ in range(20):
        with ask_for_tls(cluster, 1) as client:
            client.sendall(os.urandom(200))
            try:
                while client.recv(200):
                    pass
            except ConnectionError:
                pass
    for client in silent:
        equal(client.recv(200), b"", "a handshake that does not come is not waited for")
        client.close()
    log = cluster.log(1)
    check("TLS with the MySQL client at 127.0.0.1 failed" in log, "the log tells of bad handshakes")
    check(log.count("TLS with the MySQL client") < 30, "and is not flooded by them")


def accounts(cluster, cert):
    """REQUIRE SSL is for the client's way to its node, whichever server its statements reach. What is asked of a certificate
    of the client's no server sees."""
    some = "FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME 1" if MYSQL else ""
    cluster.sql(1, f"CREATE USER sealed@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL {some}", "GRANT ALL ON s.* TO sealed@'%'",
                f"CREATE USER certified@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE X509", "CREATE TABLE s.sealed (id INT PRIMARY KEY, v LONGTEXT)")
    cluster.settle()
    words = ["--ssl", f"--ssl-ca={cert}"]
    for node in cluster.nodes:
        # Once: the second wrong password in a row would lock the account.
        code, _, errors = mariadb(cluster, node, *words, user="sealed", password="wrong")
        check(code != 0 and "1045" in errors, f"node {node}, another password: {errors}")
        text = f"INSERT INTO s.sealed VALUES ({node}, REPEAT('x', 20000)); SELECT COUNT(*), SUM(LENGTH(v)) FROM s.sealed"
        equal(mariadb(cluster, node, *words, text=text, user="sealed"), (0, f"{node}\t{node * 20000}", ""), f"node {node} by TLS")
        code, _, errors = mariadb(cluster, node, "--skip-ssl", user="sealed")
        check(code != 0 and "1045" in errors, f"node {node} without TLS: {errors}")
        code, _, errors = mariadb(cluster, node, *words, user="certified")
        check(code != 0 and "1045" in errors, f"node {node}, an account that wants a certificate of the client: {errors}")
        # Between ddb-cli and the node all is encrypted.
        told = cluster.sql(node, "SELECT COUNT(*) FROM s.sealed", arguments=[f"-p{PASSWORD}"], user="sealed")
        equal(told.last["rows"], [[node]], f"ddb-cli at node {node}")
    first = cluster.coordinator()
    other = cluster.others(first)[0]
    with connect(cluster, other, cert, user="sealed") as connection, connection.cursor() as cursor:
        cursor.execute("SET @kept = 'kept'")
        cursor.execute("INSERT INTO s.sealed VALUES (10, @kept)")
        cluster.kill(first)
        cursor.execute("INSERT INTO s.sealed VALUES (11, @kept)")
        cursor.execute("SELECT GROUP_CONCAT(v) FROM s.sealed WHERE id >= 10")
        equal(cursor.fetchone(), ("kept,kept",), "at the next coordinator as well")
    cluster.start(first)


def required(cluster, cert):
    cluster.tool("stop", 1)
    path = os.path.join(cluster.directory, "node-1", "mysql.sock")
    cluster.start(1, settings=["gateway.tls_required=true", f"gateway.socket={path}"])
    wait_until(lambda: mariadb(cluster, 1, "--ssl", f"--ssl-ca={cert}")[1] == "1", 30, "a client with TLS is served")
    code, _, errors = mariadb(cluster, 1, "--skip-ssl")
    check(code != 0 and "gateway.tls_required" in errors, f"a client without TLS: {errors}")
    # What goes through a path does not leave the host.
    equal(mariadb(cluster, 1, "--skip-ssl", "-h", "localhost", "-S", path)[:2], (0, "1"), "a client of the host")


def own_certificate():
    """Without any setting. Clients of MariaDB 11.4 and newer take it, as the answer to their login proves it by their password."""
    import pymysql

    class Client(pymysql.connections.Connection):
        """Keeps the packets of its login."""

        def _read_packet(self, packet_type=pymysql.protocol.MysqlPacket):
            packet = super()._read_packet(packet_type)
            self.heard = [*getattr(self, "heard", []), packet.get_all_data()]
            return packet

    with Cluster() as cluster:
        cluster.sql(1, f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'")
        cluster.settle()
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        for node in cluster.nodes:
            where = {"host": cluster.nodes[node]["address"], "port": cluster.port + 2, "user": USER, "password": PASSWORD}
            for secured in (unverified, None):
                with Client(**where, ssl=secured, read_timeout=60 * SLOW) as client:
                    equal(isinstance(client._sock, ssl.SSLSocket), secured is not None, "TLS where the client wants it")  # pylint: disable=protected-access
                    if MYSQL:
                        continue
                    text = client.heard[1][8:].decode()
                    if secured is None:
                        equal(text, "", "what a client without TLS is told")
                        continue
                    kept = hashlib.sha1(hashlib.sha1(PASSWORD.encode()).digest()).digest()
                    certificate_digest = hashlib.sha256(client._sock.getpeercert(True)).digest()  # pylint: disable=protected-access
                    proof = hashlib.sha256(kept + client.salt[:20] + certificate_digest).hexdigest().upper()
                    equal(text, "\x01" + proof, f"node {node} proves its certificate")


def tls():
    directory = tempfile.mkdtemp(prefix="ddb-tls.", dir="/tmp")
    try:
        cert, key = certificate(directory, "node")
        other, _ = certificate(directory, "other")
        with Cluster(settings=[f"gateway.tls_cert={cert}", f"gateway.tls_key={key}"]) as cluster:
            cluster.sql(1, f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'", f"GRANT ALL ON *.* TO {USER}@'%'")
            for part in (lambda: command_line(cluster, cert, other), lambda: driver(cluster, cert),
                         lambda: bad_handshakes(cluster, cert), lambda: accounts(cluster, cert), lambda: required(cluster, cert)):
                part()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(tls, own_certificate)
