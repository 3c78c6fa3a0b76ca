#!/usr/bin/python3
"""Schemas and data that were not made for ddb: Roundcube's schema, the system's time zones, a dump as mysqldump writes it;
then many clients inserting on all nodes at once. Every table ends up equal on all servers.
"""

import os
import subprocess

from ddb_cluster import LONG, MYSQL, OK, ROOT, SERVER, STEADY, Cluster, check, equal, main, need, note, parallel

ROUNDCUBE = os.path.join(ROOT, ".cache", "debs", "roundcube-core", "usr", "share", "roundcube", "SQL", "mysql.initial.sql")
CLIENTS = 8
ROWS = 10000 if LONG else 500

TIME_ZONE_TABLES = """
CREATE DATABASE tz;
CREATE TABLE tz.time_zone_name (Name CHAR(64) NOT NULL PRIMARY KEY, Time_zone_id INT UNSIGNED NOT NULL);
CREATE TABLE tz.time_zone (Time_zone_id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    Use_leap_seconds ENUM('Y','N') DEFAULT 'N' NOT NULL);
CREATE TABLE tz.time_zone_transition (Time_zone_id INT UNSIGNED NOT NULL, Transition_time BIGINT NOT NULL,
    Transition_type_id INT UNSIGNED NOT NULL, PRIMARY KEY (Time_zone_id, Transition_time));
CREATE TABLE tz.time_zone_transition_type (Time_zone_id INT UNSIGNED NOT NULL, Transition_type_id INT UNSIGNED NOT NULL,
    `Offset` INT DEFAULT 0 NOT NULL, Is_DST TINYINT UNSIGNED DEFAULT 0 NOT NULL, Abbreviation CHAR(8) DEFAULT '' NOT NULL,
    PRIMARY KEY (Time_zone_id, Transition_type_id));
CREATE TABLE tz.time_zone_leap_second (Transition_time BIGINT NOT NULL PRIMARY KEY, Correction INT NOT NULL);
"""

DUMP = """
-- MariaDB dump
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;
USE `shop`;
DROP TABLE IF EXISTS `lines`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `lines` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `item` int(11) NOT NULL,
  `amount` decimal(10,2) NOT NULL DEFAULT 0.00,
  `at` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `remark` text DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `item` (`item`),
  CONSTRAINT `item` FOREIGN KEY (`item`) REFERENCES `items` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb4;
/*!40101 SET character_set_client = @saved_cs_client */;
LOCK TABLES `lines` WRITE;
/*!40000 ALTER TABLE `lines` DISABLE KEYS */;
INSERT INTO `lines` VALUES (1,1,9.99,'2024-02-29 12:00:00','it''s; \\'quoted\\' -- and /* more */'),(2,2,0.01,
'2024-03-01 00:00:00',NULL),(3,1,-5.00,'2024-03-02 00:00:00','Zażółć gęślą jaźń 🦆');
/*!40000 ALTER TABLE `lines` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `items`;
CREATE TABLE `items` (`id` int(11) NOT NULL, `name` varchar(50) CHARACTER SET latin1 NOT NULL, PRIMARY KEY (`id`));
LOCK TABLES `items` WRITE;
INSERT INTO `items` VALUES (1,'cup'),(2,'crème brûlée');
UNLOCK TABLES;
DELIMITER ;;
/*!50003 CREATE TRIGGER cents BEFORE INSERT ON `lines` FOR EACH ROW BEGIN
  IF NEW.amount IS NULL THEN SET NEW.amount = 0; END IF;
END */;;
DELIMITER ;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
"""


def load(cluster, node, what, text, database=None, deadline_s=600):
    answer = cluster.cli(node, arguments=["-D", database] if database else [], text=text, timeout=60, deadline_s=deadline_s)
    check(answer.code == OK, f"loading {what} on node {node}: {answer}")


def time_zones():
    """As the servers' own tool writes them."""
    tool = os.path.join(os.path.dirname(SERVER), "..", "bin", "mysql_tzinfo_to_sql") if MYSQL else need("mariadb-tzinfo-to-sql")
    check(os.path.exists(tool), f"{tool} is missing: run tools/setup --mysql")
    return subprocess.run([tool, "/usr/share/zoneinfo"], capture_output=True, check=True).stdout


def load_schemas(cluster, node):
    with open(ROUNDCUBE, "rb") as file:
        roundcube = file.read()
    cluster.sql(node, "CREATE DATABASE roundcube")
    load(cluster, node, "Roundcube's schema", roundcube, "roundcube")
    load(cluster, node, "time zone tables", TIME_ZONE_TABLES.encode())
    load(cluster, node, "time zones", time_zones(), "tz")
    load(cluster, node, "a dump", DUMP.encode())
    equal(len(cluster.same_tables("roundcube")), 17, "tables of Roundcube")
    equal(len(cluster.same_tables("tz")), 5, "time zone tables")
    equal(cluster.same_tables("shop"), ["items", "lines"], "tables of the dump")
    check(int(cluster.same("SELECT COUNT(*) FROM tz.time_zone_transition")[0][0]) > 50000, "transitions are there")
    equal(cluster.same("SELECT remark FROM shop.lines ORDER BY id")[2], ["Zażółć gęślą jaźń 🦆"], "text of the dump")
    note(f"loaded on node {node}, which is not the coordinator")


def insert_on_all_nodes(cluster):
    cluster.sql(1, "CREATE DATABASE fill", "CREATE TABLE fill.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, client INT NOT NULL, "
                "n INT NOT NULL, token CHAR(36) NOT NULL, at TIMESTAMP(6) NOT NULL)")

    def client(number):
        node = 1 + number % len(cluster.nodes)
        text = "".join(f"INSERT INTO fill.t (client, n, token, at) VALUES ({number}, {n}, UUID(), NOW(6));\n"
                       for n in range(ROWS)).encode()
        answer = cluster.cli(node, text=text, timeout=30, deadline_s=60 + ROWS / 5)
        check(answer.code == OK, f"client {number} on node {node}: {answer}")
        equal(len(answer.documents), ROWS, f"answers to client {number}")
        return sum(document["affected_rows"] for document in answer.documents)

    told = sum(parallel([lambda number=number: client(number) for number in range(CLIENTS)]))
    equal(told, CLIENTS * ROWS, "rows the clients were told of")
    cluster.same_tables("fill")
    counts = cluster.same("SELECT client, COUNT(*), COUNT(DISTINCT n), COUNT(DISTINCT token) FROM fill.t GROUP BY client")
    equal(counts, [[str(number)] + [str(ROWS)] * 3 for number in range(CLIENTS)], "rows of each client")


def real_data():
    with Cluster(settings=STEADY) as cluster:
        node = cluster.others(cluster.coordinator())[0]
        load_schemas(cluster, node)
        insert_on_all_nodes(cluster)
        for database in ("roundcube", "tz", "shop", "fill"):
            cluster.same_tables(database)


if __name__ == "__main__":
    main(real_data)
