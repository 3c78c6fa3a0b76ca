#!/usr/bin/python3
"""What runs differently each time, or depends on the server it runs on, must come out equal on every node."""

import os
import signal

from ddb_cluster import Cluster, MYSQL, UNKNOWN, check, equal, main, numbers, of_server, parallel, wait_until

ALL_TYPES = """CREATE TABLE d.types (id INT AUTO_INCREMENT PRIMARY KEY,
 c01 TINYINT, c02 SMALLINT UNSIGNED, c03 MEDIUMINT, c04 INT ZEROFILL, c05 BIGINT UNSIGNED, c06 DECIMAL(65,30), c07 FLOAT,
 c08 DOUBLE, c09 BIT(1), c10 BIT(64), c11 DATE, c12 TIME(6), c13 DATETIME(3), c14 TIMESTAMP(6) NULL, c15 YEAR, c16 CHAR(255),
 c17 VARCHAR(4000), c18 BINARY(16), c19 VARBINARY(300), c20 TINYBLOB, c21 BLOB, c22 MEDIUMBLOB, c23 LONGBLOB, c24 TINYTEXT,
 c25 TEXT CHARACTER SET latin1, c26 MEDIUMTEXT CHARACTER SET ucs2, c27 LONGTEXT, c28 ENUM('a','b','ł'), c29 SET('x','y','z'),
 c30 JSON, c31 GEOMETRY, c32 POINT, c33 POLYGON, c34 UUID, c35 INET6, c36 INET4, c37 VARCHAR(100) COMPRESSED, c38 BOOLEAN)"""
MYSQL_TYPES = {"UUID": "CHAR(36)", "INET6": "VARCHAR(39)", "INET4": "VECTOR(4)", "VARCHAR(100) COMPRESSED": "VARCHAR(100)"}
MYSQL_VALUES = {"-838:59:59.999999": "-838:59:59.000000", "'192.0.2.1'": "TO_VECTOR('[1, -2.5, 3e10, 0]')", "'0.0.0.0'": "NULL"}

TYPE_ROWS = [
    """(-128, 65535, -8388608, 7, 18446744073709551615, 12345678901234567890123456789012345.678901234567890123456789012345,
     1.5e-38, -1.7976931348623157e308, b'1', b'1010101', '9999-12-31', '-838:59:59.999999', '1000-01-01 00:00:00.001',
     '2038-01-19 03:14:07.999999', 2155, REPEAT('ż', 255), REPEAT('x', 4000), UNHEX(REPEAT('00FF', 8)), UNHEX('00FF27225C0A'),
     UNHEX('00'), REPEAT(UNHEX('00'), 60000), REPEAT('m', 100000), REPEAT(UNHEX('DEADBEEF'), 300000), 'tiny', 'caf\u00e9',
     'ucs', REPEAT('long', 100000), 'ł', 'x,z', '{"a": [1, null, "\u017c"]}', ST_GeomFromText('LINESTRING(0 0,1 1)'), POINT(1.5, -2),
     ST_GeomFromText('POLYGON((0 0,0 3,3 3,0 0))'), UUID(), '2001:db8::ff00:42:8329', '192.0.2.1', REPEAT('c', 100), TRUE)""",
    "(" + ", ".join(["NULL"] * 38) + ")",
    "(0, 0, 0, 0, 0, 0, -0.0, 0, b'0', 0, '1000-01-01', '00:00:00', NOW(3), NOW(6), 1901, '', '', '', '', '', '', '', '', '', '',"
    " '', '', 'a', '', '[]', NULL, NULL, NULL, NULL, '::', '0.0.0.0', '', 0)",
]


def values(cluster):
    """Functions without a fixed result, and column types."""
    cluster.sql(1, "CREATE DATABASE d",
                "CREATE TABLE d.f (id INT AUTO_INCREMENT PRIMARY KEY, u CHAR(36) DEFAULT (UUID()), r DOUBLE DEFAULT (RAND()), "
                "n TIMESTAMP(6) DEFAULT NOW(6), s DATETIME(6), c BIGINT, who VARCHAR(80), h VARCHAR(80))")
    for node in cluster.nodes:
        cluster.sql(node, "INSERT INTO d.f (s, c, who, h) VALUES (SYSDATE(6), CONNECTION_ID(), CURRENT_USER(), @@hostname)",
                    "INSERT INTO d.f (u, r, n) VALUES (UUID(), RAND(), NOW(6)), (UUID(), RAND(7), NOW(6))",
                    "INSERT INTO d.f (u) SELECT CONCAT(LAST_INSERT_ID(), '') FROM d.f LIMIT 2",
                    "UPDATE d.f SET r = RAND(), u = UUID(), s = NOW(6) WHERE id % 2 = 0")
    cluster.sql(2, of_server(ALL_TYPES, MYSQL_TYPES))
    for number, row in enumerate(of_server(row, MYSQL_VALUES) for row in TYPE_ROWS):
        cluster.sql(1 + number % 3, f"INSERT INTO d.types VALUES (NULL, {row.strip()[1:]}")
    cluster.sql(3, "UPDATE d.types SET c06 = c06 + 1, c17 = 'changed', c23 = REPEAT('z', 1000000), c30 = '{\"b\":2}' WHERE id = 1")


