#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "schemas/codec.hpp"
#include "schemas/digest.hpp"
#include "tests/unit/schemas_samples.hpp"

using namespace ddb;

namespace {

std::string encode_again(const Message& message) {
    return std::visit([](const auto& m) { return encode(m); }, message);
}

}  // namespace

TEST_CASE("every message comes back as it went") {
    for (const auto& [kind, bytes] : samples::encoded()) {
        INFO(to_string(kind));
        const auto message = decode(kind, bytes);
        REQUIRE(message.ok());
        CHECK(encode_again(*message) == bytes);
    }
}

TEST_CASE("fields survive, not just bytes") {
    const auto prepare = samples::peer_messages()[7];
    const auto decoded = decode(MessageKind::prepare, encode(prepare));
    REQUIRE(decoded.ok());
    const auto& p = std::get<Prepare>(std::get<PeerMessage>(*decoded));
    REQUIRE(p.entries.size() == 3);
    const Entry expected = samples::entry();
    const Entry& got = p.entries[0];
    CHECK(got.id == expected.id);
    CHECK(got.kind == expected.kind);
    CHECK(got.txn == expected.txn);
    CHECK(got.session == expected.session);
    CHECK(got.request == expected.request);
    CHECK(got.statement_count == expected.statement_count);
    CHECK(got.row_count == expected.row_count);
    CHECK(got.created_at_us == expected.created_at_us);
    CHECK(got.outcome == expected.outcome);
    CHECK(got.payload == expected.payload);
    CHECK(got.digest == expected.digest);
    CHECK(p.round == ReadRound{9});
    CHECK(p.previous_digest == samples::digest(1));

    const auto end = decode(MessageKind::result_end, encode(samples::session_messages()[12]));
    REQUIRE(end.ok());
    const auto& e = std::get<ResultEnd>(std::get<SessionMessage>(*end));
    REQUIRE(e.error);
    CHECK(e.error->mysql_code == 1062);
    CHECK(e.error->sqlstate == "23000");
    CHECK(e.redirected);
    CHECK(e.rows == 12);
    CHECK(e.parameters == 3);
    CHECK(e.database == "db");
}

TEST_CASE("the names of a column's type and format survive, up to their limit") {
    const auto header = decode(MessageKind::result_header, encode(samples::session_messages()[10]));
    REQUIRE(header.ok());
    const auto& columns = std::get<ResultHeader>(std::get<SessionMessage>(*header)).columns;
    REQUIRE(columns.size() == 2);
    CHECK(columns[0].original_table == "u");
    CHECK(columns[0].type_name == "point");
    CHECK(columns[0].format_name == "wkb");
    CHECK(columns[1].type_name.empty());
    CHECK(columns[1].format_name.empty());
    for (const auto name : {&Column::type_name, &Column::format_name}) {
        ResultHeader longest{samples::session(), RequestNumber{3}, {Column{}}};
        longest.columns[0].*name = std::string(type_name_bytes_max, 'n');
        CHECK(decode(MessageKind::result_header, encode(SessionMessage(longest))).ok());
        longest.columns[0].*name += 'n';
        CHECK_FALSE(decode(MessageKind::result_header, encode(SessionMessage(longest))).ok());
    }
}

TEST_CASE("every kind of message has a sample") {
    std::set<MessageKind> kinds;
    for (const auto& [kind, bytes] : samples::encoded()) kinds.insert(kind);
    for (unsigned number = 0; number < 256; ++number) {
        const auto kind = static_cast<MessageKind>(number);
        CHECK(kinds.contains(kind) == (std::string(to_string(kind)) != "unknown"));
    }
}

TEST_CASE("a message cut anywhere is refused") {
    for (const auto& [kind, bytes] : samples::encoded()) {
        INFO(to_string(kind));
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const auto message = decode(kind, std::string_view(bytes).substr(0, size));
            REQUIRE_FALSE(message.ok());
            REQUIRE(message.error().code == ErrorCode::corrupt);
        }
        const auto longer = decode(kind, bytes + '\0');
        REQUIRE_FALSE(longer.ok());
        CHECK(longer.error().message.find("stray bytes") != std::string::npos);
    }
}

TEST_CASE("fields of a newer version are ignored") {
    // [token, epoch, {"a": [nil, 1.5]}, ext] in place of [token, epoch]
    const std::string newer(
        "\x94\x05\x07\x81\xA1"
        "a\x92\xC0\xCB\x3F\xF8\0\0\0\0\0\0\xD4\x01\x02",
        20);
    const auto message = decode(MessageKind::read_index_request, newer);
    REQUIRE(message.ok());
    CHECK(std::get<ReadIndexRequest>(std::get<PeerMessage>(*message)).token == ReadToken{5});
    const auto broken = decode(MessageKind::read_index_request, std::string_view(newer).substr(0, 17));
    CHECK_FALSE(broken.ok());
}

TEST_CASE("unknown kinds are refused by number") {
    for (const unsigned number : {0U, 16U, 63U, 80U, 127U, 65535U}) {
        const auto message = decode(static_cast<MessageKind>(number), "\x90");
        REQUIRE_FALSE(message.ok());
        CHECK(message.error().code == ErrorCode::refused);
        CHECK(message.error().message.find(std::to_string(number)) != std::string::npos);
    }
}

