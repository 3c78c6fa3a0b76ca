"""What random statements are made of where the servers are MySQL's, in place of what only MariaDB has."""

import re

from ddb_cluster import MYSQL

TYPES = {"UUID": "VARBINARY(16)", "INET6": "VECTOR(3)"}
FITTING = {"VECTOR": "TO_VECTOR('[1, -2.5, 3e10]')"}  # of what MariaDB has not
CASTS = {"INT": "FLOAT", "INET6": "YEAR", "UUID": "JSON", "INTERVAL DAY_SECOND(3)": "NCHAR(3)"}
COLLATIONS = {"utf8mb4_german2_ci": "utf8mb4_0900_ai_ci", "utf8mb4_nopad_bin": "utf8mb4_0900_bin"}
FUNCTIONS = {
    "NATURAL_SORT_KEY": "REGEXP_LIKE ss", "SFORMAT": "IS_UUID s", "OLD_PASSWORD": "UUID_TO_BIN s", "PASSWORD": "BIN_TO_UUID b",
    "CRC32C": "STRING_TO_VECTOR s", "CHR": "VECTOR_DIM b", "ADD_MONTHS": "DATE t", "NVL": "ANY_VALUE a", "NVL2": "JSON_ARRAY_INSERT jpa",
    "DECODE_ORACLE": "JSON_SCHEMA_VALID jj", "JSON_QUERY": "JSON_STORAGE_SIZE j", "JSON_COMPACT": "JSON_PRETTY j",
    "JSON_DETAILED": "JSON_MERGE jj", "JSON_EXISTS": "JSON_CONTAINS_PATH j1p", "JSON_NORMALIZE": "STATEMENT_DIGEST s",
    "JSON_EQUALS": "VERSION_F ", "UUID_OF": "ST_GEOHASH g3", "ST_ASWKB": "ST_ASGEOJSON g"}
BINARY_OPERATORS = {"IS NOT DISTINCT FROM": "RLIKE"}
VARIABLES = {
    "old_mode = ''": "windowing_use_high_precision = 0", "use_stat_tables = 'never'": "default_collation_for_utf8mb4 = utf8mb4_0900_ai_ci",
    "join_cache_level = 0": "optimizer_switch = 'hash_join=off'", "max_statement_time = 20": "max_execution_time = 20000",
    "tx_isolation = 'READ-COMMITTED'": "transaction_isolation = 'READ-COMMITTED'",
    "tx_isolation = 'REPEATABLE-READ'": "transaction_isolation = 'REPEATABLE-READ'"}
TAILS = {" RETURNING id": " ORDER BY id LIMIT 3"}
DEFINITIONS = {"CREATE SEQUENCE IF NOT EXISTS q0": "ALTER TABLE t0 ALTER INDEX i0 INVISIBLE", "SELECT NEXTVAL(q0)": "CREATE INDEX f0 ON t0 ((id + 1))",
               "DROP SEQUENCE IF EXISTS q0": "ALTER TABLE t0 COMMENT 'changed'"}
WORDS = {"@@tx_isolation": "@@transaction_isolation", "'tx_iso%'": "'transaction_iso%'", "EXPLAIN EXTENDED": "EXPLAIN FORMAT=TREE"}


def exchanged(items, theirs):
    """The list, with MySQL's item for each that `theirs` names; as it is where the servers are MariaDB's."""
    return [theirs.get(item, item) for item in items] if MYSQL else items


def exchanged_words(texts):
    """As exchanged(), for what stands inside longer texts."""
    return [re.sub("|".join(map(re.escape, WORDS)), lambda found: WORDS[found[0]], text) for text in texts] if MYSQL else texts


def with_hint(setting, text):
    """SET STATEMENT of a SELECT, as MySQL says it."""
    setting = setting.replace("max_statement_time", "max_execution_time").replace(" = ", "=")
    return re.sub("^SELECT", f"SELECT /*+ SET_VAR({setting}) */", text)


def of_key(key, columns):
    """The key in a table's definition, where that may name one that counts up; else something of the first other column."""
    return f"LENGTH({columns[1][0]})" if MYSQL else key
