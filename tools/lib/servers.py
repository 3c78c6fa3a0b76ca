"""Private database servers for comparison: one plain, or three joined by Galera. Nothing of the host's is touched."""

import os
import shutil
import socket
import subprocess
import time

import paths

# What a managed server of ddb runs with, so that the comparison is one of replication and of nothing else.
COMMON = {
    "skip-name-resolve": None, "performance-schema": "OFF", "innodb-buffer-pool-size": "64M", "innodb-log-file-size": "48M",
    "max-connections": "500", "character-set-server": "utf8mb4", "innodb-snapshot-isolation": "ON", "log-bin": "binlog",
    "binlog-format": "ROW", "binlog-row-image": "FULL", "binlog-checksum": "NONE", "sync-binlog": "0",
    "max-allowed-packet": "1G", "event-scheduler": "OFF", "key-buffer-size": "1M", "aria-pagecache-buffer-size": "8M",
}
# The same of MySQL.
COMMON_MYSQL = {
    "skip-name-resolve": None, "performance-schema": "OFF", "innodb-buffer-pool-size": "64M", "innodb-redo-log-capacity": "48M",
    "max-connections": "500", "character-set-server": "utf8mb4", "log-bin": "binlog", "binlog-row-image": "FULL",
    "binlog-checksum": "NONE", "sync-binlog": "0", "max-allowed-packet": "1G", "event-scheduler": "OFF", "key-buffer-size": "1M",
    "gtid-mode": "ON", "enforce-gtid-consistency": "ON", "log-bin-trust-function-creators": "ON", "xa-detach-on-prepare": "OFF",
    "innodb-native-foreign-keys": "ON", "disabled-storage-engines": "MyISAM,MRG_MYISAM,MEMORY,CSV,ARCHIVE,BLACKHOLE,FEDERATED",
    "information-schema-stats-expiry": "0", "mysqlx": "OFF",
}
RELAXED = {"innodb-flush-log-at-trx-commit": "2"}
DURABLE = {"innodb-flush-log-at-trx-commit": "1"}


class ServerError(Exception):
    pass


def free_ports(count):
    """Ports that are free now; held together while asking, so that all differ."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class Server:
    """One mariadbd with its own directory and option file. An option of None has no value, one of False is left out."""

    common = COMMON

    def __init__(self, directory, options):
        self.directory = directory
        self.options = options
        self.socket = os.path.join(directory, "sock")
        self.log = os.path.join(directory, "log")
        self.process = None
        if len(self.socket) > 100:
            raise ServerError(f"socket path too long for the kernel: {self.socket}")

    def install(self):
        data = os.path.join(self.directory, "data")
        os.makedirs(data)
        options = dict(self.common, **self.base_directory(), **self.options)
        options.update({"datadir": data, "socket": self.socket, "pid-file": os.path.join(self.directory, "pid")})
        if os.getuid() == 0:
            options["user"] = "root"
        with open(os.path.join(self.directory, "my.cnf"), "w", encoding="utf-8") as file:
            file.write("[mysqld]\n")
            for key, value in options.items():
                if value is not False:
                    file.write(key + ("" if value is None else f"={value}") + "\n")
        command = self.install_command(data) + (["--user=root"] if os.getuid() == 0 else [])
        result = subprocess.run(command, capture_output=True, text=True, env=paths.environment(), check=False)
        if result.returncode != 0:
            raise ServerError(f"{command[0]} failed:\n{result.stdout}{result.stderr}")

    def install_command(self, data):
        return [paths.program("mariadb-install-db"), "--no-defaults", *self.elsewhere(), f"--datadir={data}", "--skip-test-db",
                "--auth-root-authentication-method=normal"]

    def base_directory(self):
        """Of a version that is unpacked beside the system's: where its files are."""
        prefix = os.path.dirname(os.path.dirname(self.program()))
        return {"basedir": prefix} if prefix != "/usr" else {}

    def elsewhere(self):
        return [f"--{key}={value}" for key, value in self.base_directory().items()]

    def program(self):
        return paths.program("mariadbd")

    def start(self, *arguments):
        command = [self.program(), f"--defaults-file={self.directory}/my.cnf", *arguments]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=paths.environment(), start_new_session=True)

    def sql(self, text, check=True):
        command = [paths.program("mariadb"), "--no-defaults", "-S", self.socket, "-uroot", "-NB"]
        result = subprocess.run(command, input=text, capture_output=True, text=True, env=paths.environment(), check=False)
        if check and result.returncode != 0:
            raise ServerError(f"{result.stderr.strip()} in: {text[:200]}")
        return result.stdout.strip()

    def wait_for(self, question, answer, deadline_s):
        end = time.monotonic() + deadline_s
        while self.sql(question, check=False) != answer:
            if self.process.poll() is not None or time.monotonic() > end:
                with open(self.log, encoding="utf-8", errors="replace") as file:
                    raise ServerError(f"server in {self.directory} does not come up:\n{file.read()[-3000:]}")
            time.sleep(0.1)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class MysqlServer(Server):
    """One mysqld, of the given path, whose files lie beside it as tools/setup --mysql leaves them."""

    common = COMMON_MYSQL

    def __init__(self, directory, options, program):
        self.path = program
        # The files' default directory is not there where no package was installed.
        super().__init__(directory, {**options, "secure-file-priv": directory})

    def install_command(self, data):
        return [self.path, "--no-defaults", "--initialize-insecure", *self.elsewhere(), f"--datadir={data}"]

    def program(self):
        return self.path