def last_insert_ids(cluster):
    """LAST_INSERT_ID() of a session is its own, on any node; ids of many sessions never meet."""
    cluster.sql(1, "CREATE TABLE d.auto (id INT AUTO_INCREMENT PRIMARY KEY, node INT, n INT)")

    def client(node):
        answer = cluster.sql(node, *[sql for n in range(40) for sql in (
            f"INSERT INTO d.auto (node, n) VALUES ({node}, {n})", "SELECT LAST_INSERT_ID()")], timeout=20)
        pairs = list(zip(answer.documents[0::2], answer.documents[1::2]))
        for insert, select in pairs:
            equal(select["rows"], [[insert["last_insert_id"]]], "LAST_INSERT_ID() after the insert")
        return [insert["last_insert_id"] for insert, _ in pairs]

    ids = [i for found in parallel([lambda node=node: client(node) for node in (1, 2, 3, 1, 2, 3)]) for i in found]
    equal(len(set(ids)), 240, "different ids given out")
    equal(cluster.sql(2, "SELECT COUNT(*), COUNT(DISTINCT id) FROM d.auto").rows, [[240, 240]], "rows")


def statements(cluster):
    """Statements whose effect the statement's text does not fix."""
    cluster.sql(1, "CREATE TABLE d.lim (id INT PRIMARY KEY, k INT, v INT, KEY (k))",
                f"INSERT INTO d.lim SELECT seq, seq % 7, 0 FROM {numbers(500)}",
                "CREATE TABLE d.log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(60), at TIMESTAMP(6) DEFAULT NOW(6))",
                "CREATE TRIGGER d.lim_u AFTER UPDATE ON d.lim FOR EACH ROW INSERT INTO d.log (what) "
                "VALUES (CONCAT(NEW.id, ' ', ROUND(RAND() * 1000)))",
                "CREATE TABLE d.parent (id INT PRIMARY KEY, name VARCHAR(20))",
                "CREATE TABLE d.child (id INT AUTO_INCREMENT PRIMARY KEY, parent INT, note INT, FOREIGN KEY (parent) "
                "REFERENCES d.parent (id) ON DELETE CASCADE ON UPDATE CASCADE, FOREIGN KEY (note) REFERENCES d.parent (id) "
                "ON DELETE SET NULL ON UPDATE CASCADE)",
                f"INSERT INTO d.parent SELECT seq, CONCAT('p', seq) FROM {numbers(20)}",
                f"INSERT INTO d.child (parent, note) SELECT 1 + seq % 20, 1 + seq % 19 FROM {numbers(200)}",
                "CREATE TABLE d.gen (id INT PRIMARY KEY, a INT, b INT AS (a * 2) VIRTUAL, c VARCHAR(50) AS (CONCAT('x', a)) "
                "STORED, KEY (b))",
                "CREATE TABLE d.whole (id INT PRIMARY KEY, u INT UNIQUE, a INT DEFAULT 5, b INT, t TEXT)",
                "CREATE TRIGGER d.whole_i AFTER INSERT ON d.parent FOR EACH ROW REPLACE INTO d.whole (id, u) VALUES (2, 12)",
                "INSERT INTO d.whole VALUES (1, 11, 1, 1, 'one'), (2, 12, 2, 2, 'two'), (3, 13, 3, 3, 'three')")
    cluster.sql(2, "UPDATE d.lim SET v = v + 1 LIMIT 37", "UPDATE d.lim SET v = v + 1 WHERE k = 3 LIMIT 11",
                "DELETE FROM d.lim LIMIT 23", "DELETE FROM d.parent WHERE id <= 5", "UPDATE d.parent SET id = id + 100 LIMIT 4",
                f"INSERT INTO d.gen (id, a) SELECT seq, seq * 3 FROM {numbers(50)}", "UPDATE d.gen SET a = a + 1 WHERE b > 60",
                "REPLACE INTO d.parent VALUES (20, 'again')",
                # With row images that leave columns out, the others would keep what this replaces.
                "REPLACE INTO d.whole (id, u) VALUES (1, 11)", "REPLACE INTO d.whole (u, id) VALUES (13, 33)",
                "INSERT INTO d.whole (id, u) VALUES (4, 11) ON DUPLICATE KEY UPDATE b = 7",
                "INSERT INTO d.parent VALUES (20, 'dup'), (300, 'new') ON DUPLICATE KEY UPDATE name = CONCAT(name, '!')",
                "INSERT IGNORE INTO d.parent VALUES (20, 'ignored'), (301, 'new')")
    cluster.sql(3, "CREATE TABLE d.copy (PRIMARY KEY (id)) AS SELECT id, u, r, n FROM d.f", "CREATE TABLE d.alike LIKE d.lim",
                "INSERT INTO d.alike SELECT * FROM d.lim ORDER BY RAND() LIMIT 20")


