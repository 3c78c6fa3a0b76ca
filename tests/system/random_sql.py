"""Chapters of random statements: each has tables of its own and a session of its own, and follows from its seed alone."""

import random
import re
import struct

import random_mysql as mysql
from random_expressions import AGGREGATES, WINDOWS, Expressions
from random_mysql import MYSQL, exchanged, exchanged_words

NUMBERS = ["TINYINT", "SMALLINT UNSIGNED", "MEDIUMINT", "INT", "INT(6) ZEROFILL", "BIGINT", "BIGINT UNSIGNED", "BOOL", "FLOAT", "DOUBLE",
           "FLOAT(7,3)", "DECIMAL(10,3)", "DECIMAL(38,10)", "NUMERIC(5)", "BIT(1)", "BIT(17)", "YEAR"]
TEXTS = ["CHAR(10)", "VARCHAR(30)", "VARCHAR(30) COLLATE utf8mb4_bin", "VARCHAR(20) CHARACTER SET latin1", "TINYTEXT", "TEXT", "MEDIUMTEXT",
         "LONGTEXT", "ENUM('a','b','','grün')", "SET('x','y','z')", "JSON"]
OTHERS = exchanged(["BINARY(5)", "VARBINARY(20)", "TINYBLOB", "BLOB", "LONGBLOB", "DATE", "TIME", "TIME(3)", "DATETIME", "DATETIME(6)", "TIMESTAMP NULL",
          "UUID", "INET6", "POINT"], mysql.TYPES)
KINDS = {**{t: "n" for t in NUMBERS}, **{t: "s" for t in TEXTS}, "JSON": "j", "POINT": "g", "DATE": "t", "TIME": "t", "TIME(3)": "t",
         "DATETIME": "t", "DATETIME(6)": "t", "TIMESTAMP NULL": "t"}
# A value that fits, by the type's first letters; what is not here takes a small number.
FITTING = {"CHAR": "'ab'", "VARCHAR": "'Abc'", "TINYTEXT": "'t x'", "TEXT": "'grün'", "MEDIUMTEXT": "''", "LONGTEXT": "'long'", "ENUM": "'b'", "SET": "'x,z'",
           "JSON": "'{\"k\": 1}'", "BINARY": "'bin'", "VARBINARY": "X'00ff'", "TINYBLOB": "'it''s'", "BLOB": "X'27005c'", "LONGBLOB": "'b'",
           "DATETIME": "'2024-02-29 23:59:59.5'", "DATE": "'2023-12-31'", "TIMESTAMP": "'2001-02-03 04:05:06'", "TIME": "'-10:11:12.25'",
           "UUID": "'123e4567-e89b-12d3-a456-426655440000'", "INET6": "'fe80::1'", "POINT": "POINT(1, 2)", "YEAR": "1999", "BIT": "b'1'", **mysql.FITTING}
# Types without an index over their whole length.
UNINDEXED = ("TEXT", "BLOB", "JSON", "POINT", "VECTOR")
VARIABLES = exchanged(["sql_mode = ''", "sql_mode = DEFAULT", "sql_mode = 'ANSI'", "sql_mode = 'TRADITIONAL'", "sql_mode = 'NO_BACKSLASH_ESCAPES'",
             "sql_mode = 'NO_ZERO_DATE,STRICT_ALL_TABLES'", "sql_mode = 'NONSENSE'", "sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'",
             "group_concat_max_len = 10", "group_concat_max_len = DEFAULT", "div_precision_increment = 8", "time_zone = '+05:30'",
             "time_zone = 'Nowhere/City'", "sql_select_limit = 3", "sql_select_limit = DEFAULT", "sql_safe_updates = 1", "sql_safe_updates = 0",
             "sql_warnings = 1", "sql_notes = 0", "sql_notes = 1", "foreign_key_checks = 0", "foreign_key_checks = 1", "unique_checks = 0",
             "max_error_count = 2", "max_error_count = DEFAULT", "lc_time_names = 'de_DE'", "default_week_format = 3", "big_tables = 1",
             "collation_connection = 'utf8mb4_bin'", "character_set_results = 'latin1'", "character_set_results = NULL", "lc_messages = 'de_DE'",
             "character_set_results = 'utf8mb4'", "sql_auto_is_null = 1", "last_insert_id = 77", "insert_id = 500", "timestamp = 1700000000.25",
             "no_such_variable = 1", "tx_isolation = 'READ-COMMITTED'", "tx_isolation = 'REPEATABLE-READ'", "NAMES latin1", "NAMES utf8mb4",
             "NAMES nonsense", "CHARACTER SET utf8mb4", "max_statement_time = 20", "@@session.sort_buffer_size = 100000", "old_mode = ''",
             "SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "use_stat_tables = 'never'",
             "sql_quote_show_create = 0", "max_sort_length = 8", "join_cache_level = 0", "profiling = 0", "character_set_client = 'latin1'"], mysql.VARIABLES)
