// Talks to a MySQL server over TCP with the C client library and prints all it is told, so that two servers can be
// compared line by line: text and binary protocol, columns, values, counts, warnings, errors.
//   gateway_probe HOST PORT USER PASSWORD
#include <mysql.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

MYSQL* connect(char** arguments, unsigned long flags) {
    MYSQL* mysql = mysql_init(nullptr);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (mysql_real_connect(mysql, arguments[1], arguments[3], arguments[4], nullptr,
                           static_cast<unsigned>(std::atoi(arguments[2])), nullptr, flags) == nullptr) {
        std::printf("connect: %u %s\n", mysql_errno(mysql), mysql_error(mysql));
        std::exit(1);
    }
    return mysql;
}

void print_value(const char* data, unsigned long length) {
    std::printf("\"");
    for (unsigned long i = 0; i < length; ++i) {
        const unsigned char c = static_cast<unsigned char>(data[i]);
        if (c < 32 || c == '"' || c == '\\') {
            std::printf("\\x%02x", c);
        } else {
            std::putchar(c);
        }
    }
    std::printf("\" ");
}

void print_columns(MYSQL_RES* result) {
    for (unsigned i = 0; i < mysql_num_fields(result); ++i) {
        const MYSQL_FIELD& f = *mysql_fetch_field_direct(result, i);
        std::printf("  column %s|%s|%s|%s|%s type %d flags %u length %lu decimals %u charset %u", f.db, f.table,
                    f.org_table, f.name, f.org_name, f.type, f.flags, f.length, f.decimals, f.charsetnr);
        for (const auto attribute : {MARIADB_FIELD_ATTR_DATA_TYPE_NAME, MARIADB_FIELD_ATTR_FORMAT_NAME}) {
            MARIADB_CONST_STRING name{};
            if (mariadb_field_attr(&name, &f, attribute) == 0 && name.str != nullptr)
                std::printf(" attribute %d %.*s", attribute, static_cast<int>(name.length), name.str);
        }
        std::printf("\n");
    }
}

void run_text(MYSQL* mysql, const std::string& sql) {
    std::printf("%.200s\n", sql.c_str());
    if (mysql_real_query(mysql, sql.data(), sql.size()) != 0) {
        std::printf("  error %u %s %s\n", mysql_errno(mysql), mysql_sqlstate(mysql), mysql_error(mysql));
        return;
    }
    for (;;) {
        MYSQL_RES* result = mysql_store_result(mysql);
        if (result != nullptr) {
            print_columns(result);
            while (MYSQL_ROW row = mysql_fetch_row(result)) {
                const unsigned long* lengths = mysql_fetch_lengths(result);
                std::printf("  ");
                for (unsigned i = 0; i < mysql_num_fields(result); ++i) {
                    if (row[i] == nullptr) {
                        std::printf("NULL ");
                    } else {
                        print_value(row[i], lengths[i]);
                    }
                }
                std::printf("\n");
            }
            mysql_free_result(result);
        } else {
            const char* info = mysql_info(mysql);
            std::printf("  ok affected %llu id %llu info %s\n",
                        static_cast<unsigned long long>(mysql_affected_rows(mysql)),
                        static_cast<unsigned long long>(mysql_insert_id(mysql)), info != nullptr ? info : "-");
        }
        std::printf("  warnings %u status %u\n", mysql_warning_count(mysql), mysql->server_status & 0x0103u);
        const int more = mysql_next_result(mysql);
        if (more < 0) return;
        if (more > 0) {
            std::printf("  error %u %s %s\n", mysql_errno(mysql), mysql_sqlstate(mysql), mysql_error(mysql));
            return;
        }
    }
}

struct Bound {
    enum_field_types type;
    std::string bytes;
    bool null = false;
    bool is_unsigned = false;
    bool long_data = false;
};