def definitions(cluster):
    """Views, routines, changes of tables, accounts and rights: with their definers."""
    cluster.sql(3, "CREATE USER ann@localhost IDENTIFIED BY 'secret', bob@'%' IDENTIFIED BY 'other'", "CREATE ROLE readers",
                "GRANT SELECT ON d.* TO readers", "GRANT readers TO ann@localhost", "GRANT ALL ON d.* TO bob@'%' WITH GRANT OPTION",
                "GRANT SELECT (id), UPDATE (a) ON d.gen TO ann@localhost", "GRANT PROCESS ON *.* TO bob@'%'")
    cluster.sql(2, "CREATE VIEW d.view AS SELECT id, u FROM d.f WHERE id > 2",
                "CREATE DEFINER = ann@localhost SQL SECURITY INVOKER VIEW d.view2 AS SELECT COUNT(*) AS n FROM d.lim",
                "CREATE FUNCTION d.twice(n INT) RETURNS INT NO SQL RETURN n * 2")
    cluster.sql(2, text=b"DELIMITER //\nCREATE PROCEDURE d.fill(n INT) BEGIN WHILE n > 0 DO INSERT INTO d.log (what) "
                        b"VALUES (UUID()); SET n = n - 1; END WHILE; END//\nDELIMITER ;\nCALL d.fill(9);\n"
                        b"CALL d.fill(d.twice(2));\n")
    # It means whoever uses them, and must not be put down as whoever made them.
    cluster.sql(2, "CREATE TRIGGER d.renamed_by BEFORE INSERT ON d.alike FOR EACH ROW SET @who = CURRENT_USER()",
                "CREATE VIEW d.user AS SELECT CURRENT_USER() AS name",
                "CREATE OR REPLACE FUNCTION d.who() RETURNS VARCHAR(99) NO SQL SQL SECURITY INVOKER RETURN CURRENT_USER" if not MYSQL
                else "CREATE FUNCTION d.who() RETURNS VARCHAR(99) NO SQL SQL SECURITY INVOKER RETURN CURRENT_USER()")
    for sql in ("ALTER TABLE d.lim ADD COLUMN extra VARCHAR(20) DEFAULT 'e', ADD UNIQUE KEY (id, k), DROP COLUMN v",
                "ALTER TABLE d.alike RENAME TO d.renamed", "CREATE INDEX what ON d.log (what)", "TRUNCATE TABLE d.renamed",
                "INSERT INTO d.renamed SELECT id, k, 5 FROM d.lim LIMIT 9", of_server("SET PASSWORD FOR ann@localhost = PASSWORD('newer')", {"PASSWORD('newer')": "'newer'"}),
                "REVOKE PROCESS ON *.* FROM bob@'%'", "CREATE USER gone@localhost", "DROP USER gone@localhost",
                "CREATE TABLE d.part (id INT PRIMARY KEY, v INT) PARTITION BY HASH (id) PARTITIONS 4",
                f"INSERT INTO d.part SELECT seq, seq FROM {numbers(100)}", "ALTER TABLE d.part TRUNCATE PARTITION p1",
                "CREATE TABLE d.victim (id INT PRIMARY KEY)",
                # A key gives the rows their order, whatever the order was in which they came.
                "CREATE TABLE d.numbered (id INT PRIMARY KEY, k INT)", f"INSERT INTO d.numbered SELECT seq, seq % 71 FROM {numbers(500)} ORDER BY RAND()",
                of_server("ALTER IGNORE TABLE d.numbered ADD UNIQUE (k)", {"IGNORE ": "", "UNIQUE": "INDEX"}),
                "ALTER TABLE d.numbered DROP PRIMARY KEY, ADD n INT AUTO_INCREMENT PRIMARY KEY"):
        cluster.sql(1, sql)
    if not MYSQL:
        # Servers that look up no names forget such an account whenever they read their accounts anew, as behind a GRANT.
        cluster.sql(2, "CREATE USER web@'web1.example.com'", "GRANT SELECT ON d.f TO web@'web1.example.com'",
                    "GRANT SELECT ON d.lim TO web@'web1.example.com'")
        cluster.sql(3, "GRANT CREATE USER ON *.* TO bob@'%'")
        cluster.sql(3, "/* an application's */ GRANT SELECT ON d.f TO ann@localhost", "SET STATEMENT sql_mode = '' FOR CREATE ROLE fifth",
                    "CREATE ROLE sixth # with a comment behind it", user="bob", arguments=["-pother"])
        cluster.sql(1, "SET old_passwords = 1", "CREATE USER older@'%' IDENTIFIED BY 'secret'")
        # InnoDB keeps no rows in the order of a key of parts: they lie as they came, which differs from node to node.
        cluster.sql(1, "CREATE TABLE d.by_part (t VARCHAR(20) NOT NULL, n INT, UNIQUE (t(5)))",
                    "INSERT INTO d.by_part SELECT seq, 0 FROM d.seq_1_to_9")
        for change in ("ADD id INT AUTO_INCREMENT UNIQUE", "MODIFY n INT AUTO_INCREMENT UNIQUE"):
            equal(cluster.cli(2, f"ALTER TABLE d.by_part {change}").error.get("code"), 1235, change)
        cluster.sql(1, "ALTER TABLE d.by_part AUTO_INCREMENT = 5", "DROP TABLE d.by_part")
    # Fails, and yet drops a table on MariaDB: the failure and its effect are the same everywhere.
    answer = cluster.cli(2, "DROP TABLE d.victim, d.missing")
    equal(answer.error.get("code"), 1051, f"DROP of a table that is missing: {answer}")
    if MYSQL:
        equal(cluster.sql(3, "SELECT * FROM d.victim", "DROP TABLE d.victim").code, 0, "the table before it is still there")
    else:
        equal(cluster.cli(3, "SELECT * FROM d.victim").error.get("code"), 1146, "the table before it is gone")
    answer = cluster.cli(1, "CREATE USER ann@localhost, carl@localhost")
    equal(answer.error.get("code"), 1396, f"CREATE USER of one that exists: {answer}")


