// Prints what mysql2 and MariaDB's own connector make of columns whose kind only extended metadata tell, by text and
// prepared: {"mysql2": {"text": […], "binary": […]}, …}. Makes nothing itself.
// typed_values.js HOST PORT USER DATABASE SQL   (the password in MYSQL_PWD; see tests/system/column_metadata.py)
"use strict";

const [host, port, user, database, sql] = process.argv.slice(2);
const words = { host, port: Number(port), user, password: process.env.MYSQL_PWD, database };

// Values with the kind that a program sees; a geometry is no string that JSON could hold as it is.
function told(rows) {
    return rows.map((row) => Object.entries(row).map(([name, value]) => [name, typeof value, JSON.stringify(value)]));
}

async function withMysql2() {
    const connection = await require("mysql2/promise").createConnection(words);
    const [text] = await connection.query(sql);
    const [binary] = await connection.execute(sql);
    await connection.end();
    return { text: told(text), binary: told(binary) };
}

async function withMariadb() {
    const connection = await require("mariadb").createConnection(words);
    const text = await connection.query(sql);
    const binary = await connection.execute(sql);
    const types = text.meta.map((column) => [column.name(), column.type, column.dataTypeName, column.dataTypeFormat]);
    await connection.end();
    return { text: told([...text]), binary: told([...binary]), types };
}

(async () => console.log(JSON.stringify({ mysql2: await withMysql2(), mariadb: await withMariadb() })))().catch((error) => {
    console.error(error);
    process.exit(1);
});
