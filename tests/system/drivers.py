#!/usr/bin/python3
"""Programs in several languages use the database through their own drivers, each through every node, while nodes die.

Each program of tests/drivers takes its first steps through one node, says "ready", and writes rows until a file tells it to
stop; where its node is gone it connects to the next. Every row that it counts must be there, once, on every server.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

from ddb_cluster import SLOW, STEADY, Cluster, check, main, note, wait_until  # noqa: E402
from gateway import account  # noqa: E402

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "drivers")
JAR = "/usr/share/java/mariadb-java-client.jar"
NODE_MODULES = os.path.join(os.path.dirname(os.path.dirname(HERE)), ".cache", "node", "node_modules")
PYTHON = "/usr/bin/python3"
PROGRAMS = {
    "pymysql": [PYTHON, "with_pymysql.py", "pymysql"],
    "MySQLdb": [PYTHON, "with_pymysql.py", "MySQLdb"],
    "sqlalchemy": [PYTHON, "with_sqlalchemy.py"],
    "django": [PYTHON, "with_django.py"],
    "odbc": [PYTHON, "with_odbc.py"],
    "dbi0": ["perl", "with_dbi.pl", "0"],
    "dbi1": ["perl", "with_dbi.pl", "1"],
    "php": ["php", "with_php.php"],
}
if os.path.exists(JAR):  # as large as all others together: tools/setup --drivers
    PROGRAMS["jdbc"] = ["java", "-cp", JAR, "WithJdbc.java"]
if os.path.exists(NODE_MODULES):  # no packages of Debian's: tools/setup --drivers
    PROGRAMS.update(mysql2=["node", "with_mysql2.js", "mysql2"], mariadb=["node", "with_mysql2.js", "mariadb"],
                    sequelize=["node", "with_sequelize.js"], typeorm=["node", "with_typeorm.js"])
if "DDB_DRIVERS" in os.environ:
    PROGRAMS = {name: PROGRAMS[name] for name in os.environ["DDB_DRIVERS"].split(",")}
ROWS = 10  # that each must have written since a node died
STEPS_S, WRITES_S = 120 * SLOW, 60 * SLOW


class Program:
    """One of them at work in a database of its own."""

    def __init__(self, name, cluster, first_node, round_number):
        self.name, self.cluster = name, cluster
        self.database = f"{name.lower()}_{round_number}"
        self.stop_file = os.path.join(cluster.base, self.database)
        cluster.sql(1, f"CREATE DATABASE {self.database}",
                    f"CREATE TABLE {self.database}.written (who VARCHAR(20), n INT, PRIMARY KEY (who, n))")
        nodes = list(cluster.nodes)
        nodes = nodes[first_node:] + nodes[:first_node]
        places = [f"{cluster.nodes[node]['address']}:{cluster.port + 2}" for node in nodes]
        self.log = os.path.join(cluster.base, self.database + ".log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([*PROGRAMS[name], self.database, self.stop_file, *places], cwd=HERE, stdout=log,
                                            stderr=subprocess.STDOUT,
                                            env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", NODE_PATH=NODE_MODULES))

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def ready(self):
        check(self.process.poll() is None, f"{self.database} ended: {self.said()[-1500:]}")
        return "ready" in self.said()

    def rows(self, node):
        return int(self.cluster.mysql(node, f"SELECT COUNT(*) FROM {self.database}.written")[0][0])

    def finish(self):
        with open(self.stop_file, "w", encoding="utf-8"):
            pass
        self.process.wait(WRITES_S)
        last = self.said().strip().splitlines()[-1]
        check(self.process.returncode == 0 and last.startswith("done "), f"{self.database}: {self.said()[-1500:]}")
        self.counted = int(last.split()[1])

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def one_round(cluster, round_number, victim, with_mysql):
    programs = []
    try:
        for index, name in enumerate(PROGRAMS):
            programs.append(Program(name, cluster, (index + round_number) % len(cluster.nodes), round_number))
        wait_until(lambda: all([program.ready() for program in programs]), STEPS_S,
                   lambda: f"first steps of {[program.database for program in programs if not program.ready()]}")
        cluster.kill(victim, with_mysql)
        alive = cluster.others(victim)[0]
        before = {program: program.rows(alive) for program in programs}
        wait_until(lambda: all(program.rows(alive) >= before[program] + ROWS for program in programs), WRITES_S,
                   lambda: f"writes behind the kill: {[(p.database, p.rows(alive) - before[p]) for p in programs]}")
        cluster.start(victim)
        for program in programs:
            program.finish()
        cluster.settle()
        for program in programs:
            counts = [program.rows(node) for node in cluster.nodes]
            check(counts == [program.counted] * len(counts), f"{program.database} counted {program.counted} rows, servers have {counts}")
            cluster.same_tables(program.database)
        note(f"node {victim} killed{' with its server' * with_mysql}: {', '.join(f'{p.name} {p.counted}' for p in programs)}")
    finally:
        for program in programs:
            program.end()


def drivers():
    with Cluster(settings=STEADY) as cluster:
        cluster.sql(1, *account("app", "secret"))
        for round_number in range(len(cluster.nodes)):
            coordinator = cluster.coordinator()
            victim = coordinator if round_number != 1 else cluster.others(coordinator)[0]
            one_round(cluster, round_number, victim, with_mysql=round_number == 2)


if __name__ == "__main__":
    main(drivers)