def sessions(cluster):
    """What only the coordinator's session allowed, had or counted; the log does not tell the other nodes."""
    cluster.sql(1, "CREATE DATABASE s", "USE s", "ALTER DATABASE CHARACTER SET latin2", "SET innodb_strict_mode = 0",
                "CREATE TABLE s.loose (id INT PRIMARY KEY) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=64",
                # As Zabbix's manual has it: what one server was told about functions must not matter to the others.
                "SET GLOBAL log_bin_trust_function_creators = 1", "CREATE FUNCTION s.any_number() RETURNS DOUBLE RETURN RAND()",
                "SET GLOBAL log_bin_trust_function_creators = 0", "CREATE FUNCTION s.another() RETURNS DOUBLE RETURN RAND()")
    if not MYSQL:
        cluster.sql(2, "CREATE TABLE s.checked (id INT PRIMARY KEY)", "INSERT INTO s.checked VALUES (1)",
                    "SET check_constraint_checks = 0", "ALTER TABLE s.checked ADD CHECK (id > 5)",
                    "CREATE TABLE s.versioned (id INT PRIMARY KEY) WITH SYSTEM VERSIONING",
                    "SET system_versioning_alter_history = KEEP", "ALTER TABLE s.versioned ADD v INT")
        cluster.sql(3, "CREATE TEMPORARY TABLE s.checked (t INT PRIMARY KEY)", "RENAME TABLE s.checked TO s.mine",
                    "SELECT t FROM s.mine", "SELECT id FROM s.checked")
        cluster.sql(1, "SET use_stat_tables = PREFERABLY", "ANALYZE TABLE s.loose, s.checked", "DELETE FROM mysql.column_stats",
                    "DELETE FROM mysql.innodb_index_stats WHERE database_name = 's'", "INSERT INTO s.loose VALUES (1)")
    cluster.same_tables("s")
    nobody_fenced(cluster)
    check("latin2" in str(cluster.same("SHOW CREATE DATABASE s")), "ALTER DATABASE without a name means the session's")


def nobody_fenced(cluster):
    cluster.settle()
    for node in cluster.nodes:
        check("fenced" not in cluster.log(node), f"node {node}: {cluster.log(node)[-800:]}")


def failed_half_way(cluster):
    """A DROP of several names what is gone and what was missing; the client's error may be of a third."""
    if MYSQL:
        return  # all or nothing
    cluster.sql(1, "CREATE DATABASE h", *[f"CREATE TABLE h.t{n} (id INT PRIMARY KEY)" for n in range(4)], "CREATE VIEW h.v AS SELECT 1",
                "CREATE TABLE h.child (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES h.t3 (id))")
    for sql, error in (("DROP TABLE h.t0, h.missing, h.v", 1965), ("DROP TABLE h.t1, h.v", 1965), ("DROP TABLE h.t2, h.missing, h.t3", 1451)):
        answer = cluster.cli(2, sql)
        equal(answer.error.get("code"), error, f"{sql}: {answer}")
    nobody_fenced(cluster)
    equal(cluster.same_tables("h"), ["child", "t3"], "what is left")


def sequences(cluster):
    """INSERT into a sequence, as dumps of older versions have it, takes no part in transactions and is logged as a definition is."""
    if MYSQL:
        return
    cluster.sql(1, "CREATE DATABASE q", "CREATE SEQUENCE q.s", "SELECT NEXTVAL(q.s)", "INSERT INTO q.s VALUES (77, 1, 999, 1, 1, 3, 0, 0)")
    cluster.settle()
    equal(cluster.same("SELECT next_not_cached_value FROM q.s"), [["77"]], "what was inserted")
    equal(cluster.sql(2, "SELECT NEXTVAL(q.s)").value, 77, "the next number")
    cluster.settle()
    cluster.same("SELECT * FROM q.s")
    check("foreign write" not in cluster.log(cluster.coordinator()), "it was not taken for somebody else's")
    # MariaDB does not log that it goes on where the table's default takes from it and others' foreign keys name the table.
    cluster.sql(2, "CREATE SEQUENCE q.ids CACHE 10", "CREATE TABLE q.parent (id BIGINT DEFAULT NEXTVAL(q.ids) PRIMARY KEY, v INT)",
                "CREATE TABLE q.child (id INT PRIMARY KEY, parent BIGINT, FOREIGN KEY (parent) REFERENCES q.parent (id))",
                "INSERT INTO q.parent (v) VALUES (1), (2)", "INSERT IGNORE INTO q.parent (id, v) VALUES (1, 3)",
                *["INSERT INTO q.parent (v) VALUES (4)"] * 20)
    cluster.settle()
    cluster.same("SELECT * FROM q.ids")
    before = cluster.coordinator()
    wait_until(lambda: cluster.verb(before, "step-down").code == 0, 30, "step-down")
    wait_until(lambda: cluster.coordinator() not in (0, before), 10, "another coordinator")
    cluster.sql(1, "INSERT INTO q.parent (v) VALUES (5)", timeout=20)


def proxies(cluster):
    """Who may make others a proxy is not among the rights that the nodes' own account has."""
    cluster.sql(2, "CREATE USER pa, pb", "GRANT PROXY ON pa TO pb WITH GRANT OPTION")
    cluster.settle()
    cluster.same("SELECT Host, User, Proxied_host, Proxied_user, With_grant, Grantor FROM mysql.proxies_priv ORDER BY 1, 2, 3, 4")
    cluster.sql(2, "REVOKE PROXY ON pa FROM pb", "DROP USER pa, pb")
    nobody_fenced(cluster)
    equal(cluster.same("SELECT COUNT(*) FROM mysql.proxies_priv WHERE User IN ('pb', 'ddb')"), [["0"]], "what is left of it")


def failed_logins(cluster):
    """A password that is wrong once counts once where nothing is on its way that might make it the right one."""
    if not MYSQL:
        return
    cluster.sql(1, "CREATE USER forgets@'%' IDENTIFIED BY 'hers' FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME 1")
    cluster.settle()
    for node in cluster.nodes:
        answer = cluster.cli(node, "SELECT 1", user="forgets", arguments=["-pother"])
        check(answer.code != 0 and "Access denied" in str(answer) and "blocked" not in str(answer), f"a wrong one: {answer}")
        equal(cluster.sql(node, "SELECT 2", user="forgets", arguments=["-phers"]).value, 2, "the right one")
    cluster.sql(1, "DROP USER forgets@'%'")


