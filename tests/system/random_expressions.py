"""Random SQL expressions: literals, columns, operators and functions, of matching types most of the time."""

import contextlib
import random

import random_mysql as mysql
from random_mysql import exchanged

# Nothing here depends on time, chance or the connection: its value is the same on every server.
STRINGS = ["", "a", "abc", "B", "  lead", "trail  ", "12", "-7.5e1x", "0x1F", "2024-02-29", "2023-12-31 23:59:59.5", "10:11:12", "x,y",
           "it''s", "a\\\\b", "%", "_b%", "grün", "ß", "日本", "😀", "NULL", '{"k": [1, null, "v"], "n": {"m": 2.5}}', "[1,2,3]", "^a.*c$",
           "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"]
INTEGERS = ["0", "1", "-1", "2", "3", "7", "10", "100", "127", "128", "-129", "255", "65536", "2147483647", "-2147483648", "4294967296",
            "9223372036854775807", "-9223372036854775808", "18446744073709551615"]
DECIMALS = ["0.0", "1.5", "-0.005", "99999.99999", "123456789012345678901234567890.123", "0.1", "-2.50"]
REALS = ["0e0", "1.5e0", "-1e-3", "1e20", "1.7976931348623157e308", "2.5e-300"]
TIMES = ["DATE'2024-02-29'", "DATE'1999-12-31'", "TIME'10:11:12.5'", "TIME'-838:59:59'", "TIMESTAMP'2024-03-31 02:30:00'",
         "TIMESTAMP'1970-01-01 00:00:01.123456'", "'2024-13-45'", "'0000-00-00'", "20240115", "101112"]