SHOWN = exchanged_words(["SHOW TABLES", "SHOW FULL TABLES", "SHOW TABLES LIKE 't%'", "SHOW COLUMNS FROM {t}", "SHOW FULL COLUMNS FROM {t}", "DESCRIBE {t}",
         "SHOW CREATE TABLE {t}", "SHOW CREATE VIEW v0", "SHOW CREATE PROCEDURE p0", "SHOW CREATE DATABASE {d}", "SHOW TRIGGERS",
         "SHOW DATABASES LIKE '{d}'", "SHOW VARIABLES LIKE 'sql_mode'", "SHOW SESSION VARIABLES LIKE 'tx_iso%'",
         "SHOW COLLATION LIKE 'utf8mb4_g%'", "SHOW CHARACTER SET LIKE 'utf8%'", "SHOW ENGINES", "SHOW GRANTS", "SHOW CREATE FUNCTION f0", "SHOW NONSENSE",
         "SHOW VARIABLES WHERE Variable_name IN ('character_set_client', 'collation_connection', 'time_zone')", "SHOW CREATE TABLE nothing",
         "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLUMN_DEFAULT, IS_NULLABLE, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{d}' "
         "ORDER BY 1, ORDINAL_POSITION", "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1",
         "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '{d}' ORDER BY 1", "SHOW PROCEDURE CODE p0",
         "SELECT @@sql_mode, @@div_precision_increment, @@tx_isolation", "SELECT @@nothing", "SELECT DATABASE(), CURRENT_USER()", "SHOW PLUGINS LIKE 'x'",
         "SHOW INDEX FROM nothing", "EXPLAIN SELECT 1", "EXPLAIN EXTENDED SELECT 1 + 1 AS x", "EXPLAIN DELETE FROM nothing", "HELP 'nothing to find'"])
WRONG = ["SELEC 1", "SELECT 1 FROM", "SELECT nothing FROM {t}", "SELECT * FROM nothing", "SELECT * FROM nowhere.t0", "INSERT INTO {t} VALUES (1)",
         "INSERT INTO {t} (id, id) VALUES (1, 2)", "INSERT INTO {t} (nothing) VALUES (1)", "UPDATE {t} SET nothing = 1", "DELETE FROM nothing",
         "SELECT (SELECT 1 UNION SELECT 2)", "SELECT 1 UNION SELECT 1, 2", "SELECT id FROM {t} a JOIN {t} b", "SELECT COUNT(*) FROM {t} HAVING",
         "SELECT 'open", "SELECT /* open", "SELECT `open", "ROLLBACK TO nowhere", "RELEASE SAVEPOINT nowhere", "EXECUTE nothing",
         "DEALLOCATE PREPARE nothing", "CALL nothing()", "CALL p0()", "DROP TABLE nothing", "DROP VIEW nothing", "DROP PROCEDURE nothing",
         "CREATE TABLE {t} (id INT PRIMARY KEY)", "ALTER TABLE {t} DROP COLUMN nothing", "ALTER TABLE nothing ADD c INT", "USE nowhere", "SELECT SUM(COUNT(*)) FROM {t}",
         "SELECT id, COUNT(*) FROM {t} WHERE COUNT(*) > 1", "SELECT * FROM {t} GROUP BY nothing", "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'mine', MYSQL_ERRNO = 5000",
         "RESIGNAL", "SELECT 1; SELECT 2", "DROP DATABASE nowhere", "CREATE DATABASE {d}", "CREATE INDEX i ON nothing (a)", "TRUNCATE nothing", "DO nothing",
         "INSERT INTO v1 VALUES (1)", "GET DIAGNOSTICS @n = NUMBER", "SELECT * FROM {t} LIMIT -1", "SELECT * FROM {t} LIMIT 'a'", "COMMIT AND NONSENSE",
         "INSERT INTO {t} SELECT 1", "SELECT COUNT(*) FROM mysql.nothing", "CREATE TABLE x (a NOTYPE)"]