def wide_characters(cluster):
    """What utf8mb4 writes with four bytes is shown as a question mark in some places, which a node that is loaded would have."""
    face, table = "\U0001F600", "CREATE TABLE d.wide (id INT PRIMARY KEY, "
    refused = [f"e ENUM('a', '{face}'))", f"e SET ('{face}') CHARACTER SET utf8mb4)"]
    defaults = [f"t VARCHAR(9) DEFAULT '{face}')", f"t VARCHAR(9) DEFAULT ('{face}'))", f"t VARCHAR(9) DEFAULT _utf8mb4 '{face}')"]
    taken = [f"t VARCHAR(9) DEFAULT (CONCAT('{face}')))", f"t VARCHAR(9) AS (CONCAT('{face}', id)) STORED)",
             f"t VARCHAR(9), CHECK (t <> '{face}'))", f"t VARCHAR(9)) SELECT 1 AS id, '{face}' AS t"]
    for columns in refused + ([] if MYSQL else defaults):
        equal(cluster.cli(1, table + columns).error.get("code"), 1235, columns)
    for columns in taken + (defaults if MYSQL else []):
        cluster.sql(2, table + columns, "INSERT INTO d.wide (id) VALUES (7)")
        equal(cluster.cli(3, f"ALTER TABLE d.wide ADD more ENUM('{face}')").error.get("code"), 1235, "a column that is added")
        cluster.settle()
        cluster.same("SELECT * FROM d.wide")
        shown = str(cluster.mysql(1, "SET character_set_results = binary; SHOW CREATE TABLE d.wide"))
        check("?" not in shown, f"{columns}: {shown}")
        cluster.sql(1, "DROP TABLE d.wide")


def blocks(cluster):
    """A block that commits in the middle would be its definitions first and its rows behind them on the other nodes."""
    if MYSQL:
        return  # has none outside of procedures
    before = cluster.sql(2, "SELECT COUNT(*) FROM d.renamed").value
    for text in (b"INSERT INTO d.renamed VALUES (77777, 1, 1); TRUNCATE TABLE d.renamed",
                 b"CREATE TABLE d.brief (PRIMARY KEY (n)) SELECT 1 AS n; DROP TABLE d.brief"):
        answer = cluster.cli(2, text=b"DELIMITER //\nBEGIN NOT ATOMIC " + text + b"; END//\n")
        equal(answer.error.get("code"), 1399, f"a block that commits: {answer}")
    equal(cluster.sql(3, "SELECT COUNT(*) FROM d.renamed").value, before, "rows")
    cluster.sql(2, text=b"DELIMITER //\nBEGIN NOT ATOMIC INSERT INTO d.renamed VALUES (77777, 1, 1); DELETE FROM d.renamed "
                        b"WHERE id = 77777; END//\n")


def settings(cluster):
    """Definitions under settings of their session that no server writes into its log."""
    wide = ", ".join(f"c{n} CHAR(250) CHARACTER SET latin1 NOT NULL" for n in range(40))
    made = [("utf16", "SET character_set_results = utf16", "CREATE TABLE d.{} (id INT PRIMARY KEY)"),
            ("no_row", "SET sql_select_limit = 0", "CREATE TABLE d.{} (id INT PRIMARY KEY)"),
            ("wide", "SET innodb_strict_mode = OFF", "CREATE TABLE d.{} (id INT PRIMARY KEY, " + wide + ")"),
            ("binary", "SET character_set_client = binary, collation_connection = utf16_unicode_ci", "CREATE TABLE d.{} (id INT PRIMARY KEY)"),
            ("third", "SET div_precision_increment = 12", "ALTER TABLE d.{} ADD t DECIMAL(20,12) AS (id / 3) STORED"),
            ("words", "SET innodb_ft_enable_stopword = OFF",
             "CREATE TABLE d.{} (id INT PRIMARY KEY, t TEXT, FULLTEXT (t))"),
            ("week", "SET default_week_format = 3", "ALTER TABLE d.{} ADD t INT DEFAULT (WEEK('2021-01-01'))")]
    if MYSQL:
        made += [("loose", "SET restrict_fk_on_non_standard_key = 0",
                  "CREATE TABLE d.{0} (id INT PRIMARY KEY, a INT, b INT, KEY (b), FOREIGN KEY (a) REFERENCES d.{0} (b))"),
                 ("secret", "SET block_encryption_mode = 'aes-256-cbc'",
                  "ALTER TABLE d.{} ADD t VARBINARY(64) AS (AES_ENCRYPT('a', 'key', '0123456789abcdef')) STORED")]
    else:
        made += [("kept", "SET system_versioning_alter_history = KEEP", "ALTER TABLE d.{} ADD v INT"),
                 ("old", "SET check_constraint_checks = 0", "ALTER TABLE d.{} ADD CONSTRAINT c CHECK (id > 5)"),
                 ("regex", "SET default_regex_flags = 'EXTENDED'", "ALTER TABLE d.{} ADD t INT DEFAULT ('ab' REGEXP 'a b')"),
                 ("number7", "SET innodb_default_encryption_key_id = 7", "CREATE TABLE d.{} (id INT PRIMARY KEY)"),
                 ("copied", "SET alter_algorithm = 'COPY'", "ALTER TABLE d.{} ADD t INT"),
                 ("utf8", "SET old_mode = ''", "CREATE TABLE d.{} (id INT PRIMARY KEY, c CHAR(3) CHARACTER SET utf8)")]
    for name, setting, sql in made:
        if sql.startswith("ALTER"):
            versioned = " WITH SYSTEM VERSIONING" if name == "kept" else ""
            cluster.sql(1, f"CREATE TABLE d.{name} (id INT PRIMARY KEY){versioned}", f"INSERT INTO d.{name} VALUES (1)")
        cluster.sql(1, setting, sql.format(name))
    cluster.same_tables("d")
    for name in ("third", "week", "secret") if MYSQL else ("third", "week", "regex"):
        cluster.same(f"SELECT * FROM d.{name}")
    cluster.sql(2, "INSERT INTO d.words VALUES (1, 'about the fox')")
    cluster.settle()
    equal(cluster.same("SELECT id FROM d.words WHERE MATCH (t) AGAINST ('about')"), [["1"]], "a word that is no stop word here")
    # Of a GRANT that fails nothing is logged, though it may have had effects.
    failing = "GRANT SELECT ON d.* TO implied@'%', 'x'@'%' IDENTIFIED VIA nothing" if not MYSQL else "GRANT SELECT ON \"d\".* TO nobody@'%'"
    answer = cluster.cli(2, "SET sql_mode = 'ANSI_QUOTES'", failing)
    equal(answer.error.get("code"), 1410 if MYSQL else 1524, f"it fails: {answer}")
    if not MYSQL:
        cluster.cli(2, "SET sql_mode = '', timestamp = 1234567890", f"GRANT SELECT ON d.* TO implied@'%', {'x' * 90}@'%'")
    cluster.sql(2, "DROP TABLE " + ", ".join(f"d.{name}" for name, _, _ in made))
    nobody_fenced(cluster)


