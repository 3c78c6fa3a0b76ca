// What the journal stores: entries, the bodies of membership, statement and rows_end entries, snapshots.
#include "schemas/wire_fields.hpp"

namespace ddb {

std::string encode_entry(const Entry& entry) {
    std::string out;
    out.reserve(192 + entry.payload.size() + entry.outcome.info.size());
    wire::write_to(out, entry, nullptr);
    return out;
}
Result<Entry> decode_entry(std::string_view bytes) {
    return wire::read_all<Entry>(bytes);
}

std::string encode_membership(const Membership& membership) {
    std::string out;
    wire::write_to(out, membership, nullptr);
    return out;
}
Result<Membership> decode_membership(std::string_view bytes) {
    return wire::read_all<Membership>(bytes);
}

std::string encode_statement(const StatementPayload& statement) {
    std::string out;
    out.reserve(64 + statement.events.size() + statement.sql.size());
    wire::write_to(out, statement, nullptr);
    return out;
}
Result<StatementPayload> decode_statement(std::string_view bytes) {
    return wire::read_all<StatementPayload>(bytes);
}

std::string encode_parts(const PartsRange& parts) {
    std::string out;
    wire::write_to(out, parts, nullptr);
    return out;
}
Result<PartsRange> decode_parts(std::string_view bytes) {
    return wire::read_all<PartsRange>(bytes);
}

std::string encode_snapshot(const Snapshot& snapshot) {
    std::string out;
    wire::write_to(out, snapshot, nullptr);
    return out;
}
Result<Snapshot> decode_snapshot(std::string_view bytes) {
    return wire::read_all<Snapshot>(bytes);
}

}  // namespace ddb
