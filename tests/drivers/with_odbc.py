#!/usr/bin/python3
"""MariaDB's driver for ODBC, by pyodbc: create, write, read, err, then write on while a node dies.

with_odbc.py DATABASE STOP-FILE HOST:PORT…   (see tests/system/drivers.py)
"""

import os
import sys

import pyodbc

DATABASE, STOP = sys.argv[1:3]
PLACES = [place.split(":") for place in sys.argv[3:]]
DRIVER = "/usr/lib/x86_64-linux-gnu/odbc/libmaodbc.so"
connection = None


def connect():
    """To the first place that answers, beginning with the one behind the last."""
    global connection
    for _ in range(100):
        host, port = PLACES[0]
        try:
            connection = pyodbc.connect(f"Driver={DRIVER};Server={host};Port={port};User=app;Password=secret;"
                                        f"Database={DATABASE};Charset=utf8mb4;ConnectionTimeout=10", autocommit=True)
            return
        except pyodbc.Error:
            PLACES.append(PLACES.pop(0))
    sys.exit("no node takes a connection")


def run(text, *values):
    cursor = connection.cursor()
    cursor.execute(text, *values)
    return cursor.fetchall() if cursor.description else cursor.rowcount


def first_steps():
    run("CREATE TABLE odbc (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(40) UNIQUE, n DECIMAL(10,2), b BLOB)")
    connection.cursor().executemany("INSERT INTO odbc (v, n, b) VALUES (?, ?, ?)",
                                    [(f"é漢😀{i}", i / 4, bytes(range(256)) * 20) for i in range(20)])
    assert run("SELECT b FROM odbc WHERE v = ?", "é漢😀7")[0][0] == bytes(range(256)) * 20
    connection.autocommit = False
    run("DELETE FROM odbc")
    connection.rollback()
    assert run("SELECT COUNT(*) FROM odbc")[0][0] == 20
    connection.autocommit = True
    one, other = connection.cursor(), connection.cursor()
    one.execute("SELECT id FROM odbc WHERE id > ? ORDER BY id", 0)
    assert one.fetchone() is not None
    other.execute("SELECT COUNT(*) FROM odbc WHERE id > ?", 0)
    assert other.fetchone()[0] == 20 and one.fetchone() is not None
    assert [row.column_name for row in connection.cursor().columns(table="odbc")] == ["id", "v", "n", "b"]
    try:
        run("INSERT INTO odbc (v) VALUES (?)", "é漢😀7")
        raise AssertionError("the key was taken twice")
    except pyodbc.IntegrityError as error:
        assert "1062" in str(error), error


def write(number):
    while True:
        try:
            run("INSERT INTO written VALUES ('odbc', ?)", number)
            return
        except pyodbc.IntegrityError:
            return  # it was done by the attempt whose answer got lost
        except pyodbc.Error:
            connect()


connect()
first_steps()
print("ready", flush=True)
written = 0
while not os.path.exists(STOP):
    written += 1
    write(written)
print("done", written)