template <class T>
Bound number(enum_field_types type, T value, bool is_unsigned = false) {
    return {type, std::string(reinterpret_cast<const char*>(&value), sizeof value), false, is_unsigned};
}
Bound text(const std::string& value, enum_field_types type = MYSQL_TYPE_STRING) {
    return {type, value};
}
Bound time(enum_field_types type, unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute,
           unsigned second, unsigned long micro, bool negative = false) {
    MYSQL_TIME t{};
    t.year = year, t.month = month, t.day = day, t.hour = hour, t.minute = minute, t.second = second;
    t.second_part = micro;
    t.neg = negative;
    t.time_type = type == MYSQL_TYPE_DATE   ? MYSQL_TIMESTAMP_DATE
                  : type == MYSQL_TYPE_TIME ? MYSQL_TIMESTAMP_TIME
                                            : MYSQL_TIMESTAMP_DATETIME;
    return number(type, t);
}

void stmt_error(MYSQL_STMT* statement, const char* where) {
    std::printf("  %s error %u %s %s\n", where, mysql_stmt_errno(statement), mysql_stmt_sqlstate(statement),
                mysql_stmt_error(statement));
}

// Every column is fetched as a string, which the library makes from the binary form.
void print_rows(MYSQL_STMT* statement, MYSQL_RES* metadata) {
    const unsigned count = mysql_num_fields(metadata);
    std::vector<MYSQL_BIND> bind(count);
    std::vector<unsigned long> lengths(count);
    std::vector<my_bool> nulls(count);
    std::vector<std::string> buffers(count, std::string(70'000, '\0'));
    for (unsigned i = 0; i < count; ++i) {
        bind[i] = MYSQL_BIND{};
        bind[i].buffer_type = MYSQL_TYPE_STRING;
        bind[i].buffer = buffers[i].data();
        bind[i].buffer_length = buffers[i].size();
        bind[i].length = &lengths[i];
        bind[i].is_null = &nulls[i];
    }
    mysql_stmt_bind_result(statement, bind.data());
    for (;;) {
        const int rc = mysql_stmt_fetch(statement);
        if (rc == MYSQL_NO_DATA) return;
        if (rc == 1) return stmt_error(statement, "fetch");
        std::printf("  ");
        for (unsigned i = 0; i < count; ++i) {
            if (nulls[i]) {
                std::printf("NULL ");
            } else {
                print_value(buffers[i].data(), std::min<unsigned long>(lengths[i], buffers[i].size()));
            }
        }
        std::printf("\n");
    }
}

void run_prepared(MYSQL* mysql, const std::string& sql, std::vector<Bound> values, int times = 1) {
    std::printf("prepared: %.200s\n", sql.c_str());
    const std::unique_ptr<MYSQL_STMT, my_bool (*)(MYSQL_STMT*)> owner(mysql_stmt_init(mysql), mysql_stmt_close);
    MYSQL_STMT* statement = owner.get();
    if (mysql_stmt_prepare(statement, sql.data(), sql.size()) != 0) return stmt_error(statement, "prepare");
    std::printf("  parameters %lu columns %u\n", mysql_stmt_param_count(statement), mysql_stmt_field_count(statement));
    const std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> prepared(mysql_stmt_result_metadata(statement),
                                                                    mysql_free_result);
    if (prepared != nullptr) print_columns(prepared.get());
    std::vector<MYSQL_BIND> bind(values.size());
    std::vector<unsigned long> lengths(values.size());
    std::vector<my_bool> nulls(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        bind[i] = MYSQL_BIND{};
        bind[i].buffer_type = values[i].type;
        bind[i].buffer = values[i].bytes.data();
        bind[i].buffer_length = lengths[i] = values[i].bytes.size();
        bind[i].length = &lengths[i];
        bind[i].is_unsigned = values[i].is_unsigned;
        nulls[i] = values[i].null;
        bind[i].is_null = &nulls[i];
    }
    if (!values.empty() && mysql_stmt_bind_param(statement, bind.data()) != 0) return stmt_error(statement, "bind");
    for (int n = 0; n < times; ++n) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::string& bytes = values[i].bytes;
            for (std::size_t at = 0; values[i].long_data && at < bytes.size(); at += 1000) {
                mysql_stmt_send_long_data(statement, static_cast<unsigned>(i), bytes.data() + at,
                                          std::min<std::size_t>(1000, bytes.size() - at));
            }
        }
        if (mysql_stmt_execute(statement) != 0) {
            stmt_error(statement, "execute");
            continue;
        }
        const std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> metadata(mysql_stmt_result_metadata(statement),
                                                                        mysql_free_result);
        if (metadata != nullptr) {
            print_rows(statement, metadata.get());
        } else {
            std::printf("  ok affected %llu id %llu\n",
                        static_cast<unsigned long long>(mysql_stmt_affected_rows(statement)),
                        static_cast<unsigned long long>(mysql_stmt_insert_id(statement)));
        }
        mysql_stmt_free_result(statement);
    }
}