BYTES = ["X'00ff10'", "x''", "b'1011'", "0x41", "_binary'\\0abc'", "_latin1'abc'", "_utf8mb4'grün' COLLATE utf8mb4_bin", "N'n'"]
JSON = ["'{\"a\": 1, \"b\": [2, 3]}'", "'[1, \"x\", null]'", "'{broken'", "JSON_OBJECT('k', 1)", "JSON_ARRAY(1, 'b', NULL)"]
PATHS = ["'$'", "'$.a'", "'$[0]'", "'$.b[1]'", "'$.*'", "'$bad'"]
UNITS = ["MICROSECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "DAY_HOUR", "YEAR_MONTH", "MINUTE_SECOND"]
FORMATS = ["'%Y-%m-%d'", "'%W %M %e %H:%i:%s.%f'", "'%j %U %v %x'", "'%q%%'", "'%D %b %y %r %T'"]
CASTS = exchanged(["SIGNED", "UNSIGNED", "CHAR", "CHAR(3)", "BINARY(4)", "DECIMAL(10,2)", "DECIMAL(3)", "DOUBLE", "DATE", "TIME", "TIME(2)",
         "DATETIME", "DATETIME(3)", "INT", "INET6", "UUID", "CHAR CHARACTER SET latin1", "INTERVAL DAY_SECOND(3)"], mysql.CASTS)
COLLATIONS = exchanged(["utf8mb4_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_german2_ci", "utf8mb4_nopad_bin", "latin1_swedish_ci",
              "nosuch_ci"], mysql.COLLATIONS)

# Name and the kinds of its arguments: n number, s string, t time, j JSON, b bytes, a any, p path, f format, * one or more of any.
FUNCTIONS = """
ABS n;CEIL n;FLOOR n;ROUND n;ROUND nn;TRUNCATE nn;SIGN n;MOD nn;POW nn;SQRT n;EXP n;LN n;LOG nn;LOG2 n;LOG10 n;SIN n;COS n;TAN n;ATAN nn
DEGREES n;RADIANS n;CRC32 s;CONV snn;BIN n;OCT n;HEX a;UNHEX s;FORMAT nn;GREATEST aa;LEAST aaa;BIT_COUNT n;INTERVAL nnnn;RAND 5;COT n
CONCAT *;CONCAT_WS s*;LENGTH s;CHAR_LENGTH s;BIT_LENGTH s;UPPER s;LOWER s;LTRIM s;RTRIM s;TRIM s;REVERSE s;REPEAT s3;SPACE 3;LEFT sn
RIGHT sn;SUBSTR sn;SUBSTR snn;SUBSTRING_INDEX ssn;INSTR ss;LOCATE ss;LOCATE ssn;POSITION_IN ss;REPLACE sss;INSERT_S snns;LPAD s3s;RPAD s3s
ASCII s;ORD s;CHAR nn;ELT n*;FIELD s*;FIND_IN_SET ss;MAKE_SET nss;EXPORT_SET nss;SOUNDEX s;QUOTE s;STRCMP ss;MD5 s;SHA1 s;SHA2 s7;TO_BASE64 s
FROM_BASE64 s;NATURAL_SORT_KEY s;SFORMAT fs;REGEXP_REPLACE sss;REGEXP_INSTR ss;REGEXP_SUBSTR ss;WEIGHT_STRING s;CHARSET s;COLLATION s
COERCIBILITY s;COMPRESS s;UNCOMPRESS b;UNCOMPRESSED_LENGTH b;AES_ENCRYPT ss;AES_DECRYPT bs;INET_ATON s;INET_NTOA n;INET6_ATON s;IS_IPV4 s
IS_IPV6 s;LOAD_FILE s;OLD_PASSWORD s;PASSWORD s;CRC32C s;CHR n
DATE t;TIME t;YEAR t;MONTH t;DAY t;HOUR t;MINUTE t;SECOND t;MICROSECOND t;QUARTER t;WEEK t;WEEK tn;WEEKDAY t;DAYOFWEEK t;DAYOFYEAR t;DAYNAME t
MONTHNAME t;LAST_DAY t;TO_DAYS t;TO_SECONDS t;FROM_DAYS n;UNIX_TIMESTAMP t;FROM_UNIXTIME n;FROM_UNIXTIME nf;DATE_FORMAT tf;TIME_FORMAT tf
STR_TO_DATE sf;DATEDIFF tt;TIMEDIFF tt;ADDTIME tt;SUBTIME tt;MAKEDATE nn;MAKETIME nnn;SEC_TO_TIME n;TIME_TO_SEC t;PERIOD_ADD nn
PERIOD_DIFF nn;YEARWEEK t;TIMESTAMP t;TIMESTAMP tt;CONVERT_TZ tss;ADD_MONTHS tn
IF naa;IFNULL aa;NULLIF aa;COALESCE *;ISNULL a;NVL aa;NVL2 aaa;DECODE_ORACLE aaaa;BENCHMARK 1a;DEFAULT_F c
JSON_EXTRACT jp;JSON_VALUE jp;JSON_QUERY jp;JSON_TYPE j;JSON_VALID a;JSON_LENGTH j;JSON_DEPTH j;JSON_KEYS j;JSON_UNQUOTE j;JSON_QUOTE s
JSON_CONTAINS jj;JSON_SET jpa;JSON_INSERT jpa;JSON_REPLACE jpa;JSON_REMOVE jp;JSON_MERGE_PATCH jj;JSON_MERGE_PRESERVE jj;JSON_SEARCH j1s
JSON_ARRAY *;JSON_OBJECT sa;JSON_COMPACT j;JSON_DETAILED j;JSON_EXISTS jp;JSON_ARRAY_APPEND jpa;JSON_NORMALIZE j;JSON_EQUALS jj
JSON_OVERLAPS jj
ST_ASTEXT g;ST_X g;ST_ISEMPTY g;ST_DISTANCE gg;ST_GEOMFROMTEXT s;ST_SRID g;ST_ASWKB g;POINT nn
DATABASE ;SCHEMA ;VERSION ;NOSUCHFUNCTION a;ABS nn;CONCAT ;USER_F ;LAST_VALUE *;UUID_OF s
"""
SPECIAL = {"INSERT_S": "INSERT", "DEFAULT_F": "DEFAULT", "USER_F": "CURRENT_ROLE", "VERSION_F": "ICU_VERSION"}
AGGREGATES = ["COUNT(*)", "COUNT({a})", "COUNT(DISTINCT {a})", "SUM({n})", "AVG({n})", "MIN({a})", "MAX({a})", "BIT_AND({n})", "BIT_OR({n})",
              "BIT_XOR({n})", "STD({n})", "VAR_SAMP({n})", "SUM(DISTINCT {n})", "GROUP_CONCAT({a} ORDER BY id)",
              "GROUP_CONCAT(DISTINCT {s} ORDER BY 1 SEPARATOR '|')", "JSON_ARRAYAGG(id)"]
WINDOWS = ["ROW_NUMBER() OVER (ORDER BY id)", "RANK() OVER (ORDER BY {c}, id)", "SUM({n}) OVER (ORDER BY id ROWS 2 PRECEDING)",
           "LAG({c}) OVER (ORDER BY id)", "LEAD({c}, 2) OVER (PARTITION BY id % 2 ORDER BY id)", "NTILE(3) OVER (ORDER BY id)",
           "COUNT(*) OVER ()", "FIRST_VALUE({c}) OVER (ORDER BY id DESC)", "PERCENT_RANK() OVER (ORDER BY id)"]
BINARY_OPERATORS = exchanged(["+", "-", "*", "/", "DIV", "%", "=", "<>", "<", "<=", ">", ">=", "<=>", "AND", "OR", "XOR", "&", "|", "^", "<<", ">>",
                    "LIKE", "NOT LIKE", "REGEXP", "IS NOT DISTINCT FROM"], mysql.BINARY_OPERATORS)


def parse_functions():
    for word in FUNCTIONS.replace("\n", ";").split(";"):
        if word:
            name, _, kinds = word.partition(" ")
            if mysql.MYSQL and name in mysql.FUNCTIONS:
                name, _, kinds = mysql.FUNCTIONS[name].partition(" ")
            yield SPECIAL.get(name, name), kinds


ALL_FUNCTIONS = list(parse_functions())


class Expressions:
    """Draws expressions from `chance` over named columns."""

    def __init__(self, chance: random.Random):
        self.chance = chance
        self.variables = ["@a", "@b", "@c"]
        self.use_variables = False
        self.placeholders = None  # a list that collects parameters, while a prepared statement is being made
        self.inside = 0  # of how many expressions the next part is an operand

    def pick(self, items):
        return self.chance.choice(items)

    def odds(self, share):
        return self.chance.random() < share

    def literal(self, kind="a"):
        if self.odds(0.06):
            return "NULL"
        kind = self.pick("nnsstbj") if kind == "a" else kind
        if kind == "n":
            return self.pick(self.pick([INTEGERS, INTEGERS, DECIMALS, REALS]))
        if kind == "s":
            return f"'{self.pick(STRINGS)}'"
        if kind == "t":
            return self.pick(TIMES)
        if kind == "j":
            return self.pick(JSON)
        if kind == "g":
            return self.pick(["POINT(1, 2)", "ST_GEOMFROMTEXT('LINESTRING(0 0, 1 1)')", "'nogeometry'"])
        return self.pick(BYTES)

    def leaf(self, columns, kind="a"):
        if columns and self.odds(0.55):
            return self.pick(columns)
        # In an expression the server goes by a parameter's type, and by its text's here.
        if self.placeholders is not None and self.inside == 0 and self.odds(0.5):
            self.placeholders.append(kind)
            return "?"
        if self.use_variables and self.odds(0.15):
            return self.pick(self.variables)
        return self.literal(kind)

    def argument(self, columns, code, depth):
        if code.isdigit():
            return code
        if code == "p":
            return self.pick(PATHS)
        if code == "f":
            return self.pick(FORMATS)
        if code == "c":
            return self.pick(columns) if columns else "nothing"
        if code == "*":
            return ", ".join(self.expression(columns, depth - 1) for _ in range(self.chance.randint(1, 3)))
        return self.expression(columns, depth - 1, code)

    def function(self, columns, depth):
        name, kinds = self.pick(ALL_FUNCTIONS)
        if name == "POSITION_IN":
            return f"POSITION({self.leaf(columns, 's')} IN {self.leaf(columns, 's')})"
        return f"{name}({', '.join(self.argument(columns, code, depth) for code in kinds)})"

    def expression(self, columns, depth=2, kind="a"):
        if depth <= 0 or self.odds(0.25):
            return self.leaf(columns, kind)
        with self.operand():
            return self.operation(columns, depth)

    @contextlib.contextmanager
    def operand(self):
        """What is drawn meanwhile is a part of something larger."""
        self.inside += 1
        yield
        self.inside -= 1

    def operation(self, columns, depth):
        shape = self.chance.randrange(20)
        def sub(kind="a"):
            return self.expression(columns, depth - 1, kind)
        if shape < 8:
            return self.function(columns, depth)
        if shape < 12:
            return f"({sub(self.pick('na'))} {self.pick(BINARY_OPERATORS)} {sub(self.pick('na'))})"
        if shape == 12:
            return f"CASE WHEN {sub()} THEN {sub()} ELSE {sub()} END" if self.odds(0.5) else f"CASE {sub()} WHEN {sub()} THEN {sub()} END"
        if shape == 13:
            return f"({sub()} {self.pick(['', 'NOT '])}IN ({sub()}, {sub()}, {self.literal()}))"
        if shape == 14:
            return f"({sub()} {self.pick(['', 'NOT '])}BETWEEN {sub()} AND {sub()})"
        if shape == 15:
            return f"({sub()} IS {self.pick(['', 'NOT '])}{self.pick(['NULL', 'TRUE', 'FALSE', 'UNKNOWN'])})"
        if shape == 16:
            return f"CAST({sub()} AS {self.pick(CASTS)})"
        if shape == 17:
            return self.pick([f"({sub('t')} {self.pick('+-')} INTERVAL {sub('n')} {self.pick(UNITS)})",
                              f"EXTRACT({self.pick(UNITS)} FROM {sub('t')})",
                              f"TIMESTAMPDIFF({self.pick(UNITS[:9])}, {sub('t')}, {sub('t')})",
                              f"DATE_ADD({sub('t')}, INTERVAL {sub('n')} {self.pick(UNITS)})"])
        if shape == 18:
            return self.pick([f"{self.pick(['-', '!', '~', 'NOT ', 'BINARY '])}({sub('n')})", f"({sub('s')} COLLATE {self.pick(COLLATIONS)})",
                              f"CONVERT({sub('s')} USING {self.pick(['utf8mb4', 'latin1', 'binary', 'ucs2', 'ascii', 'none'])})"])
        return self.pick([f"TRIM({self.pick(['BOTH', 'LEADING', 'TRAILING'])} {sub('s')} FROM {sub('s')})",
                          f"({sub()}, {sub()}) = ({sub()}, {sub()})", f"({sub('s')} SOUNDS LIKE {sub('s')})",
                          f"MATCH (nothing) AGAINST ({sub('s')})", f"({sub('s')} LIKE {sub('s')} ESCAPE '|')"])

    def condition(self, columns, depth=1):
        """One that is true of some rows more often than a random expression is."""
        if columns and self.odds(0.6):
            key = columns[0]
            if self.placeholders is not None and self.odds(0.5):
                self.placeholders.append("n")
                return f"{key} {self.pick(['=', '<', '>=', '<>'])} ?"
            return self.pick([f"{key} = {self.chance.randint(1, 12)}", f"{key} < {self.chance.randint(1, 12)}", f"{key} % 3 = 1",
                              f"{key} IN (1, 3, 5, 8)", f"{key} BETWEEN 2 AND {self.chance.randint(2, 9)}"])
        with self.operand():
            return self.expression(columns, depth)

    def fill(self, template, columns):
        return template.format(a=self.expression(columns, 1), n=self.expression(columns, 1, "n"), s=self.expression(columns, 1, "s"),
                               c=self.pick(columns))
