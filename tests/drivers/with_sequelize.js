// Sequelize over mysql2: models made by sync(), associations, a managed transaction, its pool while a node dies.
// with_sequelize.js DATABASE STOP-FILE HOST:PORT…   (see tests/system/drivers.py)
"use strict";

const { DataTypes, Sequelize, Op } = require("sequelize");
const { account, check, firstThatAnswers, refused, run, writeUntilStopped } = require("./common.js");

let sequelize = null;

async function connect() {
    sequelize = await firstThatAnswers(async (place) => {
        const made = new Sequelize(account.database, account.user, account.password,
            { ...place, dialect: "mysql", logging: false, pool: { max: 3, acquire: 10000 }, retry: { max: 1 } });
        try {
            await made.authenticate();
        } catch (error) {
            await made.close();
            throw error;
        }
        return made;
    });
}

async function firstSteps() {
    const Author = sequelize.define("author", { name: { type: DataTypes.STRING(40), unique: true }, born: DataTypes.DATEONLY });
    const Book = sequelize.define("book", { title: DataTypes.STRING, price: DataTypes.DECIMAL(10, 2), about: DataTypes.JSON,
        kind: DataTypes.ENUM("novel", "play"), cover: DataTypes.BLOB });
    Author.hasMany(Book, { onDelete: "CASCADE" });
    Book.belongsTo(Author);
    await sequelize.sync();
    await sequelize.sync({ alter: true });
    const author = await Author.create({ name: "Grün 漢😀", born: "1815-12-10" });
    await Book.bulkCreate(Array.from({ length: 10 }, (_, i) => ({ title: `book ${i}`, price: i / 4, about: { pages: i }, kind: i % 2 ? "play" : "novel",
        cover: Buffer.from([0, 39, 92, 255]), authorId: author.id })));
    const found = await Author.findOne({ where: { name: "Grün 漢😀" }, include: [{ model: Book, where: { kind: "play", price: { [Op.gt]: 0.5 } } }] });
    check(found.books.length === 4 && found.books[0].cover.equals(Buffer.from([0, 39, 92, 255])), `${found.books.length} plays`);
    await refused(() => Author.create({ name: "Grün 漢😀" }), 1062);
    await sequelize.transaction(async (transaction) => {
        await Book.update({ price: 9.5 }, { where: {}, transaction });
        throw new Error("changed my mind");
    }).catch((error) => check(error.message === "changed my mind", error.message));
    check(await Book.count({ where: { price: 9.5 } }) === 0, "a transaction rolled back");
    await sequelize.transaction({ isolationLevel: "SERIALIZABLE" }, (transaction) => Book.increment("price", { by: 1, where: {}, transaction }));
    check(await Book.count({ where: { price: { [Op.gte]: 1 } } }) === 10, "a transaction committed");
    check(await Book.sum("price") === 21.25, "a sum");
    await author.destroy();
    check(await Book.count() === 0, "deleted with their author");
}

run(async () => {
    await connect();
    await firstSteps();
    const write = (n) => sequelize.query("INSERT INTO written VALUES (?, ?)", { replacements: ["sequelize", n] });
    await writeUntilStopped(write, async () => {
        await sequelize.close().catch(() => {});
        await connect();
    });
});