def differences(cluster):
    """Stored columns that subtract unsigned numbers, in sessions that let the result be negative and in others."""
    if not MYSQL:
        return  # refuses what depends on its session so
    signed = "SET sql_mode = 'NO_UNSIGNED_SUBTRACTION'"
    cluster.sql(1, signed, "CREATE TABLE d.less (a INT UNSIGNED PRIMARY KEY, b INT UNSIGNED, c BIGINT AS (a - b) STORED)",
                "INSERT INTO d.less (a, b) VALUES (1, 2)", "INSERT INTO d.less (a, b) VALUES (3, 2)")
    cluster.sql(2, "CREATE TABLE d.more (a BIGINT UNSIGNED PRIMARY KEY, b INT UNSIGNED, c BIGINT UNSIGNED AS (a - b) STORED)",
                "INSERT INTO d.more (a, b) VALUES (18446744073709551615, 2)", "INSERT INTO d.more (a, b) VALUES (50, 3)")
    for node in cluster.nodes:  # and in tables that are opened by others
        cluster.sql(node, "SELECT * FROM d.less", "SELECT * FROM d.more")
    cluster.sql(3, "UPDATE d.more SET b = b + 1")
    for n in range(10, 20):
        cluster.sql(1, signed, f"INSERT INTO d.less (a, b) VALUES ({n}, {n + 1})")
        cluster.sql(1, f"UPDATE d.more SET b = {n}")
    nobody_fenced(cluster)
    equal(cluster.same("SELECT SUM(c) FROM d.less"), [["-10"]], "differences")
    cluster.same("SELECT * FROM d.more")
    cluster.sql(1, "DROP TABLE d.less, d.more")


def left_behind(cluster):
    """What was set for all sessions of a coordinator's server must not be in force where it applies what others do."""
    before = cluster.coordinator()
    values = {"default_storage_engine": ("MyISAM", "InnoDB"), "sql_safe_updates": ("1", "0"), "foreign_key_checks": ("0", "1")}
    if not MYSQL:
        values["alter_algorithm"] = ("'INSTANT'", "'DEFAULT'")
    cluster.sql(before, *[f"SET GLOBAL {name} = {value}" for name, (value, _) in values.items()])
    wait_until(lambda: cluster.verb(before, "step-down").code == 0, 30, "step-down")
    after = wait_until(lambda: (cluster.coordinator() or before) != before and cluster.coordinator(), 10, "another coordinator")
    cluster.sql(after, "CREATE TABLE d.behind (id INT PRIMARY KEY, v VARCHAR(9))", "INSERT INTO d.behind VALUES (1, '2')", "UPDATE d.behind SET v = 3",
                "ALTER TABLE d.behind MODIFY v INT", "CREATE USER behind", "GRANT SELECT ON d.behind TO behind", timeout=20)
    nobody_fenced(cluster)
    cluster.same_tables("d")
    cluster.sql(after, "DROP TABLE d.behind", "DROP USER behind")
    cluster.mysql(before, ";".join(f"SET GLOBAL {name} = {value}" for name, (_, value) in values.items()))


def rights_by_role(cluster):
    """A user who may do what an active role of his may."""
    cluster.sql(1, "CREATE USER eve@'%' IDENTIFIED BY 'hers'", "CREATE ROLE writers", "GRANT ALL ON d.* TO writers",
                "GRANT writers TO eve@'%'", of_server("SET DEFAULT ROLE writers FOR eve@'%'", {" FOR ": " TO "}))
    for node in cluster.nodes:
        answer = cluster.sql(node, f"CREATE TABLE d.hers{node} (id INT PRIMARY KEY)", f"INSERT INTO d.hers{node} VALUES ({node})",
                             f"SELECT id FROM d.hers{node}", user="eve", arguments=["-phers"])
        equal(answer.value, node, "her row")
        cluster.sql(node, f"DROP TABLE d.hers{node}", user="eve", arguments=["-phers"])


