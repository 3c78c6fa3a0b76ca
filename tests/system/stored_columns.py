#!/usr/bin/python3
"""Stored columns and index entries that depend on settings of the session that wrote the row: equal on every node."""

from ddb_cluster import Cluster, MYSQL, check, equal, main, numbers

LANGUAGE = "" if MYSQL else ", 'pl_PL'"  # MariaDB permits none that is the session's
TIMES = (f"ts TIMESTAMP NULL, d DATETIME AS (ts) STORED, day DATE AS (DATE(ts)) STORED, name VARCHAR(20) AS (DATE_FORMAT(ts, '%W'{LANGUAGE})) STORED, "
         "v INT NOT NULL DEFAULT 0")
EAST, WEST = "SET time_zone = '+05:00'", "SET SESSION time_zone = '-08:00'"


def nobody_fenced(cluster):
    cluster.settle()
    for node in cluster.nodes:
        check("fenced" not in cluster.log(node), f"node {node}: {cluster.log(node)[-800:]}")


def calculates(cluster):
    """MariaDB 10.11's servers take the values that come with the row."""
    return not cluster.sql(1, "SELECT VERSION()").rows[0][0].startswith("10.")


def row(number, table="times"):
    return f"INSERT INTO s.{table} (id, ts) VALUES ({number}, '2024-03-01 01:02:03')"


def alone(cluster):
    """Statements that are transactions of their own, in sessions of several time zones, through every node."""
    for node in cluster.nodes:
        base = node * 100
        cluster.sql(node, row(base), EAST, row(base + 1), WEST, row(base + 2), "SET time_zone = DEFAULT", row(base + 3))
        cluster.sql(node, "SET lc_time_names = 'de_DE'", row(base + 4), "SET lc_time_names = 'en_US'", row(base + 5))
        cluster.sql(node, EAST, f"UPDATE s.times SET v = v + 1 WHERE id IN ({base}, {base + 1})",
                    f"REPLACE INTO s.times (id, ts) VALUES ({base + 6}, '2024-06-30 23:00:00'), ({base + 2}, '2024-06-30 23:00:00')",
                    f"INSERT INTO s.times (id, ts) VALUES ({base + 4}, NOW()) ON DUPLICATE KEY UPDATE ts = '2023-01-01 00:30:00'")
        cluster.sql(node, row(base + 7))
    days = {str(r[1]) for r in cluster.sql(1, "SELECT id, HOUR(d) FROM s.times WHERE id IN (101, 103)").rows}
    if MYSQL:
        equal(days, {"1"}, "each as its session has it")


def dates_that_are_none(cluster):
    """Texts that are dates for some sessions only, ciphers, blanks at the end."""
    texts = ("s VARCHAR(20), c CHAR(5), a DATE AS (STR_TO_DATE(s, '%Y-%m-%d')) STORED, b DATE AS (CAST(s AS DATE)) STORED, "
             "n INT AS (CHAR_LENGTH(c)) STORED, t TIME AS (CAST('10:11:12.9' AS TIME)) STORED")
    texts += ", e VARBINARY(99) AS (AES_ENCRYPT(c, REPEAT('k', 32), '0123456789abcdef')) STORED"
    cluster.sql(2, f"CREATE TABLE s.texts (id INT AUTO_INCREMENT PRIMARY KEY, {texts})")
    fill = "INSERT IGNORE INTO s.texts (s, c) VALUES ('2020-00-00', 'x'), ('0000-00-00', 'yz'), ('2021-02-31', ''), ('2022-03-04', NULL)"
    cluster.sql(1, fill)
    for mode in ("", "NO_ZERO_DATE", "ALLOW_INVALID_DATES", "PAD_CHAR_TO_FULL_LENGTH,NO_ZERO_IN_DATE", "NO_ZERO_IN_DATE,NO_ZERO_DATE,TIME_TRUNCATE_FRACTIONAL",
                 "NO_UNSIGNED_SUBTRACTION"):
        cluster.sql(2, f"SET sql_mode = '{mode}'", fill, "BEGIN", fill, "SET sql_mode = DEFAULT", fill, "COMMIT")
    cluster.sql(3, "SET block_encryption_mode = 'aes-256-cbc'", fill)
    cluster.sql(3, fill)


