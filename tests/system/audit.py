#!/usr/bin/python3
"""The audit compares all tables at one index while writes go on; the node that differs is named and rebuilt by itself.

Tables of every kind of key are equal under load; a row changed behind ddb's back without a trace in the binary log is
found by table, chunk and node; one written with a trace has the node audited without being asked; when it is the
coordinator's, the office is handed over first, and no client sees an error of it.
"""

from ddb_cluster import LONG, MYSQL, OK, Background, Cluster, check, equal, main, note, of_server, wait_until
from state_transfer import wait_level

TABLES = of_server("""
CREATE DATABASE d;
CREATE TABLE d.numbers (id BIGINT AUTO_INCREMENT PRIMARY KEY, v DOUBLE, w VARCHAR(50));
CREATE TABLE d.words (a VARCHAR(40) CHARACTER SET latin1, b INT, v BLOB, PRIMARY KEY (a, b));
CREATE TABLE d.bytes (id VARBINARY(20) PRIMARY KEY, v INT);
CREATE TABLE d.decimals (id DECIMAL(30,10) PRIMARY KEY, at DATETIME(6));
CREATE TABLE d.enums (e ENUM('z','y','x') PRIMARY KEY, g INT AS (e + 1));
CREATE TABLE d.`od d` (id INT PRIMARY KEY, hidden INT INVISIBLE DEFAULT 7);
CREATE TABLE d.parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3;
INSERT INTO d.numbers (v, w) SELECT RAND(), UUID() FROM d.seq_1_to_9000;
INSERT INTO d.words SELECT CONCAT('wört ', seq % 100, '\\''), seq, REPEAT(CHAR(seq % 256), 20) FROM d.seq_1_to_5000;
INSERT INTO d.bytes SELECT LEFT(UNHEX(SHA2(seq, 256)), 20), seq FROM d.seq_1_to_4500;
INSERT INTO d.decimals SELECT seq * 1234567890123456.0000000001, NOW(6) FROM d.seq_1_to_4100;
INSERT INTO d.enums (e) VALUES ('x'), ('y'), ('z');
INSERT INTO d.`od d` (id) VALUES (1), (2);
INSERT INTO d.parts SELECT seq FROM d.seq_1_to_3000;
CREATE TABLE d.versions (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
INSERT INTO d.versions SELECT seq, 1 FROM d.seq_1_to_10;
UPDATE d.versions SET v = 2;
CREATE TABLE d.floats (id DOUBLE PRIMARY KEY);
INSERT INTO d.floats SELECT SQRT(seq) FROM d.seq_1_to_4500;
CREATE TABLE d.spelt_out (id INT PRIMARY KEY) SELECT 1 AS id, _latin1'abc' AS a;
CREATE TABLE d.load_here (id INT AUTO_INCREMENT PRIMARY KEY, v INT);
""")
# MySQL refuses what has no primary key.
OTHER_KEYS = [] if MYSQL else ["CREATE TABLE d.other_keys (x INT UNIQUE, t VARCHAR(90) NOT NULL, a VARCHAR(40) NOT NULL, b INT NOT NULL, "
                               "UNIQUE by_part (t(9)), UNIQUE by_two (b, a))",
                               "INSERT INTO d.other_keys SELECT NULL, UUID(), CONCAT('a ', seq), seq DIV 3 FROM d.seq_1_to_4500",
                               # Equal as a whole, as a collation has it, where their parts differ.
                               "CREATE TABLE d.part_keys (t TEXT COLLATE utf8mb4_unicode_ci NOT NULL, n INT, UNIQUE by_part (t(9)))",
                               "INSERT INTO d.part_keys VALUES ('12345678ß', 1), ('12345678ss', 2), ('a', 3)"]
INSERT = "INSERT INTO d.load_here (v) VALUES (1)"


DEFINITIONS = ["ALTER TABLE d.numbers ADD COLUMN extra INT DEFAULT 5", "ALTER TABLE d.numbers DROP COLUMN extra",
               "CREATE TABLE d.short (id INT PRIMARY KEY) SELECT 1 AS id", "RENAME TABLE d.short TO d.other", "TRUNCATE TABLE d.other",
               "DROP TABLE d.other", "ALTER TABLE d.words ENGINE=InnoDB"]


class Load(Background):
    """Runs the statements again and again through one node."""

    def __init__(self, cluster, node, *statements):
        super().__init__()
        self.cluster, self.node, self.statements = cluster, node, statements
        self.done, self.failed = 0, []

    def step(self):
        for statement in self.statements:
            answer = self.cluster.cli(self.node, statement, timeout=20)
            if answer.code == OK:
                self.done += 1
            else:
                self.failed.append(f"{statement}: {answer}"[:300])


