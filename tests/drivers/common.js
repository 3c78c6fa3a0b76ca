// What the JavaScript programs share: their arguments, and the loop that writes on while a node dies.
"use strict";

const fs = require("fs");

const [database, stopFile, ...rest] = process.argv.slice(2);
const places = rest.map((place) => {
    const [host, port] = place.split(":");
    return { host, port: Number(port) };
});
const account = { user: "app", password: "secret", database };

// Connects to the first place that answers, beginning with the one behind the last.
async function firstThatAnswers(connect) {
    for (let attempt = 0; attempt < 100; ++attempt) {
        try {
            return await connect(places[0]);
        } catch (error) {
            if (attempt === 99) throw error;
            places.push(places.shift());
        }
    }
}

function check(condition, text) {
    if (!condition) throw new Error(text);
}

// The server's error number, however deep an ORM has wrapped it.
function errorNumber(error) {
    for (let each = error; each; each = each.parent || each.driverError || each.cause) if (each.errno) return each.errno;
    return 0;
}

async function refused(work, number) {
    try {
        await work();
    } catch (error) {
        check(errorNumber(error) === number, `error ${errorNumber(error)} in place of ${number}: ${error.message}`);
        return;
    }
    throw new Error(`error ${number} did not come`);
}

// `write(n)` writes one row of `written`; `reconnect()` is called behind whatever is no duplicate key.
async function writeUntilStopped(write, reconnect) {
    console.log("ready");
    let count = 0;
    for (; !fs.existsSync(stopFile); ++count) {
        for (;;) {
            try {
                await write(count);
                break;
            } catch (error) {
                if (errorNumber(error) === 1062) break; // what had no answer had been done
                await reconnect();
            }
        }
    }
    console.log(`done ${count}`);
    process.exit(0);
}

function run(main) {
    main().catch((error) => {
        console.error(error);
        process.exit(1);
    });
}

module.exports = { account, check, database, firstThatAnswers, refused, run, writeUntilStopped };