def inside(cluster):
    """Transactions in which the time zone changes, and such that go back to a savepoint."""
    cluster.sql(1, "BEGIN", row(400), EAST, row(401), WEST, row(402), "COMMIT", row(403))
    cluster.sql(2, "SET autocommit = 0", "SELECT 1", row(410), EAST, "SAVEPOINT a", row(411), WEST, row(412), "ROLLBACK TO a",
                row(413), "COMMIT", row(414), "SET time_zone = '+00:00'", row(415), "COMMIT")
    cluster.sql(3, EAST, "BEGIN", row(420), "SAVEPOINT a", row(421), "ROLLBACK TO SAVEPOINT a", row(422), "RELEASE SAVEPOINT a",
                "SAVEPOINT b", row(423), "SET lc_time_names = 'pl_PL'", "ROLLBACK TO b", row(424), "COMMIT")
    cluster.sql(1, "BEGIN", EAST, row(430), "ROLLBACK", row(431))
    cluster.sql(1, "BEGIN", row(440), "SELECT s.to_the_west()", row(441), "COMMIT")
    cluster.sql(2, "BEGIN", row(450), "CALL s.go_west()", row(451), "COMMIT", row(452))


def definitions(cluster):
    """Rows that a definition makes, and columns that it adds."""
    cluster.sql(2, EAST, "CREATE TABLE s.added (id INT PRIMARY KEY, ts TIMESTAMP NULL)",
                "INSERT INTO s.added VALUES (1, '2024-03-01 01:02:03')", "ALTER TABLE s.added ADD d DATETIME AS (ts) STORED",
                f"ALTER TABLE s.added ADD n VARCHAR(20) AS (DATE_FORMAT(ts, '%a %M'{LANGUAGE})) STORED")
    if calculates(cluster) and not MYSQL:  # which has it for unsafe
        cluster.sql(3, "SET block_encryption_mode = 'aes-256-ecb'", "ALTER TABLE s.added ADD e VARBINARY(99) DEFAULT (AES_ENCRYPT('a', 'k'))")
    cluster.sql(3, EAST, f"CREATE TABLE s.selected (id INT PRIMARY KEY, {TIMES}) SELECT id, ts FROM s.times")
    cluster.sql(1, row(900), row(900, "selected"))


def large(cluster):
    """A transaction that travels in parts, with a change in its middle and one at its beginning."""
    fill = f"INSERT INTO s.wide (id, ts, t) SELECT seq + {{}}, '2024-03-01 01:02:03', REPEAT('x', 8000) FROM {numbers(700, 's')}"
    cluster.sql(2, EAST, "BEGIN", fill.format(0), WEST, fill.format(1000), "SAVEPOINT a", fill.format(2000), "ROLLBACK TO a",
                "UPDATE s.wide SET v = v + 1 WHERE id > 1000", "SET time_zone = DEFAULT", fill.format(3000), "COMMIT", timeout=60)
    cluster.sql(1, "DELETE FROM s.wide WHERE id BETWEEN 100 AND 200", timeout=30)


def entries_of_indexes(cluster):
    """What an index of a virtual column or of an expression holds, as a search by it finds it."""
    cluster.sql(1, "CREATE TABLE s.indexed (id INT PRIMARY KEY, ts TIMESTAMP NULL, day DATE AS (DATE(ts)) VIRTUAL, v INT, KEY (day), "
                   "KEY ((HOUR(ts))))")
    cluster.sql(2, EAST, *[f"INSERT INTO s.indexed (id, ts) VALUES ({n}, '2024-03-0{n} 01:00:00')" for n in range(1, 9)],
                "UPDATE s.indexed SET v = 1 WHERE id < 3", "DELETE FROM s.indexed WHERE id = 5")
    cluster.settle()
    for sql in ("SELECT day, id FROM s.indexed FORCE INDEX (day) WHERE day > '2000-01-01' ORDER BY day, id",
                "SELECT COUNT(*) FROM s.indexed WHERE HOUR(ts) = 1", "SELECT COUNT(*) FROM s.indexed WHERE HOUR(ts) = 20"):
        cluster.same(sql)
        cluster.same("SET time_zone = '+05:00'; " + sql)
    cluster.same("CHECK TABLE s.indexed")