def audit(cluster, node, code=OK):
    answer = cluster.verb(node, "audit", timeout=60)
    equal(answer.code, code, f"audit: {answer}")
    return answer.last


def rebuilt(cluster, node):
    """The node was loaded anew and is an ordinary one again."""
    wait_until(lambda: "fenced, nothing more is applied" in cluster.log(node), 30, f"node {node} is fenced: {cluster.log(node)[-800:]}")
    wait_until(lambda: cluster.log(node).rfind("is up, applied index") > cluster.log(node).rfind("fenced, nothing more"), 60,
               f"node {node} is loaded anew: {cluster.log(node)[-800:]}")
    wait_level(cluster, node)


def equal_under_load(cluster):
    with Load(cluster, 1, INSERT) as load:
        for node in cluster.nodes:
            found = audit(cluster, node)
            equal((found["equal"], found["differences"], found["nodes"], found["rebuilt"]), (True, [], [1, 2, 3], []), "an audit of equal nodes")
            check(found["tables"] == 11 + len(OTHER_KEYS) // 2 and found["rows"] > 30_000, f"it saw everything: {found}")
            equal(found["unclear"], [], "what it could not tell")
        cluster.sql(2, "ALTER TABLE d.parts ADD COLUMN v INT")
        before = load.done
        wait_until(lambda: load.done > before, 20, "writes go on")
    equal(load.failed, [], "failed writes")


def definitions_meanwhile(cluster):
    """Whatever changes while tables are read: nobody is convicted."""
    unclear = 0
    with Load(cluster, 2, *DEFINITIONS) as load, Load(cluster, 1, INSERT):
        for _ in range(30 if LONG else 5):
            found = audit(cluster, 1)
            equal((found["equal"], found["rebuilt"]), (True, []), f"an audit among definitions: {found}")
            unclear += len(found["unclear"])
    equal(load.failed, [], "failed definitions")
    note(f"{load.done} definitions meanwhile, {unclear} tables unclear")


def silent_change(cluster, follower):
    """Without the binary log, so that nothing but the audit can find it. A node that was loaded shows collations that others imply."""
    cluster.sql(1, "CREATE DATABASE collated COLLATE utf8mb4_spanish_ci", "CREATE TABLE collated.t (id INT PRIMARY KEY, a VARCHAR(9), "
                "b CHAR(3) CHARACTER SET latin1 COLLATE latin1_bin, c CHAR(3) CHARACTER SET latin1, d TEXT COLLATE utf8mb4_bin)",
                "CREATE TABLE collated.other (id INT PRIMARY KEY, a VARCHAR(9) COLLATE utf8mb4_spanish_ci) COLLATE utf8mb4_bin")
    cluster.mysql(follower, "SET sql_log_bin=0; UPDATE d.numbers SET v = v + 1 WHERE id = 6001")
    found = audit(cluster, cluster.coordinator(), code=1)
    note(f"found: {found['differences']}")
    equal([(one["table"], one["node"], one["chunk"]) for one in found["differences"]], [("`d`.`numbers`", follower, 4)], "what differs")
    equal(found["rebuilt"], [follower], "who is rebuilt")
    rebuilt(cluster, follower)
    check(audit(cluster, follower)["equal"], "all is equal again")


def traced_change(cluster, coordinator):
    """In the coordinator's binary log: nobody has to ask. It hands over, and is rebuilt."""
    with Load(cluster, cluster.others(coordinator)[0], INSERT) as load:
        cluster.mysql(coordinator, "DELETE FROM d.words WHERE b = 77; CREATE TABLE d.stray (id INT PRIMARY KEY)")
        rebuilt(cluster, coordinator)
        before = load.done
        wait_until(lambda: load.done > before + 3, 20, "writes go on")
    equal(load.failed, [], "failed writes")
    check("audit at entry" in cluster.log(coordinator), "its log says why")
    check(audit(cluster, coordinator)["equal"], "all is equal again")
    cluster.same_tables("d")


def audits():
    with Cluster(settings=["election.take_over=false"]) as cluster:
        for statement in [*TABLES.split(";\n"), *OTHER_KEYS]:
            if statement.strip():
                cluster.sql(1, statement, timeout=60)
        cluster.settle()
        equal_under_load(cluster)
        definitions_meanwhile(cluster)
        coordinator = cluster.coordinator()
        silent_change(cluster, cluster.others(coordinator)[0])
        traced_change(cluster, cluster.coordinator())


if __name__ == "__main__":
    main(audits)