class Plain:
    """One server, no replication."""

    protocol = "mysql"  # as ddb-bench-load has it

    def __init__(self, directory, flush):
        self.port, = free_ports(1)
        self.server = Server(os.path.join(directory, "plain"), dict(flush, **{"bind-address": "127.0.0.1", "port": self.port}))

    def start(self):
        self.server.install()
        self.server.start()
        self.server.wait_for("SELECT 1", "1", 60)

    def load(self, text):
        self.server.sql(text)

    def sockets(self):
        return [self.server.socket]

    def addresses(self):
        return [f"127.0.0.1:{self.port}"]

    def pids(self):
        return {}

    def stop(self):
        self.server.stop()


class Galera:
    """Three servers with synchronous replication; new ones get their data by mariadb-backup."""

    protocol = "mysql"  # as ddb-bench-load has it

    def __init__(self, directory, flush):
        provider = next((path for path in ("/usr/lib/galera/libgalera_smm.so", "/usr/lib/libgalera_smm.so")
                         if os.path.exists(path)), None)
        if not provider or not shutil.which("wsrep_sst_mariabackup", path=paths.environment()["PATH"]):
            raise ServerError("Galera is missing: tools/setup --bench")
        mysql, group, ist, sst = free_ports(4)
        addresses = [f"127.0.0.{i}" for i in (1, 2, 3)]
        peers = ",".join(f"{address}:{group}" for address in addresses)
        self.servers = []
        self.port = mysql
        for i, address in enumerate(addresses, start=1):
            options = dict(flush, **{
                "log-bin": False,  # Galera needs none and is faster without
                "server-id": i, "bind-address": address, "port": mysql, "innodb-autoinc-lock-mode": "2",
                "wsrep-on": "ON", "wsrep-provider": provider, "wsrep-cluster-name": "bench",
                "wsrep-cluster-address": f"gcomm://{peers}", "wsrep-node-address": f"{address}:{group}",
                "wsrep-node-name": f"node{i}", "wsrep-sst-method": "mariabackup", "wsrep-sst-auth": "root:",
                "wsrep-sst-receive-address": f"{address}:{sst}", "wsrep-slave-threads": "4",
                "wsrep-provider-options": f"gmcast.listen_addr=tcp://{address}:{group};ist.recv_addr={address}:{ist};"
                                          f"ist.recv_bind={address};gcache.size=64M",
            })
            self.servers.append(Server(os.path.join(directory, f"galera-{i}"), options))

    def start(self):
        for i, server in enumerate(self.servers):
            server.install()
            server.start(*(["--wsrep-new-cluster"] if i == 0 else []))
            server.wait_for("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
                            "WHERE VARIABLE_NAME = 'wsrep_local_state_comment'", "Synced", 120)

    def load(self, text):
        self.servers[0].sql(text)

    def sockets(self):
        return [server.socket for server in self.servers]

    def addresses(self):
        return [f"{server.options['bind-address']}:{self.port}" for server in self.servers]

    def pids(self):
        return {}

    def stop(self):
        for server in reversed(self.servers):
            server.stop()
