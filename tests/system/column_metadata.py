#!/usr/bin/python3
"""What clients are told of columns beyond their types (MariaDB's extended metadata): every byte of the columns' descriptions
is a plain server's, through every node, for clients that asked for it and for others; and programs see the same values.
"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

import wire_client as wire  # noqa: E402
from ddb_cluster import MYSQL, SLOW, STEADY, Cluster, check, equal, main, note  # noqa: E402
from drivers import HERE, NODE_MODULES  # noqa: E402
from gateway import PASSWORD, USER, PlainServer, account  # noqa: E402

DATABASE = "named"
SETUP = [
    f"CREATE DATABASE {DATABASE}", f"USE {DATABASE}",
    "CREATE TABLE t (id INT PRIMARY KEY, j JSON, i6 INET6, i4 INET4, u UUID, g GEOMETRY, p POINT, l LINESTRING, po POLYGON, "
    "mp MULTIPOINT, ml MULTILINESTRING, mo MULTIPOLYGON, gc GEOMETRYCOLLECTION, v VARCHAR(20), d DECIMAL(8,3), lt LONGTEXT, "
    "checked LONGTEXT CHECK (JSON_VALID(checked)), e ENUM('a','b'), bits BIT(9), made JSON AS (JSON_EXTRACT(j, '$.k')))",
    "INSERT INTO t (id, j, i6, i4, u, p, v) VALUES (1, '{\"k\": [1, null]}', 'fe80::1', '10.0.0.1', "
    "'123e4567-e89b-12d3-a456-426655440000', POINT(1, 2), '{}'), (2, NULL, NULL, NULL, NULL, NULL, NULL)",
    "CREATE VIEW seen AS SELECT id, j, i6, u, p, JSON_KEYS(j) AS k, CONCAT(j) AS c FROM t",
    "CREATE FUNCTION as_json() RETURNS JSON DETERMINISTIC RETURN '{}'", "CREATE FUNCTION as_inet6() RETURNS INET6 DETERMINISTIC RETURN '::1'",
    "CREATE PROCEDURE both_of() BEGIN SELECT j, i6 FROM t ORDER BY id; SELECT p, v FROM t WHERE FALSE; END",
]
# Without placeholders among the columns: those are called by their values, and have their type (README).
READS = [
    "SELECT * FROM t ORDER BY id", "SELECT * FROM t WHERE FALSE", "SELECT x.j AS jot, x.p `in out`, x.id FROM t AS x ORDER BY id",
    "SELECT * FROM seen ORDER BY id", "SELECT k, c FROM (SELECT * FROM seen) AS s WHERE FALSE",
    "SELECT 1, NULL, 'text', 1.5, NOW() > 0, id + 1, UPPER(v), CAST(j AS CHAR), CONCAT(i6) FROM t WHERE id = 1",
    "SELECT JSON_EXTRACT(j, '$.k'), JSON_OBJECT('a', id), JSON_ARRAY(1), JSON_QUOTE(v), JSON_VALUE(j, '$.k'), JSON_UNQUOTE(j), "
    "JSON_LENGTH(j), JSON_DETAILED(j), COALESCE(j, '{}'), IF(id = 1, j, '[]'), IFNULL(j, v) FROM t ORDER BY id",
    "SELECT CAST('::2' AS INET6), CAST('10.0.0.2' AS INET4), CAST('123e4567-e89b-12d3-a456-426655440001' AS UUID), LENGTH(UUID()) > 0, "
    "POINT(3, 4), ST_GEOMFROMTEXT('LINESTRING(0 0, 1 1)'), ST_BUFFER(POINT(0, 0), 1), ST_ASTEXT(p), ST_X(p) FROM t WHERE id = 1",
    "SELECT MAX(j), MIN(i6), MAX(u), COUNT(p), JSON_ARRAYAGG(id), JSON_OBJECTAGG(id, v), GROUP_CONCAT(j) FROM t",
    "SELECT j, COUNT(*) FROM t GROUP BY j ORDER BY j", "SELECT DISTINCT i6 FROM t ORDER BY i6",
    "SELECT j FROM t UNION ALL SELECT j FROM t", "SELECT j FROM t UNION SELECT v FROM t", "SELECT i6, p FROM t UNION SELECT i6, g FROM t",
    "SELECT i6, p FROM t UNION SELECT CAST('::2' AS INET6), POINT(1, 2)", "SELECT (SELECT j FROM t WHERE id = 1), (SELECT MAX(u) FROM t)",
    "WITH c AS (SELECT j, u FROM t) SELECT * FROM c ORDER BY u", "SELECT a.j, b.i6 FROM t AS a JOIN t AS b ON a.id = b.id ORDER BY a.id",
    "SELECT as_json(), as_inet6()", "SELECT FIRST_VALUE(j) OVER (ORDER BY id), LEAD(u) OVER (ORDER BY id) FROM t",
    "VALUES (1, '{}')", "SHOW COLUMNS FROM t", "SHOW CREATE VIEW seen", "SELECT TABLE_NAME, TABLE_ROWS IS NULL FROM information_schema.TABLES "
    f"WHERE TABLE_SCHEMA = '{DATABASE}' ORDER BY 1",
]
# By text only; what a transaction, a temporary table or a variable concerns runs on the coordinator.
TEXTS = [
    "CALL both_of()", "INSERT INTO t (id, j) VALUES (3, '[]') RETURNING id, j, i6, JSON_LENGTH(j)", "DELETE FROM t WHERE id = 3 RETURNING j, p",
    "BEGIN", "SELECT * FROM t ORDER BY id", "SELECT j FROM t WHERE id = 1 FOR UPDATE", "ROLLBACK",
    "CREATE TEMPORARY TABLE own (j JSON, u UUID, PRIMARY KEY (u))", "SELECT * FROM own", "DROP TEMPORARY TABLE own",
    "SET @a = '{}', @g = POINT(1, 2)", "SELECT @a, @g, JSON_EXTRACT(@a, '$')", "START TRANSACTION READ ONLY", "SELECT j, i6 FROM t ORDER BY id",
    "COMMIT", "SET STATEMENT max_statement_time = 20 FOR SELECT j, u FROM t ORDER BY id", "EXECUTE IMMEDIATE 'SELECT j, p FROM t ORDER BY id'",
    "SELECT nothing FROM t",
]


def without_default(packet, extended):
    """Of COM_FIELD_LIST. A node sends NULL for what a column holds by default (node/gateway/replies.hpp)."""
    fields = wire.Reader(packet)
    for _ in range(7 if extended else 6):
        fields.string()
    fields.bytes(fields.lenenc())
    return packet[:fields.at]


def said(host, port, capabilities):
    """[(statement, what was answered, descriptions of columns as they came)]"""
    client = wire.Client(host, port, USER, PASSWORD, DATABASE, capabilities=capabilities, deadline_s=60 * SLOW)
    out = []

    def note_down(what, answer):
        out.append((what, answer, client.columns))
        client.columns = []

    for sql in READS + TEXTS:
        note_down(sql, client.query(sql))
    answer = client.field_list("t")
    client.columns = [without_default(packet, client.extended) for packet in client.columns]
    note_down("FIELD_LIST", answer)
    for sql in READS:
        number, answer = client.prepare(sql)
        note_down(f"prepared: {sql}", answer)
        for _ in range(2):
            note_down(f"executed: {sql}", client.execute(number))
        client.close_statement(number)
    number, answer = client.prepare("SELECT j, i6, p, v FROM t WHERE id = ? AND JSON_VALUE(j, '$.k') <=> ?")
    note_down("with parameters", answer)
    note_down("their execution", client.execute(number, [(8, False, b"\1" + bytes(7)), (6, False, None)]))
    # A server describes its own temporary table there: a key is none, an expression has a table's type.
    number, _ = client.prepare("SELECT j, i6, u, p, g, v FROM t ORDER BY id")
    note_down("a cursor", client.open_cursor(number))
    client.close_statement(number)
    client.change_user(DATABASE)
    note_down("behind a change of user", client.query(READS[0]))
    client.close()
    return out


def compare(node, found, expected):
    count = 0
    for (what, answer, columns), (_, plain_answer, plain_columns) in zip(found, expected):
        equal(len(columns), len(plain_columns), f"node {node}: {what}: columns described ({answer[:2]}, plain: {plain_answer[:2]})")
        for mine, theirs in zip(columns, plain_columns):
            equal(mine, theirs, f"node {node}: {what}: the description of a column")
        equal([item for item in answer if item[0] == "row"], [item for item in plain_answer if item[0] == "row"], f"node {node}: {what}: rows")
        count += len(columns)
    return count


def as_described_by_a_plain_server():
    with Cluster(settings=STEADY) as cluster:
        for statement in account():
            cluster.sql(1, statement)
        places = {node: (cluster.nodes[node]["address"], cluster.port + 2) for node in cluster.nodes}
        if MYSQL:
            for node, place in places.items():
                client = wire.Client(*place, USER, PASSWORD)
                equal(client.offered >> 32, 0, f"node {node}: nothing of MariaDB's own is offered")
                check(client.offered & wire.LONG_PASSWORD, f"node {node}: the greeting is a MySQL server's")
                client.close()
            return
        with PlainServer(os.path.join(cluster.base, "plain")) as plain:
            server = ("127.0.0.1", plain.port)
            for place in (server, places[1]):
                client = wire.Client(*place, USER, PASSWORD)
                for sql in SETUP:
                    answer = client.query(sql)
                    equal(answer[-1][0], "ok", f"{sql} on {place}: {answer}")
                client.close()
            cluster.settle()
            for capabilities in (0, wire.EXTENDED_METADATA, wire.EXTENDED_METADATA | wire.DEPRECATE_EOF):
                expected = said(*server, capabilities)
                told = sum(b"\1\4json" in column for _, _, columns in expected for column in columns)
                check((told > 50) == bool(capabilities), f"columns that a plain server calls JSON: {told}")
                for node, place in places.items():
                    count = compare(node, said(*place, capabilities), expected)
                    note(f"node {node}{' (coordinator)' * (node == cluster.coordinator())}: {count} descriptions as on a plain server, {told} of JSON")
            offered_alone(places)
            programs_see_the_same(server, places)


def offered_alone(places):
    """Of MariaDB's own capabilities no others, asked for or not."""
    for node, place in places.items():
        client = wire.Client(*place, USER, PASSWORD, capabilities=wire.EXTENDED_METADATA | wire.CACHE_METADATA)
        equal(client.offered >> 32, (wire.EXTENDED_METADATA | wire.BULK_OPERATIONS) >> 32, f"node {node}: capabilities of MariaDB's own")
        number, _ = client.prepare("SELECT 1")
        for _ in range(3):
            equal(client.execute(number)[0][0], "columns", f"node {node}: every execution describes its columns")
        client.close()


def programs_see_the_same(server, places):
    if not os.path.exists(NODE_MODULES):
        note("not tried: mysql2 and MariaDB's connector (tools/setup --drivers)")
        return
    sql = "SELECT id, j, JSON_OBJECT('a', id) AS made, i6, u, p, v, checked FROM t ORDER BY id"

    def seen(place):
        result = subprocess.run(["node", "typed_values.js", place[0], str(place[1]), USER, DATABASE, sql], cwd=HERE, capture_output=True, text=True,
                                env=dict(os.environ, NODE_PATH=NODE_MODULES, MYSQL_PWD=PASSWORD), timeout=60 * SLOW, check=False)
        check(result.returncode == 0, f"typed_values.js on {place}: {result.stderr[-1000:]}")
        return json.loads(result.stdout)

    expected = seen(server)
    for kind in ("text", "binary"):
        equal(expected["mysql2"][kind][0][1][:2], ["j", "object"], f"mysql2 on a plain server, {kind}: a JSON column's value")
    for node, place in places.items():
        equal(seen(place), expected, f"node {node}: what mysql2 and MariaDB's connector see")
    note(f"mysql2 and MariaDB's connector see the same on {len(places)} nodes")


if __name__ == "__main__":
    main(as_described_by_a_plain_server)