def names_of_days(cluster):
    """Their language is that of whoever opened the table, so only what is calculated for each reader may have them."""
    table = "CREATE TABLE s.named (id INT PRIMARY KEY, d DATE"
    for columns in (", n VARCHAR(20) AS (DAYNAME(d)) STORED)", ", n VARCHAR(20) GENERATED ALWAYS AS (UPPER(monthname (d))) VIRTUAL, KEY (n))",
                    ", KEY n (d, (DAYNAME(d))))", ", KEY n ((LEFT(MONTHNAME(d), 3)) DESC))"):
        equal(cluster.cli(1, table + columns).error.get("code"), 1235, columns)
    cluster.sql(2, table + ", t VARCHAR(20) DEFAULT (DAYNAME(d)), n VARCHAR(20) AS (DATE_FORMAT(d, '%W')) STORED, "
                           "CHECK (DAYNAME(d) <> MONTHNAME(d)))", "SET lc_time_names = 'de_DE'",
                "INSERT INTO s.named (id, d) VALUES (1, '2024-03-01')",
                "CREATE TABLE s.names (id INT PRIMARY KEY, n VARCHAR(20)) AS (SELECT id, DAYNAME(d) AS n FROM s.named)")
    for change in ("ALTER TABLE s.named ADD m VARCHAR(20) AS (MONTHNAME(d)) STORED", "CREATE INDEX m ON s.named ((DAYNAME(d)))",
                   "ALTER TABLE s.named ADD KEY m ((DAYNAME(d)))"):
        equal(cluster.cli(3, change).error.get("code"), 1235, change)


def hints(cluster):
    """For one statement, of which the other nodes would know nothing."""
    zone, mode = "/*+ SET_VAR(time_zone = '+05:00') */", "/*+ NO_ICP(t) set_var (sql_mode='ALLOW_INVALID_DATES') */"
    cluster.sql(1, "CREATE TABLE s.hinted (id INT AUTO_INCREMENT PRIMARY KEY, ts TIMESTAMP NULL, d DATETIME AS (ts) STORED, s VARCHAR(20), "
                   "c DATE AS (CAST(s AS DATE)) STORED)", "INSERT INTO s.hinted (ts, s) VALUES ('2024-03-01 01:02:03', '2024-03-01')")
    for sql in (f"INSERT {zone} INTO s.hinted (ts) VALUES (NOW())", f"INSERT {mode} IGNORE INTO s.hinted (s) VALUES ('2021-02-31')",
                f"INSERT INTO s.hinted (ts) SELECT {zone} ts FROM s.hinted", f"UPDATE {zone} s.hinted SET ts = NOW()",
                f"WITH w AS (SELECT 1) DELETE {zone} FROM s.hinted", f"REPLACE {zone} INTO s.hinted (ts) VALUES (NOW())",
                f"CREATE TABLE s.h (PRIMARY KEY (id), d DATETIME AS (ts) STORED) SELECT {zone} id, ts FROM s.hinted",
                f"CREATE PROCEDURE s.h() INSERT {zone} INTO s.hinted (ts) VALUES (NOW())"):
        equal(cluster.cli(2, sql).error.get("code"), 1235, sql)
        equal(cluster.cli(3, "BEGIN", sql, "COMMIT").documents[1]["error"]["code"], 1235, sql)
    cluster.sql(3, f"SELECT {zone} NOW(), CAST('2021-02-31' AS DATE)", f"CREATE VIEW s.h AS SELECT {mode} * FROM s.hinted",
                "CREATE TABLE s.noted (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(60))",
                "INSERT /*+ SET_VAR(sort_buffer_size = 262144) */ INTO s.noted (t) VALUES (\"/*+ SET_VAR(time_zone = '+05:00') */\")",
                f"CREATE PROCEDURE s.h() SELECT {zone} NOW()", "CALL s.h()")