STATE = ["SELECT ROW_COUNT()", "SELECT FOUND_ROWS()", "SELECT LAST_INSERT_ID()", "SHOW WARNINGS", "SHOW WARNINGS", "SHOW ERRORS", "SHOW COUNT(*) WARNINGS",
         "SELECT @@warning_count, @@error_count", "SHOW WARNINGS LIMIT 1", "SELECT @a, @b, @c", "SELECT @@last_insert_id, @@identity",
         "GET DIAGNOSTICS @n = NUMBER", "SELECT ROW_COUNT(), FOUND_ROWS(), LAST_INSERT_ID()"]
# Statements that may leave the diagnostics of the one before them in place.
NO_DIAGNOSTICS = re.compile(r"SET|SHOW|HELP|DO|EXECUTE|PREPARE|DEALLOCATE|GET|EXPLAIN|SELECT(?!.* FROM (t|v|tmp)\d)|RESIGNAL|"
                            r"START|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE")
CONTROL = ["BEGIN", "START TRANSACTION", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT s1", "SAVEPOINT s2", "ROLLBACK TO s1", "ROLLBACK TO SAVEPOINT s2",
           "RELEASE SAVEPOINT s1", "START TRANSACTION READ ONLY", "START TRANSACTION WITH CONSISTENT SNAPSHOT", "SET autocommit = 0", "SET autocommit = 1",
           "SET autocommit = 1", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET TRANSACTION READ ONLY", "COMMIT WORK"]

# Parameters of the binary protocol, by the kind of value wanted: (type, unsigned, bytes).
PARAMETERS = {
    "n": [(8, False, struct.pack("<q", -5)), (3, False, struct.pack("<i", 3)), (8, True, struct.pack("<Q", 2 ** 64 - 1)), (1, False, struct.pack("<b", 7)),
          (2, True, struct.pack("<H", 6000)), (5, False, struct.pack("<d", 2.5)), (5, False, struct.pack("<d", -1e30)), (246, False, b"\x05-3.14"),
          (253, False, b"\x0212"), (6, False, None)],
    "s": [(253, False, b"\x03abc"), (253, False, b"\x00"), (254, False, b"\x05gr\xc3\xbcn"), (252, False, b"\x04\x00'\\\xff"), (253, False, b"\x02it"),
          (253, False, b"\x04it's"), (6, False, None), (253, False, b"\x0a2024-02-29")],
    "t": [(10, False, b"\x04\xe8\x07\x02\x1d"), (12, False, b"\x07\xe8\x07\x0c\x1f\x17\x3b\x3b"), (12, False, b"\x0b\xcf\x07\x01\x02\x03\x04\x05\x00\x00\x00\x00"),
          (11, False, b"\x08\x00\x00\x00\x00\x00\x0a\x0b\x0c"), (11, False, b"\x08\x01\x01\x00\x00\x00\x00\x00\x01"), (253, False, b"\x0a2023-12-31"), (6, False, None)],
}


class Table:
    def __init__(self, name, columns):
        self.name, self.columns = name, columns  # (name, type); the first is the key

    def names(self):
        return [name for name, _ in self.columns]


class Chapter:
    """statements: (kind, text, parameters), kind one of text, binary, or the name of a command."""

    def __init__(self, seed, database, count):
        self.chance = random.Random(seed)
        self.make = Expressions(self.chance)
        self.database = database
        # A session that sets nothing reads on its own node; one that does runs on the coordinator altogether.
        self.sets = self.chance.random() < 0.5
        self.make.use_variables = self.sets
        self.tables, self.views, self.temporary, self.serial = [], [], [], 0
        self.found_rows, self.deprecate_eof, self.multi = (self.chance.random() < share for share in (0.2, 0.5, 0.2))
        self.extended = random.Random(f"extended {seed}").random() < 0.5  # apart, so that it changes no chapter's statements
        self.statements = []
        if self.sets:
            self.add("SET div_precision_increment = 4")
        for _ in range(2):
            self.add(self.create_table())
        self.add(self.create_view())
        self.add("CREATE PROCEDURE p0 (IN n INT) BEGIN SELECT n, n * 2; SELECT COUNT(*) FROM t0 WHERE id < n; END")
        self.add("CREATE PROCEDURE p1 (IN n INT, INOUT m INT) BEGIN UPDATE t0 SET id = id WHERE id = n; SET m = m + n; SELECT m; INSERT IGNORE INTO t1 (id) VALUES (n); END")
        self.add("CREATE PROCEDURE p2 (IN n INT) BEGIN DELETE FROM t0 WHERE 1 = 0; SELECT n; SELECT COUNT(*) FROM t0 WHERE id < n; SIGNAL SQLSTATE '45000'; END")
        self.add("CREATE FUNCTION f0 (n INT) RETURNS VARCHAR(40) DETERMINISTIC RETURN CONCAT('<', n, '>')")
        for table in list(self.tables):
            self.add(self.insert(table, rows=6))
        shapes = self.shapes()
        while len(self.statements) < count:
            shape, = self.chance.choices(list(shapes), list(shapes.values()))
            shape()

    def add(self, text, kind="text", parameters=()):
        self.statements.append((kind, text, parameters))

    def shapes(self):
        text = lambda make: lambda: self.add(make())  # noqa: E731
        return {text(self.select): 26, text(self.insert): 12, text(self.update): 8, text(self.delete): 4, text(self.replace): 3,
                self.state: 14, self.control: 9, self.prepared: 12,
                lambda: self.add(self.filled(WRONG)): 5, lambda: self.add(self.filled(SHOWN)): 5, self.text_prepared: 2, text(self.multi_table): 3,
                text(self.call): 2, text(self.definition): 1.6, text(self.temporary_table): 1.6 if self.sets else 0.3, self.session: 6 if self.sets else 0,
                self.command: 1, self.several: 3 if self.multi else 0.2}

    def state(self):
        text = self.chance.choice(STATE)
        # What it counts behind anything but a SELECT, or without a LIMIT's rows, is the server's own affair.
        if "FOUND_ROWS" in text and not re.match("(SELECT|WITH)(?!.* (UNION|EXCEPT|INTERSECT) )", self.statements[-1][1]):
            text = "SELECT ROW_COUNT()"
        # MySQL counts the rows that an offset left out, or not, as its plan has it.
        if MYSQL and "FOUND_ROWS" in text and re.search(r"LIMIT \d, | OFFSET ", self.statements[-1][1]):
            text = "SELECT ROW_COUNT()"
        # And this behind what was not run.
        if "ROW_COUNT" in text and not self.statements[-1][1].startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "REPLACE")):
            text = "SELECT LAST_INSERT_ID()"
        # Behind what leaves diagnostics alone, they are those of a statement before it, which another connection may have run.
        if re.search("warning|errors|diagnostics", text.lower()) and not self.diagnosed():
            text = "SELECT LAST_INSERT_ID()"
        # Behind a read of the node's own, another connection would be asked.
        self.add("SHOW WARNINGS" if text.startswith("GET") and not self.sets else text)

    def control(self):
        text = self.chance.choice(CONTROL)
        if MYSQL and re.match("BEGIN|START", text):
            self.add("COMMIT")  # one that begins in a READ ONLY transaction is READ ONLY there too
        if text.startswith("SET TRANSACTION") and self.said("autocommit = 0"):
            text = "COMMIT"  # whether one has begun differs
        if re.search("CHAIN|autocommit = 1", text) and self.said("READ ONLY"):
            text = "COMMIT"  # SET autocommit = 1 ends a READ ONLY transaction, but the server's next one is read-only too
        if MYSQL and text == "SET TRANSACTION READ ONLY":
            self.add("COMMIT")
        self.add(text)
        if text == "SET TRANSACTION READ ONLY":
            self.add("START TRANSACTION")  # a statement of its own that fails in it uses it up, where a server keeps it

    def said(self, words):
        return any(words in text for _, text, _ in self.statements)

    def diagnosed(self):
        """Whether the last statement has diagnostics of its own."""
        kind, text, _ = self.statements[-1]
        return kind in ("text", "binary") and ";" not in text and not NO_DIAGNOSTICS.match(text)

    def filled(self, texts):
        return self.chance.choice(texts).format(t=self.table().name, d=self.database)

    def table(self):
        if self.temporary and self.chance.random() < 0.2:
            return self.chance.choice(self.temporary)
        if self.views and self.chance.random() < 0.1:
            return self.chance.choice(self.views)
        return self.chance.choice(self.tables)

    # -- reading ------------------------------------------------------------------------------------------------

    def limit(self):
        return f" LIMIT {self.chance.choice(['1', '2', '5', '0', '2, 3', '3 OFFSET 1'])}" if self.chance.random() < 0.3 else ""

    def select(self):
        make, chance, table = self.make, self.chance, self.table()
        columns = table.names()
        where = f" WHERE {make.condition(columns)}" if chance.random() < 0.6 else ""
        shape = chance.randrange(14)
        if shape < 2:
            return f"SELECT {', '.join(make.expression([], 3) for _ in range(chance.randint(1, 4)))}"
        if shape < 6:
            listed = ", ".join(make.expression(columns) + (f" AS x{i}" if chance.random() < 0.3 else "") for i in range(chance.randint(1, 4)))
            words = chance.choice(["", "", "", "SQL_CALC_FOUND_ROWS ", "HIGH_PRIORITY ", "SQL_NO_CACHE ", "STRAIGHT_JOIN "])
            tail = chance.choice(["", "", "", "", " FOR UPDATE", " LOCK IN SHARE MODE", " INTO @a" if self.sets else ""])
            return f"SELECT {words}{listed} FROM {table.name}{where} ORDER BY {columns[0]}{self.limit()}{tail}"
        if shape == 6:
            return f"SELECT * FROM {table.name}{where} ORDER BY {columns[0]} {chance.choice(['', 'DESC'])}{self.limit()}"
        if shape == 7:
            group = chance.choice(columns)
            return (f"SELECT {group} AS g, {make.fill(chance.choice(AGGREGATES), columns)}, {make.fill(chance.choice(AGGREGATES), columns)} FROM {table.name}"
                    f"{where} GROUP BY {group}{chance.choice(['', ' WITH ROLLUP', ' HAVING COUNT(*) > 1'])}")
        if shape == 8:
            return f"SELECT {make.fill(chance.choice(AGGREGATES), columns)} FROM {table.name}{where}"
        if shape == 9:
            return f"SELECT id, {make.fill(chance.choice(WINDOWS), columns)} AS w FROM {table.name}{where} ORDER BY id"
        if shape == 10:
            other = self.table()
            join = chance.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "CROSS JOIN", "NATURAL JOIN"])
            on = "" if "CROSS" in join or "NATURAL" in join else " ON a.id = b.id"
            both = [f"a.{name}" for name in columns] + [f"b.{name}" for name in other.names()]
            return f"SELECT a.id, b.id, {make.expression(both)} FROM {table.name} a {join} {other.name} b{on} ORDER BY 1, 2"
        if shape == 11:
            test = chance.choice(["id IN (SELECT id FROM {o} WHERE {w})", "EXISTS (SELECT 1 FROM {o} WHERE {o}.id = {t}.id)",
                                  "id > ALL (SELECT id FROM {o} WHERE id < 3)", "id = (SELECT MAX(id) FROM {o})", "id = (SELECT id FROM {o})"])
            other = chance.choice(self.tables)
            return f"SELECT id FROM {table.name} WHERE {test.format(o=other.name, t=table.name, w=make.condition(other.names(), 0))} ORDER BY id"
        if shape == 12:
            word = chance.choice(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"])
            leaf = make.leaf(columns) if make.placeholders is None else chance.choice(columns)  # a parameter's type would decide
            return f"SELECT id, {leaf} FROM {table.name} {word} SELECT {make.literal()}, {make.literal()} ORDER BY 1, 2{self.limit()}"
        return (f"WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {chance.randint(2, 6)}), q AS (SELECT id FROM {table.name}) "
                f"SELECT n, (SELECT COUNT(*) FROM q WHERE q.id >= n), {make.expression(['n'], 1)} FROM r ORDER BY n")

    # -- writing ------------------------------------------------------------------------------------------------

    def value(self, of_type):
        """For a column of that type, or for any ("s")."""
        kind = KINDS.get(of_type, "b" if len(of_type) > 1 else of_type)
        if self.chance.random() < 0.06:
            return "DEFAULT"
        if self.chance.random() < 0.6 and len(of_type) > 1:
            return FITTING.get(of_type.split("(")[0].split(" ")[0], str(self.chance.randint(-1, 9)))
        if self.chance.random() < 0.75:
            return self.make.leaf([], kind)
        return self.make.expression([], 1, kind)

    def insert(self, table=None, rows=0, verb="INSERT"):
        chance = self.chance
        table = table or self.table()
        chosen = [c for c in table.columns[1:] if chance.random() < 0.6]
        with_key = chance.random() < 0.4 and not rows
        names = ([table.names()[0]] if with_key else []) + [name for name, _ in chosen]
        # The first rows of a table are to arrive, whatever of their values does not fit.
        words = " IGNORE" if rows or (chance.random() < 0.2 and verb == "INSERT") else ""
        if chance.random() < 0.15 and not rows:
            other = chance.choice(self.tables)
            source = f"SELECT {', '.join(self.make.leaf(other.names()) for _ in names) or '1'} FROM {other.name} ORDER BY id LIMIT 3"
        else:
            tuples = [[str(chance.choice([chance.randint(1, 15), chance.randint(1, 15), "NULL", "'7'", 0]))] * with_key +
                      [self.value(kind) for _, kind in chosen] for _ in range(rows or chance.choice([1, 1, 1, 2, 4]))]
            source = "VALUES " + ", ".join(f"({', '.join(values)})" for values in tuples)
        tail = ""
        if verb == "INSERT" and chance.random() < 0.2 and chosen:
            name = chance.choice(chosen)[0]
            tail = f" ON DUPLICATE KEY UPDATE {name} = {chance.choice(['VALUES(' + name + ')', name, self.value('s'), 'LAST_INSERT_ID(id)'])}"
        if not MYSQL and chance.random() < 0.12:
            tail += f" RETURNING id, {self.make.expression(table.names(), 1)}"
        return f"{verb}{words} INTO {table.name} ({', '.join(names)}) {source}{tail}"

    def replace(self):
        return self.insert(verb="REPLACE")

    def update(self):
        chance, table = self.chance, self.table()
        words = chance.choice(["", "", "", " IGNORE"])
        chosen = [c for c in table.columns[1:] if chance.random() < 0.3] or [chance.choice(table.columns)]
        sets = ", ".join(f"{name} = {self.value(kind) if chance.random() < 0.6 else self.make.expression(table.names(), 1)}" for name, kind in chosen)
        where = f" WHERE {self.make.condition(table.names())}" if chance.random() < 0.9 else ""
        return f"UPDATE{words} {table.name} SET {sets}{where} ORDER BY id{chance.choice(['', '', ' LIMIT 2'])}"

    def delete(self):
        chance, table = self.chance, self.table()
        tail = chance.choice(exchanged(["", " ORDER BY id LIMIT 1", " ORDER BY id DESC LIMIT 2", " RETURNING id"], mysql.TAILS))
        return f"DELETE FROM {table.name} WHERE {self.make.condition(table.names())}{tail}"

    def multi_table(self):
        a, b = self.chance.choice(self.tables), self.chance.choice(self.tables)
        n = self.chance.randint(1, 9)
        return self.chance.choice([f"UPDATE {a.name} a JOIN {b.name} b ON a.id = b.id SET a.{a.columns[1][0]} = b.{b.columns[-1][0]} WHERE a.id < {n}",
                                   f"DELETE a FROM {a.name} a JOIN {b.name} b ON a.id = b.id WHERE a.id = {n}",
                                   f"DELETE a, b FROM {a.name} a JOIN {b.name} b USING (id) WHERE id > {n + 6}",
                                   f"UPDATE {a.name} SET {a.columns[1][0]} = (SELECT COUNT(*) FROM {b.name}) WHERE id = {n}"])

    def call(self):
        n = self.chance.choice(["3", "NULL", "'x'", "7"])
        texts = [f"CALL p0({n})", f"SELECT f0({n}), f0(id) FROM t0 ORDER BY id", f"SELECT f0({n})", "CALL p0(1, 2)", f"CALL p2({n})"]
        return self.chance.choice(texts + ([f"CALL p1({n}, @a)"] if self.sets else []))

    # -- definitions --------------------------------------------------------------------------------------------

    def column(self, kind, indexes):
        chance = self.chance
        self.serial += 1
        name = f"c{self.serial}"
        text = f"{name} {kind}"
        if chance.random() < 0.15 and kind not in ("TIMESTAMP NULL",):
            text += " NOT NULL"
        if chance.random() < 0.15 and not any(word in kind for word in UNINDEXED):
            # A character of four bytes is refused there, as a dump would have it otherwise.
            default = self.make.literal(KINDS.get(kind, 'b')).replace("😀", "☺")
            text += f" DEFAULT {default}" if chance.random() < 0.3 else " DEFAULT NULL" * ("NOT NULL" not in text)
        if not any(word in kind for word in UNINDEXED) and chance.random() < 0.12:
            indexes.append(f"{chance.choice(['UNIQUE KEY', 'KEY'])} ({name})")
        return name, text

    def create_table(self, name=None, temporary=False):
        chance = self.chance
        name = name or f"t{len(self.tables)}"
        kinds = [chance.choice(chance.choice([NUMBERS, TEXTS, OTHERS])) for _ in range(chance.randint(3, 9))]
        columns, texts, indexes = [("id", "INT")], ["id INT AUTO_INCREMENT PRIMARY KEY"], []
        for kind in kinds:
            column, text = self.column(kind, indexes)
            columns.append((column, kind))
            texts.append(text)
        if chance.random() < 0.2:
            texts.append(f"g INT AS ({mysql.of_key('id', columns)} + 1) {chance.choice(['VIRTUAL', 'STORED'])}")
        if chance.random() < 0.2:
            texts.append(f"CHECK ({mysql.of_key('id', columns)} < 1000)")
        table = Table(name, columns)
        (self.temporary if temporary else self.tables).append(table)
        return f"CREATE {'TEMPORARY ' * temporary}TABLE {name} ({', '.join(texts + indexes)})"

    def create_view(self):
        table = self.chance.choice(self.tables)
        columns = table.columns[:3]
        name = f"v{len(self.views)}"
        self.views.append(Table(name, columns))
        return f"CREATE VIEW {name} AS SELECT {', '.join(n for n, _ in columns)} FROM {table.name}" + self.chance.choice(["", " WHERE id < 8 WITH CHECK OPTION"])

    def definition(self):
        chance = self.chance
        shape = chance.randrange(12)
        table = chance.choice(self.tables)
        if shape < 2 and len(self.tables) < 5:
            return self.create_table()
        if shape < 4:
            kind, indexes = chance.choice(chance.choice([NUMBERS, TEXTS, OTHERS])), []
            name, text = self.column(kind, indexes)
            table.columns.append((name, kind))
            return f"ALTER TABLE {table.name} ADD {text}"
        if shape == 4 and len(table.columns) > 4:
            return f"ALTER TABLE {table.name} DROP COLUMN {table.columns.pop()[0]}"
        if shape == 5:
            return f"CREATE INDEX i{chance.randint(0, 2)} ON {table.name} ({table.columns[1][0]}{chance.choice(['', '(3)'])})"
        if shape == 6:
            return f"DROP INDEX {chance.choice(['IF EXISTS ', ''])}i{chance.randint(0, 2)} ON {table.name}"
        if shape == 7 and len(self.views) < 3:
            return self.create_view()
        if shape == 8:
            return chance.choice(exchanged([f"TRUNCATE {table.name}", "CREATE SEQUENCE IF NOT EXISTS q0", "SELECT NEXTVAL(q0)", "DROP SEQUENCE IF EXISTS q0"],
                                           mysql.DEFINITIONS))
        if shape == 9:
            return f"CREATE {'TRIGGER IF NOT EXISTS' if MYSQL else 'OR REPLACE TRIGGER'} g0 BEFORE {chance.choice(['INSERT', 'UPDATE'])} ON t0 FOR EACH ROW SET NEW.{self.tables[0].columns[1][0]} = {self.make.literal()}"
        if shape == 10:
            return chance.choice(["DROP TRIGGER IF EXISTS g0", "DROP TABLE IF EXISTS nothing", "CREATE TABLE IF NOT EXISTS t0 (a INT PRIMARY KEY)",
                                  "DROP VIEW IF EXISTS nothing", "DROP PROCEDURE IF EXISTS nothing", "ANALYZE TABLE t0", "CHECK TABLE t0, nothing"])
        return f"CREATE TABLE x{chance.randint(0, 9)} (PRIMARY KEY (id)) SELECT id, {self.make.leaf(table.names())} AS a FROM {table.name}"

    def temporary_table(self):
        if len(self.temporary) < 2:
            return self.create_table(f"tmp{len(self.temporary)}", temporary=True)
        return self.chance.choice(["DROP TEMPORARY TABLE IF EXISTS nothing", "DROP TEMPORARY TABLE nothing", "TRUNCATE tmp0", "SHOW CREATE TABLE tmp0"])

    # -- session, prepared statements, commands -----------------------------------------------------------------

    def session(self):
        chance, make = self.chance, self.make
        shape = chance.randrange(10)
        if shape < 4:
            self.add(f"SET @{chance.choice('abc')} = {make.expression([], 2)}")
        elif shape < 8:
            self.add(f"SET {chance.choice(VARIABLES)}")
        elif shape == 8:
            self.add(f"SELECT @{chance.choice('abc')} := {make.expression([], 1)}")
        else:
            setting = chance.choice(["sql_mode = 0", "max_statement_time = 10", "div_precision_increment = 2"])
            self.add(mysql.with_hint(setting, self.select()) if MYSQL else f"SET STATEMENT {setting} FOR {self.select()}")

    def prepared(self):
        """By the binary protocol."""
        self.make.placeholders = []
        try:
            text = self.chance.choice([self.select, self.select, self.select, self.insert, self.update, self.delete, self.call])()
            kinds = self.make.placeholders[:text.count("?")]  # some were drawn and not used
        finally:
            self.make.placeholders = None
        executions = [[self.chance.choice(PARAMETERS.get(kind, PARAMETERS[self.chance.choice("nst")])) for kind in kinds]
                      for _ in range(1 if MYSQL else self.chance.choice([1, 1, 2]))]  # there the first one's types hold
        # A variable, even one that got no row, would have the parameter's type.
        self.add(text.removesuffix(" INTO @a") if kinds else text, "binary", executions)

    def text_prepared(self):
        text = self.chance.choice([self.select, self.insert, self.update])()
        if not MYSQL and self.make.use_variables and self.chance.random() < 0.3:
            self.add(f"EXECUTE IMMEDIATE '{text.replace(chr(92), chr(92) * 2).replace(chr(39), chr(39) * 2)}'")
            return
        if self.said("READ ONLY"):
            return
        name = self.chance.choice(["ps1", "ps2"])
        self.add(f"PREPARE {name} FROM '{text.replace(chr(92), chr(92) * 2).replace(chr(39), chr(39) * 2)}'")
        self.add(f"EXECUTE {name}")
        if self.chance.random() < 0.5:
            self.add(f"DEALLOCATE PREPARE {name}")

    def command(self):
        kind = self.chance.choice(["init_db", "init_db", "ping", "field_list", "reset", "change_user"])
        text = {"init_db": self.chance.choice([self.database, self.database, "nowhere"]), "field_list": self.table().name}.get(kind, self.database)
        self.add(text, kind)
        if kind in ("reset", "change_user"):
            self.temporary = []

    def several(self):
        self.add("; ".join(self.chance.choice([self.select, self.insert, lambda: "DO 1", lambda: "SELECT nothing"])() for _ in range(self.chance.randint(2, 4))))