def own_names(cluster):
    """CURRENT_USER and CURRENT_ROLE are whoever said it, on every node; also where MariaDB does not log whom they mean."""
    if MYSQL:
        return  # its GRANT knows neither
    cluster.sql(1, "CREATE USER max@localhost IDENTIFIED BY 'his'", "GRANT ALL ON *.* TO max@localhost WITH GRANT OPTION",
                "CREATE ROLE first", "CREATE ROLE second", "GRANT first TO max@localhost WITH ADMIN OPTION",
                "GRANT second TO max@localhost WITH ADMIN OPTION", "CREATE TABLE d.granted (id INT PRIMARY KEY)")
    his = ["-phis"]
    cluster.sql(1, "SET ROLE first", "GRANT CREATE USER ON *.* TO CURRENT_ROLE", "GRANT second TO CURRENT_ROLE()",
                "GRANT SELECT (id) ON d.granted TO CURRENT_ROLE ( )", user="max", arguments=his)
    cluster.sql(2, "SET ROLE first", "REVOKE second FROM CURRENT_ROLE", "CREATE ROLE third WITH ADMIN CURRENT_ROLE",
                "EXECUTE IMMEDIATE 'CREATE ROLE fourth WITH ADMIN CURRENT_ROLE'", "REVOKE second FROM CURRENT_USER", user="max", arguments=his)
    cluster.sql(3, "GRANT PROXY ON CURRENT_USER TO ann@localhost", user="max", arguments=his)
    cluster.sql(3, "GRANT PROXY ON max@localhost TO bob@'%'", "REVOKE PROXY ON max@localhost FROM ann@localhost")
    # One that fails is not logged, and has given to those in front.
    answer = cluster.cli(2, "GRANT SELECT ON d.* TO CURRENT_USER, nobody@nowhere", user="max", arguments=his)
    equal(answer.error.get("code"), 1133, f"it fails: {answer}")
    for hidden in ("EXECUTE IMMEDIATE 'GRANT second TO CURRENT_USER'", "PREPARE p FROM ' revoke second FROM current_role'"):
        equal(cluster.cli(3, hidden, user="max", arguments=his).error.get("code"), 1235, hidden)
    cluster.sql(3, "DROP TABLE d.granted")
    nobody_fenced(cluster)


def lists_and_rows(cluster):
    """DROP of things of several kinds, of which some are not there; rows that MariaDB loses of a table that it fills."""
    if MYSQL:
        return
    cluster.sql(1, "CREATE TABLE d.kept (id INT PRIMARY KEY)", "CREATE SEQUENCE d.one", "CREATE SEQUENCE d.two", "CREATE VIEW d.three AS SELECT 1")
    for node, drop in ((2, "DROP SEQUENCE d.one, d.nothing, d.kept, d.two"), (3, "DROP VIEW d.nothing, d.kept, d.three"),
                       (1, "DROP TABLE d.nothing, d.kept")):
        check(cluster.cli(node, drop).error.get("code"), f"{drop} fails")
    equal(cluster.cli(2, "CREATE TABLE d.some (id INT PRIMARY KEY) IGNORE SELECT 1 AS id UNION ALL SELECT 1").error.get("code"), 1235, "IGNORE")
    # Each server would give the versions that a cascade makes a time of its own.
    versioned = "CREATE TABLE d.versioned (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES d.parent (id) {}) {}"
    equal(cluster.cli(2, versioned.format("ON DELETE CASCADE", "WITH SYSTEM VERSIONING")).error.get("code"), 1235, "cascades")
    cluster.sql(2, versioned.format("ON UPDATE CASCADE", ""))
    equal(cluster.cli(2, "DROP USER ddb@localhost").error.get("code"), 1235, "the node's own account")
    equal(cluster.cli(3, "ALTER TABLE d.versioned ADD SYSTEM VERSIONING").error.get("code"), 1235, "cascades already")
    cluster.sql(2, "DROP TABLE d.versioned", versioned.format("", "WITH SYSTEM VERSIONING"))
    answer = cluster.cli(1, "SET STATEMENT max_statement_time = 9 FOR ALTER TABLE d.versioned ADD FOREIGN KEY (id) REFERENCES d.parent (id) ON DELETE CASCADE")
    equal(answer.error.get("code"), 1235, "cascades from now on")
    cluster.sql(2, "DROP TABLE d.versioned")
    nobody_fenced(cluster)


def names_with_quotes(cluster):
    """MariaDB logs SET PASSWORD and SET DEFAULT ROLE without escaping what is in a name: such a log ends the other nodes' work."""
    cluster.sql(1, "CREATE USER 'O''Brien'@'%' IDENTIFIED BY 'his'", "GRANT ALL ON d.* TO 'O''Brien'@'%'", """CREATE ROLE `r'"`""",
                """GRANT `r'"` TO 'O''Brien'@'%'""")
    for user, sql in (("root", "SET PASSWORD FOR 'O''Brien'@'%' = 'x'"), ("O'Brien", "SET PASSWORD = 'x'"),
                      ("root", """SET DEFAULT ROLE `r'"` FOR ann@localhost"""), ("O'Brien", "SET DEFAULT ROLE NONE")):
        answer = cluster.cli(2, sql, user=user, arguments=["-phis"] if user != "root" else [])
        check(answer.error.get("code") == 1235 and "use ALTER USER" in answer.error["message"], f"{user}: {sql}: {answer}")
    cluster.sql(2, "ALTER USER 'O''Brien'@'%' IDENTIFIED BY 'new'")
    for node in cluster.nodes:
        equal(cluster.sql(node, "SELECT CURRENT_USER()", user="O'Brien", arguments=["-pnew"]).value, "O'Brien@%", "his account")
    cluster.sql(3, "DROP USER 'O''Brien'@'%'", """DROP ROLE `r'"`""")
    nobody_fenced(cluster)