TEST_CASE("faults name the field") {
    const auto short_record = decode(MessageKind::probe, "\x92\x01\x92\x01\x01");
    REQUIRE_FALSE(short_record.ok());
    CHECK(short_record.error().message == "probe has too few fields");
    const auto wrong_type = decode(MessageKind::probe, std::string("\x93\x01\x92\x01\xA1x\xC3", 7));
    REQUIRE_FALSE(wrong_type.ok());
    CHECK(wrong_type.error().message == "entry id.index is not a number");
    const auto bad_enum = decode(MessageKind::vote, std::string("\x98\x01\xC3\x06\x01\x01\x01\x01\xC3", 9));
    REQUIRE_FALSE(bad_enum.ok());
    CHECK(bad_enum.error().message == "vote.reason has an unknown value");
    // 65536 as a node id
    const auto bad_node =
        decode(MessageKind::hello, std::string("\x97\x92\xCE\x00\x01\x00\x00\x01\x03\xC3\xC0\xA0\xC2\xC3", 14));
    REQUIRE_FALSE(bad_node.ok());
    CHECK(bad_node.error().message == "voter.id is out of range");
}

TEST_CASE("claimed sizes are not believed") {
    // A prepare that claims 2^32-1 entries, and strings that claim 4 GB.
    std::string prepare = "\x98\x01\x92\x01\x01\xC4\x20" + std::string(32, 'd') + "\xDD\xFF\xFF\xFF\xFF";
    CHECK_FALSE(decode(MessageKind::prepare, prepare).ok());
    std::string open = "\x95\xC4\x10" + std::string(16, 's') + "\xDB\xFF\xFF\xFF\xFF";
    CHECK_FALSE(decode(MessageKind::open_session, open).ok());
    // Too many entries that are really there.
    Prepare many;
    many.entries.resize(prepare_entries_max + 1);
    const auto message = decode(MessageKind::prepare, encode(PeerMessage(many)));
    REQUIRE_FALSE(message.ok());
    CHECK(message.error().message == "prepare.entries has too many items");
    // Deep nesting in a field we skip needs no stack.
    const auto nested = decode(MessageKind::ping, std::string("\x91") + std::string(1'000'000, '\x91') + "\xC0");
    CHECK(nested.ok());
}

TEST_CASE("too long fields are noticed by the sender") {
    std::string out;
    const auto status = encode_into(out, SessionMessage(VerbRequest{1, std::string(2000, 'v'), {}, 1}));
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().message.find("verb_request.verb") != std::string::npos);
    // Sentences are cut instead, at the border of a character.
    std::string sentence(4095, 'x');
    sentence += "ä and more";
    const auto cut =
        decode(MessageKind::probe_reply, encode(PeerMessage(ProbeReply{Epoch{1}, false, false, sentence})));
    REQUIRE(cut.ok());
    CHECK(std::get<ProbeReply>(std::get<PeerMessage>(*cut)).reason == std::string(4095, 'x'));
}

TEST_CASE("random bytes do no harm") {
    std::mt19937_64 random(42);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes(random() % 64, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        (void)decode(static_cast<MessageKind>(random() % 128), bytes);
        (void)decode_entry(bytes);
        (void)decode_membership(bytes);
        (void)decode_statement(bytes);
        (void)decode_snapshot(bytes);
    }
}

TEST_CASE("journal records come back") {
    const auto entry = decode_entry(encode_entry(samples::entry()));
    REQUIRE(entry.ok());
    CHECK(encode_entry(*entry) == encode_entry(samples::entry()));
    const auto membership = decode_membership(encode_membership(samples::membership()));
    REQUIRE(membership.ok());
    CHECK(*membership == samples::membership());
    const auto statement = decode_statement(encode_statement(samples::statement()));
    REQUIRE(statement.ok());
    CHECK(statement->sql == samples::statement().sql);
    CHECK(statement->secret);
    const auto snapshot = decode_snapshot(encode_snapshot(samples::snapshot()));
    REQUIRE(snapshot.ok());
    CHECK(*snapshot == samples::snapshot());
}

TEST_CASE("the entry digest depends on every field and on what came before") {
    std::set<Digest> digests;
    std::size_t count = 0;
    const auto add = [&](const Digest& previous, const Entry& entry) {
        digests.insert(entry_digest(previous, entry));
        ++count;
    };
    const auto changed = [&](auto change) {
        Entry entry = samples::entry();
        change(entry);
        add(Digest{}, entry);
    };
    changed([](Entry&) {});
    add(samples::digest(1), samples::entry());
    changed([](Entry& e) { e.id.epoch = Epoch{8}; });
    changed([](Entry& e) { e.id.index = next(e.id.index); });
    changed([](Entry& e) { e.kind = EntryKind::statement; });
    changed([](Entry& e) { e.txn.epoch = Epoch{8}; });
    changed([](Entry& e) { e.txn.counter = 1; });
    changed([](Entry& e) { e.session.bytes[15] = 0; });
    changed([](Entry& e) { e.request = RequestNumber{13}; });
    changed([](Entry& e) { e.statement_count = 4; });
    changed([](Entry& e) { e.row_count = 4; });
    changed([](Entry& e) { e.created_at_us = 4; });
    changed([](Entry& e) { e.outcome.affected_rows = 4; });
    changed([](Entry& e) { e.outcome.last_insert_id = 4; });
    changed([](Entry& e) { e.outcome.warnings = 4; });
    changed([](Entry& e) { e.outcome.error_code = 4; });
    changed([](Entry& e) { e.outcome.info += "e"; });
    changed([](Entry& e) { e.payload = Payload("other"); });
    // Bytes that move from one field into the next are not the same entry.
    changed([](Entry& e) {
        e.outcome.info = "ab";
        e.payload = Payload("c");
    });
    changed([](Entry& e) {
        e.outcome.info = "a";
        e.payload = Payload("bc");
    });
    CHECK(digests.size() == count);
    // The stored digest itself is not part of it.
    Entry entry = samples::entry();
    entry.digest = samples::digest(9);
    CHECK(entry_digest(Digest{}, entry) == entry_digest(Digest{}, samples::entry()));
    // Fixed for ever: journals written by one build are checked by another.
    CHECK(to_hex(blake2b("abc")) == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}
