"""Why a test of MariaDB's suite that passes on a plain server does not pass through ddb: classes of first differences."""

import re

# In this order: the first pattern that is found in the state and the first difference names the class. What each means
# is told in tests/system/MARIADB_TESTS.md.
CLASSES = (
    (r"^trouble", "a node in trouble"),
    (r"SET \S+ is refused|SET GLOBAL TRANSACTION is refused|names \S+, on which replication depends|"
     r"(max_allowed_packet|trust_function_creators)[^']*': expected .*, found 'Warnings:'|; on every node it is", "refused: settings"),
    (r"AUTO_INCREMENT column (to|in) a table without|ALTER IGNORE of|is refused: existing rows", "refused: ALTER TABLE that numbers rows"),
    (r"XA is refused", "refused: XA"),
    (r"RENAME TABLE of several tables is refused", "refused: RENAME TABLE with temporary tables"),
    (r"events are refused|event_scheduler", "refused: events"),
    (r"FOR EXPORT of some tables are refused|BACKUP is refused", "refused: FLUSH TABLES of some tables, BACKUP"),
    (r"cannot commit, roll back or run definitions|XAER_RMFAIL", "refused: procedures and blocks that commit"),
    (r"ER_NOT_SUPPORTED_YET \(1235\)|is refused through ddb|federated servers are refused", "refused: other statements of one server"),
    (r"found '[^']*ddb_meta|innodb_(table|index)_stats", "the schema ddb_meta"),
    (r"SHOW (BINARY LOGS|BINLOG|MASTER)", "a server's own binary log"),
    (r"status (like|where)|Handler_|Com_|Qcache|show profile", "a server's own counters"),
    (r"behind '[^']*LOCK TABLES? |ER_TABLE_NOT_LOCKED|was not locked with LOCK TABLES", "LOCK TABLES"),
    (r"behind '[^']*(explain|analyze)|expected '\d+\\t(SIMPLE|PRIMARY|(DEPENDENT )?SUBQUERY)", "estimates of EXPLAIN"),
    (r"^late", "late"),
    (r"connection '\w+' not found", "a login that fails"),
)


# What a node says of statements that ddb refuses on purpose. A test that has one can pass only where a plain server refuses it as well.
REFUSAL = re.compile(r"(is|are) refused( through ddb| where one of them is temporary)?[:;]|, on which replication depends|cannot commit, roll back or run definitions|XAER_RMFAIL|"
                     r"DIRECTORY are refused| value: .*on every node it is|stays as the node has it")
# Where a test was ended before it told anything: the commonest of them, by a test's own text.
REFUSED_TEXT = re.compile(r"^[ \t]*(--)?[ \t]*((send|eval)[ \t]+)*(XA[ \t]+(START|BEGIN|END|PREPARE|COMMIT|ROLLBACK|RECOVER)|"
                          r"(CREATE|ALTER)[ \t]+(OR[ \t]+REPLACE[ \t]+)?(DEFINER\S+[ \t]+)?EVENT[ \t]|FLUSH[ \t]+TABLES?[ \t]+(?!WITH[ \t]).*(READ[ \t]+LOCK|EXPORT)|"
                          r"(PURGE|RESET|INSTALL|UNINSTALL|BACKUP|CHANGE[ \t]+MASTER)[ \t]|ALTER[ \t]+(ONLINE[ \t]+)?IGNORE[ \t]+TABLE|"
                          r"SET[ \t]+(@@)?GLOBAL[ \t.]+(TRANSACTION|READ_ONLY|EVENT_SCHEDULER|MAX_ALLOWED_PACKET|INIT_CONNECT|BINLOG_|"
                          r"INNODB_FLUSH_LOG_AT_TRX_COMMIT))", re.I | re.M)


def refuses(output, test):
    """Whether a test has a statement that ddb refuses on purpose: by what was recorded of it there, or else by its own text."""
    try:
        with open(output, encoding="utf-8", errors="replace") as file:
            return bool(REFUSAL.search(file.read()))
    except FileNotFoundError:
        with open(test, encoding="utf-8", errors="replace") as file:
            return bool(REFUSED_TEXT.search(file.read()))


def classify(state, wrong):
    text = f"{state} {wrong}"
    return next((name for pattern, name in CLASSES if re.search(pattern, text, re.I)), "not explained")
