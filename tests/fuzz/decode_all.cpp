#include "tests/fuzz/decode_all.hpp"

#include <sodium.h>

#include "bus/envelope.hpp"
#include "config/settings.hpp"
#include "node/gateway/compression.hpp"
#include "node/gateway/handshake.hpp"
#include "node/gateway/packets.hpp"
#include "node/gateway/replies.hpp"
#include "node/gateway/statements.hpp"
#include "node/storage/reply_scan.hpp"
#include "schemas/codec.hpp"
#include "tests/fuzz/conversation_fuzz.hpp"
#include "tests/unit/schemas_samples.hpp"

namespace ddb::fuzz {

namespace {

enum class Decoder : std::uint8_t {
    message,
    entry,
    membership,
    statement,
    envelope,
    envelope_sealed,
    settings,
    names,
    snapshot,
    packets,
    login,
    parameters,
    rows,
    conversation,
    answers,
    frames
};
constexpr std::uint8_t decoder_count = 16;

const bus::Key key{};

// A refusal must say something; anything accepted must survive another round.
template <class T, class Again>
void check(const Result<T>& result, Again again) {
    if (!result) {
        DDB_ASSERT(!result.error().message.empty());
        return;
    }
    DDB_ASSERT(again(*result));
}

void decode_message(MessageKind kind, std::string_view bytes) {
    check(decode(kind, bytes), [&](const Message& message) {
        const std::string encoded = std::visit([](const auto& m) { return encode(m); }, message);
        const auto second = decode(kind, encoded);
        return second.ok() && std::visit([](const auto& m) { return encode(m); }, *second) == encoded;
    });
}

void open_envelope(std::string_view bytes) {
    check(bus::open_sealed(bytes, "", key, true), [&](const bus::Envelope& envelope) {
        decode_message(envelope.kind, envelope.payload);
        return bus::open_sealed(bus::seal(envelope, bus::ChecksumKind::blake2b, key), "", key).ok();
    });
}

// With a right checksum over whatever comes before it, or nothing behind the checksum would ever be reached.
void open_with_checksum(std::string_view bytes) {
    std::string sealed(bytes);
    sealed.resize(sealed.size() + 32);
    crypto_generichash(reinterpret_cast<unsigned char*>(sealed.data()) + bytes.size(), 32,
                       reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), key.data(), key.size());
    open_envelope(sealed);
}

void parse_names(const std::string& text) {
    TxnId txn;
    if (parse_txn_id(text, txn)) {
        TxnId again;
        DDB_ASSERT(parse_txn_id(to_string(txn), again) && again == txn);
    }
    SessionId session;
    RequestNumber request;
    if (parse_request_name(text, session, request)) DDB_ASSERT(!request_name(session, request).empty());
}

// Payloads of a client; the limit is met by what a fuzzer can send.
void read_packets(std::string_view bytes) {
    constexpr std::size_t limit = 200;
    gateway::PacketReader reader(limit);
    reader.feed(bytes);
    for (;;) {
        const auto payload = reader.next();
        if (!payload) return DDB_ASSERT(payload.error().mysql_code != 0);
        if (!*payload) return;
        DDB_ASSERT((*payload)->size() <= limit);
    }
}

// Frames of a client that compresses: in two pieces they hold what they hold in one.
void expand_frames(std::uint8_t choice, std::string_view bytes) {
    gateway::CompressedFrames whole;
    gateway::CompressedFrames pieces;
    const std::size_t cut = bytes.size() * choice / 256;
    const auto at_once = whole.expand(bytes);
    const auto first = pieces.expand(bytes.substr(0, cut));
    const auto second = first ? pieces.expand(bytes.substr(cut)) : first;
    DDB_ASSERT(at_once.ok() == second.ok());
    if (at_once) DDB_ASSERT(*at_once == *first + *second);
}

void read_login(std::uint8_t choice, std::string_view bytes) {
    const std::uint32_t capabilities = ~0u << (choice % 32);
    if (const auto hello = gateway::decode_hello(bytes, capabilities); !hello)
        DDB_ASSERT(hello.error().mysql_code == 1043);
    (void)gateway::decode_change_user(bytes, capabilities);
}

void read_parameters(std::uint8_t count, std::string_view bytes) {
    std::vector<std::uint16_t> types;
    const std::size_t cut = bytes.size() / 2;
    const std::string_view sql = bytes.substr(0, cut);
    const auto placeholders = gateway::find_placeholders(sql, count % 2 != 0);
    const std::size_t wanted = placeholders ? placeholders->size() : count;
    const auto parameters = gateway::decode_parameters(bytes.substr(cut), wanted, types, {});
    if (!parameters) return DDB_ASSERT(!parameters.error().message.empty());
    DDB_ASSERT(parameters->size() == wanted);
    if (placeholders) (void)gateway::bind(sql, *placeholders, *parameters, count % 2 != 0);
}

// Rows that another node sent, for columns of some types.
void read_rows(std::uint8_t choice, std::string_view bytes) {
    std::vector<Column> columns(1 + choice % 3u);
    for (std::size_t i = 0; i < columns.size(); ++i) columns[i].type = static_cast<std::uint8_t>(choice + i);
    gateway::RowCutter cutter(bytes, columns.size());
    for (auto row = cutter.next(); row.ok() && *row; row = cutter.next()) {
        if (const auto binary = gateway::binary_row(**row, columns)) DDB_ASSERT(binary->front() == 0);
    }
}

// Answers of a database server: what is complete was not so before its last byte.
void scan_answers(std::uint8_t choice, std::string_view bytes) {
    const std::size_t count = 1 + choice % 4u;
    if (storage::scan_replies(bytes, count) != storage::Replies::complete) return;
    DDB_ASSERT(storage::scan_replies(bytes.substr(0, bytes.size() - 1), count) == storage::Replies::incomplete);
    DDB_ASSERT(storage::scan_replies(bytes.substr(0, bytes.size() / 2), count) == storage::Replies::incomplete);
    DDB_ASSERT(storage::scan_replies(bytes, count + 1) == storage::Replies::incomplete);
}

[[nodiscard]] std::string seed(Decoder decoder, unsigned second, const std::string& body) {
    return std::string{static_cast<char>(decoder), static_cast<char>(second)} + body;
}

}  // namespace

