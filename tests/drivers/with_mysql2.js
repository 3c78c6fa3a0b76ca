// mysql2, text and prepared, and MariaDB's own connector (bulk inserts) by its name.
// with_mysql2.js mysql2|mariadb DATABASE STOP-FILE HOST:PORT…   (see tests/system/drivers.py)
"use strict";

const [name] = process.argv.splice(2, 1);
const { account, check, firstThatAnswers, refused, run, writeUntilStopped } = require("./common.js");

const driver = name === "mysql2" ? require("mysql2/promise") : require("mariadb");
const ownWords = name === "mysql2" ? { enableKeepAlive: true } : { bulk: true, insertIdAsNumber: true };
const onMysql = name === "mariadb" && Boolean(process.env.DDB_SERVER); // where this connector wants and refuses more
if (onMysql) ownWords.allowPublicKeyRetrieval = true;
let connection = null;

async function connect() {
    connection = await firstThatAnswers((place) =>
        driver.createConnection({ ...account, ...place, charset: "utf8mb4_unicode_ci", connectTimeout: 10000, ...ownWords }));
    if (name === "mysql2") connection.on("error", () => {}); // the next statement tells
}

// Both drivers' answers: rows, or what became of a write.
async function query(sql, values) {
    const answer = await connection.query(sql, values);
    return name === "mysql2" ? answer[0] : answer;
}

async function execute(sql, values) {
    const answer = await connection.execute(sql, values);
    return name === "mysql2" ? answer[0] : answer;
}

async function firstSteps() {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await query(`CREATE TABLE ${name} (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(40) UNIQUE, n DECIMAL(10,2), b BLOB, t DATETIME(6),
                 big BIGINT, f DOUBLE, j JSON)`);
    for (let i = 0; i < 10; ++i) {
        const done = await execute(`INSERT INTO ${name} (v, n, b, t, big, f, j) VALUES (?, ?, ?, NOW(6), ?, ?, ?)`,
            [`é漢😀${i}`, i / 4, bytes, "9007199254740993", i / 3, JSON.stringify({ i })]);
        check(done.affectedRows === 1 && done.insertId > 0, "insert id");
    }
    if (name === "mysql2") {
        await query(`INSERT INTO ${name} (v, n) VALUES ?`, [Array.from({ length: 10 }, (_, i) => [`bulk${i}`, i])]);
    } else {
        const done = await connection.batch(`INSERT INTO ${name} (v, n) VALUES (?, ?)`, Array.from({ length: 10 }, (_, i) => [`bulk${i}`, i]));
        check(done.affectedRows === 10, `a batch of ${done.affectedRows}`);
    }
    const [row] = await execute(`SELECT n, b, f, CAST(big AS CHAR) AS big FROM ${name} WHERE v = ?`, ["é漢😀7"]);
    check(Number(row.n) === 1.75 && row.b.equals(bytes) && row.f === 7 / 3 && row.big === "9007199254740993", "values");
    await connection.beginTransaction();
    await query(`DELETE FROM ${name}`);
    await connection.rollback();
    const [{ c }] = await query(`SELECT COUNT(*) AS c FROM ${name}`);
    check(Number(c) === 20, `${c} rows behind a rollback`);
    await refused(() => execute(`INSERT INTO ${name} (v) VALUES (?)`, ["bulk1"]), 1062);
    await refused(() => query("SELECT * FROM nowhere"), 1146);
    if (!onMysql) await connection.changeUser({ ...account });
    await connection.ping();
}

run(async () => {
    await connect();
    await firstSteps();
    await writeUntilStopped((n) => execute("INSERT INTO written VALUES (?, ?)", [name, n]), async () => {
        await Promise.resolve(connection.destroy());
        await connect();
    });
});
