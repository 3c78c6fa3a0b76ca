// LOAD … LOCAL of files that come in pieces, and a coordinator that changes meanwhile.
#include <catch2/catch.hpp>

#include "session_support.hpp"

namespace ddb::session::test {
namespace {

// Rows of 100 bytes from `first` on, in a piece that ends in the middle of one.
std::string rows_from(int first, int count) {
    std::string out;
    for (int id = first; id < first + count; ++id) {
        std::string row = std::to_string(id) + "\t" + std::to_string(id % 7);
        out += row + std::string(99 - row.size(), ' ') + "\n";
    }
    return out;
}

struct Loader {
    Client f;
    RequestNumber request;

    explicit Loader(const std::string& table) : f(bench(), *bench().follower, "root", "d") {
        request = f.start("LOAD DATA LOCAL INFILE 'x' INTO TABLE " + table + " (id, v)");
        CHECK(wanted() == 0);
    }
    std::uint64_t wanted() {
        const auto is_question = [&] {
            return !f.inbox().empty() && std::holds_alternative<FileWanted>(f.inbox().front());
        };
        bench().run_until(is_question);
        REQUIRE(is_question());
        const std::uint64_t offset = std::get<FileWanted>(f.inbox().front()).offset;
        f.inbox().clear();
        return offset;
    }
    void give(std::uint64_t offset, const std::string& content, bool more, std::optional<Error> error = {}) {
        bench().follower->engine->on_message(Origin{{}, f.name},
                                             FileContent{f.session, request, std::move(error), content, offset, more},
                                             bench().now_ms());
    }
};

}  // namespace

TEST_CASE("a file that comes in pieces is loaded as one") {
    Client c = fresh("cf1");
    const std::string all = rows_from(1, 30'000);
    Loader load("cf1");
    const std::size_t step = 700'001;
    for (std::uint64_t at = 0; at < all.size(); at += step) {
        if (at != 0) CHECK(load.wanted() == at);
        const bool more = at + step < all.size();
        load.give(at, all.substr(at, step), more);
        load.give(at, "twice", more);
    }
    CHECK(load.f.finish(load.request).end.outcome.affected_rows == 30'000);
    CHECK(c.good("SELECT COUNT(*), SUM(id) FROM cf1").cell(0, 1) == "450015000");
}

TEST_CASE("a piece that is empty, of a file that ends there") {
    Client c = fresh("cf2");
    const std::string all = rows_from(1, 10);
    Loader load("cf2");
    load.give(0, all, true);
    CHECK(load.wanted() == all.size());
    load.give(all.size(), "", false);
    CHECK(load.f.finish(load.request).end.outcome.affected_rows == 10);
}

TEST_CASE("a file that fails in its middle loads nothing") {
    Client c = fresh("cf3");
    const std::string all = rows_from(1, 1000);
    Loader load("cf3");
    load.give(0, all, true);
    CHECK(load.wanted() == all.size());
    load.give(all.size(), "", false, Error{ErrorCode::invalid_argument, "cannot be read", 2, "HY000"});
    CHECK(load.f.finish(load.request).end.error);
    CHECK(c.good("SELECT COUNT(*) FROM cf3").cell() == "0");
    load.f.good("INSERT INTO cf3 VALUES (1, 1)");
}

TEST_CASE("an error of the server's ends a file in pieces, and the session goes on") {
    Client c = fresh("cf4");
    c.good("CREATE TRIGGER cf4t BEFORE INSERT ON cf4 FOR EACH ROW IF NEW.id = 99 THEN SIGNAL SQLSTATE '45000'; END IF");
    const std::string all = rows_from(1, 1000);
    Loader load("cf4");
    load.give(0, all, true);
    CHECK(load.wanted() == all.size());
    load.give(all.size(), rows_from(2000, 1000), false);
    CHECK(load.f.finish(load.request).code() == 1644);
    CHECK(c.good("SELECT COUNT(*) FROM cf4").cell() == "0");
    load.f.good("INSERT INTO cf4 VALUES (1, 1)");
}

TEST_CASE("the coordinator changes while a file is under way: the statement is rolled back, in words") {
    Client c = fresh("cf5");
    const std::string all = rows_from(1, 1000);
    Loader load("cf5");
    load.give(0, all, true);
    CHECK(load.wanted() == all.size());
    bench().close_office();
    bench().open_office();
    load.give(all.size(), rows_from(2000, 1000), false);
    CHECK(load.f.finish(load.request).code() == 1213);
    CHECK(c.good("SELECT COUNT(*) FROM cf5").cell() == "0");
    load.f.good("INSERT INTO cf5 VALUES (1, 1)");
}

TEST_CASE("a cancelled load takes no more of its file") {
    Client c = fresh("cf6");
    c.good("BEGIN");
    Loader load("cf6");
    load.give(0, rows_from(1, 1000), true);
    (void)load.wanted();
    bench().follower->engine->on_message(Origin{{}, load.f.name}, Cancel{load.f.session, load.request},
                                         bench().now_ms());
    CHECK(load.f.finish(load.request).end.error);
    CHECK(c.good("SELECT COUNT(*) FROM cf6").cell() == "0");
    load.f.good("INSERT INTO cf6 VALUES (1, 1)");
}

}  // namespace ddb::session::test