// A statement whose rows are fetched as they are wanted.
class CursorReader {
  public:
    CursorReader(MYSQL* mysql, const std::string& sql, unsigned long prefetched)
        : mysql_(mysql), owner_(mysql_stmt_init(mysql), mysql_stmt_close) {
        const unsigned long type = CURSOR_TYPE_READ_ONLY;
        mysql_stmt_attr_set(owner_.get(), STMT_ATTR_CURSOR_TYPE, &type);
        mysql_stmt_attr_set(owner_.get(), STMT_ATTR_PREFETCH_ROWS, &prefetched);
        if (mysql_stmt_prepare(owner_.get(), sql.data(), sql.size()) != 0) stmt_error(owner_.get(), "prepare");
    }
    void open() {
        bind_.buffer_type = MYSQL_TYPE_LONG;
        bind_.buffer = &value_;
        if (mysql_stmt_execute(owner_.get()) != 0) return stmt_error(owner_.get(), "execute");
        mysql_stmt_bind_result(owner_.get(), &bind_);
        std::printf("  opened, status %u\n", mysql_->server_status & 0x00C3u);
    }
    void fetch() {
        const int rc = mysql_stmt_fetch(owner_.get());
        if (rc == 1) return stmt_error(owner_.get(), "fetch");
        std::printf("  fetch %d value %d status %u\n", rc, rc == 0 ? value_ : 0, mysql_->server_status & 0x00C3u);
    }
    void reset() { std::printf("  reset %d\n", mysql_stmt_reset(owner_.get())); }

  private:
    MYSQL* mysql_;
    std::unique_ptr<MYSQL_STMT, my_bool (*)(MYSQL_STMT*)> owner_;
    MYSQL_BIND bind_{};
    int value_ = 0;
};

void cursors(MYSQL* mysql) {
    const std::string numbers = "SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4";
    CursorReader one(mysql, numbers, 2);
    CursorReader other(mysql, "SELECT n + 10 FROM (" + numbers + ") x", 1);
    one.open();
    other.open();
    for (int i = 0; i < 2; ++i) {
        one.fetch();
        other.fetch();
        run_text(mysql, "SELECT 'in between'");
    }
    other.reset();
    for (int i = 0; i < 4; ++i) one.fetch();
    other.open();
    other.fetch();
    one.open();
    one.fetch();
    CursorReader none(mysql, "SELECT 1 FROM (" + numbers + ") x WHERE n > 9", 5);
    none.open();
    none.fetch();
    CursorReader writes(mysql, "DO 1", 5);
    writes.open();
    CursorReader wrong(mysql, "SELECT (SELECT n FROM (" + numbers + ") x) FROM (" + numbers + ") y", 5);
    wrong.open();
}

// The results of a CALL, those that its parameters are given among them. As text: a variable's type is wider.
void print_call(MYSQL* mysql, MYSQL_STMT* statement) {
    for (;;) {
        const unsigned count = mysql_stmt_field_count(statement);
        std::vector<std::array<char, 100>> values(count);
        std::vector<MYSQL_BIND> bind(count);
        for (unsigned i = 0; i < count; ++i) {
            bind[i].buffer_type = MYSQL_TYPE_STRING;
            bind[i].buffer = values[i].data();
            bind[i].buffer_length = values[i].size() - 1;
            values[i].fill(0);
        }
        if (count > 0) mysql_stmt_bind_result(statement, bind.data());
        std::printf("  columns %u given back %d", count, (mysql->server_status & SERVER_PS_OUT_PARAMS) != 0);
        while (count > 0 && mysql_stmt_fetch(statement) == 0) {
            for (const auto& value : values) std::printf(" %s", value.data());
        }
        std::printf("\n");
        if (mysql_stmt_next_result(statement) != 0) return;
    }
}