def refused(cluster, sql):
    equal(cluster.cli(2, sql).error.get("code"), 1235, sql)


def for_one_statement(cluster):
    """SET STATEMENT, of which the other nodes would know nothing."""
    cluster.sql(1, "CREATE TABLE s.one (id INT AUTO_INCREMENT PRIMARY KEY, ts TIMESTAMP NULL, d DATETIME AS (ts) STORED, s VARCHAR(20), "
                   "c DATE AS (CAST(s AS DATE)) STORED)", "INSERT INTO s.one (ts, s) VALUES ('2024-03-01 01:02:03', '2024-03-01')",
                "CREATE PROCEDURE s.write_one() INSERT INTO s.one (ts) VALUES (NOW())")
    zone = "SET STATEMENT time_zone = '+05:00' FOR "
    for sql in (zone + "INSERT INTO s.one (ts) VALUES (NOW())", zone + "UPDATE s.one SET ts = NOW()",
                zone + "CALL s.write_one()", zone + "CREATE TABLE s.other (id INT PRIMARY KEY, ts TIMESTAMP NULL, d DATETIME AS (ts) STORED) SELECT id, ts FROM s.one"):
        equal(cluster.cli(2, sql).error.get("code"), 1235 if calculates(cluster) else None, sql)
    for kind in ("STORED", "VIRTUAL, KEY (z)"):
        zones = f"CREATE TABLE s.zones (id INT PRIMARY KEY, d DATETIME, z VARCHAR(40) AS (DATE_FORMAT(d, '%Y %z', 'en_US')) {kind})"
        if calculates(cluster):
            refused(cluster, zones)
    cluster.sql(3, "CREATE TABLE s.zones (id INT PRIMARY KEY, d VARCHAR(30) DEFAULT (DATE_FORMAT(NOW(), '%Z')))")
    cluster.sql(3, zone + "SELECT NOW()", "SET STATEMENT sql_mode = 'ERROR_FOR_DIVISION_BY_ZERO' FOR INSERT INTO s.one (s) VALUES ('2021-02-01')",
                "PREPARE p FROM 'INSERT INTO s.one (ts) VALUES (NOW())'", EAST, "EXECUTE p", "BEGIN", "EXECUTE p", WEST, "EXECUTE p", "COMMIT")


def warnings_stay(cluster):
    """What a statement of a transaction has to tell, whatever is run behind it for its settings."""
    cluster.sql(1, text=b"DELIMITER //\nCREATE PROCEDURE s.warn() BEGIN SET time_zone = '-01:00'; SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'beware'; END//\n")
    told = cluster.cli(2, "BEGIN", row(600), "CALL s.warn()", "SHOW WARNINGS", row(601), EAST, "SHOW WARNINGS", "COMMIT").documents
    equal([r[2] for r in told[3]["rows"]], ["beware"], "behind CALL")
    equal(told[6]["rows"], [], "behind SET")


def stored_columns():
    every = (alone, inside, definitions, large, warnings_stay)
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE s", f"CREATE TABLE s.times (id INT PRIMARY KEY, {TIMES})",
                    f"CREATE TABLE s.wide (id INT PRIMARY KEY, t TEXT, {TIMES})")
        cluster.sql(1, text=b"DELIMITER //\nCREATE FUNCTION s.to_the_west() RETURNS INT NO SQL BEGIN SET time_zone = '-08:00'; RETURN 1; END//\n"
                            b"CREATE PROCEDURE s.go_west() NO SQL SET time_zone = '-08:00'//\n")
        for part in every + ((dates_that_are_none, entries_of_indexes, names_of_days, hints) if MYSQL else (for_one_statement,)):
            part(cluster)
            nobody_fenced(cluster)
            cluster.same_tables("s")


if __name__ == "__main__":
    main(stored_columns)