def own_tables_of_servers(cluster):
    """Schema mysql's know no transactions on MariaDB: who changed them must know it when it is coordinator no more."""
    ids = "SELECT Time_zone_id FROM mysql.time_zone ORDER BY 1"
    for number, change in enumerate(("INSERT INTO mysql.time_zone VALUES (1001, 'N')", "UPDATE mysql.time_zone SET Time_zone_id = 1002",
                                     "DELETE FROM mysql.time_zone", "INSERT INTO mysql.time_zone VALUES (1003, 'N')")):
        before = cluster.coordinator()
        cluster.sql(cluster.others(before)[number % 2], change)
        wait_until(lambda: cluster.verb(before, "step-down").code == 0, 30, "step-down, to one that has not just done so")  # noqa: B023
        wait_until(lambda: cluster.coordinator() not in (0, before), 10, "another coordinator")  # noqa: B023
        cluster.settle()
        equal(len(cluster.same(ids)), 0 if "DELETE" in change else 1, change)
    nobody_fenced(cluster)
    # A statement that fails keeps what it did so far, as on a server.
    answer = cluster.cli(1, "INSERT INTO mysql.time_zone VALUES (1004, 'N'), (1003, 'N')")
    equal(answer.error.get("code"), 1062, "a key twice")
    cluster.sql(2, "UPDATE mysql.time_zone SET Use_leap_seconds = 'Y' WHERE Time_zone_id = 1003")
    cluster.settle()
    equal(len(cluster.same(ids)), 1 if MYSQL else 2, "rows")
    nobody_fenced(cluster)


def undecided_in_own_tables():
    """What a server keeps of a change that was never decided is found by the node, which is loaded anew."""
    if MYSQL:
        return  # rolls it back
    with Cluster() as cluster:
        coordinator = cluster.coordinator()
        followers = cluster.others(coordinator)
        for node in followers:
            os.kill(cluster.nodes[node]["pid"], signal.SIGSTOP)
        answer = cluster.cli(coordinator, "INSERT INTO mysql.time_zone VALUES (1005, 'N')", timeout=4)
        for node in followers:
            os.kill(cluster.nodes[node]["pid"], signal.SIGCONT)
        equal(answer.code, UNKNOWN, f"without a majority: {answer}")
        wait_until(lambda: "know no transactions" in cluster.log(coordinator), 20, "the node is fenced")
        wait_until(lambda: cluster.cli(coordinator, "SELECT 1").code == 0, 60, "it serves again")
        cluster.settle()
        cluster.same("SELECT Time_zone_id FROM mysql.time_zone ORDER BY 1")


def compare(cluster):
    tables = cluster.same_tables("d")
    check(len(tables) == 13, f"tables: {tables}")
    for table in ("f", "types", "auto", "log"):
        cluster.same(f"SELECT * FROM d.{table} ORDER BY id")
    cluster.same("SELECT TABLE_NAME, DEFINER, SECURITY_TYPE, VIEW_DEFINITION FROM information_schema.VIEWS WHERE "
                 "TABLE_SCHEMA = 'd' ORDER BY 1")
    cluster.same("SELECT ROUTINE_NAME, DEFINER, SQL_MODE, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE "
                 "ROUTINE_SCHEMA = 'd' ORDER BY 1")
    cluster.same("SELECT TRIGGER_NAME, DEFINER, SQL_MODE, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE "
                 "TRIGGER_SCHEMA = 'd' ORDER BY 1")
    definers = cluster.same("SELECT DISTINCT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'd' ORDER BY 1")
    check(["ann@localhost"] in definers, f"the definer that was named: {definers}")
    if not MYSQL:
        cluster.same("SELECT User, Host, Priv FROM mysql.global_priv ORDER BY 1, 2".replace(
            "Priv", "JSON_REMOVE(Priv, '$.password_last_changed')"))
    for table in ("db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv",
                  *(("user", "global_grants", "role_edges", "default_roles") if MYSQL else ("roles_mapping",))):
        columns = cluster.mysql(1, "SET group_concat_max_len = 100000; SELECT GROUP_CONCAT(COLUMN_NAME) FROM "
                                   f"information_schema.COLUMNS WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = '{table}' AND "
                                   "COLUMN_NAME NOT IN ('Timestamp', 'password_last_changed')")[0][0]
        # The node's own account is made anew at each start, with a salt of its own.
        own = " WHERE User <> 'ddb'" if table == "user" else ""
        cluster.same(f"SELECT {columns} FROM mysql.{table}{own} ORDER BY 1, 2, 3")
    equal(cluster.sql(1, "SELECT CURRENT_USER()", user="bob", arguments=["-pother"]).value, "bob@%", "the account works")
    cluster.same("SHOW GRANTS FOR ann@localhost")


def determinism():
    with Cluster() as cluster:
        for part in (values, last_insert_ids, statements, definitions, sessions, failed_half_way, sequences, proxies, failed_logins, wide_characters, blocks, settings, differences,
                     left_behind, rights_by_role, own_names, lists_and_rows, names_with_quotes, own_tables_of_servers, compare):
            part(cluster)


if __name__ == "__main__":
    main(determinism, undecided_in_own_tables)
