// TypeORM over mysql2: entities, a schema made and changed by migrations, relations, transactions, streams.
// with_typeorm.js DATABASE STOP-FILE HOST:PORT…   (see tests/system/drivers.py)
"use strict";

const { DataSource, EntitySchema, In, Table, TableColumn } = require("typeorm");
const { account, check, firstThatAnswers, refused, run, writeUntilStopped } = require("./common.js");

const Author = new EntitySchema({
    name: "author",
    columns: { id: { type: Number, primary: true, generated: true }, name: { type: String, length: 40, unique: true },
        made: { type: "datetime", createDate: true, precision: 6 }, version: { type: Number, version: true } },
    relations: { books: { type: "one-to-many", target: "book", inverseSide: "author", cascade: true } },
});
const Book = new EntitySchema({
    name: "book",
    columns: { id: { type: "varchar", length: 36, primary: true, generated: "uuid" }, title: { type: String },
        price: { type: "decimal", precision: 10, scale: 2 }, about: { type: "simple-json", nullable: true } },
    relations: { author: { type: "many-to-one", target: "author", inverseSide: "books", onDelete: "CASCADE" } },
    indices: [{ columns: ["title"] }],
});

class Shelves1700000000000 {
    async up(runner) {
        await runner.createTable(new Table({ name: "shelf", columns: [{ name: "id", type: "int", isPrimary: true, isGenerated: true,
            generationStrategy: "increment" }] }));
        await runner.addColumn("shelf", new TableColumn({ name: "place", type: "varchar", length: "20", isNullable: true }));
    }
    async down(runner) {
        await runner.dropTable("shelf");
    }
}

let source = null;

async function connect() {
    source = await firstThatAnswers((place) =>
        new DataSource({ type: "mysql", ...place, username: account.user, password: account.password, database: account.database,
            charset: "utf8mb4", entities: [Author, Book], migrations: [Shelves1700000000000], connectTimeout: 10000 }).initialize());
}

async function firstSteps() {
    await source.synchronize();
    check((await source.runMigrations()).length === 1, "a migration");
    check((await source.runMigrations()).length === 0, "no migration twice");
    await source.undoLastMigration();
    await source.synchronize(); // finds nothing to change
    const authors = source.getRepository(Author), books = source.getRepository(Book);
    const author = await authors.save({ name: "Grün 漢😀", books: Array.from({ length: 10 }, (_, i) => ({ title: `book ${i}`, price: i / 4, about: { pages: i } })) });
    const found = await authors.findOne({ where: { id: author.id }, relations: { books: true } });
    check(found.books.length === 10 && found.name === "Grün 漢😀" && found.version === 1, "author and books");
    found.name = "Blau";
    check((await authors.save(found)).version === 2, "a second version");
    check(await books.countBy({ title: In(["book 1", "book 2"]) }) === 2, "two books");
    const { sum } = await books.createQueryBuilder("b").select("SUM(b.price)", "sum").getRawOne();
    check(Number(sum) === 11.25, `sum ${sum}`);
    await refused(() => authors.insert({ name: "Blau" }), 1062);
    await source.transaction(async (manager) => {
        await manager.delete(Book, {});
        throw new Error("changed my mind");
    }).catch((error) => check(error.message === "changed my mind", error.message));
    check(await books.count() === 10, "a transaction rolled back");
    await source.transaction("SERIALIZABLE", (manager) => manager.increment(Book, {}, "price", 1));
    const stream = await books.createQueryBuilder("b").stream();
    let seen = 0;
    for await (const _ of stream) ++seen;
    check(seen === 10, `a stream of ${seen}`);
    await authors.delete(author.id);
    check(await books.count() === 0, "deleted with their author");
}

run(async () => {
    await connect();
    await firstSteps();
    const write = (n) => source.query("INSERT INTO written VALUES (?, ?)", ["typeorm", n]);
    await writeUntilStopped(write, async () => {
        await source.destroy().catch(() => {});
        await connect();
    });
});