void out_parameters(MYSQL* mysql) {
    run_text(mysql,
             "CREATE PROCEDURE back(IN a INT, OUT b INT, INOUT c VARCHAR(20)) BEGIN SELECT a, 'in'; SET b = a * 2, "
             "c = CONCAT(c, '\xc3\xa9'); END");
    const std::string sql = "CALL back(?, ?, ?)";
    const std::unique_ptr<MYSQL_STMT, my_bool (*)(MYSQL_STMT*)> owner(mysql_stmt_init(mysql), mysql_stmt_close);
    MYSQL_STMT* statement = owner.get();
    if (mysql_stmt_prepare(statement, sql.data(), sql.size()) != 0) return stmt_error(statement, "prepare");
    int number = 4;
    std::string words = "it's";
    std::array<MYSQL_BIND, 3> bind{};
    bind[0].buffer_type = bind[1].buffer_type = MYSQL_TYPE_LONG;
    bind[0].buffer = bind[1].buffer = &number;
    bind[2].buffer_type = MYSQL_TYPE_STRING;
    bind[2].buffer = words.data();
    bind[2].buffer_length = words.size();
    mysql_stmt_bind_param(statement, bind.data());
    for (; number < 6; ++number) {
        if (mysql_stmt_execute(statement) != 0) return stmt_error(statement, "execute");
        print_call(mysql, statement);
    }
    run_prepared(mysql, "CALL back(1, 2, ?)", {text("x")});
    run_text(mysql, "SELECT 'behind'");
}

void text_protocol(MYSQL* mysql) {
    for (const char* sql : {
             "DROP DATABASE IF EXISTS probe",
             "CREATE DATABASE probe",
             "USE probe",
             "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, b BIGINT UNSIGNED, d DECIMAL(20,5), f FLOAT, g "
             "DOUBLE, "
             "s VARCHAR(100), bl BLOB, dt DATETIME(6), da DATE, ti TIME(3), y YEAR, ts TIMESTAMP NULL, bi BIT(12), "
             "e ENUM('a','b'), se SET('x','y'), j JSON, i6 INET6, UNIQUE KEY (b))",
             "INSERT INTO t (b, d, f, g, s, bl, dt, da, ti, y, ts, bi, e, se, j) VALUES (18446744073709551615, -1.5, "
             "0.1, "
             "0.1, 'grün', X'00ff10', '2024-02-29 12:34:56.789012', '2024-02-29', '-838:59:58.999', 2024, "
             "'2024-01-01 00:00:00', b'101', 'b', 'x,y', '{\"k\": [1, null]}'), (NULL, NULL, NULL, NULL, '', '', NULL, "
             "NULL, '00:00:00', NULL, NULL, NULL, NULL, '', NULL)",
             "SELECT * FROM t ORDER BY id",
             "SELECT id AS number, s x, COUNT(*) OVER () n, 1 + 1, NULL, 'text', 1.5e0, NOW() > 0 FROM t AS u LIMIT 1",
             "INSERT INTO t (b) VALUES (18446744073709551615)",
             "SELECT nothing FROM t",
             "SELECT * FROM missing",
             "SELEC 1",
             "UPDATE t SET s = 'x' WHERE id IN (1, 2)",
             "UPDATE t SET s = 'x' WHERE id IN (1, 2)",
             "SELECT CAST('12abc' AS SIGNED)",
             "SHOW WARNINGS",
             "INSERT IGNORE INTO t (b, y) VALUES (5, 'abcd')",
             "SHOW WARNINGS",
             "SET @sql = 'SELECT _utf8 0x78'",
             "PREPARE warned FROM @sql",
             "SHOW WARNINGS",
             "EXECUTE warned",
             "DEALLOCATE PREPARE warned",
             "REPLACE INTO t (b, s) VALUES (5, 'replaced')",
             "INSERT INTO t (b) VALUES (5) ON DUPLICATE KEY UPDATE s = 'twice'",
             "BEGIN",
             "INSERT INTO t (b) VALUES (6), (7), (8)",
             "SELECT LAST_INSERT_ID() > 0",
             "SAVEPOINT one",
             "DELETE FROM t WHERE b = 6",
             "ROLLBACK TO one",
             "COMMIT",
             "SELECT b FROM t WHERE b < 100 ORDER BY b",
             "START TRANSACTION READ ONLY",
             "INSERT INTO t (b) VALUES (9)",
             "ROLLBACK",
             "SET autocommit = 0",
             "DELETE FROM t WHERE b = 7",
             "ROLLBACK",
             "SET autocommit = 1",
             "SELECT COUNT(*) FROM t",
             "CREATE TEMPORARY TABLE tt (a INT PRIMARY KEY)",
             "INSERT INTO tt VALUES (1), (2)",
             "SELECT COUNT(*) FROM tt",
             "DROP TEMPORARY TABLE tt",
             "SET @a = 7",
             "SELECT @a",
             "CREATE VIEW v AS SELECT id, b FROM t",
             "SELECT b FROM v WHERE b = 5",
             "CREATE PROCEDURE p (IN n INT) BEGIN SELECT n; SELECT n + 1, 'two'; INSERT INTO t (b) VALUES (n); END",
             "CALL p(100)",
             "INSERT INTO t (b) VALUES (200) RETURNING b, s",
             "SHOW TABLES",
             "EXPLAIN SELECT 1",
             "DO 1",
             "KILL 4000000000",
             "",
             "  ; ",
             "SELECT 1 /* comment */ ; ",
         }) {
        run_text(mysql, sql);
    }
}