void decode_all(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return;
    const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
    switch (static_cast<Decoder>(data[0] % decoder_count)) {
        case Decoder::message:
            return decode_message(static_cast<MessageKind>(data[1]), body);
        case Decoder::entry:
            return check(decode_entry(body), [](const Entry& e) { return decode_entry(encode_entry(e)).ok(); });
        case Decoder::membership:
            return check(decode_membership(body),
                         [](const Membership& m) { return decode_membership(encode_membership(m)).ok(); });
        case Decoder::statement:
            return check(decode_statement(body),
                         [](const StatementPayload& s) { return decode_statement(encode_statement(s)).ok(); });
        case Decoder::envelope:
            return open_envelope(body);
        case Decoder::envelope_sealed:
            return open_with_checksum(body);
        case Decoder::settings:
            return check(config::parse_settings(std::string(body), "/nonexistent", {}), [](const config::Settings& s) {
                return config::parse_settings(config::effective_json(s), "/nonexistent", {}).ok();
            });
        case Decoder::names:
            return parse_names(std::string(body));
        case Decoder::snapshot:
            return check(decode_snapshot(body), [](const Snapshot& s) {
                const auto again = decode_snapshot(encode_snapshot(s));
                return again.ok() && *again == s;
            });
        case Decoder::packets:
            return read_packets(body);
        case Decoder::login:
            return read_login(data[1], body);
        case Decoder::parameters:
            return read_parameters(data[1], body);
        case Decoder::rows:
            return read_rows(data[1], body);
        case Decoder::conversation:
            return converse(data[1], body);
        case Decoder::answers:
            return scan_answers(data[1], body);
        case Decoder::frames:
            return expand_frames(data[1], body);
    }
}

std::vector<std::string> seeds() {
    std::vector<std::string> all;
    for (const auto& [kind, bytes] : samples::encoded()) {
        all.push_back(seed(Decoder::message, static_cast<unsigned>(kind), bytes));
        bus::Envelope envelope;
        envelope.cluster = "test";
        envelope.kind = kind;
        envelope.payload = bytes;
        const std::string sealed = bus::seal(envelope, bus::ChecksumKind::blake2b, key);
        all.push_back(seed(Decoder::envelope, 0, sealed));
        all.push_back(seed(Decoder::envelope_sealed, 0, sealed.substr(0, sealed.size() - 32)));
    }
    all.push_back(seed(Decoder::entry, 0, encode_entry(samples::entry())));
    all.push_back(seed(Decoder::membership, 0, encode_membership(samples::membership())));
    all.push_back(seed(Decoder::statement, 0, encode_statement(samples::statement())));
    all.push_back(seed(Decoder::snapshot, 0, encode_snapshot(samples::snapshot())));
    all.push_back(
        seed(Decoder::settings, 0,
             R"({"cluster": {"name": "x", "expect": 3}, "node": {"id": 1, "address": "127.0.0.1", "port": 6000},
"discovery": {"peers": ["a:1"], "multicast": "239.1.1.1"}, "mysql": {"mode": "external"}, "log": {"level": "info"}} // end)"));
    all.push_back(seed(Decoder::names, 0, to_string(TxnId{Epoch{1}, 2})));
    std::string packets;
    gateway::PacketWriter().append(packets, "\3SELECT 1");
    all.push_back(seed(Decoder::packets, 0, packets));
    all.push_back(seed(Decoder::frames, 100, gateway::CompressedFrames().framed(packets)));
    // Twenty bytes of one letter, by zlib.
    all.push_back(
        seed(Decoder::frames, 9, std::string("\x0b\0\0\0\x14\0\0\x78\x9c\x4b\x4c\xc4\x04\0\x4f\xa6\x07\x95", 18)));
    all.push_back(seed(Decoder::login, 0,
                       std::string("\x05\xa6\xff\x01\0\0\0\1\x2d", 9) + std::string(23, '\0') +
                           std::string("app\0\2abshop\0mysql_native_password\0\4\1n\1v", 39)));
    for (const unsigned choice : {0u, 252u}) all.push_back(seed(Decoder::conversation, choice, conversation_seed()));
    all.push_back(seed(Decoder::parameters, 0, std::string("SELECT ?, ?\0\1\3\0\xfd\0\7\0\0\0\1x", 23)));
    all.push_back(seed(Decoder::rows, 253, "\1a\1b\1c\0012\0013\0014"));
    all.push_back(seed(Decoder::rows, 10, std::string("\n2026-11-28\n2026-11-28\n2026-11-28")));
    std::string answers;
    gateway::PacketWriter answer;
    // An OK, and a result of one column and one row.
    for (const std::string_view payload :
         {std::string_view("\0\0\0\2\0\0\0", 7), std::string_view("\1"), std::string_view("\3def"),
          std::string_view("\xfe\0\0\2\0", 5), std::string_view("\0015"), std::string_view("\xfe\0\0\2\0", 5)}) {
        answer.append(answers, payload);
    }
    DDB_ASSERT(storage::scan_replies(answers, 2) == storage::Replies::complete);
    all.push_back(seed(Decoder::answers, 1, answers));
    all.push_back(seed(Decoder::names, 0, request_name(samples::session(), RequestNumber{3})));
    return all;
}

}  // namespace ddb::fuzz
