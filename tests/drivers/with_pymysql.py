#!/usr/bin/python3
"""PyMySQL, and mysqlclient (MySQLdb) by its name: create, write, read, err, then write on while a node dies.

with_pymysql.py pymysql|MySQLdb DATABASE STOP-FILE HOST:PORT…   (see tests/system/drivers.py)
"""

import importlib
import os
import sys

NAME, DATABASE, STOP = sys.argv[1:4]
PLACES = [place.split(":") for place in sys.argv[4:]]
driver = importlib.import_module(NAME)
connection = None


def connect():
    """To the first place that answers, beginning with the one behind the last."""
    global connection
    for _ in range(100):
        host, port = PLACES[0]
        try:
            connection = driver.connect(host=host, port=int(port), user="app", password="secret", database=DATABASE,
                                        charset="utf8mb4", connect_timeout=10, autocommit=True)
            return
        except driver.Error:
            PLACES.append(PLACES.pop(0))
    sys.exit("no node takes a connection")


def run(text, values=None):
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchall()


def first_steps():
    run(f"CREATE TABLE {NAME} (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(40) UNIQUE, n DECIMAL(10,2), b BLOB, t DATETIME(6))")
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {NAME} (v, n, b, t) VALUES (%s, %s, %s, NOW(6))",
                           [(f"é漢😀{i}", i / 4, bytes(range(256))) for i in range(20)])
        assert cursor.rowcount == 20, cursor.rowcount
        cursor.execute(f"INSERT INTO {NAME} (v) VALUES ('last')")
        assert cursor.lastrowid >= 21, cursor.lastrowid
    assert run(f"SELECT n, b FROM {NAME} WHERE v = %s", ("é漢😀7",)) [0][1] == bytes(range(256))
    connection.autocommit(False)
    run(f"DELETE FROM {NAME}")
    connection.rollback()
    assert run(f"SELECT COUNT(*) FROM {NAME}")[0][0] == 21
    connection.commit()
    connection.autocommit(True)
    try:
        run(f"INSERT INTO {NAME} (v) VALUES ('last')")
        raise AssertionError("the key was taken twice")
    except driver.IntegrityError as error:
        assert error.args[0] == 1062, error


def write(number):
    while True:
        try:
            run("INSERT INTO written VALUES (%s, %s)", (NAME, number))
            return
        except driver.IntegrityError:
            return  # what had no answer had been done
        except driver.Error:
            connect()


connect()
first_steps()
print("ready", flush=True)
count = 0
while not os.path.exists(STOP):
    write(count)
    count += 1
print("done", count, flush=True)