void several_statements(MYSQL* mysql) {
    mysql_set_server_option(mysql, MYSQL_OPTION_MULTI_STATEMENTS_ON);
    run_text(mysql, "SELECT 1; SELECT 'a;b'; UPDATE t SET s = 'm' WHERE b = 5; SELECT s FROM t WHERE b = 5");
    run_text(mysql, "SELECT 1; SELECT nothing; SELECT 2");
    run_text(mysql, "DO 1; DO 2;");
    mysql_set_server_option(mysql, MYSQL_OPTION_MULTI_STATEMENTS_OFF);
    run_text(mysql, "SELECT 1; SELECT 2");
}

void binary_protocol(MYSQL* mysql) {
    run_prepared(mysql, "SELECT * FROM t ORDER BY id LIMIT 3", {}, 2);
    run_prepared(mysql, "SELECT ? + 1, ?, ?, ?",
                 {number(MYSQL_TYPE_LONG, 41),
                  text("it's \\ \"q\" \n"),
                  {MYSQL_TYPE_NULL, "", true},
                  number(MYSQL_TYPE_DOUBLE, 0.1)});
    run_prepared(
        mysql,
        "INSERT INTO t (b, d, f, g, s, bl, dt, da, ti, y, ts, bi, e, se, j) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?)",
        {number(MYSQL_TYPE_LONGLONG, 18446744073709551614ull, true), text("-12.34567", MYSQL_TYPE_NEWDECIMAL),
         number(MYSQL_TYPE_FLOAT, 3.25f), number(MYSQL_TYPE_DOUBLE, -1e-300), text("prepäred"),
         text(std::string("\0\x01\xff'\\", 5), MYSQL_TYPE_BLOB),
         time(MYSQL_TYPE_DATETIME, 2023, 12, 31, 23, 59, 59, 999999), time(MYSQL_TYPE_DATE, 1999, 1, 2, 0, 0, 0, 0),
         time(MYSQL_TYPE_TIME, 0, 0, 0, 100, 1, 2, 500000, true), number(MYSQL_TYPE_SHORT, short{1999}),
         time(MYSQL_TYPE_TIMESTAMP, 2001, 2, 3, 4, 5, 6, 0), number(MYSQL_TYPE_LONG, 7), text("a"), text("y"),
         text("[1, 2]")});
    run_prepared(mysql, "SELECT * FROM t WHERE b = ?", {number(MYSQL_TYPE_LONGLONG, 18446744073709551614ull, true)});
    run_prepared(mysql, "SELECT b FROM t WHERE b < ? ORDER BY b LIMIT ?",
                 {number(MYSQL_TYPE_TINY, static_cast<signed char>(100)), number(MYSQL_TYPE_LONG, 2)});
    run_prepared(mysql, "UPDATE t SET s = CONCAT(s, ?) WHERE b = 5", {text("+")}, 3);
    run_prepared(mysql, "SELECT s FROM t WHERE b = 5", {});
    run_prepared(mysql, "INSERT INTO t (b) VALUES (?)", {number(MYSQL_TYPE_LONG, 5)});
    run_prepared(mysql, "SELECT LENGTH(?), MD5(?)",
                 {{MYSQL_TYPE_BLOB, std::string(20'000, 'z'), false, false, true}, text("x")});
    run_prepared(mysql, "SELECT '?', `s`, -- ? \n ? FROM t /* ? */ WHERE b = ? # ?",
                 {number(MYSQL_TYPE_LONG, 1), number(MYSQL_TYPE_LONG, 5)});
    run_prepared(mysql, "SELECT * FROM missing WHERE a = ?", {number(MYSQL_TYPE_LONG, 1)});
    run_prepared(mysql, "SELEC ?", {});
    run_prepared(mysql, "BEGIN", {});
    run_prepared(mysql, "DELETE FROM t WHERE b = ?", {number(MYSQL_TYPE_LONG, 100)});
    run_prepared(mysql, "ROLLBACK", {});
    run_prepared(mysql, "CALL p(?)", {number(MYSQL_TYPE_LONG, 300)});
    run_prepared(mysql, "COMMIT", {});
    run_prepared(mysql, "SET @x = ?", {number(MYSQL_TYPE_LONGLONG, -5ll)});
    run_prepared(mysql, "SELECT @x", {});
    run_prepared(mysql, "SELECT TIME'00:00:00', DATE'2020-01-01', TIMESTAMP'2020-01-01 00:00:00', 0.5, 1e0, -1", {});
}

// Rows of a number and a text, all in one command; indicators as the library has them.
struct BulkRow {
    int number = 0;
    std::string text;
    char indicator = STMT_INDICATOR_NONE;  // of the text
};

void run_bulk(MYSQL* mysql, const std::string& sql, std::vector<BulkRow> rows, bool text_first = false) {
    std::printf("bulk: %.200s\n", sql.c_str());
    const std::unique_ptr<MYSQL_STMT, my_bool (*)(MYSQL_STMT*)> owner(mysql_stmt_init(mysql), mysql_stmt_close);
    MYSQL_STMT* statement = owner.get();
    if (mysql_stmt_prepare(statement, sql.data(), sql.size()) != 0) return stmt_error(statement, "prepare");
    std::vector<int> numbers;
    std::vector<char*> texts;
    std::vector<unsigned long> lengths;
    std::vector<char> indicators;
    for (BulkRow& row : rows) {
        numbers.push_back(row.number);
        texts.push_back(row.text.data());
        lengths.push_back(row.text.size());
        indicators.push_back(row.indicator);
    }
    std::array<MYSQL_BIND, 2> bind{};
    MYSQL_BIND& number = bind[text_first ? 1 : 0];
    MYSQL_BIND& text = bind[text_first ? 0 : 1];
    number.buffer_type = MYSQL_TYPE_LONG;
    number.buffer = numbers.data();
    text.buffer_type = MYSQL_TYPE_STRING;
    text.buffer = texts.data();
    text.length = lengths.data();
    text.u.indicator = indicators.data();
    const unsigned count = static_cast<unsigned>(rows.size());
    mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &count);
    if (mysql_stmt_bind_param(statement, bind.data()) != 0) return stmt_error(statement, "bind");
    if (mysql_stmt_execute(statement) != 0) return stmt_error(statement, "execute");
    // How many numbers a server takes ahead for rows that do not need them is its own affair.
    std::printf("  ok affected %llu warnings %u", static_cast<unsigned long long>(mysql_stmt_affected_rows(statement)),
                mysql_warning_count(mysql));
    if (sql.starts_with("INSERT INTO many (n, v) VALUES (?, CONCAT"))
        std::printf(" id %llu", static_cast<unsigned long long>(mysql_stmt_insert_id(statement)));
    std::printf("\n");
}

void bulk_executions(MYSQL* mysql) {
    run_text(mysql,
             "CREATE TABLE many (id INT AUTO_INCREMENT PRIMARY KEY, n INT UNIQUE, v VARCHAR(20) DEFAULT 'usual')");
    run_bulk(mysql, "INSERT INTO many (n, v) VALUES (?, CONCAT(?, ')'))", {{1, "it's"}, {2, "b\\"}, {3, ""}});
    run_bulk(mysql, "insert many (n, v) value (?, ?)",
             {{4, "", STMT_INDICATOR_NULL}, {5, "", STMT_INDICATOR_DEFAULT}, {6, "six"}});
    run_bulk(mysql, "INSERT INTO many (n, v) VALUES (?, ?)", {{7, "seven"}, {1, "again"}, {8, "eight"}});
    run_bulk(mysql, "INSERT INTO many (n, v) VALUES (?, ?) ON DUPLICATE KEY UPDATE v = VALUES(v)",
             {{9, "nine"}, {1, "one"}});
    run_bulk(mysql, "REPLACE INTO many (n, v) VALUES (?, ?)", {{9, "anew"}, {10, "ten"}});
    run_bulk(mysql, "UPDATE many SET n = n + ? WHERE v = ?", {{100, "ten"}, {200, "anew"}, {300, "nobody"}});
    run_bulk(mysql, "UPDATE many SET v = ? WHERE n = ?", {{4, "four"}, {5, "", STMT_INDICATOR_DEFAULT}}, true);
    run_bulk(mysql, "DELETE FROM many WHERE n = ? OR v = ?", {{2, "six"}, {209, "nobody"}});
    run_bulk(mysql, "SELECT ?, ?", {{1, "x"}, {2, "y"}});
    run_text(mysql, "BEGIN");
    run_bulk(mysql, "INSERT INTO many (n, v) VALUES (?, ?)", {{20, "twenty"}, {21, "more"}});
    run_text(mysql, "ROLLBACK");
    run_text(mysql, "SELECT n, v FROM many ORDER BY n");
}

void connection_commands(MYSQL* mysql, char** arguments) {
    std::printf("ping %d\n", mysql_ping(mysql));
    std::printf("select_db %d\n", mysql_select_db(mysql, "probe"));
    std::printf("select_db missing %d %u\n", mysql_select_db(mysql, "missing"), mysql_errno(mysql));
    run_text(mysql, "SELECT DATABASE()");
    MYSQL_RES* fields = mysql_list_fields(mysql, "t", nullptr);
    if (fields != nullptr) print_columns(fields);
    mysql_free_result(fields);
    run_text(mysql, "SET @kept = 1");
    std::printf("reset %d\n", mysql_reset_connection(mysql));
    run_text(mysql, "SELECT @kept, DATABASE()");
    std::printf("change_user %d\n", mysql_change_user(mysql, arguments[3], arguments[4], "probe"));
    run_text(mysql, "SELECT DATABASE(), SUBSTRING_INDEX(USER(), '@', 1)");
    std::printf("change_user wrong %d", mysql_change_user(mysql, arguments[3], "wrong", "probe"));
    std::printf(" %u\n", mysql_errno(mysql));
    // A MySQL server ends the connection there. MariaDB 11 goes on with another collation than before, ddb with the
    // same: numbers have none.
    const unsigned long version = mysql_get_server_version(mysql);
    if (version >= 110000) run_text(mysql, "SELECT CRC32(DATABASE()), CRC32(SUBSTRING_INDEX(USER(), '@', 1))");
    if (version >= 100000 && version < 110000) run_text(mysql, "SELECT DATABASE(), SUBSTRING_INDEX(USER(), '@', 1)");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "gateway_probe HOST PORT USER PASSWORD\n");
        return 2;
    }
    MYSQL* mysql = connect(argv, 0);
    text_protocol(mysql);
    several_statements(mysql);
    binary_protocol(mysql);
    bulk_executions(mysql);
    cursors(mysql);
    out_parameters(mysql);
    connection_commands(mysql, argv);
    mysql_close(mysql);
    mysql = connect(argv, CLIENT_FOUND_ROWS);
    run_text(mysql, "UPDATE probe.t SET s = 'same' WHERE b = 5");
    run_text(mysql, "UPDATE probe.t SET s = 'same' WHERE b = 5");
    run_text(mysql, "DROP DATABASE probe");
    mysql_close(mysql);
    return 0;
}
