// The event at the head of each group of the binary log, of both servers.
#include <algorithm>
#include <array>
#include <charconv>

#include "node/storage/binlog_bytes.hpp"
#include "node/storage/binlog_event.hpp"

namespace ddb::storage {
namespace {

constexpr std::uint8_t gtid_standalone = 0x01;
constexpr std::uint8_t gtid_group_commit_id = 0x02;
constexpr std::uint8_t gtid_ddl = 0x20;
constexpr std::uint8_t gtid_prepared_xa = 0x40;
constexpr std::uint8_t gtid_completed_xa = 0x80;

constexpr std::size_t uuid_bytes = 16;

std::optional<GtidEvent> parse_mariadb(const EventView& event) {
    ByteCursor in(event.body);
    GtidEvent out;
    out.sequence = in.number(8);
    out.domain = static_cast<std::uint32_t>(in.number(4));
    const auto flags = static_cast<std::uint8_t>(in.number(1));
    out.standalone = (flags & gtid_standalone) != 0;
    out.ddl = (flags & gtid_ddl) != 0;
    out.prepared_xa = (flags & gtid_prepared_xa) != 0;
    out.completed_xa = (flags & gtid_completed_xa) != 0;
    if (flags & gtid_group_commit_id) in.take(8);
    if (out.prepared_xa || out.completed_xa) {
        in.take(4);  // format id
        const auto gtrid = static_cast<std::size_t>(in.number(1));
        const auto bqual = static_cast<std::size_t>(in.number(1));
        out.xid = in.take(gtrid + bqual);
    }
    if (in.failed()) return std::nullopt;
    if (out.domain == statement_domain) out.statement = out.sequence;
    out.text = std::to_string(out.domain) + "-" + std::to_string(event.server_id) + "-" + std::to_string(out.sequence);
    return out;
}

std::string uuid_text(const std::array<std::uint8_t, uuid_bytes>& uuid) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
        out.push_back(digits[uuid[i] >> 4]);
        out.push_back(digits[uuid[i] & 15]);
    }
    return out;
}

std::optional<GtidEvent> parse_mysql(const EventView& event) {
    ByteCursor in(event.body);
    in.take(1);  // flags
    std::array<std::uint8_t, uuid_bytes> uuid{};
    for (std::uint8_t& byte : uuid) byte = static_cast<std::uint8_t>(in.number(1));
    GtidEvent out;
    out.says_kind = false;
    out.sequence = in.number(8);
    if (in.failed()) return std::nullopt;
    out.text = uuid_text(uuid) + ":" + std::to_string(out.sequence);
    return out;
}

// Numbers of one to nine bytes: the first one's low bits that are set say how many follow, the rest is the number.
std::uint64_t variable_number(ByteCursor& in) {
    const auto first = static_cast<std::uint8_t>(in.number(1));
    std::size_t more = 0;
    while (more < 8 && (first >> more & 1) != 0) ++more;
    if (more == 8) return in.number(8);
    const std::uint64_t low = static_cast<std::uint64_t>(first) >> (more + 1);
    if (more == 0) return low;
    return low | in.number(more) << (7 - more);
}

// Fields with numbers: flags, UUID, sequence number and tag are the first four and always there.
std::optional<GtidEvent> parse_tagged(const EventView& event) {
    enum : std::uint8_t { field_flags = 0, field_uuid = 1, field_sequence = 2, field_tag = 3 };
    ByteCursor in(event.body);
    variable_number(in);  // version of the format
    variable_number(in);  // bytes
    variable_number(in);  // the last field that must be understood
    std::array<std::uint8_t, uuid_bytes> uuid{};
    std::string_view tag;
    GtidEvent out;
    out.says_kind = false;
    for (std::uint64_t wanted : {field_flags, field_uuid, field_sequence, field_tag}) {
        if (variable_number(in) != wanted || in.failed()) return std::nullopt;
        if (wanted == field_flags) {
            variable_number(in);
        } else if (wanted == field_uuid) {
            for (std::uint8_t& byte : uuid) byte = static_cast<std::uint8_t>(variable_number(in));
        } else if (wanted == field_sequence) {
            out.sequence = variable_number(in) >> 1;  // a signed one, its sign is the lowest bit
        } else {
            tag = in.take(static_cast<std::size_t>(variable_number(in)));
        }
    }
    if (in.failed()) return std::nullopt;
    out.statement = sequence_of_tag(tag);
    out.text = uuid_text(uuid) + ":" + (tag.empty() ? "" : std::string(tag) + ":") + std::to_string(out.sequence);
    return out;
}

}  // namespace

std::string statement_tag(std::string_view kind, std::uint64_t sequence) {
    std::array<char, tag_digits> digits{};
    digits.fill('0');
    std::array<char, tag_digits> plain{};
    const auto end = std::to_chars(plain.data(), plain.data() + plain.size(), sequence, 16).ptr;
    std::copy_backward(plain.data(), end, digits.end());
    return std::string(kind) + std::string(digits.data(), digits.size());
}

std::optional<std::uint64_t> sequence_of_tag(std::string_view tag) {
    if (tag.size() != coordinator_tag.size() + tag_digits) return std::nullopt;
    if (!tag.starts_with(coordinator_tag) && !tag.starts_with(applier_tag)) return std::nullopt;
    std::uint64_t out = 0;
    const char* const end = tag.data() + tag.size();
    const auto [stop, error] = std::from_chars(tag.data() + coordinator_tag.size(), end, out, 16);
    if (error != std::errc() || stop != end) return std::nullopt;
    return out;
}

std::optional<GtidEvent> parse_gtid(const EventView& event) {
    switch (event.type) {
        case EventType::gtid:
            return parse_mariadb(event);
        case EventType::mysql_gtid:
        case EventType::mysql_anonymous_gtid:
            return parse_mysql(event);
        case EventType::mysql_tagged_gtid:
            return parse_tagged(event);
        default:
            return std::nullopt;
    }
}

bool EventView::is_gtid() const {
    return type == EventType::gtid || type == EventType::mysql_gtid || type == EventType::mysql_anonymous_gtid ||
           type == EventType::mysql_tagged_gtid;
}

}  // namespace ddb::storage
